// From octets to the packets that open a connection: CONNECT, which says its own level, and CONNACK.

import type { Qos } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { BROKEN_RULE, fault, UNSUPPORTED_VERSION } from './fault.ts';
import {
  CONNACK,
  CONNECT,
  type Connack,
  type Connect,
  type Level,
  NO_PROPERTIES,
  type Will,
} from './packet.ts';
import { decodeProperties, WILL } from './properties.ts';
import { Reader } from './reader.ts';
import { checkReason } from './reason.ts';
import { checkTopicName } from './topic.ts';

const BRIDGE_BIT = 0x80;

const RESERVED_BIT = 0x01;
const CLEAN_BIT = 0x02;
const WILL_BIT = 0x04;
const WILL_QOS_BITS = 0x18;
const WILL_RETAIN_BIT = 0x20;
const PASSWORD_BIT = 0x40;
const USERNAME_BIT = 0x80;

/**
 *     0x10 | length | "MQTT" or "MQIsdp" | level | flags | keep alive | properties, level 5 | client id |
 *     will: properties at level 5, topic, payload | username | password
 *
 * `first` is the first octet of the frame, `bytes[body..end)` what follows its fixed header. Throws ProtocolError 0x84 for a protocol
 * name or level that is not served.
 */
export function decodeConnect(bytes: Uint8Array, first: number, body: number, end: number): Connect {
  const opening = new Reader(bytes, body, end, 5);
  const name = opening.text();
  const octet = opening.u8();
  const level = levelOf(name, octet);
  // MQTT 3.1 leaves the flags of the fixed header unused.
  if ((first & 0x0f) !== 0 && level !== 3)
    throw fault(level, 'MQTT5-2.1.3-1', 'MQTT311-2.2.2-2', 'reserved flags of the fixed header are set');
  const r = new Reader(bytes, opening.at, end, level);
  const flags = r.u8();
  checkFlags(flags, level);
  const keepAlive = r.u16();
  const properties = level === 5 ? decodeProperties(r, CONNECT) : NO_PROPERTIES;
  const clientId = r.text();
  const will = (flags & WILL_BIT) !== 0 ? decodeWill(r, flags) : undefined;
  const username = present(r, flags, USERNAME_BIT) ? r.text() : undefined;
  const password = present(r, flags, PASSWORD_BIT) ? r.binary() : undefined;
  r.finish();
  return {
    type: CONNECT,
    level,
    bridge: octet !== level,
    clean: (flags & CLEAN_BIT) !== 0,
    keepAlive,
    clientId,
    will,
    username,
    password,
    properties,
  };
}

function levelOf(name: string, octet: number): Level {
  const level = octet & ~BRIDGE_BIT;
  if (name === 'MQIsdp' && level === 3) return 3;
  if (name === 'MQTT' && level === 4) return 4;
  if (name === 'MQTT' && octet === 5) return 5;
  if (name !== 'MQTT' && name !== 'MQIsdp')
    throw new ProtocolError('MQTT5-3.1.2-1', 'protocol name is not MQTT', UNSUPPORTED_VERSION);
  throw new ProtocolError(
    'MQTT5-3.1.2-2',
    `protocol level ${octet} of ${name} is not served`,
    UNSUPPORTED_VERSION,
  );
}

/** Before MQTT 3.1 clients set the flag and left the field out; 3.1 wants them served, "the remaining length takes precedence". */
function present(r: Reader, flags: number, bit: number): boolean {
  return (flags & bit) !== 0 && (r.level !== 3 || r.rest > 0);
}

function checkFlags(flags: number, level: Level): void {
  if ((flags & RESERVED_BIT) !== 0 && level !== 3)
    throw fault(level, 'MQTT5-3.1.2-3', 'MQTT311-3.1.2-3', 'reserved connect flag is set');
  if ((flags & WILL_BIT) === 0) {
    if ((flags & WILL_QOS_BITS) !== 0)
      throw fault(level, 'MQTT5-3.1.2-11', 'MQTT311-3.1.2-13', 'will QoS without a will');
    if ((flags & WILL_RETAIN_BIT) !== 0)
      throw fault(level, 'MQTT5-3.1.2-13', 'MQTT311-3.1.2-15', 'will retain without a will');
  }
  if ((flags & WILL_QOS_BITS) === WILL_QOS_BITS)
    throw fault(level, 'MQTT5-3.1.2-12', 'MQTT311-3.1.2-14', 'will QoS is 3');
  if (level !== 5 && (flags & PASSWORD_BIT) !== 0 && (flags & USERNAME_BIT) === 0)
    throw fault(level, 'MQTT5-3.1.2.9', 'MQTT311-3.1.2-22', 'password without a username');
}

function decodeWill(r: Reader, flags: number): Will {
  const properties = r.level === 5 ? decodeProperties(r, WILL) : NO_PROPERTIES;
  const topic = r.text();
  checkTopicName(topic, r.level);
  return {
    topic,
    payload: r.binary(),
    qos: ((flags & WILL_QOS_BITS) >> 3) as Qos,
    retain: (flags & WILL_RETAIN_BIT) !== 0,
    properties,
  };
}

/**
 *     0x20 | length | session present | code | properties, level 5
 */
export function decodeConnack(r: Reader): Connack {
  const flags = r.u8();
  const code = r.u8();
  // MQTT 3.1 leaves the first octet unused.
  if (r.level === 3) return connack(r, false, checkReturnCode(r.level, code));
  if ((flags & 0xfe) !== 0)
    throw fault(r.level, 'MQTT5-3.2.2-1', 'MQTT311-3.2.2.1', 'reserved acknowledge flags are set');
  const sessionPresent = flags === 1;
  if (sessionPresent && code !== 0)
    throw fault(r.level, 'MQTT5-3.2.2-6', 'MQTT311-3.2.2-4', 'session present in a refusal', BROKEN_RULE);
  if (r.level === 4) return connack(r, sessionPresent, checkReturnCode(r.level, code));
  // A server that knows no MQTT 5 refuses in the words of 3.1.1.
  if (code === 1 && r.rest === 0) return connack(r, false, UNSUPPORTED_VERSION);
  checkReason(CONNACK, code, 'server');
  return connack(r, sessionPresent, code);
}

function connack(r: Reader, sessionPresent: boolean, code: number): Connack {
  const properties = r.level === 5 && r.rest > 0 ? decodeProperties(r, CONNACK) : NO_PROPERTIES;
  r.finish();
  return { type: CONNACK, sessionPresent, code, properties };
}

function checkReturnCode(level: Level, code: number): number {
  if (code > 5)
    throw fault(level, 'MQTT5-3.2.2-8', 'MQTT311-3.2.2.3', `return code ${code} is reserved`, BROKEN_RULE);
  return code;
}
