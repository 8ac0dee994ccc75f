// The properties of MQTT 5: what must arrive as sent, what may stand where, aliases, expiry, and packets that are too large.

import { expect } from 'vitest';
import type { Auth } from '../../src/contract/auth.ts';
import { NEVER } from '../../src/contract/message.ts';
import { decodePacket } from '../../src/protocol/mqtt/decode.ts';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { type Broker, OPEN, toHex } from '../network.ts';
import { clause } from './clause.ts';
import { attempt, connect, keeping, nameOf, TestClient, text } from './client.ts';
import { connectFrame, frame, type Part, props, publishFrame, str, u16 } from './octets.ts';

/** Everything that a publisher may say about a message and a subscriber must be told. */
const FULL: mqtt.Properties = {
  payloadFormatIndicator: 1,
  contentType: 'application/json; charset="ü"',
  responseTopic: '/answers//to me/',
  correlationData: Uint8Array.of(0, 255, 1, 254),
  userProperty: [
    ['b', '1'],
    ['a', ''],
    ['b', '1'],
    ['', '𐍈'],
    ['a', '2'],
  ],
};

/** Nobody may publish or subscribe below `forbidden`. */
const GUARDED: Auth = {
  ...OPEN,
  identify: () => Promise.resolve({ principal: 'somebody', unrestricted: false, validUntil: NEVER }),
  allows: (_who, _client, _action, topic) => !topic.startsWith('forbidden'),
};

function plain(p: mqtt.Properties): unknown {
  const { correlationData, ...rest } = p;
  return { ...rest, ...(correlationData && { correlationData: toHex(correlationData) }) };
}

clause(
  'MQTT5-3.3.2-4 MQTT5-3.3.2-15 MQTT5-3.3.2-16 MQTT5-3.3.2-17 MQTT5-3.3.2-18 MQTT5-3.3.2-20',
  'what the publisher says of a message arrives as said: at once, later, retained and after a crash',
  async (broker) => {
    const subscriber = await connect(broker, { clientId: 'subscriber' });
    await subscriber.subscribe('#');
    const away = await connect(broker, { clientId: 'away', ...keeping(5) });
    await away.subscribe('#');
    away.disconnect();
    await away.expectClosed();
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (const qos of [0, 1, 2] as const) {
      await publisher.deliver('t', 'x', { qos, properties: FULL, retain: qos === 1 });
      expect(plain((await subscriber.expectMessage('x')).properties)).toEqual(plain(FULL));
    }
    const late = await connect(broker, { clientId: 'late' });
    await late.subscribe('t');
    expect(plain((await late.expectMessage('x')).properties)).toEqual(plain(FULL));
    await broker.crash();
    const back = await connect(broker, { clientId: 'away', ...keeping(5) });
    const queued = await back.messages();
    expect(queued.length).toBeGreaterThanOrEqual(2);
    for (const m of queued) expect(plain(m.properties)).toEqual(plain(FULL));
    const later = await connect(broker, { clientId: 'late' });
    await later.subscribe('t');
    expect(plain((await later.expectMessage('x')).properties)).toEqual(plain(FULL));
  },
);

clause(
  'MQTT5-3.3.2-4 MQTT5-3.3.2-16 MQTT5-3.3.2-20 MQTT5-2.2.2-1',
  'each property alone, and none, arrive as sent',
  async (broker) => {
    const client = await connect(broker);
    await client.subscribe('t');
    const alone: mqtt.Properties[] = [
      {},
      { payloadFormatIndicator: 0 },
      { payloadFormatIndicator: 1 },
      { contentType: '' },
      { responseTopic: 'r' },
      { correlationData: new Uint8Array(0) },
      { correlationData: Uint8Array.from({ length: 1_000 }, (_, i) => i) },
      { userProperty: [['', '']] },
    ];
    for (const properties of alone) {
      client.publish('t', 'x', { properties });
      expect(plain((await client.expectMessage('x')).properties)).toEqual(plain(properties));
    }
  },
);

clause('MQTT5-3.3.2-14', 'a response topic with a wildcard closes', async (broker) => {
  for (const responseTopic of ['#', 'a/+', 'a/#', '+']) {
    const client = await connect(broker);
    client.send(publishFrame(5, 0x00, str('t'), undefined, [0x08, str(responseTopic)]));
    const goodbye = await client.expectClosed();
    expect([0x81, 0x82, 0x90], responseTopic).toContain(goodbye?.code);
  }
});

clause('MQTT5-3.3.4-6', 'a subscription identifier in a PUBLISH from a client closes', async (broker) => {
  const watcher = await connect(broker, { clientId: 'watcher' });
  await watcher.subscribe('t');
  const client = await connect(broker);
  client.send(publishFrame(5, 0x00, str('t'), undefined, [0x0b, 1]));
  const goodbye = await client.expectClosed();
  expect([0x81, 0x82]).toContain(goodbye?.code);
  await watcher.expectNothing();
});

/** Every property: its octets with a value that is right, and the packets from a client that may carry it ('w': the will). */
const PROPERTIES: readonly (readonly [
  id: number,
  name: string,
  value: readonly Part[],
  where: readonly (number | 'w')[],
])[] = [
  [0x01, 'Payload Format Indicator', [0], [mqtt.PUBLISH, 'w']],
  [0x02, 'Message Expiry Interval', ['00 00 00 01'], [mqtt.PUBLISH, 'w']],
  [0x03, 'Content Type', [str('x')], [mqtt.PUBLISH, 'w']],
  [0x08, 'Response Topic', [str('x')], [mqtt.PUBLISH, 'w']],
  [0x09, 'Correlation Data', [str('x')], [mqtt.PUBLISH, 'w']],
  [0x0b, 'Subscription Identifier', [1], [mqtt.SUBSCRIBE]],
  [0x11, 'Session Expiry Interval', ['00 00 00 00'], [mqtt.CONNECT, mqtt.DISCONNECT]],
  [0x12, 'Assigned Client Identifier', [str('x')], []],
  [0x13, 'Server Keep Alive', ['00 01'], []],
  [0x17, 'Request Problem Information', [1], [mqtt.CONNECT]],
  [0x18, 'Will Delay Interval', ['00 00 00 01'], ['w']],
  [0x19, 'Request Response Information', [1], [mqtt.CONNECT]],
  [0x1a, 'Response Information', [str('x')], []],
  // The standard allows it in DISCONNECT without saying whose.
  [0x1c, 'Server Reference', [str('x')], [mqtt.DISCONNECT]],
  [
    0x1f,
    'Reason String',
    [str('x')],
    [mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP, mqtt.DISCONNECT, mqtt.AUTH],
  ],
  [0x21, 'Receive Maximum', ['00 01'], [mqtt.CONNECT]],
  [0x22, 'Topic Alias Maximum', ['00 01'], [mqtt.CONNECT]],
  [0x23, 'Topic Alias', ['00 01'], [mqtt.PUBLISH]],
  [0x24, 'Maximum QoS', [1], []],
  [0x25, 'Retain Available', [1], []],
  [0x27, 'Maximum Packet Size', ['00 01 00 00'], [mqtt.CONNECT]],
  [0x28, 'Wildcard Subscription Available', [1], []],
  [0x29, 'Subscription Identifier Available', [1], []],
  [0x2a, 'Shared Subscription Available', [1], []],
  [0x00, 'no property at all', [0], []],
  [0x04, 'an unknown property', [0], []],
  [0x2b, 'an unknown property', [0], []],
  [0x7f, 'an unknown property', [0], []],
];

/** Packets from a client, with these properties. */
const CARRIERS: readonly (readonly [where: number | 'w', carry: (...p: Part[]) => Uint8Array])[] = [
  [mqtt.CONNECT, (...p) => connectFrame(5, { properties: p })],
  ['w', (...p) => connectFrame(5, { flags: 0x06, payload: [str('c'), props(5, ...p), str('w'), str('m')] })],
  [mqtt.PUBLISH, (...p) => publishFrame(5, 0x00, str('t'), undefined, p)],
  [mqtt.PUBACK, (...p) => frame(0x40, u16(1), 0, props(5, ...p))],
  [mqtt.PUBREC, (...p) => frame(0x50, u16(1), 0, props(5, ...p))],
  [mqtt.PUBREL, (...p) => frame(0x62, u16(1), 0, props(5, ...p))],
  [mqtt.PUBCOMP, (...p) => frame(0x70, u16(1), 0, props(5, ...p))],
  [mqtt.SUBSCRIBE, (...p) => frame(0x82, u16(1), props(5, ...p), str('t'), 0)],
  [mqtt.UNSUBSCRIBE, (...p) => frame(0xa2, u16(1), props(5, ...p), str('t'))],
  [mqtt.DISCONNECT, (...p) => frame(0xe0, 0, props(5, ...p))],
];

async function carried(broker: Broker, where: number | 'w', octets: Uint8Array): Promise<TestClient> {
  const login = where === mqtt.CONNECT || where === 'w';
  const client = login ? new TestClient(broker, 5) : await connect(broker);
  client.send(octets);
  await client.settle();
  return client;
}

for (const [where, carry] of CARRIERS) {
  const name = where === 'w' ? 'the will' : nameOf(where);
  clause(
    'MQTT5-4.13.1-1',
    `${name}: each of its properties is taken once, every other closes`,
    async (broker) => {
      for (const [id, property, value, allowed] of PROPERTIES) {
        const client = await carried(broker, where, carry(id, ...value));
        // DISCONNECT closes either way, with a word if it was wrong.
        const refused = await refusal(client);
        expect(refused === undefined, `${property} (${refused})`).toBe(allowed.includes(where));
        if (!allowed.includes(where)) continue;
        const twice = await carried(broker, where, carry(id, ...value, id, ...value));
        const why = await refusal(twice);
        expect(why, `${property} twice`).toBeDefined();
      }
      // User properties may come as often as they like, everywhere.
      const user = [0x26, str('k'), str('v'), 0x26, str('k'), str('v')];
      expect(await refusal(await carried(broker, where, carry(...user)))).toBeUndefined();
    },
  );
}

/** The code that a client was refused with, if it was. */
async function refusal(client: TestClient): Promise<number | undefined> {
  for (let packet = await client.next(); packet !== undefined; packet = await client.next()) {
    if (packet.type === mqtt.DISCONNECT || packet.type === mqtt.CONNACK) {
      if (packet.code >= 0x80) return packet.code;
    }
  }
  return undefined;
}

clause('MQTT5-4.13.1-1', 'property values out of range close', async (broker) => {
  const bad: readonly (readonly [string, number | 'w', readonly Part[]])[] = [
    ['Payload Format Indicator 2', mqtt.PUBLISH, [0x01, 2]],
    ['Topic Alias 0', mqtt.PUBLISH, [0x23, '00 00']],
    ['Subscription Identifier 0', mqtt.SUBSCRIBE, [0x0b, 0]],
    ['Subscription Identifier too long', mqtt.SUBSCRIBE, [0x0b, 'ff ff ff ff 01']],
    ['Receive Maximum 0', mqtt.CONNECT, [0x21, '00 00']],
    ['Maximum Packet Size 0', mqtt.CONNECT, [0x27, '00 00 00 00']],
    ['Request Problem Information 2', mqtt.CONNECT, [0x17, 2]],
    ['Request Response Information 2', mqtt.CONNECT, [0x19, 2]],
    ['half a property', mqtt.PUBLISH, [0x02, '00 00']],
    ['half a text', mqtt.PUBLISH, [0x03, '00 05 61']],
  ];
  for (const [what, where, value] of bad) {
    const carry = CARRIERS.find(([w]) => w === where)![1];
    const client = await carried(broker, where, carry(...value));
    expect(client.raw.closed, what).toBe(true);
    expect(await refusal(client), what).toBeGreaterThanOrEqual(0x80);
  }
});

clause('MQTT5-3.3.2-12', 'every topic alias up to the maximum of the server is served', async (broker) => {
  const client = await connect(broker);
  const maximum = client.connack.properties.topicAliasMaximum ?? 0;
  expect(maximum).toBeGreaterThan(0);
  await client.subscribe('#');
  for (let topicAlias = 1; topicAlias <= maximum; topicAlias++) {
    client.publish(`t/${topicAlias}`, 'x', { properties: { topicAlias } });
    expect((await client.expectMessage('x')).topic).toBe(`t/${topicAlias}`);
  }
  for (let topicAlias = maximum; topicAlias >= 1; topicAlias--) {
    for (const qos of [0, 1, 2] as const)
      client.publish('', 'x', { qos, id: topicAlias, properties: { topicAlias } });
    const topics: string[] = [];
    for (let p = await client.next(); p; p = await client.next()) {
      if (p.type !== mqtt.PUBLISH) continue;
      topics.push(p.topic);
      if (p.qos === 1) client.acknowledge(mqtt.PUBACK, p.id);
      if (p.qos === 2) client.acknowledge(mqtt.PUBREC, p.id);
    }
    expect(topics).toEqual(Array(3).fill(`t/${topicAlias}`));
    client.acknowledge(mqtt.PUBREL, topicAlias);
  }
  // An alias takes on a new meaning.
  await client.settle();
  for (let p = await client.next(); p; p = await client.next());
  client.publish('other', 'x', { properties: { topicAlias: 1 } });
  client.publish('', 'y', { properties: { topicAlias: 1 } });
  expect((await client.expectMessage('x')).topic).toBe('other');
  expect((await client.expectMessage('y')).topic).toBe('other');
});

clause(
  'MQTT5-3.2.2-17 MQTT5-3.3.2-8 MQTT5-3.3.2-9',
  'a topic alias of 0, or above the maximum of the server, closes',
  async (broker) => {
    for (const over of [0, 1, 1_000]) {
      const client = await connect(broker);
      const maximum = client.connack.properties.topicAliasMaximum ?? 0;
      const alias = over === 0 ? 0 : Math.min(65_535, maximum + over);
      client.send(publishFrame(5, 0x00, str('t'), undefined, [0x23, u16(alias)]));
      const goodbye = await client.expectClosed();
      expect([0x82, 0x94], `alias ${alias}`).toContain(goodbye?.code);
    }
  },
);

clause(
  'MQTT5-3.2.2-18 MQTT5-3.3.2-9',
  'where the server gives no topic aliases any alias closes',
  async (broker) => {
    const client = await connect(broker);
    expect(client.connack.properties.topicAliasMaximum ?? 0).toBe(0);
    client.send(publishFrame(5, 0x00, str('t'), undefined, [0x23, u16(1)]));
    await client.expectClosed(0x94);
  },
  { mqtt: { topicAliasMaximum: 0 } },
);

clause('MQTT5-3.3.2-7', 'topic aliases of a client end with its connection', async (broker) => {
  const first = await connect(broker, { ...keeping(5) });
  first.publish('t', 'x', { properties: { topicAlias: 1 } });
  first.publish('', 'x', { properties: { topicAlias: 1 } });
  await first.expectNothing();
  await first.cut();
  const second = await connect(broker, { ...keeping(5) });
  expect(second.connack.sessionPresent).toBe(true);
  second.publish('', 'x', { properties: { topicAlias: 1 } });
  const goodbye = await second.expectClosed();
  expect([0x82, 0x94]).toContain(goodbye?.code);
});

/** Publishes to a few topics again and again; returns the aliases seen, having followed what they stand for. */
async function aliasesTo(client: TestClient, publisher: TestClient): Promise<Set<number>> {
  const meaning = new Map<number, string>();
  const seen = new Set<number>();
  for (let round = 0; round < 4; round++) {
    for (const topic of ['a', 'b', 'c', 'd', 'e', 'f']) {
      for (const qos of [0, 1] as const) {
        await publisher.deliver(topic, topic, { qos });
        const message = await client.expectMessage(topic);
        if (message.qos === 1) client.acknowledge(mqtt.PUBACK, message.id);
        const alias = message.properties.topicAlias;
        if (alias === undefined) {
          expect(message.topic).toBe(topic);
          continue;
        }
        seen.add(alias);
        if (message.topic !== '') meaning.set(alias, message.topic);
        expect(meaning.get(alias), `alias ${alias}`).toBe(topic);
      }
    }
  }
  return seen;
}

clause(
  'MQTT5-3.1.2-26 MQTT5-3.3.2-11 MQTT5-3.3.2-8 MQTT5-3.3.2-7',
  'the server stays within the topic alias maximum of the client, and begins anew with each connection',
  async (broker) => {
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (const topicAliasMaximum of [1, 3, 65_535]) {
      const properties = { sessionExpiryInterval: 600, topicAliasMaximum };
      for (const clean of [true, false]) {
        const client = await connect(broker, { clean, properties });
        expect(client.connack.sessionPresent).toBe(!clean);
        if (clean) await client.subscribe('#');
        for (const alias of await aliasesTo(client, publisher)) {
          expect(alias).toBeGreaterThan(0);
          expect(alias).toBeLessThanOrEqual(topicAliasMaximum);
        }
        await client.cut();
      }
    }
  },
);

clause('MQTT5-3.1.2-27', 'no alias to a client that gave no maximum, or 0', async (broker) => {
  const publisher = await connect(broker, { clientId: 'publisher' });
  for (const properties of [{}, { topicAliasMaximum: 0 }]) {
    const client = await connect(broker, { properties });
    await client.subscribe('#');
    expect([...(await aliasesTo(client, publisher))]).toEqual([]);
  }
});

clause(
  'MQTT5-3.3.2-5',
  'a message that expired before its delivery began is not delivered',
  async (broker) => {
    const away = await connect(broker, { clientId: 'away', ...keeping(5) });
    await away.subscribe('#');
    away.disconnect();
    await away.expectClosed();
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (const qos of [1, 2] as const) {
      await publisher.deliver('t', `brief ${qos}`, { qos, properties: { messageExpiryInterval: 10 } });
      await publisher.deliver('t', `long ${qos}`, { qos, properties: { messageExpiryInterval: 100 } });
      await publisher.deliver('t', `for good ${qos}`, { qos });
    }
    await publisher.deliver('r', 'brief retained', {
      retain: true,
      properties: { messageExpiryInterval: 10 },
    });
    await broker.clock.advance(11_000);
    const back = await connect(broker, { clientId: 'away', ...keeping(5) });
    expect((await back.messages()).map((m) => text(m.payload))).toEqual([
      'long 1',
      'for good 1',
      'long 2',
      'for good 2',
    ]);
    const late = await connect(broker, { clientId: 'late' });
    await late.subscribe('r');
    await late.expectNothing();
    // Nor out of a window that was full when it came.
    const narrow = await connect(broker, { clientId: 'narrow', properties: { receiveMaximum: 1 } });
    await narrow.subscribe('n');
    await publisher.deliver('n', 'first', { qos: 1 });
    await publisher.deliver('n', 'brief', { qos: 1, properties: { messageExpiryInterval: 10 } });
    const first = await narrow.expectMessage('first');
    await broker.clock.advance(11_000);
    narrow.acknowledge(mqtt.PUBACK, first.id);
    await narrow.expectNothing();
  },
);

clause('MQTT5-3.3.2-6', 'the expiry that goes out is less by the time spent waiting', async (broker) => {
  const here = await connect(broker, { clientId: 'here' });
  await here.subscribe('#');
  const away = await connect(broker, { clientId: 'away', ...keeping(5) });
  await away.subscribe('#');
  away.disconnect();
  await away.expectClosed();
  const publisher = await connect(broker, { clientId: 'publisher' });
  const properties = { messageExpiryInterval: 100 };
  await publisher.deliver('t', 'x', { qos: 1, retain: true, properties });
  expect((await here.expectMessage('x')).properties.messageExpiryInterval).toBe(100);
  await broker.clock.advance(40_000);
  const back = await connect(broker, { clientId: 'away', ...keeping(5) });
  expect((await back.expectMessage('x')).properties.messageExpiryInterval).toBe(60);
  await broker.clock.advance(20_000);
  const late = await connect(broker, { clientId: 'late' });
  await late.subscribe('t');
  expect((await late.expectMessage('x')).properties.messageExpiryInterval).toBe(40);
  await broker.crash();
  await broker.clock.advance(10_000);
  const later = await connect(broker, { clientId: 'late' });
  await later.subscribe('t');
  expect((await later.expectMessage('x')).properties.messageExpiryInterval).toBe(30);
});

clause('MQTT5-4.3.3-7', 'QoS 2: a PUBLISH that was sent is resent though it has expired', async (broker) => {
  const subscriber = await connect(broker, { clientId: 'subscriber', ...keeping(5) });
  await subscriber.subscribe('t');
  const publisher = await connect(broker, { clientId: 'publisher' });
  await publisher.deliver('t', 'x', { qos: 2, properties: { messageExpiryInterval: 10 } });
  const sent = await subscriber.expectMessage('x');
  await subscriber.cut();
  await broker.clock.advance(30_000);
  const again = await connect(broker, { clientId: 'subscriber', ...keeping(5) });
  const resent = await again.expectMessage('x');
  expect([resent.id, resent.dup]).toEqual([sent.id, true]);
  again.acknowledge(mqtt.PUBREC, resent.id);
  await broker.clock.advance(30_000);
  expect((await again.expect(mqtt.PUBREL)).id).toBe(sent.id);
});

clause(
  'MQTT5-4.3.3-13',
  'QoS 2 in: the exchange is completed though the message has expired',
  async (broker) => {
    const publisher = await connect(broker, { clientId: 'publisher', ...keeping(5) });
    const brief = { qos: 2 as const, id: 7, properties: { messageExpiryInterval: 1 } };
    publisher.publish('t', 'x', brief);
    await publisher.expect(mqtt.PUBREC);
    await broker.clock.advance(60_000);
    publisher.publish('t', 'x', { ...brief, dup: true });
    expect((await publisher.expect(mqtt.PUBREC)).id).toBe(7);
    publisher.acknowledge(mqtt.PUBREL, 7);
    const pubcomp = await publisher.expect(mqtt.PUBCOMP);
    expect([pubcomp.id, pubcomp.code]).toEqual([7, 0]);
  },
);

clause(
  'MQTT5-3.1.2-24 MQTT5-3.1.2-25',
  'a message above the maximum packet size of the client is dropped as if delivered',
  async (broker) => {
    const maximumPacketSize = 60;
    const properties = { maximumPacketSize, receiveMaximum: 1, sessionExpiryInterval: 60 };
    const client = await connect(broker, { clean: false, properties });
    await client.subscribe('t');
    const publisher = await connect(broker, { clientId: 'publisher' });
    const other = await connect(broker, { clientId: 'other' });
    await other.subscribe('t');
    for (const qos of [0, 1, 2] as const) {
      // first octet | length | topic 't' | packet id | property length | payload
      const fits = 'y'.repeat(maximumPacketSize - 2 - 3 - (qos > 0 ? 2 : 0) - 1);
      await publisher.deliver('t', `${fits}z`, { qos });
      await client.expectNothing();
      await publisher.deliver('t', 'z'.repeat(5_000), { qos });
      await publisher.deliver('t', 'z'.repeat(100_000), { qos });
      await client.expectNothing();
      await publisher.deliver('t', fits, { qos });
      const octets = await client.nextFrame();
      expect(octets?.length).toBe(maximumPacketSize);
      const id = octets![5]! * 256 + octets![6]!;
      if (qos === 1) client.acknowledge(mqtt.PUBACK, id);
      if (qos === 2) {
        client.acknowledge(mqtt.PUBREC, id);
        await client.expect(mqtt.PUBREL);
        client.acknowledge(mqtt.PUBCOMP, id);
      }
    }
    // Nothing of it is left for the next connection either, which could take it.
    await client.cut();
    const again = await connect(broker, { clean: false, properties: { sessionExpiryInterval: 60 } });
    await again.expectNothing();
    for (const m of await other.messages()) other.acknowledge(mqtt.PUBACK, m.id);
  },
);

clause(
  'MQTT5-3.1.2-24 MQTT5-3.1.2-25',
  'a topic alias does not make a message too large that fits without it',
  async (broker) => {
    const maximumPacketSize = 40;
    const client = await connect(broker, { properties: { maximumPacketSize, topicAliasMaximum: 10 } });
    await client.subscribe('topic');
    const publisher = await connect(broker, { clientId: 'publisher' });
    // first octet | length | topic | property length | payload
    const fits = 'y'.repeat(maximumPacketSize - 2 - 7 - 1);
    for (let n = 0; n < 4; n++) {
      await publisher.deliver('topic', fits);
      const octets = await client.nextFrame();
      expect(octets, `message ${n}`).toBeDefined();
      expect(octets!.length).toBeLessThanOrEqual(maximumPacketSize);
      expect(text(octets!).endsWith(fits)).toBe(true);
    }
  },
);

clause('MQTT5-3.2.2-15', 'a packet above the maximum packet size of the server closes', async (broker) => {
  const client = await attempt(broker, {}, { limits: { maxPacketBytes: 1_000 } });
  const connack = await client.expect(mqtt.CONNACK);
  expect(connack.properties.maximumPacketSize).toBe(1_000);
  // first octet | two of length | topic 't' | property length | payload
  client.publish('t', 'x'.repeat(1_000 - 3 - 3 - 1));
  await client.expectAlive();
  client.publish('t', 'x'.repeat(1_000 - 3 - 3));
  await client.expectClosed(0x95);
});

clause(
  'MQTT5-3.1.2-24',
  'answers above the maximum packet size of the client are not sent either',
  async (broker) => {
    for (const maximumPacketSize of [5, 8, 12, 20, 60]) {
      const client = await attempt(broker, {
        clientId: '',
        properties: { maximumPacketSize, requestResponseInformation: 1 },
      });
      const frames = await framesOf(client);
      client.sendSubscribe(
        1,
        Array.from({ length: 100 }, (_, n) => `t/${n}`),
      );
      frames.push(...(await framesOf(client)));
      client.sendUnsubscribe(
        2,
        Array.from({ length: 100 }, (_, n) => `t/${n}`),
      );
      frames.push(...(await framesOf(client)));
      for (const f of frames) expect(f.length, toHex(f)).toBeLessThanOrEqual(maximumPacketSize);
      // Who cannot be answered is told so, as far as that fits, rather than left waiting.
      expect(client.raw.closed).toBe(true);
      expect(codeOf(decodePacket(frames.at(-1)!, 0, frames.at(-1)!.length, 5, 'server'))[1]).toBe(0x95);
    }
  },
  { mqtt: { responseInformation: 'answers/%c' }, limits: { receiveMaximum: 100 } },
);

/** Whole frames until nothing more comes. */
async function framesOf(client: TestClient): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for (let f = await client.nextFrame(); f; f = await client.nextFrame()) frames.push(f);
  return frames;
}

/** Makes the broker answer with every kind of failure that it may explain; returns the frames, the last being DISCONNECT. */
async function provoke(broker: Broker, properties: mqtt.Properties): Promise<Uint8Array[]> {
  const client = await connect(broker, { properties });
  client.publish('forbidden/a', 'x', { qos: 1, id: 1 });
  client.publish('forbidden/a', 'x', { qos: 2, id: 2 });
  client.acknowledge(mqtt.PUBREL, 3);
  client.acknowledge(mqtt.PUBREC, 4);
  client.sendSubscribe(5, ['forbidden/#']);
  client.sendUnsubscribe(6, ['unknown']);
  client.send(publishFrame(5, 0x06, str('t'), 1)); // QoS 3
  const frames = await framesOf(client);
  expect(client.raw.closed).toBe(true);
  return frames;
}

const EXPLAINED = [
  [mqtt.PUBACK, 0x87],
  [mqtt.PUBREC, 0x87],
  [mqtt.PUBCOMP, 0x92],
  [mqtt.PUBREL, 0x92],
  [mqtt.SUBACK, 0x87],
  [mqtt.UNSUBACK, 0x11],
  [mqtt.DISCONNECT, 0x81],
];

function decoded(frames: readonly Uint8Array[]): mqtt.Packet[] {
  return frames.map((f) => decodePacket(f, 0, f.length, 5, 'server'));
}

clause(
  [
    'MQTT5-3.4.2-2 MQTT5-3.4.2-3 MQTT5-3.5.2-2 MQTT5-3.5.2-3 MQTT5-3.6.2-2 MQTT5-3.6.2-3 MQTT5-3.7.2-2 MQTT5-3.7.2-3',
    'MQTT5-3.9.2-1 MQTT5-3.9.2-2 MQTT5-3.11.2-1 MQTT5-3.11.2-2 MQTT5-3.14.2-3 MQTT5-3.14.2-4 MQTT5-3.1.2-24',
  ].join(' '),
  'explanations stay away from packets that they would make too large, and the packets still come',
  async (broker) => {
    for (const maximumPacketSize of [16, 20, 40, 60, 80, 100, 255, 256, 300, 400]) {
      const frames = await provoke(broker, { maximumPacketSize });
      for (const f of frames) expect(f.length, toHex(f)).toBeLessThanOrEqual(maximumPacketSize);
      expect(decoded(frames).map(codeOf)).toEqual(EXPLAINED);
    }
  },
  { auth: GUARDED },
);

clause(
  'MQTT5-3.1.2-29',
  'without problem information only CONNACK and DISCONNECT may explain; with it, something does',
  async (broker) => {
    const silent = decoded(await provoke(broker, { requestProblemInformation: 0 }));
    expect(silent.map(codeOf)).toEqual(EXPLAINED);
    for (const p of silent) {
      if (p.type === mqtt.DISCONNECT || !('properties' in p)) continue;
      expect(p.properties, nameOf(p.type)).toEqual({});
    }
    const explained = decoded(await provoke(broker, { requestProblemInformation: 1 }));
    const reasons = explained.filter((p) => 'properties' in p && p.properties.reasonString !== undefined);
    expect(reasons.length).toBeGreaterThan(1); // so that the silence above is one
  },
  { auth: GUARDED },
);

clause(
  'MQTT5-3.2.2-19 MQTT5-3.2.2-20',
  'a refusing CONNACK is cut to the maximum packet size of the client',
  async (broker) => {
    for (const maximumPacketSize of [5, 8, 20, 40, 50, 60, 100, 1_000]) {
      const client = await attempt(broker, { properties: { maximumPacketSize } });
      const connack = await client.nextFrame();
      expect(connack!.length).toBeLessThanOrEqual(maximumPacketSize);
      expect(connack![3]).toBe(0x87);
    }
    const unbounded = await attempt(broker);
    expect((await unbounded.expectClosed(0x87))?.properties.reasonString).toMatch(/./);
  },
  { auth: { ...OPEN, identify: () => Promise.resolve('not-authorized' as const) } },
);

clause(
  'MQTT5-3.1.2-21 MQTT5-3.2.2-21',
  'a server keep alive is told, and is the one that counts',
  async (broker) => {
    for (const keepAlive of [0, 100]) {
      const client = await connect(broker, { keepAlive });
      expect(client.connack.properties.serverKeepAlive).toBe(10);
      await broker.clock.advance(14_000);
      await client.expectAlive();
      await broker.clock.advance(16_000);
      await client.expectClosed(0x8d);
    }
    const shorter = await connect(broker, { keepAlive: 4 });
    await broker.clock.advance(7_000);
    await shorter.expectClosed(0x8d);
  },
  { mqtt: { maxKeepAliveSeconds: 10 } },
);

clause(
  'MQTT5-3.1.2-28',
  'response information comes to those who ask, only',
  async (broker) => {
    const asked = await connect(broker, { properties: { requestResponseInformation: 1 } });
    expect(asked.connack.properties.responseInformation).toBe('answers/c');
    for (const properties of [{}, { requestResponseInformation: 0 as const }]) {
      const client = await connect(broker, { properties });
      expect(client.connack.properties.responseInformation).toBeUndefined();
    }
  },
  { mqtt: { responseInformation: 'answers/%c' } },
);

clause(
  'MQTT5-3.2.2-9 MQTT5-3.2.2-10 MQTT5-3.2.2-11 MQTT5-3.2.2-12 MQTT5-3.2.2-13 MQTT5-3.2.2-14',
  'QoS 2 and retain are served in full, in wills too, so nothing less is announced',
  async (broker) => {
    const will = { topic: 'w', qos: 2 as const, retain: true };
    const client = await connect(broker, { will });
    expect(client.connack.properties.maximumQos).toBeUndefined();
    expect(client.connack.properties.retainAvailable ?? 1).toBe(1);
    expect(client.connack.properties.wildcardSubscriptionAvailable ?? 1).toBe(1);
    expect(client.connack.properties.subscriptionIdentifierAvailable ?? 1).toBe(1);
    expect(client.connack.properties.sharedSubscriptionAvailable ?? 1).toBe(1);
    await client.deliver('t', 'kept', { qos: 2, retain: true });
    await client.cut();
    const late = await connect(broker, { clientId: 'late' });
    expect(await late.subscribe({ filter: '#', qos: 2 })).toEqual([2]);
    const got = await late.messages();
    expect(got.map((m) => [m.topic, m.qos, m.retain]).sort()).toEqual([
      ['t', 2, true],
      ['w', 2, true],
    ]);
  },
);

function codeOf(p: mqtt.Packet): [number, number | undefined] {
  if ('codes' in p) return [p.type, p.codes[0]];
  return [p.type, 'code' in p ? p.code : undefined];
}
