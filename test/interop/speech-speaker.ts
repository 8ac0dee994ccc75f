// A client of the package itself, whatever it speaks, behind the interface of the interop suite.

import { Message, type Meta, NEVER, type Qos } from '../../src/contract/message.ts';
import type { Delivery, Speaker as OwnSpeaker, Refusal, Speech } from '../../src/contract/speaker.ts';
import { type Broker, hex, toHex } from '../network.ts';
import type { Heard, Said, Sent, Speaker } from './speakers.ts';

const NOBODY = { protocol: '', client: '', principal: '' };

export class SpeechSpeaker implements Speaker {
  private readonly broker: Broker;
  private readonly speaker: OwnSpeaker;
  private readonly arrived: Delivery[] = [];

  private constructor(broker: Broker, speech: Speech, protocol: string, name: string) {
    this.broker = broker;
    const { wire } = broker.connect({ protocol });
    this.speaker = speech.open(
      wire,
      {
        host: 'hub',
        port: 0,
        path: '/',
        settings: {},
        clientId: name,
        username: undefined,
        password: undefined,
        clean: true,
        sessionExpiryMs: 0,
        keepAliveMs: 0,
        will: undefined,
        receiveMaximum: 100,
        another: (open) => {
          const more = broker.connect({ protocol });
          more.wire.peer = open(more.wire);
        },
        random: (length) => new Uint8Array(length),
        now: () => broker.clock.now,
      },
      {
        opened: () => {},
        delivered: (d) => this.arrived.push(d),
        ended: (why) => {
          if (why !== undefined) throw new Error(why.reason);
        },
      },
    );
    wire.peer = this.speaker;
  }

  /** `protocol` is what the broker's listener speaks. */
  static async open(broker: Broker, speech: Speech, protocol: string, name: string): Promise<SpeechSpeaker> {
    const speaker = new SpeechSpeaker(broker, speech, protocol, name);
    await broker.clock.advance(0);
    return speaker;
  }

  async publish(m: Sent): Promise<void> {
    const expiresAt = m.said.expiryMs === undefined ? NEVER : this.broker.clock.now + m.said.expiryMs;
    const message = new Message(m.topic, m.payload, m.qos, m.retain, NOBODY, 0, expiresAt, metaOf(m.said));
    let answer: Refusal | undefined | 'none' = 'none';
    this.speaker.publish(message, (why) => {
      answer = why;
    });
    await this.broker.clock.advance(0);
    if (answer !== undefined) throw new Error(`not published: ${JSON.stringify(answer)}`);
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    let answer: Refusal | Qos | undefined;
    this.speaker.subscribe(filter, qos, (granted) => {
      answer = granted;
    });
    await this.broker.clock.advance(0);
    if (typeof answer !== 'number') throw new Error(`not subscribed: ${JSON.stringify(answer)}`);
  }

  async heard(): Promise<Heard[]> {
    await this.broker.clock.advance(0);
    const heard = this.arrived.splice(0).map((d) => {
      if (d.id !== 0) this.speaker.settle(d.id, 'ok');
      const { topic, payload, qos } = d.message;
      return { topic, payload: toHex(payload), qos, retained: d.retained, said: this.said(d.message) };
    });
    await this.broker.clock.advance(0);
    return heard;
  }

  private said({ meta, expiresAt }: Message): Said {
    const { contentType, text, responseTopic, correlation, user } = meta ?? {};
    return {
      ...(contentType !== undefined && { contentType }),
      ...(text !== undefined && { text }),
      ...(responseTopic !== undefined && { responseTopic }),
      ...(correlation instanceof Uint8Array && { correlation: toHex(correlation) }),
      ...(user !== undefined && { user: user.map(({ name, value }) => [name, String(value)] as const) }),
      ...(expiresAt !== NEVER && { expiryMs: expiresAt - this.broker.clock.now }),
    };
  }
}

function metaOf({ contentType, text, responseTopic, correlation, user }: Said): Meta | undefined {
  const meta: Meta = {
    ...(contentType !== undefined && { contentType }),
    ...(text !== undefined && { text }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlation !== undefined && { correlation: hex(correlation) }),
    ...(user !== undefined && { user: user.map(([name, value]) => ({ name, value })) }),
  };
  return Object.keys(meta).length === 0 ? undefined : meta;
}
