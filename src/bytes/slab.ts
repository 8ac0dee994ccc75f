// One bump allocator for everything that leaves: blocks of 64 kB, counted by reference, reused when all of it is sent.

import type { Slab, Slabs } from '../contract/wire.ts';

const SLAB_BYTES = 65_536;
const SPARE_SLABS = 64;

/** A block that wires send from; `refs` is how many spans of it are not sent yet. */
export class CountedSlab implements Slab {
  readonly bytes: Uint8Array;
  refs = 0;
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }
}

/** The pool. A slab returns to it when its last span was sent and the allocator has moved on. */
export class SlabPool implements Slabs {
  current = new CountedSlab(SLAB_BYTES);
  private used = 0;
  private readonly spare: CountedSlab[] = [];

  reserve(length: number): number {
    const at = this.used;
    if (at + length <= SLAB_BYTES) {
      this.used = at + length;
      return at;
    }
    return this.next(length);
  }

  private next(length: number): number {
    const left = this.current;
    this.current = length > SLAB_BYTES ? new CountedSlab(length) : (this.spare.pop() ?? new CountedSlab(SLAB_BYTES));
    this.used = length > SLAB_BYTES ? SLAB_BYTES : length;
    if (left.refs === 0) this.recycle(left);
    return 0;
  }

  retain(slab: CountedSlab): void {
    slab.refs++;
  }

  release(slab: CountedSlab): void {
    if (--slab.refs !== 0) return;
    if (slab === this.current) {
      if (slab.bytes.length === SLAB_BYTES) this.used = 0;
      return;
    }
    this.recycle(slab);
  }

  private recycle(slab: CountedSlab): void {
    if (slab.bytes.length === SLAB_BYTES && this.spare.length < SPARE_SLABS) this.spare.push(slab);
  }
}
