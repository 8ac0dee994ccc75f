// The Auth port: who somebody is, and what they may do.

import type { Outcome } from './outcome.ts';
import type { WireIdentity } from './wire.ts';

/** What a client shows to prove who it is. */
export interface Login {
  readonly protocol: string;
  /** Protocols of one family share client ids, sessions and wills; absent: the protocol is alone. */
  readonly family?: string;
  /** Empty: the hub assigns one. */
  readonly client: string;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly remote: string;
  /** The address may be forged: a datagram without a handshake. It must not be made to pay for what it sends. */
  readonly forgeable?: boolean;
  readonly listener: string;
  readonly wire: WireIdentity;
}

/** A proven client. Objects with the same rights may be one object: permission caches are keyed by it. */
export interface Identity {
  /** The name that rules, logs and origins use; `anonymous` when nobody asked. */
  readonly principal: string;
  /** True: every topic is allowed, so `allows` need not be asked. */
  readonly unrestricted: boolean;
  /** When the proof runs out (a token's expiry), ms since 1970, or NEVER. */
  readonly validUntil: number;
}

/** One step of a challenge-response exchange (SASL). `done` may carry a last message for the client. */
export type ExchangeStep =
  | { readonly kind: 'challenge'; readonly reply: Uint8Array }
  | { readonly kind: 'done'; readonly identity: Identity; readonly reply: Uint8Array | undefined }
  | { readonly kind: 'refused'; readonly why: Outcome };

export interface Exchange {
  step(fromClient: Uint8Array): Promise<ExchangeStep>;
}

export type Action = 'publish' | 'subscribe';

export interface Auth {
  /** Resolves to the identity, or to the reason why not; rejects only when the engine itself fails. */
  identify(login: Login): Promise<Identity | Outcome>;
  /** Starts a SASL exchange by mechanism name (`SCRAM-SHA-256`), or undefined when the engine does not offer it. */
  exchange(mechanism: string, login: Login): Exchange | undefined;
  /**
   * Whether `who` may publish to a topic, or subscribe to a filter (every topic that it matches). Synchronous: it is asked once per
   * topic and identity, then cached until `epoch` changes.
   */
  allows(who: Identity, client: string, action: Action, topicOrFilter: string): boolean;
  /** False: whoever this was may not be here any more, a user that was removed or has another password. Absent: always true. */
  stands?(who: Identity): boolean;
  /** The rights of a principal that is away and left no identity, as they are now; undefined: they cannot be told. */
  absent?(principal: string): Identity | undefined;
  /** Grows whenever rules change, so that cached answers are asked for again. */
  readonly epoch: number;
}
