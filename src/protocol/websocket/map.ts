// Between `waymeet.v1` and the hub's words: payloads as text or base64, typed ids, outcomes as codes with a reason.

import {
  type Id,
  Message,
  type Meta,
  NEVER,
  type Origin,
  type UserProperty,
} from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type {
  Form,
  FrameContent,
  FrameId,
  FrameMeta,
  FramePayload,
  FrameProperty,
  MessageFrame,
} from './packet.ts';

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

/** What a client publishes. */
export function messageOf(content: FrameContent, origin: Origin, now: number): Message {
  const { topic, qos = 0, retain = false, expiryMs } = content;
  const expiresAt = expiryMs === undefined ? NEVER : now + expiryMs;
  return new Message(topic, payloadOf(content), qos, retain, origin, now, expiresAt, metaOf(content));
}

/** What a client gets; who published it is not told, nor in JSON whether he called it text. */
export function receivedMessage(frame: MessageFrame, form: Form, now: number): Message {
  const { topic, qos, retain, expiresAt = NEVER } = frame;
  return new Message(
    topic,
    payloadOf(frame),
    qos,
    retain,
    NOBODY,
    now,
    expiresAt,
    metaOf(frame, form === 'cbor'),
  );
}

const NOBODY: Origin = { protocol: 'waymeet.v1', client: '', principal: '' };

function payloadOf({ payload = '', payloadBase64 }: FramePayload): Uint8Array {
  if (payloadBase64 !== undefined) return fromBase64(payloadBase64);
  return typeof payload === 'string' ? utf8.encode(payload) : payload;
}

function metaOf(content: FrameMeta & FramePayload, tellsText = true): Meta | undefined {
  const { contentType, contentEncoding, responseTopic, correlation, messageId, priority, createdAt } =
    content;
  const meta: Meta = {
    ...(contentType !== undefined && { contentType }),
    ...(contentEncoding !== undefined && { contentEncoding }),
    ...(tellsText && typeof content.payload === 'string' && { text: true }),
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

function idOf(id: FrameId): Id {
  if (typeof id === 'string' || id instanceof Uint8Array) return id;
  if ('base64' in id) return fromBase64(id.base64);
  if ('ulong' in id) return BigInt(id.ulong);
  return { uuid: id.uuid.toLowerCase() };
}

function propertyOf({ name, value, section }: FrameProperty): UserProperty {
  const plain =
    typeof value !== 'object' || value instanceof Uint8Array
      ? value
      : 'base64' in value
        ? fromBase64(value.base64)
        : BigInt(value.long);
  return section === undefined ? { name, value: plain } : { name, value: plain, section };
}

/** The fields of a message frame that depend on the message alone. */
export function contentOf(m: Message, form: Form): FrameMeta & FramePayload & { topic: string } {
  return {
    topic: m.topic,
    ...payloadIn(form, m),
    ...(m.expiresAt !== NEVER && { expiresAt: m.expiresAt }),
    ...(m.meta !== undefined && frameMetaOf(m.meta, form)),
  };
}

/** A message as its publisher writes it; `now` counts its expiry down. */
export function publishedContent(m: Message, form: Form, now: number): FrameContent {
  return {
    topic: m.topic,
    ...payloadIn(form, m),
    ...(m.qos > 0 && { qos: m.qos }),
    ...(m.retain && { retain: true }),
    ...(m.expiresAt !== NEVER && { expiryMs: Math.max(0, Math.ceil(m.expiresAt - now)) }),
    ...(m.meta !== undefined && frameMetaOf(m.meta, form)),
  };
}

/**
 * CBOR has text and octets apart, so what the publisher called text is text. In JSON octets that nobody called binary are text when they
 * can be: the same octets come back either way.
 */
function payloadIn(form: Form, m: Message): FramePayload {
  const text = m.meta?.text;
  if (form === 'cbor') return { payload: text === true ? (textOf(m.payload) ?? m.payload) : m.payload };
  const plain = text === false ? undefined : textOf(m.payload);
  return plain === undefined ? { payloadBase64: toBase64(m.payload) } : { payload: plain };
}

function textOf(octets: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(octets);
  } catch {
    return undefined; // not UTF-8
  }
}

function frameMetaOf(meta: Meta, form: Form): FrameMeta {
  const { text: _text, correlation, messageId, user, ...same } = meta;
  return {
    ...same,
    ...(correlation !== undefined && { correlation: frameIdOf(correlation, form) }),
    ...(messageId !== undefined && { messageId: frameIdOf(messageId, form) }),
    ...(user !== undefined && { user: user.map((one) => framePropertyOf(one, form)) }),
  };
}

function octetsIn(form: Form, octets: Uint8Array): Uint8Array | { readonly base64: string } {
  return form === 'cbor' ? octets : { base64: toBase64(octets) };
}

function frameIdOf(id: Id, form: Form): FrameId {
  if (typeof id === 'string') return id;
  if (typeof id === 'bigint') return { ulong: id.toString() };
  return id instanceof Uint8Array ? octetsIn(form, id) : { uuid: id.uuid };
}

function framePropertyOf({ name, value, section }: UserProperty, form: Form): FrameProperty {
  const plain =
    typeof value === 'bigint'
      ? { long: value.toString() }
      : value instanceof Uint8Array
        ? octetsIn(form, value)
        : typeof value === 'number' && !Number.isFinite(value)
          ? String(value) // JSON has no word for it, and a client may change the form
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
