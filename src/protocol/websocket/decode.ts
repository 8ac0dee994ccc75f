// UTF-8 JSON text to `waymeet.v1` frames: every field checked, unknown ones refused.

import { ProtocolError } from '../../contract/outcome.ts';
import type { ClientFrame } from './packet.ts';

/** Objects and arrays inside each other; a will with user properties takes 5. */
const MAX_DEPTH = 8;
const MAX_PROPERTIES = 1_000;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The frame in `bytes[start..end)`. Throws ProtocolError, which says what is wrong and where. */
export function decodeFrame(bytes: Uint8Array, start: number, end: number): ClientFrame {
  let text: string;
  try {
    text = strictUtf8.decode(bytes.subarray(start, end));
  } catch {
    throw new ProtocolError('RFC6455-8.1', 'a frame is not UTF-8');
  }
  if (depthOf(text) > MAX_DEPTH) throw new ProtocolError('WAYMEET1-depth', `nested deeper than ${MAX_DEPTH}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError('RFC8259-2', 'a frame is not JSON');
  }
  if (!isObject(value)) throw new ProtocolError('WAYMEET1-frame', 'a frame is not an object');
  const type = Object.hasOwn(value, 'type') ? value.type : undefined;
  if (typeof type !== 'string' || !Object.hasOwn(FRAMES, type)) {
    throw new ProtocolError('WAYMEET1-type', `type is none of ${Object.keys(FRAMES).join(', ')}`);
  }
  checkFields(value, FRAMES[type as keyof typeof FRAMES], type);
  return value as unknown as ClientFrame;
}

type Check = (value: unknown) => string | undefined;
type Fields = Record<string, Check>;

const text: Check = (v) => (typeof v === 'string' ? undefined : 'is not a string');
const flag: Check = (v) => (typeof v === 'boolean' ? undefined : 'is neither true nor false');
const count: Check = (v) =>
  Number.isSafeInteger(v) && (v as number) >= 0 ? undefined : 'is not a whole number from 0';
const qos: Check = (v) => (v === 0 || v === 1 ? undefined : 'is neither 0 nor 1');
const octet: Check = (v) =>
  count(v) === undefined && (v as number) < 256 ? undefined : 'is not a number from 0 to 255';
const base64: Check = (v) =>
  typeof v === 'string' && v.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(v)
    ? undefined
    : 'is not base64';
const ulong: Check = (v) =>
  typeof v === 'string' && /^\d{1,20}$/.test(v) && BigInt(v) < 1n << 64n ? undefined : 'is no ulong';
const long: Check = (v) => (typeof v === 'string' && /^-?\d{1,20}$/.test(v) ? undefined : 'is no long');
const uuid: Check = (v) =>
  typeof v === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(v)
    ? undefined
    : 'is no uuid';

/** `optional` marks the fields that may be left out. */
function optional(fields: Fields): Fields {
  const all: Fields = {};
  for (const [name, check] of Object.entries(fields))
    all[name] = (v) => (v === undefined ? undefined : check(v));
  return all;
}

/** An object with exactly one field, which says the type of its value. */
function oneOf(checks: Fields): Check {
  return (v) => {
    if (!isObject(v)) return 'has a type that is not offered';
    const [name, ...more] = Object.keys(v);
    if (name === undefined || more.length > 0 || !Object.hasOwn(checks, name)) {
      return `has not one of ${Object.keys(checks).join(', ')}`;
    }
    return checks[name]!(v[name]);
  };
}

const typedId = oneOf({ base64, ulong, uuid });
const id: Check = (v) => (typeof v === 'string' ? undefined : typedId(v));
const typedValue = oneOf({ base64, long });
const value: Check = (v) =>
  typeof v === 'string' || typeof v === 'boolean' || Number.isFinite(v) ? undefined : typedValue(v);

const PROPERTY: Fields = { name: text, value, ...optional({ section: text }) };

const user: Check = (v) => {
  if (!Array.isArray(v)) return 'is not a list';
  if (v.length > MAX_PROPERTIES) return `has more than ${MAX_PROPERTIES} properties`;
  for (const property of v) {
    const wrong = wrongField(property, PROPERTY);
    if (wrong !== undefined) return `has a property whose ${wrong}`;
  }
  return undefined;
};

const CONTENT: Fields = {
  topic: text,
  ...optional({
    payload: text,
    payloadBase64: base64,
    qos,
    retain: flag,
    expiryMs: count,
    contentType: text,
    contentEncoding: text,
    responseTopic: text,
    correlation: id,
    messageId: id,
    priority: octet,
    createdAt: count,
    groupId: text,
    groupSequence: count,
    user,
  }),
};

const WILL: Fields = { ...CONTENT, ...optional({ delayMs: count }) };
const will: Check = (v) => wrongField(v, WILL);

const FRAMES: Record<ClientFrame['type'], Fields> = {
  connect: optional({
    client: text,
    username: text,
    password: text,
    keepMs: count,
    fresh: flag,
    keepAliveMs: count,
    will,
  }),
  publish: { ...CONTENT, ...optional({ id: count }) },
  subscribe: { filter: text, ...optional({ qos, noLocal: flag, id: count }) },
  unsubscribe: { filter: text, ...optional({ id: count }) },
  ack: { id: count },
  ping: {},
  disconnect: {},
};

function checkFields(frame: Record<string, unknown>, fields: Fields, type: string): void {
  const wrong = wrongField(frame, fields, 'type');
  if (wrong !== undefined) throw new ProtocolError(`WAYMEET1-${type}`, `${type}: ${wrong}`);
}

/** What is wrong with an object, or undefined. `besides` is a field that was checked before. */
function wrongField(v: unknown, fields: Fields, besides?: string): string | undefined {
  if (!isObject(v)) return 'value is not an object';
  for (const name of Object.keys(v)) {
    if (name !== besides && !Object.hasOwn(fields, name))
      return `${JSON.stringify(name.slice(0, 40))} is not known`;
  }
  for (const [name, check] of Object.entries(fields)) {
    const wrong = check(Object.hasOwn(v, name) ? v[name] : undefined);
    if (wrong !== undefined) return `${name} ${wrong}`;
  }
  if (Object.hasOwn(v, 'payload') && Object.hasOwn(v, 'payloadBase64')) return 'payload is given twice';
  return undefined;
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
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
