// CONNECT and CONNACK: what the client asks for, what it gets, and how either is said in its version.

import type { Login } from '../../contract/auth.ts';
import type { HubLimits } from '../../contract/hub.ts';
import type { MailboxOptions } from '../../contract/mailbox.ts';
import { NEVER } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { isTopicName } from '../../contract/topic.ts';
import type { Wire, WireLimits } from '../../contract/wire.ts';
import { LARGEST_WINDOW, type OutflowTerms } from './deliver.ts';
import { encodePacket } from './encode.ts';
import { laneOf } from './lane.ts';
import { CONNACK_3, CONNACK_5, EXTENSIONS, SENTENCE } from './map.ts';
import type { MqttOptions } from './options.ts';
import { CONNACK, type Connect, type Level, NO_PROPERTIES, type Properties } from './packet.ts';
import { isUtf8, utf8Length } from './text.ts';
import { MAX_VARINT } from './writer.ts';

/** The longest packet that the length field can announce: 1 + 4 + 268,435,455 octets. */
const LARGEST_PACKET = MAX_VARINT + 5;
/** More than any count; a small integer, because it is compared with on the hot path. */
const UNLIMITED = 0x3fffffff;
const FOREVER_SECONDS = 0xffffffff;

/** What was agreed with one client. */
export interface Terms extends OutflowTerms {
  readonly level: Level;
  readonly clean: boolean;
  /** A bridge of mosquitto: does not want its own messages back, and retain flags as they were. */
  readonly bridge: boolean;
  readonly keepMs: number;
  /** The client asked for a session that ends with its connection; it may not change its mind [MQTT5-3.14.2.2.2]. */
  readonly endsAtOnce: boolean;
  /** Silence for longer ends the connection; NEVER: it may be silent for ever. */
  readonly silenceMs: number;
  /** Reason strings may be sent with any packet [MQTT5-3.1.2-29]. */
  readonly verbose: boolean;
  /** The topic aliases that the client may use. */
  readonly incomingAliasMaximum: number;
  /** Unanswered QoS 1 and 2 publishes that the client may have; UNLIMITED in 3.x, which cannot be told. */
  readonly receiveMaximum: number;
}

export function loginOf(c: Connect, wire: Wire): Login {
  return {
    protocol: 'mqtt',
    client: c.clientId,
    username: c.username,
    password: c.password,
    remote: wire.remote,
    listener: wire.listener,
    wire: wire.identity,
  };
}

/** Why a CONNECT that is well-formed is refused before anybody is asked, or 'ok'. */
export function objectionTo(c: Connect, hub: HubLimits, options: MqttOptions): Outcome {
  if (options.serverReference !== undefined)
    return options.serverMoved ? 'server-moved' : 'use-another-server';
  if (!acceptableClientId(c) || utf8Length(c.clientId) > hub.clientIdBytes) return 'identifier-invalid';
  const { will } = c;
  if (will === undefined) return 'ok';
  if (!isTopicName(will.topic, hub)) return 'topic-invalid';
  const text = options.checkPayloadFormat && will.properties.payloadFormatIndicator === 1;
  return text && !isUtf8(will.payload, 0, will.payload.length) ? 'payload-invalid' : 'ok';
}

/**
 * Whether the client id is one that its version allows. MQTT 3.1 also allows no more than 23 characters; bridges of mosquitto and Paho send
 * longer ones at 3.1 too, and other brokers take them: the hub's own limit is the only one.
 */
function acceptableClientId(c: Connect): boolean {
  if (c.level === 3) return c.clientId !== '';
  if (c.level === 4) return c.clientId !== '' || c.clean; // [MQTT311-3.1.3-8]
  return true; // [MQTT5-3.1.3-6]: an empty one is assigned
}

export function termsOf(c: Connect, hub: HubLimits, options: MqttOptions): Terms {
  const p = c.properties;
  const level5 = c.level === 5;
  const keepAlive = grantedKeepAlive(c, options);
  const maxPacketBytes = p.maximumPacketSize ?? LARGEST_PACKET;
  return shared({
    level: c.level,
    level5,
    lane: laneOf(c.level),
    clean: c.clean,
    bridge: c.bridge,
    keepMs: keepMsOf(c, hub),
    endsAtOnce: level5 && (p.sessionExpiryInterval ?? 0) === 0,
    silenceMs: keepAlive === 0 ? NEVER : keepAlive * 1500, // [MQTT5-3.1.2-22] [MQTT311-3.1.2-24]
    // A client that takes only tiny packets gets no sentences with them [MQTT5-3.1.2-24].
    verbose: level5 && p.requestProblemInformation !== 0 && maxPacketBytes >= 256,
    window: Math.max(1, Math.min(p.receiveMaximum ?? 65_535, hub.inflight, LARGEST_WINDOW)), // [MQTT5-3.3.4-9]
    maxPacketBytes,
    aliasMaximum: Math.min(p.topicAliasMaximum ?? 0, options.outgoingAliasMaximum), // [MQTT5-3.1.2-26]
    incomingAliasMaximum: level5 ? options.topicAliasMaximum : 0,
    receiveMaximum: level5 ? hub.receiveMaximum : UNLIMITED,
  });
}

let lastTerms: Terms | undefined;

/** Most clients agree on the same: they share one object, 10,000 of them 2 MB less. */
function shared(terms: Terms): Terms {
  const last = lastTerms;
  const same =
    last !== undefined && (Object.keys(terms) as (keyof Terms)[]).every((key) => last[key] === terms[key]);
  if (same) return last;
  lastTerms = terms;
  return terms;
}

/** How long the session outlives the connection. */
function keepMsOf(c: Connect, hub: HubLimits): number {
  if (c.level !== 5) return c.clean ? 0 : hub.sessionExpiryMs;
  return sessionMs(c.properties.sessionExpiryInterval ?? 0, hub);
}

/** An asked-for session expiry interval, seconds, as far as the hub grants it. */
export function sessionMs(seconds: number, hub: HubLimits): number {
  return Math.min(seconds === FOREVER_SECONDS ? NEVER : seconds * 1000, hub.sessionExpiryMs);
}

function secondsOf(ms: number): number {
  return ms === NEVER ? FOREVER_SECONDS : Math.floor(ms / 1000);
}

/** Only MQTT 5 can be told of another keep alive, so that 3.x clients keep their own, whatever the limit. */
function grantedKeepAlive(c: Connect, options: MqttOptions): number {
  const limit = options.maxKeepAliveSeconds;
  if (c.level !== 5 || limit === 0) return c.keepAlive;
  return c.keepAlive === 0 ? limit : Math.min(c.keepAlive, limit);
}

export function mailboxOptionsOf(terms: Terms, hub: HubLimits): MailboxOptions {
  return {
    fresh: terms.clean,
    keepMs: terms.keepMs,
    capacity: hub.queueMessages,
    overflow: hub.overflow,
  };
}

/**
 * The CONNACK of a client that is let in, without what is optional where that would make it too large. `proof`: the last word of its
 * enhanced authentication.
 */
export function encodeWelcome(
  c: Connect,
  terms: Terms,
  client: string,
  hub: HubLimits,
  wire: WireLimits,
  options: MqttOptions,
  proof: Uint8Array | undefined,
): Uint8Array {
  if (c.level !== 5) return encodeConnackCode(c.level, 0);
  const asked = c.properties;
  const p: Properties = {};
  const kept = secondsOf(terms.keepMs);
  if (kept !== (asked.sessionExpiryInterval ?? 0)) p.sessionExpiryInterval = kept; // [MQTT5-3.2.2-21]
  if (hub.receiveMaximum < 65_535) p.receiveMaximum = hub.receiveMaximum;
  // Paho for Python takes no larger value, and nothing larger would say anything.
  if (wire.maxPacketBytes <= MAX_VARINT) p.maximumPacketSize = wire.maxPacketBytes;
  if (terms.incomingAliasMaximum > 0) p.topicAliasMaximum = terms.incomingAliasMaximum;
  if (c.clientId === '') p.assignedClientIdentifier = client; // [MQTT5-3.1.3-7] [MQTT5-3.2.2-16]
  const keepAlive = grantedKeepAlive(c, options);
  if (keepAlive !== c.keepAlive) p.serverKeepAlive = keepAlive; // [MQTT5-3.2.2-21,22]
  if (asked.authenticationMethod !== undefined) {
    p.authenticationMethod = asked.authenticationMethod; // [MQTT5-4.12.0-5]
    if (proof !== undefined) p.authenticationData = proof;
  }
  if (asked.userProperty?.some(([name]) => name === EXTENSIONS)) p.userProperty = [[EXTENSIONS, 'queues']];
  const bytes = encodePacket({ type: CONNACK, sessionPresent: false, code: 0, properties: p }, 5);
  if (asked.requestResponseInformation !== 1 || options.responseInformation === undefined) return bytes; // [MQTT5-3.1.2-28]
  p.responseInformation = options.responseInformation.replaceAll('%c', client);
  const longer = encodePacket({ type: CONNACK, sessionPresent: false, code: 0, properties: p }, 5);
  return longer.length <= terms.maxPacketBytes ? longer : bytes;
}

/** Sets Session Present in a CONNACK: 0x20 | length | flags | code … */
export function markPresent(connack: Uint8Array): void {
  connack[connack[1]! < 0x80 ? 2 : 3] = 1;
}

/** The CONNACK of a client that is refused, in its version's words. */
export function encodeRefusal(c: Connect, why: Outcome, options: MqttOptions): Uint8Array {
  if (c.level !== 5) return encodeConnackCode(c.level, CONNACK_3[why]);
  const p: Properties = {};
  const elsewhere = why === 'use-another-server' || why === 'server-moved';
  if (elsewhere && options.serverReference !== undefined) p.serverReference = options.serverReference;
  if (c.properties.requestProblemInformation !== 0) p.reasonString = SENTENCE[why];
  const bytes = encodePacket(
    { type: CONNACK, sessionPresent: false, code: CONNACK_5[why], properties: p },
    5,
  );
  if (bytes.length <= (c.properties.maximumPacketSize ?? LARGEST_PACKET)) return bytes;
  const bare = encodeConnackCode(5, CONNACK_5[why]); // [MQTT5-3.2.2-19]
  return bare.length <= (c.properties.maximumPacketSize ?? LARGEST_PACKET) ? bare : bare.subarray(0, 0);
}

/** A CONNACK that says only a code. */
export function encodeConnackCode(level: Level, code: number): Uint8Array {
  return encodePacket({ type: CONNACK, sessionPresent: false, code, properties: NO_PROPERTIES }, level);
}

/**
 * The protocol level that a CONNECT at `bytes[start..end)` announces, without its bridge bit; -1 when it does not speak MQTT at all. For answers to
 * those that do not decode.
 */
export function announcedLevel(bytes: Uint8Array, start: number, end: number): number {
  let at = start + 1;
  while (at < end && bytes[at]! >= 0x80) at++;
  at++;
  const length = at + 2 <= end ? (bytes[at]! << 8) | bytes[at + 1]! : -1;
  if (at + 2 + length >= end) return -1;
  if (length === 4 && named(bytes, at + 2, 'MQTT')) return bytes[at + 6]! & 0x7f;
  if (length === 6 && named(bytes, at + 2, 'MQIsdp')) return bytes[at + 8]! & 0x7f;
  return -1;
}

function named(bytes: Uint8Array, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name.charCodeAt(i)) return false;
  return true;
}
