// From packets to octets: each is measured, allocated once and filled.

import {
  type Acknowledgement,
  AUTH,
  type Auth,
  CONNACK,
  CONNECT,
  type Connack,
  type Connect,
  DISCONNECT,
  type Disconnect,
  type Level,
  type Packet,
  PINGREQ,
  PINGRESP,
  type Ping,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
  SUBACK,
  SUBSCRIBE,
  type Suback,
  type Subscribe,
  UNSUBACK,
  UNSUBSCRIBE,
  type Unsuback,
  type Unsubscribe,
} from './packet.ts';
import { propertiesLength, writeProperties } from './properties.ts';
import { binaryLength, openFrame, textLength, varintLength, type Writer } from './writer.ts';

/**
 * The octets of `p` on a connection of `level`; a CONNECT is written at its own level. What the level does not have (properties,
 * reason codes, subscription options before MQTT 5) is left out. The rules of the protocol are the caller's: only sizes are checked.
 * The octets are the caller's, their `.buffer` is not: small packets share one.
 * Throws RangeError when a string or binary value exceeds 65,535 octets, or the packet 268,435,455.
 */
export function encodePacket(p: Packet, level: Level): Uint8Array {
  switch (p.type) {
    case CONNECT:
      return encodeConnect(p);
    case CONNACK:
      return encodeConnack(p, level);
    case PUBLISH:
      return encodePublish(p, level);
    case PUBACK:
    case PUBREC:
    case PUBREL:
    case PUBCOMP:
      return encodeAcknowledgement(p, level);
    case SUBSCRIBE:
      return encodeSubscribe(p, level);
    case SUBACK:
    case UNSUBACK:
      return encodeAnswer(p, level);
    case UNSUBSCRIBE:
      return encodeUnsubscribe(p, level);
    case PINGREQ:
    case PINGRESP:
      return openFrame(p.type << 4, 0).bytes;
    case DISCONNECT:
    case AUTH:
      return encodeReasoned(p, level);
  }
}

/** What a client sends, but PUBLISH, which goes by `frame.ts`. */
export type ClientPacket = Connect | Acknowledgement | Subscribe | Unsubscribe | Ping | Disconnect | Auth;

/** As `encodePacket`: a client carries no more of the codec than it needs. */
export function encodeFromClient(p: ClientPacket, level: Level): Uint8Array {
  switch (p.type) {
    case CONNECT:
      return encodeConnect(p);
    case SUBSCRIBE:
      return encodeSubscribe(p, level);
    case UNSUBSCRIBE:
      return encodeUnsubscribe(p, level);
    case DISCONNECT:
    case AUTH:
      return encodeReasoned(p, level);
    case PINGREQ:
    case PINGRESP:
      return openFrame(p.type << 4, 0).bytes;
    default:
      return encodeAcknowledgement(p, level);
  }
}

const MQTT = 'MQTT';
const MQISDP = 'MQIsdp';

function encodeConnect(p: Connect): Uint8Array {
  const five = p.level === 5;
  const name = p.level === 3 ? MQISDP : MQTT;
  const { will, username, password } = p;
  const properties = five ? propertiesLength(p.properties) : 0;
  const willProperties = five && will !== undefined ? propertiesLength(will.properties) : 0;

  let body = textLength(name) + 4 + textLength(p.clientId);
  if (five) body += varintLength(properties) + properties;
  if (will !== undefined) {
    body += textLength(will.topic) + binaryLength(will.payload);
    if (five) body += varintLength(willProperties) + willProperties;
  }
  if (username !== undefined) body += textLength(username);
  if (password !== undefined) body += binaryLength(password);

  const w = openFrame(CONNECT << 4, body);
  w.text(name);
  w.u8(p.bridge ? p.level | 0x80 : p.level);
  w.u8(connectFlags(p));
  w.u16(p.keepAlive);
  if (five) writeProperties(w, p.properties, properties);
  w.text(p.clientId);
  if (will !== undefined) {
    if (five) writeProperties(w, will.properties, willProperties);
    w.text(will.topic);
    w.binary(will.payload);
  }
  if (username !== undefined) w.text(username);
  if (password !== undefined) w.binary(password);
  return w.bytes;
}

function connectFlags(p: Connect): number {
  let flags = p.clean ? 0x02 : 0;
  if (p.will !== undefined) flags |= 0x04 | (p.will.qos << 3) | (p.will.retain ? 0x20 : 0);
  if (p.password !== undefined) flags |= 0x40;
  if (p.username !== undefined) flags |= 0x80;
  return flags;
}

function encodeConnack(p: Connack, level: Level): Uint8Array {
  const properties = level === 5 ? propertiesLength(p.properties) : 0;
  const w = openFrame(CONNACK << 4, level === 5 ? 2 + varintLength(properties) + properties : 2);
  w.u8(p.sessionPresent && level !== 3 ? 1 : 0);
  w.u8(p.code);
  if (level === 5) writeProperties(w, p.properties, properties);
  return w.bytes;
}

function encodePublish(p: Publish, level: Level): Uint8Array {
  const properties = level === 5 ? propertiesLength(p.properties) : 0;
  let body = textLength(p.topic) + p.payload.length;
  if (p.qos > 0) body += 2;
  if (level === 5) body += varintLength(properties) + properties;
  const w = openFrame((PUBLISH << 4) | (p.dup ? 8 : 0) | (p.qos << 1) | (p.retain ? 1 : 0), body);
  w.text(p.topic);
  if (p.qos > 0) w.u16(p.id);
  if (level === 5) writeProperties(w, p.properties, properties);
  w.octets(p.payload);
  return w.bytes;
}

/** Octets of `writeAcknowledgement`. */
const ACKNOWLEDGEMENT_OCTETS = 4;

/** Writes the short form, which says success at every level, at `bytes[at..at + 4)`. */
export function writeAcknowledgement(
  bytes: Uint8Array,
  at: number,
  type: Acknowledgement['type'],
  id: number,
): void {
  bytes[at] = type === PUBREL ? (PUBREL << 4) | 2 : type << 4;
  bytes[at + 1] = 2;
  bytes[at + 2] = id >>> 8;
  bytes[at + 3] = id;
}

function encodeAcknowledgement(p: Acknowledgement, level: Level): Uint8Array {
  const properties = level === 5 ? propertiesLength(p.properties) : 0;
  if (level !== 5 || (p.code === 0 && properties === 0)) {
    const bytes = new Uint8Array(ACKNOWLEDGEMENT_OCTETS);
    writeAcknowledgement(bytes, 0, p.type, p.id);
    return bytes;
  }
  const w = openFrame(p.type === PUBREL ? (PUBREL << 4) | 2 : p.type << 4, 2 + reasonLength(properties));
  w.u16(p.id);
  w.u8(p.code);
  if (properties > 0) writeProperties(w, p.properties, properties);
  return w.bytes;
}

/** A reason code, and properties only if there are any. */
function reasonLength(properties: number): number {
  return properties === 0 ? 1 : 1 + varintLength(properties) + properties;
}

function encodeReasoned(p: Disconnect | Auth, level: Level): Uint8Array {
  const properties = level === 5 ? propertiesLength(p.properties) : 0;
  if (level !== 5 || (p.code === 0 && properties === 0)) return openFrame(p.type << 4, 0).bytes;
  const w = openFrame(p.type << 4, reasonLength(properties));
  w.u8(p.code);
  if (properties > 0) writeProperties(w, p.properties, properties);
  return w.bytes;
}

function encodeSubscribe(p: Subscribe, level: Level): Uint8Array {
  const properties = level === 5 ? propertiesLength(p.properties) : 0;
  let body = 2;
  if (level === 5) body += varintLength(properties) + properties;
  for (const entry of p.entries) body += textLength(entry.filter) + 1;
  const w = openRequest((SUBSCRIBE << 4) | 2, body, p, level, properties);
  for (const entry of p.entries) {
    let options: number = entry.qos;
    if (level === 5)
      options |= (entry.noLocal ? 4 : 0) | (entry.retainAsPublished ? 8 : 0) | (entry.retainHandling << 4);
    w.text(entry.filter);
    w.u8(options);
  }
  return w.bytes;
}

function encodeUnsubscribe(p: Unsubscribe, level: Level): Uint8Array {
  const properties = level === 5 ? propertiesLength(p.properties) : 0;
  let body = 2;
  if (level === 5) body += varintLength(properties) + properties;
  for (const filter of p.filters) body += textLength(filter);
  const w = openRequest((UNSUBSCRIBE << 4) | 2, body, p, level, properties);
  for (const filter of p.filters) w.text(filter);
  return w.bytes;
}

function encodeAnswer(p: Suback | Unsuback, level: Level): Uint8Array {
  const codes = p.type === UNSUBACK && level !== 5 ? [] : p.codes;
  const properties = level === 5 ? propertiesLength(p.properties) : 0;
  let body = 2 + codes.length;
  if (level === 5) body += varintLength(properties) + properties;
  const w = openRequest(p.type << 4, body, p, level, properties);
  for (const code of codes) w.u8(code);
  return w.bytes;
}

/** The fixed header, the packet id and at level 5 the properties. */
function openRequest(
  first: number,
  body: number,
  p: Subscribe | Unsubscribe | Suback | Unsuback,
  level: Level,
  properties: number,
): Writer {
  const w = openFrame(first, body);
  w.u16(p.id);
  if (level === 5) writeProperties(w, p.properties, properties);
  return w;
}
