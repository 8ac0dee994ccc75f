// A queue in which messages of higher priority overtake: a lane for each, all of it in memory.

import type { Reader } from '../bytes/reader.ts';
import type { Writer } from '../bytes/writer.ts';
import { type Item, type Page, Queue, type QueueOwner, weightOf } from './queue.ts';

export class PriorityQueue extends Queue {
  private readonly lanes: Queue[] = [];
  private readonly items: QueueOwner;
  /** What left before something older did: the store's pages still have it. */
  private readonly taken = new Ranges();

  constructor(owner: QueueOwner, highest: number) {
    super(owner);
    this.items = owner;
    // The lanes weigh with this queue, not for themselves.
    const lane: QueueOwner = { load: (page) => owner.load(page), weighed: () => {} };
    for (let priority = 0; priority <= highest; priority++) this.lanes.push(new Queue(lane));
  }

  override push(item: Item): void {
    const priority = item.message.meta?.priority ?? 0;
    this.lanes[Math.min(priority, this.lanes.length - 1)]!.push(item);
    this.count(item, 1);
  }

  /** They are read back at once: their order is another one. */
  override pushStored(page: Page, seqs: readonly number[], _bytes: number): void {
    const wanted = new Set(seqs);
    for (const item of this.items.load(page)) if (wanted.has(item.seq)) this.push(item);
  }

  override *waiting(): Iterable<Item> {
    for (let at = this.lanes.length - 1; at >= 0; at--) yield* this.lanes[at]!.waiting();
  }

  override peek(): Item | undefined {
    for (let at = this.lanes.length - 1; at >= 0; at--) {
      const item = this.lanes[at]!.peek();
      if (item !== undefined) return item;
    }
    return undefined;
  }

  override shift(): Item {
    let at = this.lanes.length - 1;
    while (this.lanes[at]!.length === 0) at--;
    return this.shiftLane(at);
  }

  /** The oldest of the least important. */
  override shiftLeast(): Item {
    let at = 0;
    while (this.lanes[at]!.length === 0) at++;
    return this.shiftLane(at);
  }

  private shiftLane(at: number): Item {
    const item = this.lanes[at]!.shift();
    this.count(item, -1);
    this.taken.add(item.seq);
    return item;
  }

  private count(item: Item, one: 1 | -1): void {
    const weight = weightOf(item.message) * one;
    this.length += one;
    this.bytes += weight;
    this.resident += weight;
    this.items.weighed(weight);
    if (item.qos === 0) this.unassured += one;
  }

  /** Everything stays in memory: a page holds messages of many lanes. */
  override spill(): void {}

  override firstSeq(otherwise: number): number {
    let first = otherwise;
    for (const lane of this.lanes) first = Math.min(first, lane.firstSeq(otherwise));
    return first;
  }

  override writeTaken(w: Writer, first: number): void {
    this.taken.forget(first);
    this.taken.write(w);
  }

  override restoreTaken(taken: Ranges): void {
    this.taken.restore(taken);
  }

  override *drain(): Iterable<Item | Page> {
    for (const lane of this.lanes) yield* lane.drain();
    this.length = 0;
    this.bytes = 0;
    this.items.weighed(-this.resident);
    this.resident = 0;
    this.unassured = 0;
  }
}

/** A set of numbers as ranges: what left a queue is mostly neighbours. */
export class Ranges {
  /** First and last of each range by turns, rising. */
  private bounds: number[] = [];

  has(n: number): boolean {
    const at = this.find(n);
    return at < this.bounds.length && this.bounds[at]! <= n;
  }

  /** The index of the first range that does not end before `n`. */
  private find(n: number): number {
    let low = 0;
    let high = this.bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.bounds[middle * 2 + 1]! < n) low = middle + 1;
      else high = middle;
    }
    return low * 2;
  }

  add(n: number): void {
    const { bounds } = this;
    const at = this.find(n);
    if (at < bounds.length && bounds[at]! <= n) return;
    const before = at > 0 && bounds[at - 1] === n - 1;
    const after = bounds[at] === n + 1;
    if (before && after) bounds.splice(at - 1, 2);
    else if (before) bounds[at - 1] = n;
    else if (after) bounds[at] = n;
    else bounds.splice(at, 0, n, n);
  }

  /** Lets go of everything below `n`. */
  forget(n: number): void {
    const at = this.find(n);
    if (at > 0) this.bounds.splice(0, at);
    if (this.bounds.length > 0 && this.bounds[0]! < n) this.bounds[0] = n;
  }

  /** count | per range: distance from the last bound, length */
  write(w: Writer): void {
    w.varint(this.bounds.length / 2);
    let last = 0;
    for (const bound of this.bounds) {
      w.varint(bound - last);
      last = bound;
    }
  }

  static read(r: Reader): Ranges {
    const ranges = new Ranges();
    let last = 0;
    for (let count = r.varint() * 2; count > 0; count--) {
      last += r.varint();
      ranges.bounds.push(last);
    }
    return ranges;
  }

  restore(other: Ranges): void {
    this.bounds = [...other.bounds];
  }
}
