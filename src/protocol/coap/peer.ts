// One CoAP endpoint: it logs in with its first request, publishes, reads and observes topics.

import type { Access, Guest, Hub } from '../../contract/hub.ts';
import { Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { isTopicFilter, isTopicName } from '../../contract/topic.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { decodeCoap } from './decode.ts';
import { encodeUint } from './encode.ts';
import { type Exchange, MessageLayer } from './exchange.ts';
import { CODE_OF, contentFormatOf, contentOf, metaOf, type Refusal, type Wish, wishOf } from './map.ts';
import { Observer, type ObserverHost } from './observe.ts';
import {
  ACKNOWLEDGEMENT,
  CODE,
  CONFIRMABLE,
  type CoapMessage,
  type CoapOption,
  NON_CONFIRMABLE,
  NOTHING,
  OPTION,
  RESET,
} from './packet.ts';

export interface CoapOptions {
  /** The first path segment of every topic: `coap://host/{root}/{topic…}`. */
  readonly root: string;
  /** An endpoint without observations that is silent for so long is forgotten. */
  readonly idleMs: number;
  /** Requests that may wait for the login of their endpoint. */
  readonly maxWaiting: number;
}

interface Request {
  readonly exchange: Exchange;
  readonly message: CoapMessage;
  readonly wish: Wish;
}

interface Unkept {
  readonly exchange: Exchange;
  readonly due: number;
  readonly code: number;
}

const utf8 = new TextEncoder();

/**
 * States: stranger (no login) → knocking (login asked, requests wait) → known (access) ; refused → stranger ; lost.
 * A malformed message changes nothing: anybody can forge a datagram.
 */
export class CoapPeer implements Peer, Guest, ObserverHost {
  readonly wire: Wire;
  readonly layer: MessageLayer;
  private readonly hub: Hub;
  private readonly options: CoapOptions;
  private state: 'stranger' | 'knocking' | 'known' | 'lost' = 'stranger';
  private identified: Access | undefined;
  /** The credentials of the login: one endpoint is one client. */
  private login: Wish | undefined;
  private waiting: Request[] = [];
  private unkept: Unkept[] = [];
  private keptTicket = 0;
  private readonly observers = new Map<string, Observer>();
  private sequence = 0;
  private heardAt: number;

  constructor(wire: Wire, hub: Hub, options: CoapOptions, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.options = options;
    this.heardAt = now;
    this.layer = new MessageLayer(wire, Math.floor(now)); // message ids go on where a forgotten endpoint's stopped, more or less
    this.schedule();
  }

  get now(): number {
    return this.hub.now();
  }

  get access(): Access {
    if (this.identified === undefined) throw new Error('nobody is logged in');
    return this.identified;
  }

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    const m = decodeCoap(bytes, start, end);
    if (m === undefined) return end;
    if ('malformed' in m) {
      this.hub.counters.of('coap').broken++;
      if (m.type === CONFIRMABLE) this.layer.reset(m.id); // [RFC7252-4.2]; others are ignored [RFC7252-4.3]
      return end;
    }
    this.heardAt = now;
    if (m.type === ACKNOWLEDGEMENT) this.layer.acknowledged(m.id);
    else if (m.type === RESET) this.reset(m.id);
    else if (m.code === CODE.empty || m.code >> 5 !== 0) {
      // A ping, or a response that nobody asked for. [RFC7252-4.2, 4.3]
      if (m.type === CONFIRMABLE) this.layer.reset(m.id);
    } else this.request(m);
    this.schedule();
    return end;
  }

  private reset(id: number): void {
    this.layer.wasReset(id);
    for (const observer of this.observers.values()) {
      if (observer.lastId === id) this.ended(observer); // [RFC7641-3.6]
    }
  }

  private request(m: CoapMessage): void {
    const exchange = this.layer.begin(m, this.now);
    if (exchange === undefined) return;
    if (m.code > CODE.delete) {
      this.refuseRequest(exchange, { code: CODE.methodNotAllowed, why: 'GET, PUT, POST or DELETE' });
      return;
    }
    const wish = wishOf(m, this.options.root);
    if ('code' in wish) {
      // A non-confirmable request with an option that is not understood is rejected in silence. [RFC7252-5.4.1]
      if (wish.code === CODE.badOption && m.type === NON_CONFIRMABLE) this.layer.abandon(exchange);
      else this.refuseRequest(exchange, wish);
      return;
    }
    const request: Request = { exchange, message: m, wish };
    if (this.state === 'known') this.serve(request);
    else this.knock(request);
  }

  private knock(request: Request): void {
    if (this.waiting.length >= this.options.maxWaiting) {
      this.refuseRequest(request.exchange, { code: CODE.unavailable, why: 'login under way' });
      return;
    }
    this.waiting.push(request);
    if (this.state !== 'stranger') return;
    this.state = 'knocking';
    this.login = request.wish;
    this.hub.login(
      {
        protocol: 'coap',
        client: request.wish.client,
        username: request.wish.username,
        password: request.wish.password,
        remote: this.wire.remote,
        listener: this.wire.listener,
        wire: this.wire.identity,
      },
      this,
    );
  }

  welcome(access: Access): void {
    if (this.state === 'lost') {
      access.leave(true, this.now);
      return;
    }
    this.state = 'known';
    this.identified = access;
    this.serveWaiting((request) => this.serve(request));
  }

  refuse(why: Outcome): void {
    if (this.state === 'lost') return;
    this.state = 'stranger';
    this.login = undefined;
    // Who is not known is told to say who it is: 4.03 is for those whom we know. [RFC7252-5.9.2.2]
    const code = why === 'not-authorized' ? CODE.unauthorized : CODE_OF[why];
    this.serveWaiting((request) => this.refuseRequest(request.exchange, { code, why }));
  }

  private serveWaiting(each: (request: Request) => void): void {
    for (const request of this.waiting.splice(0)) each(request);
    this.schedule();
  }

  private serve(request: Request): void {
    const { exchange, message, wish } = request;
    if (!this.sameLogin(wish)) {
      this.refuseRequest(exchange, {
        code: CODE.unauthorized,
        why: 'this endpoint is logged in as another client',
      });
      return;
    }
    switch (message.code) {
      case CODE.get:
        if (wish.observe === 0) this.observe(request);
        else this.read(request);
        return;
      case CODE.delete:
        this.publish(request, NOTHING, true, CODE.deleted); // an empty retained message clears the topic
        return;
      default:
        this.publish(request, message.payload, wish.retain, CODE.changed);
    }
  }

  private sameLogin(wish: Wish): boolean {
    const login = this.login!;
    if (wish.client === '' && wish.username === undefined && wish.password === undefined) return true;
    return (
      (wish.client === login.client || wish.client === '') &&
      wish.username === login.username &&
      sameOctets(wish.password ?? NOTHING, login.password ?? NOTHING)
    );
  }

  private publish(request: Request, payload: Uint8Array, retain: boolean, success: number): void {
    const { exchange, wish } = request;
    const { access } = this;
    if (!isTopicName(wish.topic, this.hub.limits)) {
      this.refuseOutcome(exchange, 'topic-invalid');
      return;
    }
    const origin = { protocol: 'coap', client: access.client, principal: access.identity.principal };
    const meta = metaOf(wish.contentFormat, payload);
    const qos = wish.qos ?? qosOf(exchange);
    const counters = this.hub.counters.of('coap');
    counters.received[qos] = counters.received[qos]! + 1;
    const outcome = access.publish(
      new Message(wish.topic, payload, qos, retain, origin, this.now, NEVER, meta),
    );
    if (outcome !== 'ok' && outcome !== 'unmatched') {
      this.refuseOutcome(exchange, outcome);
      return;
    }
    const { due } = access;
    if (due <= this.keptTicket) this.layer.respond(exchange, success);
    else this.unkept.push({ exchange, due, code: success });
  }

  /** Acknowledged means kept: 2.04 leaves after the commit. */
  kept(ticket: number): void {
    this.keptTicket = Math.max(this.keptTicket, ticket);
    if (this.unkept.length === 0) return;
    const waiting = this.unkept;
    this.unkept = [];
    for (const one of waiting) {
      if (one.due <= this.keptTicket) this.layer.respond(one.exchange, one.code);
      else this.unkept.push(one);
    }
    this.schedule();
  }

  private read(request: Request): void {
    const { exchange, wish } = request;
    if (wish.observe === 1) this.forget(keyOf(exchange.token)); // [RFC7641-3.6]
    const m = this.access.retained(wish.topic);
    if (m === undefined) this.refuseRequest(exchange, { code: CODE.notFound, why: 'no retained message' });
    else this.respondWith(exchange, m, wish.accept, undefined);
  }

  private observe(request: Request): void {
    const { exchange, wish } = request;
    if (!isTopicFilter(wish.topic, this.hub.limits)) {
      this.refuseOutcome(exchange, 'filter-invalid');
      return;
    }
    const key = keyOf(exchange.token);
    this.forget(key); // the same token again replaces the observation [RFC7641-4.1]
    if (this.observers.size >= this.hub.limits.subscriptionsPerClient) {
      this.read(request); // an answer without Observe: not observed [RFC7641-4.1]
      return;
    }
    const box = this.access.mailbox(`${key}@${this.access.client}`, {
      fresh: true,
      keepMs: 0,
      capacity: 1,
      overflow: 'conflate',
    });
    const observer = new Observer(key, exchange.token, wish.topic, box, this);
    const qos = wish.qos ?? qosOf(exchange);
    const { outcome } = box.subscribe({ filter: wish.topic, qos, noLocal: false, tag: 0 });
    if (outcome !== 'ok') {
      observer.stop();
      this.refuseOutcome(exchange, outcome);
      return;
    }
    const m = this.access.retained(wish.topic);
    const understood =
      m === undefined
        ? this.respondEmpty(exchange)
        : this.respondWith(exchange, m, wish.accept, this.nextSequence());
    if (!understood) {
      observer.stop();
      return;
    }
    this.observers.set(key, observer);
    observer.start();
  }

  private forget(key: string): void {
    this.observers.get(key)?.stop();
    this.observers.delete(key);
  }

  /** A topic without a value yet can be observed: 2.05 without payload starts the observation. */
  private respondEmpty(exchange: Exchange): true {
    const observe = { number: OPTION.observe, value: encodeUint(this.nextSequence()) };
    this.layer.respond(exchange, CODE.content, [observe]);
    return true;
  }

  /** False: the client accepts another format only. */
  private respondWith(
    exchange: Exchange,
    m: Message,
    accept: number | undefined,
    sequence: number | undefined,
  ): boolean {
    if (accept !== undefined && accept !== contentFormatOf(m.meta)) {
      this.refuseRequest(exchange, { code: CODE.notAcceptable, why: 'another Content-Format' }); // [RFC7252-5.10.4]
      return false;
    }
    const { options, payload } = contentOf(m, this.now);
    const all: CoapOption[] =
      sequence === undefined
        ? options
        : [{ number: OPTION.observe, value: encodeUint(sequence) }, ...options];
    this.layer.respond(exchange, CODE.content, all, payload);
    return true;
  }

  private refuseOutcome(exchange: Exchange, why: Outcome): void {
    this.refuseRequest(exchange, { code: CODE_OF[why], why });
  }

  private refuseRequest(exchange: Exchange, refusal: Refusal): void {
    this.layer.respond(exchange, refusal.code, [], utf8.encode(refusal.why)); // diagnostic payload [RFC7252-5.5.2]
  }

  nextSequence(): number {
    this.sequence = (this.sequence + 1) & 0xff_ffff;
    return this.sequence;
  }

  ended(observer: Observer): void {
    this.observers.delete(observer.key);
    observer.stop();
    this.roomMade();
  }

  /** Who got the room last comes last, so that one busy topic does not starve the others. */
  roomMade(): void {
    for (const observer of [...this.observers.values()]) {
      if (this.observers.get(observer.key) !== observer) continue;
      const before = observer.lastId;
      observer.pull();
      if (observer.lastId === before || this.observers.get(observer.key) !== observer) continue;
      this.observers.delete(observer.key);
      this.observers.set(observer.key, observer);
    }
    this.schedule();
  }

  delivered(qos: Qos): void {
    const { delivered } = this.hub.counters.of('coap');
    delivered[qos] = delivered[qos]! + 1;
  }

  dropped(reason: string): void {
    this.hub.counters.drop(reason);
  }

  drained(): void {
    this.roomMade();
  }

  wake(now: number): void {
    if (
      this.observers.size === 0 &&
      now - this.heardAt >= this.options.idleMs &&
      this.layer.unacknowledged === 0
    ) {
      this.wire.end();
      return;
    }
    this.schedule();
  }

  private schedule(): void {
    if (this.state === 'lost') return;
    const now = this.hub.now();
    const idleAt = this.observers.size === 0 ? this.heardAt + this.options.idleMs : NEVER;
    this.wire.wake(Math.min(this.layer.tick(now), Math.max(idleAt, now + 1)));
  }

  /** One observation was taken away: its endpoint goes with it. */
  evicted(why: Outcome): void {
    this.evict(why);
  }

  /** Every observer is told by an error notification that nothing more will come. [RFC7641-4.2] */
  evict(why: Outcome): void {
    if (this.state === 'lost') return;
    for (const observer of this.observers.values()) this.layer.farewell(observer.token, CODE_OF[why]);
    this.wire.end();
  }

  /** Never called: nothing that arrives in a datagram is answered by closing. */
  broken(): void {
    this.hub.counters.of('coap').broken++;
  }

  lost(now: number): void {
    const known = this.identified;
    this.state = 'lost';
    for (const observer of this.observers.values()) observer.stop();
    this.observers.clear();
    this.waiting = [];
    this.unkept = [];
    this.identified = undefined;
    known?.leave(true, now);
  }
}

function keyOf(token: Uint8Array): string {
  let key = '';
  for (const octet of token) key += octet.toString(16).padStart(2, '0');
  return key;
}

/** Reliable as the request was: confirmable is at least once. */
function qosOf(exchange: Exchange): Qos {
  return exchange.type === CONFIRMABLE ? 1 : 0;
}

function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  return a.every((octet, i) => octet === b[i]);
}
