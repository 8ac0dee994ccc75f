// One logged-in client: what it may do, and what it waits for.

import type { Action, Identity, Login } from '../contract/auth.ts';
import { deadTopicOf } from '../contract/exchange.ts';
import type { Access, Guest } from '../contract/hub.ts';
import type { Mailbox, MailboxOptions } from '../contract/mailbox.ts';
import { type Message, NEVER } from '../contract/message.ts';
import type { Departure, Outcome } from '../contract/outcome.ts';
import { QUEUE_DEFAULTS, QUEUE_PREFIX, type QueueOptions, type WorkQueue } from '../contract/queue.ts';
import type { Route, Run } from '../contract/run.ts';
import { isTopicName } from '../contract/topic.ts';
import type { HubCore } from './hub.ts';
import type { OwnBox } from './mailbox.ts';
import { Meter } from './meter.ts';
import { QueueUse, queueNameOf, type Take } from './queues.ts';
import type { TopicRoute } from './routes.ts';
import type { Will } from './wills.ts';
import type { QueueBox } from './work-queue.ts';

/** Cached permissions of one client; beyond it they are asked for again. */
const MAX_PERMITS = 4096;
/** Most clients have no mailbox, or no queue: sets of their own would be 300 octets of each. Never written to. */
const NO_BOXES: OwnBox[] = [];
const NO_TAKES: Set<Take> = new Set();
const NO_QUEUES: Set<QueueBox> = new Set();

export class AccessCore implements Access {
  readonly protocol: string;
  /** Its client id is unique there, and its mailboxes are shared there. */
  readonly family: string;
  readonly client: string;
  /** Unique among clients of all protocols. */
  readonly key: string;
  readonly remote: string;
  readonly listener: string;
  readonly guest: Guest;
  readonly since: number;
  private owned = NO_BOXES;
  private taking = NO_TAKES;
  private alone = NO_QUEUES;
  identity: Identity;
  gone = false;
  /** Why the hub sent it away. */
  why: Departure | undefined = undefined;
  private readonly hub: HubCore;
  private ticket = 0;
  private last: Will | undefined = undefined;
  private permits: Map<string, boolean> | undefined = undefined;
  private epoch = -1;
  /** How fast it may publish; undefined: as fast as it can, and by the lane. */
  private meter: Meter | undefined = undefined;
  /** Its connection is not read until it may publish again. */
  private holding = false;

  constructor(hub: HubCore, login: Login, client: string, identity: Identity, guest: Guest) {
    this.hub = hub;
    this.protocol = login.protocol;
    this.family = login.family ?? login.protocol;
    this.client = client;
    this.key = clientKey(this.family, client);
    this.remote = login.remote;
    this.listener = login.listener;
    this.identity = identity;
    this.guest = guest;
    this.since = hub.world.now();
    this.retune();
  }

  get boxes(): readonly OwnBox[] {
    return this.owned;
  }

  /** Where it consumes from queues. */
  get takes(): ReadonlySet<Take> {
    return this.taking;
  }

  /** Queues that are its alone. */
  get exclusive(): ReadonlySet<QueueBox> {
    return this.alone;
  }

  get due(): number {
    const { journal } = this.hub;
    return journal !== undefined && this.ticket > journal.keptTicket ? this.ticket : 0;
  }

  /** What this client just did is true once the last batch that anything was written to is kept. */
  waits(): void {
    this.ticket = this.hub.journal!.last;
    this.hub.waiting.add(this);
  }

  /** As `waits`, if the journal grew beyond `before`. */
  waitsIf(before: number | undefined): void {
    const { journal } = this.hub;
    if (journal !== undefined && journal.writes !== before) this.waits();
  }

  publish(m: Message): Outcome {
    if (!this.mayPublish(m.topic)) return 'not-authorized';
    if (this.meter !== undefined && !this.paced(m)) return 'rate-exceeded';
    return this.hub.publish(m, this);
  }

  spread(m: Message, topics: readonly string[]): Outcome {
    if (!this.mayPublish(m.topic)) return 'not-authorized';
    for (const topic of topics) if (!this.mayPublish(topic)) return 'not-authorized';
    if (this.meter !== undefined && !this.paced(m)) return 'rate-exceeded';
    return this.hub.spread(m, topics, this);
  }

  /** Counts a message of a client with a limit. False: it is one too many, and its connection cannot be made to wait. */
  private paced(m: Message): boolean {
    const meter = this.meter!;
    const now = this.hub.now();
    if (!this.holding && meter.wait(now) > 0) {
      this.hub.counters.drop('rate-exceeded');
      return false;
    }
    meter.spend(m.payload.length + m.topic.length);
    const waitMs = meter.wait(now);
    // What was read already still comes, and makes the wait longer.
    this.holding = waitMs > 0 && this.guest.slow?.(waitMs) === true;
    return true;
  }

  /** Takes up the limits as they are now. */
  retune(): void {
    const { limits } = this.hub;
    const rates = limits.ratesAt?.get(this.listener) ?? limits.rates;
    const free = rates === undefined || (rates.messagesPerSecond === NEVER && rates.bytesPerSecond === NEVER);
    if (free || this.protocol === 'hub') this.meter = undefined;
    else if (this.meter === undefined) this.meter = new Meter(rates, this.hub.now());
    else this.meter.rates = rates;
  }

  may(action: Action, topicOrFilter: string): boolean {
    return action === 'publish' ? this.mayPublish(topicOrFilter) : this.maySubscribe(topicOrFilter);
  }

  unbindAll(gone: (filter: string) => boolean): void {
    const before = this.hub.journal?.writes;
    for (const queue of [...this.hub.queues.byName.values()]) {
      for (const filter of [...queue.bound.keys()]) if (gone(filter)) this.hub.queues.unbind(queue, filter);
    }
    this.waitsIf(before);
  }

  notes(): Iterable<readonly [name: string, text: string]> {
    return this.hub.notes.of(this.protocol);
  }

  note(name: string, text: string | undefined): Outcome {
    const before = this.hub.journal?.writes;
    const outcome = this.hub.notes.write(this.protocol, name, text);
    this.waitsIf(before);
    return outcome;
  }

  mayPublish(topic: string): boolean {
    if (topic.charCodeAt(0) === 0x24 && topic.startsWith('$SYS/') && this.protocol !== 'hub') return false;
    if (this.identity.unrestricted) return true;
    const { auth } = this.hub.world;
    if (this.permits === undefined || this.epoch !== auth.epoch || this.permits.size >= MAX_PERMITS) {
      this.permits = new Map();
      this.epoch = auth.epoch;
    }
    let allowed = this.permits.get(topic);
    if (allowed === undefined) {
      allowed = auth.allows(this.identity, this.client, 'publish', topic);
      this.permits.set(topic, allowed);
    }
    return allowed;
  }

  maySubscribe(filter: string): boolean {
    return (
      this.identity.unrestricted ||
      this.hub.world.auth.allows(this.identity, this.client, 'subscribe', filter)
    );
  }

  route(bytes: Uint8Array, start: number, end: number): Route | undefined {
    return this.hub.routes.byOctets(bytes, start, end);
  }

  open(route: Route): boolean {
    return (
      this.hub.lane &&
      !this.gone &&
      this.meter === undefined &&
      this.mayPublish(route.topic) &&
      queueNameOf(route.topic) === undefined
    );
  }

  same(a: Route, b: Route): boolean {
    if (a === b) return true;
    const { routes } = this.hub;
    return routes.fanout(a as TopicRoute) === routes.fanout(b as TopicRoute);
  }

  relay(route: Route, run: Run, message: (i: number) => Message): Outcome {
    return this.hub.relay(route as TopicRoute, run, message, this);
  }

  retained(topic: string): Message | undefined {
    return this.maySubscribe(topic) ? this.hub.retained.get(topic, this.hub.world.now()) : undefined;
  }

  mailbox(name: string, options: MailboxOptions): Mailbox {
    return this.hub.openMailbox(this, name, options);
  }

  queue(name: string, options?: QueueOptions): WorkQueue | Outcome {
    const { hub } = this;
    const known = hub.queues.byName.get(name);
    const own = known?.owner === this || (name === '' && options !== undefined);
    if (!own && !this.mayUse(name, options?.exclusive === true)) return 'not-authorized';
    const grave = options?.deadLetter ?? '';
    if (grave !== '' && !isTopicName(deadTopicOf(grave, 'any'), hub.limits)) return 'topic-invalid';
    if (grave !== '' && !this.mayPublish(grave)) return 'not-authorized'; // its dead would be published for it
    if (options === undefined) return known === undefined ? 'unmatched' : new QueueUse(hub, this, known);
    if (known?.owner !== undefined && !own) return 'busy';
    const before = hub.journal?.writes;
    const queue = hub.queues.open(name === '' ? hub.newName() : name, options, options !== QUEUE_DEFAULTS);
    this.waitsIf(before);
    if (typeof queue === 'string') return queue;
    if (options.exclusive && known === undefined) {
      queue.owner = this;
      if (this.alone === NO_QUEUES) this.alone = new Set();
      this.alone.add(queue);
    }
    queue.used();
    return new QueueUse(hub, this, queue);
  }

  /** Whoever may put in or take out may know a queue; to have it alone is to take out. */
  private mayUse(name: string, alone: boolean): boolean {
    const topic = QUEUE_PREFIX + name;
    return this.maySubscribe(topic) || (!alone && this.mayPublish(topic));
  }

  owns(box: OwnBox): void {
    if (this.owned === NO_BOXES) this.owned = [box];
    else if (!this.owned.includes(box)) this.owned.push(box);
  }

  /** The mailbox has ended. */
  disowns(box: OwnBox): void {
    const at = this.owned.indexOf(box);
    if (at >= 0) this.owned.splice(at, 1);
  }

  /** All of its mailboxes, which are its own no more. */
  disownAll(): readonly OwnBox[] {
    const { owned } = this;
    this.owned = NO_BOXES;
    return owned;
  }

  takesPart(take: Take): void {
    if (this.taking === NO_TAKES) this.taking = new Set();
    this.taking.add(take);
  }

  tookPart(take: Take): void {
    this.taking.delete(take);
  }

  /** The queue has ended. */
  lost(queue: QueueBox): void {
    this.alone.delete(queue);
  }

  will(m: Message | undefined, delayMs: number): void {
    if (this.last !== undefined) this.hub.wills.drop(this.last);
    this.last = m === undefined ? undefined : this.hub.wills.make(this.key, m, delayMs);
    if (this.hub.journal !== undefined) this.waits();
  }

  renewed(identity: Identity): Outcome {
    // Its mailboxes and its messages are those of the one who logged in.
    if (identity.principal !== this.identity.principal) return 'not-authorized';
    this.hub.logins.validity.forget(this);
    this.identity = identity;
    this.hub.logins.validity.watch(this);
    this.permits = undefined;
    for (const box of this.boxes) {
      this.hub.logins.withdraw(box, (filter) => this.maySubscribe(filter));
      box.guard();
    }
    return 'ok';
  }

  /** The hub ends it, and says why. */
  sendAway(why: Outcome, graceful: boolean): void {
    this.why = why;
    this.guest.evict(why);
    this.leave(graceful, this.hub.now());
  }

  blame(why: Departure | undefined): void {
    this.why = why;
  }

  leave(graceful: boolean, now: number): void {
    if (this.gone) return;
    this.gone = true;
    let keepMs = 0;
    for (const box of this.boxes) if (box.keepMs > keepMs) keepMs = box.keepMs;
    const will = this.last;
    this.last = undefined;
    this.hub.left(this, graceful);
    if (will === undefined) return;
    if (graceful)
      this.hub.wills.drop(will); // [MQTT5-3.14.4-3]
    else if (this.mayPublish(will.message.topic)) this.hub.wills.lost(this.key, will, keepMs, now);
    else this.hub.wills.drop(will);
  }
}

export function clientKey(protocol: string, client: string): string {
  return `${protocol}\0${client}`;
}
