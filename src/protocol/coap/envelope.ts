// A message with everything that CoAP's options cannot say, as one JSON or CBOR body (`?envelope=json|cbor`).

import { CborError, decodeCbor, encodeCbor } from '../../bytes/cbor.ts';
import type { Id, Message, Meta, UserProperty, Uuid } from '../../contract/message.ts';
import { NEVER } from '../../contract/message.ts';
import { decodeText } from './options.ts';

export type Envelope = 'json' | 'cbor';

const utf8 = new TextEncoder();

/** The members are those of the JSON protocol over WebSocket: topic, payload or payloadBase64, qos, retain, and what was said. */
export function encodeEnvelope(m: Message, as: Envelope): Uint8Array {
  const octets = (value: Uint8Array): unknown => (as === 'cbor' ? value : { base64: base64(value) });
  const { meta } = m;
  const said: Record<string, unknown> = { topic: m.topic };
  const text = meta?.text === false ? undefined : decodeText(m.payload);
  if (as === 'cbor') said.payload = text ?? m.payload;
  else if (text === undefined) said.payloadBase64 = base64(m.payload);
  else said.payload = text;
  if (meta?.text !== undefined) said.text = meta.text;
  said.qos = m.qos;
  said.retain = m.retain;
  said.at = m.at;
  if (m.expiresAt !== NEVER) said.expiresAt = m.expiresAt;
  if (meta?.contentType !== undefined) said.contentType = meta.contentType;
  if (meta?.contentEncoding !== undefined) said.contentEncoding = meta.contentEncoding;
  if (meta?.responseTopic !== undefined) said.responseTopic = meta.responseTopic;
  if (meta?.correlation !== undefined) said.correlation = plainId(meta.correlation, octets);
  if (meta?.messageId !== undefined) said.messageId = plainId(meta.messageId, octets);
  if (meta?.priority !== undefined) said.priority = meta.priority;
  if (meta?.createdAt !== undefined) said.createdAt = meta.createdAt;
  if (meta?.groupId !== undefined) said.groupId = meta.groupId;
  if (meta?.groupSequence !== undefined) said.groupSequence = meta.groupSequence;
  if (meta?.user !== undefined) {
    said.user = meta.user.map(({ name, value }) => ({ name, value: plainId(value, octets) }));
  }
  return as === 'cbor' ? encodeCbor(said) : utf8.encode(JSON.stringify(said));
}

function plainId(value: Id | number | boolean, octets: (value: Uint8Array) => unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return octets(value);
  if (typeof value === 'object') return (value as Uuid).uuid;
  return value;
}

function base64(value: Uint8Array): string {
  let text = '';
  for (const octet of value) text += String.fromCharCode(octet);
  return btoa(text);
}

/** Whether a message has properties that only an envelope tells: all but content type and text. */
export function needsEnvelope(meta: Meta | undefined): boolean {
  if (meta === undefined) return false;
  for (const name in meta) {
    if (name !== 'contentType' && name !== 'text' && meta[name as keyof Meta] !== undefined) return true;
  }
  return false;
}

/** What an envelope holds that goes into a message; qos, retain and the topic are said by the request, or known. */
export interface Enveloped {
  readonly topic: string | undefined;
  readonly payload: Uint8Array;
  readonly meta: Meta | undefined;
}

/** Undefined: no envelope. Members that are not known are passed over. */
export function decodeEnvelope(body: Uint8Array, as: Envelope): Enveloped | undefined {
  const whole = as === 'cbor' ? cborOf(body) : jsonOf(body);
  if (typeof whole !== 'object' || whole === null) return undefined;
  const payload = payloadOf(whole);
  const user = userOf(member(whole, 'user'));
  if (payload === undefined || user === 'bad') return undefined;
  const meta: Record<string, unknown> = {};
  for (const [name, fits] of MEMBERS) {
    const value = octetsOr(member(whole, name));
    if (value === undefined) continue;
    if (!fits(value)) return undefined;
    meta[name] = value;
  }
  if (user !== undefined) meta.user = user;
  const topic = member(whole, 'topic');
  return {
    topic: typeof topic === 'string' ? topic : undefined,
    payload,
    meta: Object.keys(meta).length === 0 ? undefined : (meta as Meta),
  };
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value);
const isId = (value: unknown): boolean => typeof value === 'string' || value instanceof Uint8Array;

const MEMBERS: readonly (readonly [keyof Meta, (value: unknown) => boolean])[] = [
  ['contentType', isText],
  ['contentEncoding', isText],
  ['text', (value) => typeof value === 'boolean'],
  ['responseTopic', isText],
  ['correlation', isId],
  ['messageId', isId],
  ['priority', (value) => isWhole(value) && (value as number) >= 0 && (value as number) <= 255],
  ['createdAt', isWhole],
  ['groupId', isText],
  ['groupSequence', isWhole],
];

function cborOf(body: Uint8Array): unknown {
  try {
    return decodeCbor(body);
  } catch (error) {
    if (error instanceof CborError) return undefined;
    throw error;
  }
}

function jsonOf(body: Uint8Array): unknown {
  const text = decodeText(body);
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A member of a CBOR map or of a JSON object. */
function member(whole: object, name: string): unknown {
  if (whole instanceof Map) return whole.get(name);
  return Object.hasOwn(whole, name) ? (whole as Record<string, unknown>)[name] : undefined;
}

/** JSON writes octets as `{base64}`. */
function octetsOr(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const text = member(value, 'base64');
  return typeof text === 'string' ? (octetsOfBase64(text) ?? value) : value;
}

function payloadOf(whole: object): Uint8Array | undefined {
  const base = member(whole, 'payloadBase64');
  if (typeof base === 'string') return octetsOfBase64(base);
  const payload = member(whole, 'payload') ?? '';
  if (typeof payload === 'string') return utf8.encode(payload);
  return payload instanceof Uint8Array ? payload : undefined;
}

function octetsOfBase64(text: string): Uint8Array | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function userOf(list: unknown): UserProperty[] | undefined | 'bad' {
  if (list === undefined) return undefined;
  if (!Array.isArray(list)) return 'bad';
  const user: UserProperty[] = [];
  for (const one of list) {
    if (typeof one !== 'object' || one === null) return 'bad';
    const name = member(one, 'name');
    const value = octetsOr(member(one, 'value'));
    const fits = typeof value === 'number' || typeof value === 'boolean' || isId(value);
    if (typeof name !== 'string' || !fits) return 'bad';
    user.push({ name, value: value as UserProperty['value'] });
  }
  return user;
}
