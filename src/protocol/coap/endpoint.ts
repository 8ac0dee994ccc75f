// One endpoint as a client of the hub: its login, and each request's way from options and blocks to the resource and back.

import type { Identity, Login } from '../../contract/auth.ts';
import type { Access, Guest, Hub } from '../../contract/hub.ts';
import { type Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import type { Departure, Outcome } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import { blockBytes, blockOption, cut, Downloads, eTagOf, type UploadBudget, Uploads } from './block.ts';
import { encodeUint } from './encode.ts';
import { sameOctets } from './exchange.ts';
import type { Exchange, Layer } from './layer.ts';
import { CODE_OF, maxAge } from './map.ts';
import { Observers } from './observers.ts';
import { operationKey, type Refusal, type RequestOptions, requestOptions } from './options.ts';
import {
  CODE,
  CONFIRMABLE,
  type CoapMessage,
  type CoapOption,
  NON_CONFIRMABLE,
  NOTHING,
  OPTION,
} from './packet.ts';
import { type OscoreContexts, openRequest } from './unsealing.ts';

/** What all endpoints of one protocol object share. */
export interface EndpointOptions {
  /** Requests that may wait for the login of their endpoint. */
  readonly maxWaiting: number;
  /** The largest body that is put together from blocks. */
  readonly maxBodyBytes: number;
  /** Requests a second of one endpoint, on average; beyond it they are 4.29. */
  readonly requestsPerSecond: number;
  readonly uploads: UploadBudget;
  /** Contexts of clients that seal their requests; undefined: none may [RFC8613]. */
  readonly oscore: OscoreContexts | undefined;
  /** Answers a request whose body is complete and whose endpoint is logged in. */
  readonly serve: (request: Request, endpoint: Endpoint) => void;
}

/** What an endpoint needs of its connection. */
export interface EndpointHost {
  /** Something was answered outside of a call of the wire: ask for the next wake. */
  schedule(): void;
  leave(): void;
}

/** One whole request. It is answered once, by a method of its endpoint. */
export interface Request {
  readonly exchange: Exchange;
  readonly message: CoapMessage;
  readonly options: RequestOptions;
  /** The payload, put together if it came in blocks. */
  readonly body: Uint8Array;
}

interface Credentials {
  readonly client: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Who the context of a sealed request belongs to. */
  readonly proven: string | undefined;
}

interface Deadline {
  readonly at: number;
  readonly act: () => void;
  readonly evicted: (why: Outcome) => void;
}

interface Unkept {
  readonly request: Request;
  readonly due: number;
  readonly code: number;
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

/** Of endpoints where nothing waits, which are most. Never written to. */
const NO_REQUESTS: Request[] = [];
const NO_ANSWERS: Unkept[] = [];
/** Blocks of 64 octets. */
const MULTICAST_SZX = 2;
const utf8 = new TextEncoder();

/** States: stranger (no login) → knocking (login asked, requests wait) → known (access) ; refused → stranger ; lost. */
export class Endpoint implements Guest {
  readonly wire: Wire;
  readonly layer: Layer;
  readonly hub: Hub;
  readonly observers: Observers;
  readonly downloads = new Downloads();
  private readonly host: EndpointHost;
  private readonly options: EndpointOptions;
  /** Made when it is first needed: most endpoints send small bodies. */
  private uploads: Uploads | undefined;
  private state: 'stranger' | 'knocking' | 'known' | 'lost' = 'stranger';
  private identified: Access | undefined;
  private from: Origin | undefined;
  /** The credentials of the login: one endpoint is one client. */
  private login: Credentials | undefined;
  private waiting = NO_REQUESTS;
  private unkept = NO_ANSWERS;
  private keptTicket = 0;
  /** Another proof is being looked at. */
  private renewing = false;
  private deadlines: Set<Deadline> | undefined;
  /** What is left of the requests that may come now, and since when. */
  private tokens: number;
  private tokensAt: number;

  constructor(wire: Wire, layer: Layer, hub: Hub, options: EndpointOptions, host: EndpointHost) {
    this.wire = wire;
    this.layer = layer;
    this.hub = hub;
    this.options = options;
    this.host = host;
    this.tokens = options.requestsPerSecond;
    this.tokensAt = hub.now();
    this.observers = new Observers(this);
  }

  /** Something was answered outside of a call of the wire. */
  schedule(): void {
    this.host.schedule();
  }

  get now(): number {
    return this.hub.now();
  }

  get access(): Access {
    if (this.identified === undefined) throw new Error('nobody is logged in');
    return this.identified;
  }

  /** It is logged in, so that its requests are answered at once, and does not seal them. */
  get expects(): boolean {
    return this.state === 'known' && this.login?.proven === undefined;
  }

  /** Commits up to this ticket are through. */
  get keptUpTo(): number {
    return this.keptTicket;
  }

  /** Who publishes here. */
  get origin(): Origin {
    this.from ??= {
      protocol: 'coap',
      client: this.access.client,
      principal: this.access.identity.principal,
    };
    return this.from;
  }

  get lost(): boolean {
    return this.state === 'lost';
  }

  // ---- a request comes in

  receive(exchange: Exchange, message: CoapMessage): void {
    if (!this.spend()) {
      this.slowDown(exchange);
      return;
    }
    const { oscore } = this.options;
    const sealed = oscore !== undefined && message.options.some((o) => o.number === OPTION.oscore);
    if (!sealed) this.take(exchange, message);
    else this.unseal(exchange, message, oscore);
  }

  /** [RFC8613-8.2] */
  private unseal(exchange: Exchange, message: CoapMessage, contexts: OscoreContexts): void {
    const random = (length: number) => this.hub.random(length);
    const opened = openRequest(message, contexts, random, () => this.now);
    switch (opened.kind) {
      case 'request':
        exchange.protection = opened.protection;
        this.take(exchange, opened.message);
        return;
      case 'challenge':
        exchange.protection = opened.protection;
        this.layer.respond(exchange, CODE.unauthorized, [opened.echo]);
        return;
      case 'refused':
        // An error about the protection is not cached on its way. [RFC8613-8.2]
        this.layer.respond(exchange, opened.code, [maxAge(0)], utf8.encode(opened.why));
    }
  }

  private take(exchange: Exchange, message: CoapMessage): void {
    const options = requestOptions(message);
    if ('code' in options) {
      // A non-confirmable request with an option that is not understood is rejected in silence. [RFC7252-5.4.1]
      if (options.code === CODE.badOption && message.type === NON_CONFIRMABLE) this.layer.abandon(exchange);
      else this.answer(exchange, options);
      return;
    }
    exchange.silent = options.noResponse;
    if (options.echo !== undefined) this.layer.echoed(options.echo);
    if (message.code > CODE.iPatch) {
      this.answer(exchange, { code: CODE.methodNotAllowed, why: 'no such method' }); // [RFC7252-5.8]
      return;
    }
    const request = this.assemble(exchange, message, options);
    if (request === undefined) return;
    if (this.state === 'known') this.serve(request);
    else this.knock(request);
  }

  /** Takes one request from a token bucket that holds one second's worth. */
  spend(): boolean {
    const { requestsPerSecond } = this.options;
    if (!Number.isFinite(requestsPerSecond)) return true;
    const { now } = this;
    this.tokens = Math.min(
      requestsPerSecond,
      this.tokens + ((now - this.tokensAt) * requestsPerSecond) / 1_000,
    );
    this.tokensAt = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }

  /** 4.29 with the time after which to come again [RFC8516-3]; who does not wait for answers gets none. */
  private slowDown(exchange: Exchange): void {
    this.hub.counters.drop('rate-exceeded');
    if (exchange.type === CONFIRMABLE) this.layer.respond(exchange, CODE.tooManyRequests, [maxAge(1)]);
    else this.layer.abandon(exchange);
  }

  /** The request with its whole body, or undefined while blocks of it are missing. */
  private assemble(exchange: Exchange, message: CoapMessage, options: RequestOptions): Request | undefined {
    const { block1, block2 } = options;
    const bert = block1?.szx === 7 || block2?.szx === 7;
    if (bert && !this.layer.reliable) {
      this.answer(exchange, { code: CODE.badRequest, why: 'block size 7' }); // [RFC7959-2.2]
      return undefined;
    }
    if (block1 === undefined) return { exchange, message, options, body: message.payload };
    const { uploads: budget, maxBodyBytes } = this.options;
    this.uploads ??= new Uploads(budget, Math.min(maxBodyBytes, this.wire.limits.maxPacketBytes));
    const step = this.uploads.add(
      operationOf(exchange, message),
      block1,
      message.payload,
      options.size1,
      this.now,
    );
    switch (step.kind) {
      case 'whole':
        return { exchange, message, options, body: step.body };
      case 'continue':
        this.layer.respond(exchange, CODE.continue, [blockOption(OPTION.block1, block1)]);
        return undefined;
      case 'refused': {
        const end = [blockOption(OPTION.block1, { ...block1, more: false }), ...step.options];
        this.layer.respond(exchange, step.code, end, utf8.encode(step.why));
        return undefined;
      }
    }
  }

  // ---- who it is

  private knock(request: Request): void {
    if (this.waiting.length >= this.options.maxWaiting) {
      this.refuseRequest(request, { code: CODE.unavailable, why: 'login under way' });
      return;
    }
    if (this.waiting === NO_REQUESTS) this.waiting = [];
    this.waiting.push(request);
    if (this.state !== 'stranger') return;
    this.state = 'knocking';
    this.login = credentialsOf(request);
    this.hub.login(this.loginWith(this.login), this);
  }

  private loginWith({ client, username, password, proven }: Credentials): Login {
    const { remote, listener, identity } = this.wire;
    return {
      protocol: 'coap',
      client,
      username,
      password: password === undefined ? undefined : utf8.encode(password),
      remote,
      forgeable: !this.layer.reliable && !this.wire.secure,
      listener,
      wire: proven === undefined ? identity : { ...identity, sealedBy: proven },
    };
  }

  /** Another password than at the login: a token that takes the place of one that runs out. */
  private renew(request: Request, shown: Credentials): void {
    const login = this.login!;
    const refuse = (why: string) => this.refuseRequest(request, { code: CODE.unauthorized, why });
    const same = shown.proven === login.proven && (shown.client === login.client || shown.client === '');
    if (this.renewing || !same || shown.password === undefined || shown.password === login.password) {
      refuse('this endpoint is logged in as another client');
      return;
    }
    this.renewing = true;
    const proved = (result: Identity | Outcome): void => {
      this.renewing = false;
      if (this.state !== 'known') return;
      const outcome = typeof result === 'string' ? result : this.access.renewed(result);
      if (outcome === 'ok') {
        this.login = { ...login, username: shown.username, password: shown.password };
        this.serve(request);
      } else refuse(outcome);
      this.schedule();
    };
    this.hub.prove(this.loginWith(shown)).then(proved, () => proved('unavailable'));
  }

  welcome(access: Access): void {
    if (this.state === 'lost') {
      access.leave(true, this.now);
      return;
    }
    this.state = 'known';
    this.identified = access;
    this.from = undefined;
    this.serveWaiting((request) => this.serve(request));
  }

  refuse(why: Outcome): void {
    if (this.state === 'lost') return;
    this.state = 'stranger';
    this.login = undefined;
    // Who is not known is told to say who it is: 4.03 is for those whom we know. [RFC7252-5.9.2.2]
    const code = why === 'not-authorized' ? CODE.unauthorized : CODE_OF[why];
    this.serveWaiting((request) => this.refuseRequest(request, { code, why }));
  }

  private serveWaiting(each: (request: Request) => void): void {
    const { waiting } = this;
    this.waiting = NO_REQUESTS;
    for (const request of waiting) each(request);
    this.schedule();
  }

  private sameLogin(shown: Credentials): boolean {
    const login = this.login!;
    // What one sealed, nobody else may go on with in clear.
    if (shown.proven !== login.proven) return false;
    if (shown.client === '' && shown.username === undefined && shown.password === undefined) return true;
    return (
      (shown.client === login.client || shown.client === '') &&
      shown.username === login.username &&
      shown.password === login.password
    );
  }

  private serve(request: Request): void {
    const { message, options } = request;
    const shown = credentialsOf(request);
    if (!this.sameLogin(shown)) {
      this.renew(request, shown);
      return;
    }
    // A later block comes from the representation that the first one came from, if that is still known. [RFC7959-2.4]
    if (options.block2 !== undefined && options.block2.num > 0) {
      const kept = this.downloads.find(operationOf(request.exchange, message), this.now);
      if (kept !== undefined) {
        this.respond(request, kept.code, kept.options, kept.payload);
        return;
      }
      if (message.code !== CODE.get && message.code !== CODE.fetch) {
        this.refuseRequest(request, { code: CODE.requestIncomplete, why: 'the answer is not kept any more' });
        return;
      }
    }
    this.options.serve(request, this);
  }

  // ---- answers

  /** Answers, in blocks where the payload or the client asks for them. Options must be in ascending order. */
  respond(
    request: Request,
    code: number,
    options: readonly CoapOption[] = [],
    payload: Uint8Array = NOTHING,
  ): void {
    const { exchange } = request;
    const { block1, block2 } = request.options;
    const all = [...options];
    let octets = payload;
    let last: string | undefined;
    // Many answer a group: a little of each, and the rest is fetched from whom it is wanted [RFC7252-8.2].
    const most = exchange.multicast ? MULTICAST_SZX : this.layer.maxSzx;
    const szx = Math.min(block2?.szx ?? most, most);
    const whole = block2 === undefined && !exchange.multicast ? this.layer.maxPayloadBytes : blockBytes(szx);
    if ((payload.length > whole || (block2 !== undefined && block2.num > 0)) && code >> 5 === 2) {
      // A smaller block than asked for counts from the same octet.
      const num = block2 === undefined ? 0 : (block2.num * blockBytes(block2.szx)) / blockBytes(szx);
      const piece = cut(payload, { num, more: false, szx }, this.layer.maxPayloadBytes);
      if (piece === undefined) {
        this.refuseRequest(request, { code: CODE.badRequest, why: 'a block beyond the end' });
        return;
      }
      octets = piece.octets;
      last = this.keepRest(request, code, all, payload, piece.block.more);
      all.push(blockOption(OPTION.block2, piece.block));
      if (num === 0) all.push({ number: OPTION.size2, value: encodeUint(payload.length) });
    } else if (block2 !== undefined && code >> 5 === 2) {
      all.push(blockOption(OPTION.block2, { num: 0, more: false, szx }));
    }
    if (block1 !== undefined) all.push(blockOption(OPTION.block1, { ...block1, more: false }));
    this.layer.respond(exchange, code, inOrder(all), octets);
    if (last !== undefined) this.observers.fetched(last);
  }

  /** All blocks carry one ETag, and come from one body until the last is fetched: what was asked for, then. [RFC7959-2.4] */
  private keepRest(
    request: Request,
    code: number,
    options: CoapOption[],
    payload: Uint8Array,
    more: boolean,
  ): string | undefined {
    if (!options.some((o) => o.number === OPTION.eTag))
      options.unshift({ number: OPTION.eTag, value: eTagOf(payload, -1) });
    const key = operationOf(request.exchange, request.message);
    if (!more) {
      this.downloads.done(key);
      return key;
    }
    if (request.options.block2 === undefined || request.options.block2.num === 0) {
      const unobserved = options.filter((o) => o.number !== OPTION.observe); // [RFC7959-2.6]
      this.downloads.keep(key, { code, options: unobserved, payload }, this.now);
    }
    return undefined;
  }

  /** As `respond`, once everything that this endpoint did is kept: acknowledged means kept. */
  respondKept(
    request: Request,
    code: number,
    options: readonly CoapOption[] = [],
    payload: Uint8Array = NOTHING,
  ): void {
    const { due } = this.access;
    if (due <= this.keptTicket) this.respond(request, code, options, payload);
    else this.answerLater({ request, due, code, options, payload });
  }

  private answerLater(one: Unkept): void {
    if (this.unkept === NO_ANSWERS) this.unkept = [];
    this.unkept.push(one);
  }

  kept(ticket: number): void {
    this.keptTicket = Math.max(this.keptTicket, ticket);
    if (this.unkept.length === 0) return;
    const waiting = this.unkept;
    this.unkept = NO_ANSWERS;
    for (const one of waiting) {
      if (one.due <= this.keptTicket) this.respond(one.request, one.code, one.options, one.payload);
      else this.answerLater(one);
    }
    this.schedule();
  }

  refuseOutcome(request: Request, why: Outcome): void {
    this.refuseRequest(request, { code: CODE_OF[why], why });
  }

  refuseRequest(request: Request, refusal: Refusal): void {
    const { block1 } = request.options;
    const options = block1 === undefined ? [] : [blockOption(OPTION.block1, { ...block1, more: false })];
    this.layer.respond(request.exchange, refusal.code, options, utf8.encode(refusal.why));
  }

  /** A refusal before the request is whole; with a diagnostic payload [RFC7252-5.5.2]. */
  private answer(exchange: Exchange, refusal: Refusal): void {
    this.layer.respond(exchange, refusal.code, [], utf8.encode(refusal.why));
  }

  /** Publishes for this endpoint and counts it. */
  publish(m: Message): Outcome {
    const { received } = this.hub.counters.of('coap');
    received[m.qos] = received[m.qos]! + 1;
    return this.access.publish(m);
  }

  delivered(qos: Qos): void {
    const { delivered } = this.hub.counters.of('coap');
    delivered[qos] = delivered[qos]! + 1;
  }

  // ---- what is due later

  /** Calls `act` at that time, or `evicted` if the endpoint is sent away before; what it returns cancels both. */
  later(at: number, act: () => void, evicted: (why: Outcome) => void = () => {}): () => void {
    const one = { at, act, evicted };
    this.deadlines ??= new Set();
    this.deadlines.add(one);
    this.schedule();
    return () => this.deadlines?.delete(one);
  }

  /** Something of `tick`'s is due at some time. */
  get waits(): boolean {
    return this.deadlines !== undefined && this.deadlines.size > 0;
  }

  /** Does what is due and returns when to come again. */
  tick(now: number): number {
    let next = NEVER;
    for (const one of this.deadlines ?? []) {
      if (one.at > now) {
        next = Math.min(next, one.at);
        continue;
      }
      this.deadlines?.delete(one);
      one.act();
    }
    return next;
  }

  // ---- the end

  blame(why: Departure): void {
    this.identified?.blame(why);
  }

  evict(why: Outcome): void {
    if (this.state === 'lost') return;
    this.blame(why);
    for (const { evicted } of [...(this.deadlines ?? [])]) evicted(why);
    this.observers.farewell(why);
    this.host.leave();
  }

  forget(now: number): void {
    const known = this.identified;
    this.state = 'lost';
    this.observers.clear();
    this.uploads?.clear();
    this.waiting = NO_REQUESTS;
    this.unkept = NO_ANSWERS;
    this.deadlines = undefined;
    this.identified = undefined;
    known?.leave(true, now);
  }
}

/** What requests for blocks of one body have in common; sealed ones have nothing in common with others. */
export function operationOf({ protection }: Exchange, message: CoapMessage): string {
  return `${protection === undefined ? '' : 'sealed '}${operationKey(message)}`;
}

function credentialsOf({ options: { query }, exchange }: Request): Credentials {
  return {
    client: query.get('c') ?? '',
    username: query.get('u'),
    password: query.get('p'),
    proven: exchange.protection?.user,
  };
}

function inOrder(options: CoapOption[]): CoapOption[] {
  return options.length < 2 ? options : options.toSorted((a, b) => a.number - b.number);
}

/** Reliable as the request was: confirmable is at least once. */
export function qosOf(exchange: Pick<Exchange, 'type'>): Qos {
  return exchange.type === CONFIRMABLE ? 1 : 0;
}

/** A token as text. */
export function keyOf(token: Uint8Array): string {
  let key = '';
  for (const octet of token) key += octet.toString(16).padStart(2, '0');
  return key;
}

/** Whether one of `tags` is `tag`. */
export function hasTag(tags: readonly Uint8Array[], tag: Uint8Array): boolean {
  return tags.some((one) => sameOctets(one, tag));
}
