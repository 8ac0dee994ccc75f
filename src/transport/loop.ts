// What all wires of one event loop share: slabs, timers, the read buffer, and the one flush at the end of each turn.

import { SlabPool } from '../bytes/slab.ts';
import type { World } from '../contract/hub.ts';
import type { Tap } from '../contract/tap.ts';
import { Timers } from './timers.ts';

/** Room in front of a read for the octets that a peer left over last time. */
export const HEADROOM_BYTES = 32_768;
const READ_BYTES = 65_536;
const LARGE_READ_BYTES = 262_144;
const SMALL_SCRATCH_BYTES = 4_096;
/** Small spans are packed into writes of at most this size. */
export const PACK_BYTES = 65_536;

export type Log = World['log'];

/** Times a read until what it caused has left. */
export interface Stopwatch {
  start(): void;
  stop(): void;
}

/** One read in so many is timed. Odd: a message and an acknowledgement often alternate, and an even number would only ever see one of them. */
const TIMED_READS = 61;

/** What a flush visits: a wire with something to send, or one whose peer has to be told something outside of its own calls. */
export interface Flushable {
  flush(): void;
}

/** Memory that every wire reads into: `all` = headroom | `window`, and only `window` is given to the kernel. */
export interface ReadBuffer {
  readonly all: Uint8Array;
  readonly window: Uint8Array;
}

export class Loop {
  readonly slabs = new SlabPool();
  readonly timers = new Timers();
  readonly log: Log;
  /** Read results are consumed before the next read starts, so that one buffer serves all sockets: 2 kB less for each of them. */
  readonly read = readBuffer(READ_BYTES);
  private largeRead: ReadBuffer | undefined = undefined;
  private smallScratch = new Uint8Array(SMALL_SCRATCH_BYTES);
  private scratch = new Uint8Array(PACK_BYTES);
  private dirty: Flushable[] = [];
  private flushing: Flushable[] = [];
  private scheduled = false;
  private turnAsked = false;
  /** Looks at what passes on every wire of this loop, while it is set. */
  tap: Tap | undefined = undefined;
  stopwatch: Stopwatch | undefined = undefined;
  private reads = 0;
  private timing = false;
  /** The hub's turn; it runs before the flush, so that what a turn acknowledges leaves with that turn. */
  atTurn: (() => void) | undefined = undefined;

  constructor(log: Log) {
    this.log = log;
  }

  /** For wires that fill whole reads: fewer calls for each megabyte. Made when first needed. */
  get large(): ReadBuffer {
    this.largeRead ??= readBuffer(LARGE_READ_BYTES);
    return this.largeRead;
  }

  /** Something was read, and is about to be given to its peer. */
  reading(): void {
    if (++this.reads < TIMED_READS) return;
    this.reads = 0;
    if (this.timing || this.stopwatch === undefined) return;
    this.timing = true;
    this.stopwatch.start();
    this.schedule();
  }

  /** Asks for `flushable.flush` at the end of this turn. The caller sees to it that it asks once. */
  add(flushable: Flushable): void {
    this.dirty.push(flushable);
    this.schedule();
  }

  /** Asks for one `atTurn` at the end of this turn: `World.turn` of a hub on this loop. */
  requestTurn(): void {
    this.turnAsked = true;
    this.schedule();
  }

  /** A scratch of at least `length` octets (at most PACK_BYTES), valid until the next write. */
  scratchFor(length: number): Uint8Array {
    return length <= SMALL_SCRATCH_BYTES ? this.smallScratch : this.scratch;
  }

  /** A write that did not finish at once keeps its scratch; the next one gets another. */
  giveAway(scratch: Uint8Array): void {
    if (scratch === this.smallScratch) this.smallScratch = new Uint8Array(SMALL_SCRATCH_BYTES);
    else if (scratch === this.scratch) this.scratch = new Uint8Array(PACK_BYTES);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.turn);
  }

  private readonly turn = (): void => {
    try {
      if (this.turnAsked) {
        this.turnAsked = false;
        this.atTurn?.();
      }
    } finally {
      this.flush();
      this.scheduled = false;
      if (this.turnAsked || this.dirty.length > 0) this.schedule();
    }
  };

  /** Visits the wires that were dirty when it began; what they write meanwhile leaves in the next turn, so that nobody starves. */
  private flush(): void {
    const list = this.dirty;
    this.dirty = this.flushing;
    this.flushing = list;
    for (let i = 0; i < list.length; i++) list[i]!.flush();
    list.length = 0;
    if (!this.timing) return;
    this.timing = false;
    this.stopwatch!.stop();
  }
}

function readBuffer(bytes: number): ReadBuffer {
  const all = new Uint8Array(HEADROOM_BYTES + bytes);
  return { all, window: all.subarray(HEADROOM_BYTES) };
}
