// What must outlive the process: records in the store, gathered into group commits.

import { Reader } from '../bytes/reader.ts';
import { Writer } from '../bytes/writer.ts';
import type { Grant } from '../contract/mailbox.ts';
import type { Message, Qos } from '../contract/message.ts';
import type { Store } from '../contract/store.ts';
import type { Box } from './box.ts';
import { type Block, Item, type Page, weightOf } from './queue.ts';
import { readMessage, writeMessage } from './records.ts';

/*
 * Keys: one letter, then numbers of six octets, highest first.
 *   s box            a mailbox that outlives its connection: names, how long it is kept, since when nobody consumes it
 *   u box number     one of its subscriptions
 *   k box            a durable work queue: its name and options; its bindings are 'u' records
 *   i box            exactly-once ids that it received and that are not released yet
 *   q box page       a stretch of its queue: per item its number, QoS, tags, and the message or where it is in a block
 *   a box            what of the queue is delivered and what is settled
 *   m block          messages that several mailboxes' pages share
 *   n number         a note of a tower: whose, its name, its text
 *   r number         a retained message          w number   a will
 */
export type RecordKind = 's' | 'u' | 'k' | 'i' | 'q' | 'a' | 'm' | 'n' | 'r' | 'w';

export function key(kind: RecordKind, ...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(1 + numbers.length * 6);
  bytes[0] = kind.charCodeAt(0);
  let at = 1;
  for (const n of numbers) {
    const high = Math.floor(n / 0x1_0000_0000);
    bytes[at] = high >>> 8;
    bytes[at + 1] = high;
    bytes[at + 2] = n >>> 24;
    bytes[at + 3] = n >>> 16;
    bytes[at + 4] = n >>> 8;
    bytes[at + 5] = n;
    at += 6;
  }
  return bytes;
}

/** Number `index` of a key. */
export function numberOf(bytes: Uint8Array, index: number): number {
  const at = 1 + index * 6;
  const high = (bytes[at]! << 8) | bytes[at + 1]!;
  const low = (bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!;
  return high * 0x1_0000_0000 + (low >>> 0);
}

/** Something whose record is written once a commit, however often it changed. */
export interface Deferred {
  writeRecord(journal: Journal): void;
}

/** A page is closed at this many items or octets, so that reading one back stays cheap. */
const PAGE_ITEMS = 512;
const PAGE_BYTES = 262_144;
const BLOCK_BYTES = 262_144;

export class Journal {
  /** The number of the batch that is open: what joins it is kept when `keptTicket` reaches it. */
  ticket = 1;
  keptTicket = 0;
  /** ms that the last commit took. */
  lastCommitMs = 0;
  commits = 0;
  /** Grows with everything that joins a batch: whoever sees it grow has something to wait for. */
  writes = 0;
  private committing = false;
  private broken: Error | undefined = undefined;
  private touched = false;
  private readonly store: Store;
  private readonly now: () => number;
  private readonly kept: (ticket: number, boxes: ReadonlySet<Box>) => void;
  private readonly failed: (why: Error) => void;
  private readonly turn: () => void;
  private nextNumber = 1;
  private readonly writer = new Writer();
  private pages: { box: Box; page: Page }[] = [];
  private readonly deferred = new Set<Deferred>();
  private flushing: (() => void)[] = [];

  constructor(
    store: Store,
    world: { now(): number; turn(): void; failed(why: Error): void },
    kept: (ticket: number, boxes: ReadonlySet<Box>) => void,
  ) {
    this.store = store;
    this.now = world.now;
    this.turn = world.turn;
    this.failed = world.failed;
    this.kept = kept;
  }

  get storeBytes(): number {
    return this.store.bytes;
  }

  /** A number never used before in this store. */
  number(): number {
    return this.nextNumber++;
  }

  /** `used` is taken: an earlier run wrote it. */
  reserveNumber(used: number): void {
    if (used >= this.nextNumber) this.nextNumber = used + 1;
  }

  /** The newest commit that has anything to keep: the open batch, or the one before while nothing was written to it, for then it may never close. */
  get last(): number {
    return this.touched ? this.ticket : this.ticket - 1;
  }

  put(recordKey: Uint8Array, write: (w: Writer) => void): void {
    write(this.writer);
    this.store.put(recordKey, this.writer.finish());
    this.touch();
  }

  remove(recordKey: Uint8Array): void {
    this.store.remove(recordKey);
    this.touch();
  }

  scan(kind: RecordKind): Iterable<readonly [Uint8Array, Uint8Array]> {
    const from = new Uint8Array([kind.charCodeAt(0)]);
    const to = new Uint8Array([kind.charCodeAt(0) + 1]);
    return this.store.scan(from, to);
  }

  private touch(): void {
    this.writes++;
    if (this.touched) return;
    this.touched = true;
    this.turn();
  }

  /** The page that the next item of `box` belongs to. */
  pageFor(box: Box): Page {
    const open = box.openPage;
    if (open !== undefined && open.items!.length < PAGE_ITEMS && open.bytes < PAGE_BYTES) return open;
    const page: Page = { number: this.number(), items: [], bytes: 0, live: 0, kept: false, blocks: [] };
    box.openPage = page;
    this.pages.push({ box, page });
    this.touch();
    return page;
  }

  /** An item joins its page. */
  add(item: Item): void {
    this.writes++;
    const page = item.page!;
    page.items!.push(item);
    page.live++;
    page.bytes += weightOf(item.message);
  }

  /** `record` changed: it is written with the next commit. */
  defer(record: Deferred): void {
    this.deferred.add(record);
    this.touch();
  }

  /** Item `item` needs no keeping any more. */
  settled(box: Box, item: Item): void {
    const page = item.page!;
    page.live--;
    if (page.live === 0 && page.items === undefined) this.removePage(box, page);
    this.defer(box);
  }

  removePage(box: Box, page: Page): void {
    this.remove(key('q', box.number, page.number));
    for (const block of page.blocks) if (--block.pages === 0) this.remove(key('m', block.number));
    page.blocks = [];
  }

  /** Forgets everything about a mailbox but its name record and subscriptions, which their owners remove. */
  removeQueue(box: Box): void {
    this.deferred.delete(box);
    this.remove(key('a', box.number));
    this.remove(key('i', box.number));
  }

  /** Closes the open batch unless one is on its way to the disk: then it goes on gathering. */
  commit(): void {
    if (this.committing || !this.touched) return;
    this.committing = true;
    const ticket = this.ticket++;
    const batch = this.pages;
    this.pages = [];
    this.writePages(batch);
    for (const record of this.deferred) record.writeRecord(this);
    this.deferred.clear();
    this.touched = false; // the records above belong to this batch
    const began = this.now();
    this.store.commit().then(
      () => {
        this.committing = false;
        this.keptTicket = ticket;
        this.commits++;
        this.lastCommitMs = this.now() - began;
        const boxes = new Set<Box>();
        for (const { box, page } of batch) {
          page.kept = true;
          boxes.add(box);
        }
        this.kept(ticket, boxes);
        for (const resolve of this.flushing.splice(0)) resolve();
        if (this.touched) this.turn();
      },
      (why: Error) => {
        // `committing` stays: nothing is committed after what failed, and so nothing is acknowledged.
        this.broken = why;
        this.failed(why);
        for (const resolve of this.flushing.splice(0)) resolve();
      },
    );
  }

  /** Resolves when everything so far is kept, or will never be: then `failed` was called. */
  async flush(): Promise<void> {
    while (this.broken === undefined && (this.committing || this.touched)) {
      this.commit();
      await new Promise<void>((resolve) => this.flushing.push(resolve));
    }
  }

  private writePages(batch: readonly { box: Box; page: Page }[]): void {
    const sharing = new Sharing(batch);
    for (const { box, page } of batch) {
      if (box.openPage === page) box.openPage = undefined;
      if (page.live > 0) this.writePage(box, page, sharing);
      page.items = undefined;
    }
    sharing.flush((block, bytes) => this.store.put(key('m', block.number), bytes));
  }

  /** count | per item: seq, qos + flags, tags, then the message itself or block number and offset */
  private writePage(box: Box, page: Page, sharing: Sharing): void {
    const w = this.writer;
    w.varint(page.live);
    let before: Message | undefined;
    for (const item of page.items!) {
      if (item.settled) continue;
      const place = sharing.place(item.message, this);
      w.varint(item.seq);
      w.u8(item.qos | (item.replayed ? 4 : 0) | (place !== undefined ? 8 : 0));
      w.u8(item.grant.qos);
      w.varint(item.grant.tags.length);
      for (const tag of item.grant.tags) w.varint(tag);
      if (place === undefined) {
        writeMessage(w, item.message, before);
        before = item.message;
      } else {
        w.varint(place.block.number);
        w.varint(place.offset);
        if (!page.blocks.includes(place.block)) {
          page.blocks.push(place.block);
          place.block.pages++;
        }
      }
    }
    this.store.put(key('q', box.number, page.number), w.finish());
  }

  /** Reads a page's items back, messages included. */
  load(box: Box, page: Page): Item[] {
    const bytes = this.store.get(key('q', box.number, page.number));
    if (bytes === undefined)
      throw new Error(`page ${page.number} of mailbox ${box.name} is gone from the store`);
    const items: Item[] = [];
    readPage(bytes, (entry, inline) => {
      const message = inline ?? readMessage(new Reader(this.block(entry.block), entry.offset));
      items.push(new Item(entry.seq, message, entry.qos, entry.grant, entry.replayed, page));
    });
    return items;
  }

  private lastBlock = 0;
  private lastBlockBytes: Uint8Array = new Uint8Array(0);

  private block(number: number): Uint8Array {
    if (this.lastBlock !== number) {
      const bytes = this.store.get(key('m', number));
      if (bytes === undefined) throw new Error(`message block ${number} is gone from the store`);
      this.lastBlock = number;
      this.lastBlockBytes = bytes;
    }
    return this.lastBlockBytes;
  }
}

interface PageEntry {
  readonly seq: number;
  readonly qos: Qos;
  readonly grant: Grant;
  readonly replayed: boolean;
  /** The block that has the message; 0: it is in the page itself. */
  readonly block: number;
  readonly offset: number;
}

export function readPage(
  bytes: Uint8Array,
  visit: (entry: PageEntry, inline: Message | undefined) => void,
): void {
  const r = new Reader(bytes);
  let before: Message | undefined;
  for (let count = r.varint(); count > 0; count--) {
    const seq = r.varint();
    const flags = r.u8();
    const granted = r.u8() as Qos;
    const tags: number[] = [];
    for (let n = r.varint(); n > 0; n--) tags.push(r.varint());
    const shared = (flags & 8) !== 0;
    const block = shared ? r.varint() : 0;
    const offset = shared ? r.varint() : 0;
    const grant = { qos: granted, tags };
    const inline = shared ? undefined : readMessage(r, before);
    before = inline ?? before;
    visit({ seq, qos: (flags & 3) as Qos, grant, replayed: (flags & 4) !== 0, block, offset }, inline);
  }
}

interface Place {
  readonly block: Block;
  readonly offset: number;
}

/** Messages that more than one page of a batch holds are written once, into blocks. */
class Sharing {
  private readonly counts = new Map<Message, number>();
  private readonly places = new Map<Message, Place>();
  private readonly writer = new Writer();
  private readonly done: { block: Block; bytes: Uint8Array }[] = [];
  private open: Block | undefined = undefined;

  constructor(batch: readonly { page: Page }[]) {
    if (batch.length < 2) return;
    for (const { page } of batch) {
      for (const item of page.items!) {
        if (!item.settled) this.counts.set(item.message, (this.counts.get(item.message) ?? 0) + 1);
      }
    }
  }

  place(m: Message, journal: Journal): Place | undefined {
    if ((this.counts.get(m) ?? 1) < 2) return undefined;
    const known = this.places.get(m);
    if (known !== undefined) return known;
    if (this.open !== undefined && this.writer.length > BLOCK_BYTES) this.close();
    this.open ??= { number: journal.number(), pages: 0 };
    const place = { block: this.open, offset: this.writer.length };
    writeMessage(this.writer, m);
    this.places.set(m, place);
    return place;
  }

  private close(): void {
    this.done.push({ block: this.open!, bytes: this.writer.finish() });
    this.open = undefined;
  }

  flush(put: (block: Block, bytes: Uint8Array) => void): void {
    if (this.open !== undefined) this.close();
    for (const { block, bytes } of this.done) put(block, bytes);
  }
}
