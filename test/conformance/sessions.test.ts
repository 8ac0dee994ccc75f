// Sessions: what is kept for whom, for how long, and what a client finds when it comes back.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import type { Broker } from '../network.ts';
import { clause } from './clause.ts';
import { type ConnectFields, connect, keeping, type TestClient, text } from './client.ts';

/** A client that subscribed to `t` and went away. */
async function leave(broker: Broker, fields: ConnectFields): Promise<void> {
  const client = await connect(broker, fields);
  await client.subscribe('t');
  client.disconnect();
  await client.expectClosed();
}

function payloads(messages: readonly mqtt.Publish[]): string[] {
  return messages.map((m) => text(m.payload));
}

clause(
  'MQTT311-3.1.2-4 MQTT311-3.2.2-2 MQTT311-3.1.4-3 MQTT311-4.1.0-1 MQTT5-3.1.2-5 MQTT5-3.2.2-3 MQTT5-3.1.4-4 MQTT5-3.1.2-23',
  'clean 0 finds its session again, and CONNACK says so',
  async (broker, level) => {
    const fields = { level, ...keeping(level) };
    await leave(broker, fields);
    await broker.clock.advance(3_000_000);
    const again = await connect(broker, fields);
    expect(again.connack.sessionPresent).toBe(true);
    await again.deliver('t', 'still subscribed', { qos: 1 });
    await again.expectMessage('still subscribed');
  },
);

clause(
  'MQTT311-3.1.2-4 MQTT311-3.2.2-3 MQTT5-3.1.2-6 MQTT5-3.2.2-3',
  'clean 0 without a session makes one, and CONNACK says that there was none',
  async (broker, level) => {
    const client = await connect(broker, { level, ...keeping(level) });
    expect(client.connack.sessionPresent).toBe(false);
    await client.subscribe('t');
    await client.cut();
    const again = await connect(broker, { level, ...keeping(level) });
    expect(again.connack.sessionPresent).toBe(true);
  },
);

clause(
  'MQTT311-3.1.2-6 MQTT311-3.2.2-1 MQTT311-3.1.4-3 MQTT5-3.1.2-4 MQTT5-3.2.2-2 MQTT5-3.1.4-4',
  'clean 1 discards subscriptions and messages that were kept',
  async (broker, level) => {
    const fields = { level, ...keeping(level) };
    await leave(broker, fields);
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'while away', { qos: 1 });
    const clean = await connect(broker, { ...fields, clean: true });
    expect(clean.connack.sessionPresent).toBe(false);
    await clean.expectNothing();
    await publisher.deliver('t', 'not subscribed any more', { qos: 1 });
    await clean.expectNothing();
    // And nothing of the old session is found later.
    clean.disconnect();
    await clean.expectClosed();
    const later = await connect(broker, fields);
    await publisher.deliver('t', 'still not', { qos: 1 });
    await later.expectNothing();
  },
);

clause(
  'MQTT311-3.1.2-6 MQTT311-3.2.2-3 MQTT5-4.1.0-2',
  'a session that lasts no longer than its connection leaves nothing behind',
  async (broker, level) => {
    const client = await connect(broker, { level, clean: true });
    await client.subscribe('t');
    await client.cut();
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'while away', { qos: 1 });
    const again = await connect(broker, { level, clean: false });
    expect(again.connack.sessionPresent).toBe(false);
    await again.expectNothing();
  },
);

clause(
  'MQTT311-3.1.2-5 MQTT311-4.5.0-1 MQTT5-4.5.0-1 MQTT5-3.1.2-23',
  'a kept session collects QoS 1 and 2 while its client is away',
  async (broker, level) => {
    const fields = { level, ...keeping(level) };
    await leave(broker, fields);
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'one', { qos: 1 });
    await publisher.deliver('t', 'two', { qos: 2 });
    const again = await connect(broker, fields);
    const found = await again.messages();
    expect(payloads(found)).toEqual(['one', 'two']);
    expect(found.map((m) => m.qos)).toEqual([1, 2]);
    expect(found.map((m) => m.dup)).toEqual([false, false]); // [MQTT5-4.3.2-2]: sent for the first time
  },
);

clause(
  'MQTT311-4.5.0-1 MQTT5-4.5.0-1',
  'every session with a matching subscription gets the message, here and away',
  async (broker, level) => {
    const filters = ['a/b', 'a/+', '#', '+/b'];
    const here: TestClient[] = [];
    for (const [n, filter] of filters.entries()) {
      const away = await connect(broker, { level, clientId: `away${n}`, ...keeping(level) });
      await away.subscribe(filter);
      away.disconnect();
      await away.expectClosed();
      const client = await connect(broker, { level, clientId: `here${n}` });
      await client.subscribe(filter);
      here.push(client);
    }
    const other = await connect(broker, { level, clientId: 'other' });
    await other.subscribe('a/c');
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('a/b', 'to all', { qos: 1 });
    for (const client of here) expect(payloads(await client.messages())).toEqual(['to all']);
    for (const n of filters.keys()) {
      const back = await connect(broker, { level, clientId: `away${n}`, ...keeping(level) });
      expect(payloads(await back.messages())).toEqual(['to all']);
    }
    await other.expectNothing();
  },
);

clause(
  'MQTT311-3.1.3-2 MQTT5-3.1.3-2',
  'the client id, exactly as sent, says which session it is',
  async (broker, level) => {
    await leave(broker, { level, clientId: 'one', ...keeping(level) });
    for (const clientId of ['One', 'one ', 'on', 'two', 'ｏne']) {
      const other = await connect(broker, { level, clientId, ...keeping(level) });
      expect(other.connack.sessionPresent, clientId).toBe(false);
    }
    const same = await connect(broker, { level, clientId: 'one', ...keeping(level) });
    expect(same.connack.sessionPresent).toBe(true);
  },
);

clause(
  'MQTT311-3.1.2-7',
  'retained messages outlive the session that published them',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher', clean: true });
    await publisher.deliver('t', 'kept', { qos: 1, retain: true });
    publisher.disconnect();
    await publisher.expectClosed();
    const subscriber = await connect(broker, { level, clientId: 'subscriber' });
    await subscriber.subscribe('t');
    await subscriber.expectMessage('kept');
  },
);

clause(
  'MQTT311-4.1.0-2 MQTT5-4.1.0-1',
  'no time is too long for a session while its connection is open',
  async (broker, level) => {
    const client = await connect(broker, {
      level,
      ...(level === 5 ? { properties: { sessionExpiryInterval: 1 } } : {}),
    });
    await client.subscribe('t');
    await broker.clock.advance(30 * 24 * 3_600_000);
    await client.deliver('t', 'a month later', { qos: 2 });
    await client.expectMessage('a month later');
  },
);

clause('MQTT5-4.1.0-2', 'a session ends when its expiry has passed after the connection', async (broker) => {
  const fields = { clean: false, properties: { sessionExpiryInterval: 100 } };
  await leave(broker, fields);
  await broker.clock.advance(99_000);
  const intime = await connect(broker, fields);
  expect(intime.connack.sessionPresent).toBe(true);
  // The time begins with the close, not with the first CONNECT.
  await broker.clock.advance(200_000);
  await intime.cut();
  await broker.clock.advance(99_000);
  const again = await connect(broker, fields);
  expect(again.connack.sessionPresent).toBe(true);
  again.disconnect();
  await again.expectClosed();
  await broker.clock.advance(101_000);
  const late = await connect(broker, fields);
  expect(late.connack.sessionPresent).toBe(false);
  await late.deliver('t', 'not subscribed', { qos: 1 });
  await late.expectNothing();
});

clause(
  'MQTT5-3.1.2-23 MQTT5-4.1.0-2',
  'an expiry of 0, or none, ends the session with the connection',
  async (broker) => {
    for (const properties of [{}, { sessionExpiryInterval: 0 }]) {
      await leave(broker, { clean: false, properties });
      const again = await connect(broker, { clean: false });
      expect(again.connack.sessionPresent).toBe(false);
      again.disconnect();
      await again.expectClosed();
    }
  },
);

clause('MQTT5-3.1.2-23', 'the expiry 0xFFFFFFFF keeps a session for good', async (broker) => {
  const fields = { clean: false, properties: { sessionExpiryInterval: 0xffff_ffff } };
  await leave(broker, fields);
  await broker.clock.advance(300 * 365 * 24 * 3_600_000); // 0xFFFFFFFE seconds are 136 years
  const again = await connect(broker, fields);
  expect(again.connack.sessionPresent).toBe(true);
});

clause(
  'MQTT5-3.1.2-23 MQTT5-4.1.0-2',
  'DISCONNECT may change the expiry, but not give one to a session without',
  async (broker) => {
    const longer = await connect(broker, { clean: false, properties: { sessionExpiryInterval: 10 } });
    longer.disconnect(0, { sessionExpiryInterval: 1_000 });
    await longer.expectClosed();
    await broker.clock.advance(500_000);
    const found = await connect(broker, { clean: false, properties: { sessionExpiryInterval: 1_000 } });
    expect(found.connack.sessionPresent).toBe(true);
    found.disconnect(0, { sessionExpiryInterval: 0 });
    await found.expectClosed();
    const gone = await connect(broker, { clean: false });
    expect(gone.connack.sessionPresent).toBe(false);
    gone.disconnect(0, { sessionExpiryInterval: 10 });
    await gone.expectClosed(0x82);
  },
);

clause(
  'MQTT311-4.1.0-1 MQTT311-3.1.2-4 MQTT5-3.1.2-23',
  'a kept session is there after a crash, with what was acknowledged',
  async (broker, level) => {
    const fields = { level, ...keeping(level) };
    await leave(broker, fields);
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'before', { qos: 1 });
    await broker.crash();
    const again = await connect(broker, fields);
    expect(again.connack.sessionPresent).toBe(true);
    await again.expectMessage('before');
  },
);

clause(
  'MQTT311-4.1.0-1 MQTT5-3.1.2-23',
  'subscriptions survive a crash as they were left: new ones, changed ones, removed ones',
  async (broker, level) => {
    const client = await connect(broker, { level, ...keeping(level) });
    await client.subscribe('gone', { filter: 'changed', qos: 2 }, { filter: 'same/+', qos: 1 });
    client.sendUnsubscribe(1, ['gone']);
    await client.expect(mqtt.UNSUBACK);
    await client.subscribe({ filter: 'changed', qos: 0 });
    await broker.crash();
    const again = await connect(broker, { level, ...keeping(level) });
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    for (const topic of ['gone', 'changed', 'same/x']) await publisher.deliver(topic, topic, { qos: 2 });
    expect((await again.messages()).map((m) => [m.topic, m.qos])).toEqual([
      ['changed', 0],
      ['same/x', 1],
    ]);
  },
);

clause(
  'MQTT5-3.1.2-23 MQTT5-3.3.4-4 MQTT5-3.8.3-3 MQTT5-3.3.1-13',
  'options and identifiers of subscriptions survive a crash',
  async (broker) => {
    const client = await connect(broker, keeping(5));
    const identified = { subscriptionIdentifier: [77] };
    client.sendSubscribe(1, [{ filter: 't', noLocal: true, retainAsPublished: true }], identified);
    await client.expect(mqtt.SUBACK);
    await broker.crash();
    const again = await connect(broker, keeping(5));
    await again.deliver('t', 'own', { qos: 1 });
    await again.expectNothing();
    const publisher = await connect(broker, { clientId: 'publisher' });
    await publisher.deliver('t', 'x', { qos: 1, retain: true });
    const message = await again.expectMessage('x');
    expect(message.retain).toBe(true);
    expect(message.properties.subscriptionIdentifier).toEqual([77]);
  },
);

clause('MQTT5-4.1.0-2', 'the time of a session runs on across a crash', async (broker) => {
  const fields = { clean: false, properties: { sessionExpiryInterval: 100 } };
  await leave(broker, { ...fields, clientId: 'short' });
  const longer = await connect(broker, { ...fields, clientId: 'longer' });
  longer.disconnect(0, { sessionExpiryInterval: 1_000 });
  await longer.expectClosed();
  await broker.clock.advance(50_000);
  await broker.crash();
  await broker.clock.advance(51_000);
  const short = await connect(broker, { ...fields, clientId: 'short' });
  expect(short.connack.sessionPresent).toBe(false);
  await broker.clock.advance(800_000);
  const found = await connect(broker, { ...fields, clientId: 'longer' });
  expect(found.connack.sessionPresent).toBe(true);
});

clause(
  'MQTT311-3.1.2-6 MQTT5-3.1.2-4',
  'a session that clean 1 discarded does not come back with a crash',
  async (broker, level) => {
    const fields = { level, ...keeping(level) };
    await leave(broker, fields);
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'old', { qos: 1 });
    const clean = await connect(broker, { level, clean: true });
    clean.disconnect();
    await clean.expectClosed();
    await broker.crash();
    const again = await connect(broker, fields);
    expect(again.connack.sessionPresent).toBe(false);
    await again.expectNothing();
  },
);
