// Who has logged in to the admin API with a cookie: sessions in memory, each with the token that its changes must carry.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Who may look, and who may change. */
export type Rank = 'viewer' | 'admin';

export interface Session {
  readonly rank: Rank;
  /** What a request that changes something shows in `X-Waymeet-CSRF`: a page elsewhere can make a browser send the cookie, not this. */
  readonly csrf: string;
  /** ms since 1970: it ends then, whether it is used or not. */
  readonly endsAt: number;
}

interface Held extends Session {
  usedAt: number;
}

const LASTS_MS = 7 * 86_400_000;
const IDLE_MS = 12 * 3_600_000;
/** Beyond it the one that was not used for the longest ends. */
const MAX_SESSIONS = 1_000;
const MAX_COOKIE_LENGTH = 8_192;

export class Sessions {
  /** By the hash of the cookie's value: whoever reads this process's memory later cannot log in with it. */
  private readonly held = new Map<string, Held>();
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  /** Opens a session and returns it with the value of its cookie. */
  open(rank: Rank): { readonly session: Session; readonly value: string } {
    const now = this.now();
    const value = randomBytes(32).toString('base64url');
    const session: Held = {
      rank,
      csrf: randomBytes(18).toString('base64url'),
      endsAt: now + LASTS_MS,
      usedAt: now,
    };
    this.held.set(nameOf(value), session);
    if (this.held.size > MAX_SESSIONS) this.held.delete(this.held.keys().next().value!);
    return { session, value };
  }

  /** The session that a request's cookie names. */
  find(request: IncomingMessage): Session | undefined {
    const value = cookieOf(request);
    if (value === undefined) return undefined;
    const name = nameOf(value);
    const session = this.held.get(name);
    if (session === undefined) return undefined;
    const now = this.now();
    this.held.delete(name);
    if (now >= session.endsAt || now >= session.usedAt + IDLE_MS) return undefined;
    session.usedAt = now;
    this.held.set(name, session); // last in the order in which they go
    return session;
  }

  close(request: IncomingMessage): void {
    const value = cookieOf(request);
    if (value !== undefined) this.held.delete(nameOf(value));
  }

  /** The passwords changed: everybody logs in again. */
  closeAll(): void {
    this.held.clear();
  }
}

/** Whether a request shows the token of its session. */
export function showsToken(request: IncomingMessage, session: Session): boolean {
  const shown = request.headers['x-waymeet-csrf'];
  if (typeof shown !== 'string') return false;
  const [a, b] = [Buffer.from(shown), Buffer.from(session.csrf)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** `Set-Cookie` that opens a session, or ends it. */
export function cookieFor(request: IncomingMessage, value: string | undefined): string {
  const secure = (request.socket as { encrypted?: boolean }).encrypted === true ? '; Secure' : '';
  const life = value === undefined ? '; Max-Age=0' : `; Max-Age=${LASTS_MS / 1_000}`;
  return `${cookieName(request)}=${value ?? ''}; Path=/api/v1; HttpOnly; SameSite=Strict${secure}${life}`;
}

/** Cookies do not tell ports apart: two hubs of one machine would take each other's. */
function cookieName(request: IncomingMessage): string {
  return `waymeet_${request.socket.localPort ?? 0}`;
}

function cookieOf(request: IncomingMessage): string | undefined {
  const all = request.headers.cookie;
  if (all === undefined || all.length > MAX_COOKIE_LENGTH) return undefined;
  const start = `${cookieName(request)}=`;
  for (const part of all.split(';')) {
    const pair = part.trim();
    if (pair.startsWith(start)) return pair.slice(start.length);
  }
  return undefined;
}

function nameOf(value: string): string {
  return createHash('sha256').update(value).digest('base64');
}
