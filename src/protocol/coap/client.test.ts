// CoAP's Speaker against the hub: what it promises, over every carrier, good and bad networks.

import { describe, expect, test } from 'vitest';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { type Broker, type BrokerOptions, OPEN, type RawClient, startBroker } from '../../../test/network.ts';
import { speakerOptions } from '../../../test/speaker-options.ts';
import type { Auth } from '../../contract/auth.ts';
import { Message, type Meta, NEVER, type Qos } from '../../contract/message.ts';
import type { Delivery, Refusal, SpeakerOptions, Speech } from '../../contract/speaker.ts';
import type { Protocol } from '../../contract/wire.ts';
import { oscoreCrypto } from '../../transport/oscore-crypto.ts';
import { seeded } from '../../transport/virtual-clock.ts';
import type { Publish } from '../mqtt/packet.ts';
import { mqtt } from '../mqtt/protocol.ts';
import { coapMessageSpeech, coapSpeech, coapStreamSpeech, sealed } from './client.ts';
import type { OscoreSecret } from './oscore.ts';
import { coap, coapMessages, coapStream } from './protocol.ts';
import { OscoreContexts } from './unsealing.ts';

const utf8 = new TextEncoder();
const NOBODY = { protocol: '', client: '', principal: '' };
/** The hub's side, and ours. */
const HUB_SECRET: OscoreSecret = {
  user: 'sensor',
  masterSecret: Uint8Array.from({ length: 16 }, (_, i) => i),
  masterSalt: Uint8Array.of(1),
  senderId: Uint8Array.of(1),
  recipientId: Uint8Array.of(2),
  idContext: undefined,
};
const OUR_SECRET: OscoreSecret = { ...HUB_SECRET, senderId: Uint8Array.of(2), recipientId: Uint8Array.of(1) };
const PLAIN = [coapSpeech, coapStreamSpeech, coapMessageSpeech];
const SPEECHES: readonly (readonly [string, Speech])[] = [
  ...PLAIN.map((s) => [s.name, s] as const),
  ...PLAIN.map((s) => [`${s.name}, sealed`, sealed(s, OUR_SECRET, oscoreCrypto)] as const),
  [`coap, sealed with keys derived anew`, sealed(coapSpeech, { ...OUR_SECRET, derives: true }, oscoreCrypto)],
];

function protocols(): Protocol[] {
  const oscore = new OscoreContexts([HUB_SECRET], oscoreCrypto);
  return [coap({ oscore }), coapStream({ oscore }), coapMessages({ oscore }), mqtt()];
}

interface Told {
  readonly topic: string;
  readonly text: string;
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly expiresAt?: number;
  readonly meta?: Meta;
}

/** A speaker in words: what it was answered and what it heard. */
class Client {
  readonly heard: string[] = [];
  readonly deliveries: Delivery[] = [];
  readonly speaker;
  private readonly raw: RawClient;

  constructor(
    broker: Broker,
    speech: Speech,
    options: Partial<SpeakerOptions> = {},
    link = {},
    remote = '127.0.0.1:50001',
  ) {
    this.raw = broker.connect({ protocol: speech.name, link, remote });
    const { wire } = this.raw;
    const random = seeded(7);
    const said = speakerOptions(broker.clock, {
      random: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
      ...options,
    });
    this.speaker = speech.open(wire, said, {
      opened: ({ server }) => this.heard.push(`opened ${server}`),
      delivered: (d) => {
        this.deliveries.push(d);
        const { topic, payload, qos } = d.message;
        this.heard.push(`${topic} ${Buffer.from(payload)} ${qos}${d.retained ? ' retained' : ''}`);
      },
      ended: (why) => this.heard.push(`ended ${said_(why)}`),
    });
    wire.peer = this.speaker;
  }

  publish({ topic, text, qos = 1, retain = false, expiresAt = NEVER, meta }: Told): void {
    const m = new Message(topic, utf8.encode(text), qos, retain, NOBODY, 0, expiresAt, meta);
    this.speaker.publish(m, (why) => this.heard.push(`published ${said_(why)}`));
  }

  subscribe(filter: string, qos: Qos = 1): void {
    this.speaker.subscribe(filter, qos, (granted) =>
      this.heard.push(`subscribed ${typeof granted === 'number' ? granted : said_(granted)}`),
    );
  }

  /** The other side hears nothing any more. */
  deafen(): void {
    this.raw.wire.other.pause();
  }

  take(): string[] {
    return this.heard.splice(0);
  }
}

function said_(why: Refusal | undefined): string {
  return why === undefined ? 'fine' : why.outcome;
}

async function opened(speech: Speech, options: BrokerOptions = {}, more: Partial<SpeakerOptions> = {}) {
  const broker = await startBroker({ protocols: protocols(), ...options });
  const c = new Client(broker, speech, more);
  await broker.clock.run();
  expect(c.take()).toEqual(['opened CoAP']);
  return { broker, c };
}

describe.each(SPEECHES)('%s', (_name, speech) => {
  test('publishes and observes, both levels, and stops', async () => {
    const { broker, c } = await opened(speech);
    c.subscribe('a/b', 1);
    await broker.clock.run();
    c.publish({ topic: 'a/b', text: '1', qos: 0 });
    c.publish({ topic: 'a/b', text: '2', qos: 1 });
    await broker.clock.run();
    expect(c.take().toSorted()).toEqual(
      ['a/b 1 1', 'a/b 2 1', 'published fine', 'published fine', 'subscribed 1']
        .map((line) => (speech.carrier === 'datagram' && line === 'a/b 1 1' ? 'a/b 1 0' : line))
        .toSorted(),
    );
    c.speaker.unsubscribe('a/b', (why) => c.heard.push(`unsubscribed ${said_(why)}`));
    c.speaker.unsubscribe('x', (why) => c.heard.push(`unsubscribed ${said_(why)}`));
    await broker.clock.run();
    c.publish({ topic: 'a/b', text: '3' });
    await broker.clock.run();
    expect([c.take(), broker.hub.stats.subscriptions]).toEqual([
      ['unsubscribed fine', 'unsubscribed no-subscription', 'published fine'],
      0,
    ]);
  });

  test('what is retained is told as that, of one topic and of many', async () => {
    const { broker, c } = await opened(speech);
    c.publish({ topic: 'a/b', text: '1', retain: true });
    await broker.clock.run();
    c.subscribe('a/b');
    c.subscribe('a/#');
    await broker.clock.run();
    expect(c.take()).toEqual([
      'published fine',
      'subscribed 1',
      'a/b 1 1 retained',
      'subscribed 1',
      'a/b 1 1 retained',
    ]);
    c.publish({ topic: 'a/b', text: '2', retain: true });
    await broker.clock.run();
    expect(c.take().filter((line) => line.startsWith('a/b 2'))).toEqual(['a/b 2 1', 'a/b 2 1']);
  });

  test('no message makes way for a newer one; large ones come in blocks', async () => {
    const { broker, c } = await opened(speech);
    const large = 'x'.repeat(2_500);
    c.subscribe('a');
    await broker.clock.run();
    for (const text of ['1', '2', large, '3', `${large}y`, '4']) c.publish({ topic: 'a', text });
    await broker.clock.run();
    expect(c.deliveries.map(({ message }) => Buffer.from(message.payload).toString())).toEqual([
      '1',
      '2',
      large,
      '3',
      `${large}y`,
      '4',
    ]);
  });

  test('every property crosses, to MQTT 5 too', async () => {
    const { broker, c } = await opened(speech);
    const meta: Meta = {
      contentType: 'application/x-mine',
      text: true,
      responseTopic: 'r',
      correlation: Uint8Array.of(1, 2),
      priority: 3,
      user: [
        { name: 'a', value: '1' },
        { name: 'a', value: '2' },
      ],
    };
    const mqtt = new MqttClient(broker, 5);
    await mqtt.connect('m');
    await mqtt.subscribe('a/#', { qos: 1 });
    c.subscribe('a/+');
    await broker.clock.run();
    c.publish({ topic: 'a/b', text: 'hi', meta, expiresAt: broker.clock.now + 5_000 });
    c.publish({ topic: 'a/c', text: 'hi', meta: { contentType: 'application/json', text: true } });
    await broker.clock.run();
    expect(c.deliveries.map(({ message }) => message.meta)).toEqual([
      meta,
      { contentType: 'application/json' },
    ]);
    expect(c.deliveries[0]!.message.expiresAt - broker.clock.now).toBe(5_000);
    const [first] = (await mqtt.settled()) as Publish[];
    expect(first!.properties).toMatchObject({
      contentType: 'application/x-mine',
      responseTopic: 'r',
      correlationData: Uint8Array.of(1, 2),
      messageExpiryInterval: 5,
    });
  });

  test('shared groups and queues', async () => {
    const { broker, c } = await opened(speech);
    c.subscribe('$share/g/a');
    c.subscribe('$queue/jobs');
    await broker.clock.run();
    c.publish({ topic: 'a', text: '1' });
    c.publish({ topic: '$queue/jobs', text: '2' });
    await broker.clock.run();
    expect(c.take().filter((line) => /^[a$]/.test(line))).toEqual(['a 1 1', '$queue/jobs 2 1']);
  });

  test('what cannot be done is refused', async () => {
    const { broker, c } = await opened(speech, { limits: { subscriptionsPerClient: 1 } });
    c.publish({ topic: 'a', text: '', qos: 2 });
    c.publish({ topic: 'x'.repeat(256), text: '' });
    c.publish({ topic: 'a/#', text: '' });
    c.subscribe('a');
    c.subscribe('b');
    c.subscribe('a#');
    await broker.clock.run();
    expect(c.take().toSorted()).toEqual(
      [
        'published not-supported',
        'published topic-invalid',
        'published topic-invalid',
        'subscribed 1',
        'subscribed filter-invalid',
        'subscribed quota-exceeded',
      ].toSorted(),
    );
  });

  test('who is not let in is told so', async () => {
    const auth: Auth = {
      ...OPEN,
      identify: (login) =>
        login.username === 'x' ? OPEN.identify(login) : Promise.resolve('bad-credentials'),
    };
    const broker = await startBroker({ auth, protocols: protocols() });
    const bad = new Client(broker, speech);
    bad.subscribe('a');
    bad.publish({ topic: 'a', text: '' });
    await broker.clock.advance(1_000);
    const good = new Client(broker, speech, { username: 'x', password: utf8.encode('y') });
    await broker.clock.run();
    expect(bad.take().toSorted()).toEqual([
      'ended bad-credentials',
      'published bad-credentials',
      'subscribed bad-credentials',
    ]);
    expect(good.take()).toEqual(['opened CoAP']);
  });

  test('the end: ours, and the other side’s', async () => {
    const { broker, c } = await opened(speech);
    c.subscribe('a');
    await broker.clock.run();
    c.speaker.close();
    c.publish({ topic: 'a', text: '' });
    await broker.clock.run();
    expect([c.take(), broker.hub.stats.subscriptions]).toEqual([
      ['subscribed 1', 'published unavailable', 'ended fine'],
      0,
    ]);
    await broker.clock.advance(1_000); // a context's numbers grow with the time
    const other = new Client(broker, speech);
    other.subscribe('a');
    await broker.clock.run();
    await broker.stop();
    await broker.clock.run();
    expect(other.take()).toEqual(['opened CoAP', 'subscribed 1', 'ended unavailable']);
  });
});

test('one confirmable message at a time [RFC7252-4.7], and the room says so', async () => {
  const { broker, c } = await opened(coapSpeech);
  expect(c.speaker.room).toBe(1);
  for (let i = 0; i < 3; i++) c.publish({ topic: 'a', text: `${i}` });
  expect(c.speaker.room).toBe(0);
  await broker.clock.run();
  expect([c.take(), c.speaker.room]).toEqual([['published fine', 'published fine', 'published fine'], 1]);
});

test('over a network that loses a seventh, QoS 1 arrives, in order', async () => {
  const broker = await startBroker({ seed: 5 });
  const link = { loss: 0.15, delayMs: 30, jitterMs: 20 };
  const c = new Client(broker, coapSpeech, {}, link);
  c.subscribe('a/#');
  await broker.clock.advance(100_000);
  const near = new Client(broker, coapSpeech);
  for (let i = 0; i < 20; i++) {
    near.publish({ topic: 'a/b', text: `${i}` });
    await broker.clock.advance(30_000);
  }
  const heard = c.take().filter((line) => line.startsWith('a/b'));
  expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => `a/b ${i} 1`));
});

describe.each(SPEECHES.filter(([, s]) => s.carrier === 'datagram'))(
  '[RFC7641-3.3.1] registrations are renewed: %s',
  (_name, speech) => {
    test('after a crash of the hub, and with them come values that were missed', async () => {
      const { broker, c } = await opened(speech);
      c.publish({ topic: 'a', text: '1', retain: true });
      await broker.clock.run();
      c.subscribe('a');
      c.subscribe('x/#');
      await broker.clock.run();
      await broker.crash();
      await broker.clock.advance(90_000); // Max-Age of 60 s, and up to 15 s more
      expect([c.take(), broker.hub.stats.subscriptions]).toEqual([
        ['published fine', 'subscribed 1', 'a 1 1 retained', 'subscribed 1'],
        2,
      ]);
      const other = new Client(broker, coapSpeech, {}, {}, '127.0.0.1:50002');
      other.publish({ topic: 'a', text: '2', retain: true });
      await broker.clock.advance(1_000);
      expect(c.take()).toEqual(['a 2 1']);
    });

    test('nothing is told twice, and what waits goes on waiting', async () => {
      const { broker, c } = await opened(speech);
      c.publish({ topic: 'a/b', text: '1', retain: true });
      await broker.clock.run();
      c.subscribe('a/#');
      await broker.clock.advance(400_000);
      expect(c.take()).toEqual(['published fine', 'subscribed 1', 'a/b 1 1 retained']);
      expect(broker.hub.stats.subscriptions).toBe(1);
    });
  },
);

test.each([
  ['a ping that nobody answers', coapSpeech],
  ['the silence of a stream', coapStreamSpeech],
])('a hub that is gone is noticed: %s', async (_how, speech) => {
  const { broker, c } = await opened(speech, {}, { keepAliveMs: 20_000 });
  await broker.clock.advance(100_000);
  expect(c.take()).toEqual([]);
  c.deafen();
  await broker.clock.advance(200_000);
  expect(c.take()).toEqual(['ended idle']);
});

test('[RFC8613-8.4] another secret than the hub knows: not let in', async () => {
  const broker = await startBroker({ protocols: protocols() });
  const other = { ...OUR_SECRET, masterSecret: new Uint8Array(16) };
  const c = new Client(broker, sealed(coapSpeech, other, oscoreCrypto));
  c.publish({ topic: 'a', text: '1' });
  await broker.clock.run();
  expect(c.take()).toEqual(['published bad-credentials', 'ended bad-credentials']);
});
