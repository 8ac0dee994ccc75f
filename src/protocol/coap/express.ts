// The express lane: a confirmable GET or PUT of a topic, recognised by the octets of its options. Less work, and the same meaning.

import { dialectSlot, Message, type Meta, NEVER, type Qos } from '../../contract/message.ts';
import { decodeCoap } from './decode.ts';
import { encodeOptions, encodeUint } from './encode.ts';
import type { Endpoint } from './endpoint.ts';
import type { MessageLayer } from './exchange.ts';
import { contentFormatOf, metaOf } from './map.ts';
import { requestOptions } from './options.ts';
import { CODE, CONFIRMABLE, type CoapMessage, type CoapOption, NOTHING, OPTION } from './packet.ts';
import { messageTag } from './rendering.ts';
import { plainWish } from './topics.ts';

/** What the options of a request say, worked out once for all endpoints that send them. */
interface Known {
  readonly code: number;
  readonly octets: Uint8Array;
  readonly topic: string;
  readonly qos: Qos;
  readonly format: number | undefined;
  readonly meta: Meta | undefined;
}

/** Kept for the requests that come again and again; the one that was learned first makes room. */
const MAX_KNOWN = 8_192;
/** Places where a request that is not known leaves its mark: it is learned when it comes again. */
const MARKS = 16_384;
const MAX_OPTIONS_BYTES = 128;
/** Payloads of one block: what is kept of one of them keeps all of it. */
const BLOCK_BYTES = 4_096;
const MAX_SHARED_BYTES = 256;
const TEXT_FORMAT = 0;
const ORDINARY: ReadonlySet<number> = new Set([
  OPTION.uriHost,
  OPTION.uriPort,
  OPTION.uriPath,
  OPTION.contentFormat,
  OPTION.uriQuery,
]);

/** 2.05 behind the token: ETag, Content-Format, payload. */
const ANSWER = {
  slot: dialectSlot(),
  encode(m: Message): Uint8Array {
    const options: CoapOption[] = [{ number: OPTION.eTag, value: messageTag(m) }];
    const format = contentFormatOf(m.meta);
    if (format !== undefined) options.push({ number: OPTION.contentFormat, value: encodeUint(format) });
    return encodeOptions(options, 0, m.payload);
  },
};

/** One for all endpoints of a listener. */
export class ExpressLane {
  private readonly known = new Map<number, Known>();
  private readonly marks = new Uint8Array(MARKS);
  private block = new Uint8Array(BLOCK_BYTES);
  private used = 0;

  /** True: the datagram was a request, and is dealt with. False: nothing has happened. */
  take(
    bytes: Uint8Array,
    start: number,
    end: number,
    now: number,
    endpoint: Endpoint,
    layer: MessageLayer,
  ): boolean {
    // 01 00 tkl(4) | code | id | id | token… | options… | ff payload…
    const head = bytes[start]!;
    const code = bytes[start + 1]!;
    const optionsAt = start + 4 + (head & 15);
    if (head >> 4 !== 4 || (code !== CODE.get && code !== CODE.put) || (head & 15) > 8 || optionsAt > end)
      return false;
    const payloadAt = endOfOptions(bytes, optionsAt, end);
    if (payloadAt < 0 || payloadAt - optionsAt > MAX_OPTIONS_BYTES || !endpoint.expects) return false;
    const hash = hashOf(code, bytes, optionsAt, payloadAt);
    const known = this.known.get(hash);
    if (known === undefined || known.code !== code || !same(known.octets, bytes, optionsAt, payloadAt)) {
      this.learn(hash, bytes, start, optionsAt, payloadAt, end);
      return false;
    }
    const id = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    if (layer.knows(id, now)) return false; // a duplicate
    return code === CODE.get
      ? read(known, bytes, start, optionsAt, endpoint, layer)
      : this.publish(known, bytes, start, payloadAt, end, now, endpoint, layer);
  }

  private learn(hash: number, bytes: Uint8Array, start: number, from: number, to: number, end: number): void {
    const mark = (hash >>> 24) | 1;
    if (this.marks[hash & (MARKS - 1)] !== mark) {
      this.marks[hash & (MARKS - 1)] = mark;
      return;
    }
    const m = decodeCoap(bytes, start, end);
    if (m === undefined || 'malformed' in m) return;
    const known = knownOf(m, new Uint8Array(bytes.subarray(from, to)));
    if (known === undefined) return;
    if (this.known.size >= MAX_KNOWN) this.known.delete(this.known.keys().next().value!);
    this.known.set(hash, known);
  }

  private publish(
    known: Known,
    bytes: Uint8Array,
    start: number,
    payloadAt: number,
    end: number,
    now: number,
    endpoint: Endpoint,
    layer: MessageLayer,
  ): boolean {
    const tokenEnd = start + 4 + (bytes[start]! & 15);
    if (payloadAt + 1 === end || !layer.affords(tokenEnd - start) || !endpoint.spend()) return false;
    const { access } = endpoint;
    const payload = payloadAt < end ? this.copy(bytes, payloadAt + 1, end) : NOTHING;
    const { topic, qos, format } = known;
    const origin = endpoint.origin;
    const meta = format === TEXT_FORMAT ? metaOf(format, payload) : known.meta;
    const outcome = endpoint.publish(new Message(topic, payload, qos, false, origin, now, NEVER, meta));
    const done = outcome === 'ok' || outcome === 'unmatched';
    if (done && access.due <= endpoint.keptUpTo) {
      const id = (bytes[start + 2]! << 8) | bytes[start + 3]!;
      writeAnswer(layer, CODE.changed, bytes, start, tokenEnd, NOTHING);
      layer.took(id, CODE.changed, now);
      return true;
    }
    // The answer waits, or says what is wrong.
    const message = decodeCoap(bytes, start, end) as CoapMessage;
    const options = requestOptions(message);
    const exchange = layer.begin(message, now);
    if (exchange === undefined || 'code' in options) throw new Error('what the lane knows is a request');
    const request = { exchange, message, options, body: message.payload };
    if (done) endpoint.respondKept(request, CODE.changed);
    else endpoint.refuseOutcome(request, outcome);
    return true;
  }

  /** Small payloads share blocks: an array with memory of its own costs more than all the rest of a request. */
  private copy(bytes: Uint8Array, from: number, to: number): Uint8Array {
    const length = to - from;
    if (length > MAX_SHARED_BYTES) return new Uint8Array(bytes.subarray(from, to));
    if (this.used + length > BLOCK_BYTES) {
      this.block = new Uint8Array(BLOCK_BYTES);
      this.used = 0;
    }
    const at = this.used;
    this.used = at + length;
    for (let i = 0; i < length; i++) this.block[at + i] = bytes[from + i]!;
    return this.block.subarray(at, at + length);
  }
}

function read(
  { topic }: Known,
  bytes: Uint8Array,
  start: number,
  tokenEnd: number,
  endpoint: Endpoint,
  layer: MessageLayer,
): boolean {
  const m = endpoint.access.retained(topic);
  // What is left of its life changes; what is large goes in blocks.
  if (m === undefined || m.expiresAt !== NEVER || m.payload.length > layer.maxPayloadBytes) return false;
  const tail = m.frame(ANSWER);
  if (!layer.affords(tokenEnd - start + tail.length) || !endpoint.spend()) return false;
  writeAnswer(layer, CODE.content, bytes, start, tokenEnd, tail);
  return true;
}

/** A piggybacked answer: the request's own head with another type and code, and `tail` behind it. */
function writeAnswer(
  layer: MessageLayer,
  code: number,
  bytes: Uint8Array,
  start: number,
  tokenEnd: number,
  tail: Uint8Array,
): void {
  const head = tokenEnd - start;
  const { at, out } = layer.lay(head + tail.length);
  out[at] = 0x60 | (bytes[start]! & 15);
  out[at + 1] = code;
  for (let i = 2; i < head; i++) out[at + i] = bytes[start + i]!;
  if (tail.length > 0) out.set(tail, at + head);
}

/** Undefined: a request that takes the long way. */
function knownOf(m: CoapMessage, octets: Uint8Array): Known | undefined {
  if (!m.options.every((o) => ORDINARY.has(o.number))) return undefined;
  const options = requestOptions(m);
  if ('code' in options) return undefined;
  const wish = plainWish(options, CONFIRMABLE);
  if (wish === undefined) return undefined;
  const { contentFormat: format } = options;
  return { code: m.code, octets, ...wish, format, meta: metaOf(format, NOTHING) };
}

/** The offset of the payload marker, or `end`; -1: malformed. */
function endOfOptions(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== 0xff) {
    const head = bytes[at]!;
    const delta = head >> 4;
    const length = head & 15;
    // Long numbers and long values are rare: they take the long way.
    if (delta > 13 || length > 13) return -1;
    at += 1 + (delta === 13 ? 1 : 0);
    if (length === 13 && at >= end) return -1;
    at += length === 13 ? bytes[at]! + 14 : length;
  }
  return at <= end ? at : -1;
}

function hashOf(code: number, bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5 ^ code; // FNV-1a
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

function same(octets: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (octets.length !== to - from) return false;
  for (let i = 0; i < octets.length; i++) if (octets[i] !== bytes[from + i]) return false;
  return true;
}
