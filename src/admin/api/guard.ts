// Who may use the admin API: nobody is asked on an open hub of one's own machine; everywhere else a password or a session is.

import type { IncomingMessage } from 'node:http';
import { isLocalHost } from '../../hub/address.ts';
import { Refusal } from '../../protocol/http/packet.ts';
import { basicOf } from '../exchange.ts';
import type { Role } from './operation.ts';
import { cookieFor, type Rank, type Session, Sessions, showsToken } from './sessions.ts';

/** Whether what was shown is the password. */
export type PasswordCheck = (shown: string) => Promise<boolean>;

export interface GuardOptions {
  /** Undefined: whoever reaches this port may do everything. */
  readonly admin: PasswordCheck | undefined;
  /** Lets `viewer` look and change nothing. */
  readonly viewer: PasswordCheck | undefined;
  readonly now: () => number;
}

/** Who asks, as far as it is known. */
export interface Caller {
  /** Undefined: somebody who may only ask what is open to all. */
  readonly rank: Rank | undefined;
  /** The session, where a cookie named one. */
  readonly session: Session | undefined;
}

/** So many wrong passwords from one address, in so long, and it has to wait. */
const MAX_WRONG = 10;
const WRONG_MS = 60_000;
const MAX_ADDRESSES = 10_000;

const NOBODY: Caller = { rank: undefined, session: undefined };
const EVERYBODY: Caller = { rank: 'admin', session: undefined };

export class Guard {
  private readonly o: GuardOptions;
  private readonly sessions: Sessions;
  private readonly wrong = new Map<string, { count: number; since: number }>();

  constructor(o: GuardOptions) {
    this.o = o;
    this.sessions = new Sessions(o.now);
  }

  get loginNeeded(): boolean {
    return this.o.admin !== undefined;
  }

  /** Who asks. Rejects with Refusal unless that one has `role`. */
  async check(request: IncomingMessage, role: Role, address: string): Promise<Caller> {
    const caller = await this.callerOf(request, role, address);
    if (role === 'open') return caller;
    // The dashboard asks by itself: a browser's own password box would cover it.
    if (caller.rank === undefined) throw wrongPassword();
    if (role === 'admin' && caller.rank === 'viewer')
      throw new Refusal(403, 'not-authorized', 'viewer may look and change nothing');
    if (caller.session !== undefined && changes(request) && !showsToken(request, caller.session))
      throw new Refusal(
        403,
        'csrf',
        'a change by cookie needs the header X-Waymeet-CSRF with the token of POST /login',
      );
    return caller;
  }

  /** Checks a name and a password, and opens a session: the answer, and the `Set-Cookie` that goes with it. */
  async logIn(
    request: IncomingMessage,
    user: string,
    password: string,
    address: string,
  ): Promise<{ readonly session: Session; readonly cookie: string }> {
    const rank = await this.rankOf(user, password, address);
    if (rank === undefined) throw wrongPassword();
    this.sessions.close(request);
    const { session, value } = this.sessions.open(rank);
    return { session, cookie: cookieFor(request, value) };
  }

  /** Ends the request's session; the `Set-Cookie` that forgets it. */
  logOut(request: IncomingMessage): string {
    this.sessions.close(request);
    return cookieFor(request, undefined);
  }

  private async callerOf(request: IncomingMessage, role: Role, address: string): Promise<Caller> {
    if (this.o.admin === undefined) {
      const { host } = request.headers;
      if (role === 'open' || (host !== undefined && isLocalHost(host))) return EVERYBODY;
      const detail = `without web.adminPassword only localhost is answered, not ${host}`;
      throw new Refusal(403, 'host-refused', detail);
    }
    const basic = basicOf(request.headers.authorization);
    if (basic !== undefined && role !== 'open')
      return { rank: await this.rankOf(basic.user, basic.password, address), session: undefined };
    const session = this.sessions.find(request);
    return session === undefined ? NOBODY : { rank: session.rank, session };
  }

  private async rankOf(user: string, password: string, address: string): Promise<Rank | undefined> {
    this.checkPatience(address);
    const check = user === 'admin' ? this.o.admin : user === 'viewer' ? this.o.viewer : undefined;
    if (check !== undefined && (await check(password))) return user as Rank;
    this.noteWrong(address);
    return undefined;
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
    else this.wrong.set(address, { count: 1, since: this.o.now() });
    if (this.wrong.size > MAX_ADDRESSES) this.wrong.delete(this.wrong.keys().next().value!);
  }
}

function wrongPassword(): Refusal {
  return new Refusal(
    401,
    'bad-credentials',
    'log in as admin (or viewer) with the password of the web port',
    {
      'WWW-Authenticate': 'Waymeet realm="admin"',
    },
  );
}

function changes({ method }: IncomingMessage): boolean {
  return method !== 'GET' && method !== 'HEAD';
}
