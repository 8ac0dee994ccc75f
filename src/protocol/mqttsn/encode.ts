// From MQTT-SN 1.2 messages of either side to datagrams.

import {
  ADVERTISE,
  CONNACK,
  CONNECT,
  DISCONNECT,
  ENCAPSULATED,
  GWINFO,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  REGACK,
  REGISTER,
  SEARCHGW,
  type SnPacket,
  SUBACK,
  SUBSCRIBE,
  type TopicRef,
  UNSUBACK,
  UNSUBSCRIBE,
  WILLMSG,
  WILLMSGREQ,
  WILLMSGRESP,
  WILLMSGUPD,
  WILLTOPIC,
  WILLTOPICREQ,
  WILLTOPICRESP,
  WILLTOPICUPD,
} from './packet.ts';

/** The largest message that the length field can announce. */
const LARGEST = 0xffff;
const DUP = 0x80;

const encoder = new TextEncoder();

/** Throws RangeError for what no message can carry: the caller has checked. */
export function encodeSn(p: SnPacket): Uint8Array {
  switch (p.type) {
    case ADVERTISE:
      return frame(p.type, [p.gateway, p.duration >> 8, p.duration & 0xff]);
    case SEARCHGW:
      return frame(p.type, [p.radius]);
    case GWINFO:
      return frame(p.type, [p.gateway], p.address);
    case CONNECT:
      return frame(
        p.type,
        [(p.will ? 0x08 : 0) | (p.clean ? 0x04 : 0), p.protocolId, p.duration >> 8, p.duration & 0xff],
        encoder.encode(p.clientId),
      );
    case CONNACK:
    case WILLTOPICRESP:
    case WILLMSGRESP:
      return frame(p.type, [p.code]);
    case WILLTOPICREQ:
    case WILLMSGREQ:
    case PINGRESP:
      return frame(p.type, []);
    case WILLTOPIC:
    case WILLTOPICUPD:
      if (p.topic === '') return frame(p.type, []); // takes the will back [MQTTSN12-5.4.7, 6.4]
      return frame(p.type, [(p.qos << 5) | (p.retain ? 0x10 : 0)], encoder.encode(p.topic));
    case WILLMSG:
    case WILLMSGUPD:
      return frame(p.type, [], p.payload);
    case REGISTER:
      return frame(p.type, [...u16(p.topicId), ...u16(p.id)], encoder.encode(p.topic));
    case REGACK:
    case PUBACK:
      return frame(p.type, [...u16(p.topicId), ...u16(p.id), p.code]);
    case PUBLISH:
      return frame(
        p.type,
        [flagsOf(p.topic, p.qos, p.dup) | (p.retain ? 0x10 : 0), ...topicOctets(p.topic), ...u16(p.id)],
        p.payload,
      );
    case PUBREC:
    case PUBREL:
    case PUBCOMP:
    case UNSUBACK:
      return frame(p.type, u16(p.id));
    case SUBSCRIBE:
      return frame(p.type, [flagsOf(p.topic, p.qos, p.dup), ...u16(p.id)], topicOctets(p.topic));
    case UNSUBSCRIBE:
      return frame(p.type, [flagsOf(p.topic, 0, false), ...u16(p.id)], topicOctets(p.topic));
    case SUBACK:
      return frame(p.type, [p.qos << 5, ...u16(p.topicId), ...u16(p.id), p.code]);
    case PINGREQ:
      return frame(p.type, [], encoder.encode(p.clientId));
    case DISCONNECT:
      return frame(p.type, p.duration === 0 ? [] : u16(p.duration));
  }
}

/** Marks a PUBLISH or SUBSCRIBE that `encodeSn` wrote as sent before; a copy. */
export function again(datagram: Uint8Array): Uint8Array {
  const copy = datagram.slice();
  const flags = copy[0] === 0x01 ? 4 : 2;
  copy[flags] = copy[flags]! | DUP;
  return copy;
}

/** Octets of a PUBLISH with such a payload. */
export function publishBytes(payload: number): number {
  const short = 2 + 5 + payload;
  return short <= 0xff ? short : short + 2;
}

/** Puts a forwarder's envelope around a message [MQTTSN12-5.5]. */
export function encodeEnvelope(radius: number, node: Uint8Array, message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(3 + node.length + message.length);
  bytes[0] = 3 + node.length;
  bytes[1] = ENCAPSULATED;
  bytes[2] = radius;
  bytes.set(node, 3);
  bytes.set(message, 3 + node.length);
  return bytes;
}

function u16(value: number): readonly [number, number] {
  return [value >> 8, value & 0xff];
}

function flagsOf(topic: TopicRef, qos: number, dup: boolean): number {
  const kind = topic.kind === 'predefined' ? 1 : topic.kind === 'short' ? 2 : 0;
  return (dup ? DUP : 0) | ((qos & 3) << 5) | kind;
}

function topicOctets(topic: TopicRef): Uint8Array {
  switch (topic.kind) {
    case 'name':
      return encoder.encode(topic.name);
    case 'short':
      return Uint8Array.of(topic.name.charCodeAt(0), topic.name.length > 1 ? topic.name.charCodeAt(1) : 0);
    default:
      return Uint8Array.from(u16(topic.id));
  }
}

/** length | type | fixed | rest, or from 256 octets on 01 | length, two octets | type | … [MQTTSN12-5.2.1] */
function frame(type: number, fixed: readonly number[], rest: Uint8Array = NOTHING): Uint8Array {
  const body = fixed.length + rest.length;
  const long = body + 2 > 0xff;
  const length = body + (long ? 4 : 2);
  if (length > LARGEST) throw new RangeError(`a message of ${length} octets`);
  const bytes = new Uint8Array(length);
  let at = 0;
  if (long) {
    bytes[at++] = 0x01;
    bytes[at++] = length >> 8;
  }
  bytes[at++] = length;
  bytes[at++] = type;
  bytes.set(fixed, at);
  bytes.set(rest, at + fixed.length);
  return bytes;
}

const NOTHING = new Uint8Array(0);
