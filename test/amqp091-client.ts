// An AMQP 0-9-1 client for tests in memory: it says methods and hears methods, with their content put together.

import { decodeContentHeader, decodeMethod } from '../src/protocol/amqp091/decode.ts';
import { encodeContentHeader, encodeMethod, sendContent } from '../src/protocol/amqp091/encode.ts';
import { FrameCutter } from '../src/protocol/amqp091/frames.ts';
import {
  type BasicProperties,
  HEADER,
  METHOD,
  type Method,
  PROTOCOL_HEADER,
} from '../src/protocol/amqp091/packet.ts';
import type { Broker, RawClient } from './network.ts';

export interface HeardMethod {
  readonly channel: number;
  readonly method: Method;
  properties?: BasicProperties;
  body: Uint8Array;
}

const FRAME_MAX = 131_072;

export class Amqp091Client {
  readonly broker: Broker;
  readonly raw: RawClient;
  private heard: HeardMethod[] = [];
  private rest = new Uint8Array();
  private readonly cutter = new FrameCutter(FRAME_MAX, (type, channel, bytes, start, end) => {
    if (type === METHOD)
      this.heard.push({
        channel,
        method: decodeMethod(bytes.slice(start, end), 0, end - start),
        body: new Uint8Array(),
      });
    const last = this.heard.at(-1);
    if (type === HEADER) last!.properties = decodeContentHeader(bytes, start, end).properties;
    if (type === 3) last!.body = Buffer.concat([last!.body, bytes.subarray(start, end)]);
  });

  constructor(broker: Broker) {
    this.broker = broker;
    this.raw = broker.connect({ protocol: 'amqp091' });
  }

  /** Logs in and opens channel 1. */
  async open(heartbeat = 0): Promise<this> {
    this.raw.send(PROTOCOL_HEADER);
    const response = new TextEncoder().encode('\0guest\0guest');
    const capabilities = ['consumer_cancel_notify', 'authentication_failure_close'];
    this.say(0, {
      name: 'connection.start-ok',
      clientProperties: [
        [
          'capabilities',
          { type: 'F', value: capabilities.map((name) => [name, { type: 't', value: true }] as const) },
        ],
      ],
      mechanism: 'PLAIN',
      response,
      locale: 'en_US',
    });
    await this.broker.clock.advance(0);
    this.say(0, { name: 'connection.tune-ok', channelMax: 0, frameMax: FRAME_MAX, heartbeat });
    this.say(0, { name: 'connection.open', virtualHost: '/' });
    this.say(1, { name: 'channel.open' });
    const names = (await this.hear()).map(({ method }) => method.name);
    if (names.at(-1) !== 'channel.open-ok') throw new Error(`no channel but ${names.join(' ')}`);
    return this;
  }

  say(channel: number, method: Method): void {
    this.raw.send(encodeMethod(channel, method));
  }

  publish(exchange: string, routingKey: string, body: Uint8Array, properties: BasicProperties = {}): void {
    const method: Method = {
      name: 'basic.publish',
      exchange,
      routingKey,
      mandatory: false,
      immediate: false,
    };
    const header = encodeContentHeader(body.length, properties);
    sendContent(this.raw.wire, 1, method, header, body, FRAME_MAX);
  }

  /** What arrived since the last call, once the broker is at rest. */
  async hear(): Promise<HeardMethod[]> {
    await this.broker.clock.advance(0);
    const stream = new Uint8Array(Buffer.concat([this.rest, this.raw.take()]));
    const at = this.cutter.cut(stream, 0, stream.length, () => true);
    this.rest = stream.subarray(at);
    return this.heard.splice(0);
  }

  /** Says something that is answered at once. */
  async ask(method: Method): Promise<Method> {
    this.say(1, method);
    const heard = await this.hear();
    if (heard.length === 0) throw new Error(`no answer to ${method.name}`);
    return heard[0]!.method;
  }
}
