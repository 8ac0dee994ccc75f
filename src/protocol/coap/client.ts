// The client's side of CoAP: calls with bodies of any size, Echo, and observations in their order; over datagrams or a stream.

import type { Peer, Wire } from '../../contract/wire.ts';
import { blockOption } from './block.ts';
import { type Call, type CallEvents, Operation } from './call.ts';
import { decodeCoap } from './decode.ts';
import { keyOf } from './endpoint.ts';
import { MessageLayer } from './exchange.ts';
import { decodeFrame } from './frame.ts';
import {
  ACKNOWLEDGEMENT,
  CODE,
  CONFIRMABLE,
  type CoapMessage,
  type CoapOption,
  OPTION,
  RESET,
} from './packet.ts';
import { StreamLayer } from './stream.ts';

const TOKEN_BYTES = 4;
/** How long an answer may take after its request was acknowledged: MAX_TRANSMIT_WAIT [RFC7252-4.8.2]. */
const ANSWER_MS = 93_000;
const STREAM_MESSAGE_BYTES = 31_000;
const UPLOAD_SZX = 6;

export interface ClientOptions {
  readonly stream: boolean;
  /** Octets that nobody can guess. */
  readonly random: (length: number) => Uint8Array;
  readonly now: () => number;
  /** The connection ended, or never was. */
  readonly lost: () => void;
}

/** One request on its way, and the operation that it is part of. */
interface Sent {
  readonly operation: Operation;
  readonly until: number;
  /** The message id of a confirmable datagram, or -1. */
  id: number;
}

/**
 * A call is one or more requests, each with a token of its own: blocks upward, the answer, blocks downward. The token of an observation
 * stays as long as it does.
 */
export class CoapClient implements Peer {
  private readonly wire: Wire;
  private readonly options: ClientOptions;
  private readonly datagrams: MessageLayer | undefined;
  private readonly frames: StreamLayer | undefined;
  private readonly sent = new Map<string, Sent>();
  private readonly observed = new Map<string, Operation>();

  constructor(wire: Wire, options: ClientOptions) {
    this.wire = wire;
    this.options = options;
    if (options.stream) this.frames = new StreamLayer(wire, false, STREAM_MESSAGE_BYTES);
    else this.datagrams = new MessageLayer(wire, options.random, true);
  }

  /** Makes a call; `events` tell its answer, once, and for an observation each notification after it. Returns how to cancel it. */
  call(call: Call, events: CallEvents): () => void {
    const operation = new Operation(call, events, this.options.random(TOKEN_BYTES));
    this.advance(operation);
    return () => this.cancel(operation);
  }

  private cancel(operation: Operation): void {
    for (const [key, { operation: other }] of this.sent) if (other === operation) this.sent.delete(key);
    if (!this.observed.delete(keyOf(operation.token))) return;
    // [RFC7641-3.6]
    const options = operation.options([{ number: OPTION.observe, value: Uint8Array.of(1) }]);
    this.transmit(CODE.get, operation.token, options, new Uint8Array(), undefined);
    this.schedule();
  }

  /** Sends the next request of an operation. */
  private advance(operation: Operation): void {
    const { code, observe } = operation.call;
    const first = operation.isFirst;
    const token = first ? operation.token : this.options.random(TOKEN_BYTES);
    const extra: CoapOption[] = [];
    if (observe === true && first) extra.push({ number: OPTION.observe, value: new Uint8Array() });
    const { piece, block } = operation.upload(UPLOAD_SZX);
    if (block !== undefined) {
      extra.push(blockOption(OPTION.block1, block));
    }
    if (operation.wanted !== undefined) extra.push(blockOption(OPTION.block2, operation.wanted));
    if (operation.echo !== undefined) extra.push({ number: OPTION.echo, value: operation.echo });
    const key = keyOf(token);
    const one: Sent = { operation, until: this.options.now() + ANSWER_MS, id: -1 };
    this.sent.set(key, one);
    one.id = this.transmit(code, token, operation.options(extra), piece, (acknowledged) => {
      if (acknowledged || !this.sent.delete(key)) return;
      operation.fail('no acknowledgement');
    });
    this.schedule();
  }

  /** Returns the message id of a datagram. */
  private transmit(
    code: number,
    token: Uint8Array,
    options: readonly CoapOption[],
    payload: Uint8Array,
    ended: ((acknowledged: boolean) => void) | undefined,
  ): number {
    if (this.datagrams !== undefined) return this.datagrams.push(code, token, options, payload, ended);
    this.frames!.send(code, token, options, payload);
    return -1;
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    if (this.datagrams !== undefined) {
      this.takeDatagram(bytes, start, end, this.datagrams);
      this.schedule();
      return end;
    }
    let at = start;
    for (;;) {
      const frame = decodeFrame(bytes, at, end, STREAM_MESSAGE_BYTES);
      if (frame === undefined) return at;
      at = frame.end;
      this.takeFrame(frame.message, this.frames!);
    }
  }

  private takeDatagram(bytes: Uint8Array, start: number, end: number, layer: MessageLayer): void {
    const m = decodeCoap(bytes, start, end);
    if (m === undefined) return;
    if ('malformed' in m) {
      if (m.type === CONFIRMABLE) layer.reset(m.id);
      return;
    }
    if (m.type === ACKNOWLEDGEMENT) layer.acknowledged(m.id);
    else if (m.type === RESET) layer.wasReset(m.id);
    if (m.code === CODE.empty || m.code >> 5 === 0) {
      if (m.type === CONFIRMABLE) layer.reset(m.id); // a ping, or a request to who serves nothing
      return;
    }
    const known = this.answered(m);
    if (m.type !== CONFIRMABLE) return;
    if (known) layer.acknowledge(m.id);
    else layer.reset(m.id); // [RFC7641-3.6]
  }

  private takeFrame(m: CoapMessage, layer: StreamLayer): void {
    if (m.code >> 5 === 7) {
      if (layer.signalled(m)) this.wire.end();
    } else if (m.code >> 5 !== 0) this.answered(m);
  }

  /** False: nobody waits for it. */
  private answered(m: CoapMessage): boolean {
    const key = keyOf(m.token);
    const waiting = this.sent.get(key);
    if (waiting === undefined) {
      const operation = this.observed.get(key);
      if (operation === undefined) return false;
      this.notified(operation, m, key);
      return true;
    }
    this.sent.delete(key);
    if (waiting.id >= 0) this.datagrams?.forgo(waiting.id); // its acknowledgement may be lost [RFC7252-5.2.2]
    const { operation } = waiting;
    if (operation.isFirst && m.options.some((o) => o.number === OPTION.observe)) {
      this.observed.set(key, operation);
      operation.isFresh(m, this.options.now());
    }
    if (operation.take(m) === 'more') this.advance(operation);
    return true;
  }

  private notified(operation: Operation, m: CoapMessage, key: string): void {
    if (m.code >> 5 !== 2)
      this.observed.delete(key); // [RFC7641-4.2]
    else if (!operation.isFresh(m, this.options.now())) return;
    if (operation.renew(m) === 'more') this.advance(operation);
  }

  drained(): void {}

  wake(now: number): void {
    for (const [key, { until, operation }] of this.sent) {
      if (until > now) continue;
      this.sent.delete(key);
      operation.fail('no answer');
    }
    this.schedule();
  }

  private schedule(): void {
    const now = this.options.now();
    let next = this.datagrams?.tick(now) ?? Number.POSITIVE_INFINITY;
    for (const { until } of this.sent.values()) next = Math.min(next, until);
    this.wire.wake(next);
  }

  broken(why: Error): void {
    this.frames?.abort(why);
  }

  lost(): void {
    for (const { operation } of [...this.sent.values()]) operation.fail('the connection is lost');
    for (const operation of [...this.observed.values()]) operation.fail('the connection is lost');
    this.sent.clear();
    this.observed.clear();
    this.options.lost();
  }
}
