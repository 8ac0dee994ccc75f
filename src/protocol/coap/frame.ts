// CoAP on streams and in WebSocket messages (RFC 8323, section 3): no type, no message id, a length in front.

import { ProtocolError } from '../../contract/outcome.ts';
import { decodeRest, decodeToken, MAX_TOKEN_BYTES } from './decode.ts';
import { encodeOptions, extraOctets, nibble, writeToken } from './encode.ts';
import { CONFIRMABLE, type CoapMessage, type CoapOption, SIGNAL } from './packet.ts';

/** Length and code, before the token: 1 + 4 + 1. */
const MAX_HEAD_BYTES = 6;

/** Where a frame's parts lie. */
export interface FrameHead {
  readonly code: number;
  readonly tokenAt: number;
  readonly tokenNibble: number;
  /** Octets of options, marker and payload. */
  readonly length: number;
}

/** The head of the frame at `start`, or undefined when more octets are needed. */
export function decodeFrameHead(bytes: Uint8Array, start: number, end: number): FrameHead | undefined {
  // len(4) tkl(4) | length… | code | token length… | token… | options… | ff payload…
  if (start >= end) return undefined;
  const first = bytes[start]!;
  const short = first >> 4;
  const octets = short === 15 ? 4 : short >= 13 ? short - 12 : 0;
  const codeAt = start + 1 + octets;
  if (codeAt >= end) return undefined;
  let length = short;
  if (octets > 0) {
    length = 0;
    for (let i = start + 1; i < codeAt; i++) length = length * 256 + bytes[i]!;
    length += octets === 1 ? 13 : octets === 2 ? 269 : 65_805;
  }
  return { code: bytes[codeAt]!, tokenAt: codeAt + 1, tokenNibble: first & 0x0f, length };
}

/** A frame and the offset behind it; undefined when more octets are needed. Throws ProtocolError for what cannot be one. */
export function decodeFrame(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxBytes: number,
): { message: CoapMessage; end: number } | undefined {
  const head = decodeFrameHead(bytes, start, end);
  if (head === undefined) return undefined;
  // Before anything of it is kept: what is announced must fit. [RFC8323-5.3.1]
  if (head.length > maxBytes) throw new ProtocolError('RFC8323-5.3.1', 'a message above Max-Message-Size');
  const token = decodeToken(bytes, head.tokenAt, end, head.tokenNibble);
  if (typeof token === 'string') {
    const arriving = token === 'token cut off' && end - start <= MAX_HEAD_BYTES + 2 + MAX_TOKEN_BYTES;
    if (arriving) return undefined;
    throw new ProtocolError('RFC8323-3.2', token);
  }
  const frameEnd = token.end + head.length;
  if (frameEnd > end) return undefined;
  return { message: messageOf(head.code, token.value, bytes, token.end, frameEnd), end: frameEnd };
}

/** A whole WebSocket message: its length field is 0, the frame's own length counts [RFC8323-4.2]. */
export function decodeMessage(bytes: Uint8Array, start: number, end: number): CoapMessage {
  if (end - start < 2 || bytes[start]! >> 4 !== 0)
    throw new ProtocolError('RFC8323-4.2', 'no CoAP message with length 0');
  const token = decodeToken(bytes, start + 2, end, bytes[start]! & 0x0f);
  if (typeof token === 'string') throw new ProtocolError('RFC8323-4.2', token);
  return messageOf(bytes[start + 1]!, token.value, bytes, token.end, end);
}

function messageOf(
  code: number,
  token: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): CoapMessage {
  const rest = decodeRest(bytes, start, end);
  if (typeof rest === 'string') throw new ProtocolError('RFC8323-3.2', rest);
  return { type: CONFIRMABLE, code, id: 0, token, options: rest.options, payload: rest.payload };
}

/** Writes a frame; `tail` is options, marker and payload. With `whole`, as a WebSocket message. */
export function encodeFrame(code: number, token: Uint8Array, tail: Uint8Array, whole: boolean): Uint8Array {
  const length = whole ? 0 : tail.length;
  const octets = length < 13 ? 0 : length < 269 ? 1 : length < 65_805 ? 2 : 4;
  const bytes = new Uint8Array(2 + octets + extraOctets(token.length) + token.length + tail.length);
  bytes[0] = ((octets === 0 ? length : octets === 4 ? 15 : octets + 12) << 4) | nibble(token.length);
  let rest = length - (octets === 1 ? 13 : octets === 2 ? 269 : octets === 4 ? 65_805 : 0);
  for (let i = octets; i > 0; i--) {
    bytes[i] = rest & 0xff;
    rest = Math.floor(rest / 256);
  }
  bytes[1 + octets] = code;
  bytes.set(tail, writeToken(bytes, 2 + octets, token));
  return bytes;
}

export function encodeSignal(
  code: number,
  token: Uint8Array,
  options: readonly CoapOption[],
  payload: Uint8Array,
  whole: boolean,
): Uint8Array {
  return encodeFrame(code, token, encodeOptions(options, 0, payload), whole);
}

/**
 * Whether a stream starts with a Capabilities and Settings message, which must come first [RFC8323-5.3]. `10 e1 xx` may be the whole of
 * one, and the first octets of an MQTT CONNECT: whose fourth octet tells.
 */
export function startsWithCsm(first: Uint8Array): boolean {
  const head = decodeFrameHead(first, 0, first.length);
  if (head === undefined || head.code !== SIGNAL.csm) return false;
  if (first[0] === 0x10) return first.length > 3 && first[3] !== 0;
  return true;
}
