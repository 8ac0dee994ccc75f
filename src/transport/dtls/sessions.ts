// Sessions that can be resumed: what both sides need to agree on new keys without a whole handshake [RFC5246-7.3].

import { randomBytes } from 'node:crypto';
import type { WireIdentity } from '../../contract/wire.ts';

export interface Session {
  readonly id: Uint8Array;
  readonly suite: number;
  readonly master: Uint8Array;
  /** Bound to its handshake; only such sessions are resumed [RFC7627-5.3]. */
  readonly extended: boolean;
  /** What the handshake proved about the other side. */
  readonly identity: WireIdentity;
  /** The name that the client asked for, whose certificate proved the server. */
  readonly serverName: string | undefined;
  /** The key that was shared, so that one that was replaced ends the sessions that came from it. */
  readonly preSharedKey: Uint8Array | undefined;
  /** ms; the end of its life, or of the client's certificate. */
  readonly validUntil: number;
}

export const SESSION_ID_BYTES = 32;
const DEFAULT_MAX_SESSIONS = 10_000;

/** The server's sessions, in memory, a bounded number: the oldest make room. */
export class Sessions {
  private readonly byId = new Map<string, Session>();
  private readonly max: number;

  constructor(max = DEFAULT_MAX_SESSIONS) {
    this.max = max;
  }

  newId(): Uint8Array {
    return randomBytes(SESSION_ID_BYTES);
  }

  keep(session: Session): void {
    if (this.byId.size >= this.max) {
      for (const oldest of this.byId.keys()) {
        this.byId.delete(oldest);
        break;
      }
    }
    this.byId.set(keyOf(session.id), session);
  }

  find(id: Uint8Array, now: number): Session | undefined {
    if (id.length === 0) return undefined;
    const session = this.byId.get(keyOf(id));
    if (session === undefined || session.validUntil > now) return session;
    this.byId.delete(keyOf(id));
    return undefined;
  }

  /** A fatal alert makes a session unusable [RFC5246-7.2.2]. */
  forget(id: Uint8Array): void {
    this.byId.delete(keyOf(id));
  }

  /** Certificates or keys have changed: nobody goes on with what the old ones proved. */
  clear(): void {
    this.byId.clear();
  }
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id).toString('latin1');
}
