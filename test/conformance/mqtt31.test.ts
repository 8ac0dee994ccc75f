// MQTT 3.1 (MQIsdp), whose specification numbers no statements: what differs from 3.1.1, and that the rest is the same.

import { expect, test } from 'vitest';
import { startBroker, toHex } from '../network.ts';
import { attempt, bytes, connect, TestClient, text } from './client.ts';
import { connectFrame, frame, str, u16 } from './octets.ts';

test('MQIsdp at level 3 is served, to the octet', async () => {
  const broker = await startBroker();
  const client = new TestClient(broker, 3);
  client.send('10 0f 00 06 4d 51 49 73 64 70 03 02 00 00 00 01 63');
  expect(toHex((await client.nextFrame())!)).toBe('20 02 00 00');
  client.send('82 06 00 01 00 01 74 01');
  expect(toHex((await client.nextFrame())!)).toBe('90 03 00 01 01');
  client.send('30 04 00 01 74 78');
  expect(toHex((await client.nextFrame())!)).toBe('30 04 00 01 74 78');
  client.send('a2 05 00 02 00 01 74');
  expect(toHex((await client.nextFrame())!)).toBe('b0 02 00 02');
  client.send('c0 00');
  expect(toHex((await client.nextFrame())!)).toBe('d0 00');
  client.send('e0 00');
  await client.expectClosed();
});

test('the name and the level of different versions do not go together', async () => {
  const broker = await startBroker();
  for (const [name, level] of [
    ['MQIsdp', 4],
    ['MQTT', 3],
    ['MQIsdp', 5],
  ] as const) {
    const client = new TestClient(broker, 4);
    client.send(connectFrame(4, { name, level }));
    await client.settle();
    expect(client.raw.closed, `${name} ${level}`).toBe(true);
    expect(toHex(client.raw.take()), `${name} ${level}`).not.toMatch(/^20 .. .. 00/); // CONNACK: accepted
  }
});

test('client ids are not empty; those above 23 characters are taken, because bridges in the field send them', async () => {
  const broker = await startBroker();
  for (const length of [1, 23, 24, 100]) await connect(broker, { level: 3, clientId: 'x'.repeat(length) });
  for (const clean of [true, false]) {
    const client = await attempt(broker, { level: 3, clientId: '', clean });
    await client.settle();
    expect(toHex(client.raw.take()), `${clean}`).toBe('20 02 00 02');
    expect(client.raw.closed).toBe(true);
  }
});

test('a kept session is resumed without session present, which 3.1 does not have', async () => {
  const broker = await startBroker();
  const first = await connect(broker, { level: 3, clean: false });
  await first.subscribe('t');
  await first.cut();
  const publisher = await connect(broker, { level: 3, clientId: 'publisher' });
  await publisher.deliver('t', 'one', { qos: 1 });
  await publisher.deliver('t', 'two', { qos: 2 });
  const again = new TestClient(broker, 3);
  again.send(frame(0x10, str('MQIsdp'), 3, 0, u16(0), str('c')));
  expect(toHex((await again.nextFrame())!)).toBe('20 02 00 00');
  const found = await again.messages();
  expect(found.map((m) => [text(m.payload), m.qos, m.dup])).toEqual([
    ['one', 1, false],
    ['two', 2, false],
  ]);
  await again.cut();
  const third = await connect(broker, { level: 3, clean: false });
  expect((await third.messages()).map((m) => [text(m.payload), m.dup])).toEqual([
    ['one', true],
    ['two', true],
  ]);
});

test('messages, retained messages and wills cross between all versions at their QoS', async () => {
  const broker = await startBroker();
  for (const from of [3, 4, 5] as const) {
    for (const to of [3, 4, 5] as const) {
      const subscriber = await connect(broker, { level: to, clientId: 'subscriber' });
      await subscriber.subscribe('t/#');
      const will = { topic: 't/will', payload: bytes('will'), qos: 1 as const };
      const publisher = await connect(broker, { level: from, clientId: 'publisher', will });
      for (const qos of [0, 1, 2] as const) {
        await publisher.deliver('t/a', `${from} to ${to}`, { qos, retain: true });
        const message = await subscriber.expectMessage(`${from} to ${to}`);
        expect([message.qos, message.retain]).toEqual([qos, false]);
      }
      await publisher.cut();
      expect((await subscriber.expectMessage('will')).qos).toBe(1);
      const late = await connect(broker, { level: to, clientId: 'late' });
      await late.subscribe('t/a');
      const replayed = await late.expectMessage(`${from} to ${to}`);
      expect([replayed.qos, replayed.retain]).toEqual([2, true]);
      await late.deliver('t/a', '', { retain: true });
    }
  }
});

test('what breaks the protocol closes without a word', async () => {
  const broker = await startBroker();
  for (const octets of [
    frame(0x36, str('t'), u16(1)),
    frame(0xd0),
    frame(0x30, '00 05 61'),
    connectFrame(4),
  ]) {
    const client = await connect(broker, { level: 3 });
    client.send(octets);
    expect(await client.expectClosed(), toHex(octets)).toBeUndefined();
  }
});
