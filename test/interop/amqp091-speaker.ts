// AMQP 0-9-1 among the speakers: `amq.topic` for topics, confirms and acknowledgements for QoS, headers for user properties.

import { addressOfTopic, keyOfLevels, topicOfKey } from '../../src/contract/exchange.ts';
import type { Qos } from '../../src/contract/message.ts';
import { QUEUE_PREFIX } from '../../src/contract/queue.ts';
import type { Field } from '../../src/protocol/amqp091/fields.ts';
import type { BasicProperties } from '../../src/protocol/amqp091/packet.ts';
import { Amqp091Client, type HeardMethod } from '../amqp091-client.ts';
import { type Broker, hex, toHex } from '../network.ts';
import type { Heard, Said, Sent, Speaker } from './speakers.ts';

export class Amqp091Speaker implements Speaker {
  private readonly client: Amqp091Client;
  private granted: Qos = 0;
  private confirming = false;

  private constructor(client: Amqp091Client) {
    this.client = client;
  }

  static async open(broker: Broker): Promise<Amqp091Speaker> {
    return new Amqp091Speaker(await new Amqp091Client(broker).open());
  }

  async publish(m: Sent): Promise<void> {
    const { client } = this;
    if (m.qos > 0 && !this.confirming) {
      await client.ask({ name: 'confirm.select', noWait: false });
      this.confirming = true;
    }
    const properties = { ...propertiesOf(m.said, m.retain), deliveryMode: m.qos > 0 ? 2 : 1 };
    const queue = this.declared(m.topic);
    if (queue !== undefined) client.publish('', queue, m.payload, properties);
    else client.publish('amq.topic', keyOfLevels(m.topic), m.payload, properties);
    const heard = await client.hear();
    if (m.qos > 0 && heard[0]?.method.name !== 'basic.ack') throw new Error('no confirm');
  }

  /** The queue that a topic means, which AMQP clients declare before they use it. */
  private declared(topic: string): string | undefined {
    if (!topic.startsWith(QUEUE_PREFIX)) return undefined;
    const queue = topic.slice(QUEUE_PREFIX.length);
    const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: true };
    this.client.say(1, { name: 'queue.declare', queue, ...flags, table: [] });
    return queue;
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    const { client } = this;
    this.granted = qos;
    let queue = this.declared(filter) ?? filter;
    if (queue === filter && !filter.startsWith('$share/')) {
      queue = '';
      const flags = { passive: false, durable: false, exclusive: true, autoDelete: true, noWait: true };
      client.say(1, { name: 'queue.declare', queue, ...flags, table: [] });
      const routingKey = keyOfLevels(filter).replaceAll('+', '*');
      client.say(1, {
        name: 'queue.bind',
        queue,
        exchange: 'amq.topic',
        routingKey,
        noWait: true,
        table: [],
      });
    }
    client.say(1, {
      name: 'basic.consume',
      queue,
      consumerTag: '',
      noLocal: false,
      noAck: qos === 0,
      exclusive: false,
      noWait: true,
      table: [],
    });
    await client.broker.clock.advance(0);
  }

  async heard(): Promise<Heard[]> {
    const all: Heard[] = [];
    for (const one of await this.client.hear()) {
      const { method } = one;
      if (method.name !== 'basic.deliver') throw new Error(`not a delivery but ${JSON.stringify(method)}`);
      if (this.granted > 0)
        this.client.say(1, { name: 'basic.ack', deliveryTag: method.deliveryTag, multiple: false });
      all.push(this.heardFrom(one, topicOfKey(method.exchange, method.routingKey)));
    }
    await this.client.broker.clock.advance(0);
    return all;
  }

  private heardFrom({ properties: p = {}, body }: HeardMethod, topic: string): Heard {
    const headers = (p.headers ?? []).filter(([name]) => name !== 'x-retain');
    const correlation = typeof p.correlationId === 'string' ? Buffer.from(p.correlationId) : p.correlationId;
    return {
      topic: addressOfTopic(topic).exchange === 'amq.topic' ? topic : undefined,
      payload: toHex(body),
      qos: this.granted > 0 && p.deliveryMode === 2 ? 1 : 0,
      retained: headers.length !== (p.headers ?? []).length,
      said: {
        ...(p.contentType !== undefined && { contentType: p.contentType }),
        ...(p.replyTo !== undefined && { responseTopic: p.replyTo.replace('topic://', '') }),
        ...(correlation !== undefined && { correlation: toHex(correlation) }),
        ...(headers.length > 0 && {
          user: headers.map(([name, { value }]) => [name, String(value)] as const),
        }),
        ...(p.expiration !== undefined && { expiryMs: Number(p.expiration) }),
      },
    };
  }
}

function propertiesOf(said: Said, retain: boolean): BasicProperties {
  const { contentType, responseTopic, correlation, user, expiryMs } = said;
  const headers: [string, Field][] = (user ?? []).map(([name, value]) => [name, { type: 'S', value }]);
  if (retain) headers.push(['x-retain', { type: 't', value: true }]);
  return {
    ...(contentType !== undefined && { contentType }),
    ...(responseTopic !== undefined && { replyTo: `topic://${responseTopic}` }),
    ...(correlation !== undefined && { correlationId: hex(correlation) }),
    ...(expiryMs !== undefined && { expiration: String(expiryMs) }),
    ...(headers.length > 0 && { headers }),
  };
}
