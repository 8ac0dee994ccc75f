// A store whose commits are timed.

import { Histogram } from '../admin/histogram.ts';
import type { Store } from '../contract/store.ts';

/** From a fast disk's fsync to one that is on its knees. */
const BOUNDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class TimedStore implements Store {
  readonly commits = new Histogram(BOUNDS);
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  get bytes(): number {
    return this.store.bytes;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.store.put(key, value);
  }

  remove(key: Uint8Array): void {
    this.store.remove(key);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.store.get(key);
  }

  scan(from: Uint8Array, to: Uint8Array): Iterable<readonly [key: Uint8Array, value: Uint8Array]> {
    return this.store.scan(from, to);
  }

  /** One that fails is not counted: it is the last. */
  async commit(): Promise<void> {
    const began = performance.now();
    await this.store.commit();
    this.commits.observe((performance.now() - began) / 1_000);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
