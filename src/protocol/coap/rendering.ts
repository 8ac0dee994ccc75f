// How a message looks in an answer or a notification: options and payload, whole or its first block, cached where many get the same.

import { type Dialect, dialectSlot, type Message, NEVER } from '../../contract/message.ts';
import { blockOption, cut, eTagOf } from './block.ts';
import { encodeOptions, encodeUint } from './encode.ts';
import { type Envelope, encodeEnvelope, needsEnvelope } from './envelope.ts';
import { contentFormatOf, maxAge, pathOptions, representation } from './map.ts';
import { type CoapOption, ENVELOPE_FORMAT, NOTHING, OPTION } from './packet.ts';

/** The first path segment of every topic: `coap://host/t/{topic…}`. */
export const TOPICS = 't';

/** What the reader asked for. */
export interface Shape {
  /** Each message tells its topic, because a filter with wildcards does not. */
  readonly located: boolean;
  /** 'auto': an envelope, as CBOR, for the messages that need one. */
  readonly envelope: Envelope | 'auto' | undefined;
  /** Every message counts, so that none makes way for a newer one. */
  readonly every: boolean;
}

export interface Rendering {
  /** In ascending order, without ETag and Observe. */
  readonly options: CoapOption[];
  readonly payload: Uint8Array;
}

const ENVELOPES: Readonly<Record<Envelope, Dialect & { readonly format: number }>> = {
  json: { slot: dialectSlot(), encode: (m) => encodeEnvelope(m, 'json'), format: 50 },
  cbor: { slot: dialectSlot(), encode: (m) => encodeEnvelope(m, 'cbor'), format: 60 },
};

export function render(m: Message, shape: Shape, now: number): Rendering {
  const envelope = envelopeFor(m, shape);
  if (envelope !== undefined) {
    const { format } = ENVELOPES[envelope];
    const options = enveloped(m, shape.envelope === 'auto' ? ENVELOPE_FORMAT : format, now);
    return { options, payload: m.frame(ENVELOPES[envelope]) };
  }
  const options = representation(m, now);
  if (shape.located) options.unshift(...pathOptions(OPTION.locationPath, [TOPICS, ...m.topic.split('/')]));
  return { options, payload: m.payload };
}

function envelopeFor(m: Message, { envelope }: Shape): Envelope | undefined {
  if (envelope !== 'auto') return envelope;
  return needsEnvelope(m.meta) || (m.meta?.contentType !== undefined && contentFormatOf(m.meta) === undefined)
    ? 'cbor'
    : undefined;
}

function enveloped(m: Message, format: number, now: number): CoapOption[] {
  const options: CoapOption[] = [{ number: OPTION.contentFormat, value: encodeUint(format) }];
  if (m.expiresAt !== NEVER) options.push(maxAge((m.expiresAt - now) / 1_000));
  return options;
}

const ETAG: Dialect = {
  slot: dialectSlot(),
  encode: (m) => eTagOf(m.payload, contentFormatOf(m.meta) ?? -1),
};

/** The entity tag of a message's own representation, worked out once. */
export function messageTag(m: Message): Uint8Array {
  return m.frame(ETAG);
}

function tailDialect(shape: Shape): Dialect {
  return {
    slot: dialectSlot(),
    encode: (m) => {
      const { options, payload } = render(m, shape, 0);
      return encodeOptions(options, OPTION.observe, payload);
    },
  };
}

const PLAIN = tailDialect({ located: false, envelope: undefined, every: false });
const LOCATED = tailDialect({ located: true, envelope: undefined, every: false });
const AUTO = tailDialect({ located: false, envelope: 'auto', every: false });
const LOCATED_AUTO = tailDialect({ located: true, envelope: 'auto', every: false });

/** Undefined: an envelope for every message, which is not worth a cache of its own. */
function dialectOf({ located, envelope }: Shape): Dialect | undefined {
  if (envelope === undefined) return located ? LOCATED : PLAIN;
  if (envelope === 'auto') return located ? LOCATED_AUTO : AUTO;
  return undefined;
}

/** A notification behind its Observe option; `eTag` stands before that. */
export interface Notification {
  readonly eTag: Uint8Array | undefined;
  readonly tail: Uint8Array;
  /** The whole of it, when `tail` carries the first block only. */
  readonly rest: Rendering | undefined;
}

/** Cut when the payload is above `maxBytes`. Cached when neither its age nor its size asks for more. */
export function notificationOf(
  m: Message,
  shape: Shape,
  now: number,
  szx: number,
  maxBytes: number,
  retained: boolean,
): Notification {
  const dialect = dialectOf(shape);
  const marked = retained && shape.envelope === 'auto';
  const envelope = envelopeFor(m, shape);
  const length = envelope === undefined ? m.payload.length : m.frame(ENVELOPES[envelope]).length;
  if (dialect !== undefined && m.expiresAt === NEVER && length <= maxBytes && !marked)
    return { eTag: undefined, tail: m.frame(dialect), rest: undefined };
  const whole = render(m, shape, now);
  if (marked) whole.options.push({ number: OPTION.retained, value: NOTHING });
  if (whole.payload.length <= maxBytes) {
    const tail = encodeOptions(whole.options, OPTION.observe, whole.payload);
    return { eTag: undefined, tail, rest: undefined };
  }
  const eTag = envelope === undefined ? messageTag(m) : eTagOf(whole.payload, 0);
  const { block, octets } = cut(whole.payload, { num: 0, more: false, szx }, maxBytes)!;
  const sized = [
    blockOption(OPTION.block2, block),
    { number: OPTION.size2, value: encodeUint(whole.payload.length) },
  ];
  const options = [...whole.options, ...sized].toSorted((a, b) => a.number - b.number);
  const rest = { options: [{ number: OPTION.eTag, value: eTag }, ...whole.options], payload: whole.payload };
  return { eTag, tail: encodeOptions(options, OPTION.observe, octets), rest };
}
