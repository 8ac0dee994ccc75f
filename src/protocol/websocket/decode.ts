// Octets to `waymeet.v1` frames, JSON text or CBOR: every field checked, unknown ones refused.

import { type Cbor, CborError, decodeCbor } from '../../bytes/cbor.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { type Fields, isObject, wrongField } from './fields.ts';
import { CLIENT_FRAMES, HUB_FRAMES } from './frames.ts';
import type { ClientFrame, Form, HubFrame } from './packet.ts';

/** Objects and arrays inside each other; a will with user properties takes 5. */
const MAX_DEPTH = 8;
/** 1,000 user properties with all their names and values, in a frame and in its will. */
const MAX_ITEMS = 20_000;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The form of the frame that starts with this octet: no JSON text starts as a CBOR map does. */
export function formOf(first: number | undefined): Form {
  return first !== undefined && first >> 5 === 5 ? 'cbor' : 'json';
}

/** A client's frame in `bytes[start..end)`. Throws ProtocolError, which says what is wrong and where. */
export function decodeFrame(bytes: Uint8Array, start: number, end: number): ClientFrame {
  return decode(bytes, start, end, CLIENT_FRAMES, true) as unknown as ClientFrame;
}

/** A hub's frame; fields of a later version are passed over. Throws ProtocolError. */
export function decodeHubFrame(bytes: Uint8Array, start: number, end: number): HubFrame {
  return decode(bytes, start, end, HUB_FRAMES, false) as unknown as HubFrame;
}

function decode(
  bytes: Uint8Array,
  start: number,
  end: number,
  frames: Readonly<Record<string, Fields>>,
  strict: boolean,
): Record<string, unknown> {
  const whole = bytes.subarray(start, end);
  const value = formOf(whole[0]) === 'cbor' ? fromCbor(whole) : fromJson(whole);
  if (!isObject(value)) throw new ProtocolError('WAYMEET1-frame', 'a frame is not an object');
  const type = Object.hasOwn(value, 'type') ? value.type : undefined;
  if (typeof type !== 'string' || !Object.hasOwn(frames, type)) {
    throw new ProtocolError('WAYMEET1-type', `type is none of ${Object.keys(frames).join(', ')}`);
  }
  const wrong = wrongField(value, frames[type]!, strict, 'type');
  if (wrong !== undefined) throw new ProtocolError(`WAYMEET1-${type}`, `${type}: ${wrong}`);
  return value;
}

function fromJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = strictUtf8.decode(bytes);
  } catch {
    throw new ProtocolError('RFC6455-8.1', 'a frame is not UTF-8');
  }
  if (depthOf(text) > MAX_DEPTH) throw new ProtocolError('WAYMEET1-depth', `nested deeper than ${MAX_DEPTH}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError('RFC8259-2', 'a frame is not JSON');
  }
}

function fromCbor(bytes: Uint8Array): unknown {
  try {
    return plain(decodeCbor(bytes, { depth: MAX_DEPTH, items: MAX_ITEMS }));
  } catch (why) {
    if (!(why instanceof CborError)) throw why;
    throw new ProtocolError('RFC8949-5.1', `a frame is no CBOR that is understood here: ${why.message}`);
  }
}

/** Maps to objects; `fromEntries` defines each field, so that no name means anything else. */
function plain(value: Cbor): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([name, one]) => [name, plain(one)]));
}

/** The deepest nesting of brackets outside strings, found before anything is built from them. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const c = json.charCodeAt(i);
    if (quoted) {
      if (c === 0x5c) i++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x7b || c === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}
