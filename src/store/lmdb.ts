// The durable store: ordered keys in one LMDB file, one transaction per commit.

import { statSync } from 'node:fs';
import { access, constants, mkdir, open as openFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import type { Store } from '../contract/store.ts';
import { Batch, MAX_KEY_BYTES } from './batch.ts';
import { type Lock, takeLock } from './lock.ts';

export interface LmdbOptions {
  /**
   * full: a commit resolves once the disk has it (fsync). relaxed: once the operating system has it, so that it survives the end of
   * this process in any way, but after a power loss the last commits, and in the worst case the whole file, may be lost.
   */
  readonly durability: 'full' | 'relaxed';
  /** Address space to start with, octets; it grows by itself. Default 1 GiB, of which only what is used takes memory. */
  readonly mapBytes?: number;
}

type Database = RootDatabase<Uint8Array, Uint8Array>;

const FILE = 'data.mdb';
const MAGIC = 0xbeefc0de;
const FORMAT = 1;
/** One octet longer than any key of the port and after all of them: no `get` or `scan` ever meets it. */
const FORMAT_KEY = new Uint8Array(MAX_KEY_BYTES + 1).fill(0xff);

/**
 * A relaxed commit up to this size runs within this turn of the event loop: 30 against 59 µs CPU for 2 kB. Larger ones go to the writer
 * thread: for 256 kB the CPU is nearly the same, 0.29 against 0.33 ms, but the loop stands still for 0.31 instead of 0.19.
 */
const INLINE_BYTES = 64 * 1024;
/** A scan reads so much at a time, so that no transaction stays open (and pins freed pages) while its reader works. */
const PAGE_BYTES = 256 * 1024;
const PAGE_ENTRIES = 1_000;

/**
 * Opens or creates the store in `directory`. Rejects with an Error that says what is wrong, where, and the fix: not a directory, no
 * permission, held by a living process, no LMDB file of ours, or written by a newer Waymeet.
 */
export async function openLmdb(directory: string, options: LmdbOptions): Promise<Store> {
  await prepare(directory);
  const lock = await takeLock(directory);
  try {
    const path = join(directory, FILE);
    await checkHeader(path);
    // Without overlappingSync a commit is LMDB's own, in the writer thread: data, fdatasync, meta page (O_DSYNC).
    // Best of three, for one value of 2 kB | 256 kB, in ms:
    //                                   CPU          on the loop    latency
    //   this                            0.12 | 0.38  0.04 | 0.18    0.22 | 0.66
    //   overlappingSync and `flushed`   0.14 | 0.41  0.04 | 0.21    0.29 | 0.81
    //   transactionSync                 0.08 | 0.33  0.21 | 0.63    as on the loop, which stands still for it: 5.5 when the disk is busy
    //   noSync, one fsync in a thread   0.09 | 0.40  0.04 | 0.37    0.17 | 0.71; a power cut may leave a meta page without its data
    const db: Database = open<Uint8Array, Uint8Array>({
      path,
      noSubdir: true,
      keyEncoding: 'binary',
      encoding: 'binary',
      maxDbs: 1,
      // Each commit is one explicit batch. With it on, the engine opens an outer batch of its own, whose promise nobody holds: a failed
      // commit would end the process as an unhandled rejection.
      eventTurnBatching: false,
      overlappingSync: false,
      noSync: options.durability === 'relaxed',
      mapSize: options.mapBytes ?? 2 ** 30,
    });
    const store = new LmdbStore(db, directory, options.durability, lock);
    try {
      await store.checkFormat();
      // The file's name is in the directory, which has to reach the disk as well.
      await flush(directory);
    } catch (why) {
      await db.close();
      throw why;
    }
    return store;
  } catch (why) {
    await lock.release();
    throw why instanceof StoreError ? why : new StoreError(`cannot open the store in ${directory}`, why);
  }
}

/** What failed, where, and the fix; `cause` is what the engine or the system said. */
export class StoreError extends Error {
  constructor(message: string, cause?: unknown) {
    super(cause === undefined ? message : `${message}: ${reason(cause)}`, { cause });
    this.name = 'StoreError';
  }
}

class LmdbStore implements Store {
  private batch = new Batch();
  private tail: Promise<void> = Promise.resolve();
  private committing = 0;
  private broken: Error | undefined;
  private closed = false;
  private readonly db: Database;
  private readonly directory: string;
  private readonly durability: 'full' | 'relaxed';
  private readonly lock: Lock;

  constructor(db: Database, directory: string, durability: 'full' | 'relaxed', lock: Lock) {
    this.db = db;
    this.directory = directory;
    this.durability = durability;
    this.lock = lock;
  }

  get bytes(): number {
    return statSync(join(this.directory, FILE)).size;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.mustBeOpen();
    this.batch.set(key, value);
  }

  remove(key: Uint8Array): void {
    this.mustBeOpen();
    this.batch.set(key, undefined);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.mustBeOpen();
    const value = this.db.getBinary(key);
    return value === undefined ? undefined : plain(value);
  }

  *scan(from: Uint8Array, to: Uint8Array): Iterable<readonly [key: Uint8Array, value: Uint8Array]> {
    let start = from;
    let exclusiveStart = false;
    for (;;) {
      this.mustBeOpen();
      const page: (readonly [Uint8Array, Uint8Array])[] = [];
      let bytes = 0;
      const range = { start, end: to, exclusiveStart, limit: PAGE_ENTRIES };
      for (const { key, value } of this.db.getRange(range)) {
        page.push([plain(key), plain(value)]);
        bytes += value.length;
        if (bytes >= PAGE_BYTES) break;
      }
      if (page.length === 0) return;
      start = new Uint8Array(page.at(-1)![0]);
      exclusiveStart = true;
      yield* page;
    }
  }

  commit(): Promise<void> {
    this.mustBeOpen();
    const batch = this.batch;
    this.batch = new Batch();
    const inline = this.durability === 'relaxed' && batch.bytes <= INLINE_BYTES && this.committing === 0;
    this.committing++;
    const done = (inline ? this.write(batch, true) : this.tail.then(() => this.write(batch, false))).finally(
      () => this.committing--,
    );
    this.tail = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.tail;
    await this.db.close();
    // Closed in order, a relaxed store survives a power loss too.
    if (this.durability === 'relaxed') await flush(join(this.directory, FILE));
    await this.lock.release();
  }

  /** Marks a new file with the format's number, and refuses a file that is not ours or newer than we are. */
  async checkFormat(): Promise<void> {
    const mark = this.db.getBinary(FORMAT_KEY);
    if (mark === undefined) {
      if (this.db.getKeysCount({ limit: 1 }) > 0) {
        throw new StoreError(
          `${join(this.directory, FILE)} is an LMDB file that Waymeet did not write: point the store at another directory`,
        );
      }
      await this.transact(() => void this.db.put(FORMAT_KEY, Uint8Array.of(FORMAT)), false);
      return;
    }
    if (mark[0]! > FORMAT) {
      throw new StoreError(
        `${join(this.directory, FILE)} has format ${mark[0]}, this Waymeet knows up to ${FORMAT}: run the newer Waymeet that wrote it`,
      );
    }
  }

  private async write(batch: Batch, inline: boolean): Promise<void> {
    // After a failed commit nothing that follows may be relied on either: what the hub holds and what is kept have parted.
    if (this.broken !== undefined) throw this.broken;
    if (batch.writes.size === 0) return;
    const { db } = this;
    try {
      await this.transact(() => {
        for (const { key, value } of batch.writes.values()) {
          if (value === undefined) void db.remove(key);
          else void db.put(key, value);
        }
      }, inline);
    } catch (why) {
      this.broken = await this.explain(why, batch);
      throw this.broken;
    }
  }

  private async transact(writes: () => void, inline: boolean): Promise<void> {
    if (inline) {
      this.db.transactionSync(writes);
      return;
    }
    try {
      await this.db.batch(writes);
    } catch (why) {
      // The engine tells the cause by a second promise, which rejects.
      const told = (why as { commitError?: Promise<never> }).commitError;
      throw told === undefined ? why : await told.catch((cause: unknown) => cause);
    }
  }

  private async explain(why: unknown, batch: Batch): Promise<StoreError> {
    const what = `the store could not keep ${batch.writes.size} entries (${batch.bytes} octets) in ${this.directory}`;
    const free = await statfs(this.directory).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => Number.POSITIVE_INFINITY,
    );
    // A full disk shows as a short write, so that the engine says EIO. What is being written comes with page copies: leave a margin.
    if (isDiskError(why) && free < 2 * batch.bytes + 2 ** 20) {
      return new StoreError(
        `${what}: the disk is full (${free} octets free); make room there, then start Waymeet again; ` +
          'everything acknowledged so far is kept',
        why,
      );
    }
    return new StoreError(
      `${what}; check that disk (kernel log, mount options), then start Waymeet again`,
      why,
    );
  }

  private mustBeOpen(): void {
    if (this.closed) throw new StoreError(`the store in ${this.directory} is closed`);
  }
}

/** Has the disk keep what the operating system still holds of a file or directory. */
async function flush(path: string): Promise<void> {
  const file = await openFile(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function prepare(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (why) {
    throw new StoreError(
      `cannot use ${directory} as the data directory; choose another, or make it a directory that this user may write`,
      why,
    );
  }
}

/**
 * Creates the file if there is none. LMDB maps a file that it takes for its own and dies (SIGSEGV) on one that is not: so look first.
 * meta page: header 24 octets | magic 0xBEEFC0DE | data version 2 | 16 octets | page size; a second one follows at once
 */
async function checkHeader(path: string): Promise<void> {
  let file: Awaited<ReturnType<typeof openFile>>;
  try {
    file = await openFile(path, 'a+', 0o600); // messages may be secret, and LMDB's own mode is 0664
  } catch (why) {
    throw new StoreError(`cannot read and write ${path}; give it to this user`, why);
  }
  try {
    const head = Buffer.alloc(52);
    const { bytesRead } = await file.read(head, 0, 52, 0);
    if (bytesRead === 0) return; // new, or never written: LMDB starts afresh
    const second = Buffer.alloc(28);
    await file.read(second, 0, 28, head.readUInt32LE(48));
    if (head.readUInt32LE(24) !== MAGIC || second.readUInt32LE(24) !== MAGIC) {
      throw new StoreError(
        `${path} is damaged or not a store: move it away to start empty, or restore it from a backup`,
      );
    }
    if (head.readUInt32LE(28) !== 2) {
      throw new StoreError(
        `${path} has LMDB data version ${head.readUInt32LE(28)}, expected 2: run the Waymeet that wrote it, or move it away to start empty`,
      );
    }
  } finally {
    await file.close();
  }
}

/** EIO, ENOSPC or EDQUOT, which LMDB reports as bare numbers. */
function isDiskError(why: unknown): boolean {
  const { code } = why as { code?: number | string };
  return code === 5 || code === 28 || code === 122 || code === 'ENOSPC';
}

/** A Buffer's octets as the port has them: what is given out must not differ between engines in what slice() does. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function reason(why: unknown): string {
  return why instanceof Error ? why.message : String(why);
}
