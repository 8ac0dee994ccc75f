// Shared subscriptions: their names, one member a message, and what becomes of a message when its member goes.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import type { Broker } from '../network.ts';
import { clause } from './clause.ts';
import { connect, keeping, type TestClient, text } from './client.ts';
import { frame, props, str, u16 } from './octets.ts';

const SHARED = '$share/g/t';

async function member(broker: Broker, clientId: string, filter = SHARED): Promise<TestClient> {
  const client = await connect(broker, { clientId, ...keeping(5) });
  if (!client.connack.sessionPresent) await client.subscribe(filter);
  return client;
}

/** Which of two members got the only message. */
async function winner(
  a: TestClient,
  b: TestClient,
): Promise<[got: TestClient, other: TestClient, m: mqtt.Publish]> {
  const [toA, toB] = [await a.messages(), await b.messages()];
  expect(toA.length + toB.length).toBe(1);
  return toA.length === 1 ? [a, b, toA[0]!] : [b, a, toB[0]!];
}

clause(
  'MQTT5-4.8.2-1 MQTT5-4.8.2-2',
  'a shared filter without group, without filter or with a wildcard in the group is refused',
  async (broker) => {
    const bad = [
      '$share/',
      '$share//t',
      '$share/g',
      '$share/g/',
      '$share/+/t',
      '$share/#/t',
      '$share/g+/t',
      '$share/g#/t',
      '$share/g/a#',
      '$share/g/a/#/b',
      '$share/#',
    ];
    for (const filter of bad) {
      const client = await connect(broker);
      client.send(frame(0x82, u16(1), props(5), str(filter), 1));
      await client.settle();
      if (client.raw.closed) continue;
      const suback = await client.expect(mqtt.SUBACK);
      expect(suback.codes[0], filter).toBeGreaterThanOrEqual(0x80);
    }
  },
);

clause(
  'MQTT5-4.8.2-1 MQTT5-4.8.2-2',
  'a group shares what its filter matches, each message to one member',
  async (broker) => {
    const members = [await member(broker, 'a', '$share/g/x/+'), await member(broker, 'b', '$share/g/x/+')];
    const another = await member(broker, 'another', '$share/G/x/+');
    const alone = await connect(broker, { clientId: 'alone' });
    await alone.subscribe('x/#');
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (let n = 0; n < 20; n++) await publisher.deliver(`x/${n}`, `${n}`, { qos: (n % 3) as 0 | 1 | 2 });
    const all = Array.from({ length: 20 }, (_, n) => `${n}`).sort();
    const shares = await Promise.all(
      members.map(async (m) => (await m.messages()).map((p) => text(p.payload))),
    );
    expect(shares.flat().sort()).toEqual(all);
    for (const share of shares) expect(share.length).toBeGreaterThan(0);
    for (const other of [another, alone])
      expect((await other.messages()).map((p) => text(p.payload)).sort()).toEqual(all);
    await publisher.deliver('$share/g/x/1', 'no shared topic', {});
    for (const client of [...members, another, alone]) await client.expectNothing();
  },
);

clause('MQTT5-3.8.3-4', 'no local on a shared subscription closes', async (broker) => {
  const client = await connect(broker);
  client.sendSubscribe(1, [{ filter: SHARED, noLocal: true }]);
  await client.expectClosed(0x82);
});

clause('MQTT5-4.8.2-3', 'each member gets at most the QoS that it was granted', async (broker) => {
  const members: TestClient[] = [];
  for (const qos of [0, 1, 2] as const) {
    const client = await connect(broker, { clientId: `m${qos}` });
    expect(await client.subscribe({ filter: SHARED, qos })).toEqual([qos]);
    members.push(client);
  }
  const publisher = await connect(broker, { clientId: 'publisher' });
  for (let n = 0; n < 30; n++) await publisher.deliver('t', `${n}`, { qos: 2 });
  let count = 0;
  for (const [granted, client] of members.entries()) {
    const got = await client.messages();
    expect(got.length, `the member of QoS ${granted}`).toBeGreaterThan(0);
    for (const m of got) expect(m.qos).toBe(granted);
    count += got.length;
  }
  expect(count).toBe(30);
});

for (const step of ['PUBREC', 'PUBCOMP'] as const) {
  clause(
    'MQTT5-4.8.2-4',
    `a QoS 2 delivery that waits for ${step} is completed with its member, when that comes back`,
    async (broker) => {
      const a = await member(broker, 'a');
      const b = await member(broker, 'b');
      const publisher = await connect(broker, { clientId: 'publisher' });
      await publisher.deliver('t', 'x', { qos: 2 });
      const [holder, other, message] = await winner(a, b);
      if (step === 'PUBCOMP') {
        holder.acknowledge(mqtt.PUBREC, message.id);
        await holder.expect(mqtt.PUBREL);
      }
      await holder.cut();
      await broker.clock.advance(60_000);
      await other.expectNothing();
      const back = await member(broker, holder === a ? 'a' : 'b');
      expect(back.connack.sessionPresent).toBe(true);
      if (step === 'PUBREC') {
        const resent = await back.expectMessage('x');
        expect([resent.id, resent.dup]).toEqual([message.id, true]);
        back.acknowledge(mqtt.PUBREC, resent.id);
      }
      expect((await back.expect(mqtt.PUBREL)).id).toBe(message.id);
      back.acknowledge(mqtt.PUBCOMP, message.id);
      await back.expectNothing();
      await other.expectNothing();
    },
  );
}

clause('MQTT5-4.8.2-5', 'a QoS 2 delivery whose member ends its session goes to no other', async (broker) => {
  for (const end of ['expiry', 'clean start', 'disconnect']) {
    const a = await member(broker, 'a');
    const b = await member(broker, 'b');
    const publisher = await connect(broker, { clientId: 'publisher' });
    await publisher.deliver('t', end, { qos: 2 });
    const [holder, other] = await winner(a, b);
    if (end === 'disconnect') holder.disconnect(0, { sessionExpiryInterval: 0 });
    else await holder.cut();
    if (end === 'expiry') await broker.clock.advance(3_601_000);
    if (end === 'clean start') await connect(broker, { clientId: holder === a ? 'a' : 'b', clean: true });
    await broker.clock.advance(60_000);
    await other.expectNothing();
    for (const clientId of ['a', 'b']) {
      const client = await connect(broker, { clientId, clean: true });
      client.disconnect();
      await client.expectClosed();
    }
  }
});

clause(
  'MQTT5-4.8.2-6',
  'a delivery that a member refuses goes to no other, and not to it again',
  async (broker) => {
    const a = await member(broker, 'a');
    const b = await member(broker, 'b');
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (const qos of [1, 2] as const) {
      await publisher.deliver('t', `${qos}`, { qos });
      const [holder, other, message] = await winner(a, b);
      holder.acknowledge(qos === 1 ? mqtt.PUBACK : mqtt.PUBREC, message.id, 0x80);
      await broker.clock.advance(60_000);
      await holder.expectNothing();
      await other.expectNothing();
    }
    for (const [client, name] of [
      [a, 'a'],
      [b, 'b'],
    ] as const) {
      await client.cut();
      const back = await member(broker, name);
      await back.expectNothing();
    }
  },
);

clause(
  'MQTT5-4.8.2-4',
  'a QoS 2 delivery is completed with its member after a crash, too',
  async (broker) => {
    const a = await member(broker, 'a');
    const b = await member(broker, 'b');
    const publisher = await connect(broker, { clientId: 'publisher' });
    await publisher.deliver('t', 'x', { qos: 2 });
    const [holder, , message] = await winner(a, b);
    await broker.crash();
    const other = await member(broker, holder === a ? 'b' : 'a');
    await other.expectNothing();
    const back = await member(broker, holder === a ? 'a' : 'b');
    const resent = await back.expectMessage('x');
    expect([resent.id, resent.dup]).toEqual([message.id, true]);
    await other.expectNothing();
  },
);
