// From octets to packets: finding frames, the fixed header, PUBLISH and the packets about messages and goodbyes.

import type { Qos } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { decodeConnack, decodeConnect } from './decode-connect.ts';
import { decodeSuback, decodeSubscribe, decodeUnsuback, decodeUnsubscribe } from './decode-subscribe.ts';
import { BROKEN_RULE, fault } from './fault.ts';
import {
  type Acknowledgement,
  AUTH,
  type Auth,
  CONNACK,
  CONNECT,
  DISCONNECT,
  type Disconnect,
  type Level,
  NO_PROPERTIES,
  type Packet,
  PINGREQ,
  PINGRESP,
  type Ping,
  type Properties,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
  SUBACK,
  SUBSCRIBE,
  UNSUBACK,
  UNSUBSCRIBE,
} from './packet.ts';
import { decodeProperties } from './properties.ts';
import { notMinimal, Reader, tooManyOctets, tooShort } from './reader.ts';
import { checkReason, type Role } from './reason.ts';
import { decodeString } from './text.ts';
import { checkTopicOctets } from './topic.ts';

/**
 * The offset just past the frame that begins at `start`: beyond `end` when not all of it is there, -1 while its length is not known
 * yet. Throws ProtocolError 0x81 when the length does not end with its fourth octet; `level` only picks the clause.
 */
export function frameEnd(bytes: Uint8Array, start: number, end: number, level: Level = 5): number {
  let at = start + 1;
  let length = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= end) return -1;
    const octet = bytes[at++]!;
    length |= (octet & 0x7f) << shift;
    if (octet < 0x80) return at + length;
  }
  throw tooManyOctets(level);
}

/**
 * The packet in `bytes[start..end)`, which must be exactly one frame, sent by `from` on a connection of `level`; a CONNECT is decoded
 * by its own level. Binary values (payload, password, correlation and authentication data) are views into `bytes`: copy what is kept.
 * Throws ProtocolError with the reason code of MQTT 5, at every level.
 *
 *     type and flags | remaining length, 1 to 4 octets | variable header | payload
 */
export function decodePacket(
  bytes: Uint8Array,
  start: number,
  end: number,
  level: Level,
  from: Role,
): Packet {
  const first = bytes[start]!;
  const type = first >> 4;
  const body = bodyStart(bytes, start, end, level);
  if (type === CONNECT) {
    checkSender(type, level, from);
    const packet = decodeConnect(bytes, first, body, end);
    checkMinimal(bytes, start, body, packet.level);
    return packet;
  }
  checkMinimal(bytes, start, body, level);
  if (type === SUBSCRIBE || type === UNSUBSCRIBE) {
    checkSender(type, level, from);
    checkFlags(first, level);
    const r = new Reader(bytes, body, end, level);
    return type === SUBSCRIBE ? decodeSubscribe(r) : decodeUnsubscribe(r);
  }
  return decodeCommon(bytes, first, body, end, level, from);
}

/** As `decodePacket`, for what a server sends: a client carries no more of the codec than it needs. */
export function decodeFromServer(bytes: Uint8Array, start: number, end: number, level: Level): Packet {
  const body = bodyStart(bytes, start, end, level);
  checkMinimal(bytes, start, body, level);
  return decodeCommon(bytes, bytes[start]!, body, end, level, 'server');
}

/** All but the packets that only clients send and that have content. */
function decodeCommon(
  bytes: Uint8Array,
  first: number,
  body: number,
  end: number,
  level: Level,
  from: Role,
): Packet {
  const type = first >> 4;
  if (type === PUBLISH) return decodePublish(bytes, first, body, end, level, from);
  checkSender(type, level, from);
  checkFlags(first, level);
  switch (type) {
    case PUBACK:
    case PUBREC:
    case PUBREL:
    case PUBCOMP:
      return decodeAcknowledgement(bytes, type, body, end, level, from);
    case PINGREQ:
    case PINGRESP:
      return decodePing(type, body, end, level);
  }
  const r = new Reader(bytes, body, end, level);
  switch (type) {
    case CONNACK:
      return decodeConnack(r);
    case SUBACK:
      return decodeSuback(r);
    case UNSUBACK:
      return decodeUnsuback(r);
    case DISCONNECT:
      return decodeDisconnect(r, from);
    default:
      return decodeAuth(r, from);
  }
}

/** Where the fixed header ends. */
function bodyStart(bytes: Uint8Array, start: number, end: number, level: Level): number {
  const announced = frameEnd(bytes, start, end, level);
  if (announced !== end) throw tooShort(level);
  let at = start + 1;
  while (bytes[at]! >= 0x80) at++;
  return at + 1;
}

/** Before MQTT 5 a remaining length may be written with more octets than needed. */
function checkMinimal(bytes: Uint8Array, start: number, body: number, level: Level): void {
  if (level === 5 && bytes[body - 1] === 0 && body > start + 2) throw notMinimal(); // [MQTT5-1.5.5-1]
}

/** Packets that only servers send, those that only clients send, and types that the level does not have (2.1.2). */
function checkSender(type: number, level: Level, from: Role): void {
  if (type === 0 || (type === AUTH && level !== 5))
    throw fault(level, 'MQTT5-2.1.2', 'MQTT311-2.2.1', `packet type ${type} is reserved`);
  let sender: Role | undefined;
  if (type === CONNECT || type === SUBSCRIBE || type === UNSUBSCRIBE || type === PINGREQ) sender = 'client';
  else if (type === CONNACK || type === SUBACK || type === UNSUBACK || type === PINGRESP) sender = 'server';
  else if (type === DISCONNECT && level !== 5) sender = 'client';
  if (sender !== undefined && sender !== from)
    throw fault(
      level,
      'MQTT5-2.1.2',
      'MQTT311-2.2.1',
      `packet type ${type} is not for a ${from}`,
      BROKEN_RULE,
    );
}

/** The clauses that say which flags the fixed header must have, and these. */
type FlagRule = readonly [`MQTT5-${string}`, `MQTT311-${string}`, flags: number];
const NO_FLAGS: FlagRule = ['MQTT5-2.1.3-1', 'MQTT311-2.2.2-2', 0];
const FLAGS: Partial<Record<number, FlagRule>> = {
  [PUBREL]: ['MQTT5-3.6.1-1', 'MQTT311-3.6.1-1', 2],
  [SUBSCRIBE]: ['MQTT5-3.8.1-1', 'MQTT311-3.8.1-1', 2],
  [UNSUBSCRIBE]: ['MQTT5-3.10.1-1', 'MQTT311-3.10.1-1', 2],
  [DISCONNECT]: ['MQTT5-3.14.1-1', 'MQTT311-3.14.1-1', 0],
  [AUTH]: ['MQTT5-3.15.1-1', 'MQTT311-2.2.2-2', 0],
};

/** MQTT 3.1 leaves these bits unused, and sets DUP when it repeats a PUBREL, SUBSCRIBE or UNSUBSCRIBE. */
function checkFlags(first: number, level: Level): void {
  const rule = FLAGS[first >> 4] ?? NO_FLAGS;
  if (level !== 3 && (first & 0x0f) !== rule[2])
    throw fault(level, rule[0], rule[1], 'reserved flags of the fixed header are wrong');
}

/**
 *     0x3. | length | topic | packet id, QoS 1 and 2 | properties, level 5 | payload
 *
 * `first` is the first octet of the frame, `bytes[body..end)` what follows its fixed header.
 */
function decodePublish(
  bytes: Uint8Array,
  first: number,
  body: number,
  end: number,
  level: Level,
  from: Role,
): Publish {
  const qos = (first >> 1) & 3;
  const dup = (first & 8) !== 0;
  if (qos === 3) throw fault(level, 'MQTT5-3.3.1-4', 'MQTT311-3.3.1-4', 'QoS is 3');
  if (dup && qos === 0) throw fault(level, 'MQTT5-3.3.1-2', 'MQTT311-3.3.1-2', 'DUP is set at QoS 0');
  let at = body + 2;
  if (at > end) throw tooShort(level);
  const topicEnd = at + ((bytes[body]! << 8) | bytes[body + 1]!);
  if (topicEnd > end) throw tooShort(level);
  checkTopicOctets(bytes, at, topicEnd, level);
  const topic = decodeString(bytes, at, topicEnd, level);
  at = topicEnd;
  let id = 0;
  if (qos > 0) {
    if (at + 2 > end) throw tooShort(level);
    id = (bytes[at]! << 8) | bytes[at + 1]!;
    at += 2;
    checkId(id, level, from);
  }
  let properties = NO_PROPERTIES;
  if (level === 5) {
    if (bytes[at] === 0 && at < end) at++;
    else {
      const r = new Reader(bytes, at, end, level);
      properties = decodePublishProperties(r, from);
      at = r.at;
    }
  }
  if (topic.length === 0 && properties.topicAlias === undefined) throw noTopic(level);
  return {
    type: PUBLISH,
    dup,
    qos: qos as Qos,
    retain: (first & 1) !== 0,
    topic,
    id,
    properties,
    payload: bytes.subarray(at, end),
  };
}

function decodePublishProperties(r: Reader, from: Role): Properties {
  const properties = decodeProperties(r, PUBLISH);
  if (from === 'client' && properties.subscriptionIdentifier !== undefined)
    throw new ProtocolError(
      'MQTT5-3.3.4-6',
      'a client may not publish a subscription identifier',
      BROKEN_RULE,
    );
  return properties;
}

function noTopic(level: Level): ProtocolError {
  return fault(
    level,
    'MQTT5-3.3.2.1',
    'MQTT311-4.7.3-1',
    'topic name is empty and no alias stands for it',
    BROKEN_RULE,
  );
}

function checkId(id: number, level: Level, from: Role): void {
  if (id !== 0) return;
  const clause5 = from === 'client' ? 'MQTT5-2.2.1-3' : 'MQTT5-2.2.1-4';
  throw fault(level, clause5, 'MQTT311-2.3.1-1', 'packet id is 0', BROKEN_RULE);
}

/**
 *     0x40 to 0x70 | length | packet id | reason code, properties: level 5, both or the second left out
 */
function decodeAcknowledgement(
  bytes: Uint8Array,
  type: Acknowledgement['type'],
  body: number,
  end: number,
  level: Level,
  from: Role,
): Acknowledgement {
  if (body + 2 > end) throw tooShort(level);
  const id = (bytes[body]! << 8) | bytes[body + 1]!;
  // The standards only forbid id 0 to who assigns it; an answer repeats the id that it answers.
  if (id === 0) throw fault(level, 'MQTT5-2.2.1-5', 'MQTT311-2.3.1-6', 'packet id is 0', BROKEN_RULE);
  if (body + 2 === end) return { type, id, code: 0, properties: NO_PROPERTIES };
  const r = new Reader(bytes, body + 2, end, level);
  if (level !== 5) r.finish();
  const code = r.u8();
  checkReason(type, code, from);
  const properties = r.rest > 0 ? decodeProperties(r, type) : NO_PROPERTIES;
  r.finish();
  return { type, id, code, properties };
}

function decodePing(type: Ping['type'], body: number, end: number, level: Level): Ping {
  if (body !== end) throw fault(level, 'MQTT5-2.1.4', 'MQTT311-2.2.3', 'a ping has no content');
  return { type };
}

/**
 *     0xe0 | length | reason code, properties: level 5, both or the second left out
 */
function decodeDisconnect(r: Reader, from: Role): Disconnect {
  if (r.level !== 5) r.finish();
  if (r.rest === 0) return { type: DISCONNECT, code: 0, properties: NO_PROPERTIES };
  const code = r.u8();
  checkReason(DISCONNECT, code, from);
  const properties = r.rest > 0 ? decodeProperties(r, DISCONNECT) : NO_PROPERTIES;
  r.finish();
  if (from === 'server' && properties.sessionExpiryInterval !== undefined)
    throw new ProtocolError('MQTT5-3.14.2-2', 'a server may not change the session expiry', BROKEN_RULE);
  return { type: DISCONNECT, code, properties };
}

/**
 *     0xf0 | length | reason code | properties; nothing at all means success
 */
function decodeAuth(r: Reader, from: Role): Auth {
  const code = r.rest > 0 ? r.u8() : 0;
  checkReason(AUTH, code, from);
  const properties = r.rest > 0 ? decodeProperties(r, AUTH) : NO_PROPERTIES;
  r.finish();
  // Success may leave everything out (3.15.2.1).
  if (code !== 0 && properties.authenticationMethod === undefined)
    throw new ProtocolError('MQTT5-3.15.2.2.2', 'AUTH without an authentication method', BROKEN_RULE);
  return { type: AUTH, code, properties };
}
