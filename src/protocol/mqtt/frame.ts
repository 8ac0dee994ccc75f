// PUBLISH frames for one receiver: without properties, or with those that only it gets.

import { allocate } from '../../bytes/blocks.ts';
import { BY_REFERENCE_BYTES } from '../../bytes/outbox.ts';
import { type Dialect, dialectSlot, type Message } from '../../contract/message.ts';
import type { Wire } from '../../contract/wire.ts';
import { propertiesOf, TAG_IDENTIFIER } from './map.ts';
import { encodeProperties } from './properties.ts';
import { utf8Length, writeUtf8 } from './text.ts';
import { varintLength, writeVarint } from './writer.ts';

const NOTHING = new Uint8Array(0);

/** Topic name with its length in front. */
const TOPIC: Dialect = {
  slot: dialectSlot(),
  encode(m) {
    const length = utf8Length(m.topic);
    const octets = allocate(2 + length);
    octets[0] = length >> 8;
    octets[1] = length;
    writeUtf8(octets, 2, m.topic);
    return octets;
  },
};

/** The properties that depend on the message alone, without their length in front. */
export const PROPERTIES: Dialect = {
  slot: dialectSlot(),
  encode(m) {
    if (m.meta === undefined) return NOTHING;
    const octets = encodeProperties(propertiesOf(m.meta));
    let at = 0;
    while (octets[at]! >= 0x80) at++;
    return octets.subarray(at + 1);
  },
};

/** Whether the payload follows its frame's head by reference instead of being copied. */
export function byReference(m: Message): boolean {
  return m.payload.length >= BY_REFERENCE_BYTES;
}

/** Whether `writePlain` can write the message: it has no properties of its own. */
export function isPlain(m: Message, level5: boolean): boolean {
  return !level5 || m.meta === undefined;
}

/** The octets of the frame that `writePlain` would write, payload included. */
export function plainFrameBytes(m: Message, id: boolean, level5: boolean): number {
  const remaining = 2 + utf8Length(m.topic) + (id ? 2 : 0) + (level5 ? 1 : 0) + m.payload.length;
  return 1 + varintLength(remaining) + remaining;
}

/** Writes a frame without properties straight to its only receiver: a shared frame would cost an allocation and a second copy. */
export function writePlain(wire: Wire, m: Message, first: number, id: number, level5: boolean): void {
  const topic = utf8Length(m.topic);
  const headBytes = 2 + topic + (id !== 0 ? 2 : 0) + (level5 ? 1 : 0);
  const remaining = headBytes + m.payload.length;
  const inline = byReference(m) ? 0 : m.payload.length;
  const start = wire.reserve(1 + varintLength(remaining) + headBytes + inline);
  const { bytes } = wire;
  bytes[start] = first;
  let at = writeVarint(bytes, start + 1, remaining);
  bytes[at++] = topic >> 8;
  bytes[at++] = topic;
  at = writeUtf8(bytes, at, m.topic);
  if (id !== 0) {
    bytes[at++] = id >> 8;
    bytes[at++] = id;
  }
  if (level5) bytes[at++] = 0;
  if (inline > 0) bytes.set(m.payload, at);
  else if (m.payload.length > 0) wire.write(m.payload);
}

/** What only one receiver's frame carries (5.0). */
export class OwnParts {
  /** 0: none. */
  alias = 0;
  /** The alias is known to the client, so the topic is left out. */
  topicless = false;
  /** Seconds, 0: the message does not expire. */
  expiry = 0;
  /** Tags of the matching subscriptions: the frame carries all of their identifiers [MQTT5-3.3.4-3] [MQTT5-3.3.4-5]. */
  tags: readonly number[] = [];
}

/** The octets of the frame that `writeOwn` would write, payload included. */
export function ownFrameBytes(m: Message, id: number, own: OwnParts): number {
  const remaining = ownRemaining(m, id, own);
  return 1 + varintLength(remaining) + remaining;
}

function ownRemaining(m: Message, id: number, own: OwnParts): number {
  const properties = ownPropertiesBytes(m, own);
  const topic = own.topicless ? 2 : m.frame(TOPIC).length;
  return topic + (id !== 0 ? 2 : 0) + varintLength(properties) + properties + m.payload.length;
}

function ownPropertiesBytes(m: Message, own: OwnParts): number {
  let bytes = m.frame(PROPERTIES).length;
  if (own.alias !== 0) bytes += 3;
  if (own.expiry !== 0) bytes += 5;
  for (const tag of own.tags) {
    const identifier = tag & TAG_IDENTIFIER;
    if (identifier !== 0) bytes += 1 + varintLength(identifier);
  }
  return bytes;
}

/** Writes a frame that is one receiver's own: topic alias, remaining life and subscription identifiers in front of the shared properties. */
export function writeOwn(wire: Wire, m: Message, first: number, id: number, own: OwnParts): void {
  const remaining = ownRemaining(m, id, own);
  const inline = byReference(m) ? 0 : m.payload.length;
  const start = wire.reserve(1 + varintLength(remaining) + remaining - m.payload.length + inline);
  const { bytes } = wire;
  bytes[start] = first;
  let at = writeVarint(bytes, start + 1, remaining);
  if (own.topicless) {
    bytes[at++] = 0;
    bytes[at++] = 0;
  } else {
    const topic = m.frame(TOPIC);
    bytes.set(topic, at);
    at += topic.length;
  }
  if (id !== 0) {
    bytes[at++] = id >> 8;
    bytes[at++] = id;
  }
  at = writeVarint(bytes, at, ownPropertiesBytes(m, own));
  at = writeOwnProperties(bytes, at, own);
  const properties = m.frame(PROPERTIES);
  bytes.set(properties, at);
  at += properties.length;
  if (inline > 0) bytes.set(m.payload, at);
  else if (m.payload.length > 0) wire.write(m.payload);
}

function writeOwnProperties(bytes: Uint8Array, from: number, own: OwnParts): number {
  let at = from;
  if (own.expiry !== 0) {
    bytes[at++] = 0x02;
    bytes[at++] = own.expiry >>> 24;
    bytes[at++] = own.expiry >>> 16;
    bytes[at++] = own.expiry >>> 8;
    bytes[at++] = own.expiry;
  }
  for (const tag of own.tags) {
    const identifier = tag & TAG_IDENTIFIER;
    if (identifier === 0) continue;
    bytes[at++] = 0x0b;
    at = writeVarint(bytes, at, identifier);
  }
  if (own.alias !== 0) {
    bytes[at++] = 0x23;
    bytes[at++] = own.alias >> 8;
    bytes[at++] = own.alias;
  }
  return at;
}
