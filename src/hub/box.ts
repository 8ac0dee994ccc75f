// What every mailbox does, a client's own or a `$share` group's: take messages, keep them, deliver them, answer for them.

import type { HeldMessage } from '../contract/inspect.ts';
import type { Consumer, Grant, Settler, Subscription } from '../contract/mailbox.ts';
import { type Message, NEVER, type Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { Run } from '../contract/run.ts';
import { type Deferred, type Journal, key } from './journal.ts';
import type { Ranges } from './priority.ts';
import { Item, type Page, Queue, type QueueOwner, weightOf } from './queue.ts';
import type { Fanout } from './routes.ts';

/** One subscription in the index. */
export class Entry implements Subscription {
  /** Never used twice: sets of entries are compared by it. */
  readonly number: number;
  readonly box: Box;
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly tag: number;
  readonly grant: Grant;
  /** The fanout of topics that only this entry matches. */
  alone: Fanout | undefined = undefined;

  constructor(number: number, box: Box, filter: string, qos: Qos, noLocal: boolean, tag: number) {
    this.number = number;
    this.box = box;
    this.filter = filter;
    this.qos = qos;
    this.noLocal = noLocal;
    this.tag = tag;
    this.grant = { qos, tags: [tag] };
  }
}

/** A consumer's place at a box. `grant`, where there is one, replaces the queue's (a group's members differ). */
export interface Seat {
  readonly consumer: Consumer;
  readonly grant: Grant | undefined;
}

export interface QueueLimits {
  readonly capacity: number;
  readonly bytes: number;
  readonly overflow: 'drop-oldest' | 'drop-newest' | 'conflate' | 'evict';
}

/** What boxes need of their hub. */
export interface BoxHost {
  readonly journal: Journal | undefined;
  now(): number;
  /** Counts messages that were not delivered, with the reason. */
  dropped(reason: string, count: number): void;
  /** Octets that wait in all queues grew or shrank. */
  weighed(bytes: number): void;
  /** Everything together waits for more than the memory limit allows. */
  readonly pressed: boolean;
}

/** Of one box's stored queue this much stays in memory. */
const RESIDENT_BYTES = 1_048_576;
/** Message numbers in flight must be tellable apart modulo 32,767: towers derive packet ids from them. */
const MAX_SPAN = 32_766;
/** So many messages that no ready consumer wants are looked past. */
const MAX_ASIDE = 1_000;

/** Shared by the many boxes that have nothing in flight; never written to. */
const NONE_SENT = new Map<number, Item>();
const NONE: Item[] = [];

export abstract class Box implements Settler, Deferred, QueueOwner {
  readonly name: string;
  /** Its number in the store; 0 when it is not stored. */
  number = 0;
  openPage: Page | undefined = undefined;
  /** Delivered messages are remembered until they are settled. */
  keeps: boolean;
  limits: QueueLimits;
  protected readonly host: BoxHost;
  protected queue: Queue;
  /** To be delivered before what the queue holds, in order: what a lost connection had, and what a consumer let others pass by. */
  protected redo: Item[] = NONE;
  /** Delivered and not settled, by number. */
  protected sent: Map<number, Item> = NONE_SENT;
  protected nextSeq = 1;
  /** No unsettled message has a lower number. */
  private floor = 0;
  private pulling = false;
  /** Of what waits since before its rights were looked at again: whether a message must not be delivered. */
  protected withheld: ((m: Message) => boolean) | undefined = undefined;

  constructor(name: string, keeps: boolean, limits: QueueLimits, host: BoxHost) {
    this.name = name;
    this.keeps = keeps;
    this.limits = limits;
    this.host = host;
    this.queue = new Queue(this);
  }

  /** Where this message, delivered with this QoS, can go now. */
  protected abstract seat(qos: Qos, m: Message, item?: Item): Seat | undefined;
  /** Whether anybody consumes it. */
  abstract readonly attended: boolean;

  get waiting(): number {
    return this.queue.length + this.redo.length;
  }

  get unsettled(): number {
    return this.sent.size;
  }

  get waitingBytes(): number {
    return this.queue.bytes;
  }

  get stored(): boolean {
    return this.number !== 0;
  }

  /** What it holds, without taking it: what is under way, then what waits, first one first. */
  *messages(): Iterable<HeldMessage> {
    for (const { message, qos, again } of this.sent.values()) yield { message, qos, unsettled: true, again };
    for (const { message, qos, again } of this.redo) yield { message, qos, unsettled: false, again };
    for (const { message, qos } of this.queue.waiting())
      yield { message, qos, unsettled: false, again: false };
  }

  private get journal(): Journal | undefined {
    return this.number === 0 ? undefined : this.host.journal;
  }

  /** A message matched: deliver it now, or let it wait. */
  offer(m: Message, grant: Grant, replayed: boolean): void {
    const qos = m.qos < grant.qos ? m.qos : grant.qos;
    if (qos === 0 || !this.keeps) {
      if (!this.attended) return; // QoS 0 is not kept for who is away, nor anything for who does not come back
      // QoS 0 need not wait behind a closed window, only behind its like. [MQTT5-4.6.0-6]
      if (this.waiting === 0 || (qos === 0 && this.queue.unassured === 0)) {
        const seat = this.seat(qos, m);
        if (seat !== undefined) {
          if (m.expiresAt === NEVER || m.expiresAt > this.host.now())
            this.send(seat, m, qos, grant, replayed);
          return;
        }
      }
    }
    this.wait(m, qos, grant, replayed);
  }

  private send(seat: Seat, m: Message, qos: Qos, grant: Grant, replayed: boolean): void {
    const own = seat.grant ?? grant;
    seat.consumer.deliver(m, qos < own.qos ? qos : own.qos, own, replayed, 0, false, this);
  }

  /** Delivers at once or queues; `lasting`: it is stored, if its box is. False: there was no room. */
  protected wait(m: Message, qos: Qos, grant: Grant, replayed: boolean, lasting = qos > 0): boolean {
    const direct = this.keeps && this.waiting === 0 && qos < 2 && qos > 0 ? this.seat(qos, m) : undefined;
    if (direct === undefined && !this.makeRoom(m, replayed)) return false;
    const journal = lasting ? this.journal : undefined;
    const page = journal?.pageFor(this);
    const item = new Item(this.nextSeq++, m, qos, grant, replayed, page);
    if (page !== undefined) journal!.add(item);
    if (direct !== undefined && this.spanAllows(item.seq)) {
      this.hand(item, direct);
      return true;
    }
    this.queue.push(item);
    if (!this.pulling && this.attended) this.pull();
    return true;
  }

  /**
   * Whether a message of `weight` octets is beyond a limit. What is retained comes all at once when a client subscribes: no limit may cut
   * that, unless only the newest counts.
   */
  private full(weight: number, replayed: boolean): boolean {
    const { queue } = this;
    const { capacity, bytes, overflow } = this.limits;
    if (overflow === 'conflate') return queue.length >= capacity || queue.bytes + weight > bytes;
    if (replayed) return false;
    return queue.length - queue.replays >= capacity || queue.bytes - queue.replayBytes + weight > bytes;
  }

  /** Makes room for one more, by the overflow policy. False: the new one is not taken. */
  private makeRoom(m: Message, replayed: boolean): boolean {
    const weight = weightOf(m);
    if (!this.full(weight, replayed)) {
      if (!this.host.pressed || this.stored) return true;
      this.host.dropped('memory', 1);
      return false;
    }
    const { capacity, overflow } = this.limits;
    if (overflow === 'evict' && this.attended) {
      this.host.dropped('queue-full', 1);
      this.evict('slow-consumer');
      return false;
    }
    if (overflow === 'drop-newest' || (overflow !== 'conflate' && this.queue.peek()?.replayed === true)) {
      this.host.dropped('queue-full', 1);
      return false;
    }
    while (this.queue.length > 0 && this.full(weight, replayed)) {
      const oldest = this.queue.shiftLeast();
      if (overflow === 'conflate') this.discard(oldest);
      else this.drop(oldest, 'queue-full');
    }
    return capacity > 0;
  }

  abstract evict(why: Outcome): void;

  /** Delivers what waits, as far as its consumers have room. */
  pull(): void {
    if (this.pulling) return;
    this.pulling = true;
    try {
      for (let at = 0; at < this.redo.length; ) {
        const item = this.redo[at]!;
        const seat = this.seat(item.qos, item.message, item);
        if (seat === undefined) {
          if (!this.overtakable) return;
          at++;
          continue;
        }
        this.redo.splice(at, 1);
        // A QoS 2 message that was sent must be brought to its end. [MQTT5-4.3.3-7]
        if (this.barred(item)) continue;
        if ((item.again && item.qos === 2) || !this.expired(item)) this.hand(item, seat);
      }
      for (;;) {
        const item = this.queue.peek();
        if (item === undefined) {
          if (this.redo.length === 0) this.withheld = undefined;
          return;
        }
        if (this.barred(item) || this.expired(item)) {
          this.queue.shift();
          continue;
        }
        // A QoS 2 message leaves only when its number is kept: after a crash it must come again under the same one.
        if (item.qos === 2 && item.page !== undefined && !item.page.kept) return;
        const seat = this.seat(item.qos, item.message, item);
        if (seat === undefined) {
          if (!this.overtakable || this.redo.length >= MAX_ASIDE) return;
          this.queue.shift();
          this.redo = this.redo.concat(item);
          continue;
        }
        if (!this.spanAllows(item.seq)) return;
        this.queue.shift();
        this.hand(item, seat);
      }
    } finally {
      this.pulling = false;
    }
  }

  /** Its consumer may not read it any more. */
  private barred(item: Item): boolean {
    if (this.withheld?.(item.message) !== true) return false;
    this.drop(item, 'not-authorized');
    return true;
  }

  private expired(item: Item): boolean {
    if (item.message.expiresAt === NEVER || item.message.expiresAt > this.host.now()) return false;
    this.drop(item, 'expired');
    return true;
  }

  /** The item is lost to its consumers. */
  protected drop(item: Item, why: 'expired' | 'queue-full' | 'not-authorized'): void {
    this.discard(item);
    this.host.dropped(why, 1);
  }

  /** Whether later messages may be for a consumer that is ready now, though the first one is for none. */
  protected get overtakable(): boolean {
    return false;
  }

  protected spanAllows(seq: number): boolean {
    if (seq - this.floor <= MAX_SPAN) return true;
    let floor = seq;
    for (const unsettled of this.sent.keys()) if (unsettled < floor) floor = unsettled;
    for (const item of this.redo) if (item.seq < floor) floor = item.seq;
    this.floor = floor;
    return seq - floor <= MAX_SPAN;
  }

  /** Delivers an item to a seat, and remembers it where it must be answered. */
  protected hand(item: Item, seat: Seat): void {
    const grant = seat.grant ?? item.grant;
    const qos = item.qos < grant.qos ? item.qos : grant.qos;
    if (!this.keeps || qos === 0) {
      this.discard(item);
      seat.consumer.deliver(item.message, qos, grant, item.replayed, 0, false, this);
      return;
    }
    item.seat = seat;
    this.remember(item);
    if (item.page !== undefined) this.host.journal!.defer(this);
    seat.consumer.deliver(item.message, qos, grant, item.replayed, item.seq, item.again, this);
  }

  private remember(item: Item): void {
    if (this.sent === NONE_SENT) this.sent = new Map();
    this.sent.set(item.seq, item);
  }

  settle(id: number, _outcome: Outcome): void {
    const item = this.sent.get(id);
    if (item === undefined) return;
    this.sent.delete(id);
    this.discard(item);
  }

  release(id: number): void {
    const item = this.sent.get(id);
    if (item === undefined || item.released) return;
    item.released = true;
    if (item.page !== undefined) this.host.journal!.defer(this);
  }

  /** The item needs no keeping any more. */
  protected discard(item: Item): void {
    if (item.settled) return;
    item.settled = true;
    if (item.page !== undefined) this.host.journal!.settled(this, item);
  }

  /** What was delivered to these consumers and not answered comes again, in order; released ones only wait for their end. */
  protected takeBack(from: (item: Item) => boolean, again: boolean): void {
    const back: Item[] = [];
    for (const item of this.sent.values()) if (!item.released && from(item)) back.push(item);
    if (back.length === 0) return;
    for (const item of back) {
      this.sent.delete(item.seq);
      item.again ||= again;
      item.seat = undefined;
    }
    this.redo = this.redo.concat(back).sort((a, b) => a.seq - b.seq);
  }

  /** Takes the first frames of a run as they are; the rest comes as messages. */
  take(run: Run, grant: Grant): number {
    if (this.waiting > 0 || (this.keeps && run.qos > 0)) return 0;
    return this.lane(run, grant);
  }

  protected abstract lane(run: Run, grant: Grant): number;

  load(page: Page): Item[] {
    return this.host.journal!.load(this, page);
  }

  weighed(bytes: number): void {
    this.host.weighed(bytes);
  }

  /** Frees memory that the store can give back. */
  spill(): void {
    if (this.stored) this.queue.spill(RESIDENT_BYTES);
  }

  /** The progress record: next number | first number never delivered | delivered, unsettled numbers with their release state | what overtook */
  writeRecord(journal: Journal): void {
    if (this.number === 0) return;
    const open = [...this.sent.values(), ...this.redo].filter((item) => item.page !== undefined);
    open.sort((a, b) => a.seq - b.seq);
    const firstWaiting = this.queue.firstSeq(this.nextSeq);
    journal.put(key('a', this.number), (w) => {
      w.varint(this.nextSeq);
      w.varint(firstWaiting);
      w.varint(open.length);
      let last = 0;
      for (const item of open) {
        w.varint((item.seq - last) * 2 + (item.released ? 1 : 0));
        last = item.seq;
      }
      this.queue.writeTaken(w, firstWaiting);
    });
  }

  /** Takes up the queue that an earlier run stored. */
  restore(progress: Progress, pages: readonly StoredPage[]): void {
    this.nextSeq = progress.nextSeq;
    if (progress.taken !== undefined) this.queue.restoreTaken(progress.taken);
    for (const { page, seqs, bytes } of pages) {
      const waiting = seqs.filter((seq) => seq >= progress.firstWaiting && !progress.taken?.has(seq));
      const open = seqs.filter((seq) => progress.open.has(seq));
      page.live = waiting.length + open.length;
      if (page.live === 0) {
        this.host.journal!.removePage(this, page);
        continue;
      }
      const last = seqs[seqs.length - 1]!;
      if (last >= this.nextSeq) this.nextSeq = last + 1;
      if (open.length > 0) this.restoreOpen(page, progress);
      if (waiting.length > 0) this.queue.pushStored(page, waiting, bytes);
    }
    if (this.redo.length > 1) this.redo.sort((a, b) => a.seq - b.seq);
  }

  private restoreOpen(page: Page, progress: Progress): void {
    for (const item of this.load(page)) {
      const released = progress.open.get(item.seq);
      if (released === undefined) continue;
      item.again = true;
      item.released = released;
      if (released) this.remember(item);
      else this.redo = [...this.redo, item];
    }
  }

  /** Empties it: nothing of it is kept or delivered any more. */
  protected empty(): void {
    const { journal } = this;
    if (this.waiting === 0 && this.sent.size === 0) {
      journal?.removeQueue(this);
      return;
    }
    const pages = new Set<Page>();
    const forget = (item: Item): void => {
      item.settled = true;
      if (item.page !== undefined) {
        pages.add(item.page);
        item.page.live = 0;
      }
    };
    for (const part of this.queue.drain()) {
      if (part instanceof Item) {
        forget(part);
      } else {
        pages.add(part);
        part.live = 0;
      }
    }
    for (const item of this.sent.values()) forget(item);
    for (const item of this.redo) forget(item);
    this.sent = NONE_SENT;
    this.redo = NONE;
    if (journal === undefined) return;
    // A page that is not written yet never will be: nothing of it lives.
    for (const page of pages) if (page.items === undefined) journal.removePage(this, page);
    journal.removeQueue(this);
  }
}

/** What `writeRecord` wrote. `open`: delivered, unsettled numbers, and whether they are released. */
export interface Progress {
  readonly nextSeq: number;
  readonly firstWaiting: number;
  readonly open: ReadonlyMap<number, boolean>;
  /** Numbers that do not wait, though older ones do: where priorities are. */
  readonly taken?: Ranges;
}

export interface StoredPage {
  readonly page: Page;
  readonly seqs: readonly number[];
  readonly bytes: number;
}
