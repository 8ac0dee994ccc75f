// Who may use the admin API: nobody is asked on an open hub of one's own machine; everywhere else a password is.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../protocol/http/packet.ts';
import { basicOf } from '../exchange.ts';
import type { Role } from './operation.ts';

export interface GuardOptions {
  /** Undefined: whoever reaches this port may do everything. */
  readonly adminPassword: string | undefined;
  /** Lets `viewer` look and change nothing. */
  readonly viewerPassword: string | undefined;
  readonly now: () => number;
}

/** So many wrong passwords from one address, in so long, and it has to wait. */
const MAX_WRONG = 10;
const WRONG_MS = 60_000;
const MAX_ADDRESSES = 10_000;

export class Guard {
  private readonly o: GuardOptions;
  private readonly wrong = new Map<string, { count: number; since: number }>();

  constructor(o: GuardOptions) {
    this.o = o;
  }

  get loginNeeded(): boolean {
    return this.o.adminPassword !== undefined;
  }

  /** Throws Refusal unless the request's user has `role`. */
  check(request: IncomingMessage, role: Role, address: string): void {
    if (role === 'open') return;
    const { adminPassword, viewerPassword } = this.o;
    if (adminPassword === undefined) {
      // A page elsewhere can make a name of its own point to this machine; it cannot make it `localhost`.
      if (isLocalName(request.headers.host)) return;
      const detail = `without web.adminPassword only localhost is answered, not ${request.headers.host}`;
      throw new Refusal(403, 'host-refused', detail);
    }
    this.checkPatience(address);
    const basic = basicOf(request.headers.authorization);
    if (basic !== undefined) {
      if (basic.user === 'admin' && same(basic.password, adminPassword)) return;
      if (basic.user === 'viewer' && viewerPassword !== undefined && same(basic.password, viewerPassword)) {
        if (role === 'viewer') return;
        throw new Refusal(403, 'not-authorized', 'viewer may look and change nothing');
      }
      this.noteWrong(address);
    }
    // The dashboard asks by itself: a browser's own password box would cover it.
    throw new Refusal(
      401,
      'bad-credentials',
      'log in as admin (or viewer) with the password of the web port',
      {
        'WWW-Authenticate': 'Waymeet realm="admin"',
      },
    );
  }

  private checkPatience(address: string): void {
    const wrong = this.wrong.get(address);
    if (wrong === undefined) return;
    const left = wrong.since + WRONG_MS - this.o.now();
    if (left <= 0) this.wrong.delete(address);
    else if (wrong.count >= MAX_WRONG)
      throw new Refusal(429, 'rate-exceeded', 'too many wrong passwords; wait a minute', {
        'Retry-After': String(Math.ceil(left / 1_000)),
      });
  }

  private noteWrong(address: string): void {
    const wrong = this.wrong.get(address);
    if (wrong !== undefined) wrong.count++;
    else if (this.wrong.size < MAX_ADDRESSES) this.wrong.set(address, { count: 1, since: this.o.now() });
  }
}

/** In constant time, whatever the lengths. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function isLocalName(host: string | undefined): boolean {
  return host !== undefined && /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/i.test(host);
}
