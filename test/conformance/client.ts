// A plain MQTT client for the conformance tests: it sends what it is told, acknowledges nothing by itself and says what came back.

import { expect } from 'vitest';
import type { Qos } from '../../src/contract/message.ts';
import { decodePacket, frameEnd } from '../../src/protocol/mqtt/decode.ts';
import { encodePacket } from '../../src/protocol/mqtt/encode.ts';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import type { Broker, ConnectOptions, RawClient } from '../network.ts';

type PacketType = mqtt.Packet['type'];
type PacketOf<T extends PacketType> =
  Extract<mqtt.Packet, { type: T }> extends never
    ? Extract<mqtt.Acknowledgement | mqtt.Ping, { type: PacketType }> & { type: T }
    : Extract<mqtt.Packet, { type: T }>;

/** What CONNECT says where a test does not care: level 5, client id `c`, clean, no keep alive. */
export interface ConnectFields extends Partial<Omit<mqtt.Connect, 'type' | 'will'>> {
  readonly will?: Partial<mqtt.Will> & { readonly topic: string };
}

export interface PublishFields {
  readonly qos?: Qos;
  readonly id?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly properties?: mqtt.Properties;
}

export interface EntryFields extends Partial<mqtt.SubscribeEntry> {
  readonly filter: string;
}

const NAMES =
  'none CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH';

export function nameOf(type: number): string {
  return NAMES.split(' ')[type] ?? `type ${type}`;
}

export function text(octets: Uint8Array): string {
  return Buffer.from(octets).toString('utf8');
}

export function bytes(s: string): Uint8Array {
  return new Uint8Array(Buffer.from(s, 'utf8'));
}

export function connectPacket(fields: ConnectFields = {}): mqtt.Connect {
  const { will, ...rest } = fields;
  return {
    type: mqtt.CONNECT,
    level: 5,
    bridge: false,
    clean: true,
    keepAlive: 0,
    clientId: 'c',
    username: undefined,
    password: undefined,
    properties: mqtt.NO_PROPERTIES,
    ...rest,
    will:
      will === undefined
        ? undefined
        : { payload: bytes('will'), qos: 0, retain: false, properties: mqtt.NO_PROPERTIES, ...will },
  };
}

export class TestClient {
  readonly broker: Broker;
  readonly level: mqtt.Level;
  readonly raw: RawClient;
  /** The answer to CONNECT. */
  connack!: mqtt.Connack;
  /** Octets that arrived and are not taken yet. */
  private rest: Uint8Array = new Uint8Array(0);
  /** Messages that came while `deliver` waited for an answer. */
  private readonly early: mqtt.Publish[] = [];

  constructor(broker: Broker, level: mqtt.Level, options?: ConnectOptions) {
    this.broker = broker;
    this.level = level;
    this.raw = broker.connect(options);
  }

  /** Sends a packet, or octets as they are. Nothing moves before the next `expect…`. */
  send(what: mqtt.Packet | Uint8Array | string): void {
    const raw = typeof what === 'string' || what instanceof Uint8Array;
    this.raw.send(raw ? what : encodePacket(what, this.level));
  }

  publish(topic: string, payload: string | Uint8Array, fields: PublishFields = {}): void {
    const octets = typeof payload === 'string' ? bytes(payload) : payload;
    this.send({
      type: mqtt.PUBLISH,
      dup: false,
      qos: 0,
      retain: false,
      id: 0,
      properties: mqtt.NO_PROPERTIES,
      ...fields,
      topic,
      payload: octets,
    });
  }

  acknowledge(type: mqtt.Acknowledgement['type'], id: number, code = 0): void {
    this.send({ type, id, code, properties: mqtt.NO_PROPERTIES });
  }

  sendSubscribe(id: number, entries: (string | EntryFields)[], properties = mqtt.NO_PROPERTIES): void {
    this.send({ type: mqtt.SUBSCRIBE, id, properties, entries: entries.map(entry) });
  }

  sendUnsubscribe(id: number, filters: string[]): void {
    this.send({ type: mqtt.UNSUBSCRIBE, id, filters, properties: mqtt.NO_PROPERTIES });
  }

  disconnect(code = 0, properties = mqtt.NO_PROPERTIES): void {
    this.send({ type: mqtt.DISCONNECT, code, properties });
  }

  /** Subscribes at QoS 2 unless an entry says otherwise, and returns the codes of the SUBACK. */
  async subscribe(...entries: (string | EntryFields)[]): Promise<readonly number[]> {
    this.sendSubscribe(9, entries);
    const suback = await this.expect(mqtt.SUBACK);
    expect(suback.id).toBe(9);
    return suback.codes;
  }

  /** Publishes and completes the exchange of its QoS; messages that come meanwhile are not lost. */
  async deliver(topic: string, payload: string, fields: PublishFields = {}): Promise<void> {
    const qos = fields.qos ?? 0;
    const id = qos === 0 ? 0 : (fields.id ?? 77);
    this.publish(topic, payload, { ...fields, id });
    if (qos === 1) await this.answered(mqtt.PUBACK, id);
    if (qos === 2) {
      await this.answered(mqtt.PUBREC, id);
      this.acknowledge(mqtt.PUBREL, id);
      await this.answered(mqtt.PUBCOMP, id);
    }
    await this.settle();
  }

  private async answered(type: mqtt.Acknowledgement['type'], id: number): Promise<void> {
    const early = this.early.splice(0);
    let packet = await this.next();
    for (; packet?.type === mqtt.PUBLISH; packet = await this.next()) early.push(packet);
    this.early.push(...early);
    if (packet?.type !== type)
      throw new Error(`expected ${nameOf(type)}, got ${packet && nameOf(packet.type)}`);
    expect(packet).toMatchObject({ id });
  }

  /** The network fails, after what was sent has arrived. */
  async cut(): Promise<void> {
    await this.settle();
    this.raw.cut();
    await this.settle();
  }

  /** Lets everything under way arrive. */
  async settle(): Promise<void> {
    await this.broker.clock.run();
  }

  /** The next packet, which is of this type. */
  async expect<T extends PacketType>(type: T): Promise<PacketOf<T>> {
    const packet = await this.next();
    if (packet === undefined) {
      throw new Error(
        `expected ${nameOf(type)}, ${this.raw.closed ? 'but the broker closed' : 'got nothing'}`,
      );
    }
    if (packet.type !== type) {
      throw new Error(`expected ${nameOf(type)}, got ${nameOf(packet.type)} ${JSON.stringify(packet)}`);
    }
    return packet as PacketOf<T>;
  }

  /** The next packet is a PUBLISH with this payload. */
  async expectMessage(payload: string): Promise<mqtt.Publish> {
    const message = await this.expect(mqtt.PUBLISH);
    expect(text(message.payload)).toBe(payload);
    return message;
  }

  /** Takes PUBLISH packets until nothing more comes; other packets are errors. */
  async messages(): Promise<mqtt.Publish[]> {
    const all: mqtt.Publish[] = [];
    for (let next = await this.next(); next !== undefined; next = await this.next()) {
      if (next.type !== mqtt.PUBLISH) throw new Error(`expected PUBLISH, got ${nameOf(next.type)}`);
      all.push(next);
    }
    return all;
  }

  /** Nothing came, and the connection is open. */
  async expectNothing(): Promise<void> {
    const packet = await this.next();
    if (packet !== undefined)
      throw new Error(`expected nothing, got ${nameOf(packet.type)} ${JSON.stringify(packet)}`);
    expect(this.raw.closed, 'the broker closed').toBe(false);
  }

  /** The broker closes; at level 5 and with `code` it says so first, in DISCONNECT or a refusing CONNACK. */
  async expectClosed(code?: number): Promise<mqtt.Disconnect | mqtt.Connack | undefined> {
    const packet = await this.next();
    let last: mqtt.Disconnect | mqtt.Connack | undefined;
    if (packet !== undefined) {
      if (packet.type !== mqtt.DISCONNECT && packet.type !== mqtt.CONNACK) {
        throw new Error(`expected the close, got ${nameOf(packet.type)} ${JSON.stringify(packet)}`);
      }
      last = packet;
      expect(this.rest.length, 'octets after the last packet').toBe(0);
    }
    expect(this.raw.closed, 'the broker did not close').toBe(true);
    if (this.level < 5 && last?.type === mqtt.DISCONNECT)
      throw new Error('DISCONNECT from the server before MQTT 5');
    if (code !== undefined && this.level === 5) expect(hexCode(last?.code)).toBe(hexCode(code));
    return last;
  }

  /** Still served: a PINGREQ is answered, and by nothing else. */
  async expectAlive(): Promise<void> {
    this.send({ type: mqtt.PINGREQ });
    await this.expect(mqtt.PINGRESP);
    await this.expectNothing();
  }

  /** The next whole frame as it came. */
  async nextFrame(): Promise<Uint8Array | undefined> {
    await this.settle();
    this.rest = Buffer.concat([this.rest, this.raw.take()]);
    const end = frameEnd(this.rest, 0, this.rest.length);
    if (end === -1 || end > this.rest.length) return undefined;
    const frame = new Uint8Array(this.rest.subarray(0, end));
    this.rest = this.rest.subarray(end);
    return frame;
  }

  /** The next packet, whatever it is. */
  async next(): Promise<mqtt.Packet | undefined> {
    const early = this.early.shift();
    if (early !== undefined) return early;
    const frame = await this.nextFrame();
    if (frame === undefined) return undefined;
    return decodePacket(frame, 0, frame.length, this.level, 'server');
  }
}

/** A client that said CONNECT and was accepted. */
export async function connect(broker: Broker, fields: ConnectFields = {}): Promise<TestClient> {
  const client = await attempt(broker, fields);
  client.connack = await client.expect(mqtt.CONNACK);
  expect(hexCode(client.connack.code)).toBe('0x00');
  return client;
}

/** A client that sent CONNECT and did not look at the answer. */
export async function attempt(
  broker: Broker,
  fields: ConnectFields = {},
  options?: ConnectOptions,
): Promise<TestClient> {
  const packet = connectPacket(fields);
  const client = new TestClient(broker, packet.level, options);
  client.send(packet);
  return client;
}

/** What makes a session outlive its connection for an hour, and resumes it. */
export function keeping(level: number): ConnectFields {
  return { clean: false, ...(level === 5 ? { properties: { sessionExpiryInterval: 3_600 } } : {}) };
}

function entry(e: string | EntryFields): mqtt.SubscribeEntry {
  const fields = typeof e === 'string' ? { filter: e } : e;
  return { qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0, ...fields };
}

function hexCode(code: number | undefined): string {
  return code === undefined ? 'none' : `0x${code.toString(16).padStart(2, '0')}`;
}
