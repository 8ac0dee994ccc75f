// The Store port: ordered binary keys, one batch per group commit.

/**
 * `put` and `remove` join the open batch and are visible to `get` and `scan` at the latest once `commit` resolved. Keys: 1 to 500
 * octets, ordered by memcmp; the engine copies them. A value must stay unchanged until its commit resolved. An engine is finished
 * when it passes src/store/case.ts.
 */
export interface Store {
  put(key: Uint8Array, value: Uint8Array): void;
  remove(key: Uint8Array): void;
  /** The committed value; the octets are the caller's to keep. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Committed entries with `from <= key < to`, in order. */
  scan(from: Uint8Array, to: Uint8Array): Iterable<readonly [key: Uint8Array, value: Uint8Array]>;
  /** Closes the batch. Resolves when all of it is kept as durably as configured; rejects when nothing of it may be relied on. */
  commit(): Promise<void>;
  /** Octets on disk (0 in memory). */
  readonly bytes: number;
  close(): Promise<void>;
}
