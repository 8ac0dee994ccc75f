// A work queue: a named box with a life of its own, each message of which goes to one of its consumers.

import type { Consumer, Grant, Subscription } from '../contract/mailbox.ts';
import { Message, NEVER, type Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { ConsumeOptions, Death, Placed, QueueOptions } from '../contract/queue.ts';
import type { AccessCore } from './access.ts';
import { Box, type BoxHost, type Entry, type QueueLimits, type Seat } from './box.ts';
import type { Deadlines } from './deadlines.ts';
import { key } from './journal.ts';
import type { OwnBox } from './mailbox.ts';
import { PriorityQueue } from './priority.ts';
import type { Item } from './queue.ts';

/** A consumer of a queue: a mailbox that subscribed to it, or one that a tower attached. */
export interface Member extends Seat {
  readonly grant: Grant;
  readonly box: OwnBox | undefined;
  readonly accepts: ((m: Message) => boolean) | undefined;
  readonly exclusive: boolean;
  readonly passing: boolean;
  /** Deliveries that it has not answered; counted for a tower's consumer only. */
  unsettled: number;
}

/** What a queue asks of the hub that owns it. */
export interface QueueHost extends BoxHost {
  readonly deadlines: Deadlines;
  readonly limits: { readonly queueMessages: number; readonly queueBytes: number };
  /** A message died in `queue`. */
  buried(queue: QueueBox, m: Message, why: Death): void;
  /** The queue is at rest: its dead may be published. */
  rested(): void;
  /** Nothing and nobody keeps the queue any more. */
  endQueue(queue: QueueBox): void;
}

/** What is remembered of a message that came back. */
interface Mark {
  failures: number;
  /** Consumers that never want it again. */
  shunned: Member[] | undefined;
}

export class QueueBox extends Box {
  options: QueueOptions;
  /** Somebody declared it; else it goes when it is empty and alone. */
  declared: boolean;
  /** Whose alone it is. */
  owner: AccessCore | undefined = undefined;
  /** Mailboxes that subscribe to it, whether their client is there or not. */
  readonly holders = new Set<OwnBox>();
  /** What fills it besides what is put in by name: entries of the index, by filter, with their numbers in the store. */
  readonly bound = new Map<string, { readonly entry: Entry; readonly record: number }>();
  private readonly members: Member[] = [];
  private readonly marks = new Map<number, Mark>();
  private readonly queueHost: QueueHost;
  private next = 0;
  private had = false;
  private ended = false;
  private idleSince = 0;
  private sweepAt = NEVER;

  constructor(name: string, options: QueueOptions, declared: boolean, host: QueueHost) {
    super(name, true, limitsOf(options, host), host);
    this.options = options;
    this.declared = declared;
    this.queueHost = host;
    this.prioritise();
  }

  /** Takes a queue with lanes, if the options want them; what waits changes over. */
  private prioritise(): void {
    const { maxPriority } = this.options;
    if (maxPriority === 0) return;
    const plain = this.queue;
    const lanes = new PriorityQueue(this, maxPriority);
    while (plain.length > 0) lanes.push(plain.shift());
    this.queue = lanes;
  }

  /** Takes the options of a declaration. */
  declare(options: QueueOptions): void {
    this.options = options;
    this.declared = true;
    this.limits = limitsOf(options, this.queueHost);
    this.prioritise();
    this.writeName();
  }

  get consumers(): number {
    return this.members.length;
  }

  /** Whether a consumer has it for itself. */
  get taken(): boolean {
    return this.members.some((member) => member.exclusive);
  }

  /** It takes everything, consumer or not. */
  get attended(): boolean {
    return true;
  }

  // --- messages in ---

  /** Delivers or keeps a message. 'quota-exceeded': there is no room. */
  accept(m: Message): Outcome {
    const bounded = this.bounded(m);
    const qos = m.qos === 0 ? 1 : m.qos;
    if (!this.wait(bounded, qos, ANY[qos], false, m.qos > 0)) return 'quota-exceeded';
    if (bounded.expiresAt !== NEVER) this.sweepBy(bounded.expiresAt);
    this.queueHost.rested();
    return 'ok';
  }

  override offer(m: Message): void {
    this.accept(m);
  }

  private bounded(m: Message): Message {
    const { messageTtlMs } = this.options;
    if (messageTtlMs === NEVER) return m;
    const until = this.host.now() + messageTtlMs;
    if (until >= m.expiresAt) return m;
    return new Message(m.topic, m.payload, m.qos, m.retain, m.origin, m.at, until, m.meta);
  }

  /** A run would reach one member as a burst, and QoS 0 is kept here. */
  protected lane(): number {
    return 0;
  }

  /** Expired messages leave in time even when nobody consumes. */
  private sweepBy(at: number): void {
    if (at >= this.sweepAt) return;
    this.sweepAt = at;
    this.queueHost.deadlines.add(at, () => {
      if (this.ended || this.sweepAt !== at) return;
      this.sweepAt = NEVER;
      this.pull();
      this.armSweep();
      this.settleDown();
    });
  }

  /** Looks again when the first message that waits expires. */
  armSweep(): void {
    const first = this.queue.peek()?.message.expiresAt ?? NEVER;
    if (first !== NEVER) this.sweepBy(first);
  }

  // --- messages out ---

  /** Consumers take turns; who has no room, or does not want the message, is passed over. */
  protected seat(qos: Qos, m: Message, item?: Item): Seat | undefined {
    const count = this.active;
    const mark = item === undefined || this.marks.size === 0 ? undefined : this.marks.get(item.seq);
    for (let i = 0; i < count; i++) {
      const at = (this.next + i) % count;
      const member = this.members[at]!;
      if (!member.consumer.ready(member.grant.qos === 0 ? 0 : qos)) continue;
      if (member.accepts !== undefined && !member.accepts(m)) continue;
      if (mark?.shunned?.includes(member)) continue;
      this.next = (at + 1) % count;
      return member;
    }
    return undefined;
  }

  /** How many of the consumers get messages, from the first on. */
  private get active(): number {
    return this.options.singleActive ? Math.min(1, this.members.length) : this.members.length;
  }

  protected override get overtakable(): boolean {
    for (let i = this.active - 1; i >= 0; i--) {
      const { consumer, grant } = this.members[i]!;
      if (consumer.ready(grant.qos)) return true;
    }
    return false;
  }

  /** Message numbers are the hub's own here: no tower derives ids from them. */
  protected override spanAllows(): boolean {
    return true;
  }

  /** A mailbox gets an exactly-once message for good, as from a `$share` group. [MQTT5-4.8.2-4,5] */
  protected override hand(item: Item, seat: Seat): void {
    const { box, grant, consumer } = seat as Member;
    if (box === undefined && grant.qos === 0) {
      this.discard(item);
      consumer.deliver(item.message, 0, grant, item.replayed, 0, item.again, this);
      return;
    }
    if (box === undefined) {
      (seat as Member).unsettled++;
      super.hand(item, seat);
      return;
    }
    item.again = false; // a delivery of its own for that client, with a packet id of its own [MQTT5-3.3.1-1]
    if (Math.min(item.qos, grant.qos) < 2) {
      super.hand(item, seat);
      return;
    }
    box.adopt(item.message, grant, item.replayed);
    this.discard(item);
  }

  /** A tower's consumer. */
  consume(consumer: Consumer, options: ConsumeOptions): Member {
    const { qos, accepts, exclusive = false, passing = false } = options;
    const member = { consumer, grant: ANY[qos], box: undefined, accepts, exclusive, passing, unsettled: 0 };
    this.enter(member);
    return member;
  }

  /** A mailbox that subscribes to `$queue/{name}` takes part while its client is here. */
  join(box: OwnBox, consumer: Consumer, s: Subscription): void {
    const grant = { qos: s.qos, tags: [s.tag] };
    const member = {
      consumer,
      grant,
      box,
      accepts: undefined,
      exclusive: false,
      passing: false,
      unsettled: 0,
    };
    const known = this.members.findIndex((other) => other.box === box);
    if (known < 0) {
      this.enter(member);
      return;
    }
    const old = this.members[known]!;
    this.members[known] = member;
    for (const item of this.sent.values()) if (item.seat === old) item.seat = member;
  }

  private enter(member: Member): void {
    this.members.push(member);
    if (!member.passing) this.had = true;
    this.idleSince = 0;
    this.pull();
  }

  part(box: OwnBox): void {
    const member = this.members.find((other) => other.box === box);
    if (member !== undefined) this.close(member);
  }

  /** No more deliveries to this one. */
  cancel(member: Member): void {
    const at = this.members.indexOf(member);
    if (at < 0) return;
    this.members.splice(at, 1);
    if (this.next > at) this.next--;
    if (this.members.length === 0) {
      if (member.passing) this.used();
      else this.alone();
    } else if (this.options.singleActive && at === 0) this.pull();
    this.settleDown();
  }

  /** This one is gone: what it did not answer goes to the others. */
  close(member: Member): void {
    this.cancel(member);
    if (this.ended) return;
    for (const item of [...this.sent.values()]) if (item.seat === member) this.failed(item);
    this.takeBack((item) => item.seat === member, true);
    this.pull();
    this.settleDown();
  }

  // --- answers ---

  override settle(id: number, outcome: Outcome): void {
    if (outcome === 'busy') {
      this.putBack(id, true, false);
      return;
    }
    const item = this.sent.get(id);
    if (item === undefined) return;
    (item.seat as Member).unsettled--;
    if (outcome !== 'ok') this.bury(item, 'rejected');
    super.settle(id, outcome);
    this.settleDown();
  }

  /** A queue hands over once: what a client has stored is taken. */
  override release(id: number): void {
    this.settle(id, 'ok');
  }

  putBack(id: number, failed: boolean, elsewhere: boolean): void {
    const item = this.sent.get(id);
    if (item === undefined) return;
    (item.seat as Member).unsettled--;
    if (elsewhere) {
      const mark = this.markOf(item);
      mark.shunned ??= [];
      mark.shunned.push(item.seat as Member);
    }
    if (failed) this.failed(item);
    this.takeBack((other) => other === item, true);
    this.pull();
    this.settleDown();
  }

  failures(id: number): number {
    return this.marks.get(id)?.failures ?? 0;
  }

  private markOf(item: Item): Mark {
    let mark = this.marks.get(item.seq);
    if (mark === undefined) {
      mark = { failures: 0, shunned: undefined };
      this.marks.set(item.seq, mark);
    }
    return mark;
  }

  /** One delivery more that came to nothing; too many end the message. */
  private failed(item: Item): void {
    if (++this.markOf(item).failures < this.options.maxDeliveries) return;
    this.sent.delete(item.seq);
    this.bury(item, 'delivery-limit');
    this.discard(item);
  }

  protected override discard(item: Item): void {
    this.marks.delete(item.seq);
    super.discard(item);
  }

  protected override drop(item: Item, why: 'expired' | 'queue-full'): void {
    this.bury(item, why);
    super.drop(item, why);
  }

  private bury(item: Item, why: Death): void {
    this.queueHost.buried(this, item.message, why);
  }

  /** What waits, from number `from` on, first one first. */
  *placed(from: number): Iterable<Placed> {
    if (from >= this.nextSeq) return;
    for (const item of this.redo) if (item.seq >= from) yield item;
    yield* this.queue.waiting(from);
  }

  purge(): number {
    let purged = this.redo.length;
    for (const item of this.redo) this.discard(item);
    this.redo = [];
    for (; this.queue.length > 0; purged++) this.discard(this.queue.shift());
    this.settleDown();
    return purged;
  }

  // --- its life ---

  /** The last consumer left. */
  private alone(): void {
    if (this.options.autoDelete && this.had) this.queueHost.endQueue(this);
    else this.used();
  }

  /** It was of use just now: from here on its idle time counts. */
  used(): void {
    const { expiresMs } = this.options;
    if (expiresMs === NEVER || this.members.length > 0) return;
    const since = this.host.now();
    this.idleSince = since;
    this.queueHost.deadlines.add(since + expiresMs, () => {
      if (!this.ended && this.idleSince === since) this.queueHost.endQueue(this);
    });
  }

  override pull(): void {
    super.pull();
    this.queueHost.rested();
  }

  /** After every change. A queue that nobody declared is not there when nothing is in it and nobody looks at it. */
  settleDown(): void {
    this.queueHost.rested();
    if (this.ended || this.declared || this.members.length > 0 || this.holders.size > 0) return;
    if (this.waiting === 0 && this.unsettled === 0 && this.bound.size === 0) this.queueHost.endQueue(this);
  }

  evict(why: Outcome): void {
    for (const member of [...this.members]) if (member.box === undefined) member.consumer.evict(why);
  }

  /** name | declared | options */
  writeName(): void {
    const { journal } = this.host;
    if (journal === undefined || !this.stored) return;
    const o = this.options;
    journal.put(key('k', this.number), (w) => {
      w.text(this.name);
      w.u8((this.declared ? 1 : 0) | (o.autoDelete ? 2 : 0) | (o.singleActive ? 4 : 0));
      w.u8(o.overflow === 'drop-oldest' ? 1 : 0);
      w.u8(o.maxPriority);
      for (const n of [o.expiresMs, o.messageTtlMs, o.maxMessages, o.maxBytes, o.maxDeliveries]) w.f64(n);
      w.text(o.deadLetter);
      w.text(o.note);
    });
  }

  /** Ends it: the index has let go of its bindings already. */
  end(): void {
    const { journal } = this.host;
    const stored = this.stored;
    this.ended = true;
    this.marks.clear();
    this.empty();
    this.evict('no-subscription');
    this.members.length = 0;
    if (journal === undefined || !stored) return;
    for (const { record } of this.bound.values()) journal.remove(key('u', this.number, record));
    journal.remove(key('k', this.number));
    this.number = 0;
  }
}

/** Grants without tags, by QoS. */
const ANY: readonly [Grant, Grant, Grant] = [
  { qos: 0, tags: [] },
  { qos: 1, tags: [] },
  { qos: 2, tags: [] },
];

function limitsOf(o: QueueOptions, host: QueueHost): QueueLimits {
  const { queueMessages, queueBytes } = host.limits;
  return {
    capacity: Math.min(o.maxMessages, queueMessages),
    bytes: Math.min(o.maxBytes, queueBytes),
    overflow: o.overflow,
  };
}
