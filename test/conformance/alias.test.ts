// Topic aliases of MQTT 5, both ways: how many, what they stand for, and for how long.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { clause } from './clause.ts';
import { connect, keeping, type TestClient } from './client.ts';
import { publishFrame, str, u16 } from './octets.ts';

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
