// The store that forgets: everything in memory, for `durability: memory` and for tests, which may delay or fail its commits.

import type { Store } from '../contract/store.ts';
import { Batch, keyText } from './batch.ts';
import { OrderedKeys } from './ordered.ts';

export interface MemoryStoreOptions {
  /** Runs before each commit takes effect, so that a test decides when; default: the commit is immediate. */
  readonly delay?: () => Promise<void>;
}

interface Content {
  readonly keys: OrderedKeys;
  readonly values: Map<string, Uint8Array>;
}

export class MemoryStore implements Store {
  readonly bytes = 0;
  private readonly content: Content;
  private readonly delay: (() => Promise<void>) | undefined;
  private open = new Batch();
  private tail: Promise<void> | undefined;
  private failure: Error | undefined;
  private broken: Error | undefined;
  private closed = false;

  constructor(options: MemoryStoreOptions = {}, content?: Content) {
    this.delay = options.delay;
    this.content = content ?? { keys: new OrderedKeys(), values: new Map() };
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.mustBeOpen();
    this.open.set(key, value);
  }

  remove(key: Uint8Array): void {
    this.mustBeOpen();
    this.open.set(key, undefined);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.mustBeOpen();
    return this.content.values.get(keyText(key))?.slice();
  }

  *scan(from: Uint8Array, to: Uint8Array): Iterable<readonly [key: Uint8Array, value: Uint8Array]> {
    const end = keyText(to);
    let at = this.next(keyText(from), false);
    while (at !== undefined && at < end) {
      yield [new Uint8Array(Buffer.from(at, 'latin1')), this.content.values.get(at)!.slice()];
      at = this.next(at, true);
    }
  }

  /** As a disk engine: once a commit failed, every later one is refused too. */
  commit(): Promise<void> {
    this.mustBeOpen();
    const batch = this.open;
    this.open = new Batch();
    if (this.delay === undefined && this.tail === undefined) {
      try {
        this.apply(batch);
        return Promise.resolve();
      } catch (why) {
        return Promise.reject(why);
      }
    }
    const before = this.tail ?? Promise.resolve();
    const done = before.then(async () => {
      await this.delay?.();
      this.apply(batch);
    });
    const tail = done
      .catch(() => undefined)
      .then(() => {
        if (this.tail === tail) this.tail = undefined;
      });
    this.tail = tail;
    return done;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.tail;
  }

  /** Fault injection: the next commit rejects with `why` and keeps nothing. */
  failNext(why: Error): void {
    this.failure = why;
  }

  /** What a restart after a crash finds: a store with what is committed now, and nothing else. */
  reopen(): MemoryStore {
    const content: Content = { keys: new OrderedKeys(), values: new Map(this.content.values) };
    for (const key of content.values.keys()) content.keys.add(key);
    return new MemoryStore(this.delay === undefined ? {} : { delay: this.delay }, content);
  }

  private next(from: string, after: boolean): string | undefined {
    this.mustBeOpen();
    return this.content.keys.next(from, after);
  }

  private apply(batch: Batch): void {
    if (this.failure !== undefined) {
      this.broken = this.failure;
      this.failure = undefined;
    }
    if (this.broken !== undefined) throw this.broken;
    const { keys, values } = this.content;
    for (const [key, { value }] of batch.writes) {
      const known = values.has(key);
      if (value !== undefined) {
        values.set(key, new Uint8Array(value));
        if (!known) keys.add(key);
      } else if (known) {
        values.delete(key);
        keys.delete(key);
      }
    }
  }

  private mustBeOpen(): void {
    if (this.closed) throw new Error('the memory store is closed');
  }
}
