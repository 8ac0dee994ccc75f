// One client of each protocol behind one interface, so that a test can say a thing once and hear it everywhere.

import { HTTP } from '../../src/client/http.ts';
import type { Qos } from '../../src/contract/message.ts';
import { amqp1Speech } from '../../src/protocol/amqp1/client.ts';
import { amqp091Speech } from '../../src/protocol/amqp091/client.ts';
import { decodeCoap, decodeUint } from '../../src/protocol/coap/decode.ts';
import { encodeCoap, encodeOptions, encodeUint } from '../../src/protocol/coap/encode.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/coap/frame.ts';
import { CODE, type CoapMessage, type CoapOption, OPTION, SIGNAL } from '../../src/protocol/coap/packet.ts';
import {
  type Packet,
  type Properties,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
} from '../../src/protocol/mqtt/packet.ts';
import { WAYMEET_CBOR } from '../../src/protocol/websocket/client.ts';
import { MqttClient } from '../mqtt-client.ts';
import { type Broker, type RawClient, toHex } from '../network.ts';
import { Amqp1Speaker } from './amqp1-speaker.ts';
import { Amqp091Speaker } from './amqp091-speaker.ts';
import { MqttSnSpeaker } from './mqttsn-speaker.ts';
import { SpeechSpeaker } from './speech-speaker.ts';
import { StompSpeaker } from './stomp-speaker.ts';
import { XmppSpeaker } from './xmpp-speaker.ts';

/** What can be said of a message besides its payload. */
export interface Said {
  readonly contentType?: string;
  readonly text?: boolean;
  readonly responseTopic?: string;
  /** Octets, as hex. */
  readonly correlation?: string;
  readonly user?: readonly (readonly [name: string, value: string])[];
  /** ms left. */
  readonly expiryMs?: number;
}

export interface Sent {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly said: Said;
}

/** Undefined: the protocol does not tell. */
export interface Heard {
  readonly topic: string | undefined;
  /** Hex. */
  readonly payload: string;
  readonly qos: Qos | undefined;
  readonly retained: boolean | undefined;
  readonly said: Said;
}

export interface Speaker {
  publish(m: Sent): Promise<void>;
  subscribe(filter: string, qos: Qos): Promise<void>;
  /** What arrived since the last call. Acknowledgements were sent. */
  heard(): Promise<Heard[]>;
}

/** What a protocol can carry, to the hub and from it. */
export interface Ability {
  readonly maxQos: Qos;
  readonly tellsTopic: boolean;
  readonly tellsRetained: boolean;
  /** Default: true. */
  readonly tellsQos?: boolean;
  readonly says: readonly (keyof Said)[];
  readonly hears: readonly (keyof Said)[];
  open(broker: Broker, name: string): Promise<Speaker>;
}

const ALL: readonly (keyof Said)[] = [
  'contentType',
  'text',
  'responseTopic',
  'correlation',
  'user',
  'expiryMs',
];

export const PROTOCOLS: Readonly<Record<string, Ability>> = {
  'mqtt 3.1.1': {
    maxQos: 2,
    tellsTopic: true,
    tellsRetained: true,
    says: [],
    hears: [],
    open: (broker, name) => MqttSpeaker.open(broker, name, 4),
  },
  'mqtt 5': {
    maxQos: 2,
    tellsTopic: true,
    tellsRetained: true,
    says: ALL,
    hears: ALL,
    open: (broker, name) => MqttSpeaker.open(broker, name, 5),
  },
  coap: {
    maxQos: 1,
    tellsTopic: false,
    tellsRetained: false,
    says: ['contentType', 'expiryMs'],
    hears: ['contentType', 'expiryMs'],
    open: (broker) => Promise.resolve(new CoapSpeaker(broker, false)),
  },
  'coap+tcp': {
    maxQos: 1,
    tellsTopic: false,
    tellsRetained: false,
    tellsQos: false,
    says: ['contentType', 'expiryMs'],
    hears: ['contentType', 'expiryMs'],
    open: (broker) => Promise.resolve(new CoapSpeaker(broker, true)),
  },
  'waymeet.v1': {
    maxQos: 2,
    tellsTopic: true,
    tellsRetained: true,
    says: ALL,
    // Text or octets: both come as text where they can.
    hears: ALL.filter((word) => word !== 'text'),
    open: (broker, name) => JsonSpeaker.open(broker, name),
  },
  'waymeet.v1 cbor': {
    maxQos: 2,
    tellsTopic: true,
    tellsRetained: true,
    says: ALL,
    hears: ALL,
    open: (broker, name) => SpeechSpeaker.open(broker, WAYMEET_CBOR, 'waymeet.v1', name),
  },
  http: {
    maxQos: 1,
    tellsTopic: true,
    tellsRetained: true,
    // Whether a payload is text is a matter of its content type.
    says: ALL,
    hears: ALL.filter((word) => word !== 'text'),
    open: (broker, name) => SpeechSpeaker.open(broker, HTTP, 'http', name),
  },
  mqttsn: {
    maxQos: 2,
    tellsTopic: true,
    tellsRetained: true,
    says: [],
    hears: [],
    open: (broker, name) => MqttSnSpeaker.open(broker, name),
  },
  stomp: {
    maxQos: 1,
    tellsTopic: true,
    tellsRetained: true,
    // Whether a payload is text is a matter of its content type.
    says: ALL.filter((word) => word !== 'text'),
    hears: ALL.filter((word) => word !== 'text'),
    open: (broker, name) => StompSpeaker.open(broker, name),
  },
  'amqp 0-9-1': {
    maxQos: 1,
    tellsTopic: true,
    tellsRetained: true,
    // Whether a payload is text is a matter of its content type.
    says: ALL.filter((word) => word !== 'text'),
    hears: ALL.filter((word) => word !== 'text'),
    open: (broker) => Amqp091Speaker.open(broker),
  },
  'amqp 0-9-1 client': {
    maxQos: 1,
    tellsTopic: true,
    tellsRetained: true,
    // Whether a payload is text is a matter of its content type.
    says: ALL.filter((word) => word !== 'text'),
    hears: ALL.filter((word) => word !== 'text'),
    open: (broker, name) => SpeechSpeaker.open(broker, amqp091Speech, 'amqp091', name),
  },
  xmpp: {
    maxQos: 1,
    tellsTopic: true,
    tellsRetained: true,
    tellsQos: false,
    says: ALL,
    // Text or octets: both come as text where they can.
    hears: ALL.filter((word) => word !== 'text'),
    open: (broker, name) => XmppSpeaker.open(broker, name),
  },
  'amqp 1.0': {
    maxQos: 2,
    tellsTopic: true,
    tellsRetained: true,
    says: ALL,
    hears: ALL,
    open: (broker, name) => Amqp1Speaker.open(broker, name),
  },
  'amqp 1.0 client': {
    maxQos: 2,
    tellsTopic: true,
    tellsRetained: true,
    says: ALL,
    hears: ALL,
    open: (broker, name) => SpeechSpeaker.open(broker, amqp1Speech, 'amqp1', name),
  },
};

class MqttSpeaker implements Speaker {
  private readonly client: MqttClient;
  private readonly arrived: Packet[] = [];

  private constructor(client: MqttClient) {
    this.client = client;
  }

  static async open(broker: Broker, name: string, level: 4 | 5): Promise<MqttSpeaker> {
    const client = new MqttClient(broker, level);
    await client.connect(name);
    return new MqttSpeaker(client);
  }

  async publish(m: Sent): Promise<void> {
    const properties = this.client.level === 5 ? mqttProperties(m.said) : {};
    this.client.publish(m.topic, m.payload, {
      qos: m.qos,
      retain: m.retain,
      id: m.qos === 0 ? 0 : 1,
      properties,
    });
    await this.converse();
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    await this.client.subscribe(filter, { qos });
  }

  async heard(): Promise<Heard[]> {
    await this.converse();
    const heard: Heard[] = [];
    for (const p of this.arrived.splice(0)) {
      if (p.type !== PUBLISH) continue;
      const { topic, payload, qos, retain } = p;
      heard.push({ topic, payload: toHex(payload), qos, retained: retain, said: mqttSaid(p.properties) });
    }
    return heard;
  }

  /** Both sides of the QoS handshakes, until nothing more comes. */
  private async converse(): Promise<void> {
    for (;;) {
      const packets = await this.client.settled();
      if (packets.length === 0) return;
      for (const p of packets) {
        if (p.type === PUBLISH && p.qos === 1) this.answer(PUBACK, p.id);
        else if (p.type === PUBLISH && p.qos === 2) this.answer(PUBREC, p.id);
        else if (p.type === PUBREC) this.answer(PUBREL, p.id);
        else if (p.type === PUBREL) this.answer(PUBCOMP, p.id);
      }
      this.arrived.push(...packets);
    }
  }

  private answer(type: typeof PUBACK | typeof PUBREC | typeof PUBREL | typeof PUBCOMP, id: number): void {
    this.client.send({ type, id, code: 0, properties: {} });
  }
}

function mqttProperties(said: Said): Properties {
  const p: Properties = {};
  if (said.contentType !== undefined) p.contentType = said.contentType;
  if (said.text !== undefined) p.payloadFormatIndicator = said.text ? 1 : 0;
  if (said.responseTopic !== undefined) p.responseTopic = said.responseTopic;
  if (said.correlation !== undefined)
    p.correlationData = Buffer.from(said.correlation.replaceAll(' ', ''), 'hex');
  if (said.user !== undefined) p.userProperty = said.user;
  if (said.expiryMs !== undefined) p.messageExpiryInterval = said.expiryMs / 1_000;
  return p;
}

function mqttSaid(p: Properties): Said {
  return {
    ...(p.contentType !== undefined && { contentType: p.contentType }),
    ...(p.payloadFormatIndicator !== undefined && { text: p.payloadFormatIndicator === 1 }),
    ...(p.responseTopic !== undefined && { responseTopic: p.responseTopic }),
    ...(p.correlationData !== undefined && { correlation: toHex(p.correlationData) }),
    ...(p.userProperty !== undefined && p.userProperty.length > 0 && { user: p.userProperty }),
    ...(p.messageExpiryInterval !== undefined && { expiryMs: p.messageExpiryInterval * 1_000 }),
  };
}

const FORMATS: Readonly<Record<string, number>> = {
  'application/octet-stream': 42,
  'application/json': 50,
  'application/cbor': 60,
};

class CoapSpeaker implements Speaker {
  private readonly broker: Broker;
  private readonly raw: RawClient;
  private observed: { topic: string; query: string[] } = { topic: '', query: [] };
  private nextId = 1;

  private readonly stream: boolean;

  constructor(broker: Broker, stream: boolean) {
    this.broker = broker;
    this.stream = stream;
    // From this machine: elsewhere an address proves itself first.
    this.raw = broker.connect({ protocol: stream ? 'coap+tcp' : 'coap', remote: '127.0.0.1:50001' });
    if (stream) this.raw.send('00 e1');
  }

  async publish(m: Sent): Promise<void> {
    const { contentType, expiryMs } = m.said;
    const options: CoapOption[] = [];
    if (contentType !== undefined) {
      options.push({ number: OPTION.contentFormat, value: encodeUint(FORMATS[contentType]!) });
    }
    const query = [`qos=${m.qos}`, `retain=${m.retain}`];
    if (expiryMs !== undefined) query.push(`expiry=${expiryMs / 1_000}`);
    this.request(CODE.put, m.topic, query, options, m.payload);
    await this.broker.clock.advance(0);
    const answers = this.messages();
    if (answers[0]?.code !== CODE.changed) throw new Error(`no 2.04 but ${JSON.stringify(answers)}`);
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    const observe = [{ number: OPTION.observe, value: encodeUint(0) }];
    this.observed = { topic: filter, query: [`qos=${qos}`] };
    this.request(CODE.get, filter, this.observed.query, observe, new Uint8Array());
    await this.broker.clock.advance(0);
  }

  private request(
    code: number,
    topic: string,
    query: readonly string[],
    more: readonly CoapOption[],
    payload: Uint8Array,
  ): void {
    const text = (number: number, value: string): CoapOption => ({ number, value: Buffer.from(value) });
    const options = [
      ...more,
      ...`t/${topic}`.split('/').map((level) => text(OPTION.uriPath, level)),
      ...query.map((term) => text(OPTION.uriQuery, term)),
    ].toSorted((a, b) => a.number - b.number);
    const token = Uint8Array.of(7);
    this.raw.send(
      this.stream
        ? encodeFrame(code, token, encodeOptions(options, 0, payload), false)
        : encodeCoap({ type: 0, code, id: this.nextId++, token, options, payload }),
    );
  }

  async heard(): Promise<Heard[]> {
    const heard: Heard[] = [];
    for (;;) {
      await this.broker.clock.advance(0);
      const messages = this.messages();
      if (messages.length === 0) return heard;
      for (const m of messages) {
        const acknowledgement = {
          type: 2,
          code: 0,
          id: m.id,
          token: new Uint8Array(),
          options: [],
          payload: new Uint8Array(),
        } as const;
        if (m.type === 0 && !this.stream) this.raw.send(encodeCoap(acknowledgement));
        // The answer that starts an observation carries the retained message, or nothing.
        if ((m.type === 2 || this.stream) && m.payload.length === 0) continue;
        const said = coapHeard(await this.whole(m));
        heard.push(this.stream ? { ...said, qos: undefined } : said);
      }
    }
  }

  /** Fetches the later blocks of a notification, without Observe [RFC7959-2.6]. */
  private async whole(m: CoapMessage): Promise<CoapMessage> {
    const pieces = [m.payload];
    for (let last = m; ; ) {
      const block = last.options.find((o) => o.number === OPTION.block2);
      const n = block === undefined ? 0 : decodeUint(block.value);
      if ((n & 8) === 0) return { ...m, payload: Buffer.concat(pieces) };
      const next = { number: OPTION.block2, value: encodeUint((n & ~8) + 16) };
      this.request(CODE.get, this.observed.topic, this.observed.query, [next], new Uint8Array());
      await this.broker.clock.advance(0);
      last = this.messages()[0]!;
      pieces.push(last.payload);
    }
  }

  private messages(): CoapMessage[] {
    if (!this.stream)
      return this.raw.takeEach().map((datagram) => decodeCoap(datagram, 0, datagram.length) as CoapMessage);
    const octets = this.raw.take();
    const messages: CoapMessage[] = [];
    for (let at = 0; at < octets.length; ) {
      const frame = decodeFrame(octets, at, octets.length, octets.length)!;
      at = frame.end;
      if (frame.message.code !== SIGNAL.csm) messages.push(frame.message);
    }
    return messages;
  }
}

function coapHeard(m: CoapMessage): Heard {
  const said: { contentType?: string; expiryMs?: number } = {};
  for (const { number, value } of m.options) {
    const n = decodeUint(value);
    if (number === OPTION.maxAge) said.expiryMs = n * 1_000;
    if (number !== OPTION.contentFormat) continue;
    said.contentType = Object.keys(FORMATS).find((type) => FORMATS[type] === n) ?? String(n);
  }
  const qos = m.type === 0 ? 1 : m.type === 1 ? 0 : undefined;
  return { topic: undefined, payload: toHex(m.payload), qos, retained: undefined, said };
}

interface JsonMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

class JsonSpeaker implements Speaker {
  private readonly broker: Broker;
  private readonly raw: RawClient;

  private constructor(broker: Broker) {
    this.broker = broker;
    this.raw = broker.connect({ protocol: 'waymeet.v1' });
  }

  static async open(broker: Broker, name: string): Promise<JsonSpeaker> {
    const speaker = new JsonSpeaker(broker);
    await speaker.ask({ type: 'connect', client: name }, 'connected');
    return speaker;
  }

  private say(frame: object): void {
    this.raw.send(Buffer.from(JSON.stringify(frame)));
  }

  private async ask(frame: object, answer: string): Promise<void> {
    this.say(frame);
    await this.broker.clock.advance(0);
    if (answer === 'subscribed') return; // what follows it is left for `heard`
    const frames = this.frames();
    if (frames[0]?.type !== answer) throw new Error(`no ${answer} but ${JSON.stringify(frames)}`);
  }

  async publish(m: Sent): Promise<void> {
    const { text, correlation, user, ...same } = m.said;
    const octets = Buffer.from(m.payload);
    await this.ask(
      {
        type: 'publish',
        id: 1,
        topic: m.topic,
        qos: m.qos,
        retain: m.retain,
        ...(text === true ? { payload: octets.toString() } : { payloadBase64: octets.toString('base64') }),
        ...same,
        ...(correlation !== undefined && {
          correlation: { base64: Buffer.from(correlation.replaceAll(' ', ''), 'hex').toString('base64') },
        }),
        ...(user !== undefined && { user: user.map(([name, value]) => ({ name, value })) }),
      },
      m.qos === 2 ? 'received' : 'published',
    );
    if (m.qos === 2) await this.ask({ type: 'release', id: 1 }, 'published');
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    await this.ask({ type: 'subscribe', id: 1, filter, qos }, 'subscribed');
  }

  async heard(): Promise<Heard[]> {
    await this.broker.clock.advance(0);
    const heard: Heard[] = [];
    for (const frame of this.frames()) {
      if (frame.type !== 'message') continue;
      if (frame.qos === 2) this.say({ type: 'received', id: frame.ack });
      if (frame.ack !== undefined) this.say({ type: 'ack', id: frame.ack });
      heard.push(this.heardFrom(frame));
    }
    await this.broker.clock.advance(0);
    return heard;
  }

  private heardFrom(frame: JsonMessage): Heard {
    const f = frame as JsonMessage & {
      topic: string;
      payload?: string;
      payloadBase64?: string;
      qos: Qos;
      retain: boolean;
      contentType?: string;
      responseTopic?: string;
      correlation?: { base64: string };
      user?: { name: string; value: string }[];
      expiresAt?: number;
    };
    const octets = f.payload !== undefined ? Buffer.from(f.payload) : Buffer.from(f.payloadBase64!, 'base64');
    const { contentType, responseTopic, correlation, user, expiresAt } = f;
    return {
      topic: f.topic,
      payload: toHex(octets),
      qos: f.qos,
      retained: f.retain,
      said: {
        ...(contentType !== undefined && { contentType }),
        ...(responseTopic !== undefined && { responseTopic }),
        ...(correlation !== undefined && { correlation: toHex(Buffer.from(correlation.base64, 'base64')) }),
        ...(user !== undefined && { user: user.map(({ name, value }) => [name, value] as const) }),
        ...(expiresAt !== undefined && { expiryMs: expiresAt - this.broker.clock.now }),
      },
    };
  }

  private frames(): JsonMessage[] {
    return this.raw.takeEach().map((m) => JSON.parse(Buffer.from(m).toString()) as JsonMessage);
  }
}
