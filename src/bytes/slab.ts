// One bump allocator for everything that leaves: blocks of 64 kB, counted by reference, reused when all of it is sent.

import type { Slab, Slabs } from '../contract/wire.ts';

const SLAB_BYTES = 65_536;
const SPARE_SLABS = 64;

/** The pool. A slab returns to it when its last span was sent and the allocator has moved on. */
export class SlabPool implements Slabs {
  current = newSlab(SLAB_BYTES);
  private used = 0;
  private readonly spare: Slab[] = [];

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
    this.current = length > SLAB_BYTES ? newSlab(length) : (this.spare.pop() ?? newSlab(SLAB_BYTES));
    this.used = length > SLAB_BYTES ? SLAB_BYTES : length;
    if (left.refs === 0) this.recycle(left);
    return 0;
  }

  retain(slab: Slab): void {
    slab.refs++;
  }

  release(slab: Slab): void {
    if (--slab.refs !== 0) return;
    if (slab === this.current) {
      if (slab.bytes.length === SLAB_BYTES) this.used = 0;
      return;
    }
    this.recycle(slab);
  }

  private recycle(slab: Slab): void {
    if (slab.bytes.length === SLAB_BYTES && this.spare.length < SPARE_SLABS) this.spare.push(slab);
  }
}

function newSlab(length: number): Slab {
  return { bytes: new Uint8Array(length), refs: 0 };
}
