// Bans: who is not let in for a while, by address, user or client id.

import type { Outcome } from './outcome.ts';

export type BanKind = 'address' | 'user' | 'client';

export interface Ban {
  readonly kind: BanKind;
  /** An address, or `2001:db8:0:1::/64`; a user name; a client id. */
  readonly value: string;
  /** ms since 1970. */
  readonly since: number;
  /** When it ends, ms since 1970, or NEVER. */
  readonly until: number;
  readonly why: string;
  /** `hub`: after failed logins. */
  readonly by: 'admin' | 'hub';
}

export interface Bans {
  /** Those that hold now. */
  list(): Ban[];
  /** Bans until `until`, in place of an earlier ban of the same, and sends away who is here. 'quota-exceeded': there are too many. */
  add(kind: BanKind, value: string, until: number, why: string): Outcome;
  /** False: there was none. */
  remove(kind: BanKind, value: string): boolean;
}
