// The message layer of datagrams: duplicates are answered as before, confirmable messages are sent again until they are acknowledged.

import { NEVER } from '../../contract/message.ts';
import type { Wire } from '../../contract/wire.ts';
import { type Answered, AnsweredRequests } from './answered.ts';
import { encodeCoap, headBytes, writeHead } from './encode.ts';
import { type Exchange, type Layer, observeBytes, unwanted, writeObserve } from './layer.ts';
import { type Notified, type Outstanding, OutstandingTable } from './outstanding.ts';
import {
  ACKNOWLEDGEMENT,
  CODE,
  CONFIRMABLE,
  type CoapMessage,
  type CoapOption,
  type CoapType,
  NON_CONFIRMABLE,
  NOTHING,
  OPTION,
  RESET,
} from './packet.ts';

const ACK_TIMEOUT_MS = 2_000; // [RFC7252-4.8]
const ACK_RANDOM_FACTOR = 1.5;
const MAX_RETRANSMIT = 4;
const EXCHANGE_LIFETIME_MS = 247_000; // [RFC7252-4.8.2]
/** An answer that takes longer is announced by an empty acknowledgement, before the client sends again. [RFC7252-5.2.2] */
const PROMISE_MS = 1_000;
/** Requests of one endpoint that may wait for their answers; those beyond are lost, as datagrams are. */
const MAX_PENDING = 1_024;
/** An address that may be forged gets at most so many times what came from it, IP and UDP headers included [RFC9000-8.1, RFC9175-2.4]. */
const AMPLIFICATION = 3;
const PACKET_OVERHEAD_BYTES = 28;
const ECHO_BYTES = 8;

/** Most endpoints wait for nothing most of the time: a map of their own would be half of their memory. Never written to. */
const NO_EXCHANGES: Map<number, Exchange> = new Map();
/** Where octets are laid next; one for all, because it is used at once. */
const laid: { at: number; out: Uint8Array } = { at: 0, out: NOTHING };

/** What the layer asks for. */
export interface LayerEffects {
  /** `length` octets that nobody can guess. */
  random(length: number): Uint8Array;
  now(): number;
  /** `tick` has something to do at `at`. */
  arm(at: number): void;
  /** Message `id` is to be sent again; true: another one was sent in its place. Absent: never. */
  superseded?(id: number): boolean;
}

export class MessageLayer implements Layer {
  readonly reliable = false;
  readonly maxSzx = 6;
  readonly maxPayloadBytes = 1_024; // [RFC7252-4.6]
  verified: boolean;
  private readonly wire: Wire;
  private readonly effects: LayerEffects;
  private readonly answered = new AnsweredRequests(EXCHANGE_LIFETIME_MS);
  private pending: Map<number, Exchange> = NO_EXCHANGES;
  private readonly outstanding = new OutstandingTable();
  private nextId: number;
  private echo: Uint8Array | undefined;
  /** Octets that may still be sent to an address that is not verified. */
  private credit = 0;

  /** `verified`: nobody can forge this address. */
  constructor(wire: Wire, effects: LayerEffects, verified: boolean) {
    this.wire = wire;
    this.effects = effects;
    this.verified = verified;
    const [high, low] = effects.random(2) as unknown as [number, number];
    this.nextId = (high << 8) | low; // [RFC7252-4.4]
  }

  get unacknowledged(): number {
    return this.outstanding.size;
  }

  /** A datagram of so many octets came. */
  heard(length: number): void {
    if (!this.verified) this.credit += AMPLIFICATION * (length + PACKET_OVERHEAD_BYTES);
  }

  /** Whether so many octets may be sent: an address that may be forged gets little. */
  affords(length: number): boolean {
    return this.verified || length + PACKET_OVERHEAD_BYTES <= this.credit;
  }

  private send(datagram: Uint8Array): void {
    if (!this.verified) this.credit -= datagram.length + PACKET_OVERHEAD_BYTES;
    this.wire.write(datagram);
  }

  echoed(value: Uint8Array): void {
    if (this.echo !== undefined && sameOctets(value, this.echo)) this.verified = true;
  }

  /** Room for a datagram that it affords, to be filled at once. */
  lay(length: number): { readonly at: number; readonly out: Uint8Array } {
    if (!this.verified) this.credit -= length + PACKET_OVERHEAD_BYTES;
    const { wire } = this;
    laid.at = wire.reserve(length);
    laid.out = wire.bytes;
    return laid;
  }

  /** Whether a request of this id waits, or was answered. */
  knows(id: number, now: number): boolean {
    return (this.pending.size > 0 && this.pending.has(id)) || this.answered.find(id, now) !== undefined;
  }

  /** Something of `tick`'s is due at some time. */
  get busy(): boolean {
    return this.pending.size > 0 || this.outstanding.size > 0;
  }

  /** A new exchange, or undefined when the request is a duplicate, which is dealt with here. [RFC7252-4.5] */
  begin(m: CoapMessage, now: number, multicast = false): Exchange | undefined {
    const { id, type, token } = m;
    const waiting = this.pending.get(id);
    if (waiting !== undefined) {
      if (waiting.promised && type === CONFIRMABLE) this.acknowledge(id);
      return undefined;
    }
    if (this.repeated(id, type, token, now) || this.pending.size >= MAX_PENDING) return undefined;
    const exchange: Exchange = {
      type,
      id,
      token,
      at: now,
      multicast,
      repeatable: m.code === CODE.get && !m.options.some((o) => o.number === OPTION.observe),
      silent: 0,
      promised: false,
      protection: undefined,
    };
    if (this.pending === NO_EXCHANGES) this.pending = new Map();
    this.pending.set(id, exchange);
    return exchange;
  }

  /** Whether a request was answered before; then it gets the same answer. */
  repeated(id: number, type: CoapType, token: Uint8Array, now: number): boolean {
    const before = this.answered.find(id, now);
    if (before === undefined) return false;
    if (type !== CONFIRMABLE) return true;
    if (before === 'nothing') this.acknowledge(id);
    else {
      const again = typeof before === 'number' ? bare(before, id, token) : before;
      if (this.affords(again.length)) this.send(again);
    }
    return true;
  }

  /** Piggybacked on the acknowledgement, or on its own when that went out before. [RFC7252-5.2] */
  respond(
    exchange: Exchange,
    code: number,
    options: readonly CoapOption[] = [],
    payload: Uint8Array = NOTHING,
  ): void {
    if (!this.forget(exchange)) throw new Error('answered twice');
    if (exchange.type !== CONFIRMABLE) this.remember(exchange, 'nothing');
    if (exchange.multicast && (code >> 5 !== 2 || payload.length === 0)) return; // [RFC7252-8.2]
    if (exchange.silent !== 0 && unwanted(exchange.silent, code)) {
      this.stayQuiet(exchange);
      return;
    }
    const { token, protection } = exchange;
    const m = protection === undefined ? { code, options, payload } : protection.seal(code, options, payload);
    const piggybacked = exchange.type === CONFIRMABLE && !exchange.promised;
    const type = piggybacked ? ACKNOWLEDGEMENT : exchange.type;
    const id = piggybacked ? exchange.id : this.newId();
    let datagram = encodeCoap({ type, id, token, ...m });
    if (!this.affords(datagram.length)) {
      if (exchange.multicast) return;
      datagram = encodeCoap({
        type,
        code: CODE.unauthorized,
        id,
        token,
        options: [this.newEcho()],
        payload: NOTHING,
      });
    }
    this.send(datagram);
    if (piggybacked) {
      this.remember(exchange, datagram.length === headBytes(token) ? datagram[1]! : datagram);
    } else if (type === CONFIRMABLE) {
      this.remember(exchange, 'nothing');
      this.expectAnswer(id, datagram, false, () => {});
    }
  }

  private remember({ id, repeatable, at }: Exchange, answer: Answered): void {
    if (!repeatable) this.answered.add(id, answer, at);
  }

  /** A request was answered by `code` alone, elsewhere. */
  took(id: number, code: number, now: number): void {
    this.answered.add(id, code, now);
  }

  challenge(exchange: Exchange): void {
    exchange.protection = undefined; // it is about the address, not about who asks
    this.respond(exchange, CODE.unauthorized, [this.newEcho()]);
  }

  /** One value for as long as the endpoint is known here: it proves that the client reads what is sent to its address. */
  private newEcho(): CoapOption {
    this.echo ??= this.effects.random(ECHO_BYTES);
    return { number: OPTION.echo, value: this.echo };
  }

  /** The client wants no such answer; a confirmable request is acknowledged all the same [RFC7967-2]. */
  private stayQuiet(exchange: Exchange): void {
    if (exchange.type !== CONFIRMABLE || exchange.promised) return;
    exchange.promised = true;
    this.acknowledge(exchange.id);
    this.remember(exchange, 'nothing');
  }

  abandon(exchange: Exchange): void {
    this.forget(exchange);
  }

  private forget({ id }: Exchange): boolean {
    const known = this.pending.delete(id);
    if (known && this.pending.size === 0) this.pending = NO_EXCHANGES;
    return known;
  }

  notify(
    token: Uint8Array,
    sequence: number,
    eTag: Uint8Array | undefined,
    tail: Uint8Array,
    ended: ((acknowledged: boolean) => void) | undefined,
  ): number {
    const id = this.newId();
    const type = ended === undefined ? NON_CONFIRMABLE : CONFIRMABLE;
    const notified = { token, sequence, eTag, tail };
    // To an address that may be forged little is sent; what is confirmable tries again, and gives up.
    if (this.affords(notifiedBytes(token, sequence, eTag, tail))) this.write(type, id, notified);
    if (ended !== undefined) this.expectAnswer(id, notified, false, ended);
    return id;
  }

  private write(type: CoapType, id: number, { token, sequence, eTag, tail }: Notified): void {
    const { at, out } = this.lay(notifiedBytes(token, sequence, eTag, tail));
    const end = writeHead(out, at, type, CODE.content, id, token);
    out.set(tail, writeObserve(out, end, eTag, sequence));
  }

  /** Also a request of the client's side; with `ended` it is confirmable. Returns its id. */
  push(
    code: number,
    token: Uint8Array,
    options: readonly CoapOption[],
    payload: Uint8Array,
    ended: ((acknowledged: boolean) => void) | undefined,
  ): number {
    const id = this.newId();
    const type = ended === undefined ? NON_CONFIRMABLE : CONFIRMABLE;
    const datagram = encodeCoap({ type, code, id, token, options, payload });
    if (this.affords(datagram.length)) this.send(datagram);
    if (ended !== undefined) this.expectAnswer(id, datagram, code === CODE.empty, ended);
    return id;
  }

  private expectAnswer(
    id: number,
    message: Uint8Array | Notified,
    ping: boolean,
    ended: Outstanding['ended'],
  ): void {
    // Between ACK_TIMEOUT and ACK_TIMEOUT × ACK_RANDOM_FACTOR, so that many who lose at once do not repeat at once [RFC7252-4.2]. Ids
    // begin at random, so that what is mixed from them is spread; nobody gains by guessing it.
    const spread = (Math.imul(id, 0x9e37_79b1) >>> 0) / 0x1_0000_0000;
    const timeoutMs = Math.round(ACK_TIMEOUT_MS * (1 + (ACK_RANDOM_FACTOR - 1) * spread));
    const due = this.effects.now() + timeoutMs;
    this.outstanding.add({ id, message, ended, ping, tries: 0, timeoutMs, due });
    this.effects.arm(due);
  }

  farewell(token: Uint8Array, code: number): void {
    const id = this.newId();
    const goodbye = encodeCoap({ type: NON_CONFIRMABLE, code, id, token, options: [], payload: NOTHING });
    if (this.affords(goodbye.length)) this.send(goodbye);
  }

  acknowledged(id: number): void {
    const sent = this.outstanding.take(id);
    if (sent === undefined) return;
    // Only who gets what is sent to this address knows the id. It has 16 bits, so it proves little; a forger has few tries.
    this.verified = true;
    sent.ended(true);
  }

  /** The receiver does not know what message `id` is about. */
  wasReset(id: number): void {
    const sent = this.outstanding.take(id);
    if (sent === undefined) return;
    sent.ended(sent.ping);
  }

  /** Asks whether anybody is there. */
  ping(ended: (alive: boolean) => void): void {
    this.push(CODE.empty, NOTHING, [], NOTHING, ended);
  }

  inherit(before: number, id: number): void {
    const old = this.outstanding.take(before);
    const sent = this.outstanding.find(id);
    if (old === undefined || sent === undefined) return;
    sent.tries = old.tries;
    sent.timeoutMs = old.timeoutMs;
    sent.due = old.due;
  }

  forgo(id: number): void {
    this.outstanding.take(id);
  }

  acknowledge(id: number): void {
    this.send(
      encodeCoap({ type: ACKNOWLEDGEMENT, code: 0, id, token: NOTHING, options: [], payload: NOTHING }),
    );
  }

  reset(id: number): void {
    this.send(encodeCoap({ type: RESET, code: 0, id, token: NOTHING, options: [], payload: NOTHING }));
  }

  /** Does what is due and returns when to come again. */
  tick(now: number): number {
    const { outstanding } = this;
    const promised = this.pending.size === 0 ? NEVER : this.keepPromises(now);
    if (outstanding.size === 0) return promised;
    for (let sent = outstanding.overdue(now); sent !== undefined; sent = outstanding.overdue(now))
      this.overdue(sent, now);
    return Math.min(promised, outstanding.nextDue);
  }

  /** Announces the answers that take long; returns when the next one will have taken long. */
  private keepPromises(now: number): number {
    let next = NEVER;
    for (const exchange of this.pending.values()) {
      if (exchange.type !== CONFIRMABLE || exchange.promised) continue;
      if (exchange.at + PROMISE_MS <= now) {
        exchange.promised = true;
        this.acknowledge(exchange.id);
      } else next = Math.min(next, exchange.at + PROMISE_MS);
    }
    return next;
  }

  private overdue(sent: Outstanding, now: number): void {
    if (sent.tries === MAX_RETRANSMIT) {
      this.outstanding.take(sent.id);
      sent.ended(false);
      return;
    }
    sent.tries++;
    sent.timeoutMs *= 2;
    sent.due = now + sent.timeoutMs;
    if (sent.ping || this.effects.superseded?.(sent.id) !== true) this.repeat(sent);
  }

  private repeat({ id, message }: Outstanding): void {
    if (message instanceof Uint8Array) {
      if (this.affords(message.length)) this.send(message);
      return;
    }
    const { token, sequence, eTag, tail } = message;
    if (this.affords(notifiedBytes(token, sequence, eTag, tail))) this.write(CONFIRMABLE, id, message);
  }

  private newId(): number {
    do this.nextId = (this.nextId + 1) & 0xffff;
    while (this.outstanding.has(this.nextId));
    return this.nextId;
  }
}

/** An acknowledgement with a code and nothing else. */
function bare(code: number, id: number, token: Uint8Array): Uint8Array {
  return encodeCoap({ type: ACKNOWLEDGEMENT, code, id, token, options: [], payload: NOTHING });
}

function notifiedBytes(
  token: Uint8Array,
  sequence: number,
  eTag: Uint8Array | undefined,
  tail: Uint8Array,
): number {
  return headBytes(token) + observeBytes(eTag, sequence) + tail.length;
}

export function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  return a.every((octet, i) => octet === b[i]);
}
