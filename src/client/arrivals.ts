// What came and is not answered: which subscriptions it is for, who has settled it, and what waits for a subscription yet to be made.

import type { InboundIds } from '../contract/mailbox.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { Delivery } from '../contract/speaker.ts';
import type { Link } from './link.ts';
import { matches, plainFilter } from './match.ts';
import { IncomingMessage, type Settling } from './message.ts';
import type { Subscription } from './subscription.ts';

/** Messages of QoS 0 that are held for a subscription yet to be made; of the others the other side sends no more than its window. */
const MOST_HELD = 1_024;

/** One delivery: answered once all to whom it was given have answered. */
class Arrived implements Settling {
  readonly id: number;
  readonly exact: boolean;
  link: Link;
  left: number;
  private outcome: Outcome = 'ok';
  private readonly arrivals: Arrivals;

  constructor(d: Delivery, link: Link, left: number, arrivals: Arrivals) {
    this.id = d.id;
    this.exact = d.message.qos === 2;
    this.link = link;
    this.left = left;
    this.arrivals = arrivals;
  }

  settle(outcome: Outcome): void {
    // Whoever took it, took it: a refusal counts only when nobody did.
    if (this.outcome === 'ok' && outcome !== 'ok') this.outcome = outcome;
    if (outcome === 'ok') this.taken = true;
    if (--this.left === 0) this.arrivals.settled(this, this.taken ? 'ok' : this.outcome);
  }

  private taken = false;
}

interface Held {
  readonly delivery: Delivery;
  readonly link: Link;
}

/** A queue's messages keep the topic that they were published to, whatever it is bound to. */
function comesBy({ filter }: Subscription, topic: string): boolean {
  return filter.startsWith('$queue/') || matches(plainFilter(filter), topic);
}

export class Arrivals {
  private readonly subscriptions: ReadonlyMap<string, Subscription>;
  private readonly inbound: InboundIds;
  /** Exactly-once messages in the caller's hands, by the session's id: when one comes again, it is the same. */
  private readonly exact = new Map<number, Arrived>();
  private readonly unclaimed: ((m: IncomingMessage) => void) | undefined;
  private held: Held[] = [];
  /** The other side remembers what is not answered, for the next connection. */
  lasting = false;
  /** The session has subscriptions of an earlier program, whose identifiers may be those of others here. */
  inherited = false;

  constructor(
    subscriptions: ReadonlyMap<string, Subscription>,
    inbound: InboundIds,
    unclaimed: ((m: IncomingMessage) => void) | undefined,
  ) {
    this.subscriptions = subscriptions;
    this.inbound = inbound;
    this.unclaimed = unclaimed;
  }

  take(d: Delivery, link: Link): void {
    const known = d.message.qos === 2 ? this.exact.get(d.id) : undefined;
    if (known !== undefined) {
      known.link = link;
      return;
    }
    const targets = this.targets(d);
    const { unclaimed } = this;
    if (targets.length > 0) this.give(d, link, targets);
    else if (unclaimed === undefined) this.hold(d, link);
    else unclaimed(new IncomingMessage(d, this.arrived(d, link, 1)));
  }

  private targets({ filters, message }: Delivery): Subscription[] {
    const found: Subscription[] = [];
    for (const filter of filters ?? []) {
      const s = this.subscriptions.get(filter);
      if (s !== undefined && !(this.inherited && !comesBy(s, message.topic))) found.push(s);
    }
    if (found.length > 0 || (filters !== undefined && !this.inherited)) return found;
    for (const s of this.subscriptions.values())
      if (matches(plainFilter(s.filter), message.topic)) found.push(s);
    if (found.length > 0 || filters !== undefined) return found;
    for (const s of this.subscriptions.values()) if (s.filter.startsWith('$queue/')) return [s];
    return found;
  }

  private give(d: Delivery, link: Link, targets: readonly Subscription[]): void {
    const arrived = this.arrived(d, link, targets.length);
    for (const s of targets) s.push(new IncomingMessage(d, arrived), !link.waits);
  }

  private arrived(d: Delivery, link: Link, takers: number): Arrived {
    const arrived = new Arrived(d, link, takers, this);
    if (d.id !== 0 && arrived.exact) this.exact.set(d.id, arrived);
    return arrived;
  }

  /** The session may know subscriptions of an earlier program that this one has not made yet. */
  private hold(delivery: Delivery, link: Link): void {
    if (delivery.id === 0 && this.held.length >= MOST_HELD) this.held.shift();
    this.held.push({ delivery, link });
  }

  /** A subscription was made: what was held for it. */
  claim(): void {
    const { held } = this;
    this.held = [];
    for (const { delivery, link } of held) if (link.open || delivery.id === 0) this.take(delivery, link);
  }

  settled(arrived: Arrived, outcome: Outcome): void {
    if (arrived.exact) this.exact.delete(arrived.id);
    if (arrived.link.open) arrived.link.settle(arrived.id, outcome);
    // It comes again in the next connection, and then it is known [MQTT5-4.3.3-10].
    else if (arrived.exact && this.lasting && outcome !== 'busy') this.inbound.add(arrived.id);
  }

  /** The connection is lost. */
  lost(): void {
    this.held = this.held.filter(({ delivery }) => delivery.id === 0);
  }

  /** The other side does not know the session: its ids mean nothing any more. */
  forgotten(): void {
    this.exact.clear();
  }
}
