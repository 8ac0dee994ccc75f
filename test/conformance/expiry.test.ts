// Message expiry of MQTT 5: what dies before its delivery began, what does not, and what is told of the time left.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { clause } from './clause.ts';
import { connect, keeping, text } from './client.ts';

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
