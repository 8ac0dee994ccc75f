// MQTT-SN's Speakers against the hub: what they promise, on good and bad networks.

import { describe, expect, test } from 'vitest';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { type Broker, type RawClient, startBroker } from '../../../test/network.ts';
import { speakerOptions } from '../../../test/speaker-options.ts';
import { Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Refusal, SpeakerOptions, Speech } from '../../contract/speaker.ts';
import { seeded } from '../../transport/virtual-clock.ts';
import type { Publish } from '../mqtt/packet.ts';
import { mqttsnSpeech, mqttsnTeller } from './client.ts';
import { mqttsn } from './protocol.ts';

const utf8 = new TextEncoder();
const NOBODY = { protocol: '', client: '', principal: '' };

function message(topic: string, text: string, qos: Qos = 1, retain = false): Message {
  return new Message(topic, utf8.encode(text), qos, retain, NOBODY, 0, NEVER, undefined);
}

function word(why: Refusal | Qos | undefined): string {
  return why === undefined ? 'fine' : typeof why === 'number' ? `${why}` : why.outcome;
}

/** A speaker in words: what it was answered and what it heard. It settles what it hears, unless told otherwise. */
class Client {
  readonly heard: string[] = [];
  readonly ids: number[] = [];
  /** What it sent, by its type. */
  readonly sent: string[] = [];
  readonly speaker;
  readonly raw: RawClient;
  settles: Outcome | undefined = 'ok';

  constructor(
    broker: Broker,
    options: Partial<SpeakerOptions> = {},
    link = {},
    speech: Speech = mqttsnSpeech(),
  ) {
    this.raw = broker.connect({ protocol: 'mqttsn', link });
    const { wire } = this.raw;
    const write = wire.write.bind(wire);
    wire.write = (datagram: Uint8Array) => {
      this.sent.push(Buffer.from(datagram).toString('hex', 1));
      write(datagram);
    };
    const random = seeded(7);
    const said = speakerOptions(broker.clock, {
      clientId: 'c',
      random: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
      ...options,
    });
    this.speaker = speech.open(this.raw.wire, said, {
      opened: ({ server, clientId }) => this.heard.push(`opened ${server} ${clientId}`),
      delivered: ({ message: { topic, payload, qos }, id, retained, duplicate }) => {
        const more = `${retained ? ' retained' : ''}${duplicate ? ' again' : ''}`;
        this.heard.push(`${topic} ${Buffer.from(payload)} ${qos}${more}`);
        this.ids.push(id);
        if (this.settles !== undefined && id !== 0) this.speaker.settle(id, this.settles);
      },
      ended: (why) => this.heard.push(`ended ${word(why)}`),
    });
    this.raw.wire.peer = this.speaker;
  }

  publish(topic: string, text: string, qos: Qos = 1, retain = false): void {
    this.speaker.publish(message(topic, text, qos, retain), (why) =>
      this.heard.push(`published ${word(why)}`),
    );
  }

  subscribe(filter: string, qos: Qos = 1): void {
    this.speaker.subscribe(filter, qos, (granted) => this.heard.push(`subscribed ${word(granted)}`));
  }

  take(): string[] {
    return this.heard.splice(0);
  }
}

async function opened(options: Partial<SpeakerOptions> = {}) {
  const broker = await startBroker();
  const c = new Client(broker, options);
  await broker.clock.advance(0);
  expect(c.take()).toEqual(['opened MQTT-SN 1.2 c']);
  return { broker, c };
}

test('publishes and subscribes at every level, names long and short', async () => {
  const { broker, c } = await opened();
  c.subscribe('a/#', 2);
  c.subscribe('xy', 2);
  for (const qos of [0, 1, 2] as const) {
    c.publish('a/b', `${qos}`, qos);
    c.publish('xy', `${qos}`, qos);
  }
  await broker.clock.advance(0);
  expect(c.take().toSorted()).toEqual(
    [
      'subscribed 2',
      'subscribed 2',
      ...Array<string>(6).fill('published fine'),
      ...['a/b', 'xy'].flatMap((topic) => [`${topic} 0 0`, `${topic} 1 1`, `${topic} 2 2`]),
    ].toSorted(),
  );
  c.speaker.unsubscribe('a/#', (why) => c.heard.push(`unsubscribed ${word(why)}`));
  c.publish('a/b', 'x');
  await broker.clock.advance(0);
  expect(c.take()).toEqual(['unsubscribed fine', 'published fine']);
});

test('[MQTTSN12-6.6] one message at a time, and the room says so', async () => {
  const { broker, c } = await opened();
  expect(c.speaker.room).toBe(1);
  c.publish('a', '1');
  expect(c.speaker.room).toBe(0);
  await broker.clock.advance(0);
  expect(c.speaker.room).toBe(1);
});

test('what is retained is told as that', async () => {
  const { broker, c } = await opened();
  c.publish('a/b', '1', 1, true);
  c.subscribe('a/b');
  c.subscribe('a/+');
  await broker.clock.advance(0);
  expect(c.take().toSorted()).toEqual(
    ['published fine', 'subscribed 1', 'a/b 1 1 retained', 'subscribed 1', 'a/b 1 1 retained'].toSorted(),
  );
});

test('shared groups and queues', async () => {
  const { broker, c } = await opened();
  c.subscribe('$share/g/a');
  c.subscribe('$queue/jobs');
  c.publish('a', '1');
  c.publish('$queue/jobs', '2');
  await broker.clock.advance(0);
  expect(c.take().filter((line) => /^[a$]/.test(line))).toEqual(['a 1 1', '$queue/jobs 2 1']);
});

test('the will', async () => {
  const broker = await startBroker();
  const will = { message: message('w', 'gone', 1), delayMs: 0 };
  const c = new Client(broker, { will, keepAliveMs: 20_000 });
  const mqtt = new MqttClient(broker);
  await mqtt.connect('m', { keepAlive: 0 });
  await mqtt.subscribe('w');
  await broker.clock.advance(100_000); // it pings
  expect([c.take(), await mqtt.settled()]).toEqual([['opened MQTT-SN 1.2 c'], []]);
  c.raw.cut();
  const [said] = (await mqtt.settled(40_000)) as Publish[];
  expect(Buffer.from(said!.payload).toString()).toBe('gone');
});

test('a session: kept, and forgotten first where that is asked', async () => {
  const broker = await startBroker();
  const kept = { sessionExpiryMs: 3_600_000, clean: false };
  const first = new Client(broker, kept);
  first.subscribe('a');
  await broker.clock.advance(0);
  first.speaker.close();
  await broker.clock.advance(0);
  const mqtt = new MqttClient(broker);
  await mqtt.connect('m');
  mqtt.publish('a', '1', { qos: 1, id: 1 });
  await mqtt.settled();
  const second = new Client(broker, kept);
  await broker.clock.advance(0);
  expect(second.take()).toEqual(['opened MQTT-SN 1.2 c', 'a 1 1']);
  second.speaker.close();
  await broker.clock.advance(0);
  const third = new Client(broker, { ...kept, clean: true });
  await broker.clock.advance(0);
  mqtt.publish('a', '2', { qos: 1, id: 2 });
  await mqtt.settled();
  expect(third.take()).toEqual(['opened MQTT-SN 1.2 c']);
});

test('settling: given back comes again, refused does not', async () => {
  const { broker, c } = await opened();
  c.settles = undefined;
  c.subscribe('a', 2);
  c.publish('a', '1', 1);
  c.publish('a', '2', 2);
  await broker.clock.advance(0);
  expect(c.take().toSorted()).toEqual(['a 1 1', 'published fine', 'published fine', 'subscribed 2']);
  await broker.clock.advance(12_000); // the hub repeats it; it is the same
  expect(c.take()).toEqual([]);
  c.speaker.settle(c.ids[0]!, 'not-authorized');
  await broker.clock.advance(0);
  expect(c.take()).toEqual(['a 2 2']);
  c.speaker.settle(c.ids[1]!, 'ok');
  await broker.clock.advance(60_000);
  expect(c.take()).toEqual([]);
});

test('over a network that loses a quarter: at least once, exactly once', async () => {
  const broker = await startBroker({ seed: 3, protocols: [mqttsn({ retries: 20 })] });
  const link = { loss: 0.25, delayMs: 20, jitterMs: 20 };
  const speech = mqttsnSpeech({ retries: 20 });
  const c = new Client(broker, { clientId: 'sub' }, link, speech);
  const p = new Client(broker, { clientId: 'pub' }, link, speech);
  c.subscribe('a/+', 2);
  await broker.clock.advance(400_000);
  for (let i = 0; i < 15; i++) p.publish(`a/${i % 3}`, `${i}`, ((i % 2) + 1) as Qos);
  await broker.clock.advance(4_000_000);
  const heard = c.take().filter((line) => line.startsWith('a/'));
  const of = (qos: number) =>
    heard.filter((line) => line.includes(` ${qos}`) && line.split(' ')[2] === `${qos}`);
  const said = (odd: number) =>
    Array.from({ length: 15 }, (_, i) => `a/${i % 3} ${i} ${(i % 2) + 1}`).filter((_, i) => i % 2 === odd);
  expect([...new Set(of(1).map((line) => line.replace(' again', '')))]).toEqual(said(0));
  expect(of(2).map((line) => line.replace(' again', ''))).toEqual(said(1));
  expect(p.take().filter((line) => line === 'published fine').length).toBe(15);
});

test('nobody there: what was asked is refused', async () => {
  const broker = await startBroker();
  const c = new Client(broker, {}, { loss: 1 });
  c.publish('a', '1');
  c.subscribe('a');
  await broker.clock.advance(100_000);
  expect(c.take()).toEqual(['published unavailable', 'subscribed unavailable', 'ended unavailable']);
});

test('the hub forgot us: it ends', async () => {
  const { broker, c } = await opened();
  await broker.crash();
  c.publish('a', '1');
  await broker.clock.advance(0);
  expect(c.take()).toEqual(['published unavailable', 'ended unavailable']);
});

test('[MQTTSN12-6.8] without a connection: short and predefined topics', async () => {
  const predefined = new Map([[7, 'room/heat']]);
  const broker = await startBroker({ protocols: [mqttsn({ predefined })] });
  const listener = new Client(broker, {}, {}, mqttsnSpeech({ predefined }));
  listener.subscribe('#', 0);
  await broker.clock.advance(0);
  const c = new Client(broker, {}, {}, mqttsnTeller({ predefined }));
  await broker.clock.advance(0);
  for (const topic of ['t1', 'room/heat', 'other']) c.publish(topic, '1', 0);
  c.publish('t1', '1', 1);
  c.subscribe('t1');
  await broker.clock.advance(0);
  c.speaker.close();
  await broker.clock.advance(0);
  expect(c.take()).toEqual([
    'opened MQTT-SN 1.2 c',
    'published fine',
    'published fine',
    'published topic-invalid',
    'published not-supported',
    'subscribed not-supported',
    'ended fine',
  ]);
  expect(listener.take().slice(2)).toEqual(['t1 1 0', 'room/heat 1 0']);
});

test('a will says no more than it can', async () => {
  const broker = await startBroker({ protocols: [mqttsn()] });
  const typed = new Message('w', utf8.encode('gone'), 1, false, NOBODY, 0, NEVER, {
    contentType: 'text/plain',
  });
  for (const will of [
    { message: message('w', 'gone'), delayMs: 5 },
    { message: typed, delayMs: 0 },
  ]) {
    const c = new Client(broker, { will });
    c.publish('a', 'x');
    await broker.clock.advance(0);
    expect(c.take()).toContain('published not-supported');
    expect(c.sent).toEqual([]);
  }
});

test('a predefined topic: no registration, both ways', async () => {
  const predefined = new Map([[7, 'room/heat']]);
  const broker = await startBroker({ protocols: [mqttsn({ predefined })] });
  const c = new Client(broker, { settings: { predefined: '7:room/heat,8:hall%2Cleft' } });
  c.subscribe('room/heat');
  c.publish('room/heat', '21.5');
  await broker.clock.advance(0);
  expect(c.take()).toEqual(['opened MQTT-SN 1.2 c', 'subscribed 1', 'room/heat 21.5 1', 'published fine']);
  expect(c.sent.slice(1)).toEqual([
    '122100010007', // SUBSCRIBE, by id
    `0c2100070002${Buffer.from('21.5').toString('hex')}`, // PUBLISH
    '0d0007800000', // PUBACK of what came back
  ]);
});

test('a predefined topic that the gateway does not know is registered by its name', async () => {
  const broker = await startBroker();
  const c = new Client(broker, { settings: { predefined: '7:room/heat' } });
  await broker.clock.advance(0);
  c.publish('room/heat', '1');
  await broker.clock.advance(0);
  const d = new Client(broker, { clientId: 'd', settings: { predefined: '7:room/heat' } });
  d.subscribe('room/heat');
  await broker.clock.advance(0);
  c.publish('room/heat', '2');
  await broker.clock.advance(0);
  expect(c.take()).toEqual(['opened MQTT-SN 1.2 c', 'published fine', 'published fine']);
  expect(d.take()).toEqual(['opened MQTT-SN 1.2 d', 'subscribed 1', 'room/heat 2 1']);
});

test('[MQTTSN12-6.11] who has said something need not ping', async () => {
  const broker = await startBroker();
  const c = new Client(broker, { keepAliveMs: 60_000 });
  await broker.clock.advance(0);
  for (let i = 0; i < 3; i++) {
    await broker.clock.advance(40_000);
    c.publish('ab', 'x');
  }
  await broker.clock.advance(44_000);
  expect(c.sent.filter((octets) => octets.startsWith('16'))).toEqual([]);
  await broker.clock.advance(1_000);
  expect(c.sent.at(-1)).toBe('16');
  await broker.clock.advance(600_000);
  expect(c.take().filter((line) => line.startsWith('ended'))).toEqual([]);
});

describe('[MQTTSN12-6.14] a client that sleeps', () => {
  async function sleeper() {
    const broker = await startBroker();
    const c = new Client(broker, { settings: { sleep: '60' } });
    c.subscribe('room/+', 2);
    await broker.clock.advance(1_000);
    expect(c.sent.slice(-1)).toEqual(['18003c']); // DISCONNECT for 60 s
    c.sent.splice(0);
    const other = new Client(broker, { clientId: 'other' });
    await broker.clock.advance(0);
    return { broker, c, other };
  }

  test('gets what came meanwhile when it looks, at every QoS, and sleeps on', async () => {
    const { broker, c, other } = await sleeper();
    c.take();
    for (const qos of [0, 1, 2] as const) other.publish('room/1', `at ${qos}`, qos);
    await broker.clock.advance(40_000);
    expect(c.sent).toEqual([]);
    await broker.clock.advance(5_000);
    expect(c.take()).toEqual(['room/1 at 0 0', 'room/1 at 1 1', 'room/1 at 2 2']);
    expect(c.sent[0]).toBe(`16${Buffer.from('c').toString('hex')}`);
    // Looks again and again, says nothing else, and is not lost.
    c.sent.splice(0);
    await broker.clock.advance(600_000);
    expect(new Set(c.sent)).toEqual(new Set(['1663']));
    expect(c.take()).toEqual([]);
  });

  test('wakes up to publish, and keeps its subscriptions', async () => {
    const { broker, c, other } = await sleeper();
    c.take();
    c.publish('hall', 'x', 1);
    await broker.clock.advance(500);
    expect(c.take()).toEqual(['published fine']);
    // PINGREQ, whose answer shows that it is known; CONNECT, neither clean nor with a will
    expect(c.sent.slice(0, 2)).toEqual(['1663', '040001000063']);
    other.publish('room/1', 'now', 1);
    await broker.clock.advance(0);
    expect(c.take()).toEqual(['room/1 now 1']);
    await broker.clock.advance(1_000);
    expect(c.sent.at(-1)).toBe('18003c');
  });

  test('over a network that loses a quarter it misses nothing', async () => {
    const broker = await startBroker({ seed: 5 });
    const link = { loss: 0.25 };
    const c = new Client(broker, { settings: { sleep: '120' } }, link);
    c.subscribe('room/+', 2);
    await broker.clock.advance(60_000);
    expect(c.take()).toEqual(['opened MQTT-SN 1.2 c', 'subscribed 2']);
    const other = new Client(broker, { clientId: 'other' });
    for (let i = 0; i < 20; i++) other.publish('room/1', `${i}`, 2);
    await broker.clock.advance(1_800_000);
    const heard = c.take().map((line) => line.replace(' again', ''));
    expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => `room/1 ${i} 2`));
  });

  test('a gateway that has forgotten it says so when it looks', async () => {
    const { broker, c } = await sleeper();
    await broker.crash();
    await broker.clock.advance(300_000);
    expect(c.take().at(-1)).toBe('ended unavailable');
  });

  test('and when it has something to say: its subscriptions are not lost unnoticed', async () => {
    const { broker, c } = await sleeper();
    await broker.crash();
    c.publish('hall', 'x', 1);
    await broker.clock.advance(100);
    expect(c.take().slice(-2)).toEqual(['published unavailable', 'ended unavailable']);
  });
});

test('connect=false: QoS −1', async () => {
  const broker = await startBroker();
  const listener = new Client(broker, { clientId: 'l' });
  listener.subscribe('ab', 0);
  const c = new Client(broker, { settings: { connect: 'false' } });
  await broker.clock.advance(0);
  c.publish('ab', 'x', 0);
  await broker.clock.advance(0);
  expect(listener.take().at(-1)).toBe('ab x 0');
});
