// STOMP among the speakers: destinations for topics, ack modes for QoS, headers for properties.

import type { Qos } from '../../src/contract/message.ts';
import { type Broker, toHex } from '../network.ts';
import { type HeardFrame, StompClient } from '../stomp-client.ts';
import type { Heard, Said, Sent, Speaker } from './speakers.ts';

const OWN = new Set([
  'destination',
  'subscription',
  'message-id',
  'ack',
  'content-type',
  'content-length',
  'reply-to',
  'correlation-id',
  'amqp-message-id',
  'expires',
  'persistent',
  'retain',
]);

export class StompSpeaker implements Speaker {
  private readonly broker: Broker;
  private readonly client: StompClient;
  private granted: Qos = 0;

  private constructor(broker: Broker, client: StompClient) {
    this.broker = broker;
    this.client = client;
  }

  static async open(broker: Broker, name: string): Promise<StompSpeaker> {
    const client = new StompClient(broker);
    client.say('CONNECT', { 'accept-version': '1.1', 'client-id': name });
    await broker.clock.advance(0);
    if (client.taken()[0]?.command !== 'CONNECTED') throw new Error('not CONNECTED');
    client.escapes = true;
    return new StompSpeaker(broker, client);
  }

  async publish(m: Sent): Promise<void> {
    const { contentType, responseTopic, correlation, user, expiryMs } = m.said;
    const lines: [string, string][] = [['destination', `/topic/${m.topic}`]];
    if (m.qos > 0) lines.push(['receipt', 'r']);
    if (m.retain) lines.push(['retain', 'true']);
    if (contentType !== undefined) lines.push(['content-type', contentType]);
    if (responseTopic !== undefined) lines.push(['reply-to', `/topic/${responseTopic}`]);
    if (correlation !== undefined)
      lines.push(['correlation-id', `AMQP_BINARY\\c${correlation.replaceAll(' ', '')}`]);
    if (expiryMs !== undefined) lines.push(['expiration', String(expiryMs)]);
    lines.push(...((user ?? []) as [string, string][]), ['content-length', String(m.payload.length)]);
    const head = `SEND\n${lines.map(([name, value]) => `${name}:${value}\n`).join('')}\n`;
    this.client.raw.send(Buffer.concat([Buffer.from(head), m.payload, Buffer.alloc(1)]));
    await this.broker.clock.advance(0);
    if (m.qos > 0 && !this.client.taken().some((f) => f.command === 'RECEIPT')) throw new Error('no receipt');
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    this.granted = qos;
    const ack = qos > 0 ? 'client-individual' : 'auto';
    this.client.say('SUBSCRIBE', { id: 's', destination: `/topic/${filter}`, ack });
    await this.broker.clock.advance(0);
  }

  async heard(): Promise<Heard[]> {
    await this.broker.clock.advance(0);
    const messages = this.client.taken();
    for (const m of messages) {
      if (this.granted > 0)
        this.client.say('ACK', { 'message-id': m.headers['message-id']!, subscription: 's' });
    }
    await this.broker.clock.advance(0);
    return messages.map((m) => this.heardOf(m));
  }

  private heardOf(m: HeardFrame): Heard {
    return {
      topic: m.headers.destination!.replace('/topic/', ''),
      payload: toHex(m.body),
      qos: this.granted > 0 && m.headers.persistent === 'true' ? 1 : 0,
      retained: m.headers.retain === 'true',
      said: this.saidOf(m),
    };
  }

  private saidOf({ headers, lines }: HeardFrame): Said {
    const {
      'content-type': contentType,
      'reply-to': replyTo,
      'correlation-id': correlation,
      expires,
    } = headers;
    const user = lines.filter(([name]) => !OWN.has(name));
    return {
      ...(contentType !== undefined && { contentType }),
      ...(replyTo !== undefined && { responseTopic: replyTo.replace('/topic/', '') }),
      ...(correlation !== undefined && {
        correlation: toHex(Buffer.from(correlation.replace('AMQP_BINARY:', ''), 'hex')),
      }),
      ...(user.length > 0 && { user }),
      ...(expires !== undefined && { expiryMs: Number(expires) - this.broker.clock.now }),
    };
  }
}
