// What the owner of a hub can set of AMQP 1.0.

export interface Amqp1Options {
  /** The largest frame that is taken, octets; what is sent is no larger either. */
  readonly frameMax: number;
  /** Sessions of one connection. */
  readonly sessions: number;
  /** Links of one session. */
  readonly links: number;
  /** Deliveries that a client may send on one link before the first of them is answered. */
  readonly credit: number;
  /** How long a client may be silent, as it is told; twice as long ends the connection. ms. */
  readonly idleMs: number;
}

export const DEFAULT_AMQP1_OPTIONS: Amqp1Options = {
  frameMax: 131_072,
  sessions: 256,
  links: 1_024,
  credit: 1_000,
  idleMs: 60_000,
};
