// The client: publishes through its outbox, hands out what its subscriptions get, and stays connected to one of its addresses.

import type { Message, Qos } from '../contract/message.ts';
import type { Ability, Opened, Refusal, SubscribeHow } from '../contract/speaker.ts';
import { isTopicFilter, isTopicName } from '../contract/topic.ts';
import { Arrivals } from './arrivals.ts';
import { Connector, type Login } from './connector.ts';
import { isFinal, shown } from './endpoint.ts';
import { aborted, errorOf, onAbort, WaymeetError } from './error.ts';
import type { HealthEvent } from './health.ts';
import { isExpired, type Link } from './link.ts';
import type { IncomingMessage } from './message.ts';
import { checkMessage, type MessageOptions, makeMessage, type Payload } from './message.ts';
import type { Settled, World } from './options.ts';
import type { Entry, Outbox } from './outbox.ts';
import type { RequestOptions, Requests } from './patterns/request.ts';
import type { Responder, Responding, RespondOptions } from './patterns/respond.ts';
import { type SubscribeOptions, Subscription, type SubscriptionHost } from './subscription.ts';

export interface PublishOptions extends MessageOptions {
  /** Gives up: a message that is not on its way yet is not sent. */
  readonly signal?: AbortSignal;
  /**
   * When the promise resolves: once the other side has it as surely as `qos` says, or ('stored', QoS 1 and 2) once it is in the kept
   * outbox. Default: acknowledged.
   */
  readonly until?: 'acknowledged' | 'stored';
}

export interface CloseOptions {
  /** How long to wait for what is not acknowledged. Default: 5 s; what is left in a kept outbox is sent by the next program. */
  readonly withinMs?: number;
}

interface Grant {
  resolve(): void;
  reject(why: Error): void;
}

const NO_OPTIONS: PublishOptions = {};
const PUBLISHED: Promise<'ok'> = Promise.resolve('ok');
const WIDE = { topicLevels: 65_535, topicBytes: 65_535 };
const NOTHING = () => {};

/** Made by `connect`. */
export class Client implements SubscriptionHost {
  /** @internal For the patterns. */
  readonly world: World;
  private readonly options: Settled;
  private readonly connector: Connector;
  private readonly outbox: Outbox;
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly granting = new Map<Subscription, Grant>();
  private readonly arrivals: Arrivals;
  private readonly pressing = new Set<Subscription>();
  private readonly listeners = new Set<(event: HealthEvent) => void>();
  private link: Link | undefined;
  private id: string;
  private before = false;
  private pumping = false;
  private over: WaymeetError | undefined;
  private readonly ended: Promise<void>;
  private finish: () => void = NOTHING;
  private requests: Requests | undefined;

  /** @internal */
  constructor(urls: readonly string[], options: Settled, world: World, outbox: Outbox) {
    this.world = world;
    this.options = options;
    this.connector = new Connector(urls, options, world, (event) => this.tell(event));
    this.outbox = outbox;
    outbox.broken = (why) => this.fail(why);
    outbox.ready = () => this.pump();
    this.arrivals = new Arrivals(this.subscriptions, outbox.inbound, options.unclaimed);
    if (options.watch !== undefined) this.listeners.add(options.watch);
    this.id = options.clientId ?? '';
    this.ended = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  // --- what it is connected to ---

  get connected(): boolean {
    return this.link !== undefined;
  }

  /** Ours, or the one that the other side gave. */
  get clientId(): string {
    return this.id;
  }

  /** `mqtt`, `coap`, …; empty before the first connection. */
  get protocol(): string {
    return this.link?.speech.name ?? this.lastProtocol;
  }
  private lastProtocol = '';

  /** What the protocol and this server can do; throws before the first connection. */
  get ability(): Ability {
    if (this.lastAbility === undefined) throw new WaymeetError('usage', '', 'not connected yet');
    return this.lastAbility;
  }
  private lastAbility: Ability | undefined;

  /** What the server calls itself: `MQTT 5`. */
  get server(): string {
    return this.link?.opened.server ?? '';
  }

  /** The address, without the password. */
  get url(): string {
    return this.link === undefined ? '' : shown(this.link.url);
  }

  /** Octets that a packet may have at this server, or undefined when it did not say. */
  get maxPacketBytes(): number | undefined {
    return this.link?.opened.maxPacketBytes;
  }

  /** All that the other side said when it let us in; undefined while there is no connection. */
  get opened(): Opened | undefined {
    return this.link?.opened;
  }

  /** Messages that are not acknowledged, and their payload octets. */
  get unacknowledged(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.outbox.size, bytes: this.outbox.octets };
  }

  /** Calls `listener` for what happens to the connection. Returns how to stop. */
  watch(listener: (event: HealthEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(event: HealthEvent): void {
    for (const listener of this.listeners) queueMicrotask(() => listener(event));
  }

  // --- publishing ---

  /**
   * Resolves to 'ok', or to 'unmatched' when the other side says that nobody has subscribed. Rejects with WaymeetError: 'not-supported'
   * before anything is sent, 'outbox-full', what the other side said, 'aborted', 'expired', or 'closed'. Never change the payload afterwards.
   */
  publish(
    topic: string,
    payload: Payload,
    options: PublishOptions = NO_OPTIONS,
  ): Promise<'ok' | 'unmatched'> {
    try {
      const m = makeMessage(topic, payload, options, this.world.now());
      this.check(m, options);
      const { link } = this;
      if (m.qos === 0 && link !== undefined && this.outbox.size === 0 && link.room > 0)
        return this.publishAtOnce(m, link);
      return this.enqueue(m, options);
    } catch (why) {
      return Promise.reject(why);
    }
  }

  private check(m: Message, { signal }: PublishOptions): void {
    if (this.over !== undefined) throw this.over;
    if (signal?.aborted) throw aborted(signal, this.protocol);
    if (!isTopicName(m.topic, WIDE))
      throw new WaymeetError('topic-invalid', this.protocol, `'${m.topic}' is no topic`);
    if (this.lastAbility !== undefined) checkMessage(m, this.lastAbility, this.protocol, this.server);
  }

  /** Without a promise of its own where the answer comes at once. */
  private publishAtOnce(m: Message, link: Link): Promise<'ok' | 'unmatched'> {
    let answered = false;
    let refusal: Refusal | undefined;
    let later: ((why: Refusal | undefined) => void) | undefined;
    link.publish(m, (why) => {
      answered = true;
      refusal = why;
      later?.(why);
    });
    if (answered) return refusal === undefined ? PUBLISHED : Promise.reject(errorOf(refusal, this.protocol));
    return new Promise((resolve, reject) => {
      later = (why) => (why === undefined ? resolve('ok') : reject(errorOf(why, this.protocol)));
    });
  }

  private enqueue(m: Message, { signal, until }: PublishOptions): Promise<'ok' | 'unmatched'> {
    return new Promise((resolve, reject) => {
      const gaveUp = () => {
        this.outbox.withdraw(entry);
        reject(aborted(signal!, this.protocol));
      };
      const entry = this.outbox.push(
        m,
        (unmatched) => {
          settled();
          resolve(unmatched ? 'unmatched' : 'ok');
        },
        (why) => {
          settled();
          reject(why);
        },
        until === 'stored' ? () => resolve('ok') : undefined,
      );
      const settled = onAbort(signal, gaveUp);
      this.pump();
    });
  }

  /** Resolves when everything that was published is acknowledged. */
  flushed(): Promise<void> {
    return this.outbox.empty();
  }

  /** Gives the speaker what it has room for. */
  private pump(): void {
    const { link } = this;
    if (link === undefined || this.pumping) return;
    this.pumping = true;
    for (let entry = this.outbox.peek(); entry !== undefined && link.open; entry = this.outbox.peek()) {
      if (link.room <= 0) break;
      this.send(entry, link);
    }
    this.pumping = false;
  }

  private send(entry: Entry, link: Link): void {
    const { message } = entry;
    const tag = this.outbox.take(entry);
    if (tag?.stage !== 'released' && isExpired(message, this.world.now())) {
      this.outbox.done(entry);
      entry.reject(new WaymeetError('expired', this.protocol, 'the message expired before it could be sent'));
      return;
    }
    link.publish(
      message,
      (why, unmatched) => {
        // A lost connection is no answer: it is sent again in the next one. At QoS 0 nobody knows, and it is over.
        if (why !== undefined && !link.open && message.qos > 0 && this.over === undefined) return;
        this.outbox.done(entry);
        if (why === undefined) entry.resolve(unmatched === true);
        else entry.reject(errorOf(why, this.protocol));
      },
      tag,
    );
  }

  // --- subscribing ---

  /**
   * Resolves when the other side has granted it. One subscription per filter. Rejects with WaymeetError: 'not-supported', 'filter-invalid',
   * 'usage' (there is one already), what the other side said, or 'closed'.
   */
  async subscribe(filter: string, options: SubscribeOptions = {}): Promise<Subscription> {
    this.checkFilter(filter, options);
    const { signal } = options;
    const s = new Subscription(filter, options, this);
    this.subscriptions.set(filter, s);
    const granted = new Promise<void>((resolve, reject) => {
      this.granting.set(s, { resolve, reject });
    });
    const gaveUp = () => {
      const why = aborted(signal!, this.protocol);
      this.granting.get(s)?.reject(why);
      void s.close().catch(NOTHING);
    };
    const stop = onAbort(signal, gaveUp);
    if (this.link !== undefined) this.ask(s, this.link, options);
    try {
      await granted;
    } catch (why) {
      this.subscriptions.delete(filter);
      stop();
      throw why;
    } finally {
      this.granting.delete(s);
    }
    return s;
  }

  private checkFilter(filter: string, o: SubscribeOptions): void {
    if (this.over !== undefined) throw this.over;
    if (o.signal?.aborted) throw aborted(o.signal, this.protocol);
    if (!isTopicFilter(filter, WIDE))
      throw new WaymeetError('filter-invalid', this.protocol, `'${filter}' is no topic filter`);
    if (this.subscriptions.has(filter))
      throw new WaymeetError('usage', this.protocol, `there is a subscription to '${filter}' already`);
    if (this.lastAbility !== undefined) this.checkAbility(filter, o, this.lastAbility);
  }

  private checkAbility(filter: string, o: SubscribeOptions, can: Ability): void {
    const lacks = (what: string) =>
      new WaymeetError('not-supported', this.protocol, `${this.server || this.protocol} has no ${what}`);
    const shared = filter.startsWith('$share/');
    if (shared && !can.shared) throw lacks('shared subscriptions');
    if (filter.startsWith('$queue/') && !can.queues) throw lacks('queues');
    if (/[+#]/.test(filter) && !can.wildcards) throw lacks('wildcards');
    if (o.qos !== undefined && !can.subscribeQos.includes(o.qos)) throw lacks(`subscription at QoS ${o.qos}`);
    for (const name of ['noLocal', 'retainAsPublished', 'identifier'] as const)
      if (o[name] && can[name] !== true) throw lacks(name);
    if (o.noLocal && shared) throw lacks('noLocal in a shared subscription'); // [MQTT5-3.8.3-4]
    if (o.retained !== undefined && o.retained !== 'all' && can.retainedChoice !== true)
      throw lacks('choice about retained messages');
  }

  private ask(s: Subscription, link: Link, how: SubscribeHow): void {
    const most = link.ability.subscribeQos.at(-1) ?? 0;
    const qos = s.options.qos ?? (Math.min(1, most) as Qos);
    link.subscribe(s.filter, qos, how, (answer) => {
      const grant = this.granting.get(s);
      if (typeof answer === 'number') {
        s.granted = answer;
        this.arrivals.claim();
        grant?.resolve();
      } else if (link.open || this.over !== undefined) {
        const why = errorOf(answer, this.protocol);
        this.subscriptions.delete(s.filter);
        if (grant === undefined) s.end(why);
        else grant.reject(why);
      } // else the connection was lost: it is asked again in the next one
    });
  }

  /** Ends the subscription with this filter. */
  async unsubscribe(filter: string | Subscription, signal?: AbortSignal): Promise<void> {
    const s = this.subscriptions.get(typeof filter === 'string' ? filter : filter.filter);
    if (s === undefined) return;
    this.subscriptions.delete(s.filter);
    s.end(undefined);
    const { link } = this;
    if (link === undefined) return;
    await new Promise<void>((resolve, reject) => {
      const gaveUp = () => reject(aborted(signal!, this.protocol));
      const settled = onAbort(signal, gaveUp);
      link.unsubscribe(s.filter, (why) => {
        settled();
        if (why === undefined || !link.open || why.outcome === 'no-subscription') resolve();
        else reject(errorOf(why, this.protocol));
      });
    });
  }

  /** @internal */
  pressed(s: Subscription, full: boolean): void {
    if (full) this.pressing.add(s);
    else this.pressing.delete(s);
    this.link?.pause(this.pressing.size > 0);
  }

  // --- requests ---

  /** @internal */
  async asking(): Promise<Requests> {
    // Loaded when it is used, as the other patterns are.
    const { requestsOf } = await import('./patterns/request.ts');
    this.requests ??= requestsOf(this);
    return this.requests;
  }

  /**
   * Asks whoever answers at `topic` and resolves to the first answer. Rejects with 'timed-out' after `timeoutMs` (default 10 s), 'aborted',
   * or 'not-supported' where the protocol has no place for the address of an answer.
   */
  async request(topic: string, payload: Payload, options: RequestOptions = {}): Promise<IncomingMessage> {
    return (await this.asking()).one(topic, payload, options);
  }

  /** As `request`, for answers in several parts: ends with the last one. */
  async *requestMany(
    topic: string,
    payload: Payload,
    options: RequestOptions = {},
  ): AsyncGenerator<IncomingMessage, void, undefined> {
    yield* (await this.asking()).many(topic, payload, options);
  }

  /** Answers what is asked at the topics of `filter` until it is stopped. Resolves when it listens. */
  async respond(filter: string, answer: Responder, options?: RespondOptions): Promise<Responding> {
    const { respond } = await import('./patterns/respond.ts');
    return respond(this, filter, answer, options);
  }

  // --- the connection ---

  /** Ends the wait before the next attempt to connect, if there is one: the network is back, say. */
  hurry(): void {
    this.connector.hurry();
  }

  /** @internal Connects for the first time. */
  async start(): Promise<void> {
    const { options } = this;
    const { signal } = options;
    const gaveUp = () => this.fail(aborted(signal!, this.protocol));
    if (signal?.aborted) gaveUp();
    onAbort(signal, gaveUp);
    const kept = await this.outbox.load();
    if (this.id === '') this.id = kept ?? this.makeId();
    if (kept !== this.id) this.outbox.name(this.id);
    const rounds = options.patient === true ? Number.POSITIVE_INFINITY : 1;
    try {
      await this.connector.connect(rounds, (url) => this.login(url));
    } catch (why) {
      this.fail(why as WaymeetError);
      throw this.over;
    }
  }

  private login(url: URL): Login {
    const { options } = this;
    const clean = this.before ? options.sessionExpiryMs === 0 : options.clean;
    return { url, clientId: this.id, clean, memory: this.outbox, events: this.events };
  }

  /** Servers need not make one up, and a redirect or a loss must not change it. */
  private makeId(): string {
    const octets = this.world.random(10);
    let id = 'w';
    for (const octet of octets) id += (octet & 31).toString(32) + (octet >> 5).toString(8);
    return id;
  }

  private readonly events = {
    opened: (link: Link) => this.up(link),
    delivered: (d: Parameters<Arrivals['take']>[0], by: Link) => this.arrivals.take(d, by),
    roomy: (by: Link) => {
      if (by === this.link) this.pump();
    },
    ended: (why: Refusal | undefined, by: Link) => this.down(by, why),
  };

  private up(link: Link): void {
    if (this.over !== undefined) {
      link.close();
      return;
    }
    const { opened } = link;
    this.link = link;
    this.lastAbility = link.ability;
    this.lastProtocol = link.speech.name;
    this.arrivals.lasting = this.options.sessionExpiryMs > 0 && link.ability.sessions;
    if (!opened.resumed) {
      this.arrivals.forgotten();
      this.outbox.forgotten();
    }
    if (opened.clientId !== '' && opened.clientId !== this.id) {
      this.id = opened.clientId;
      this.outbox.name(this.id);
    }
    link.pause(this.pressing.size > 0);
    const { server, resumed } = opened;
    this.tell({ kind: 'connected', url: shown(link.url), server, resumed, opened });
    if (resumed && !this.before) this.arrivals.inherited = true;
    this.before = true;
    for (const s of [...this.subscriptions.values()]) this.restore(s, link, opened.resumed);
    this.pump();
  }

  /** A session that the server knows has its subscriptions; asking again is no harm where it brings no retained message twice. */
  private restore(s: Subscription, link: Link, resumed: boolean): void {
    const fresh = this.granting.has(s);
    if (resumed && !fresh && link.ability.retainedChoice !== true) return;
    try {
      this.checkAbility(s.filter, s.options, link.ability);
    } catch (why) {
      this.subscriptions.delete(s.filter);
      this.granting.get(s)?.reject(why as Error);
      s.end(why as Error);
      return;
    }
    const again = resumed && !fresh && s.options.retained !== 'none';
    this.ask(s, link, again ? { ...s.options, retained: 'new' } : s.options);
  }

  private down(link: Link, why: Refusal | undefined): void {
    if (link !== this.link) return;
    this.link = undefined;
    this.outbox.grounded();
    this.arrivals.lost();
    const error = why === undefined ? undefined : errorOf(why, link.speech.name);
    this.tell({ kind: 'lost', url: shown(link.url), error });
    if (this.over !== undefined) return;
    const lost = error ?? new WaymeetError('connection-lost', link.speech.name, 'the connection was lost');
    if (this.options.reconnect === false || isFinal(lost.code)) {
      this.fail(lost);
      return;
    }
    void this.reconnect(link, why);
  }

  private async reconnect(link: Link, why: Refusal | undefined): Promise<void> {
    try {
      if (!(await this.connector.redirected(link.url, why))) await this.connector.wait(0);
      await this.connector.connect(Number.POSITIVE_INFINITY, (url) => this.login(url));
    } catch (failure) {
      this.fail(failure as WaymeetError);
    }
  }

  /** Ends all: what waits for anything is told why. */
  private fail(why: WaymeetError): void {
    if (this.over !== undefined) return;
    this.over = why;
    this.connector.end(why);
    const { link } = this;
    this.link = undefined;
    link?.close();
    for (const grant of this.granting.values()) grant.reject(why);
    const graceful = why.code === 'closed';
    for (const s of this.subscriptions.values()) s.end(graceful ? undefined : why);
    this.subscriptions.clear();
    this.requests?.end(why);
    void this.outbox.close(why).finally(() => {
      this.tell({ kind: 'closed', error: graceful ? undefined : why });
      this.finish();
    });
  }

  /** Ends without a goodbye, as a crash would: the server publishes the will. */
  drop(): void {
    this.link?.destroy();
    this.link = undefined;
    this.fail(new WaymeetError('closed', this.protocol, 'the connection was dropped'));
  }

  /** Waits until what was published is acknowledged, says goodbye, and ends. Loops over subscriptions end. */
  async close({ withinMs = 5_000 }: CloseOptions = {}): Promise<void> {
    if (this.over === undefined && this.outbox.size > 0) {
      let cancel: () => void = NOTHING;
      const late = new Promise<void>((resolve) => {
        cancel = this.world.timer(withinMs, resolve);
      });
      await Promise.race([this.outbox.empty(), late, this.ended]);
      cancel();
    }
    this.fail(new WaymeetError('closed', this.protocol, 'the client was closed'));
    await this.ended;
  }
}
