// Octets to CoAP messages: one datagram is one message (RFC 7252, section 3).

import type { CoapMessage, CoapOption, CoapType, MalformedMessage } from './packet.ts';

/** A request has a dozen; the limit keeps a datagram of empty options from costing memory. */
const MAX_OPTIONS = 128;
const MAX_TOKEN_BYTES = 8;
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
  // 01 type(2) tkl(4) | code | id | id | token… | options… | ff payload…
  if (end - start < 4) return undefined;
  const first = bytes[start]!;
  if (first >> 6 !== 1) return undefined;
  const type = ((first >> 4) & 3) as CoapType;
  const tokenLength = first & 0x0f;
  const code = bytes[start + 1]!;
  const id = (bytes[start + 2]! << 8) | bytes[start + 3]!;
  const malformed = (why: string): MalformedMessage => ({ malformed: why, type, id });

  if (tokenLength > MAX_TOKEN_BYTES) return malformed('reserved token length'); // [RFC7252-3]
  if (code === 0 && end - start !== 4) return malformed('octets after an empty message'); // [RFC7252-4.1]
  const group = code >> 5;
  if (group === 1 || group > 5) return malformed('reserved code class'); // [RFC7252-4.2]
  let at = start + 4;
  if (end - at < tokenLength) return malformed('token cut off');
  const token = bytes.slice(at, at + tokenLength);
  at += tokenLength;

  const options: CoapOption[] = [];
  let number = 0;
  while (at < end && bytes[at] !== PAYLOAD_MARKER) {
    const head = bytes[at++]!;
    let delta = head >> 4;
    let length = head & 0x0f;
    if (delta === 15 || length === 15) return malformed('reserved option nibble'); // [RFC7252-3.1]
    if (delta >= 13) {
      const octets = delta - 12;
      if (end - at < octets) return malformed('option delta cut off');
      delta = octets === 1 ? bytes[at]! + 13 : ((bytes[at]! << 8) | bytes[at + 1]!) + 269;
      at += octets;
    }
    if (length >= 13) {
      const octets = length - 12;
      if (end - at < octets) return malformed('option length cut off');
      length = octets === 1 ? bytes[at]! + 13 : ((bytes[at]! << 8) | bytes[at + 1]!) + 269;
      at += octets;
    }
    number += delta;
    if (number > 0xffff) return malformed('option number beyond 65535');
    if (end - at < length) return malformed('option value cut off');
    if (options.length === MAX_OPTIONS) return malformed(`more than ${MAX_OPTIONS} options`);
    options.push({ number, value: bytes.slice(at, at + length) });
    at += length;
  }
  if (at < end && at + 1 === end) return malformed('payload marker without payload'); // [RFC7252-3]
  return { type, code, id, token, options, payload: bytes.slice(Math.min(at + 1, end), end) };
}

/** An option's unsigned integer; leading zeros are allowed [RFC7252-3.2]. At most 6 octets are safe, and no option has more than 4. */
export function decodeUint(value: Uint8Array): number {
  let n = 0;
  for (const octet of value) n = n * 256 + octet;
  return n;
}
