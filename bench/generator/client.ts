// One MQTT client of the generator: reads packets where they lie, checks every message, and answers a chunk in one write.

import {
  connectFrame,
  DISCONNECT,
  type Level,
  lastMark,
  MIN_PAYLOAD_BYTES,
  marked,
  PAGE_BYTES,
  pageMark,
  type Qos,
  readU32,
  subscribeFrame,
} from './frames.ts';
import type { Ledger } from './ledger.ts';
import type { Publisher } from './publisher.ts';
import { Wire, type WireUser } from './wire.ts';

/** A PUBLISH longer than this that has not all arrived is checked piece by piece. */
const LONG_BYTES = 32_768;
/** Comparing every topic would cost as much as all other checks. A prime, so that all topics of a ring have their turn. */
const TOPIC_EVERY = 17;
const FILTERS_A_PACKET = 100;
const ACK_BYTES = 65_536;

let acks = new Uint8Array(ACK_BYTES);
let ackEnd = 0;

export interface Connack {
  readonly sessionPresent: boolean;
  readonly receiveMaximum: number;
}

/** The PUBLISH whose body is still coming. */
interface LongMessage {
  readonly publisher: number;
  readonly sequence: number;
  readonly qos: Qos;
  readonly packetId: number;
  readonly payloadBytes: number;
  /** How much of the payload has been seen. */
  seen: number;
}

export class Client implements WireUser {
  publisher: Publisher | undefined;
  readonly wire: Wire;
  private long: LongMessage | undefined;
  private awaited:
    | { type: number; resolve: (packet: Uint8Array) => void; reject: (e: Error) => void }
    | undefined;
  private leaving = false;
  private packetId = 0;

  constructor(
    private readonly name: string,
    private readonly level: Level,
    private readonly ledger: Ledger,
    /** Its row in the ledger; -1 if no message may come. */
    private readonly receiver: number,
  ) {
    this.wire = new Wire(this);
  }

  async connect(port: number, durable = false): Promise<Connack> {
    await this.wire.connect(port);
    const packet = await this.ask(connectFrame(this.level, this.name, durable), 2);
    const [flags, code] = [packet[2]!, packet[3]!];
    if (code !== 0) throw new Error(`${this.name}: CONNACK with code ${code}`);
    const receiveMaximum = this.level === 5 ? announcedReceiveMaximum(packet.subarray(4)) : 65_535;
    return { sessionPresent: (flags & 1) === 1, receiveMaximum };
  }

  async subscribe(filters: readonly string[], qos: Qos): Promise<void> {
    for (let at = 0; at < filters.length; at += FILTERS_A_PACKET) {
      const some = filters.slice(at, at + FILTERS_A_PACKET);
      const packet = await this.ask(subscribeFrame(this.level, ++this.packetId, some, qos), 9);
      for (const granted of packet.subarray(packet.length - some.length)) {
        if (granted !== qos) throw new Error(`${this.name}: SUBACK grants ${granted} for QoS ${qos}`);
      }
    }
  }

  /** Says goodbye and closes. A durable session stays. */
  leave(): void {
    this.leaving = true;
    this.wire.write(DISCONNECT, 0, DISCONNECT.length);
    this.wire.end();
  }

  private ask(frame: Uint8Array, type: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.awaited = { type, resolve, reject };
      this.wire.write(frame, 0, frame.length);
    });
  }

  closed(status: number): void {
    if (this.leaving) return;
    this.awaited?.reject(new Error(`${this.name}: connection closed (${status})`));
    this.fail(`the broker closed the connection (${status})`);
  }

  private fail(what: string): void {
    this.ledger.fail(`${this.name}: ${what}`);
  }

  received(bytes: Uint8Array, from: number, to: number): number {
    let at = this.long === undefined ? from : this.longBody(bytes, from, to);
    while (to - at >= 2) {
      // head | remaining length, 1 to 4 octets | body
      const head = bytes[at]!;
      let length = bytes[at + 1]!;
      let body = at + 2;
      if (length > 127) {
        let shift = 7;
        let octet = 128;
        length &= 127;
        while (octet > 127 && body < to) {
          octet = bytes[body++]!;
          length |= (octet & 127) << shift;
          shift += 7;
        }
        if (octet > 127) break;
      }
      const next = body + length;
      if (next > to) {
        if (head >> 4 === 3 && length > LONG_BYTES) at = this.longHead(bytes, at, body, next, to);
        break;
      }
      if (head >> 4 === 3) {
        if (!this.message(bytes, head, body, next)) return to;
      } else if (!this.control(bytes, head, at, body, next)) return to;
      at = next;
    }
    this.flush();
    this.ledger.pumpReady();
    return at;
  }

  private message(bytes: Uint8Array, head: number, body: number, next: number): boolean {
    const qos = (head >> 1) & 3;
    let at = body + 2 + ((bytes[body]! << 8) | bytes[body + 1]!);
    let packetId = 0;
    if (qos > 0) {
      packetId = (bytes[at]! << 8) | bytes[at + 1]!;
      at += 2;
    }
    if (this.level === 5) at += this.propertiesLength(bytes, at);
    const length = next - at;
    if (length < MIN_PAYLOAD_BYTES || this.receiver < 0 || (head & 8) !== 0) return this.refuse(head, length);
    const sequence = readU32(bytes, at + 4);
    if (!this.ledger.arrived(this.receiver, readU32(bytes, at), sequence)) return false;
    if (!marked(bytes, at, length, sequence)) return this.corrupt(sequence);
    if (sequence % TOPIC_EVERY === 0 && !this.rightTopic(bytes, body, readU32(bytes, at), sequence))
      return false;
    if (qos > 0) this.answer(qos === 1 ? 0x40 : 0x50, packetId);
    return true;
  }

  private propertiesLength(bytes: Uint8Array, at: number): number {
    const octet = bytes[at]!;
    return octet < 128 ? 1 + octet : 2 + ((octet & 127) | (bytes[at + 1]! << 7));
  }

  private rightTopic(bytes: Uint8Array, at: number, publisher: number, sequence: number): boolean {
    if (this.ledger.publishers[publisher]?.sentTo(sequence, bytes, at) === true) return true;
    this.fail(`message ${sequence} of publisher ${publisher} came with another topic`);
    return false;
  }

  private refuse(head: number, length: number): false {
    if (this.receiver < 0) this.fail('got a message and subscribes to none');
    else if ((head & 8) !== 0) this.fail('got a message with DUP on its first connection');
    else this.fail(`got a payload of ${length} octets`);
    return false;
  }

  private corrupt(sequence: number): false {
    this.fail(`the payload of message ${sequence} is corrupt`);
    return false;
  }

  /** Takes the header of a long PUBLISH and what there is of its body. Returns where the rest of the chunk begins. */
  private longHead(bytes: Uint8Array, start: number, body: number, next: number, to: number): number {
    const qos = ((bytes[start]! >> 1) & 3) as Qos;
    if (to - body < 2) return start;
    let at = body + 2 + ((bytes[body]! << 8) | bytes[body + 1]!);
    if (to - at < MIN_PAYLOAD_BYTES + 8) return start;
    const packetId = qos > 0 ? (bytes[at]! << 8) | bytes[at + 1]! : 0;
    if (qos > 0) at += 2;
    if (this.level === 5) at += this.propertiesLength(bytes, at);
    const payloadBytes = next - at;
    if (this.receiver < 0 || (bytes[start]! & 8) !== 0) this.refuse(bytes[start]!, payloadBytes);
    const publisher = readU32(bytes, at);
    const sequence = readU32(bytes, at + 4);
    this.rightTopic(bytes, body, publisher, sequence);
    this.long = {
      publisher,
      sequence,
      qos,
      packetId,
      payloadBytes,
      seen: 0,
    };
    return this.longBody(bytes, at, to);
  }

  private longBody(bytes: Uint8Array, from: number, to: number): number {
    const long = this.long!;
    const end = Math.min(to, from + long.payloadBytes - long.seen);
    const start = from - long.seen;
    let page = Math.max(1, Math.ceil(long.seen / PAGE_BYTES));
    for (; start + page * PAGE_BYTES < end && page * PAGE_BYTES < long.payloadBytes - 4; page++) {
      if (bytes[start + page * PAGE_BYTES] !== pageMark(long.sequence, page)) this.corrupt(long.sequence);
    }
    long.seen += end - from;
    if (long.seen < long.payloadBytes) return end;
    this.long = undefined;
    if (bytes[end - 1] !== lastMark(long.sequence)) this.corrupt(long.sequence);
    this.ledger.arrived(this.receiver, long.publisher, long.sequence);
    if (long.qos > 0) this.answer(long.qos === 1 ? 0x40 : 0x50, long.packetId);
    return end;
  }

  private control(bytes: Uint8Array, head: number, at: number, body: number, next: number): boolean {
    const type = head >> 4;
    if (type >= 4 && type <= 7) {
      const packetId = (bytes[body]! << 8) | bytes[body + 1]!;
      if (next - body > 2 && bytes[body + 2]! >= 0x80) {
        this.fail(`packet type ${type} with reason 0x${bytes[body + 2]!.toString(16)}`);
        return false;
      }
      return this.acknowledgement(type, packetId);
    }
    if (this.awaited?.type === type) {
      const { resolve } = this.awaited;
      this.awaited = undefined;
      resolve(bytes.slice(at, next));
      return true;
    }
    const reason = type === 14 && next > body ? ` with reason 0x${bytes[body]!.toString(16)}` : '';
    this.fail(`packet type ${type} that was not asked for${reason}`);
    return false;
  }

  private acknowledgement(type: number, packetId: number): boolean {
    if (type === 6) {
      this.answer(0x70, packetId);
      return true;
    }
    const { publisher } = this;
    if (publisher === undefined) {
      this.fail(`packet type ${type}, and it publishes nothing`);
      return false;
    }
    if (type === 4) publisher.puback(packetId);
    else if (type === 7) publisher.pubcomp(packetId);
    else {
      publisher.pubrec(packetId);
      this.answer(0x62, packetId);
    }
    return this.ledger.failure === undefined;
  }

  private answer(head: number, packetId: number): void {
    if (ackEnd + 4 > ACK_BYTES) this.flush();
    acks[ackEnd] = head;
    acks[ackEnd + 1] = 2;
    acks[ackEnd + 2] = packetId >>> 8;
    acks[ackEnd + 3] = packetId;
    ackEnd += 4;
  }

  private flush(): void {
    if (ackEnd === 0) return;
    const whole = this.wire.write(acks, 0, ackEnd);
    ackEnd = 0;
    if (!whole) acks = new Uint8Array(ACK_BYTES);
  }
}

const PROPERTY_BYTES: Readonly<Record<number, number>> = {
  17: 4,
  19: 2,
  33: 2,
  34: 2,
  36: 1,
  37: 1,
  39: 4,
  40: 1,
  41: 1,
  42: 1,
};

/** Receive maximum (0x21) of a CONNACK's properties, 65,535 if it is not there. [MQTT5-3.2.2.3.3] */
export function announcedReceiveMaximum(properties: Uint8Array): number {
  let at = properties[0]! > 127 ? 2 : 1;
  while (at < properties.length) {
    const id = properties[at++]!;
    const at16 = (properties[at]! << 8) | properties[at + 1]!;
    if (id === 0x21) return at16;
    const fixed = PROPERTY_BYTES[id];
    if (fixed !== undefined) at += fixed;
    else if (id === 0x26)
      at = at + 2 + at16 + 2 + ((properties[at + 2 + at16]! << 8) | properties[at + 3 + at16]!);
    else at += 2 + at16;
  }
  return 65_535;
}
