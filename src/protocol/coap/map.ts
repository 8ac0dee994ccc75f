// Between CoAP's words and the hub's: paths and topics, content formats and types, outcomes and response codes.

import {
  type Dialect,
  dialectSlot,
  type Message,
  type Meta,
  NEVER,
  type Qos,
} from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { decodeUint } from './decode.ts';
import { encodeOptions, encodeUint } from './encode.ts';
import { CODE, type CoapMessage, type CoapOption, OPTION } from './packet.ts';

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

/** Lengths that an option may have, and whether it may stand more than once (RFC 7252 table 4, RFC 7641 section 2). */
interface OptionRule {
  readonly min: number;
  readonly max: number;
  readonly repeatable: boolean;
}

const RULES = new Map<number, OptionRule>([
  [OPTION.uriHost, { min: 1, max: 255, repeatable: false }],
  [OPTION.observe, { min: 0, max: 3, repeatable: false }],
  [OPTION.uriPort, { min: 0, max: 2, repeatable: false }],
  [OPTION.uriPath, { min: 0, max: 255, repeatable: true }],
  [OPTION.contentFormat, { min: 0, max: 2, repeatable: false }],
  [OPTION.uriQuery, { min: 0, max: 255, repeatable: true }],
  [OPTION.accept, { min: 0, max: 2, repeatable: false }],
  [OPTION.proxyUri, { min: 1, max: 1034, repeatable: false }],
  [OPTION.proxyScheme, { min: 1, max: 255, repeatable: false }],
]);

/** What a request asks for. */
export interface Wish {
  readonly topic: string;
  /** Undefined: the request does not say. */
  readonly qos: Qos | undefined;
  readonly retain: boolean;
  readonly observe: number | undefined;
  readonly accept: number | undefined;
  readonly contentFormat: number | undefined;
  readonly client: string;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
}

/** Why a request cannot be understood, as a response code and a diagnostic payload. */
export interface Refusal {
  readonly code: number;
  readonly why: string;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** The request's options, all checked. Its path is `{root}/{level}/…`, its query `qos= retain= c= u= p=`. */
export function wishOf(m: CoapMessage, root: string): Wish | Refusal {
  const path: string[] = [];
  const query = new Map<string, string>();
  let observe: number | undefined;
  let accept: number | undefined;
  let contentFormat: number | undefined;
  let last = -1;
  for (const { number, value } of m.options) {
    const rule = RULES.get(number);
    const known =
      rule !== undefined &&
      value.length >= rule.min &&
      value.length <= rule.max &&
      (rule.repeatable || number !== last);
    last = number;
    if (!known) {
      // Odd numbers are critical: not understood is not done. [RFC7252-5.4.1, 5.4.3, 5.4.5]
      if (number % 2 === 1) return { code: CODE.badOption, why: `option ${number}` };
      continue;
    }
    if (number === OPTION.proxyUri || number === OPTION.proxyScheme) {
      return { code: CODE.proxyingNotSupported, why: 'no proxy' }; // [RFC7252-5.10.2]
    }
    if (number === OPTION.observe) observe = decodeUint(value);
    else if (number === OPTION.accept) accept = decodeUint(value);
    else if (number === OPTION.contentFormat) contentFormat = decodeUint(value);
    else if (number === OPTION.uriPath || number === OPTION.uriQuery) {
      const text = decodeText(value);
      if (text === undefined) return { code: CODE.badOption, why: `option ${number} is not UTF-8` };
      if (number === OPTION.uriPath) path.push(text);
      else addTerm(query, text);
    }
  }
  if (path.length < 2 || path[0] !== root) return { code: CODE.notFound, why: `topics are under /${root}/` };
  // A slash inside a segment would become two levels, and name another topic than the path does.
  if (path.some((level) => level.includes('/')))
    return { code: CODE.badRequest, why: 'slash inside a path segment' };
  const qos = query.get('qos');
  if (qos !== undefined && !/^[012]$/.test(qos)) return { code: CODE.badRequest, why: 'qos is 0, 1 or 2' };
  const retain = query.get('retain') ?? 'false';
  if (!/^(?:true|false|0|1|)$/.test(retain)) return { code: CODE.badRequest, why: 'retain is true or false' };
  const password = query.get('p');
  return {
    topic: path.slice(1).join('/'),
    qos: qos === undefined ? undefined : (Number(qos) as Qos),
    retain: retain === 'true' || retain === '1' || retain === '',
    observe,
    accept,
    contentFormat,
    client: query.get('c') ?? '',
    username: query.get('u'),
    password: password === undefined ? undefined : utf8.encode(password),
  };
}

function decodeText(value: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(value);
  } catch {
    return undefined; // not UTF-8
  }
}

/** The first of several terms of one name counts. */
function addTerm(query: Map<string, string>, term: string): void {
  const equals = term.indexOf('=');
  const name = equals < 0 ? term : term.slice(0, equals);
  if (!query.has(name)) query.set(name, equals < 0 ? '' : term.slice(equals + 1));
}

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
function representation(m: Message, now: number): CoapOption[] {
  const options: CoapOption[] = [];
  const format = contentFormatOf(m.meta);
  if (format !== undefined) options.push({ number: OPTION.contentFormat, value: encodeUint(format) });
  if (m.expiresAt !== NEVER) {
    const seconds = Math.min(Math.max(Math.ceil((m.expiresAt - now) / 1_000), 0), 0xffff_ffff);
    options.push({ number: OPTION.maxAge, value: encodeUint(seconds) });
  }
  return options;
}

/** Everything of a notification behind the Observe option, where it depends on the message alone. */
const NOTIFICATION: Dialect = {
  slot: dialectSlot(),
  encode: (m) => encodeOptions(representation(m, 0), OPTION.observe, m.payload),
};

/** Options behind Observe, marker and payload. Cached, unless its age must be told. */
export function notificationTail(m: Message, now: number): Uint8Array {
  if (m.expiresAt === NEVER) return m.frame(NOTIFICATION);
  return encodeOptions(representation(m, now), OPTION.observe, m.payload);
}

/** The answer to a GET: options and payload of the message. */
export function contentOf(m: Message, now: number): { options: CoapOption[]; payload: Uint8Array } {
  return { options: representation(m, now), payload: m.payload };
}
