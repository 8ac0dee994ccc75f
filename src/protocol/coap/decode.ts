// Octets to CoAP messages: one datagram is one message (RFC 7252, section 3); streams frame them otherwise (frame.ts).

import {
  type CoapMessage,
  type CoapOption,
  type CoapType,
  type MalformedMessage,
  NOTHING,
} from './packet.ts';

/** A request has a dozen; the limit keeps a message of empty options from costing memory. */
const MAX_OPTIONS = 128;
/** Extended tokens may have 65804 octets [RFC8974-2.1]; who needs more than these keeps state elsewhere. */
export const MAX_TOKEN_BYTES = 1_024;
const PAYLOAD_MARKER = 0xff;

/**
 * The message in `bytes[start..end)`; its token, option values and payload are copies. Undefined: not a CoAP message of version 1,
 * to be ignored in silence [RFC7252-3].
 */
export function decodeCoap(
  bytes: Uint8Array,
  start: number,
  end: number,
): CoapMessage | MalformedMessage | undefined {
  // 01 type(2) tkl(4) | code | id | id | token length… | token… | options… | ff payload…
  if (end - start < 4) return undefined;
  const first = bytes[start]!;
  if (first >> 6 !== 1) return undefined;
  const type = ((first >> 4) & 3) as CoapType;
  const code = bytes[start + 1]!;
  const id = (bytes[start + 2]! << 8) | bytes[start + 3]!;
  const malformed = (why: string): MalformedMessage => ({ malformed: why, type, id });

  if (code === 0 && (end - start !== 4 || (first & 0x0f) !== 0))
    return malformed('octets after an empty message'); // [RFC7252-4.1]
  const group = code >> 5;
  if (group === 1 || group > 5) return malformed('reserved code class'); // [RFC7252-4.2]
  const token = decodeToken(bytes, start + 4, end, first & 0x0f);
  if (typeof token === 'string') return malformed(token);
  const rest = decodeRest(bytes, token.end, end);
  if (typeof rest === 'string') return malformed(rest);
  return { type, code, id, token: token.value, options: rest.options, payload: rest.payload };
}

/** The token, with its extended length if it has one [RFC8974-2.1]; text says what is wrong. */
export function decodeToken(
  bytes: Uint8Array,
  start: number,
  end: number,
  nibble: number,
): { value: Uint8Array; end: number } | string {
  if (nibble === 15) return 'reserved token length'; // [RFC8974-2.1]
  let at = start;
  let length = nibble;
  if (nibble >= 13) {
    const octets = nibble - 12;
    if (end - at < octets) return 'token cut off';
    length = octets === 1 ? bytes[at]! + 13 : ((bytes[at]! << 8) | bytes[at + 1]!) + 269;
    at += octets;
  }
  if (length > MAX_TOKEN_BYTES) return `a token of more than ${MAX_TOKEN_BYTES} octets`;
  if (end - at < length) return 'token cut off';
  return { value: copyOf(bytes, at, at + length), end: at + length };
}

/** Options and payload, copied; text says what is wrong. */
export function decodeRest(
  bytes: Uint8Array,
  start: number,
  end: number,
): { options: CoapOption[]; payload: Uint8Array } | string {
  let at = start;
  const options: CoapOption[] = [];
  let number = 0;
  while (at < end && bytes[at] !== PAYLOAD_MARKER) {
    const head = bytes[at++]!;
    let delta = head >> 4;
    let length = head & 0x0f;
    if (delta === 15 || length === 15) return 'reserved option nibble'; // [RFC7252-3.1]
    if (delta >= 13) {
      const octets = delta - 12;
      if (end - at < octets) return 'option delta cut off';
      delta = octets === 1 ? bytes[at]! + 13 : ((bytes[at]! << 8) | bytes[at + 1]!) + 269;
      at += octets;
    }
    if (length >= 13) {
      const octets = length - 12;
      if (end - at < octets) return 'option length cut off';
      length = octets === 1 ? bytes[at]! + 13 : ((bytes[at]! << 8) | bytes[at + 1]!) + 269;
      at += octets;
    }
    number += delta;
    if (number > 0xffff) return 'option number beyond 65535';
    if (end - at < length) return 'option value cut off';
    if (options.length === MAX_OPTIONS) return `more than ${MAX_OPTIONS} options`;
    options.push({ number, value: copyOf(bytes, at, at + length) });
    at += length;
  }
  if (at < end && at + 1 === end) return 'payload marker without payload'; // [RFC7252-3]
  return { options, payload: copyOf(bytes, at + 1, end) };
}

/** A copy of octets, also where the transport lends a Buffer, whose `slice` is a view. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return start < end ? new Uint8Array(bytes.subarray(start, end)) : NOTHING;
}

/** An option's unsigned integer; leading zeros are allowed [RFC7252-3.2]. At most 6 octets are safe, and no option has more than 4. */
export function decodeUint(value: Uint8Array): number {
  let n = 0;
  for (const octet of value) n = n * 256 + octet;
  return n;
}
