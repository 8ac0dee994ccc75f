// A small MQTT client for tests: packets in, packets out, over a raw wire of the memory network.

import { decodePacket, frameEnd } from '../src/protocol/mqtt/decode.ts';
import { encodePacket } from '../src/protocol/mqtt/encode.ts';
import {
  CONNACK,
  CONNECT,
  type Connack,
  type Connect,
  type Level,
  NO_PROPERTIES,
  type Packet,
  type Properties,
  PUBLISH,
  type Publish,
  SUBACK,
  SUBSCRIBE,
  type Suback,
  type SubscribeEntry,
} from '../src/protocol/mqtt/packet.ts';
import { type Broker, type ConnectOptions, hex, type RawClient } from './network.ts';

/** Everything that CONNECT has, with the usual values. */
export function connectPacket(level: Level, clientId: string, rest: Partial<Connect> = {}): Connect {
  return {
    type: CONNECT,
    level,
    bridge: false,
    clean: true,
    keepAlive: 60,
    clientId,
    will: undefined,
    username: undefined,
    password: undefined,
    properties: NO_PROPERTIES,
    ...rest,
  };
}

const utf8 = new TextEncoder();

export class MqttClient {
  readonly raw: RawClient;
  readonly level: Level;
  private readonly broker: Broker;
  private rest = new Uint8Array(0);
  private readonly arrived: Packet[] = [];

  constructor(broker: Broker, level: Level = 4, options: ConnectOptions = {}) {
    this.broker = broker;
    this.level = level;
    this.raw = broker.connect(options);
  }

  send(...packets: (Packet | string)[]): void {
    const parts = packets.map((p) => (typeof p === 'string' ? hex(p) : encodePacket(p, this.level)));
    this.raw.send(Buffer.concat(parts));
  }

  /** Lets everything that is due happen, without time passing, and returns what arrived since the last call. */
  async settled(ms = 0): Promise<Packet[]> {
    await this.broker.clock.advance(ms);
    this.read();
    return this.arrived.splice(0);
  }

  private read(): void {
    const bytes = new Uint8Array(Buffer.concat([this.rest, this.raw.take()]));
    let at = 0;
    for (;;) {
      const stop = at < bytes.length ? frameEnd(bytes, at, bytes.length) : -1;
      if (stop < 0 || stop > bytes.length) break;
      this.arrived.push(decodePacket(bytes, at, stop, this.level, 'server'));
      at = stop;
    }
    this.rest = bytes.slice(at);
  }

  async connect(clientId: string, rest: Partial<Connect> = {}): Promise<Connack> {
    this.send(connectPacket(this.level, clientId, rest));
    const [first, ...more] = await this.settled();
    if (first?.type !== CONNACK) throw new Error(`no CONNACK but ${JSON.stringify(first)}`);
    this.arrived.push(...more);
    return first;
  }

  async subscribe(
    filter: string,
    entry: Partial<SubscribeEntry> = {},
    properties: Properties = NO_PROPERTIES,
  ): Promise<Suback> {
    const full: SubscribeEntry = {
      filter,
      qos: 0,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      ...entry,
    };
    this.send({ type: SUBSCRIBE, id: 1, entries: [full], properties });
    const packets = await this.settled();
    const answer = packets.find((p) => p.type === SUBACK); // messages may come before it [MQTT5-3.8.4]
    if (answer?.type !== SUBACK) throw new Error(`no SUBACK but ${JSON.stringify(packets)}`);
    this.arrived.push(...packets.filter((p) => p !== answer));
    return answer;
  }

  publish(topic: string, payload: string | Uint8Array, rest: Partial<Publish> = {}): void {
    this.send(publishPacket(topic, payload, rest));
  }
}

export function publishPacket(
  topic: string,
  payload: string | Uint8Array,
  rest: Partial<Publish> = {},
): Publish {
  return {
    type: PUBLISH,
    dup: false,
    qos: 0,
    retain: false,
    topic,
    id: 0,
    properties: NO_PROPERTIES,
    payload: typeof payload === 'string' ? utf8.encode(payload) : payload,
    ...rest,
  };
}

/** A PUBLISH, and its payload as text. */
export function message(p: Packet | undefined): { p: Publish; text: string } {
  if (p?.type !== PUBLISH) throw new Error(`no PUBLISH but ${JSON.stringify(p)}`);
  return { p, text: new TextDecoder().decode(p.payload) };
}
