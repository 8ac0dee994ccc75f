// What a connected client does: sends, subscribes, answers messages, and binds all that into transactions.

import type { Access, Hub, ProtocolCounters } from '../../contract/hub.ts';
import type { Message, Origin } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { QUEUE_DEFAULTS, QUEUE_PREFIX, type WorkQueue } from '../../contract/queue.ts';
import { isTopicFilter, isTopicName } from '../../contract/topic.ts';
import type { Wire } from '../../contract/wire.ts';
import { fieldOf } from '../../selector/fields.ts';
import { SelectorError } from '../../selector/parse.ts';
import { compileSelector } from '../../selector/selector.ts';
import { type Destination, FORMS, parseDestination } from './destination.ts';
import { HeaderError, messageOf } from './map.ts';
import { type Frame, headerOf, type Version } from './packet.ts';
import { queueOptionsOf } from './queue-headers.ts';
import { badHeader, Refusal, refusalOf } from './refusal.ts';
import { type AckMode, StompSubscription } from './subscription.ts';
import { Transactions } from './transaction.ts';

/** What follows the receipt of a frame. */
export type Sequel = (() => void) | undefined;

/** A subscription of mode auto has no window: its wire is what holds it back. */
const NO_WINDOW = Number.POSITIVE_INFINITY;

export class StompSession {
  readonly access: Access;
  private readonly hub: Hub;
  private readonly wire: Wire;
  private readonly version: Version;
  /** The client-id that it came with; durable subscriptions need one. */
  private readonly named: boolean;
  private readonly gone: (why: Outcome) => void;
  private readonly origin: Origin;
  private readonly counters: ProtocolCounters;
  private readonly subscriptions = new Map<string, StompSubscription>();
  private readonly byNumber = new Map<number, StompSubscription>();
  private readonly temporary = new Map<string, WorkQueue>();
  private readonly transactions: Transactions;
  private nextNumber = 1;

  constructor(
    access: Access,
    hub: Hub,
    wire: Wire,
    version: Version,
    named: boolean,
    gone: (why: Outcome) => void,
  ) {
    this.access = access;
    this.hub = hub;
    this.wire = wire;
    this.version = version;
    this.named = named;
    this.gone = gone;
    this.origin = { protocol: 'stomp', client: access.client, principal: access.identity.principal };
    this.counters = hub.counters.of('stomp');
    this.transactions = new Transactions(hub.limits.queueBytes);
  }

  /** Throws Refusal. */
  perform(frame: Frame): Sequel {
    switch (frame.command) {
      case 'SEND':
        this.send(frame);
        return undefined;
      case 'SUBSCRIBE':
        return this.subscribe(frame);
      case 'UNSUBSCRIBE':
        this.unsubscribe(frame);
        return undefined;
      case 'ACK':
      case 'NACK':
        this.answer(frame);
        return undefined;
      case 'BEGIN':
        this.transactions.begin(required(frame, 'transaction'));
        return undefined;
      case 'COMMIT':
        this.commit(required(frame, 'transaction'));
        return undefined;
      case 'ABORT':
        this.transactions.take(required(frame, 'transaction'));
        return undefined;
      default:
        throw new Refusal('bad-frame', `${frame.command} is not for a connection that is open.`);
    }
  }

  // --- sending ---

  private send(frame: Frame): void {
    const m = this.messageOf(frame);
    const transaction = headerOf(frame, 'transaction');
    if (transaction === undefined) this.publish(m);
    else this.transactions.add(transaction, { kind: 'send', message: m });
  }

  private messageOf(frame: Frame): Message {
    const topic = this.topicOf(this.destinationOf(frame));
    if (!isTopicName(topic, this.hub.limits)) throw refusalOf('SEND', 'topic-invalid');
    try {
      return messageOf(frame, topic, this.origin, this.hub.now(), (name) => this.replyQueue(name));
    } catch (why) {
      if (why instanceof HeaderError) throw badHeader('SEND', why.message);
      throw why;
    }
  }

  private topicOf(destination: Destination): string {
    if (destination.kind === 'topic') return destination.topic;
    if (destination.kind === 'temporary') return QUEUE_PREFIX + this.temporaryQueue(destination.name).name;
    if (destination.existing) this.existing(destination.name);
    return QUEUE_PREFIX + destination.name;
  }

  private publish(m: Message): void {
    this.counters.received[m.qos] = this.counters.received[m.qos]! + 1;
    const outcome = this.access.publish(m);
    if (outcome !== 'ok' && outcome !== 'unmatched') throw refusalOf(`SEND to ${m.topic}`, outcome);
  }

  private destinationOf(frame: Frame): Destination {
    const text = required(frame, 'destination');
    const destination = parseDestination(text);
    if (destination !== undefined) return destination;
    throw new Refusal('bad-destination', `${frame.command}: ${text.slice(0, 200)} is none of ${FORMS}.`);
  }

  // --- queues ---

  private existing(name: string): WorkQueue {
    const queue = this.access.queue(name);
    if (typeof queue === 'string') throw refusalOf(`/amq/queue/${name}`, queue);
    return queue;
  }

  /** A queue of this connection alone, under the hub's name for it. */
  private temporaryQueue(name: string): WorkQueue {
    let queue = this.temporary.get(name);
    if (queue === undefined) {
      if (this.temporary.size >= this.hub.limits.subscriptionsPerClient)
        throw refusalOf('/temp-queue/', 'quota-exceeded');
      const opened = this.access.queue('', { ...QUEUE_DEFAULTS, durable: false, exclusive: true });
      if (typeof opened === 'string') throw refusalOf(`/temp-queue/${name}`, opened);
      queue = opened;
      this.temporary.set(name, queue);
    }
    return queue;
  }

  /** Where a reply is to go; who asks for one gets it without a SUBSCRIBE, under the destination as the subscription's id. */
  private replyQueue(name: string): string {
    const known = this.temporary.has(name);
    const queue = this.temporaryQueue(name);
    if (!known) {
      const id = `/temp-queue/${name}`;
      const subscription = this.open(id, id, 'auto', NO_WINDOW, undefined);
      this.consume(subscription, queue, false, undefined);
      subscription.start();
    }
    return QUEUE_PREFIX + queue.name;
  }

  // --- subscribing ---

  private subscribe(frame: Frame): Sequel {
    const destination = this.destinationOf(frame);
    const id = headerOf(frame, 'id');
    if (id === undefined && this.version !== '1.0') throw badHeader('SUBSCRIBE', 'the header id is missing');
    const key = id ?? headerOf(frame, 'destination')!;
    if (this.subscriptions.has(key))
      throw new Refusal('bad-subscription', `A subscription ${key} is there already.`);
    const mode = ackModeOf(frame);
    const window = mode === 'auto' ? NO_WINDOW : windowOf(frame, this.hub.limits.inflight);
    const accepts = acceptsOf(frame);
    const topic = destination.kind === 'topic';
    const subscription = this.open(key, id, mode, window, topic ? accepts : undefined);
    if (topic) return this.listen(subscription, destination.topic, durableNameOf(frame));
    const queue = this.queueOf(destination, frame);
    this.consume(subscription, queue, headerOf(frame, 'exclusive') === 'true', accepts);
    return () => subscription.start();
  }

  private open(
    key: string,
    id: string | undefined,
    mode: AckMode,
    window: number,
    accepts: ((m: Message) => boolean) | undefined,
  ): StompSubscription {
    if (this.subscriptions.size >= this.hub.limits.subscriptionsPerClient)
      throw refusalOf('SUBSCRIBE', 'quota-exceeded');
    const number = this.nextNumber++;
    const terms = { number, id, mode, window, version: this.version, accepts };
    const subscription = new StompSubscription(terms, this.wire, this.counters, this.gone);
    this.subscriptions.set(key, subscription);
    this.byNumber.set(number, subscription);
    return subscription;
  }

  private listen(subscription: StompSubscription, filter: string, durable: string | undefined): Sequel {
    const { limits } = this.hub;
    if (!isTopicFilter(filter, limits))
      throw refusalOf(`SUBSCRIBE to ${filter.slice(0, 200)}`, 'filter-invalid');
    if (durable !== undefined && !this.named)
      throw badHeader('SUBSCRIBE', 'a durable subscription needs a CONNECT with client-id');
    const { client } = this.access;
    const { number, mode } = subscription.terms;
    const box = this.access.mailbox(
      durable === undefined ? `${client}\0${number}` : `${client}\0durable\0${durable}`,
      {
        fresh: durable === undefined,
        keepMs: durable === undefined ? 0 : limits.sessionExpiryMs,
        capacity: limits.queueMessages,
        overflow: limits.overflow,
      },
    );
    subscription.source = { kind: 'topic', box, filter, durable: durable !== undefined };
    for (const old of [...box.subscriptions()]) if (old.filter !== filter) box.unsubscribe(old.filter);
    const qos = mode === 'auto' && durable === undefined ? 0 : 1;
    const s = { filter, qos, noLocal: false, tag: 0 } as const;
    const { outcome, added } = box.subscribe(s);
    if (outcome !== 'ok') throw refusalOf(`SUBSCRIBE to ${filter}`, outcome);
    return () => {
      subscription.start();
      if (added) box.replay(s);
    };
  }

  private queueOf(destination: Destination, frame: Frame): WorkQueue {
    if (destination.kind === 'topic') throw new Error('a topic is no queue');
    if (destination.kind === 'temporary') return this.temporaryQueue(destination.name);
    if (destination.existing) return this.existing(destination.name);
    let options: ReturnType<typeof queueOptionsOf>;
    try {
      options = queueOptionsOf(frame);
    } catch (why) {
      if (why instanceof HeaderError) throw badHeader('SUBSCRIBE', why.message);
      throw why;
    }
    const queue = this.access.queue(destination.name, options);
    if (typeof queue === 'string') throw refusalOf(`SUBSCRIBE to /queue/${destination.name}`, queue);
    return queue;
  }

  private consume(
    subscription: StompSubscription,
    queue: WorkQueue,
    exclusive: boolean,
    accepts: ((m: Message) => boolean) | undefined,
  ): void {
    const qos = subscription.terms.mode === 'auto' ? 0 : 1;
    const take = queue.consume(subscription, { qos, exclusive, accepts });
    if (typeof take === 'string') throw refusalOf(`SUBSCRIBE to ${queue.name}`, take);
    subscription.source = { kind: 'queue', take };
  }

  private unsubscribe(frame: Frame): void {
    const id = headerOf(frame, 'id');
    const key = this.version === '1.0' ? (id ?? required(frame, 'destination')) : required(frame, 'id');
    const subscription = this.subscriptions.get(key);
    if (subscription === undefined)
      throw new Refusal('bad-subscription', `UNSUBSCRIBE: there is no subscription ${key.slice(0, 200)}.`);
    this.subscriptions.delete(key);
    this.byNumber.delete(subscription.terms.number);
    subscription.close(durableNameOf(frame, key) !== undefined);
  }

  // --- answering ---

  private answer(frame: Frame): void {
    const nack = frame.command === 'NACK';
    if (nack && this.version === '1.0') throw new Refusal('bad-frame', 'There is no NACK in STOMP 1.0.');
    const id = this.version === '1.2' ? required(frame, 'id') : required(frame, 'message-id');
    this.answeredBy(id);
    const requeue = headerOf(frame, 'requeue') !== 'false';
    const transaction = headerOf(frame, 'transaction');
    if (transaction === undefined) this.settle(nack, id, requeue);
    else this.transactions.add(transaction, { kind: nack ? 'nack' : 'ack', id, requeue });
  }

  /** The subscription that delivered message `id`, and its number there; undefined when it is unsubscribed. Throws Refusal. */
  private answeredBy(id: string): { subscription: StompSubscription; n: number } | undefined {
    const found = /^(\d{1,15})-(\d{1,15})$/.exec(id);
    const number = Number(found?.[1]);
    if (found === null || number === 0 || number >= this.nextNumber)
      throw new Refusal('bad-ack', `Message ${id.slice(0, 100)} was never delivered here.`);
    const subscription = this.byNumber.get(number);
    if (subscription === undefined) return undefined;
    const n = Number(found[2]);
    if (subscription.knows(n)) return { subscription, n };
    throw new Refusal('bad-ack', `Message ${id} was never delivered here.`);
  }

  private settle(nack: boolean, id: string, requeue: boolean): void {
    const found = this.answeredBy(id);
    if (found === undefined) return; // unsubscribed since: the queue has it again
    if (nack) found.subscription.refuse(found.n, requeue);
    else found.subscription.acknowledge(found.n);
  }

  /** All of it is one batch of the store: kept as a whole, or not at all. */
  private commit(name: string): void {
    for (const step of this.transactions.take(name)) {
      if (step.kind === 'send') this.publish(step.message);
      else this.settle(step.kind === 'nack', step.id, step.requeue);
    }
  }

  // --- the connection ---

  pull(): void {
    for (const subscription of this.subscriptions.values()) subscription.pull();
  }

  end(): void {
    for (const subscription of this.subscriptions.values()) subscription.close(false);
    this.subscriptions.clear();
    this.byNumber.clear();
  }
}

function required(frame: Frame, name: string): string {
  const value = headerOf(frame, name);
  if (value === undefined) throw badHeader(frame.command, `the header ${name} is missing`);
  return value;
}

function ackModeOf(frame: Frame): AckMode {
  const mode = headerOf(frame, 'ack') ?? 'auto';
  if (mode === 'auto' || mode === 'client' || mode === 'client-individual') return mode;
  throw badHeader('SUBSCRIBE', 'ack is none of auto, client, client-individual');
}

/** How many messages may be unanswered, as RabbitMQ's and ActiveMQ's clients say it. */
function windowOf(frame: Frame, limit: number): number {
  const text = headerOf(frame, 'prefetch-count') ?? headerOf(frame, 'activemq.prefetchSize');
  if (text === undefined) return limit;
  if (!/^\d{1,9}$/.test(text)) throw badHeader('SUBSCRIBE', 'prefetch-count is not a number');
  return Number(text) === 0 ? limit : Math.min(Number(text), limit);
}

function acceptsOf(frame: Frame): ((m: Message) => boolean) | undefined {
  const text = headerOf(frame, 'selector');
  if (text === undefined) return undefined;
  try {
    const selector = compileSelector(text, { spelled: true });
    return (m) => selector.matches((name) => fieldOf(m, name));
  } catch (why) {
    if (why instanceof SelectorError) throw badHeader('SUBSCRIBE', `selector: ${why.message}`);
    throw why;
  }
}

/** A durable subscription's name: said so, or with `durable:true` the subscription's id. */
function durableNameOf(frame: Frame, id = headerOf(frame, 'id')): string | undefined {
  const name = headerOf(frame, 'durable-subscription-name') ?? headerOf(frame, 'activemq.subscriptionName');
  return name ?? (headerOf(frame, 'durable') === 'true' ? id : undefined);
}
