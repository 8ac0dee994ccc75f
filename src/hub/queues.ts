// The work queues of the hub: who declares, finds, fills and ends them, and where their dead messages go.

import type { Reader } from '../bytes/reader.ts';
import { deadTopicOf } from '../contract/exchange.ts';
import type { Consumer } from '../contract/mailbox.ts';
import { Message, NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import {
  type ConsumeOptions,
  type Consumption,
  type Death,
  type Placed,
  QUEUE_DEFAULTS,
  QUEUE_PREFIX,
  type QueueOptions,
  type WorkQueue,
} from '../contract/queue.ts';
import { isBinding } from '../contract/topic.ts';
import type { AccessCore } from './access.ts';
import { Entry } from './box.ts';
import { withDeath } from './death.ts';
import type { HubCore } from './hub.ts';
import { key } from './journal.ts';
import { writeSubscription } from './records.ts';
import { type Member, QueueBox } from './work-queue.ts';

/** Queues of one hub: a client that makes up names must not take all memory. */
const MAX_QUEUES = 100_000;
/** A name in UTF-16 units; the topic limit in octets holds besides. */
const MAX_NAME = 1_024;
/** Dead letters that make dead letters at once: a circle of full queues ends after so many rounds. */
const MAX_ROUNDS = 16;

/** The queue that a topic or filter names, or undefined. */
export function queueNameOf(topic: string): string | undefined {
  return topic.charCodeAt(0) === 0x24 && topic.startsWith(QUEUE_PREFIX)
    ? topic.slice(QUEUE_PREFIX.length)
    : undefined;
}

export class Queues {
  readonly byName = new Map<string, QueueBox>();
  private readonly hub: HubCore;
  /** Dead letters on their way, and which round of them is being published. */
  private letters: { readonly letter: Message; readonly round: number }[] = [];
  private round = 0;

  constructor(hub: HubCore) {
    this.hub = hub;
  }

  /** The queue of that name, made with these options when there is none. */
  open(name: string, options: QueueOptions, declared: boolean): QueueBox | Outcome {
    let queue = this.byName.get(name);
    if (queue === undefined) {
      if (!isQueueName(name)) return 'topic-invalid';
      if (this.byName.size >= MAX_QUEUES) return 'quota-exceeded';
      queue = new QueueBox(name, options, declared, this.hub);
      this.byName.set(name, queue);
      if (options.durable && !options.exclusive && this.hub.journal !== undefined) {
        queue.number = this.hub.journal.number();
        queue.writeName();
      }
    } else if (declared && !queue.declared) {
      queue.declare(options);
    }
    return queue;
  }

  restore(number: number, r: Reader): QueueBox {
    const name = r.text();
    const flags = r.u8();
    const overflow = r.u8() === 1 ? 'drop-oldest' : 'drop-newest';
    const maxPriority = r.u8();
    const [expiresMs, messageTtlMs, maxMessages, maxBytes, maxDeliveries] = [
      r.f64(),
      r.f64(),
      r.f64(),
      r.f64(),
      r.f64(),
    ];
    const options: QueueOptions = {
      durable: true,
      exclusive: false,
      autoDelete: (flags & 2) !== 0,
      singleActive: (flags & 4) !== 0,
      overflow,
      maxPriority,
      expiresMs,
      messageTtlMs,
      maxMessages,
      maxBytes,
      maxDeliveries,
      deadLetter: r.text(),
      note: r.text(),
    };
    const queue = new QueueBox(name, options, (flags & 1) !== 0, this.hub);
    queue.number = number;
    this.byName.set(name, queue);
    return queue;
  }

  /** After a restart, when every queue has its messages again. */
  restored(): void {
    for (const queue of [...this.byName.values()]) {
      queue.used();
      queue.armSweep();
      queue.settleDown();
    }
  }

  /** A message for `$queue/{name}`. */
  publish(name: string, m: Message): Outcome {
    const queue = this.open(name, QUEUE_DEFAULTS, false);
    return typeof queue === 'string' ? queue : queue.accept(m);
  }

  bind(queue: QueueBox, filter: string): Outcome {
    if (!isBinding(filter, this.hub.limits)) return 'filter-invalid';
    if (queue.bound.has(filter)) return 'ok';
    if (queue.bound.size >= this.hub.limits.subscriptionsPerClient) return 'quota-exceeded';
    const record = queue.stored ? this.hub.journal!.number() : 0;
    const s = this.insert(queue, filter, record);
    if (record !== 0) this.hub.journal!.put(key('u', queue.number, record), (w) => writeSubscription(w, s));
    return 'ok';
  }

  /** Puts a binding into the index. */
  insert(queue: QueueBox, filter: string, record: number): Entry {
    const entry = new Entry(this.hub.entryNumber(), queue, filter, 2, false, 0);
    queue.bound.set(filter, { entry, record });
    this.hub.routes.insert(entry);
    return entry;
  }

  unbind(queue: QueueBox, filter: string): Outcome {
    const bound = queue.bound.get(filter);
    if (bound === undefined) return 'no-subscription';
    queue.bound.delete(filter);
    this.hub.routes.remove(bound.entry);
    if (bound.record !== 0) this.hub.journal!.remove(key('u', queue.number, bound.record));
    queue.settleDown();
    return 'ok';
  }

  /** Ends a queue. Mailboxes that subscribe to it get a new one, which nobody declared. */
  end(queue: QueueBox): void {
    if (this.byName.get(queue.name) !== queue) return;
    this.byName.delete(queue.name);
    queue.owner?.lost(queue);
    for (const { entry } of queue.bound.values()) this.hub.routes.remove(entry);
    queue.end();
    for (const box of queue.holders) this.hub.holdAgain(box, QUEUE_PREFIX + queue.name);
  }

  /** A dead message is to be published to its queue's dead-letter topic, with the story of its death. */
  bury(queue: QueueBox, m: Message, why: Death): void {
    const { deadLetter } = queue.options;
    if (deadLetter === '' || this.round >= MAX_ROUNDS) return;
    const { at, origin, payload } = m;
    const user = withDeath(m, queue.name, why, this.hub.now());
    const letter = new Message(deadTopicOf(deadLetter, m.topic), payload, m.qos, false, origin, at, NEVER, {
      ...m.meta,
      user,
    });
    this.letters.push({ letter, round: this.round + 1 });
  }

  /** Publishes the dead letters, once the queues that they come from are at rest: in the same commit as their deaths. */
  deliverDead(): void {
    if (this.round > 0) return;
    for (let next = this.letters.shift(); next !== undefined; next = this.letters.shift()) {
      this.round = next.round;
      this.hub.publish(next.letter, undefined);
    }
    this.round = 0;
  }
}

function isQueueName(name: string): boolean {
  return name !== '' && name.length <= MAX_NAME && !name.includes('\0');
}

/** One client's handle of a queue: what it does there is acknowledged once it is kept. */
export class QueueUse implements WorkQueue {
  private readonly hub: HubCore;
  private readonly access: AccessCore;
  private readonly queue: QueueBox;

  constructor(hub: HubCore, access: AccessCore, queue: QueueBox) {
    this.hub = hub;
    this.access = access;
    this.queue = queue;
  }

  get name(): string {
    return this.queue.name;
  }

  get options(): QueueOptions {
    return this.queue.options;
  }

  get waiting(): number {
    return this.queue.waiting;
  }

  get unsettled(): number {
    return this.queue.unsettled;
  }

  get consumers(): number {
    return this.queue.consumers;
  }

  publish(m: Message): Outcome {
    if (!this.access.mayPublish(QUEUE_PREFIX + this.name)) return 'not-authorized';
    const before = this.hub.journal?.writes;
    const outcome = this.queue.accept(m);
    this.access.waitsIf(before);
    return outcome;
  }

  consume(c: Consumer, options: ConsumeOptions): Consumption | Outcome {
    const { queue, access } = this;
    const refusal = this.refusal();
    if (refusal !== undefined) return refusal;
    if (queue.taken || (options.exclusive === true && queue.consumers > 0)) return 'busy';
    if (access.takes.size >= this.hub.limits.subscriptionsPerClient) return 'quota-exceeded';
    const take = new Take(this.hub, access, queue);
    access.takesPart(take);
    take.start(c, options);
    return take;
  }

  browse(from: number): Iterable<Placed> | Outcome {
    return this.refusal() ?? (this.options.maxPriority > 0 ? 'not-supported' : this.queue.placed(from));
  }

  bind(filter: string): Outcome {
    if (!this.access.maySubscribe(filter)) return 'not-authorized';
    return this.kept(() => this.hub.queues.bind(this.queue, filter));
  }

  unbind(filter: string): Outcome {
    return this.kept(() => this.hub.queues.unbind(this.queue, filter));
  }

  replay(filter: string): void {
    if (!this.access.maySubscribe(filter)) return;
    const { hub, queue } = this;
    this.kept(() => hub.retained.select(filter, hub.now(), (m) => queue.accept(m)));
  }

  bindings(): Iterable<string> {
    return this.queue.bound.keys();
  }

  purge(): number | Outcome {
    return this.refusal() ?? this.kept(() => this.queue.purge());
  }

  delete(): Outcome {
    const refusal = this.refusal();
    if (refusal === undefined) this.kept(() => this.hub.queues.end(this.queue));
    return refusal ?? 'ok';
  }

  /** Why this client may not take out of the queue, if it may not. */
  private refusal(): Outcome | undefined {
    const { owner } = this.queue;
    if (owner !== undefined) return owner === this.access ? undefined : 'busy';
    return this.access.maySubscribe(QUEUE_PREFIX + this.name) ? undefined : 'not-authorized';
  }

  private kept<T>(change: () => T): T {
    const before = this.hub.journal?.writes;
    const result = change();
    this.access.waitsIf(before);
    return result;
  }
}

/** A tower's consumer at a queue. */
export class Take implements Consumption {
  private readonly hub: HubCore;
  private readonly access: AccessCore;
  private readonly queue: QueueBox;
  private member: Member | undefined = undefined;
  private cancelled = false;

  constructor(hub: HubCore, access: AccessCore, queue: QueueBox) {
    this.hub = hub;
    this.access = access;
    this.queue = queue;
  }

  start(c: Consumer, options: ConsumeOptions): void {
    this.member = this.queue.consume(c, options);
  }

  settle(id: number, outcome: Outcome): void {
    const before = this.hub.journal?.writes;
    this.queue.settle(id, outcome);
    this.access.waitsIf(before);
    this.letGo();
  }

  release(id: number): void {
    this.settle(id, 'ok');
  }

  putBack(id: number, failed: boolean, elsewhere: boolean): void {
    const before = this.hub.journal?.writes;
    this.queue.putBack(id, failed, elsewhere);
    this.access.waitsIf(before);
    this.letGo();
  }

  failures(id: number): number {
    return this.queue.failures(id);
  }

  pull(): void {
    this.queue.pull();
  }

  cancel(): void {
    this.cancelled = true;
    if (this.member !== undefined) this.queue.cancel(this.member);
    this.letGo();
  }

  /** Cancelled, and everything is answered: there is nothing left to close. */
  private letGo(): void {
    if (this.cancelled && this.member?.unsettled === 0) this.access.tookPart(this);
  }

  close(): void {
    this.access.tookPart(this);
    if (this.member !== undefined) this.queue.close(this.member);
    this.member = undefined;
  }
}
