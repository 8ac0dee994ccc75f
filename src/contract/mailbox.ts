// The Mailbox: subscriptions fill it, consumers empty it; delivery, overflow, redelivery and persistence are written once, there.

import type { Message, Qos } from './message.ts';
import type { Outcome } from './outcome.ts';
import type { Run } from './run.ts';

/** `filter` may be `$share/{group}/{filter}`: then the group's mailbox gets it and this one consumes from there. */
export interface Subscription {
  readonly filter: string;
  readonly qos: Qos;
  /** Not the messages that the mailbox's own client published. */
  readonly noLocal: boolean;
  /** The tower's own small number, kept with the subscription and with every queued message; 0 when it has none. */
  readonly tag: number;
}

/** What a delivery was granted: merged over all subscriptions of the mailbox that match. */
export interface Grant {
  readonly qos: Qos;
  /** The tags of the matching subscriptions. */
  readonly tags: readonly number[];
}

/** Where a delivered message is answered: the client's own mailbox, or that of a `$share` group. */
export interface Settler {
  /** The client took message `id` for good ('ok') or refused it; it is forgotten. 'busy' gives it back to a work queue, as a failed delivery. */
  settle(id: number, outcome: Outcome): void;
  /**
   * The client has stored message `id` (QoS 2, PUBREC): it must never be delivered again, only be released.
   * After a restart `released()` lists it until it is settled.
   */
  release(id: number): void;
}

/** Takes messages out of a mailbox for one connection. */
export interface Consumer {
  /** Whether a message of this QoS may be delivered now: its window is open and its wire is not full. */
  ready(qos: Qos): boolean;
  /**
   * Sends one message. `qos` is already the lower of message and grant. `replayed`: it comes from the retained store.
   * `id` 0: nothing is to be settled; else `settle(id, …)` of `box` answers it. `again`: this client may have seen it before.
   */
  deliver(
    m: Message,
    qos: Qos,
    grant: Grant,
    replayed: boolean,
    id: number,
    again: boolean,
    box: Settler,
  ): void;
  /** Takes the first frames of a run as they are and returns how many (0: not now, or not this dialect). */
  take(run: Run, grant: Grant): number;
  /** The mailbox is taken away: another connection took over, an administrator said so, or it consumed too slowly. */
  evict(why: Outcome): void;
}

/** A mailbox whose name starts so is a tower's own affair, and no session: none is counted or shown. No client id has it in it. */
export const PRIVATE = '\0';

export interface MailboxOptions {
  /** Discard what an earlier mailbox of that name held. */
  readonly fresh: boolean;
  /** How long it outlives its last consumer, ms; 0: not at all, and then nothing of it is stored; NEVER: for good. */
  readonly keepMs: number;
  /** At most this many messages wait. */
  readonly capacity: number;
  readonly overflow: 'drop-oldest' | 'drop-newest' | 'conflate' | 'evict';
}

export interface SubscribeResult {
  readonly outcome: Outcome;
  /** The mailbox had no subscription with this filter before. */
  readonly added: boolean;
}

export interface Mailbox extends Settler {
  readonly name: string;
  /** State of an earlier connection was found. */
  readonly resumed: boolean;
  /** The filters that it has, `$share/…` included. */
  subscriptions(): Iterable<Subscription>;
  subscribe(s: Subscription): SubscribeResult;
  unsubscribe(filter: string): Outcome;
  /** Queues the retained messages that match `s`. Call it once the subscription was acknowledged. */
  replay(s: Subscription): void;
  /** Starts delivery. What an earlier consumer left unsettled comes first, in order, with `again`. */
  attach(c: Consumer): void;
  detach(c: Consumer): void;
  /** The consumer became ready: deliver what waits. */
  pull(): void;
  /** Ids of messages that were released in an earlier connection and not settled since. */
  released(): Iterable<number>;
  /** Ids of messages that were delivered and neither released nor settled since: they come again, in order, to who attaches. */
  unsettledIds(): Iterable<number>;
  /** Ids of exactly-once publishes of this client that are received and not yet released; kept as long as the mailbox. */
  readonly inbound: InboundIds;
  /** Changes how long it outlives its consumer, ms. */
  keep(ms: number): void;
}

export interface InboundIds {
  has(id: number): boolean;
  add(id: number): void;
  delete(id: number): void;
  readonly size: number;
}
