// Between AMQP 1.0 and the hub's words: messages in and out, and what an outcome is called.

import {
  dialectSlot,
  Message,
  type Meta,
  NEVER,
  type Origin,
  type Qos,
  type UserProperty,
} from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { type DeathRecord, deathRecord } from '../../contract/queue.ts';
import { addressOf, parseAddress, topicOf } from './address.ts';
import { descriptorOf, writeComposite } from './composite.ts';
import { ValueReader } from './decode.ts';
import { ValueWriter } from './encode.ts';
import { type Condition, decodeError } from './fault.ts';
import {
  APPLICATION_PROPERTIES,
  DATA,
  DELIVERY_ANNOTATIONS,
  FOOTER,
  HEADER,
  MESSAGE_ANNOTATIONS,
  PROPERTIES,
  type Properties,
  VALUE,
} from './packet.ts';
import type { Sections } from './sections.ts';
import { type AmqpMap, type AmqpValue, FORMAT, lookUp, symbol, text, truth } from './types.ts';
import {
  ANNOTATION_SECTION,
  FOOTER_SECTION,
  idOf,
  jsonOf,
  PROPERTIES_SECTION,
  USER_ANNOTATION,
  userProperties,
  valueOfId,
  valueOfPlain,
} from './values.ts';

/** The name under which a message's own octets are kept. */
const DIALECT = 'amqp1';
/** Message annotation of a publisher: the message is to be kept as the topic's last value. */
export const RETAIN_ANNOTATION = 'x-opt-retain';
/** Message annotation on what is delivered: the topic, or the queue's address, that it was published to. */
export const TOPIC_ANNOTATION = 'x-opt-topic';
/** Delivery annotation: it is the topic's last value, not published just now. */
export const RETAINED_ANNOTATION = 'x-opt-retained';

/** Link property of a source, `none`: a topic's last value is not wanted. */
export const REPLAY_PROPERTY = 'x-opt-retained';
/** Link property of a target that is kept: it was known before. */
export const RESUMED_PROPERTY = 'x-opt-resumed';

/** What closes a link or connection, or stands in a rejected state. */
export const CONDITION = {
  ok: 'amqp:internal-error',
  unmatched: 'amqp:not-found',
  'bad-credentials': 'amqp:unauthorized-access',
  'bad-authentication-method': 'amqp:unauthorized-access',
  'not-authorized': 'amqp:unauthorized-access',
  'identifier-invalid': 'amqp:invalid-field',
  'topic-invalid': 'amqp:invalid-field',
  'filter-invalid': 'amqp:invalid-field',
  'payload-invalid': 'amqp:invalid-field',
  'too-large': 'amqp:link:message-size-exceeded',
  'quota-exceeded': 'amqp:resource-limit-exceeded',
  'rate-exceeded': 'amqp:resource-limit-exceeded',
  'no-subscription': 'amqp:resource-deleted',
  'not-supported': 'amqp:not-implemented',
  'taken-over': 'amqp:link:stolen',
  'slow-consumer': 'amqp:resource-limit-exceeded',
  idle: 'amqp:resource-limit-exceeded',
  'disconnected-by-admin': 'amqp:connection:forced',
  busy: 'amqp:resource-locked',
  unavailable: 'amqp:internal-error',
  'use-another-server': 'amqp:connection:redirect',
  'server-moved': 'amqp:connection:redirect',
  'shutting-down': 'amqp:connection:forced',
} as const satisfies Record<Outcome, Condition>;

/** For people. */
export const SENTENCE = {
  ok: 'Done.',
  unmatched: 'There is no such queue.',
  'bad-credentials': 'The user name or the password is wrong.',
  'bad-authentication-method': 'This way of authentication is not offered.',
  'not-authorized': 'Not allowed by the rules of this hub.',
  'identifier-invalid': 'The name cannot be used.',
  'topic-invalid': 'The address is no topic or queue name; wildcards cannot be sent to.',
  'filter-invalid': 'The address is no topic filter: + and # stand for whole levels, # only for the last.',
  'payload-invalid': 'The message is not what it says that it is.',
  'too-large': 'Larger than the hub takes.',
  'quota-exceeded': 'A limit of the hub is reached, or the queue is full.',
  'rate-exceeded': 'Too many in a short time.',
  'no-subscription': 'The queue was deleted.',
  'not-supported': 'The hub does not offer this.',
  'taken-over': 'Another connection attached the same link.',
  'slow-consumer': 'Messages were not taken fast enough.',
  idle: 'Nothing was heard for too long.',
  'disconnected-by-admin': 'An administrator ended the connection.',
  busy: 'Another client has it for itself.',
  unavailable: 'Something the hub needs is not available.',
  'use-another-server': 'Use another server.',
  'server-moved': 'The server has moved.',
  'shutting-down': 'The hub is shutting down.',
} as const satisfies Record<Outcome, string>;

// --- in ---

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NOTHING = new Uint8Array(0);
const utf8 = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true });

/** What of a body is the payload, and what stands around it. */
interface Body {
  readonly payload: Uint8Array;
  readonly text: boolean;
  readonly json: boolean;
  /** Where it stands; undefined: it is a rendering. */
  readonly place: { readonly at: number; readonly end: number } | undefined;
}

/**
 * The message of a delivery. `bytes` become its own. `qos` is what the transfer promises: a settled one that is durable is kept all the same.
 * Throws ConnectionFault (decode-error).
 */
export function messageOf(sections: Sections, topic: string, qos: Qos, origin: Origin, now: number): Message {
  const { bytes, header, properties: p } = sections;
  const body = bodyOf(sections);
  const { place } = body;
  const wrapping = {
    dialect: DIALECT,
    before: bytes.subarray(sections.keptAt, place === undefined ? bytes.length : place.at),
    after: place === undefined ? NOTHING : bytes.subarray(place.end),
    around: place !== undefined,
  };
  const meta: Mutable<Meta> = saysMore(sections) ? lazyMeta(sections) : {};
  if (p.contentType !== undefined) meta.contentType = p.contentType;
  else if (body.json) meta.contentType = 'application/json';
  if (p.contentEncoding !== undefined) meta.contentEncoding = p.contentEncoding;
  if (body.text) meta.text = true;
  if (p.replyTo !== undefined) meta.responseTopic = replyTopic(p.replyTo);
  const correlation = idOf(p.correlationId);
  if (correlation !== undefined) meta.correlation = correlation;
  const messageId = idOf(p.messageId);
  if (messageId !== undefined) meta.messageId = messageId;
  if (header.priority !== undefined) meta.priority = header.priority;
  if (p.creationTime !== undefined) meta.createdAt = p.creationTime;
  if (p.groupId !== undefined) meta.groupId = p.groupId;
  if (p.groupSequence !== undefined) meta.groupSequence = p.groupSequence;
  meta.wrapping = wrapping;
  const kept = qos === 0 && header.durable === true ? 1 : qos;
  const retain = sections.hasAnnotations && saysRetain(sections.annotations);
  return new Message(topic, body.payload, kept, retain, origin, now, expiryOf(sections, now), meta);
}

function saysRetain(annotations: AmqpMap): boolean {
  return lookUp(annotations, RETAIN_ANNOTATION)?.value === true;
}

function saysMore({ hasAnnotations, hasApplicationProperties, hasFooter, properties: p }: Sections): boolean {
  const rare = p.subject !== undefined || p.replyToGroupId !== undefined;
  return hasAnnotations || hasApplicationProperties || hasFooter || rare;
}

/** Application properties are looked at when somebody asks for them: a receiver of the same protocol does not. */
function lazyMeta(sections: Sections): Mutable<Meta> {
  let user: UserProperty[] | undefined;
  return {
    get user() {
      user ??= userProperties(sections);
      return user.length === 0 ? undefined : user;
    },
  };
}

function expiryOf({ header, properties }: Sections, now: number): number {
  const byTtl = header.ttl === undefined ? NEVER : now + header.ttl;
  const { absoluteExpiryTime } = properties;
  return absoluteExpiryTime === undefined || absoluteExpiryTime <= 0
    ? byTtl
    : Math.min(byTtl, absoluteExpiryTime);
}

function replyTopic(address: string): string {
  const parsed = parseAddress(address);
  return parsed === undefined ? address : topicOf(parsed, undefined);
}

function bodyOf(sections: Sections): Body {
  const { bytes, body, bodyKind } = sections;
  if (bodyKind === DATA) {
    const places = body.map((part) => {
      const place = sections.octetsOf(part);
      if (place === undefined || bytes[part.at]! & 1)
        throw decodeError('AMQP1-3.2.6', 'a data section that is no binary');
      return place;
    });
    if (places.length === 1) return taken(bytes, places[0]!, false);
    return { payload: joined(bytes, places), text: false, json: false, place: undefined };
  }
  if (bodyKind === 0) return { payload: NOTHING, text: false, json: false, place: undefined };
  if (bodyKind === VALUE) {
    const part = body[0]!;
    const place = sections.octetsOf(part);
    if (place !== undefined) {
      const isText = (bytes[part.at]! & 1) === 1;
      if (isText) checkText(bytes, place);
      return taken(bytes, place, isText);
    }
  }
  const values = body.map((part) => sections.valueOf(part));
  return rendered(bodyKind === VALUE ? values[0]! : { type: 'list', value: values.flatMap(elementsOf) });
}

function taken(bytes: Uint8Array, place: { at: number; end: number }, isText: boolean): Body {
  return { payload: bytes.subarray(place.at, place.end), text: isText, json: false, place };
}

function checkText(bytes: Uint8Array, { at, end }: { at: number; end: number }): void {
  for (let i = at; i < end; i++) {
    if (bytes[i]! < 0x80) continue;
    if (!isUtf8(bytes.subarray(at, end))) throw decodeError('AMQP1-1.6.20', 'a string is no UTF-8');
    return;
  }
}

function isUtf8(octets: Uint8Array): boolean {
  try {
    strict.decode(octets);
    return true;
  } catch {
    return false;
  }
}

function joined(bytes: Uint8Array, places: readonly { at: number; end: number }[]): Uint8Array {
  const whole = new Uint8Array(places.reduce((sum, { at, end }) => sum + end - at, 0));
  let filled = 0;
  for (const { at, end } of places) {
    whole.set(bytes.subarray(at, end), filled);
    filled += end - at;
  }
  return whole;
}

function elementsOf(v: AmqpValue): readonly AmqpValue[] {
  if (v.type !== 'list') throw decodeError('AMQP1-3.2.7', 'a sequence section that is no list');
  return v.value;
}

/** Values that are neither text nor octets are JSON for other protocols; nothing at all has no octets. */
function rendered(v: AmqpValue): Body {
  const payload = v.type === 'null' ? NOTHING : utf8.encode(JSON.stringify(jsonOf(v)));
  return { payload, text: true, json: v.type !== 'null', place: undefined };
}

// --- out ---

const writer = new ValueWriter();

/** Everything up to the payload, but for the header: annotations, properties, and how the body begins. */
const HEAD = { slot: dialectSlot(), encode: encodeHead };
const TAIL = { slot: dialectSlot(), encode: encodeTail };

/** What stands before and after the payload of a delivery, the same for every receiver. */
export function headOf(m: Message): Uint8Array {
  return m.frame(HEAD);
}

export function payloadOf(m: Message): Uint8Array {
  return ownWrapping(m)?.around === false ? NOTHING : m.payload;
}

export function tailOf(m: Message): Uint8Array {
  const own = ownWrapping(m);
  if (own !== undefined) return own.after;
  return m.meta?.user === undefined ? NOTHING : m.frame(TAIL);
}

function ownWrapping(m: Message): Meta['wrapping'] {
  const wrapping = m.meta?.wrapping;
  if (wrapping?.dialect !== DIALECT) return undefined;
  return !wrapping.around || announces(wrapping.before, m.payload.length) ? wrapping : undefined;
}

/** Whether the octets end with the constructor and length of what is `length` octets long: nobody has put another payload there. */
function announces(before: Uint8Array, length: number): boolean {
  const { length: end } = before;
  if (end >= 2 && (before[end - 2]! & 0xfe) === FORMAT.vbin8 && before[end - 1] === length) return true;
  if (end < 5 || (before[end - 5]! & 0xfe) !== FORMAT.vbin32) return false;
  return (
    before[end - 4]! * 0x100_0000 +
      ((before[end - 3]! << 16) | (before[end - 2]! << 8) | before[end - 1]!) ===
    length
  );
}

function encodeHead(m: Message): Uint8Array {
  const own = ownWrapping(m);
  const said: [AmqpValue, AmqpValue][] = [[symbol(TOPIC_ANNOTATION), text(addressOf(m.topic))]];
  if (own === undefined) {
    for (const { name, value, section } of m.meta?.user ?? [])
      if (section === ANNOTATION_SECTION && !name.startsWith('x-'))
        said.push([symbol(name), valueOfPlain(value)]);
    said.push(...deathsOf(m));
    const ordered = orderedUser(m.meta?.user);
    if (ordered !== undefined) said.push([symbol(USER_ANNOTATION), ordered]);
    writeMap(MESSAGE_ANNOTATIONS, said);
    writeProperties(m, addressOf(m.topic));
    writeBodyHead(m);
    return writer.finish();
  }
  // The bare message is the publisher's; annotations are everybody's on the way. [AMQP1-3.2]
  const { annotations, at } = splitAnnotations(own.before);
  said.push(...deathsOf(m));
  for (const [key, value] of annotations) if (!isOurs(key)) said.push([key, value]);
  writeMap(MESSAGE_ANNOTATIONS, said);
  writer.octets(own.before.subarray(at));
  return writer.finish();
}

/** As a client publishes it: everything up to the payload. */
export function publishHead(m: Message, to: string, now: number): Uint8Array {
  const head = deliveryHead(m, now, 0, false, false);
  const said: [AmqpValue, AmqpValue][] = m.retain ? [[symbol(RETAIN_ANNOTATION), truth(true)]] : [];
  const ordered = orderedUser(m.meta?.user, isPlain);
  if (ordered !== undefined) said.push([symbol(USER_ANNOTATION), ordered]);
  writer.octets(head);
  if (said.length > 0) writeMap(MESSAGE_ANNOTATIONS, said);
  writeProperties(m, to, isPlain); // only a hub says of deaths in annotations
  writeBodyHead(m);
  return writer.finish();
}

/** The annotations that the octets may begin with, and where they end. */
function splitAnnotations(before: Uint8Array): { readonly annotations: AmqpMap; readonly at: number } {
  if (before.length === 0) return { annotations: [], at: 0 };
  const r = new ValueReader(before);
  if (descriptorOf(r) !== MESSAGE_ANNOTATIONS) return { annotations: [], at: 0 };
  const value = r.value();
  return { annotations: value.type === 'map' ? value.value : [], at: r.at };
}

/** What only the hub may say. */
function isOurs(key: AmqpValue): boolean {
  const name = key.type === 'symbol' || key.type === 'string' ? key.value : '';
  return (
    name === TOPIC_ANNOTATION ||
    name === RETAIN_ANNOTATION ||
    /^x-opt-(?:(?:first|last)-death-|deaths$)/.test(name)
  );
}

/**
 * What the hub has put to the properties of a dead letter, as annotations: first and last death, and all of them as RabbitMQ 4 lists them.
 * Properties that are not decoded yet are as the publisher wrote them.
 */
function deathsOf(m: Message): [AmqpValue, AmqpValue][] {
  const user = Object.getOwnPropertyDescriptor(m.meta ?? {}, 'user')?.value as Meta['user'];
  const said: [AmqpValue, AmqpValue][] = [];
  const deaths: AmqpValue[] = [];
  for (const property of user ?? []) {
    const record = deathRecord(property);
    if (record !== undefined) deaths.push(deathMap(record));
    else if (isDeath(property))
      said.push([symbol(`x-opt-${property.name.slice(2)}`), valueOfPlain(property.value)]);
  }
  if (deaths.length > 0) said.push([symbol('x-opt-deaths'), { type: 'list', value: deaths }]);
  return said;
}

function deathMap({ reason, queue, count, at }: DeathRecord): AmqpValue {
  return {
    type: 'map',
    value: [
      [symbol('queue'), text(queue)],
      [symbol('reason'), symbol(reason)],
      [symbol('count'), { type: 'ulong', value: BigInt(count) }],
      [symbol('last-time'), { type: 'timestamp', value: BigInt(Math.floor(at)) }],
    ],
  };
}

function isDeath(property: UserProperty): boolean {
  const { name, section } = property;
  return (
    section === undefined && (/^x-(?:first|last)-death-/.test(name) || deathRecord(property) !== undefined)
  );
}

function writeMap(code: number, map: AmqpMap): void {
  writer.descriptor(code);
  writer.map(map);
}

/** Undefined: a map says the same. */
function orderedUser(user: readonly UserProperty[] | undefined, isIn = isApplication): AmqpValue | undefined {
  if (user === undefined) return undefined;
  const plain = user.filter(isIn);
  if (new Set(plain.map(({ name }) => name)).size === plain.length) return undefined;
  return { type: 'list', value: plain.flatMap(({ name, value }) => [text(name), valueOfPlain(value)]) };
}

const ELSEWHERE: readonly (string | undefined)[] = [ANNOTATION_SECTION, FOOTER_SECTION, PROPERTIES_SECTION];

function isApplication(property: UserProperty): boolean {
  return isPlain(property) && !isDeath(property);
}

function isPlain({ section }: UserProperty): boolean {
  return !ELSEWHERE.includes(section);
}

function writeProperties(m: Message, to: string, isIn = isApplication): void {
  const { meta } = m;
  const own = (wanted: string): string | undefined => {
    const found = meta?.user?.find(({ name, section }) => section === PROPERTIES_SECTION && name === wanted);
    return typeof found?.value === 'string' ? found.value : undefined;
  };
  const p: Mutable<Properties> = { to };
  if (meta?.messageId !== undefined) p.messageId = valueOfId(meta.messageId);
  if (meta?.correlation !== undefined) p.correlationId = valueOfId(meta.correlation);
  p.subject = own('subject');
  if (meta?.responseTopic !== undefined) p.replyTo = addressOf(meta.responseTopic);
  p.contentType = meta?.contentType;
  p.contentEncoding = meta?.contentEncoding;
  p.creationTime = meta?.createdAt;
  p.groupId = meta?.groupId;
  if (meta?.groupSequence !== undefined) p.groupSequence = meta.groupSequence >>> 0;
  p.replyToGroupId = own('reply-to-group-id');
  writeComposite(writer, PROPERTIES, p);
  const user = new Map<string, UserProperty['value']>();
  for (const property of meta?.user ?? [])
    if (isIn(property) && !user.has(property.name)) user.set(property.name, property.value);
  if (user.size === 0) return;
  writeMap(
    APPLICATION_PROPERTIES,
    [...user].map(([name, value]) => [text(name), valueOfPlain(value)]),
  );
}

/** Text that is UTF-8 is a string, anything else data. */
function writeBodyHead(m: Message): void {
  const { payload, meta } = m;
  const isText = meta?.text === true && isUtf8(payload);
  const short = payload.length < 0x100;
  writer.descriptor(isText ? VALUE : DATA);
  writer.u8(isText ? (short ? FORMAT.str8 : FORMAT.str32) : short ? FORMAT.vbin8 : FORMAT.vbin32);
  if (short) writer.u8(payload.length);
  else writer.u32(payload.length);
}

function encodeTail(m: Message): Uint8Array {
  const footer = m.meta!.user!.filter(({ section }) => section === FOOTER_SECTION);
  if (footer.length === 0) return NOTHING;
  writeMap(
    FOOTER,
    footer.map(({ name, value }) => [symbol(name), valueOfPlain(value)]),
  );
  return writer.finish();
}

const PLAIN_HEADERS: readonly [Uint8Array, Uint8Array] = [
  encodeHeader({ firstAcquirer: true }),
  encodeHeader({ durable: true, firstAcquirer: true }),
];
const RETAINED = encodeRetained();

function encodeHeader(header: object): Uint8Array {
  writeComposite(writer, HEADER, header);
  return writer.finish();
}

function encodeRetained(): Uint8Array {
  writeMap(DELIVERY_ANNOTATIONS, [[symbol(RETAINED_ANNOTATION), truth(true)]]);
  return writer.finish();
}

/** What of a delivery is its own: header and delivery annotations. `failures`: deliveries before that failed. */
export function deliveryHead(
  m: Message,
  now: number,
  failures: number,
  again: boolean,
  retained: boolean,
): Uint8Array {
  const durable = m.qos > 0;
  const priority = m.meta?.priority;
  const plain = priority === undefined && m.expiresAt === NEVER && failures === 0 && !again;
  if (plain && !retained) return PLAIN_HEADERS[durable ? 1 : 0];
  writeComposite(writer, HEADER, {
    durable,
    priority: priority === undefined ? undefined : Math.min(priority, 255),
    ttl: m.expiresAt === NEVER ? undefined : Math.min(0xffff_ffff, Math.max(0, Math.ceil(m.expiresAt - now))),
    firstAcquirer: !again,
    deliveryCount: failures,
  });
  if (retained) writer.octets(RETAINED);
  return writer.finish();
}
