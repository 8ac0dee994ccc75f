// The message layer of streams and WebSockets (RFC 8323): frames, and the signalling messages that replace types and ids.

import { ProtocolError } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import { decodeUint, MAX_TOKEN_BYTES } from './decode.ts';
import { encodeOptions, encodeUint } from './encode.ts';
import { encodeFrame, encodeSignal } from './frame.ts';
import { type Exchange, type Layer, observeBytes, unwanted, writeObserve } from './layer.ts';
import { CODE, CONFIRMABLE, type CoapMessage, type CoapOption, NOTHING, SIGNAL } from './packet.ts';

/** What a side may send before it has heard the other's settings [RFC8323-5.3.1]. */
const BASE_MESSAGE_BYTES = 1_152;
/** Room that header, token and options may take beside a payload. */
const OPTIONS_BYTES = 1_024;
/** The same where messages are smaller than the base size, and whoever says less than the smallest block needs. */
const FEW_OPTIONS_BYTES = 64;
const LEAST_MESSAGE_BYTES = FEW_OPTIONS_BYTES + 16;

/** Options of signalling messages; the numbers mean something else in each [RFC8323-5.2]. */
const CSM = { maxMessageSize: 2, blockWise: 4, extendedTokenLength: 6 } as const;
const CUSTODY = 2;
const BAD_CSM_OPTION = 2;

export class StreamLayer implements Layer {
  readonly reliable = true;
  readonly verified = true;
  readonly unacknowledged = 0;
  /** The other side's settings have come: nothing else may come first [RFC8323-5.3]. */
  private settled = false;
  private theirMax = BASE_MESSAGE_BYTES;
  private theirBlocks = false;
  /** Requests that were not answered yet. */
  private pending = 0;
  private readonly wire: Wire;
  /** Every frame is a WebSocket message. */
  private readonly whole: boolean;
  private readonly maxBytes: number;

  constructor(wire: Wire, whole: boolean, maxBytes: number) {
    this.wire = wire;
    this.whole = whole;
    this.maxBytes = maxBytes;
    this.signal(SIGNAL.csm, NOTHING, [
      { number: CSM.maxMessageSize, value: encodeUint(maxBytes) },
      { number: CSM.blockWise, value: NOTHING },
      { number: CSM.extendedTokenLength, value: encodeUint(MAX_TOKEN_BYTES) },
    ]);
  }

  /** BERT needs block-wise transfer and messages above the base size on their side [RFC8323-6]. */
  get maxSzx(): number {
    if (this.theirMax < BASE_MESSAGE_BYTES)
      return Math.min(6, Math.floor(Math.log2((this.theirMax - FEW_OPTIONS_BYTES) / 16)));
    return this.theirBlocks && this.theirMax > BASE_MESSAGE_BYTES + OPTIONS_BYTES ? 7 : 6;
  }

  get maxPayloadBytes(): number {
    if (this.theirMax < BASE_MESSAGE_BYTES) return 16 << this.maxSzx;
    return Math.max(1_024, this.theirMax - OPTIONS_BYTES);
  }

  echoed(): void {}

  begin(m: CoapMessage, now: number): Exchange {
    this.pending++;
    return {
      type: CONFIRMABLE,
      id: 0,
      token: m.token,
      at: now,
      multicast: false,
      repeatable: false,
      silent: 0,
      promised: false,
      protection: undefined,
    };
  }

  respond(
    exchange: Exchange,
    code: number,
    options: readonly CoapOption[] = [],
    payload: Uint8Array = NOTHING,
  ): void {
    this.pending--;
    if (exchange.silent !== 0 && unwanted(exchange.silent, code)) return;
    const { token, protection } = exchange;
    const m = protection === undefined ? { code, options, payload } : protection.seal(code, options, payload);
    this.send(m.code, token, m.options, m.payload);
  }

  challenge(exchange: Exchange): void {
    this.respond(exchange, CODE.unauthorized);
  }

  abandon(): void {
    this.pending--;
  }

  notify(token: Uint8Array, sequence: number, eTag: Uint8Array | undefined, tail: Uint8Array): number {
    const rest = new Uint8Array(observeBytes(eTag, sequence) + tail.length);
    rest.set(tail, writeObserve(rest, 0, eTag, sequence));
    this.wire.write(encodeFrame(CODE.content, token, rest, this.whole));
    return -1;
  }

  push(code: number, token: Uint8Array, options: readonly CoapOption[], payload: Uint8Array): number {
    this.send(code, token, options, payload);
    return -1;
  }

  forgo(): void {}

  inherit(): void {}

  farewell(token: Uint8Array, code: number): void {
    this.send(code, token, [], NOTHING);
  }

  /** Any message; also the client's side. */
  send(code: number, token: Uint8Array, options: readonly CoapOption[], payload: Uint8Array): void {
    this.wire.write(encodeFrame(code, token, encodeOptions(options, 0, payload), this.whole));
  }

  private signal(
    code: number,
    token: Uint8Array,
    options: readonly CoapOption[],
    payload: Uint8Array = NOTHING,
  ): void {
    this.wire.write(encodeSignal(code, token, options, payload, this.whole));
  }

  /** Deals with a signalling message. True: the other side leaves [RFC8323-5.5, 5.6]. */
  signalled(m: CoapMessage): boolean {
    if (!this.settled && m.code !== SIGNAL.csm)
      throw new ProtocolError('RFC8323-5.3', 'the first message is no CSM');
    const critical = m.code === SIGNAL.csm ? undefined : m.options.find((o) => o.number % 2 === 1);
    if (critical !== undefined)
      throw new ProtocolError('RFC8323-5.2', `a critical option ${critical.number} in a signal`);
    switch (m.code) {
      case SIGNAL.csm:
        this.settle(m);
        return false;
      case SIGNAL.ping:
        this.pong(m);
        return false;
      case SIGNAL.release:
      case SIGNAL.abort:
        return true;
      default:
        return false; // a pong, or a code of the future [RFC8323-5.1]
    }
  }

  private settle(m: CoapMessage): void {
    this.settled = true;
    for (const { number, value } of m.options) {
      if (number === CSM.maxMessageSize) this.theirMax = Math.max(decodeUint(value), LEAST_MESSAGE_BYTES);
      else if (number === CSM.blockWise) this.theirBlocks = true;
      else if (number % 2 === 1) throw new BadCsmOption(number); // [RFC8323-5.3]
    }
  }

  /** With custody, if it was asked for and every request before it has been answered [RFC8323-5.4.1]. */
  private pong(m: CoapMessage): void {
    const asked = this.pending === 0 && m.options.some((o) => o.number === CUSTODY);
    this.signal(SIGNAL.pong, m.token, asked ? [{ number: CUSTODY, value: NOTHING }] : []);
  }

  /** The last words to who broke the protocol [RFC8323-5.6]. */
  abort(why: Error): void {
    const bad =
      why instanceof BadCsmOption ? [{ number: BAD_CSM_OPTION, value: encodeUint(why.number) }] : [];
    this.signal(SIGNAL.abort, NOTHING, bad, new TextEncoder().encode(why.message));
  }

  ping(): void {
    this.signal(SIGNAL.ping, NOTHING, []);
  }

  /** An orderly end [RFC8323-5.5]. */
  release(): void {
    this.signal(SIGNAL.release, NOTHING, []);
  }

  get limit(): number {
    return this.maxBytes;
  }

  /** Requests and responses come after the settings only. */
  checkSettled(): void {
    if (!this.settled) throw new ProtocolError('RFC8323-5.3', 'the first message is no CSM');
  }
}

class BadCsmOption extends ProtocolError {
  readonly number: number;
  constructor(number: number) {
    super('RFC8323-5.3', `a critical option ${number} in the settings`);
    this.number = number;
  }
}
