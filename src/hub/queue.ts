// What waits in a mailbox, in order; long stretches of it may live in the store alone.

import type { Writer } from '../bytes/writer.ts';
import type { Grant } from '../contract/mailbox.ts';
import type { Message, Qos } from '../contract/message.ts';
import type { Seat } from './box.ts';
import type { Ranges } from './priority.ts';

/** One message on its way to one mailbox. `seq` grows by one with every message of the mailbox. */
export class Item {
  readonly seq: number;
  readonly message: Message;
  /** The lower of message and grant. */
  readonly qos: Qos;
  readonly grant: Grant;
  readonly replayed: boolean;
  /** The stored stretch that it belongs to; undefined when it is never stored. */
  readonly page: Page | undefined;
  /** Its client may have seen it. */
  again = false;
  /** Its client has stored it (QoS 2) and waits for its release. */
  released = false;
  settled = false;
  /** Who it was delivered to. */
  seat: Seat | undefined = undefined;

  constructor(
    seq: number,
    message: Message,
    qos: Qos,
    grant: Grant,
    replayed: boolean,
    page: Page | undefined,
  ) {
    this.seq = seq;
    this.message = message;
    this.qos = qos;
    this.grant = grant;
    this.replayed = replayed;
    this.page = page;
  }
}

/** Neighbouring items of one mailbox that the store keeps as one record. */
export interface Page {
  readonly number: number;
  /** All of its items until it is written; afterwards undefined. */
  items: Item[] | undefined;
  bytes: number;
  /** Items that are not settled: at 0 the record is removed. */
  live: number;
  /** The commit that holds it is through. */
  kept: boolean;
  /** Shared bodies that its record points to. */
  blocks: Block[];
}

/** A record of message bodies that pages of several mailboxes point to. */
export interface Block {
  readonly number: number;
  /** Pages that point to it: at 0 it is removed. */
  pages: number;
}

/** What a message takes of a queue's limit in octets: payload, topic, what is wrapped around it, and some for its properties. */
export function weightOf(m: Message): number {
  const weight = m.payload.length + m.topic.length + 64;
  const wrapping = m.meta?.wrapping;
  return wrapping === undefined ? weight : weight + wrapping.before.length + wrapping.after.length;
}

interface Chunk {
  readonly page: Page | undefined;
  /** The items from `head` on; undefined while they are only in the store. */
  items: Item[] | undefined;
  head: number;
  count: number;
  firstSeq: number;
  bytes: number;
  /** What of it comes from the retained store. */
  replays: number;
  replayBytes: number;
}

/** The mailbox that a queue belongs to. */
export interface QueueOwner {
  /** Reads a page's items back. */
  load(page: Page): Item[];
  /** So many octets more, or fewer, are in memory. */
  weighed(bytes: number): void;
}

/** Shared by all queues that nothing ever waited in: most. */
const NO_CHUNKS: Chunk[] = [];

/** First in, first out, in chunks that are the store's pages. */
export class Queue {
  length = 0;
  bytes = 0;
  /** Octets of what is in memory. */
  resident = 0;
  /** How many of them have QoS 0. */
  unassured = 0;
  /** How many of them come from the retained store, and their octets. */
  replays = 0;
  replayBytes = 0;
  private chunks = NO_CHUNKS;
  private first = 0;
  private readonly owner: QueueOwner;

  constructor(owner: QueueOwner) {
    this.owner = owner;
  }

  private weigh(bytes: number): void {
    this.resident += bytes;
    this.owner.weighed(bytes);
  }

  private append(chunk: Chunk): void {
    if (this.chunks === NO_CHUNKS) this.chunks = [];
    this.chunks.push(chunk);
  }

  push(item: Item): void {
    const weight = weightOf(item.message);
    const tail = this.chunks[this.chunks.length - 1];
    if (
      tail !== undefined &&
      this.chunks.length > this.first &&
      tail.page === item.page &&
      tail.items !== undefined
    ) {
      tail.items.push(item);
      tail.count++;
      tail.bytes += weight;
    } else {
      this.append({
        page: item.page,
        items: [item],
        head: 0,
        count: 1,
        firstSeq: item.seq,
        bytes: weight,
        replays: 0,
        replayBytes: 0,
      });
    }
    this.length++;
    this.bytes += weight;
    this.weigh(weight);
    if (item.replayed) this.countReplays(this.chunks[this.chunks.length - 1]!, 1, weight);
    if (item.qos === 0) this.unassured++;
  }

  private countReplays(chunk: Chunk, count: number, bytes: number): void {
    chunk.replays += count;
    chunk.replayBytes += bytes;
    this.replays += count;
    this.replayBytes += bytes;
  }

  /** A stored page of an earlier run: its items from the first of `seqs` on wait. */
  pushStored(page: Page, seqs: readonly number[], bytes: number): void {
    this.append({
      page,
      items: undefined,
      head: 0,
      count: seqs.length,
      firstSeq: seqs[0]!,
      bytes,
      replays: 0,
      replayBytes: 0,
    });
    this.length += seqs.length;
    this.bytes += bytes;
  }

  peek(): Item | undefined {
    if (this.length === 0) return undefined;
    const chunk = this.chunks[this.first]!;
    return this.itemsOf(chunk)[chunk.head];
  }

  shift(): Item {
    const chunk = this.chunks[this.first]!;
    const items = this.itemsOf(chunk);
    const item = items[chunk.head]!;
    items[chunk.head] = undefined as never; // let go of the message
    chunk.head++;
    chunk.count--;
    const weight = weightOf(item.message);
    chunk.bytes -= weight;
    this.length--;
    this.bytes -= weight;
    this.weigh(-weight);
    if (item.qos === 0) this.unassured--;
    if (item.replayed) this.countReplays(chunk, -1, -weight);
    if (chunk.count === 0) this.dropFirstChunk();
    else chunk.firstSeq = items[chunk.head]!.seq;
    return item;
  }

  /** The one to lose when there is no room for another. */
  shiftLeast(): Item {
    return this.shift();
  }

  private dropFirstChunk(): void {
    this.first++;
    if (this.first === this.chunks.length) {
      this.chunks.length = 0;
      this.first = 0;
    } else if (this.first >= 64 && this.first * 2 >= this.chunks.length) {
      this.chunks.splice(0, this.first);
      this.first = 0;
    }
  }

  /** What waits, first one first, without taking it; what only the store has is read and let go of again. `from`: only with that number or a higher one. */
  *waiting(from = 0): Iterable<Item> {
    for (let i = this.first; i < this.chunks.length; i++) {
      const next = this.chunks[i + 1];
      if (next !== undefined && next.firstSeq <= from) continue;
      const { items, head, page, firstSeq } = this.chunks[i]!;
      if (items !== undefined) {
        for (let at = head; at < items.length; at++) if (items[at]!.seq >= from) yield items[at]!;
      } else
        for (const item of this.owner.load(page!)) if (item.seq >= firstSeq && item.seq >= from) yield item;
    }
  }

  private itemsOf(chunk: Chunk): Item[] {
    if (chunk.items === undefined) {
      const from = chunk.firstSeq;
      chunk.items = this.owner.load(chunk.page!).filter((item) => item.seq >= from);
      chunk.head = 0;
      // What came back from an earlier run was weighed without the bodies that it shares with other queues, and without a look at where it is from.
      let bytes = 0;
      let replays = 0;
      let replayBytes = 0;
      for (const item of chunk.items) {
        const weight = weightOf(item.message);
        bytes += weight;
        if (!item.replayed) continue;
        replays++;
        replayBytes += weight;
      }
      this.countReplays(chunk, replays - chunk.replays, replayBytes - chunk.replayBytes);
      this.bytes += bytes - chunk.bytes;
      chunk.bytes = bytes;
      this.weigh(bytes);
    }
    return chunk.items;
  }

  /** Lets go of stored chunks, but for the first, until at most `budget` octets are in memory. */
  spill(budget: number): void {
    for (let i = this.chunks.length - 1; i > this.first && this.resident > budget; i--) {
      const chunk = this.chunks[i]!;
      if (chunk.page === undefined || !chunk.page.kept || chunk.items === undefined) continue;
      chunk.items = undefined;
      this.weigh(-chunk.bytes);
    }
  }

  /** The sequence number of the first that waits, or `otherwise` when none does. QoS 0 counts too. */
  firstSeq(otherwise: number): number {
    return this.length === 0 ? otherwise : this.chunks[this.first]!.firstSeq;
  }

  /** What is gone though something older, from `first` on, still waits: nothing where the first in is the first out. */
  writeTaken(_w: Writer, _first: number): void {}

  /** What an earlier run wrote so. */
  restoreTaken(_taken: Ranges): void {}

  /** Everything in memory, in order, emptying the queue; stored chunks are given as their pages. */
  *drain(): Iterable<Item | Page> {
    for (let i = this.first; i < this.chunks.length; i++) {
      const chunk = this.chunks[i]!;
      if (chunk.items === undefined) yield chunk.page!;
      else for (let at = chunk.head; at < chunk.items.length; at++) yield chunk.items[at]!;
    }
    this.chunks = NO_CHUNKS;
    this.first = 0;
    this.length = 0;
    this.bytes = 0;
    this.weigh(-this.resident);
    this.unassured = 0;
    this.replays = 0;
    this.replayBytes = 0;
  }
}
