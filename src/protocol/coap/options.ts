// The options of a request: which are known, how long and how often they may be, and what they say.

import { decodeUint } from './decode.ts';
import { CODE, type CoapMessage, OPTION } from './packet.ts';

/** Lengths that an option may have, and whether it may stand more than once (RFC 7252 table 4, and the RFC that each belongs to). */
interface OptionRule {
  readonly min: number;
  readonly max: number;
  readonly repeatable: boolean;
}

function rule(min: number, max: number, repeatable = false): OptionRule {
  return { min, max, repeatable };
}

const RULES = new Map<number, OptionRule>([
  [OPTION.ifMatch, rule(0, 8, true)],
  [OPTION.uriHost, rule(1, 255)],
  [OPTION.eTag, rule(1, 8, true)],
  [OPTION.ifNoneMatch, rule(0, 0)],
  [OPTION.observe, rule(0, 3)],
  [OPTION.uriPort, rule(0, 2)],
  [OPTION.uriPath, rule(0, 255, true)],
  [OPTION.contentFormat, rule(0, 2)],
  [OPTION.uriQuery, rule(0, 255, true)],
  [OPTION.hopLimit, rule(1, 1)],
  [OPTION.accept, rule(0, 2)],
  [OPTION.block2, rule(0, 3)],
  [OPTION.block1, rule(0, 3)],
  [OPTION.size2, rule(0, 4)],
  [OPTION.proxyUri, rule(1, 1034)],
  [OPTION.proxyScheme, rule(1, 255)],
  [OPTION.size1, rule(0, 4)],
  [OPTION.echo, rule(1, 40)],
  [OPTION.noResponse, rule(0, 1)],
]);

/** One block's place in a body [RFC7959-2.2]. */
export interface Block {
  readonly num: number;
  readonly more: boolean;
  /** The block size is 2 ** (szx + 4); 7 is BERT: a multiple of 1024 [RFC8323-6]. */
  readonly szx: number;
}

/** What a request says besides its method and payload. */
export interface RequestOptions {
  readonly path: string[];
  /** `name=value`, or `name` alone with an empty value. The first of several of one name counts. */
  readonly query: Map<string, string>;
  /** An empty list: `If-Match` without a value, which any representation fulfils. */
  ifMatch: Uint8Array[] | undefined;
  ifNoneMatch: boolean;
  eTags: Uint8Array[];
  observe: number | undefined;
  accept: number | undefined;
  contentFormat: number | undefined;
  block1: Block | undefined;
  block2: Block | undefined;
  size1: number | undefined;
  size2: number | undefined;
  echo: Uint8Array | undefined;
  /** Classes of response that are not wanted: 2, 8 and 16 for 2.xx, 4.xx and 5.xx [RFC7967-2.1]. */
  noResponse: number;
}

/** Why a request cannot be done, as a response code and a diagnostic payload. */
export interface Refusal {
  readonly code: number;
  readonly why: string;
}

const SHORT_BYTES = 40;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The request's options, all checked. */
export function requestOptions(m: CoapMessage): RequestOptions | Refusal {
  const o: RequestOptions = {
    path: [],
    query: new Map(),
    ifMatch: undefined,
    ifNoneMatch: false,
    eTags: [],
    observe: undefined,
    accept: undefined,
    contentFormat: undefined,
    block1: undefined,
    block2: undefined,
    size1: undefined,
    size2: undefined,
    echo: undefined,
    noResponse: 0,
  };
  let last = -1;
  for (const { number, value } of m.options) {
    const known = RULES.get(number);
    const fits =
      known !== undefined &&
      value.length >= known.min &&
      value.length <= known.max &&
      (known.repeatable || number !== last);
    last = number;
    if (!fits) {
      // Odd numbers are critical: not understood is not done. [RFC7252-5.4.1, 5.4.3, 5.4.5]
      if (number % 2 === 1) return { code: CODE.badOption, why: `option ${number}` };
      continue;
    }
    const wrong = take(o, number, value);
    if (wrong !== undefined) return wrong;
  }
  return o;
}

function take(o: RequestOptions, number: number, value: Uint8Array): Refusal | undefined {
  switch (number) {
    case OPTION.uriPath:
    case OPTION.uriQuery: {
      const text = decodeText(value);
      if (text === undefined) return { code: CODE.badOption, why: `option ${number} is not UTF-8` };
      if (number === OPTION.uriPath) o.path.push(text);
      else addTerm(o.query, text);
      return undefined;
    }
    case OPTION.observe:
      o.observe = decodeUint(value);
      return undefined;
    case OPTION.contentFormat:
      o.contentFormat = decodeUint(value);
      return undefined;
    case OPTION.accept:
      o.accept = decodeUint(value);
      return undefined;
    case OPTION.block1:
      o.block1 = decodeBlock(value);
      return undefined;
    case OPTION.block2:
      o.block2 = decodeBlock(value);
      return undefined;
    case OPTION.size1:
      o.size1 = decodeUint(value);
      return undefined;
    case OPTION.size2:
      o.size2 = decodeUint(value);
      return undefined;
    case OPTION.eTag:
      o.eTags.push(value);
      return undefined;
    case OPTION.ifMatch:
      o.ifMatch ??= [];
      if (value.length > 0) o.ifMatch.push(value);
      return undefined;
    case OPTION.ifNoneMatch:
      o.ifNoneMatch = true;
      return undefined;
    case OPTION.echo:
      o.echo = value;
      return undefined;
    case OPTION.noResponse:
      o.noResponse = decodeUint(value);
      return undefined;
    case OPTION.hopLimit:
      return value[0] === 0 ? { code: CODE.badRequest, why: 'Hop-Limit 0' } : undefined; // [RFC8768-3]
    case OPTION.proxyUri:
    case OPTION.proxyScheme:
      return { code: CODE.proxyingNotSupported, why: 'no proxy' }; // [RFC7252-5.10.2]
    default:
      return undefined; // Uri-Host and Uri-Port: every host is this one
  }
}

export function decodeText(value: Uint8Array): string | undefined {
  if (value.length < SHORT_BYTES) {
    // Short ASCII, as path segments are, without a decoder.
    let text = '';
    let at = 0;
    for (; at < value.length && value[at]! < 0x80; at++) text += String.fromCharCode(value[at]!);
    if (at === value.length) return text;
  }
  try {
    return strictUtf8.decode(value);
  } catch {
    return undefined; // not UTF-8
  }
}

/** The term of a password or token. */
const PASSWORD = 'p';

function addTerm(query: Map<string, string>, term: string): void {
  const equals = term.indexOf('=');
  const name = equals < 0 ? term : term.slice(0, equals);
  const value = equals < 0 ? '' : term.slice(equals + 1);
  const earlier = query.get(name);
  if (earlier === undefined) query.set(name, value);
  // A token is longer than the 255 octets of one option: its parts follow each other. [RFC7252-5.10]
  else if (name === PASSWORD) query.set(name, earlier + value);
}

export function decodeBlock(value: Uint8Array): Block {
  const n = decodeUint(value);
  return { num: n >>> 4, more: (n & 8) !== 0, szx: n & 7 };
}

/** A block option's value as an integer. */
export function blockValue(b: Block): number {
  return b.num * 16 + (b.more ? 8 : 0) + b.szx;
}

/** Options that say nothing about which representation is meant: how it is cut and sent [RFC7252-5.4.2, RFC7959-2.10]. */
const NO_KEY: ReadonlySet<number> = new Set([
  OPTION.observe,
  OPTION.block1,
  OPTION.block2,
  OPTION.size1,
  OPTION.size2,
  OPTION.echo,
  OPTION.noResponse,
  OPTION.eTag,
  OPTION.hopLimit,
]);

/** What two requests for blocks of one body have in common: everything but the block, a Request-Tag included [RFC9175-3.3]. */
export function operationKey(m: CoapMessage): string {
  let key = String.fromCharCode(m.code);
  for (const { number, value } of m.options) {
    if (NO_KEY.has(number) || (number & 0x1e) === 0x1c) continue;
    key += `\n${number}:`;
    for (const octet of value) key += String.fromCharCode(octet);
  }
  return key;
}
