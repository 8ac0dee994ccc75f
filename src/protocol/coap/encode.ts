// CoAP messages to octets (RFC 7252, section 3), whole or from parts that many receivers share.

import { type CoapMessage, type CoapOption, NOTHING } from './packet.ts';

/** The message as one datagram. Options must be in ascending order of number. */
export function encodeCoap(m: CoapMessage): Uint8Array {
  const rest = encodeOptions(m.options, 0, m.payload);
  const head = headBytes(m.token);
  const bytes = new Uint8Array(head + rest.length);
  writeHead(bytes, 0, m.type, m.code, m.id, m.token);
  bytes.set(rest, head);
  return bytes;
}

/** Header and token; returns the offset behind them. */
export function writeHead(
  bytes: Uint8Array,
  at: number,
  type: number,
  code: number,
  id: number,
  token: Uint8Array,
): number {
  bytes[at] = 0x40 | (type << 4) | nibble(token.length);
  bytes[at + 1] = code;
  bytes[at + 2] = id >> 8;
  bytes[at + 3] = id & 0xff;
  return writeToken(bytes, at + 4, token);
}

/** Octets of a datagram's header and token. */
export function headBytes(token: Uint8Array): number {
  return 4 + extraOctets(token.length) + token.length;
}

/** The token, with its extended length if it needs one [RFC8974-2.1]; returns the offset behind it. */
export function writeToken(bytes: Uint8Array, start: number, token: Uint8Array): number {
  const at = writeExtra(bytes, start, token.length);
  bytes.set(token, at);
  return at + token.length;
}

/** Options, payload marker and payload; `after` is the number of the option that stands before them. */
export function encodeOptions(
  options: readonly CoapOption[],
  after: number,
  payload: Uint8Array,
): Uint8Array {
  let length = payload.length === 0 ? 0 : 1 + payload.length;
  let number = after;
  for (const o of options) {
    length += 1 + extraOctets(o.number - number) + extraOctets(o.value.length) + o.value.length;
    number = o.number;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  number = after;
  for (const o of options) {
    const delta = o.number - number;
    if (delta < 0) throw new Error(`option ${o.number} after ${number}`);
    bytes[at++] = (nibble(delta) << 4) | nibble(o.value.length);
    at = writeExtra(bytes, at, delta);
    at = writeExtra(bytes, at, o.value.length);
    bytes.set(o.value, at);
    at += o.value.length;
    number = o.number;
  }
  if (payload.length > 0) {
    bytes[at++] = 0xff;
    bytes.set(payload, at);
  }
  return bytes;
}

/** The four bits that tell a length or delta. */
export function nibble(n: number): number {
  return n < 13 ? n : n < 269 ? 13 : 14;
}

/** Octets that follow the nibble. */
export function extraOctets(n: number): number {
  return n < 13 ? 0 : n < 269 ? 1 : 2;
}

function writeExtra(bytes: Uint8Array, at: number, n: number): number {
  if (n < 13) return at;
  if (n < 269) {
    bytes[at] = n - 13;
    return at + 1;
  }
  bytes[at] = (n - 269) >> 8;
  bytes[at + 1] = (n - 269) & 0xff;
  return at + 2;
}

/** An option's unsigned integer without leading zeros; 0 is no octets [RFC7252-3.2]. */
export function encodeUint(n: number): Uint8Array {
  if (n === 0) return NOTHING;
  const octets: number[] = [];
  for (let left = n; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256);
  return Uint8Array.from(octets);
}
