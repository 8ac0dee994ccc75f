// Messages through the hub: windows, redelivery, properties, sizes, and the answers that publishers get.

import { expect, test } from 'vitest';
import { connectPacket, MqttClient, message, publishPacket } from '../../../test/mqtt-client.ts';
import { OPEN, startBroker } from '../../../test/network.ts';
import type { Auth } from '../../contract/auth.ts';
import type { OwnedHub } from '../../contract/hub.ts';
import { lanesOf } from './lane.ts';
import {
  type Acknowledgement,
  DISCONNECT,
  type Level,
  type Packet,
  type Properties,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
} from './packet.ts';

const KEPT = { clean: false, properties: { sessionExpiryInterval: 1_000 } };

function answer(type: Acknowledgement['type'], id: number, code = 0): Acknowledgement {
  return { type, id, code, properties: {} };
}

function publishes(packets: readonly Packet[]): Publish[] {
  return packets.filter((p): p is Publish => p.type === PUBLISH);
}

test('[MQTT5-4.3.3-10] QoS 2 in: a repeated id is answered again and published once, over reconnects too', async () => {
  const broker = await startBroker();
  const watcher = new MqttClient(broker, 4);
  await watcher.connect('w');
  await watcher.subscribe('t', { qos: 0 });
  let client = new MqttClient(broker, 5);
  await client.connect('c', KEPT);
  client.publish('t', 'x', { qos: 2, id: 5 });
  expect(await client.settled()).toMatchObject([{ type: PUBREC, id: 5, code: 0 }]);
  client.publish('t', 'x', { qos: 2, id: 5, dup: true });
  expect(await client.settled()).toMatchObject([{ type: PUBREC, id: 5, code: 0 }]);
  client.raw.cut();
  client = new MqttClient(broker, 5);
  await client.connect('c', KEPT);
  client.publish('t', 'x', { qos: 2, id: 5, dup: true });
  client.send(answer(PUBREL, 5), answer(PUBREL, 5));
  expect(await client.settled()).toMatchObject([
    { type: PUBREC, id: 5, code: 0 },
    { type: PUBCOMP, id: 5, code: 0 },
    { type: PUBCOMP, id: 5, code: 0 }, // the session was resumed: its PUBCOMP may have been lost
  ]);
  client.raw.cut();
  const fresh = new MqttClient(broker, 5);
  await fresh.connect('fresh', KEPT);
  fresh.send(answer(PUBREL, 5));
  expect(await fresh.settled()).toMatchObject([{ type: PUBCOMP, id: 5, code: 0x92 }]);
  expect((await watcher.settled()).length).toBe(1);
});

test('[MQTT5-3.3.4-7] more QoS 2 publishes than the receive maximum: 93', async () => {
  const broker = await startBroker({ limits: { receiveMaximum: 3 } });
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  for (let id = 1; id <= 4; id++) client.publish('t', 'x', { qos: 2, id });
  const got = await client.settled();
  expect(got.map((p) => ('code' in p ? p.code : -1))).toEqual([0x10, 0x10, 0x10, 0x93]);
  const patient = new MqttClient(broker, 5);
  await patient.connect('p');
  for (let id = 1; id <= 8; id++) {
    patient.publish('t', 'x', { qos: 2, id });
    patient.send(answer(PUBREL, id));
    expect(await patient.settled()).toMatchObject([{ type: PUBREC }, { type: PUBCOMP }]);
  }
});

test('[MQTT5-4.6.0-2] PUBACKs wait for the commit, and leave in order', async () => {
  const broker = await startBroker({ commitMs: 10 });
  const durable = new MqttClient(broker, 5);
  durable.send(connectPacket(5, 'd', KEPT), subscribePacket('kept', 1));
  await durable.settled(100);
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  client.publish('kept', '1', { qos: 1, id: 1 });
  client.publish('free', '2', { qos: 1, id: 2 });
  expect(await client.settled(9)).toEqual([]);
  expect(await client.settled(1)).toMatchObject([
    { type: PUBACK, id: 1, code: 0 },
    { type: PUBACK, id: 2, code: 0x10 },
  ]);
});

function subscribePacket(filter: string, qos: 0 | 1 | 2, properties: Properties = {}): Packet {
  const entry = { filter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return { type: 8, id: 9, entries: [entry], properties };
}

for (const level of [4, 5] as Level[]) {
  test(`[MQTT5-4.4.0-1] level ${level}: after a reconnect and after a crash, the unfinished comes again with its id`, async () => {
    const broker = await startBroker();
    let client = new MqttClient(broker, level);
    await client.connect('c', KEPT);
    await client.subscribe('t', { qos: 2 });
    const publisher = new MqttClient(broker, 4);
    await publisher.connect('p');
    for (const [i, qos] of ([1, 2, 2, 1] as const).entries())
      publisher.publish('t', `m${i}`, { qos, id: i + 1 });
    await publisher.settled();
    const first = publishes(await client.settled());
    expect(first.map((p) => [message(p).text, p.dup])).toEqual(
      ['m0', 'm1', 'm2', 'm3'].map((text) => [text, false]),
    );
    const ids = first.map((p) => p.id);
    client.send(answer(PUBREC, ids[1]!));
    expect(await client.settled()).toMatchObject([{ type: PUBREL, id: ids[1]! }]);
    for (const end of ['cut', 'crash']) {
      if (end === 'cut') client.raw.cut();
      else await broker.crash();
      client = new MqttClient(broker, level);
      expect((await client.connect('c', KEPT)).sessionPresent).toBe(true);
      const again = await client.settled();
      expect(again.map((p) => [p.type, (p as Publish).id, (p as Publish).dup])).toEqual([
        [PUBREL, ids[1], undefined],
        [PUBLISH, ids[0], true],
        [PUBLISH, ids[2], true],
        [PUBLISH, ids[3], true],
      ]);
    }
    client.send(
      answer(PUBCOMP, ids[1]!),
      answer(PUBACK, ids[3]!),
      answer(PUBACK, ids[0]!),
      answer(PUBREC, ids[2]!),
    );
    expect(await client.settled()).toMatchObject([{ type: PUBREL, id: ids[2]! }]);
    client.send(answer(PUBCOMP, ids[2]!));
    await client.settled();
    expect(broker.hub.stats.unsettled).toBe(0);
  });
}

test('the window is the receive maximum; an acknowledgement opens it', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c', { properties: { receiveMaximum: 2 } });
  await client.subscribe('t', { qos: 2 });
  const publisher = new MqttClient(broker, 5);
  await publisher.connect('p');
  for (let id = 1; id <= 4; id++) publisher.publish('t', `m${id}`, { qos: id % 2 === 0 ? 2 : 1, id });
  await publisher.settled();
  const [a, b, ...none] = publishes(await client.settled());
  expect(none).toEqual([]);
  client.send(answer(PUBACK, a!.id));
  const [c, ...more] = publishes(await client.settled());
  expect([message(c).text, more.length]).toEqual(['m3', 0]);
  client.send(answer(PUBREC, b!.id));
  expect(await client.settled()).toMatchObject([{ type: PUBREL }]); // the window counts until PUBCOMP [MQTT5-4.9.0-1]
  client.send(answer(PUBCOMP, b!.id));
  expect(publishes(await client.settled()).map((p) => message(p).text)).toEqual(['m4']);
});

test('a PUBREC that refuses ends the delivery without PUBREL; an id that is not known is told', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c', KEPT);
  await client.subscribe('t', { qos: 2 });
  client.publish('t', 'x', { qos: 2, id: 1 });
  const [p] = publishes(await client.settled());
  client.send(answer(PUBREC, p!.id, 0x97), answer(PUBREC, 999));
  expect(await client.settled()).toMatchObject([{ type: PUBREL, id: 999, code: 0x92 }]);
  expect(broker.hub.stats.unsettled).toBe(0);
});

test('an acknowledgement of the wrong kind: 82', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  await client.subscribe('t', { qos: 2 });
  client.publish('t', 'x', { qos: 2, id: 1 });
  const [p] = publishes(await client.settled());
  client.send(answer(PUBACK, p!.id));
  expect(await client.settled()).toMatchObject([{ type: DISCONNECT, code: 0x82 }]);
});

test('message expiry: what waited has less to live, rounded up; what is dead is not sent', async () => {
  const broker = await startBroker();
  let client = new MqttClient(broker, 5);
  await client.connect('c', KEPT);
  await client.subscribe('t', { qos: 1 });
  client.raw.cut();
  const publisher = new MqttClient(broker, 5);
  await publisher.connect('p');
  for (const [id, seconds] of [3, 10].entries())
    publisher.publish('t', `${seconds}`, {
      qos: 1,
      id: id + 1,
      properties: { messageExpiryInterval: seconds },
    });
  await publisher.settled(3_500);
  client = new MqttClient(broker, 5);
  await client.connect('c', KEPT);
  const got = publishes(await client.settled());
  expect(got.map((p) => [message(p).text, p.properties.messageExpiryInterval])).toEqual([['10', 7]]);
});

test('properties arrive as they were sent, in order', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  await client.subscribe('t', { qos: 1 }, { subscriptionIdentifier: [7] });
  const old = new MqttClient(broker, 4);
  await old.connect('o');
  await old.subscribe('t');
  const properties: Properties = {
    payloadFormatIndicator: 0,
    contentType: 'text/x',
    responseTopic: 'answer/ä',
    correlationData: Uint8Array.of(0, 255),
    userProperty: [
      ['b', '1'],
      ['a', '2'],
      ['b', '1'],
    ],
  };
  client.publish('t', 'x', { qos: 1, id: 1, properties });
  const [p] = publishes(await client.settled());
  expect(p!.properties).toEqual({ ...properties, subscriptionIdentifier: [7] });
  expect(publishes(await old.settled()).map((m) => message(m).text)).toEqual(['x']);
});

test('[MQTT5-3.3.4-3] overlapping subscriptions: one delivery, the highest QoS, all identifiers', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  await client.subscribe('t/#', { qos: 2 }, { subscriptionIdentifier: [268_435_455] });
  await client.subscribe('t/+', { qos: 1 }, { subscriptionIdentifier: [1] });
  await client.subscribe('#', { qos: 0 });
  client.publish('t/a', 'x', { qos: 2, id: 1 });
  const [p, ...none] = publishes(await client.settled());
  expect([p!.qos, p!.properties.subscriptionIdentifier, none]).toEqual([2, [268_435_455, 1], []]);
});

test('the retain flag: kept messages have it, live ones only where it is wanted as published', async () => {
  const broker = await startBroker();
  const publisher = new MqttClient(broker, 4);
  await publisher.connect('p');
  publisher.publish('t', 'old', { retain: true });
  await publisher.settled();
  const flags: [string, boolean][] = [];
  for (const retainAsPublished of [false, true]) {
    const client = new MqttClient(broker, 5);
    await client.connect('c');
    await client.subscribe('t', { retainAsPublished });
    publisher.publish('t', 'new', { retain: true });
    publisher.publish('t', 'plain');
    await publisher.settled();
    for (const p of publishes(await client.settled())) flags.push([message(p).text, p.retain]);
    publisher.publish('t', 'old', { retain: true });
    await publisher.settled();
  }
  expect(flags).toEqual([
    ['old', true],
    ['new', false],
    ['plain', false],
    ['old', true],
    ['new', true],
    ['plain', false],
  ]);
});

test('[MQTT5-3.1.2-24] what is larger than the client takes is dropped as if it were sent', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c', { properties: { maximumPacketSize: 30, sessionExpiryInterval: 100 } });
  await client.subscribe('t', { qos: 1 });
  // 32 | length | 00 01 t | id | 00 | payload: 8 octets around it
  for (const [i, length] of [22, 23, 200].entries())
    client.publish('t', 'x'.repeat(length), { qos: 1, id: i + 1 });
  expect(publishes(await client.settled()).map((p) => p.payload.length)).toEqual([22]);
  expect(broker.hub.counters.dropped.get('too-large')).toBe(2);
});

test('a packet larger than the listener takes: 95, before it is there', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5, { limits: { maxPacketBytes: 1_000 } });
  await client.connect('c');
  client.send('30 e7 07 00 01 61'); // 1,002 octets announced
  expect(await client.settled()).toMatchObject([{ type: DISCONNECT, code: 0x95 }]);
  const stranger = broker.connect();
  stranger.send('10 80 80 40');
  await broker.clock.advance(0);
  expect(stranger.closed).toBe(true);
});

test('aliases out: the second time a topic is named with its alias, then the alias stands for it', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c', { properties: { topicAliasMaximum: 1 } });
  await client.subscribe('#', {}, { subscriptionIdentifier: [3] });
  const publisher = new MqttClient(broker, 4);
  await publisher.connect('p');
  for (const topic of ['a', 'a', 'a', 'b', 'b', 'b']) publisher.publish(topic, 'x');
  await publisher.settled();
  const got = publishes(await client.settled()).map((p) => [p.topic, p.properties.topicAlias]);
  expect(got).toEqual([
    ['a', undefined],
    ['a', 1],
    ['', 1],
    ['b', undefined],
    ['b', 1],
    ['', 1],
  ]);
});

test('aliases in, and their limits', async () => {
  const broker = await startBroker({ mqtt: { topicAliasMaximum: 5 } });
  const watcher = new MqttClient(broker, 4);
  await watcher.connect('w');
  await watcher.subscribe('#');
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  client.publish('a', '1', { properties: { topicAlias: 5 } });
  client.publish('', '2', { properties: { topicAlias: 5 } });
  client.publish('b', '3', { properties: { topicAlias: 6 } });
  expect(await client.settled()).toMatchObject([{ type: DISCONNECT, code: 0x94 }]);
  expect(publishes(await watcher.settled()).map((p) => p.topic)).toEqual(['a', 'a']);
});

test('a payload that is not the UTF-8 it is said to be is refused, where that is checked', async () => {
  const broker = await startBroker({ mqtt: { checkPayloadFormat: true } });
  const properties = { payloadFormatIndicator: 1 } as const;
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  await client.subscribe('#', { qos: 2 });
  client.publish('t', Uint8Array.of(0xc0), { qos: 1, id: 1, properties });
  client.publish('t', Uint8Array.of(0xc0), { qos: 2, id: 2, properties });
  expect(await client.settled()).toMatchObject([
    { type: PUBACK, id: 1, code: 0x99, properties: { reasonString: expect.any(String) } },
    { type: PUBREC, id: 2, code: 0x99 },
  ]);
  client.publish('t', Uint8Array.of(0xc0), { properties });
  expect(await client.settled()).toMatchObject([{ type: DISCONNECT, code: 0x99 }]);
});

const GUARDED: Auth = {
  ...OPEN,
  identify: () =>
    Promise.resolve({ principal: 'u', unrestricted: false, validUntil: Number.POSITIVE_INFINITY }),
  allows: (_who, _client, _action, topic) => topic !== 'no',
};

test('not allowed: 5.0 is told 87, 3.1.1 is acknowledged; nothing is delivered, and it is counted', async () => {
  const broker = await startBroker({ auth: GUARDED });
  for (const [level, publish, subscribe] of [
    [5, 0x87, 0x87],
    [4, 0, 0x80],
    [3, 0, 0x80],
  ] as [Level, number, number][]) {
    const client = new MqttClient(broker, level);
    await client.connect(`c${level}`);
    await client.subscribe('#');
    client.publish('no', 'x', { qos: 1, id: 1 });
    expect(await client.settled()).toMatchObject([{ type: PUBACK, id: 1, code: publish }]);
    expect((await client.subscribe('no')).codes).toEqual([subscribe]);
    expect((await client.subscribe('a/#/b')).codes).toEqual([level === 5 ? 0x8f : 0x80]);
  }
  expect(broker.hub.counters.dropped.get('not-authorized')).toBe(3);
});

for (const chunk of [Number.POSITIVE_INFINITY, 7_000]) {
  test(`payloads of many sizes arrive whole, in pieces of ${chunk}`, async () => {
    const broker = await startBroker({ link: { chunk, windowBytes: 8_388_608, fullBytes: 8_388_608 } });
    const client = new MqttClient(broker, 5);
    await client.connect('c');
    await client.subscribe('t', { qos: 1 });
    const sizes = [0, 8_191, 8_192, 16_376, 16_377, 40_000, 1_000_000, 3];
    for (const [i, size] of sizes.entries()) {
      const payload = Uint8Array.from({ length: size }, (_, at) => at * 7 + i);
      client.publish('t', payload, { qos: 1, id: i + 1 });
    }
    const got = publishes(await client.settled());
    expect(got.map((p) => p.payload.length)).toEqual(sizes);
    for (const [i, p] of got.entries())
      expect(p.payload.every((octet, at) => octet === ((at * 7 + i) & 0xff))).toBe(true);
  });
}

test('a slow reader holds nobody up; what waits comes when it reads again', async () => {
  const broker = await startBroker({ link: { windowBytes: 10_000, fullBytes: 20_000 } });
  const slow = new MqttClient(broker, 4);
  await slow.connect('slow');
  await slow.subscribe('t', { qos: 1 });
  const quick = new MqttClient(broker, 4);
  await quick.connect('quick');
  await quick.subscribe('t');
  slow.raw.stall(true);
  for (let i = 0; i < 100; i++) quick.publish('t', 'x'.repeat(1_000), { qos: 1, id: i + 1 });
  expect(publishes(await quick.settled()).length).toBe(100);
  slow.raw.stall(false);
  const got: Publish[] = [];
  for (let round = 0; round < 100 && got.length < 100; round++) {
    const arrived = publishes(await slow.settled());
    for (const p of arrived) slow.send(answer(PUBACK, p.id));
    got.push(...arrived);
  }
  expect(got.length).toBe(100);
});

test('a bridge of mosquitto gets no message of its own back, and retain flags as they were', async () => {
  const broker = await startBroker();
  const bridge = new MqttClient(broker, 4);
  await bridge.connect('b', { bridge: true });
  await bridge.subscribe('#');
  bridge.publish('t', 'own');
  const other = new MqttClient(broker, 4);
  await other.connect('o');
  other.publish('t', 'theirs', { retain: true });
  await other.settled();
  expect(publishes(await bridge.settled()).map((p) => [message(p).text, p.retain])).toEqual([
    ['theirs', true],
  ]);
});

test('what was counted', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 4);
  await client.connect('c');
  await client.subscribe('t', { qos: 2 });
  for (const [id, qos] of ([0, 0, 1, 2, 2, 2] as const).entries())
    client.publish('t', 'x', { qos, id: qos === 0 ? 0 : id });
  await client.settled();
  const { received, delivered } = broker.hub.counters.of('mqtt');
  expect([received, delivered]).toEqual([
    [2, 1, 3],
    [2, 1, 3],
  ]);
});

test('a client is not read any further while too many of its publishes wait for the store', async () => {
  const broker = await startBroker({ commitMs: 500, link: { chunk: 5_000 } });
  const durable = new MqttClient(broker, 4);
  durable.send(connectPacket(4, 'd', { clean: false, keepAlive: 0 }), subscribePacket('t', 1));
  await durable.settled(2_000);
  const client = new MqttClient(broker, 4);
  await client.connect('c');
  const packets: Packet[] = [];
  for (let id = 1; id <= 40_000; id++) packets.push(publishPacket('t', 'x', { qos: 1, id }));
  client.send(...packets);
  const { received } = broker.hub.counters.of('mqtt');
  const acknowledged: number[] = [];
  for (let round = 0; acknowledged.length < 40_000 && round < 20; round++) {
    expect(received[1]! - acknowledged.length).toBeLessThan(18_000);
    for (const p of await client.settled(500)) if (p.type === PUBACK) acknowledged.push(p.id);
  }
  expect(acknowledged).toEqual(Array.from({ length: 40_000 }, (_, i) => i + 1));
});

for (const [name, end] of [
  ['cut', (client: MqttClient) => client.raw.cut()],
  ['sent away', (_client: MqttClient, hub: OwnedHub) => hub.disconnect('mqtt', 'c')],
] as const) {
  test(`a large packet that never came whole counts no longer once its client is ${name}`, async () => {
    const broker = await startBroker({ limits: { memoryBytes: 100_000 } });
    const client = new MqttClient(broker, 5);
    await client.connect('c');
    client.send('30 e0 d4 03 00 01 61'); // 60,000 octets announced
    await client.settled();
    expect(lanesOf(broker.hub).gathering).toBe(16_384);
    end(client, broker.hub);
    await client.settled();
    expect(lanesOf(broker.hub).gathering).toBe(0);
  });
}
