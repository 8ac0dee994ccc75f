// What the fuzz and fault tests found, each as small as it gets.

import { expect, test } from 'vitest';
import { PUBLISH, UNSUBACK, UNSUBSCRIBE } from '../../src/protocol/mqtt/packet.ts';
import { connectPacket, MqttClient, message } from '../mqtt-client.ts';
import { type Broker, startBroker } from '../network.ts';

/** A durable subscriber `s` of `t`, which has gone, and a publisher. */
async function subscribed(broker: Broker): Promise<MqttClient> {
  const s = new MqttClient(broker);
  s.send(connectPacket(4, 's', { clean: false }));
  await s.settled(1_000);
  s.send('82 06 00 01 00 01 74 02');
  await s.settled(1_000);
  s.raw.cut();
  const p = new MqttClient(broker);
  await p.connect('p');
  return p;
}

test('a connection that is lost before its CONNACK is kept does not become the consumer afterwards', async () => {
  const broker = await startBroker({ commitMs: 50 });
  const p = await subscribed(broker);
  const lost = new MqttClient(broker);
  lost.send(connectPacket(4, 's', { clean: false }));
  await lost.settled(10);
  lost.raw.cut();
  await broker.clock.advance(1_000);
  for (let id = 1; id <= 3; id++) p.publish('t', `${id}`, { qos: 1, id });
  await p.settled(1_000);
  const s = new MqttClient(broker);
  s.send(connectPacket(4, 's', { clean: false }));
  const got = (await s.settled(1_000)).filter(({ type }) => type === PUBLISH);
  expect(got.map((packet) => message(packet).text)).toEqual(['1', '2', '3']);
});

test('octets that wait are counted rightly when the queue comes back from the store', async () => {
  const broker = await startBroker();
  const p = await subscribed(broker);
  const other = new MqttClient(broker); // a second queue shares the bodies
  other.send(connectPacket(4, 'other', { clean: false }));
  await other.subscribe('t', { qos: 1 }).catch(() => undefined);
  other.raw.cut();
  for (let id = 1; id <= 5; id++) p.publish('t', 'x'.repeat(1_000), { qos: 1, id });
  await p.settled(1_000);
  await broker.crash();
  const s = new MqttClient(broker);
  s.send(connectPacket(4, 's', { clean: false }));
  expect((await s.settled(1_000)).filter(({ type }) => type === PUBLISH)).toHaveLength(5);
  expect(broker.hub.stats.queuedBytes).toBeGreaterThanOrEqual(0);
});

test('UNSUBACK for a filter that is not there comes, though there is nothing to keep', async () => {
  const broker = await startBroker();
  const c = new MqttClient(broker);
  c.send(connectPacket(4, 'c', { clean: false }));
  await c.settled(1_000);
  c.send({ type: UNSUBSCRIBE, id: 7, filters: ['none'], properties: {} });
  expect((await c.settled(1_000)).map(({ type }) => type)).toEqual([UNSUBACK]);
});

test('SUBACK of a refused subscription comes, though there is nothing to keep', async () => {
  const broker = await startBroker({ limits: { subscriptionsPerClient: 0 } });
  const c = new MqttClient(broker);
  c.send(connectPacket(4, 'c', { clean: false }));
  await c.settled(1_000);
  expect((await c.subscribe('a')).codes).toEqual([0x80]);
});
