// MQTT.js as a judge: clients that keep what arrives, and that are gone when their test ends.

import mqtt, {
  type IClientOptions,
  type IClientPublishOptions,
  type IClientSubscribeOptions,
  type IConnackPacket,
  type IPublishPacket,
  type MqttClient,
  type Packet,
} from 'mqtt';
import { afterEach } from 'vitest';
import { type Broker, unique } from './broker.ts';
import { Inbox, PATIENCE_MS, within } from './inbox.ts';

export type Version = 3 | 4 | 5;
export const VERSIONS: readonly Version[] = [3, 4, 5];

export interface Received {
  readonly topic: string;
  readonly text: string;
  readonly packet: IPublishPacket;
}

const open = new Set<MqttClient>();

/** Ends the clients of each test of this file. */
export function endClients(): void {
  afterEach(async () => {
    await Promise.all([...open].map((client) => client.endAsync(true)));
    open.clear();
  });
}

export class JsClient {
  readonly mqtt: MqttClient;
  readonly inbox: Inbox<Received>;
  /** Every packet that came, CONNACK and PUBLISH included. */
  readonly packets: Inbox<Packet>;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  connack!: IConnackPacket;
  private readonly welcomed: Promise<IConnackPacket>;

  constructor(url: string, options: IClientOptions) {
    const { protocolVersion = 4 } = options;
    this.mqtt = mqtt.connect(url, {
      reconnectPeriod: 0,
      connectTimeout: PATIENCE_MS,
      clientId: unique('js'),
      ...(protocolVersion === 3 ? { protocolId: 'MQIsdp' } : {}),
      ...options,
    });
    open.add(this.mqtt);
    this.inbox = new Inbox(`messages for ${this.mqtt.options.clientId}`);
    this.packets = new Inbox(`packets for ${this.mqtt.options.clientId}`);
    this.closed = new Promise((resolve) => this.mqtt.once('close', resolve));
    this.welcomed = new Promise((resolve, reject) => {
      this.mqtt.once('connect', resolve);
      this.mqtt.on('error', reject);
    });
    this.welcomed.catch(() => undefined); // whoever waits for it is told
    this.mqtt.on('packetreceive', (packet) => this.packets.push(packet));
    this.mqtt.on('message', (topic, payload, packet) =>
      this.inbox.push({ topic, text: payload.toString(), packet }),
    );
  }

  /** Resolves to CONNACK; rejects with the error that MQTT.js tells. */
  async online(): Promise<this> {
    const what = `${this.mqtt.options.clientId} to connect`;
    this.connack = await within(PATIENCE_MS, what, () => this.welcomed);
    return this;
  }

  subscribe(filter: string | string[], options: Partial<IClientSubscribeOptions> = {}) {
    return this.mqtt.subscribeAsync(filter, { qos: 0, ...options });
  }

  publish(topic: string, payload: string | Buffer, options: IClientPublishOptions = {}) {
    return this.mqtt.publishAsync(topic, payload, options);
  }

  next(): Promise<Received> {
    return this.inbox.next();
  }

  take(count: number): Promise<Received[]> {
    return this.inbox.take(count);
  }

  /**
   * Everything that was published and acknowledged before now, as far as it came here: what the hub has accepted is delivered before
   * a message that this client sends itself.
   */
  async received(): Promise<Received[]> {
    const fence = unique('fence');
    await this.subscribe(fence);
    await this.publish(fence, '');
    const before: Received[] = [];
    for (;;) {
      const one = await this.next();
      if (one.topic === fence) break;
      before.push(one);
    }
    await this.mqtt.unsubscribeAsync(fence);
    return before;
  }

  /** Renews the proof of an enhanced authentication; MQTT.js has no call for it, only its own way to send a packet. */
  prove(properties: object): void {
    Reflect.get(this.mqtt, '_sendPacket').call(this.mqtt, { cmd: 'auth', reasonCode: 0x19, properties });
  }

  /** Says DISCONNECT. */
  leave(properties?: object): Promise<void> {
    return this.mqtt.endAsync(false, properties === undefined ? {} : { reasonCode: 0, properties });
  }

  /** Ends the connection without a word. */
  async cut(): Promise<void> {
    this.mqtt.stream.destroy();
    await this.closed;
  }
}

export function connect(broker: Broker, options: IClientOptions = {}, listener = 'tcp'): Promise<JsClient> {
  return new JsClient(broker.url(listener), options).online();
}

export function texts(messages: readonly Received[]): string[] {
  return messages.map((m) => m.text);
}
