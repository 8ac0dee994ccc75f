// A client's own mailbox: its subscriptions, its one consumer, and its life beyond the connection.

import type {
  Consumer,
  Grant,
  InboundIds,
  Mailbox,
  SubscribeResult,
  Subscription,
} from '../contract/mailbox.ts';
import type { Message, Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { Run } from '../contract/run.ts';
import type { AccessCore } from './access.ts';
import { Box, type BoxHost, type Entry, type QueueLimits, type Seat } from './box.ts';
import type { Group } from './group.ts';
import { type Deferred, type Journal, key } from './journal.ts';
import { writeSubscription } from './records.ts';
import { QueueBox } from './work-queue.ts';

/** What a mailbox asks of the hub that owns it. */
export interface MailboxHost extends BoxHost {
  subscribe(box: OwnBox, s: Subscription): SubscribeResult;
  unsubscribe(box: OwnBox, filter: string): Outcome;
  replay(box: OwnBox, s: Subscription): void;
  /** Its consumer is gone: it ends after `keepMs`. */
  abandoned(box: OwnBox): void;
}

/** A subscription of this mailbox: an entry of the index, or a place in a group or queue. `record` is its number in the store. */
export interface Held {
  readonly subscription: Subscription;
  readonly entry: Entry | undefined;
  readonly group: Group | QueueBox | undefined;
  readonly record: number;
}

/** Topics about which it is remembered whether a mailbox may deliver them. */
const MAX_KNOWN = 4_096;

/** Shared by the mailboxes that have no subscription yet; never written to. */
const NOTHING_HELD = new Map<string, Held>();

export class OwnBox extends Box implements Mailbox {
  readonly protocol: string;
  resumed = false;
  keepMs: number;
  /** Since when nobody consumes it, ms; 0 while somebody does. */
  goneAt = 0;
  /** The principal whose messages these are. */
  principal = '';
  /** Who opened it last. */
  access: AccessCore | undefined = undefined;
  held: Map<string, Held> = NOTHING_HELD;
  readonly inbound: StoredIds;
  private own: Seat | undefined = undefined;
  private readonly hub: MailboxHost;

  constructor(protocol: string, name: string, keepMs: number, limits: QueueLimits, hub: MailboxHost) {
    super(name, keepMs > 0, limits, hub);
    this.protocol = protocol;
    this.keepMs = keepMs;
    this.hub = hub;
    this.inbound = new StoredIds(this);
  }

  get attended(): boolean {
    return this.own !== undefined;
  }

  protected seat(qos: Qos): Seat | undefined {
    return this.own?.consumer.ready(qos) === true ? this.own : undefined;
  }

  protected lane(run: Run, grant: Grant): number {
    return this.own === undefined ? 0 : this.own.consumer.take(run, grant);
  }

  *subscriptions(): Iterable<Subscription> {
    for (const held of this.held.values()) yield held.subscription;
  }

  subscribe(s: Subscription): SubscribeResult {
    const result = this.hub.subscribe(this, s);
    this.changed();
    return result;
  }

  unsubscribe(filter: string): Outcome {
    const outcome = this.hub.unsubscribe(this, filter);
    this.changed();
    return outcome;
  }

  /** Takes note of a subscription, in place of an earlier one with the same filter. */
  hold(held: Held): void {
    if (this.held === NOTHING_HELD) this.held = new Map();
    this.held.set(held.subscription.filter, held);
  }

  replay(s: Subscription): void {
    this.hub.replay(this, s);
  }

  attach(c: Consumer): void {
    this.own = { consumer: c, grant: undefined };
    this.goneAt = 0;
    for (const held of this.held.values()) held.group?.join(this, c, held.subscription);
    this.pull();
  }

  detach(c: Consumer): void {
    if (this.own?.consumer !== c) return;
    this.own = undefined;
    for (const held of this.held.values()) held.group?.part(this);
    if (this.keeps) this.takeBack(() => true, true);
    this.hub.abandoned(this);
  }

  /** Its connection is over, whether its consumer said so or not. */
  leave(): void {
    if (this.own !== undefined) this.detach(this.own.consumer);
    else if (this.goneAt === 0) this.hub.abandoned(this); // opened, and never attached to
  }

  takePart(group: Group | QueueBox, s: Subscription): void {
    if (this.own !== undefined) group.join(this, this.own.consumer, s);
  }

  override pull(): void {
    super.pull();
    for (const held of this.held.values()) held.group?.pull();
  }

  override release(id: number): void {
    super.release(id);
    this.changed();
  }

  *unsettledIds(): Iterable<number> {
    for (const item of this.redo) if (item.again) yield item.seq;
    for (const item of this.sent.values()) if (!item.released) yield item.seq;
  }

  /** What its client did last is true once the open batch is kept. */
  changed(): void {
    if (this.stored) this.access?.waits();
  }

  *released(): Iterable<number> {
    for (const item of this.sent.values()) if (item.released) yield item.seq;
  }

  keep(ms: number): void {
    this.keepMs = ms;
    this.writeName();
    this.changed();
  }

  evict(why: Outcome): void {
    if (this.access !== undefined) this.access.why = why;
    this.own?.consumer.evict(why);
  }

  /** What waits came when its owner could read it; now it is delivered only as far as that is still so. */
  guard(): void {
    const { access } = this;
    if (access === undefined || access.identity.unrestricted || this.waiting === 0) {
      this.withheld = undefined;
      return;
    }
    // What a queue gave to this mailbox has the topic that it was published to, and the right to the queue is another.
    for (const { group } of this.held.values()) if (group instanceof QueueBox) return;
    const known = new Map<string, boolean>();
    this.withheld = ({ topic }) => {
      let withheld = known.get(topic);
      if (withheld === undefined) {
        withheld = !access.maySubscribe(topic);
        if (known.size < MAX_KNOWN) known.set(topic, withheld);
      }
      return withheld;
    };
  }

  /** Discards what waits and was never sent; returns how many. */
  purge(): number {
    let count = 0;
    while (this.queue.peek() !== undefined) {
      this.discard(this.queue.shift());
      count++;
    }
    if (count > 0) this.host.dropped('purged', count);
    return count;
  }

  /** Takes over an exactly-once message from a group: only this client may get it from now on. [MQTT5-4.8.2-4,5] */
  adopt(m: Message, grant: Grant, replayed: boolean): void {
    this.offer(m, grant, replayed);
  }

  /** Its name and times go into the store. */
  writeName(): void {
    const { journal } = this.host;
    if (journal === undefined || !this.stored) return;
    journal.put(key('s', this.number), (w) => {
      w.text(this.protocol);
      w.text(this.name);
      w.f64(this.keepMs);
      w.f64(this.goneAt);
      w.text(this.principal);
    });
  }

  deferInbound(ids: StoredIds): void {
    this.host.journal?.defer(ids);
  }

  writeHeld(held: Held): void {
    this.host.journal!.put(key('u', this.number, held.record), (w) =>
      writeSubscription(w, held.subscription),
    );
  }

  /** Ends it: the index has let go of its subscriptions already. */
  end(): void {
    const { journal } = this.host;
    const stored = this.stored;
    this.empty();
    if (journal === undefined || !stored) return;
    for (const held of this.held.values()) journal.remove(key('u', this.number, held.record));
    journal.remove(key('s', this.number));
    this.number = 0;
  }
}

/** Shared by the clients that never publish exactly once; never written to. */
const NO_IDS = new Set<number>();

/** The exactly-once ids that a client has published and not released; written with the next commit when they changed. */
export class StoredIds implements InboundIds, Deferred {
  private ids: Set<number> = NO_IDS;
  private readonly box: OwnBox;

  constructor(box: OwnBox) {
    this.box = box;
  }

  get size(): number {
    return this.ids.size;
  }

  has(id: number): boolean {
    return this.ids.has(id);
  }

  add(id: number): void {
    if (this.ids === NO_IDS) this.ids = new Set();
    this.ids.add(id);
    this.touch();
  }

  delete(id: number): void {
    if (this.ids.delete(id)) this.touch();
  }

  /** Ids that an earlier run stored. */
  restore(ids: Iterable<number>): void {
    this.ids = new Set(ids);
  }

  private touch(): void {
    if (!this.box.stored) return;
    this.box.deferInbound(this);
    this.box.changed();
  }

  writeRecord(journal: Journal): void {
    if (!this.box.stored) return;
    journal.put(key('i', this.box.number), (w) => {
      w.varint(this.ids.size);
      for (const id of this.ids) w.varint(id);
    });
  }
}

/** Whether the client of `box` itself published `m`. */
export function isOwn(m: Message, box: Box): boolean {
  return (
    box instanceof OwnBox &&
    m.origin.protocol === box.access?.protocol &&
    m.origin.client === box.access.client
  );
}
