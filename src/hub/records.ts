// How messages, subscriptions and sessions are written down in the store, and read back.

import type { Reader } from '../bytes/reader.ts';
import type { Writer } from '../bytes/writer.ts';
import type { Subscription } from '../contract/mailbox.ts';
import {
  type Id,
  Message,
  type Meta,
  type Origin,
  type Qos,
  type UserProperty,
} from '../contract/message.ts';

const ID_TEXT = 0;
const ID_OCTETS = 1;
const ID_ULONG = 2;
const ID_UUID = 3;

function writeId(w: Writer, id: Id): void {
  if (typeof id === 'string') {
    w.u8(ID_TEXT);
    w.text(id);
  } else if (typeof id === 'bigint') {
    w.u8(ID_ULONG);
    w.text(id.toString());
  } else if (id instanceof Uint8Array) {
    w.u8(ID_OCTETS);
    w.octets(id);
  } else {
    w.u8(ID_UUID);
    w.text(id.uuid);
  }
}

function readId(r: Reader): Id {
  const kind = r.u8();
  if (kind === ID_OCTETS) return r.octets().slice();
  const text = r.text();
  if (kind === ID_TEXT) return text;
  return kind === ID_ULONG ? BigInt(text) : { uuid: text };
}

const VALUE_TEXT = 0;
const VALUE_OCTETS = 1;
const VALUE_NUMBER = 2;
const VALUE_BIGINT = 3;
const VALUE_TRUE = 4;
const VALUE_FALSE = 5;

function writeValue(w: Writer, value: UserProperty['value']): void {
  if (typeof value === 'string') {
    w.u8(VALUE_TEXT);
    w.text(value);
  } else if (typeof value === 'number') {
    w.u8(VALUE_NUMBER);
    w.f64(value);
  } else if (typeof value === 'bigint') {
    w.u8(VALUE_BIGINT);
    w.text(value.toString());
  } else if (typeof value === 'boolean') {
    w.u8(value ? VALUE_TRUE : VALUE_FALSE);
  } else {
    w.u8(VALUE_OCTETS);
    w.octets(value);
  }
}

function readValue(r: Reader): UserProperty['value'] {
  const kind = r.u8();
  if (kind === VALUE_TEXT) return r.text();
  if (kind === VALUE_NUMBER) return r.f64();
  if (kind === VALUE_BIGINT) return BigInt(r.text());
  if (kind === VALUE_OCTETS) return r.octets().slice();
  return kind === VALUE_TRUE;
}

// The first octet of a message's properties: which of the common ones follow. 0: none at all.
const HAS_CONTENT_TYPE = 1;
const HAS_TEXT = 2;
const IS_TEXT = 4;
const HAS_RESPONSE_TOPIC = 8;
const HAS_CORRELATION = 16;
const HAS_USER = 32;
const HAS_OTHERS = 64;

function writeMeta(w: Writer, meta: Meta | undefined): void {
  if (meta === undefined) {
    w.u8(0);
    return;
  }
  let has = 0;
  if (meta.contentType !== undefined) has |= HAS_CONTENT_TYPE;
  if (meta.text !== undefined) has |= meta.text ? HAS_TEXT | IS_TEXT : HAS_TEXT;
  if (meta.responseTopic !== undefined) has |= HAS_RESPONSE_TOPIC;
  if (meta.correlation !== undefined) has |= HAS_CORRELATION;
  if (meta.user !== undefined && meta.user.length > 0) has |= HAS_USER;
  const others = rareOnes(meta);
  if (others !== 0) has |= HAS_OTHERS;
  w.u8(has);
  if (meta.contentType !== undefined) w.text(meta.contentType);
  if (meta.responseTopic !== undefined) w.text(meta.responseTopic);
  if (meta.correlation !== undefined) writeId(w, meta.correlation);
  if ((has & HAS_USER) !== 0) {
    w.varint(meta.user!.length);
    for (const p of meta.user!) {
      w.text(p.name);
      writeValue(w, p.value);
      w.text(p.section ?? '');
    }
  }
  if (others !== 0) writeRareOnes(w, meta, others);
}

const HAS_ENCODING = 1;
const HAS_MESSAGE_ID = 2;
const HAS_PRIORITY = 4;
const HAS_CREATED = 8;
const HAS_GROUP = 16;
const HAS_SEQUENCE = 32;
const HAS_WRAPPING = 64;

function rareOnes(meta: Meta): number {
  return (
    (meta.contentEncoding !== undefined ? HAS_ENCODING : 0) |
    (meta.messageId !== undefined ? HAS_MESSAGE_ID : 0) |
    (meta.priority !== undefined ? HAS_PRIORITY : 0) |
    (meta.createdAt !== undefined ? HAS_CREATED : 0) |
    (meta.groupId !== undefined ? HAS_GROUP : 0) |
    (meta.groupSequence !== undefined ? HAS_SEQUENCE : 0) |
    (meta.wrapping !== undefined ? HAS_WRAPPING : 0)
  );
}

function writeRareOnes(w: Writer, meta: Meta, others: number): void {
  w.u8(others);
  if (meta.contentEncoding !== undefined) w.text(meta.contentEncoding);
  if (meta.messageId !== undefined) writeId(w, meta.messageId);
  if (meta.priority !== undefined) w.u8(meta.priority);
  if (meta.createdAt !== undefined) w.f64(meta.createdAt);
  if (meta.groupId !== undefined) w.text(meta.groupId);
  if (meta.groupSequence !== undefined) w.f64(meta.groupSequence);
  if (meta.wrapping !== undefined) {
    w.text(meta.wrapping.dialect);
    w.octets(meta.wrapping.before);
    w.octets(meta.wrapping.after);
    w.u8(meta.wrapping.around ? 1 : 0);
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readMeta(r: Reader): Meta | undefined {
  const has = r.u8();
  if (has === 0) return undefined;
  const meta: Mutable<Meta> = {};
  if ((has & HAS_CONTENT_TYPE) !== 0) meta.contentType = r.text();
  if ((has & HAS_TEXT) !== 0) meta.text = (has & IS_TEXT) !== 0;
  if ((has & HAS_RESPONSE_TOPIC) !== 0) meta.responseTopic = r.text();
  if ((has & HAS_CORRELATION) !== 0) meta.correlation = readId(r);
  if ((has & HAS_USER) !== 0) meta.user = readUser(r);
  if ((has & HAS_OTHERS) !== 0) readRareOnes(r, meta);
  return meta;
}

function readUser(r: Reader): UserProperty[] {
  const user: UserProperty[] = [];
  for (let count = r.varint(); count > 0; count--) {
    const name = r.text();
    const value = readValue(r);
    const section = r.text();
    user.push(section === '' ? { name, value } : { name, value, section });
  }
  return user;
}

function readRareOnes(r: Reader, meta: Mutable<Meta>): void {
  const others = r.u8();
  if ((others & HAS_ENCODING) !== 0) meta.contentEncoding = r.text();
  if ((others & HAS_MESSAGE_ID) !== 0) meta.messageId = readId(r);
  if ((others & HAS_PRIORITY) !== 0) meta.priority = r.u8();
  if ((others & HAS_CREATED) !== 0) meta.createdAt = r.f64();
  if ((others & HAS_GROUP) !== 0) meta.groupId = r.text();
  if ((others & HAS_SEQUENCE) !== 0) meta.groupSequence = r.f64();
  if ((others & HAS_WRAPPING) !== 0) {
    const dialect = r.text();
    const before = r.octets().slice();
    meta.wrapping = { dialect, before, after: r.octets().slice(), around: r.u8() === 1 };
  }
}

/** flags: qos (2 bits), retain (bit 2), expires (bit 3), same origin as `before` (bit 4). */
export function writeMessage(w: Writer, m: Message, before?: Message): void {
  const expires = m.expiresAt !== Number.POSITIVE_INFINITY;
  const sameOrigin = before !== undefined && before.origin === m.origin;
  w.u8(m.qos | (m.retain ? 4 : 0) | (expires ? 8 : 0) | (sameOrigin ? 16 : 0));
  w.text(m.topic);
  w.octets(m.payload);
  if (!sameOrigin) {
    w.text(m.origin.protocol);
    w.text(m.origin.client);
    w.text(m.origin.principal);
  }
  w.varint(Math.floor(m.at));
  if (expires) w.f64(m.expiresAt);
  writeMeta(w, m.meta);
}

/** The payload is a view into the record; `before` is what `writeMessage` had as `before`. */
export function readMessage(r: Reader, before?: Message): Message {
  const flags = r.u8();
  const topic = r.text();
  const payload = r.octets();
  const origin: Origin =
    (flags & 16) !== 0 ? before!.origin : { protocol: r.text(), client: r.text(), principal: r.text() };
  const at = r.varint();
  const expiresAt = (flags & 8) !== 0 ? r.f64() : Number.POSITIVE_INFINITY;
  return new Message(
    topic,
    payload,
    (flags & 3) as Qos,
    (flags & 4) !== 0,
    origin,
    at,
    expiresAt,
    readMeta(r),
  );
}

export function writeSubscription(w: Writer, s: Subscription): void {
  w.u8(s.qos | (s.noLocal ? 4 : 0));
  w.varint(s.tag);
  w.text(s.filter);
}

export function readSubscription(r: Reader): Subscription {
  const flags = r.u8();
  const tag = r.varint();
  return { filter: r.text(), qos: (flags & 3) as Qos, noLocal: (flags & 4) !== 0, tag };
}
