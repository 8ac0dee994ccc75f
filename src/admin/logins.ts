// The hub logins of HTTP users: one for all requests that show the same credentials, renewed every minute.

import { createHash } from 'node:crypto';
import type { Login } from '../contract/auth.ts';
import type { Hub } from '../contract/hub.ts';
import type { WireIdentity } from '../contract/wire.ts';
import { type JsonWords, Refusal } from '../protocol/http/packet.ts';
import { HttpPeer, PROTOCOL } from '../protocol/http/peer.ts';
import { basicOf, bearerOf } from './exchange.ts';

/** What a login is made of. */
export interface Credentials {
  readonly authorization: string | undefined;
  /** `192.0.2.1:50312` */
  readonly remote: string;
  readonly wire: WireIdentity;
}

/** Rules and users change: a login is asked for again after so long. */
const RENEW_MS = 60_000;

interface Held {
  readonly peer: Promise<HttpPeer>;
  /** The peer, once it is logged in. */
  here: HttpPeer | undefined;
  readonly since: number;
  users: number;
}

/** A login in use; `done` gives it back. */
export interface Lease {
  readonly peer: HttpPeer;
  done(): void;
  /** Takes the same login once more, without asking who it is; false: it is to be asked for again. Each needs its `done`. */
  again(): boolean;
}

export class Logins {
  private readonly hub: Hub;
  private readonly listener: string;
  private readonly json: JsonWords;
  private readonly held = new Map<string, Held>();
  private readonly sweeping: NodeJS.Timeout;

  constructor(hub: Hub, listener: string, json: JsonWords) {
    this.hub = hub;
    this.listener = listener;
    this.json = json;
    this.sweeping = setInterval(() => this.sweep(), RENEW_MS).unref();
  }

  /** Rejects with Refusal when the hub refuses the login. */
  async lease(credentials: Credentials): Promise<Lease> {
    const key = keyOf(credentials);
    let held = this.held.get(key);
    if (held === undefined || this.hub.now() - held.since > RENEW_MS || held.here?.gone) {
      held = { peer: this.login(credentials), here: undefined, since: this.hub.now(), users: 0 };
      this.retire(key);
      this.hold(key, held);
    }
    const mine = held;
    mine.users++;
    try {
      const peer = await mine.peer;
      return {
        peer,
        done: () => this.giveBack(key, mine, peer),
        again: () => {
          const fresh = this.hub.now() - mine.since <= RENEW_MS && !peer.gone;
          if (!fresh || this.held.get(key) !== mine) return false;
          mine.users++;
          return true;
        },
      };
    } catch (error) {
      mine.users--;
      throw error;
    }
  }

  private hold(key: string, fresh: Held): void {
    this.held.set(key, fresh);
    fresh.peer.then(
      (peer) => {
        fresh.here = peer;
      },
      () => {
        if (this.held.get(key) === fresh) this.held.delete(key);
      },
    );
  }

  close(): void {
    clearInterval(this.sweeping);
    for (const key of [...this.held.keys()]) this.retire(key);
  }

  private giveBack(key: string, held: Held, peer: HttpPeer): void {
    held.users--;
    if (held.users === 0 && this.held.get(key) !== held) peer.leave(this.hub.now());
  }

  /** Takes a login out of use; the last request that uses it ends it. */
  private retire(key: string): void {
    const held = this.held.get(key);
    if (held === undefined) return;
    this.held.delete(key);
    if (held.users === 0)
      held.peer.then(
        (peer) => peer.leave(this.hub.now()),
        () => undefined, // it was refused: there is nothing to leave
      );
  }

  private sweep(): void {
    const now = this.hub.now();
    for (const [key, held] of this.held)
      if (now - held.since > RENEW_MS && held.users === 0) this.retire(key);
  }

  private login({ authorization, remote, wire }: Credentials): Promise<HttpPeer> {
    const basic = basicOf(authorization);
    const token = basic === undefined ? bearerOf(authorization) : undefined;
    if (authorization !== undefined && basic === undefined && token === undefined)
      return Promise.reject(
        new Refusal(401, 'bad-authentication-method', 'Authorization is neither Basic nor Bearer', CHALLENGE),
      );
    const password = basic?.password ?? token;
    const login: Login = {
      protocol: PROTOCOL,
      client: '',
      username: basic?.user,
      password: password === undefined ? undefined : Buffer.from(password),
      remote,
      listener: this.listener,
      wire,
    };
    return new Promise((resolve, reject) => {
      new HttpPeer(this.hub, login, this.json, (peer, refused) => {
        if (refused === undefined) resolve(peer);
        else if (refused.status !== 401) reject(refused);
        else reject(new Refusal(401, refused.code, refused.message, CHALLENGE));
      });
    });
  }
}

// A challenge is required with 401. [RFC9110-11.6.1]
const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="waymeet", Bearer realm="waymeet"' };

/** Passwords are not kept in memory in the clear. */
function keyOf({ authorization, remote, wire }: Credentials): string {
  const address = remote.slice(0, remote.lastIndexOf(':'));
  const parts = JSON.stringify([address, authorization ?? null, wire.certificate?.fingerprint ?? null]);
  return createHash('sha256').update(parts).digest('base64');
}
