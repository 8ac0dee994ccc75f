// The work queue: a named box from which each message goes to one consumer, the same for every protocol.

import type { Consumer, Settler } from './mailbox.ts';
import { type Message, NEVER, type Qos, type UserProperty } from './message.ts';
import type { Outcome } from './outcome.ts';

/** Publishing to the topic `$queue/{name}` puts into a queue, subscribing to it takes out of it: in every protocol. */
export const QUEUE_PREFIX = '$queue/';

/** Why a message left a queue for its dead-letter topic. */
export type Death = 'rejected' | 'expired' | 'queue-full' | 'delivery-limit';

/** The user property that tells of one death, as JSON: `["rejected","jobs",2,1767225600000,"$queue/jobs"]`. */
export const DEATH_PROPERTY = 'x-death';

/** How a message died in a queue: `count` times for this reason, the last time at `at` (ms since 1970), published to `topic`. */
export interface DeathRecord {
  readonly reason: Death;
  readonly queue: string;
  readonly count: number;
  readonly at: number;
  readonly topic: string;
}

const DEATHS: readonly unknown[] = ['rejected', 'expired', 'queue-full', 'delivery-limit'] satisfies Death[];

/** What a user property tells of a death; undefined: it is another property, or somebody else's of that name. */
export function deathRecord({ name, value }: UserProperty): DeathRecord | undefined {
  if (name !== DEATH_PROPERTY || typeof value !== 'string') return undefined;
  let told: unknown;
  try {
    told = JSON.parse(value);
  } catch {
    return undefined; // nobody's but the publisher's
  }
  if (!Array.isArray(told)) return undefined;
  const [reason, queue, count, at, topic] = told as unknown[];
  if (!DEATHS.includes(reason) || typeof queue !== 'string' || typeof topic !== 'string') return undefined;
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(at)) return undefined;
  return { reason: reason as Death, queue, count: count as number, at: at as number, topic };
}

/** What a queue is declared with. Counts, octets and ms. */
export interface QueueOptions {
  /** It, its bindings and its messages of QoS 1 and 2 outlive the process. */
  readonly durable: boolean;
  /** Only the client that declared it takes from it, and it ends with that client's connection; never durable. */
  readonly exclusive: boolean;
  /** It ends when its last consumer leaves. */
  readonly autoDelete: boolean;
  /** It ends when nobody consumed or declared it for so long, or NEVER. */
  readonly expiresMs: number;
  /** The longest that a message waits, or NEVER. */
  readonly messageTtlMs: number;
  /** At most so many messages and octets wait; the hub's own limits hold besides. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** When it is full: the oldest message makes room, or the new one is refused with 'quota-exceeded'. */
  readonly overflow: 'drop-oldest' | 'drop-newest';
  /** The topic that dead messages are published to; ending in `#`: with their own routing key there; '' drops them. */
  readonly deadLetter: string;
  /** After so many failed deliveries a message is dead, or NEVER. */
  readonly maxDeliveries: number;
  /** Messages of a higher `meta.priority` overtake, up to this one; 0: none does. */
  readonly maxPriority: number;
  /** Only the consumer that came first gets messages, the others wait to take its place. */
  readonly singleActive: boolean;
  /** What the declaring tower wants to remember, opaque to the hub. */
  readonly note: string;
}

/** What a queue is that nobody declared: it comes with its first message or consumer, and goes when it is empty and alone. */
export const QUEUE_DEFAULTS: QueueOptions = {
  durable: true,
  exclusive: false,
  autoDelete: false,
  expiresMs: NEVER,
  messageTtlMs: NEVER,
  maxMessages: NEVER,
  maxBytes: NEVER,
  overflow: 'drop-newest',
  deadLetter: '',
  maxDeliveries: NEVER,
  maxPriority: 0,
  singleActive: false,
  note: '',
};

export interface ConsumeOptions {
  /** 0: a delivery is taken for good when it is sent (id 0); else each is settled, whatever QoS it was published with. */
  readonly qos: Qos;
  /** Whether the consumer wants a message: what it does not want waits for another one. */
  readonly accepts?: ((m: Message) => boolean) | undefined;
  /** Nobody else consumes meanwhile: 'busy' when somebody does. */
  readonly exclusive?: boolean;
  /** It takes one message and is no consumer: an auto-delete queue does not end with it. */
  readonly passing?: boolean;
}

/** One consumer's take on a queue. Its `settle` answers a delivery: 'ok' took it, any other outcome makes it a dead letter. */
export interface Consumption extends Settler {
  /**
   * Gives message `id` back to its place in the queue. `failed` counts as a failed delivery; `elsewhere`: never again to this consumer.
   */
  putBack(id: number, failed: boolean, elsewhere: boolean): void;
  /** How often delivery `id` failed before. */
  failures(id: number): number;
  /** The consumer became ready: deliver what waits. */
  pull(): void;
  /** No more deliveries; what is not settled may still be. */
  cancel(): void;
  /** No more deliveries; what is not settled goes back, as failed deliveries. Happens by itself when the client leaves. */
  close(): void;
}

/** A message that waits, and its place: those that joined later have higher ones. */
export interface Placed {
  readonly seq: number;
  readonly message: Message;
}

/** One client's handle of a queue. */
export interface WorkQueue {
  readonly name: string;
  readonly options: QueueOptions;
  /** Not delivered. */
  readonly waiting: number;
  /** Delivered and not settled. */
  readonly unsettled: number;
  readonly consumers: number;
  /** Puts in; the message keeps its topic. 'quota-exceeded': it is full and does not take more. After it, see Access.due. */
  publish(m: Message): Outcome;
  /**
   * Starts delivery to `c`, whose `deliver` gets the Consumption's ids and whose `evict` says that the queue is deleted. To take
   * one message: `ready` once, then `cancel`.
   */
  consume(c: Consumer, options: ConsumeOptions): Consumption | Outcome;
  /** What waits from place `from` on, without taking it. 'not-supported' where priorities decide the order. */
  browse(from: number): Iterable<Placed> | Outcome;
  /** The queue gets what is published to the topics that match. `#` may stand anywhere and is any number of levels. */
  bind(filter: string): Outcome;
  unbind(filter: string): Outcome;
  /** Puts in the retained messages that a binding matches. */
  replay(filter: string): void;
  bindings(): Iterable<string>;
  /** Drops what waits; returns how many. 'not-authorized', or 'busy': it is another client's alone. */
  purge(): number | Outcome;
  /** Ends the queue with everything in it. */
  delete(): Outcome;
}
