// What a hub holds at one moment, beside what it counts: the figures behind metrics and the `$SYS` tree.

/** Gauges of the hub and its store. */
export interface Census {
  /** Sessions, connected or waiting for their client. */
  readonly sessions: number;
  readonly subscriptions: number;
  readonly retained: number;
  /** Messages that wait for a client. */
  readonly queued: number;
  /** Octets on disk. */
  readonly storeBytes: number;
}
