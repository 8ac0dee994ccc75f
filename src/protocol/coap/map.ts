// Between CoAP's words and the hub's: paths and topics, content formats and types, outcomes and response codes.

import { type Message, type Meta, NEVER } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { encodeUint } from './encode.ts';
import { decodeText } from './options.ts';
import { CODE, type CoapOption, OPTION } from './packet.ts';

/** What each outcome of the hub is called in CoAP. */
export const CODE_OF = {
  ok: CODE.changed,
  unmatched: CODE.changed,
  'bad-credentials': CODE.unauthorized,
  'bad-authentication-method': CODE.unauthorized,
  'not-authorized': CODE.forbidden,
  'identifier-invalid': CODE.badRequest,
  'topic-invalid': CODE.badRequest,
  'filter-invalid': CODE.badRequest,
  'payload-invalid': CODE.badRequest,
  'too-large': CODE.requestTooLarge,
  'quota-exceeded': CODE.tooManyRequests,
  'rate-exceeded': CODE.tooManyRequests,
  'no-subscription': CODE.notFound,
  'not-supported': CODE.notImplemented,
  'taken-over': CODE.unavailable,
  'slow-consumer': CODE.unavailable,
  idle: CODE.unavailable,
  'disconnected-by-admin': CODE.forbidden,
  busy: CODE.unavailable,
  unavailable: CODE.unavailable,
  'use-another-server': CODE.unavailable,
  'server-moved': CODE.unavailable,
  'shutting-down': CODE.unavailable,
} as const satisfies Record<Outcome, number>;

/** Content-Formats (IANA, CoAP Content-Formats) and the media types they stand for. */
const FORMATS: readonly (readonly [number: number, type: string])[] = [
  [0, 'text/plain;charset=utf-8'],
  [40, 'application/link-format'],
  [41, 'application/xml'],
  [42, 'application/octet-stream'],
  [47, 'application/exi'],
  [50, 'application/json'],
  [51, 'application/json-patch+json'],
  [52, 'application/merge-patch+json'],
  [60, 'application/cbor'],
  [61, 'application/cwt'],
  [63, 'application/cbor-seq'],
  [110, 'application/senml+json'],
  [112, 'application/senml+cbor'],
  [11542, 'application/vnd.oma.lwm2m+tlv'],
  [11543, 'application/vnd.oma.lwm2m+json'],
  [11544, 'application/vnd.oma.lwm2m+cbor'],
];
const utf8 = new TextEncoder();
const TYPE_OF = new Map(FORMATS);
const FORMAT_OF = new Map(FORMATS.map(([number, type]) => [type, number]));
/** A format without a media type that we know crosses the hub by its number. */
const BY_NUMBER = 'coap-content-format/';

export function contentTypeOf(format: number): string {
  return TYPE_OF.get(format) ?? BY_NUMBER + format;
}

/** The Content-Format of a message, or undefined when its type has no number. */
export function contentFormatOf(meta: Meta | undefined): number | undefined {
  if (meta?.contentType === undefined) return meta?.text === true ? 0 : undefined;
  const type = meta.contentType.toLowerCase().replaceAll(' ', '');
  if (type === 'text/plain') return 0;
  if (type.startsWith(BY_NUMBER)) {
    const number = Number(type.slice(BY_NUMBER.length));
    return Number.isInteger(number) && number >= 0 && number <= 0xffff ? number : undefined;
  }
  return FORMAT_OF.get(type);
}

/** The meta of a request's payload. Text is promised only where it is UTF-8: receivers may close over a broken promise. */
export function metaOf(format: number | undefined, payload: Uint8Array): Meta | undefined {
  if (format === undefined) return undefined;
  const contentType = contentTypeOf(format);
  return format === 0 && decodeText(payload) !== undefined ? { contentType, text: true } : { contentType };
}

/** Options of a message's representation that follow Observe; Max-Age says how long it stays fresh. */
export function representation(m: Message, now: number): CoapOption[] {
  const options: CoapOption[] = [];
  const format = contentFormatOf(m.meta);
  if (format !== undefined) options.push({ number: OPTION.contentFormat, value: encodeUint(format) });
  if (m.expiresAt !== NEVER) options.push(maxAge((m.expiresAt - now) / 1_000));
  return options;
}

export function maxAge(seconds: number): CoapOption {
  const whole = Math.min(Math.max(Math.ceil(seconds), 0), 0xffff_ffff);
  return { number: OPTION.maxAge, value: encodeUint(whole) };
}

/** A path as options of `number`, a segment each. */
export function pathOptions(number: number, path: readonly string[]): CoapOption[] {
  return path.map((segment) => ({ number, value: utf8.encode(segment) }));
}
