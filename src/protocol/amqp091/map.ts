// Between AMQP 0-9-1 and the hub's words: properties, header fields with their types, reply addresses, outcomes as codes.

import { addressOfTopic } from '../../contract/exchange.ts';
import {
  dialectSlot,
  type Id,
  Message,
  type Meta,
  NEVER,
  type Origin,
  type Qos,
  type UserProperty,
} from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import {
  DEATH_PROPERTY,
  type Death,
  type DeathRecord,
  deathRecord,
  QUEUE_PREFIX,
} from '../../contract/queue.ts';
import { encodeContentHeader } from './encode.ts';
import { type Field, FieldReader, type FieldType, FieldWriter, type Table } from './fields.ts';
import { type BasicProperties, FRAME_OVERHEAD } from './packet.ts';
import {
  ACCESS_REFUSED,
  ChannelFault,
  CONNECTION_FORCED,
  CONTENT_TOO_LARGE,
  INTERNAL_ERROR,
  NOT_ALLOWED,
  NOT_FOUND,
  NOT_IMPLEMENTED,
  PRECONDITION_FAILED,
  RESOURCE_ERROR,
  RESOURCE_LOCKED,
} from './reply.ts';

/** The reply code of what the hub refuses. 0: no fault. */
export const CODE_OF = {
  ok: 0,
  unmatched: 0,
  'bad-credentials': ACCESS_REFUSED,
  'bad-authentication-method': ACCESS_REFUSED,
  'not-authorized': ACCESS_REFUSED,
  'identifier-invalid': NOT_ALLOWED,
  'topic-invalid': PRECONDITION_FAILED,
  'filter-invalid': PRECONDITION_FAILED,
  'payload-invalid': PRECONDITION_FAILED,
  'too-large': CONTENT_TOO_LARGE,
  'quota-exceeded': RESOURCE_ERROR,
  'rate-exceeded': RESOURCE_ERROR,
  'no-subscription': NOT_FOUND,
  'not-supported': NOT_IMPLEMENTED,
  'taken-over': CONNECTION_FORCED,
  'slow-consumer': RESOURCE_ERROR,
  idle: CONNECTION_FORCED,
  'disconnected-by-admin': CONNECTION_FORCED,
  busy: RESOURCE_LOCKED,
  unavailable: INTERNAL_ERROR,
  'use-another-server': CONNECTION_FORCED,
  'server-moved': CONNECTION_FORCED,
  'shutting-down': CONNECTION_FORCED,
} as const satisfies Record<Outcome, number>;

/** A boolean header: the message is kept as its topic's last value; on delivery: it was published so. */
export const RETAIN_HEADER = 'x-retain';
/** Made on delivery, so never taken from a client. */
const OWN_HEADERS = new Set([RETAIN_HEADER, DEATH_PROPERTY]);
/** In `reply-to`: not the name of a queue but a topic. */
export const TOPIC_SCHEME = 'topic://';
/** Marks a user property whose type is not the usual one of its value: `amqp091:` and the field's letter. */
const TYPED = 'amqp091:';
/** Marks properties of the content header that no other protocol has. */
const OWN = 'amqp091';
const OWN_PROPERTIES = [
  ['type', 'type'],
  ['userId', 'user-id'],
  ['appId', 'app-id'],
  ['clusterId', 'cluster-id'],
] as const;

/** Makes what was published a Message. Throws ChannelFault when the expiration is no number of ms. */
export function messageOf(
  topic: string,
  p: BasicProperties,
  payload: Uint8Array,
  qos: Qos,
  origin: Origin,
  now: number,
): Message {
  if (p !== known.properties) {
    const retain = p.headers?.some(([name, { value }]) => name === RETAIN_HEADER && value === true) ?? false;
    known = { properties: p, retain, meta: metaOf(p) };
  }
  return new Message(topic, payload, qos, known.retain, origin, now, expiryOf(p, now), known.meta);
}

/** What the last properties mean: of messages that come one after the other they are one object (see Repetition). */
let known: { properties: BasicProperties; retain: boolean; meta: Meta | undefined } = {
  properties: {},
  retain: false,
  meta: undefined,
};

function expiryOf({ expiration }: BasicProperties, now: number): number {
  if (expiration === undefined) return NEVER;
  if (!/^\d{1,15}$/.test(expiration))
    throw new ChannelFault(PRECONDITION_FAILED, `invalid expiration '${expiration}'`);
  return now + Number(expiration);
}

function metaOf(p: BasicProperties): Meta | undefined {
  const user = userOf(p);
  const meta: Meta = {
    ...(p.contentType !== undefined && { contentType: p.contentType }),
    ...(p.contentEncoding !== undefined && { contentEncoding: p.contentEncoding }),
    ...(p.replyTo !== undefined && { responseTopic: responseTopicOf(p.replyTo) }),
    ...(p.correlationId !== undefined && { correlation: p.correlationId }),
    ...(p.messageId !== undefined && { messageId: p.messageId }),
    ...(p.priority !== undefined && { priority: p.priority }),
    ...(p.timestamp !== undefined && { createdAt: p.timestamp * 1_000 }),
    ...(user.length > 0 && { user }),
  };
  return Object.keys(meta).length === 0 ? undefined : meta;
}

function responseTopicOf(replyTo: string): string {
  return replyTo.startsWith(TOPIC_SCHEME) ? replyTo.slice(TOPIC_SCHEME.length) : QUEUE_PREFIX + replyTo;
}

function replyToOf(responseTopic: string): string {
  return responseTopic.startsWith(QUEUE_PREFIX)
    ? responseTopic.slice(QUEUE_PREFIX.length)
    : TOPIC_SCHEME + responseTopic;
}

function userOf(p: BasicProperties): UserProperty[] {
  const user: UserProperty[] = [];
  for (const [name, field] of p.headers ?? []) if (!OWN_HEADERS.has(name)) user.push(propertyOf(name, field));
  for (const [property, name] of OWN_PROPERTIES) {
    const value = p[property];
    if (value !== undefined) user.push({ name, value, section: OWN });
  }
  return user;
}

function propertyOf(name: string, field: Field): UserProperty {
  const { type } = field;
  const value = type === 'F' || type === 'A' ? octetsOf(field) : (field.value ?? '');
  const plain = { name, value: value as UserProperty['value'] };
  return usualType(plain.value) === type ? plain : { ...plain, section: TYPED + type };
}

/** The type that a value has which came from another protocol. */
function usualType(value: UserProperty['value']): FieldType {
  switch (typeof value) {
    case 'string':
      return 'S';
    case 'boolean':
      return 't';
    case 'bigint':
      return 'l';
    case 'number':
      if (!Number.isInteger(value)) return 'd';
      return value === (value | 0) ? 'I' : Number.isSafeInteger(value) ? 'l' : 'd';
    default:
      return 'x';
  }
}

function fieldOfProperty({ value, section }: UserProperty): Field {
  if (section?.startsWith(TYPED) !== true) return { type: usualType(value), value };
  const type = section.slice(TYPED.length) as FieldType;
  if (type === 'V') return { type, value: null };
  return type === 'F' || type === 'A' ? fieldFrom(value as Uint8Array) : { type, value };
}

function octetsOf(field: Field): Uint8Array {
  const w = new FieldWriter();
  w.table([['', field]]);
  return w.finish();
}

function fieldFrom(octets: Uint8Array): Field {
  return new FieldReader(octets, 0, octets.length).table()[0]![1];
}

/** The content header's payload of messages that do not expire. */
const HEADER_DIALECT = {
  slot: dialectSlot(),
  encode(m: Message): Uint8Array {
    const { length } = m.payload;
    const { meta, qos, retain } = m;
    if (
      written.meta !== meta ||
      written.length !== length ||
      written.qos !== qos ||
      written.retain !== retain
    )
      written = { meta, length, qos, retain, octets: encodeHeader(m, undefined, true) };
    return written.octets;
  },
};

/** The last header: of messages that say the same it is the same octets. */
let written: Pick<Message, 'meta' | 'qos' | 'retain'> & {
  readonly length: number;
  readonly octets: Uint8Array;
} = { meta: undefined, qos: 0, retain: false, length: -1, octets: new Uint8Array() };

/** The content header's payload, in one frame whatever others have put into the message. */
export function headerOf(m: Message, now: number, frameMax: number): Uint8Array {
  const header = m.expiresAt === NEVER ? m.frame(HEADER_DIALECT) : encodeHeader(m, now, true);
  return header.length <= frameMax - FRAME_OVERHEAD ? header : encodeHeader(m, now, false);
}

function encodeHeader(m: Message, now: number | undefined, withHeaders: boolean): Uint8Array {
  return encodeContentHeader(m.payload.length, propertiesOf(m, now, withHeaders));
}

export function propertiesOf(m: Message, now: number | undefined, withHeaders: boolean): BasicProperties {
  const p: BasicProperties = { deliveryMode: m.qos === 0 ? 1 : 2 };
  if (now !== undefined && m.expiresAt !== NEVER)
    p.expiration = String(Math.max(0, Math.ceil(m.expiresAt - now)));
  const headers: [string, Field][] = [];
  if (m.retain) headers.push([RETAIN_HEADER, { type: 't', value: true }]);
  if (m.meta !== undefined) addMeta(p, m.meta, headers);
  if (withHeaders && headers.length > 0) p.headers = headers;
  return p;
}

/** RabbitMQ's words for why a message died. */
const REASONS = {
  rejected: 'rejected',
  expired: 'expired',
  'queue-full': 'maxlen',
  'delivery-limit': 'delivery_limit',
} as const satisfies Record<Death, string>;

/** One entry of `x-death`, as RabbitMQ's clients expect it. */
function deathField({ reason, queue, count, at, topic }: DeathRecord): Field {
  const { exchange, key } = addressOfTopic(topic);
  const table: Table = [
    ['count', { type: 'l', value: BigInt(count) }],
    ['reason', { type: 'S', value: REASONS[reason] }],
    ['queue', { type: 'S', value: queue }],
    ['time', { type: 'T', value: BigInt(Math.floor(at / 1_000)) }],
    ['exchange', { type: 'S', value: exchange }],
    ['routing-keys', { type: 'A', value: [{ type: 'S', value: key }] }],
  ];
  return { type: 'F', value: table };
}

function addMeta(p: BasicProperties, meta: Meta, headers: [string, Field][]): void {
  const short = (text: string | undefined) => (text !== undefined && text.length <= 255 ? text : undefined);
  const { contentType, contentEncoding, responseTopic, correlation, messageId, priority, createdAt } = meta;
  if (short(contentType) !== undefined) p.contentType = contentType!;
  if (short(contentEncoding) !== undefined) p.contentEncoding = contentEncoding!;
  if (short(responseTopic) !== undefined) p.replyTo = replyToOf(responseTopic!);
  if (correlation !== undefined) p.correlationId = shortIdOf(correlation);
  if (messageId !== undefined) p.messageId = shortIdOf(messageId);
  if (priority !== undefined) p.priority = priority;
  if (createdAt !== undefined) p.timestamp = Math.floor(createdAt / 1_000);
  const deaths: Field[] = [];
  for (const property of meta.user ?? []) {
    const death = deathRecord(property);
    if (death !== undefined) {
      deaths.push(deathField(death));
      continue;
    }
    const own = property.section === OWN && OWN_PROPERTIES.find(([, name]) => name === property.name);
    if (own) p[own[0]] = property.value as string;
    else headers.push([property.name, fieldOfProperty(toldReason(property))]);
  }
  if (deaths.length > 0) headers.push([DEATH_PROPERTY, { type: 'A', value: deaths }]);
}

function toldReason(property: UserProperty): UserProperty {
  if (!/^x-(?:first|last)-death-reason$/.test(property.name)) return property;
  const value = REASONS[property.value as Death];
  return value === undefined ? property : { ...property, value };
}

function shortIdOf(id: Id): string | Uint8Array {
  if (typeof id === 'string' || id instanceof Uint8Array) return id;
  return typeof id === 'bigint' ? id.toString() : id.uuid;
}

/** The table without its order: equal arguments have equal octets. */
export function canonical(table: Table): string {
  const w = new FieldWriter();
  w.table(table.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  let hex = '';
  for (const octet of w.finish()) hex += octet.toString(16).padStart(2, '0');
  return hex;
}

/** What `canonical` made of a table. */
export function tableFrom(hex: string): Table {
  const octets = Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
  return new FieldReader(octets, 0, octets.length).table();
}
