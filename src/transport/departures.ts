// What leaves one datagram socket at the end of the turn: one list for all of its wires, in the order in which they wrote.

import type { Slab } from '../contract/wire.ts';
import type { Flushable, Loop } from './loop.ts';

/** A wire whose datagrams wait here. */
export interface Traveller {
  /** Sends one, or drops it. Must not throw. */
  depart(bytes: Uint8Array, slab: Slab): void;
}

/** Who sends each datagram, and where it lies. The columns keep their length; `count` of it is taken. */
class Queue {
  count = 0;
  readonly travellers: (Traveller | undefined)[] = [];
  readonly slabs: (Slab | undefined)[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];
}

/** A queue that a burst made longer than this is let go of. */
const LONG = 16_384;

/** Where each wire had an outbox, 1,000 notifications made 500 kB of lists and spans a burst. */
export class Departures implements Flushable {
  private readonly loop: Loop;
  private queue = new Queue();
  private spare = new Queue();

  constructor(loop: Loop) {
    this.loop = loop;
  }

  /** Room for a datagram of `length` octets in the pool's current slab, to be filled at once. */
  reserve(traveller: Traveller, length: number): number {
    const { slabs } = this.loop;
    const at = slabs.reserve(length);
    this.add(traveller, slabs.current, at, at + length);
    return at;
  }

  add(traveller: Traveller, slab: Slab, start: number, end: number): void {
    const { queue, loop } = this;
    const i = queue.count++;
    if (i === 0) loop.add(this);
    loop.slabs.retain(slab);
    queue.travellers[i] = traveller;
    queue.slabs[i] = slab;
    queue.starts[i] = start;
    queue.ends[i] = end;
  }

  /** What is written meanwhile leaves in the next turn. */
  flush(): void {
    const { queue, loop } = this;
    const { travellers, slabs, starts, ends, count } = queue;
    this.queue = this.spare;
    for (let i = 0; i < count; i++) {
      const slab = slabs[i]!;
      travellers[i]!.depart(slab.bytes.subarray(starts[i], ends[i]), slab);
      loop.slabs.release(slab);
      travellers[i] = undefined;
      slabs[i] = undefined;
    }
    queue.count = 0;
    this.spare = count > LONG ? new Queue() : queue;
  }
}
