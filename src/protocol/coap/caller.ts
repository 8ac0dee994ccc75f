// The calling side of CoAP: calls with bodies of any size, Echo, and observations in their order; over datagrams, a stream or messages.

import { NEVER } from '../../contract/message.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { blockOption } from './block.ts';
import { type Call, type CallEvents, Operation, optionOf } from './call.ts';
import { decodeCoap } from './decode.ts';
import { keyOf } from './endpoint.ts';
import { MessageLayer } from './exchange.ts';
import { decodeFrame, decodeMessage } from './frame.ts';
import type { Block } from './options.ts';
import {
  ACKNOWLEDGEMENT,
  CODE,
  CONFIRMABLE,
  type CoapMessage,
  type CoapOption,
  OPTION,
  RESET,
} from './packet.ts';
import type { Binding, Sealing } from './sealing.ts';
import { StreamLayer } from './stream.ts';

const TOKEN_BYTES = 4;
/** How long an answer may take after its request was acknowledged: MAX_TRANSMIT_WAIT [RFC7252-4.8.2]. */
const ANSWER_MS = 93_000;
const STREAM_MESSAGE_BYTES = 31_000;
const UPLOAD_SZX = 6;
/** A registration is renewed at random between so long and three times that after its last value went stale [RFC7641-3.3.1]. */
const RENEWAL_MS = 5_000;

export interface CallerOptions {
  /** How messages are framed: RFC 7252, or RFC 8323 over a stream or WebSocket. */
  readonly framing: 'datagram' | 'stream' | 'message';
  /** Octets that nobody can guess. */
  readonly random: (length: number) => Uint8Array;
  readonly now: () => number;
  /** Seals all requests [RFC8613]. */
  readonly sealing?: Sealing | undefined;
  /** The connection ended, or never was. */
  readonly lost: () => void;
}

/** One request on its way, and the operation that it is part of. */
interface Sent {
  readonly operation: Operation;
  readonly until: number;
  /** The block that it asks for. */
  readonly wanted: Block | undefined;
  /** The message id of a confirmable datagram, or -1. */
  id: number;
  /** What it was sealed with. */
  binding: Binding | undefined;
}

/**
 * A call is one or more requests, each with a token of its own: blocks upward, the answer, blocks downward. The token of an observation
 * stays as long as it does, and its registration is renewed when nothing fresh came for too long.
 */
export class CoapCaller implements Peer {
  /** When something came last. */
  heardAt: number;
  /** How often something came. */
  heardCount = 0;
  private readonly wire: Wire;
  private readonly options: CallerOptions;
  private readonly datagrams: MessageLayer | undefined;
  private readonly frames: StreamLayer | undefined;
  private readonly sent = new Map<string, Sent>();
  private readonly observed = new Map<string, Operation>();
  private timer: { readonly at: number; readonly act: () => void } | undefined;

  constructor(wire: Wire, options: CallerOptions) {
    this.wire = wire;
    this.options = options;
    this.heardAt = options.now();
    if (options.framing === 'datagram') {
      const arm = () => {}; // each call ends in `schedule`
      this.datagrams = new MessageLayer(wire, { random: options.random, now: options.now, arm }, true);
    } else this.frames = new StreamLayer(wire, options.framing === 'message', STREAM_MESSAGE_BYTES);
  }

  /** The largest payload that goes without being cut into blocks. */
  get maxPayloadBytes(): number {
    return this.datagrams?.maxPayloadBytes ?? 16 << this.uploadSzx;
  }

  private get uploadSzx(): number {
    return Math.min(UPLOAD_SZX, this.frames?.maxSzx ?? UPLOAD_SZX);
  }

  /** Makes a call; `events` tell its answer, once, and for an observation each notification after it. Returns how to cancel it. */
  call(call: Call, events: CallEvents): () => void {
    const operation = new Operation(call, events, this.options.random(TOKEN_BYTES));
    this.advance(operation);
    return () => this.cancel(operation);
  }

  /** Sends a call of one message, non-confirmable where there is a difference, and does not wait: let it say that no answer is wanted. */
  tell(call: Call): void {
    const token = this.options.random(TOKEN_BYTES);
    const operation = new Operation(call, { answer() {}, failed() {} }, token);
    this.transmit(call.code, token, operation.options([]), call.payload ?? new Uint8Array(), undefined);
    this.schedule();
  }

  /** Asks whether the other side is there [RFC7252-4.3, RFC8323-5.4]; datagrams tell when it is not. */
  ping(silent: () => void): void {
    if (this.datagrams === undefined) this.frames!.ping();
    else {
      this.datagrams.ping((alive) => {
        if (!alive) silent();
      });
    }
    this.schedule();
  }

  /** One call of `act` at that time; a later call replaces an earlier one. */
  remind(at: number, act: () => void): void {
    this.timer = { at, act };
    this.schedule();
  }

  /** Says that no more requests come, where the protocol has a word for it. */
  release(): void {
    this.frames?.release();
  }

  private cancel(operation: Operation): void {
    for (const [key, { operation: other }] of this.sent) if (other === operation) this.sent.delete(key);
    if (!this.observed.delete(keyOf(operation.token))) return;
    // [RFC7641-3.6]
    const options = operation.options([{ number: OPTION.observe, value: Uint8Array.of(1) }]);
    this.transmit(CODE.get, operation.token, options, new Uint8Array(), () => {});
    this.schedule();
  }

  /** Sends the next request of an operation. */
  private advance(operation: Operation): void {
    const { code, observe, confirmable = true } = operation.call;
    const first = operation.isFirst;
    const token = first ? operation.token : this.options.random(TOKEN_BYTES);
    const extra: CoapOption[] = [];
    if (observe === true && first) extra.push({ number: OPTION.observe, value: new Uint8Array() });
    const { piece, block } = operation.upload(this.uploadSzx);
    if (block !== undefined) {
      extra.push(blockOption(OPTION.block1, block));
      // Two bodies for one resource at a time are told apart by it [RFC9175-3.3].
      extra.push({ number: OPTION.requestTag, value: operation.token });
    }
    if (operation.wanted !== undefined) extra.push(blockOption(OPTION.block2, operation.wanted));
    if (operation.echo !== undefined) extra.push({ number: OPTION.echo, value: operation.echo });
    const key = keyOf(token);
    const { wanted } = operation;
    const until = this.options.now() + ANSWER_MS;
    const one: Sent = { operation, until, wanted, id: -1, binding: undefined };
    this.sent.set(key, one);
    const ended = (acknowledged: boolean): void => {
      if (!acknowledged && this.sent.delete(key)) this.failed(operation, 'no acknowledgement');
    };
    // Blocks follow one another at the pace of their acknowledgements [RFC7959-2.3].
    const sure = confirmable || block !== undefined || operation.wanted !== undefined;
    const sealed = this.options.sealing?.seal(code, operation.options(extra), piece);
    one.binding = sealed?.binding;
    if (first && sealed !== undefined)
      operation.bindings = [sealed.binding, ...operation.bindings.slice(0, 1)];
    const m = sealed ?? { code, options: operation.options(extra), payload: piece };
    one.id = this.send(m.code, token, m.options, m.payload, sure ? ended : undefined);
    this.schedule();
  }

  /** Seals and sends what has no answer that matters. */
  private transmit(
    code: number,
    token: Uint8Array,
    options: readonly CoapOption[],
    payload: Uint8Array,
    ended: ((acknowledged: boolean) => void) | undefined,
  ): void {
    const m = this.options.sealing?.seal(code, options, payload) ?? { code, options, payload };
    this.send(m.code, token, m.options, m.payload, ended);
  }

  /** Returns the message id of a datagram. */
  private send(
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
    this.heardAt = this.options.now();
    this.heardCount++;
    if (this.datagrams !== undefined) {
      this.takeDatagram(bytes, start, end, this.datagrams);
      this.schedule();
      return end;
    }
    let at = start;
    if (this.options.framing === 'message') {
      this.takeFrame(decodeMessage(bytes, start, end), this.frames!);
      at = end;
    }
    while (at < end) {
      const frame = decodeFrame(bytes, at, end, STREAM_MESSAGE_BYTES);
      if (frame === undefined) break;
      at = frame.end;
      this.takeFrame(frame.message, this.frames!);
    }
    this.schedule();
    return at;
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
    if (known && m.type === CONFIRMABLE) layer.acknowledge(m.id);
    else if (!known && m.type < ACKNOWLEDGEMENT) layer.reset(m.id); // [RFC7641-3.6]
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
    const operation = waiting?.operation ?? this.observed.get(key);
    if (operation === undefined) return false;
    const { sealing } = this.options;
    if (sealing === undefined) this.heard(m, key, waiting, operation);
    else this.unseal(m, key, waiting, operation, sealing);
    return true;
  }

  /** What it was sealed with tells whether it answers the request or a registration before it; what nothing opens is forged. */
  private unseal(
    m: CoapMessage,
    key: string,
    waiting: Sent | undefined,
    operation: Operation,
    sealing: Sealing,
  ): void {
    const answer = waiting?.binding === undefined ? undefined : sealing.open(m, waiting.binding);
    if (answer !== undefined) {
      if (answer.renewed && operation.again(answer.message)) this.repeat(key, waiting!, operation);
      else this.heard(answer.message, key, waiting, operation);
      return;
    }
    for (const binding of operation.bindings) {
      const notification = sealing.open(m, binding);
      if (notification === undefined || notification.renewed) continue;
      this.heard(notification.message, key, undefined, operation);
      return;
    }
  }

  /** The same request, under other keys. */
  private repeat(key: string, waiting: Sent, operation: Operation): void {
    this.sent.delete(key);
    if (waiting.id >= 0) this.datagrams?.forgo(waiting.id);
    this.advance(operation);
  }

  private heard(m: CoapMessage, key: string, waiting: Sent | undefined, operation: Operation): void {
    if (waiting === undefined) {
      this.notified(operation, m, key);
      return;
    }
    this.sent.delete(key);
    if (waiting.id >= 0) this.datagrams?.forgo(waiting.id); // its acknowledgement may be lost [RFC7252-5.2.2]
    if (waiting.wanted !== operation.wanted) return; // of a body that a newer one has replaced
    if (operation.isFirst && operation.call.observe === true) this.registered(operation, m, key);
    if (operation.take(m) === 'more') this.advance(operation);
  }

  /** Whether the observation stands after this answer to its registration [RFC7641-3.1]. */
  private registered(operation: Operation, m: CoapMessage, key: string): void {
    if (optionOf(m, OPTION.observe) === undefined) {
      const asked = m.code === CODE.unauthorized && optionOf(m, OPTION.echo) !== undefined; // to come again
      if (!asked) this.observed.delete(key);
      return;
    }
    this.observed.set(key, operation);
    operation.isFresh(m, this.options.now());
    this.age(operation, m);
  }

  private notified(operation: Operation, m: CoapMessage, key: string): void {
    if (m.code >> 5 !== 2)
      this.observed.delete(key); // [RFC7641-4.2]
    else if (!operation.isFresh(m, this.options.now())) return;
    this.age(operation, m);
    if (operation.renew(m) === 'more') this.advance(operation);
  }

  /** What came is fresh for its Max-Age; what is due after that is spread, so that many observers do not come at once [RFC7641-3.3.1]. */
  private age(operation: Operation, m: CoapMessage): void {
    const spread = 1 + (2 * this.options.random(1)[0]!) / 256;
    operation.renewAt = this.options.now() + operation.freshMs(m) + RENEWAL_MS * spread;
  }

  drained(): void {}

  wake(now: number): void {
    for (const [key, { until, operation }] of this.sent) {
      if (until > now) continue;
      this.sent.delete(key);
      this.failed(operation, 'no answer');
    }
    // Streams tell when the other side is gone, and lose nothing [RFC8323-A.3].
    if (this.datagrams !== undefined) this.renew(now);
    const { timer } = this;
    if (timer !== undefined && timer.at <= now) {
      this.timer = undefined;
      timer.act();
    }
    this.schedule();
  }

  private renew(now: number): void {
    for (const operation of this.observed.values()) {
      const busy = operation.wanted !== undefined || this.sent.has(keyOf(operation.token));
      if (operation.renewAt > now || busy) continue;
      operation.restart();
      this.advance(operation);
    }
  }

  private failed(operation: Operation, why: string): void {
    this.observed.delete(keyOf(operation.token));
    operation.fail(why);
  }

  private schedule(): void {
    const now = this.options.now();
    let next = Math.min(this.datagrams?.tick(now) ?? NEVER, this.timer?.at ?? NEVER);
    for (const { until } of this.sent.values()) next = Math.min(next, until);
    if (this.datagrams !== undefined) {
      for (const operation of this.observed.values()) {
        if (operation.wanted === undefined && !this.sent.has(keyOf(operation.token)))
          next = Math.min(next, operation.renewAt);
      }
    }
    this.wire.wake(next);
  }

  broken(why: Error): void {
    this.frames?.abort(why);
  }

  lost(): void {
    const left = new Set([...[...this.sent.values()].map((one) => one.operation), ...this.observed.values()]);
    this.sent.clear();
    this.observed.clear();
    for (const operation of left) operation.fail('the connection is lost');
    this.options.lost();
  }
}
