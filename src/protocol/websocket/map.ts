// Between `waymeet.v1` and the hub's words: payloads as text or base64, typed ids, outcomes as codes with a reason.

import {
  type Id,
  Message,
  type Meta,
  NEVER,
  type Origin,
  type Qos,
  type UserProperty,
} from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { JsonContent, JsonId, JsonMeta, JsonProperty } from './packet.ts';

/** What an error frame says to people; its code is the outcome itself. */
export const REASON_OF = {
  ok: 'done',
  unmatched: 'nobody is subscribed',
  'bad-credentials': 'the user name or password is wrong',
  'bad-authentication-method': 'this way of authentication is not offered',
  'not-authorized': 'not allowed by the rules of this hub',
  'identifier-invalid': 'the client id cannot be used',
  'topic-invalid': 'this is no topic name; wildcards cannot be published to',
  'filter-invalid': 'this is no topic filter',
  'payload-invalid': 'the payload is not what the frame says it is',
  'too-large': 'larger than the hub takes',
  'quota-exceeded': 'a limit of the hub is reached',
  'rate-exceeded': 'too many in a short time',
  'no-subscription': 'there is no such subscription',
  'not-supported': 'the hub does not offer this',
  'taken-over': 'another connection came with the same client id',
  'slow-consumer': 'messages were not read fast enough',
  idle: 'nothing was heard for too long',
  'disconnected-by-admin': 'an administrator ended the connection',
  busy: 'the hub is busy; try again later',
  unavailable: 'something the hub needs is not available',
  'use-another-server': 'use another server',
  'server-moved': 'the server has moved',
  'shutting-down': 'the hub is shutting down',
} as const satisfies Record<Outcome, string>;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function messageOf(content: JsonContent, origin: Origin, now: number): Message {
  const payload =
    content.payloadBase64 !== undefined
      ? fromBase64(content.payloadBase64)
      : utf8.encode(content.payload ?? '');
  const expiresAt = content.expiryMs === undefined ? NEVER : now + content.expiryMs;
  const qos: Qos = content.qos ?? 0;
  return new Message(
    content.topic,
    payload,
    qos,
    content.retain ?? false,
    origin,
    now,
    expiresAt,
    metaOf(content),
  );
}

function metaOf(content: JsonContent): Meta | undefined {
  const { contentType, contentEncoding, responseTopic, correlation, messageId, priority, createdAt } =
    content;
  const meta: Meta = {
    ...(contentType !== undefined && { contentType }),
    ...(contentEncoding !== undefined && { contentEncoding }),
    ...(content.payload !== undefined && { text: true }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlation !== undefined && { correlation: idOf(correlation) }),
    ...(messageId !== undefined && { messageId: idOf(messageId) }),
    ...(priority !== undefined && { priority }),
    ...(createdAt !== undefined && { createdAt }),
    ...(content.groupId !== undefined && { groupId: content.groupId }),
    ...(content.groupSequence !== undefined && { groupSequence: content.groupSequence }),
    ...(content.user !== undefined && { user: content.user.map(propertyOf) }),
  };
  return Object.keys(meta).length === 0 ? undefined : meta;
}

function idOf(id: JsonId): Id {
  if (typeof id === 'string') return id;
  if ('base64' in id) return fromBase64(id.base64);
  if ('ulong' in id) return BigInt(id.ulong);
  return { uuid: id.uuid.toLowerCase() };
}

function propertyOf({ name, value, section }: JsonProperty): UserProperty {
  const plain =
    typeof value !== 'object' ? value : 'base64' in value ? fromBase64(value.base64) : BigInt(value.long);
  return section === undefined ? { name, value: plain } : { name, value: plain, section };
}

/** The fields of a message frame that depend on the message alone. */
export function contentOf(m: Message): object {
  const text = textOf(m);
  return {
    topic: m.topic,
    ...(text === undefined ? { payloadBase64: toBase64(m.payload) } : { payload: text }),
    ...(m.expiresAt !== NEVER && { expiresAt: m.expiresAt }),
    ...(m.meta !== undefined && jsonMetaOf(m.meta)),
  };
}

/** Octets that nobody called binary are text when they can be: the same octets come back either way. */
function textOf(m: Message): string | undefined {
  if (m.meta?.text === false) return undefined;
  try {
    return strictUtf8.decode(m.payload);
  } catch {
    return undefined; // not UTF-8
  }
}

function jsonMetaOf(meta: Meta): JsonMeta {
  const { text: _text, correlation, messageId, user, ...same } = meta;
  return {
    ...same,
    ...(correlation !== undefined && { correlation: jsonIdOf(correlation) }),
    ...(messageId !== undefined && { messageId: jsonIdOf(messageId) }),
    ...(user !== undefined && { user: user.map(jsonPropertyOf) }),
  };
}

function jsonIdOf(id: Id): JsonId {
  if (typeof id === 'string') return id;
  if (typeof id === 'bigint') return { ulong: id.toString() };
  return id instanceof Uint8Array ? { base64: toBase64(id) } : { uuid: id.uuid };
}

function jsonPropertyOf({ name, value, section }: UserProperty): JsonProperty {
  const plain =
    typeof value === 'bigint'
      ? { long: value.toString() }
      : value instanceof Uint8Array
        ? { base64: toBase64(value) }
        : typeof value === 'number' && !Number.isFinite(value)
          ? String(value) // JSON has no word for it
          : value;
  return section === undefined ? { name, value: plain } : { name, value: plain, section };
}

/** So many octets become arguments of one call. */
const CHUNK = 8_192;

export function toBase64(bytes: Uint8Array): string {
  let octets = '';
  for (let at = 0; at < bytes.length; at += CHUNK) {
    octets += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(octets);
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
