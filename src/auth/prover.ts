// The port of what proves who somebody is by asking elsewhere: a token's signature, a service over HTTP.

import type { Login } from '../contract/auth.ts';
import type { Outcome } from '../contract/outcome.ts';
import { type Acl, ANONYMOUS } from './acl.ts';

/** A proof, and what it says about its bearer. */
export interface Proven {
  readonly principal: string;
  readonly groups: readonly string[];
  /** Rules that came with it, beside those of everybody; undefined: none came. */
  readonly acl: Acl | undefined;
  /** ms since 1970, or NEVER. */
  readonly validUntil: number;
}

/** One link of the chain. */
export interface Prover {
  readonly name: 'jwt' | 'http';
  /** Resolves to undefined when the login is not for this one to judge: the next is asked. Never rejects. */
  prove(login: Login): Promise<Proven | Outcome | undefined>;
  /** SASL mechanisms whose one message is a whole proof: the login's password, read out of that message. */
  readonly mechanisms?: ReadonlyMap<string, (message: Uint8Array) => Uint8Array | undefined>;
  /** Reads again what it was set up with. Rejects with what is wrong; then what held before still holds. */
  reload(): Promise<void>;
  /** Lets go of connections and timers. */
  close(): void;
}

const MAX_NAME = 256;

/** Whether a name that comes from elsewhere can be a principal. */
export function isPrincipal(name: unknown): name is string {
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME || name === ANONYMOUS) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  return !/[\x00-\x1f\x7f]/.test(name);
}
