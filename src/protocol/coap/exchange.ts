// The message layer: duplicates are answered as before, confirmable messages are sent again until they are acknowledged.

import type { Wire } from '../../contract/wire.ts';
import { encodeCoap, encodeUint, writeHead } from './encode.ts';
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

const ACK_TIMEOUT_MS = 2_000; // [RFC7252-4.8]
const ACK_RANDOM_FACTOR = 1.5;
const MAX_RETRANSMIT = 4;
const EXCHANGE_LIFETIME_MS = 247_000; // [RFC7252-4.8.2]
/** An answer that takes longer is announced by an empty acknowledgement, before the client sends again. [RFC7252-5.2.2] */
const PROMISE_MS = 1_000;
/** Requests of one endpoint that are remembered; a client with NSTART 1 has one at a time. */
const MAX_REMEMBERED = 64;

/** One request and what is known of its answer. */
export interface Exchange {
  readonly type: number;
  readonly id: number;
  readonly token: Uint8Array;
  readonly at: number;
  /** The datagram that answered it, sent again to a duplicate. */
  answer: Uint8Array | undefined;
  /** An empty acknowledgement went out: the answer follows as a message of its own. */
  promised: boolean;
}

interface Outstanding {
  readonly id: number;
  readonly datagram: Uint8Array;
  readonly ended: (acknowledged: boolean) => void;
  tries: number;
  timeoutMs: number;
  /** When to send it again; 0: the next tick, which knows the time, works it out. */
  due: number;
}

export class MessageLayer {
  private readonly wire: Wire;
  private readonly exchanges = new Map<number, Exchange>();
  private readonly pending = new Set<Exchange>();
  private readonly outstanding = new Map<number, Outstanding>();
  private nextId: number;

  constructor(wire: Wire, firstId: number) {
    this.wire = wire;
    this.nextId = firstId & 0xffff;
  }

  /** Confirmable messages that wait for an acknowledgement. */
  get unacknowledged(): number {
    return this.outstanding.size;
  }

  /** A new exchange, or undefined when the request is a duplicate, which is dealt with here. [RFC7252-4.5] */
  begin(m: CoapMessage, now: number): Exchange | undefined {
    this.forget(now);
    const known = this.exchanges.get(m.id);
    if (known !== undefined) {
      if (known.type !== CONFIRMABLE) return undefined;
      if (known.promised) this.acknowledge(known.id);
      else if (known.answer !== undefined) this.wire.write(known.answer);
      return undefined;
    }
    const exchange: Exchange = {
      type: m.type,
      id: m.id,
      token: m.token,
      at: now,
      answer: undefined,
      promised: false,
    };
    this.exchanges.set(m.id, exchange);
    this.pending.add(exchange);
    return exchange;
  }

  /** Entries are in order of time: the oldest go first, by age or by number. */
  private forget(now: number): void {
    for (const [id, exchange] of this.exchanges) {
      if (now - exchange.at < EXCHANGE_LIFETIME_MS && this.exchanges.size < MAX_REMEMBERED) return;
      this.exchanges.delete(id);
    }
  }

  /** Answers a request: piggybacked on the acknowledgement, or on its own when that went out before. [RFC7252-5.2] */
  respond(
    exchange: Exchange,
    code: number,
    options: readonly CoapOption[] = [],
    payload: Uint8Array = NOTHING,
  ): void {
    if (!this.pending.delete(exchange)) throw new Error('answered twice');
    const { token } = exchange;
    if (exchange.type === CONFIRMABLE && !exchange.promised) {
      exchange.answer = encodeCoap({ type: ACKNOWLEDGEMENT, code, id: exchange.id, token, options, payload });
      this.wire.write(exchange.answer);
      return;
    }
    const id = this.newId();
    const type = exchange.type === CONFIRMABLE ? CONFIRMABLE : NON_CONFIRMABLE;
    const datagram = encodeCoap({ type, code, id, token, options, payload });
    this.wire.write(datagram);
    if (type === CONFIRMABLE) this.expectAnswer(id, datagram, () => {});
  }

  /** Leaves a request without an answer, as multicast and rejected ones are. */
  abandon(exchange: Exchange): void {
    this.pending.delete(exchange);
  }

  /** Sends 2.05 with Observe; returns its message id. Confirmable: `ended` tells whether it was acknowledged. */
  notify(
    token: Uint8Array,
    sequence: number,
    tail: Uint8Array,
    ended: ((acknowledged: boolean) => void) | undefined,
  ): number {
    const id = this.newId();
    const value = encodeUint(sequence);
    const length = 4 + token.length + 1 + value.length + tail.length;
    if (ended === undefined) {
      const at = this.wire.reserve(length);
      writeNotification(this.wire.bytes, at, NON_CONFIRMABLE, id, token, value, tail);
      return id;
    }
    const datagram = new Uint8Array(length);
    writeNotification(datagram, 0, CONFIRMABLE, id, token, value, tail);
    this.wire.write(datagram);
    this.expectAnswer(id, datagram, ended);
    return id;
  }

  private expectAnswer(id: number, datagram: Uint8Array, ended: Outstanding['ended']): void {
    // No random source here: the id spreads first time-outs over ACK_TIMEOUT … ACK_TIMEOUT × ACK_RANDOM_FACTOR. [RFC7252-4.2]
    const spread = ((Math.imul(id, 0x9e37) >>> 4) & 0xff) / 256;
    const timeoutMs = ACK_TIMEOUT_MS * (1 + (ACK_RANDOM_FACTOR - 1) * spread);
    this.outstanding.set(id, { id, datagram, ended, tries: 0, timeoutMs, due: 0 });
    this.wire.wake(0);
  }

  /** An error notification: the observation ends on this side. */
  farewell(token: Uint8Array, code: number): void {
    const id = this.newId();
    this.wire.write(encodeCoap({ type: NON_CONFIRMABLE, code, id, token, options: [], payload: NOTHING }));
  }

  acknowledged(id: number): void {
    const sent = this.outstanding.get(id);
    if (sent === undefined) return;
    this.outstanding.delete(id);
    sent.ended(true);
  }

  /** The receiver does not know what message `id` is about. */
  wasReset(id: number): void {
    const sent = this.outstanding.get(id);
    if (sent === undefined) return;
    this.outstanding.delete(id);
    sent.ended(false);
  }

  acknowledge(id: number): void {
    this.wire.write(
      encodeCoap({ type: ACKNOWLEDGEMENT, code: 0, id, token: NOTHING, options: [], payload: NOTHING }),
    );
  }

  reset(id: number): void {
    this.wire.write(encodeCoap({ type: RESET, code: 0, id, token: NOTHING, options: [], payload: NOTHING }));
  }

  /** Does what is due and returns when to come again. */
  tick(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const exchange of this.pending) {
      if (exchange.type !== CONFIRMABLE || exchange.promised) continue;
      if (exchange.at + PROMISE_MS <= now) {
        exchange.promised = true;
        this.acknowledge(exchange.id);
      } else next = Math.min(next, exchange.at + PROMISE_MS);
    }
    for (const sent of this.outstanding.values()) {
      if (sent.due === 0) sent.due = now + sent.timeoutMs;
      else if (sent.due <= now) {
        if (sent.tries === MAX_RETRANSMIT) {
          this.outstanding.delete(sent.id);
          sent.ended(false);
          continue;
        }
        sent.tries++;
        sent.timeoutMs *= 2;
        sent.due = now + sent.timeoutMs;
        this.wire.write(sent.datagram);
      }
      next = Math.min(next, sent.due);
    }
    return next;
  }

  private newId(): number {
    do this.nextId = (this.nextId + 1) & 0xffff;
    while (this.outstanding.has(this.nextId));
    return this.nextId;
  }
}

function writeNotification(
  bytes: Uint8Array,
  start: number,
  type: number,
  id: number,
  token: Uint8Array,
  sequence: Uint8Array,
  tail: Uint8Array,
): void {
  let at = writeHead(bytes, start, type, CODE.content, id, token);
  bytes[at++] = (OPTION.observe << 4) | sequence.length;
  bytes.set(sequence, at);
  bytes.set(tail, at + sequence.length);
}
