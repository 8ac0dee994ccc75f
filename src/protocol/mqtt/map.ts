// MQTT's words for the hub's, and back: messages, outcomes and the tag that a subscription carries.

import { copyOf } from '../../bytes/blocks.ts';
import { Message, type Meta, NEVER, type Origin, type UserProperty } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { isTopicName } from '../../contract/topic.ts';
import { NO_PROPERTIES, type Properties, type Publish, type Will } from './packet.ts';
import { utf8Length } from './text.ts';

/**
 * A user property of CONNECT by which a client asks what there is beyond the standard, and of CONNACK with the answer: `queues`, which no
 * client could tell otherwise, as `$queue/jobs` is a topic like others elsewhere.
 */
export const EXTENSIONS = 'waymeet';

/** Return codes of CONNACK in 3.1 and 3.1.1 (3.2.2.3). 3 is all that they have for what is not the client's fault. */
export const CONNACK_3 = {
  ok: 0,
  unmatched: 0,
  'bad-credentials': 4,
  'bad-authentication-method': 5,
  'not-authorized': 5,
  'identifier-invalid': 2,
  'topic-invalid': 5,
  'filter-invalid': 5,
  'payload-invalid': 5,
  'too-large': 5,
  'quota-exceeded': 3,
  'rate-exceeded': 3,
  'no-subscription': 3,
  'not-supported': 5,
  'taken-over': 3,
  'slow-consumer': 3,
  idle: 3,
  'disconnected-by-admin': 5,
  busy: 3,
  unavailable: 3,
  'use-another-server': 3,
  'server-moved': 3,
  'shutting-down': 3,
} satisfies Record<Outcome, number>;

/** Reason codes of CONNACK in 5.0 (3.2.2.2). */
export const CONNACK_5 = {
  ok: 0x00,
  unmatched: 0x00,
  'bad-credentials': 0x86,
  'bad-authentication-method': 0x8c,
  'not-authorized': 0x87,
  'identifier-invalid': 0x85,
  'topic-invalid': 0x90,
  'filter-invalid': 0x83,
  'payload-invalid': 0x99,
  'too-large': 0x95,
  'quota-exceeded': 0x97,
  'rate-exceeded': 0x9f,
  'no-subscription': 0x83,
  'not-supported': 0x83,
  'taken-over': 0x89,
  'slow-consumer': 0x97,
  idle: 0x80,
  'disconnected-by-admin': 0x8a,
  busy: 0x89,
  unavailable: 0x88,
  'use-another-server': 0x9c,
  'server-moved': 0x9d,
  'shutting-down': 0x88,
} satisfies Record<Outcome, number>;

/** Reason codes of PUBACK and PUBREC in 5.0 (3.4.2.1, 3.5.2.1). */
export const PUBLISH_5 = {
  ok: 0x00,
  unmatched: 0x10,
  'bad-credentials': 0x87,
  'bad-authentication-method': 0x87,
  'not-authorized': 0x87,
  'identifier-invalid': 0x83,
  'topic-invalid': 0x90,
  'filter-invalid': 0x90,
  'payload-invalid': 0x99,
  'too-large': 0x97,
  'quota-exceeded': 0x97,
  'rate-exceeded': 0x97,
  'no-subscription': 0x83,
  'not-supported': 0x83,
  'taken-over': 0x83,
  'slow-consumer': 0x83,
  idle: 0x83,
  'disconnected-by-admin': 0x83,
  busy: 0x83,
  unavailable: 0x83,
  'use-another-server': 0x83,
  'server-moved': 0x83,
  'shutting-down': 0x83,
} satisfies Record<Outcome, number>;

/**
 * 3.1 and 3.1.1 can only acknowledge or close [MQTT311-3.3.5-2]. What will never be allowed is acknowledged and dropped, because a client
 * that keeps its session would send it again for ever; what may work later closes the connection, so that nothing is acknowledged that
 * is not kept.
 */
export const PUBLISH_3 = {
  ok: 'acknowledge',
  unmatched: 'acknowledge',
  'bad-credentials': 'acknowledge',
  'bad-authentication-method': 'acknowledge',
  'not-authorized': 'acknowledge',
  'identifier-invalid': 'acknowledge',
  'topic-invalid': 'close',
  'filter-invalid': 'close',
  'payload-invalid': 'close',
  'too-large': 'close',
  'quota-exceeded': 'close',
  'rate-exceeded': 'close',
  'no-subscription': 'acknowledge',
  'not-supported': 'close',
  'taken-over': 'close',
  'slow-consumer': 'close',
  idle: 'close',
  'disconnected-by-admin': 'close',
  busy: 'close',
  unavailable: 'close',
  'use-another-server': 'close',
  'server-moved': 'close',
  'shutting-down': 'close',
} satisfies Record<Outcome, 'acknowledge' | 'close'>;

/** Reason codes of SUBACK in 5.0 (3.9.3); 'ok' becomes the granted QoS. 3.x says 0x80 for all that is not granted. */
export const SUBSCRIBE_5 = {
  ok: 0x00,
  unmatched: 0x00,
  'bad-credentials': 0x87,
  'bad-authentication-method': 0x87,
  'not-authorized': 0x87,
  'identifier-invalid': 0x83,
  'topic-invalid': 0x8f,
  'filter-invalid': 0x8f,
  'payload-invalid': 0x83,
  'too-large': 0x97,
  'quota-exceeded': 0x97,
  'rate-exceeded': 0x97,
  'no-subscription': 0x83,
  'not-supported': 0x9e,
  'taken-over': 0x83,
  'slow-consumer': 0x83,
  idle: 0x83,
  'disconnected-by-admin': 0x83,
  busy: 0x83,
  unavailable: 0x83,
  'use-another-server': 0x83,
  'server-moved': 0x83,
  'shutting-down': 0x83,
} satisfies Record<Outcome, number>;

/** Reason codes of UNSUBACK in 5.0 (3.11.3). */
export const UNSUBSCRIBE_5 = {
  ...SUBSCRIBE_5,
  'no-subscription': 0x11,
  'too-large': 0x80,
  'quota-exceeded': 0x80,
  'rate-exceeded': 0x80,
  'not-supported': 0x83,
} satisfies Record<Outcome, number>;

/** Reason codes of DISCONNECT in 5.0 (3.14.2.1), for a connection that this side ends. */
export const DISCONNECT_5 = {
  ok: 0x00,
  unmatched: 0x80,
  'bad-credentials': 0x87,
  'bad-authentication-method': 0x87,
  'not-authorized': 0x87,
  'identifier-invalid': 0x80,
  'topic-invalid': 0x90,
  'filter-invalid': 0x8f,
  'payload-invalid': 0x99,
  'too-large': 0x95,
  'quota-exceeded': 0x97,
  'rate-exceeded': 0x96,
  'no-subscription': 0x80,
  'not-supported': 0x83,
  'taken-over': 0x8e,
  'slow-consumer': 0x97,
  idle: 0x8d,
  'disconnected-by-admin': 0x98,
  busy: 0x89,
  unavailable: 0x80,
  'use-another-server': 0x9c,
  'server-moved': 0x9d,
  'shutting-down': 0x8b,
} satisfies Record<Outcome, number>;

/** One sentence for each outcome, sent as the reason string. */
export const SENTENCE = {
  ok: '',
  unmatched: 'No subscription matches this topic.',
  'bad-credentials': 'The user name or the password is wrong.',
  'bad-authentication-method': 'This authentication method is not offered here.',
  'not-authorized': 'This client has no permission for that.',
  'identifier-invalid': 'The client identifier is not allowed.',
  'topic-invalid': 'The topic name is not valid, or has too many levels.',
  'filter-invalid': 'The topic filter is not valid, or has too many levels.',
  'payload-invalid': 'The payload is not the UTF-8 text that it is said to be.',
  'too-large': 'The packet is larger than is allowed here.',
  'quota-exceeded': 'A limit of this server is reached.',
  'rate-exceeded': 'Messages come faster than is allowed here.',
  'no-subscription': 'There is no such subscription.',
  'not-supported': 'This is not supported here.',
  'taken-over': 'Another connection came with the same client identifier.',
  'slow-consumer': 'Messages were taken too slowly: too many wait.',
  idle: 'Nothing was heard for one and a half times the keep alive.',
  'disconnected-by-admin': 'An administrator ended this connection.',
  busy: 'The server is too busy; try again later.',
  unavailable: 'The server cannot do this now; try again later.',
  'use-another-server': 'Use another server for now.',
  'server-moved': 'The server has moved for good.',
  'shutting-down': 'The server is shutting down.',
} satisfies Record<Outcome, string>;

/** The sentence for a reason code of an acknowledgement. */
export function sentenceOfCode(code: number): string {
  switch (code) {
    case 0x87:
      return SENTENCE['not-authorized'];
    case 0x90:
      return SENTENCE['topic-invalid'];
    case 0x91:
      return 'This packet identifier is in use.';
    case 0x92:
      return 'No message with this packet identifier is in flight.';
    case 0x97:
      return SENTENCE['quota-exceeded'];
    case 0x99:
      return SENTENCE['payload-invalid'];
    default:
      return 'The server cannot do this.';
  }
}

/** What the failure that a client answers a PUBLISH with (PUBACK, PUBREC) means for the delivery. */
export function outcomeOfRefusal(code: number): Outcome {
  switch (code) {
    case 0x87:
      return 'not-authorized';
    case 0x90:
      return 'topic-invalid';
    case 0x97:
      return 'quota-exceeded';
    case 0x99:
      return 'payload-invalid';
    default:
      return 'not-supported';
  }
}

/** The code with which a client refuses a delivery for good: what `outcomeOfRefusal` reads. */
export function codeOfRefusal(why: Exclude<Outcome, 'ok'>): number {
  switch (why) {
    case 'unmatched':
      return 0;
    case 'not-authorized':
      return 0x87;
    case 'topic-invalid':
      return 0x90;
    case 'quota-exceeded':
      return 0x97;
    case 'payload-invalid':
      return 0x99;
    default:
      return 0x83;
  }
}

/** The tag of a subscription: its identifier in 28 bits (0: none) and the Retain As Published bit above them. */
export const TAG_IDENTIFIER = 0x0fffffff;
export const TAG_RETAIN_AS_PUBLISHED = 0x10000000;

export function tagOf(identifier: number, retainAsPublished: boolean): number {
  return identifier | (retainAsPublished ? TAG_RETAIN_AS_PUBLISHED : 0);
}

/** The Message of a PUBLISH. Everything that is a view into the frame is copied, unless the frame's octets are the message's own. */
export function messageOf(p: Publish, topic: string, origin: Origin, now: number, owned: boolean): Message {
  const payload = owned ? p.payload : copyOf(p.payload);
  if (p.properties === NO_PROPERTIES)
    return new Message(topic, payload, p.qos, p.retain, origin, now, NEVER, undefined);
  return new Message(
    topic,
    payload,
    p.qos,
    p.retain,
    origin,
    now,
    expiryOf(p.properties, now),
    metaOf(p.properties),
  );
}

/** The Message of a will, with its life counted from `now`: whoever publishes it later moves it there. */
export function messageOfWill(w: Will, origin: Origin, now: number): Message {
  return new Message(
    w.topic,
    w.payload.slice(),
    w.qos,
    w.retain,
    origin,
    now,
    expiryOf(w.properties, now),
    metaOf(w.properties),
  );
}

function expiryOf(p: Properties, now: number): number {
  return p.messageExpiryInterval === undefined ? NEVER : now + p.messageExpiryInterval * 1000;
}

function metaOf(p: Properties): Meta | undefined {
  const meta: { -readonly [K in keyof Meta]: Meta[K] } = {};
  let some = false;
  if (p.payloadFormatIndicator !== undefined) {
    meta.text = p.payloadFormatIndicator === 1;
    some = true;
  }
  if (p.contentType !== undefined) {
    meta.contentType = p.contentType;
    some = true;
  }
  if (p.responseTopic !== undefined) {
    meta.responseTopic = p.responseTopic;
    some = true;
  }
  if (p.correlationData !== undefined) {
    meta.correlation = p.correlationData.slice();
    some = true;
  }
  if (p.userProperty !== undefined && p.userProperty.length > 0) {
    meta.user = userOf(p.userProperty);
    some = true;
  }
  return some ? meta : undefined;
}

/** User properties as the hub writes them. */
export function userOf(pairs: NonNullable<Properties['userProperty']>): UserProperty[] {
  return pairs.map(([name, value]) => ({ name, value }));
}

/**
 * The properties of MQTT 5 that depend on the message alone: without expiry, alias and identifiers. User properties that are not text
 * become text; what MQTT has no property for, or no room, stays behind (docs/mapping.md).
 */
export function propertiesOf(meta: Meta): Properties {
  const p: Properties = {};
  const { text, contentType, responseTopic, correlation, user } = meta;
  if (text !== undefined) p.payloadFormatIndicator = text ? 1 : 0; // unaltered [MQTT5-3.3.2-4]
  if (contentType !== undefined && sendable(contentType)) p.contentType = contentType;
  // A reply address of another protocol need not be a topic name [MQTT5-3.3.2-14].
  if (responseTopic !== undefined && isTopicName(responseTopic, ANY_TOPIC)) p.responseTopic = responseTopic;
  if (correlation !== undefined) {
    const octets = octetsOf(correlation);
    if (octets.length <= MAX_FIELD) p.correlationData = octets;
  }
  if (user !== undefined && user.length > 0) p.userProperty = userPropertiesOf(user);
  return p;
}

/** In order, with duplicates [MQTT5-3.3.2-18]. */
export function userPropertiesOf(user: NonNullable<Meta['user']>): [string, string][] {
  const pairs: [string, string][] = [];
  for (const { name, value } of user) {
    const text = textOf(value);
    if (sendable(name) && sendable(text)) pairs.push([name, text]);
  }
  return pairs;
}

const MAX_FIELD = 65_535;
const ANY_TOPIC = { topicLevels: MAX_FIELD, topicBytes: MAX_FIELD };

/** Other protocols have longer strings, and U+0000 in them, at which a client would break the connection [MQTT5-1.5.4-2]. */
function sendable(text: string): boolean {
  return (text.length * 3 <= MAX_FIELD || utf8Length(text) <= MAX_FIELD) && !text.includes('\0');
}

const encoder = new TextEncoder();

function octetsOf(id: NonNullable<Meta['correlation']>): Uint8Array {
  if (id instanceof Uint8Array) return id;
  if (typeof id === 'string') return encoder.encode(id);
  if (typeof id === 'bigint') {
    const octets = new Uint8Array(8);
    new DataView(octets.buffer).setBigUint64(0, id);
    return octets;
  }
  return octetsOfHex(id.uuid.replaceAll('-', ''));
}

function octetsOfHex(digits: string): Uint8Array {
  const octets = new Uint8Array(digits.length >> 1);
  for (let i = 0; i < octets.length; i++) octets[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return octets;
}

function textOf(value: string | number | bigint | boolean | Uint8Array): string {
  if (typeof value === 'string') return value;
  if (!(value instanceof Uint8Array)) return String(value);
  let hex = '';
  for (const octet of value) hex += octet.toString(16).padStart(2, '0');
  return hex;
}
