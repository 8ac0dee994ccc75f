// The properties of MQTT 5 (2.2.2.2): one table that says how each is written, where it may stand and which values it takes.

import { allocate } from '../../bytes/blocks.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { BROKEN_RULE, MALFORMED, TOPIC_ALIAS_INVALID } from './fault.ts';
import {
  AUTH,
  CONNACK,
  CONNECT,
  DISCONNECT,
  NO_PROPERTIES,
  type Properties,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBACK,
  SUBSCRIBE,
  UNSUBACK,
  UNSUBSCRIBE,
} from './packet.ts';
import type { Reader } from './reader.ts';
import { hasWildcard } from './topic.ts';
import { binaryLength, textLength, varintLength, Writer } from './writer.ts';

/** How a value is written; `bit` is an octet that must be 0 or 1, `pair` two strings. */
type Kind = 'bit' | 'u16' | 'u32' | 'varint' | 'text' | 'binary' | 'pair';

interface Row {
  readonly id: number;
  readonly kind: Kind;
  /** The places where it may stand, one bit for each. */
  readonly places: number;
  /** The section that says how often and with which values. */
  readonly clause: string;
  readonly nonzero?: true;
}

/** The place of will properties, beside the packet types. */
export const WILL = 0;

function places(...types: number[]): number {
  return types.reduce((mask, type) => mask | (1 << type), 0);
}

const MESSAGE = places(PUBLISH, WILL);
const LOGIN = places(CONNECT, CONNACK);
const ANSWER = places(CONNACK);
const EXCHANGE = places(CONNECT, CONNACK, AUTH);
const REASONED = places(CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH);
const EVERYWHERE = REASONED | places(CONNECT, WILL, PUBLISH, SUBSCRIBE, UNSUBSCRIBE);

const ROWS = {
  payloadFormatIndicator: { id: 0x01, kind: 'bit', places: MESSAGE, clause: 'MQTT5-3.3.2.3.2' },
  messageExpiryInterval: { id: 0x02, kind: 'u32', places: MESSAGE, clause: 'MQTT5-3.3.2.3.3' },
  contentType: { id: 0x03, kind: 'text', places: MESSAGE, clause: 'MQTT5-3.3.2.3.9' },
  responseTopic: { id: 0x08, kind: 'text', places: MESSAGE, clause: 'MQTT5-3.3.2.3.5' },
  correlationData: { id: 0x09, kind: 'binary', places: MESSAGE, clause: 'MQTT5-3.3.2.3.6' },
  subscriptionIdentifier: {
    id: 0x0b,
    kind: 'varint',
    places: places(PUBLISH, SUBSCRIBE),
    clause: 'MQTT5-3.8.2.1.2',
    nonzero: true,
  },
  sessionExpiryInterval: {
    id: 0x11,
    kind: 'u32',
    places: LOGIN | places(DISCONNECT),
    clause: 'MQTT5-3.1.2.11.2',
  },
  assignedClientIdentifier: { id: 0x12, kind: 'text', places: ANSWER, clause: 'MQTT5-3.2.2.3.7' },
  serverKeepAlive: { id: 0x13, kind: 'u16', places: ANSWER, clause: 'MQTT5-3.2.2.3.14' },
  authenticationMethod: { id: 0x15, kind: 'text', places: EXCHANGE, clause: 'MQTT5-3.1.2.11.9' },
  authenticationData: { id: 0x16, kind: 'binary', places: EXCHANGE, clause: 'MQTT5-3.1.2.11.10' },
  requestProblemInformation: { id: 0x17, kind: 'bit', places: places(CONNECT), clause: 'MQTT5-3.1.2.11.7' },
  willDelayInterval: { id: 0x18, kind: 'u32', places: places(WILL), clause: 'MQTT5-3.1.3.2.2' },
  requestResponseInformation: { id: 0x19, kind: 'bit', places: places(CONNECT), clause: 'MQTT5-3.1.2.11.6' },
  responseInformation: { id: 0x1a, kind: 'text', places: ANSWER, clause: 'MQTT5-3.2.2.3.15' },
  serverReference: {
    id: 0x1c,
    kind: 'text',
    places: ANSWER | places(DISCONNECT),
    clause: 'MQTT5-3.2.2.3.16',
  },
  reasonString: { id: 0x1f, kind: 'text', places: REASONED, clause: 'MQTT5-3.2.2.3.9' },
  receiveMaximum: { id: 0x21, kind: 'u16', places: LOGIN, clause: 'MQTT5-3.1.2.11.3', nonzero: true },
  topicAliasMaximum: { id: 0x22, kind: 'u16', places: LOGIN, clause: 'MQTT5-3.1.2.11.5' },
  topicAlias: { id: 0x23, kind: 'u16', places: places(PUBLISH), clause: 'MQTT5-3.3.2.3.4' },
  maximumQos: { id: 0x24, kind: 'bit', places: ANSWER, clause: 'MQTT5-3.2.2.3.4' },
  retainAvailable: { id: 0x25, kind: 'bit', places: ANSWER, clause: 'MQTT5-3.2.2.3.5' },
  userProperty: { id: 0x26, kind: 'pair', places: EVERYWHERE, clause: 'MQTT5-3.1.2.11.8' },
  maximumPacketSize: { id: 0x27, kind: 'u32', places: LOGIN, clause: 'MQTT5-3.1.2.11.4', nonzero: true },
  wildcardSubscriptionAvailable: { id: 0x28, kind: 'bit', places: ANSWER, clause: 'MQTT5-3.2.2.3.11' },
  subscriptionIdentifierAvailable: { id: 0x29, kind: 'bit', places: ANSWER, clause: 'MQTT5-3.2.2.3.12' },
  sharedSubscriptionAvailable: { id: 0x2a, kind: 'bit', places: ANSWER, clause: 'MQTT5-3.2.2.3.13' },
} as const satisfies Record<keyof Properties, Row>;

type Name = keyof Properties;
type Pair = readonly [name: string, value: string];

const NAMES: (Name | undefined)[] = new Array(0x2b).fill(undefined);
for (const name of Object.keys(ROWS) as Name[]) NAMES[ROWS[name].id] = name;

/**
 * Reads a property length and the properties behind it, as they may stand at `place` (a packet type, or WILL). Binary values are
 * views. Throws ProtocolError: 0x81 for what is unknown or does not belong there, 0x82 for a repetition or a forbidden value.
 */
export function decodeProperties(r: Reader, place: number): Properties {
  const length = r.varint();
  if (length === 0) return NO_PROPERTIES;
  const packetEnd = r.end;
  const end = r.at + length;
  if (end > packetEnd)
    throw new ProtocolError('MQTT5-2.2.2.1', 'property length goes beyond the packet', MALFORMED);
  r.end = end;
  const found: Properties = {};
  while (r.at < end) decodeProperty(r, place, found);
  r.end = packetEnd;
  checkTogether(found);
  return found;
}

function decodeProperty(r: Reader, place: number, found: Properties): void {
  // The identifier is a variable byte integer, but none is above 0x2a: one octet decides.
  const id = r.u8();
  const name = NAMES[id];
  if (name === undefined)
    throw new ProtocolError('MQTT5-2.2.2.2', `property 0x${id.toString(16)} does not exist`, MALFORMED);
  const row: Row = ROWS[name];
  if ((row.places & (1 << place)) === 0)
    throw new ProtocolError('MQTT5-2.2.2.2', `${name} may not stand in this packet`, MALFORMED);
  if (name === 'userProperty') {
    found.userProperty = append<Pair>(found.userProperty, [r.text(), r.text()]);
    return;
  }
  if (found[name] !== undefined && !(name === 'subscriptionIdentifier' && place === PUBLISH))
    throw new ProtocolError(row.clause, `${name} stands twice`, BROKEN_RULE);
  const value = decodeValue(r, name, row);
  if (name === 'subscriptionIdentifier')
    found.subscriptionIdentifier = append(found.subscriptionIdentifier, value as number);
  else (found as Record<string, unknown>)[name] = value;
}

/** Grows the list that is being built. */
function append<T>(list: readonly T[] | undefined, value: T): readonly T[] {
  if (list === undefined) return [value];
  (list as T[]).push(value);
  return list;
}

function decodeValue(r: Reader, name: Name, row: Row): number | string | Uint8Array {
  if (row.kind === 'text') return r.text();
  if (row.kind === 'binary') return r.binary();
  const value = decodeNumber(r, row.kind);
  if (row.kind === 'bit' && value > 1)
    throw new ProtocolError(row.clause, `${name} is ${value}, neither 0 nor 1`, BROKEN_RULE);
  if (value === 0 && row.nonzero === true) throw new ProtocolError(row.clause, `${name} is 0`, BROKEN_RULE);
  if (value === 0 && name === 'topicAlias')
    throw new ProtocolError('MQTT5-3.3.2-8', 'topic alias is 0', TOPIC_ALIAS_INVALID);
  return value;
}

function decodeNumber(r: Reader, kind: Kind): number {
  switch (kind) {
    case 'u16':
      return r.u16();
    case 'u32':
      return r.u32();
    case 'varint':
      return r.varint();
    default:
      return r.u8();
  }
}

/** Rules that need more than one property, or the text itself. */
function checkTogether(found: Properties): void {
  if (found.responseTopic !== undefined && hasWildcard(found.responseTopic))
    throw new ProtocolError('MQTT5-3.3.2-14', 'response topic contains a wildcard', BROKEN_RULE);
  if (found.authenticationData !== undefined && found.authenticationMethod === undefined)
    throw new ProtocolError('MQTT5-3.1.2.11.10', 'authentication data without a method', BROKEN_RULE);
}

/**
 * Octets of the properties without the property length in front. Throws RangeError when a string or binary value exceeds 65,535
 * octets.
 */
export function propertiesLength(p: Properties): number {
  if (p === NO_PROPERTIES) return 0;
  let length = 0;
  // No Object.entries: it would allocate for every packet.
  for (const key in p) {
    const name = key as Name;
    const value = p[name];
    if (value !== undefined) length += valueLength(ROWS[name].kind, value);
  }
  return length;
}

type Value = NonNullable<Properties[Name]>;

/** Identifier octets included. */
function valueLength(kind: Kind, value: Value): number {
  switch (kind) {
    case 'bit':
      return 2;
    case 'u16':
      return 3;
    case 'u32':
      return 5;
    case 'text':
      return 1 + textLength(value as string);
    case 'binary':
      return 1 + binaryLength(value as Uint8Array);
    case 'varint': {
      let length = 0;
      for (const id of value as readonly number[]) length += 1 + varintLength(id);
      return length;
    }
    case 'pair': {
      let length = 0;
      for (const pair of value as readonly Pair[]) length += 1 + textLength(pair[0]) + textLength(pair[1]);
      return length;
    }
  }
}

/** Writes the property length (`length`, from `propertiesLength`) and the properties. */
export function writeProperties(w: Writer, p: Properties, length: number): void {
  w.varint(length);
  if (length === 0) return;
  for (const key in p) {
    const name = key as Name;
    const value = p[name];
    if (value !== undefined) writeProperty(w, ROWS[name].id, ROWS[name].kind, value);
  }
}

function writeProperty(w: Writer, id: number, kind: Kind, value: Value): void {
  if (kind === 'varint') {
    for (const one of value as readonly number[]) {
      w.u8(id);
      w.varint(one);
    }
    return;
  }
  if (kind === 'pair') {
    for (const pair of value as readonly Pair[]) {
      w.u8(id);
      w.text(pair[0]);
      w.text(pair[1]);
    }
    return;
  }
  w.u8(id);
  if (kind === 'bit') w.u8(value as number);
  else if (kind === 'u16') w.u16(value as number);
  else if (kind === 'u32') w.u32(value as number);
  else if (kind === 'text') w.text(value as string);
  else w.binary(value as Uint8Array);
}

/** The properties with the property length in front. Throws RangeError as `propertiesLength`. */
export function encodeProperties(p: Properties): Uint8Array {
  const length = propertiesLength(p);
  const w = new Writer(allocate(varintLength(length) + length), 0);
  writeProperties(w, p, length);
  return w.bytes;
}
