// Between STOMP and the hub's words: a message's headers, its ids by type, outcomes as sentences.

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
import { destinationOf, parseDestination } from './destination.ts';
import type { Frame, Headers } from './packet.ts';

/** Whether a word of ours is an outcome of the hub's. */
export function isOutcome(word: string): word is Outcome {
  return Object.hasOwn(SENTENCE, word);
}

/** What an ERROR frame says to people. */
export const SENTENCE = {
  ok: 'Done.',
  unmatched: 'There is no such queue.',
  'bad-credentials': 'The login or the passcode is wrong.',
  'bad-authentication-method': 'This way of authentication is not offered.',
  'not-authorized': 'Not allowed by the rules of this hub.',
  'identifier-invalid': 'The client-id cannot be used.',
  'topic-invalid': 'The destination is no topic or queue name; wildcards cannot be sent to.',
  'filter-invalid':
    'The destination is no topic filter: + and # stand for whole levels, # only for the last.',
  'payload-invalid': 'The body is not what its content-type says.',
  'too-large': 'Larger than the hub takes.',
  'quota-exceeded': 'A limit of the hub is reached, or the queue is full.',
  'rate-exceeded': 'Too many in a short time.',
  'no-subscription': 'The queue was deleted.',
  'not-supported': 'The hub does not offer this.',
  'taken-over': 'Another connection came with the same client-id.',
  'slow-consumer': 'Messages were not read fast enough.',
  idle: 'Nothing was heard for too long: no heart-beat, or no CONNECT.',
  'disconnected-by-admin': 'An administrator ended the connection.',
  busy: 'Another client has it for itself.',
  unavailable: 'Something the hub needs is not available.',
  'use-another-server': 'Use another server.',
  'server-moved': 'The server has moved.',
  'shutting-down': 'The hub is shutting down.',
} as const satisfies Record<Outcome, string>;

/** Headers of SEND that are about the frame, or that the hub makes itself: nobody's properties. */
const NOT_PROPERTIES = new Set([
  'destination',
  'content-length',
  'receipt',
  'transaction',
  'message-id',
  'subscription',
  'ack',
  'redelivered',
  'receipt-id',
]);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A header value that is not what its name promises. */
export class HeaderError extends Error {}

/** What SEND says about a message besides its topic and body. */
interface Sent {
  readonly meta: Mutable<Meta>;
  readonly user: UserProperty[];
  qos: Qos;
  retain: boolean;
  expiresAt: number;
}

/**
 * The message of a SEND frame. `resolve` gives a temporary queue's topic. A send that asks for a receipt, says `persistent:true` or is part
 * of a transaction is at least once, any other at most once. Throws HeaderError.
 */
export function messageOf(
  frame: Frame,
  topic: string,
  origin: Origin,
  now: number,
  resolve: (temporary: string) => string,
): Message {
  const sent: Sent = { meta: {}, user: [], qos: 0, retain: false, expiresAt: NEVER };
  const { headers } = frame;
  for (let i = 0; i < headers.length; i += 2) {
    take(sent, headers[i]!, headers[i + 1]!, now, resolve);
  }
  const { meta, user, qos, retain, expiresAt } = sent;
  if (user.length > 0) meta.user = user;
  const has = user.length > 0 || Object.keys(meta).length > 0;
  return new Message(topic, frame.body, qos, retain, origin, now, expiresAt, has ? meta : undefined);
}

/** One header's part of the message. Of repeated ones the first counts. */
function take(
  sent: Sent,
  name: string,
  value: string,
  now: number,
  resolve: (temporary: string) => string,
): void {
  const { meta } = sent;
  switch (name) {
    case 'content-type':
      if (meta.contentType !== undefined) return;
      meta.contentType = value;
      if (isUtf8(value)) meta.text = true;
      return;
    case 'content-encoding':
      meta.contentEncoding ??= value;
      return;
    case 'reply-to':
      meta.responseTopic ??= replyTopic(value, resolve);
      return;
    case 'correlation-id':
      meta.correlation ??= idOf(value);
      return;
    case 'amqp-message-id':
      meta.messageId ??= idOf(value);
      return;
    case 'priority':
      meta.priority ??= numberOf(name, value, 255);
      return;
    case 'timestamp':
      meta.createdAt ??= numberOf(name, value);
      return;
    case 'JMSXGroupID':
      meta.groupId ??= value;
      return;
    case 'JMSXGroupSeq':
      meta.groupSequence ??= numberOf(name, value);
      return;
    case 'receipt':
    case 'transaction':
      sent.qos = 1;
      return;
    case 'persistent':
      if (value === 'true') sent.qos = 1;
      return;
    case 'retain':
      sent.retain ||= value === 'true';
      return;
    case 'expires': // when, ms since 1970, as in JMS; 0: never
      expire(sent, numberOf(name, value));
      return;
    case 'expiration': // how long it lives, ms, as RabbitMQ's clients say it
      expire(sent, now + numberOf(name, value));
      return;
    default:
      if (!NOT_PROPERTIES.has(name)) sent.user.push({ name, value });
  }
}

function expire(sent: Sent, at: number): void {
  if (at > 0 && at < sent.expiresAt) sent.expiresAt = at;
}

function numberOf(name: string, value: string, max = Number.MAX_SAFE_INTEGER): number {
  if (!/^\d{1,16}$/.test(value) || Number(value) > max)
    throw new HeaderError(`${name} is not a whole number from 0 to ${max}`);
  return Number(value);
}

/** Text types are UTF-8 unless they say otherwise. [STOMP12-header-content-type] */
function isUtf8(contentType: string): boolean {
  const charset = /;\s*charset=\s*"?([\w-]+)/i.exec(contentType)?.[1];
  return charset === undefined ? /^text\//i.test(contentType) : /^utf-?8$/i.test(charset);
}

function replyTopic(value: string, resolve: (temporary: string) => string): string {
  const destination = parseDestination(value);
  if (destination === undefined) throw new HeaderError(`reply-to is no destination: ${value.slice(0, 100)}`);
  if (destination.kind === 'topic') return destination.topic;
  return destination.kind === 'temporary' ? resolve(destination.name) : `$queue/${destination.name}`;
}

// Ids that are no text keep their type, as JMS clients of AMQP brokers write them.
const BINARY = 'AMQP_BINARY:';
const ULONG = 'AMQP_ULONG:';
const UUID = 'AMQP_UUID:';
const STRING = 'AMQP_STRING:';

function idOf(text: string): Id {
  if (!text.startsWith('AMQP_')) return text;
  if (text.startsWith(STRING)) return text.slice(STRING.length);
  if (text.startsWith(UUID)) return { uuid: text.slice(UUID.length) };
  if (text.startsWith(ULONG) && /^\d{1,20}$/.test(text.slice(ULONG.length))) {
    const n = BigInt(text.slice(ULONG.length));
    return n < 1n << 64n ? n : text;
  }
  const hex = text.slice(BINARY.length);
  if (!text.startsWith(BINARY) || !/^(?:[0-9a-f]{2})*$/i.test(hex)) return text;
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16),
  );
}

function textOfId(id: Id): string {
  if (typeof id === 'string') return id.startsWith('AMQP_') ? STRING + id : id;
  if (typeof id === 'bigint') return ULONG + id;
  return id instanceof Uint8Array ? BINARY + hexOf(id) : UUID + id.uuid;
}

function hexOf(octets: Uint8Array): string {
  let hex = '';
  for (const octet of octets) hex += octet.toString(16).padStart(2, '0');
  return hex.toUpperCase();
}

/** The headers of MESSAGE that are the same for every receiver; `addressOf` makes destinations of topics. */
export function headersOf(m: Message, addressOf = destinationOf): Headers {
  const headers = ['destination', addressOf(m.topic)];
  const { meta } = m;
  if (meta !== undefined) pushMeta(headers, meta, addressOf);
  if (m.qos > 0) headers.push('persistent', 'true');
  if (m.expiresAt !== NEVER) headers.push('expires', String(Math.floor(m.expiresAt)));
  headers.push('content-length', String(m.payload.length));
  // Ours stand first, and the first one counts.
  for (const p of meta?.user ?? []) {
    if (!NOT_PROPERTIES.has(p.name) && p.name !== '') headers.push(p.name, textOfValue(p.value));
  }
  return headers;
}

function pushMeta(headers: string[], meta: Meta, addressOf: (topic: string) => string): void {
  const contentType = meta.contentType ?? (meta.text === true ? 'text/plain' : undefined);
  if (contentType !== undefined) headers.push('content-type', contentType);
  if (meta.contentEncoding !== undefined) headers.push('content-encoding', meta.contentEncoding);
  if (meta.responseTopic !== undefined) headers.push('reply-to', addressOf(meta.responseTopic));
  if (meta.correlation !== undefined) headers.push('correlation-id', textOfId(meta.correlation));
  if (meta.messageId !== undefined) headers.push('amqp-message-id', textOfId(meta.messageId));
  if (meta.priority !== undefined) headers.push('priority', String(meta.priority));
  if (meta.createdAt !== undefined) headers.push('timestamp', String(meta.createdAt));
  if (meta.groupId !== undefined) headers.push('JMSXGroupID', meta.groupId);
  if (meta.groupSequence !== undefined) headers.push('JMSXGroupSeq', String(meta.groupSequence));
}

function textOfValue(value: UserProperty['value']): string {
  return value instanceof Uint8Array ? BINARY + hexOf(value) : String(value);
}
