// From datagrams to MQTT-SN 1.2 messages, of either side.

import { ProtocolError } from '../../contract/outcome.ts';
import {
  ADVERTISE,
  CONNACK,
  CONNECT,
  DISCONNECT,
  ENCAPSULATED,
  type Envelope,
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
  type SnQos,
  SUBACK,
  SUBSCRIBE,
  type TopicId,
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

/** Flags: DUP | QoS, two bits | Retain | Will | CleanSession | TopicIdType, two bits [MQTTSN12-5.3.4]. */
const FLAG_DUP = 0x80;
const FLAG_RETAIN = 0x10;
const FLAG_WILL = 0x08;
const FLAG_CLEAN = 0x04;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A datagram that is no message of MQTT-SN 1.2. */
export function malformed(clause: string, why: string): ProtocolError {
  return new ProtocolError(`MQTTSN12-${clause}`, why);
}

/** The message at `bytes[start..end)`, and nothing behind it; payloads are views. Throws ProtocolError. */
export function decodeSn(bytes: Uint8Array, start: number, end: number): SnPacket {
  const header = headerBytes(bytes, start, end);
  const announced = header === 4 ? u16(bytes, start + 1) : bytes[start]!;
  if (announced !== end - start)
    throw malformed('5.2.1', `a length of ${announced} in a datagram of ${end - start} octets`);
  return new Body(bytes, start + header, end).read(bytes[start + header - 1]!);
}

/** Octets of Length and MsgType. */
function headerBytes(bytes: Uint8Array, start: number, end: number): 2 | 4 {
  const long = end > start && bytes[start] === 0x01; // 01 | length, two octets | type [MQTTSN12-5.2.1]
  if (end - start < (long ? 4 : 2)) throw malformed('5.2', 'shorter than a header');
  return long ? 4 : 2;
}

/** The envelope that a forwarder put around a message, or undefined when there is none. Throws ProtocolError. */
export function decodeEnvelope(bytes: Uint8Array, start: number, end: number): Envelope | undefined {
  // length | FE | ctrl | wireless node id | the message: the length is that of the envelope alone [MQTTSN12-5.5]
  if (end - start < 2 || bytes[start] === 0x01 || bytes[start + 1] !== ENCAPSULATED) return undefined;
  const inner = start + bytes[start]!;
  if (inner < start + 3 || inner > end) throw malformed('5.5', 'an envelope of a wrong length');
  return { radius: bytes[start + 2]! & 0x03, node: bytes.slice(start + 3, inner), inner };
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function qosOf(flags: number): SnQos {
  const bits = (flags >> 5) & 3;
  return bits === 3 ? -1 : (bits as SnQos);
}

function plainQos(flags: number): 0 | 1 | 2 {
  const qos = qosOf(flags);
  if (qos === -1) throw malformed('5.3.4', 'QoS −1 where only PUBLISH has it');
  return qos;
}

class Body {
  private readonly bytes: Uint8Array;
  private readonly start: number;
  private readonly end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  read(type: number): SnPacket {
    switch (type) {
      case ADVERTISE:
        this.exactly(3);
        return { type, gateway: this.u8(0), duration: this.u16(1) };
      case SEARCHGW:
        this.exactly(1);
        return { type, radius: this.u8(0) };
      case GWINFO:
        this.atLeast(1);
        return { type, gateway: this.u8(0), address: this.octets(1).slice() };
      case CONNECT:
        return this.connect();
      case CONNACK:
      case WILLTOPICRESP:
      case WILLMSGRESP:
        this.exactly(1);
        return { type, code: this.u8(0) };
      case WILLTOPICREQ:
      case WILLMSGREQ:
      case PINGRESP:
        this.exactly(0);
        return { type };
      case WILLTOPIC:
      case WILLTOPICUPD:
        return this.willTopic(type);
      case WILLMSG:
      case WILLMSGUPD:
        return { type, payload: this.octets(0) };
      case REGISTER:
        this.atLeast(5);
        return { type, topicId: this.u16(0), id: this.u16(2), topic: this.text(4) };
      case REGACK:
      case PUBACK:
        this.exactly(5);
        return { type, topicId: this.u16(0), id: this.u16(2), code: this.u8(4) };
      case PUBLISH:
        return this.publish();
      case PUBREC:
      case PUBREL:
      case PUBCOMP:
      case UNSUBACK:
        this.exactly(2);
        return { type, id: this.u16(0) };
      case SUBSCRIBE:
      case UNSUBSCRIBE:
        return this.subscribe(type);
      case SUBACK:
        this.exactly(6);
        return {
          type,
          qos: plainQos(this.u8(0)),
          topicId: this.u16(1),
          id: this.u16(3),
          code: this.u8(5),
        };
      case PINGREQ:
        return { type, clientId: this.text(0) };
      case DISCONNECT:
        if (this.length !== 0) this.exactly(2);
        return { type, duration: this.length === 0 ? 0 : this.u16(0) };
      default:
        throw malformed('5.2.2', `there is no message type 0x${type.toString(16)}`);
    }
  }

  private get length(): number {
    return this.end - this.start;
  }

  private exactly(length: number): void {
    if (this.length !== length)
      throw malformed('5.4', `${this.length} octets where the message has ${length}`);
  }

  private atLeast(length: number): void {
    if (this.length < length)
      throw malformed('5.4', `${this.length} octets where the message has at least ${length}`);
  }

  private u8(offset: number): number {
    return this.bytes[this.start + offset]!;
  }

  private u16(offset: number): number {
    return u16(this.bytes, this.start + offset);
  }

  private octets(offset: number): Uint8Array {
    return this.bytes.subarray(this.start + offset, this.end);
  }

  private text(offset: number): string {
    let text: string;
    try {
      text = decoder.decode(this.octets(offset));
    } catch {
      throw malformed('5.3', 'text is not well-formed UTF-8');
    }
    if (text.includes('\0')) throw malformed('5.3', 'text contains U+0000');
    return text;
  }

  private connect(): SnPacket {
    this.atLeast(4);
    const flags = this.u8(0);
    return {
      type: CONNECT,
      will: (flags & FLAG_WILL) !== 0,
      clean: (flags & FLAG_CLEAN) !== 0,
      protocolId: this.u8(1),
      duration: this.u16(2),
      clientId: this.text(4),
    };
  }

  private willTopic(type: typeof WILLTOPIC | typeof WILLTOPICUPD): SnPacket {
    if (this.length === 0) return { type, qos: 0, retain: false, topic: '' };
    const flags = this.u8(0);
    return { type, qos: plainQos(flags), retain: (flags & FLAG_RETAIN) !== 0, topic: this.text(1) };
  }

  private publish(): SnPacket {
    this.atLeast(5);
    const flags = this.u8(0);
    return {
      type: PUBLISH,
      dup: (flags & FLAG_DUP) !== 0,
      qos: qosOf(flags),
      retain: (flags & FLAG_RETAIN) !== 0,
      topic: this.topicId(flags, 1),
      id: this.u16(3),
      payload: this.octets(5),
    };
  }

  private subscribe(type: typeof SUBSCRIBE | typeof UNSUBSCRIBE): SnPacket {
    this.atLeast(4);
    const flags = this.u8(0);
    const id = this.u16(1);
    let topic: TopicRef;
    if ((flags & 3) === 0) {
      topic = { kind: 'name', name: this.text(3) };
    } else {
      this.exactly(5);
      topic = this.topicId(flags, 3);
    }
    if (type === UNSUBSCRIBE) return { type, id, topic };
    return { type, dup: (flags & FLAG_DUP) !== 0, qos: qosOf(flags), id, topic };
  }

  private topicId(flags: number, offset: number): TopicId {
    switch (flags & 3) {
      case 0:
        return { kind: 'normal', id: this.u16(offset) };
      case 1:
        return { kind: 'predefined', id: this.u16(offset) };
      case 2:
        return { kind: 'short', name: this.shortName(offset) };
      default:
        throw malformed('5.3.4', 'topic id type 3 is reserved');
    }
  }

  /** Two octets, one character each [MQTTSN12-3]; a second one of zero makes a name of one character. */
  private shortName(offset: number): string {
    const first = this.u8(offset);
    const second = this.u8(offset + 1);
    if (first === 0 || first > 0x7f || second > 0x7f)
      throw malformed('5.3.11', 'a short topic name is not two characters');
    return second === 0 ? String.fromCharCode(first) : String.fromCharCode(first, second);
  }
}
