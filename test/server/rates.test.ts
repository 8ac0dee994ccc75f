// Rates over real sockets: a client that publishes too fast is read no faster, loses nothing and stays; connections beyond a rate are closed.

import { createConnection } from 'node:net';
import { connectAsync } from 'mqtt';
import { expect, test } from 'vitest';
import WebSocket from 'ws';
import { ending, OFF, start } from './running.ts';

/** More than a second's worth: how far the hub holds them back, test/server/pace.test.ts says on a virtual clock. */
const COUNT = 700;
const settings = { ports: { ...OFF, mqtt: 0, web: 0 }, limits: { messagesPerSecond: 500 } };

test.each(['mqtt', 'web'])('MQTT at %s', async (listener) => {
  const hub = await start(settings);
  const address = hub.server.address(listener);
  const url = listener === 'web' ? `${address.replace('http', 'ws')}/mqtt` : address;
  const client = await connectAsync(url, { reconnectPeriod: 0 });
  ending(() => client.endAsync(true));
  const payload = Buffer.alloc(200);
  const all = Array.from({ length: COUNT }, () => client.publishAsync('a', payload, { qos: 1 }));
  await Promise.all(all);
  expect(hub.server.hub.counters.of('mqtt').received[1]).toBe(COUNT);
  expect(hub.server.hub.counters.dropped.get('rate-exceeded')).toBeUndefined();
});

test('waymeet.v1', async () => {
  const hub = await start(settings);
  const socket = new WebSocket(`${hub.server.address('web').replace('http', 'ws')}/waymeet`, 'waymeet.v1');
  ending(() => socket.terminate());
  let published = 0;
  const publishAll = () => {
    for (let id = 1; id <= COUNT; id++)
      socket.send(JSON.stringify({ type: 'publish', topic: 'a', payload: 'x', id }));
  };
  const done = new Promise<void>((resolve, reject) => {
    socket.on('message', (octets) => {
      const { type } = JSON.parse(String(octets)) as { type: string };
      if (type === 'connected') publishAll();
      if (type === 'published' && ++published === COUNT) resolve();
      else if (type === 'error') reject(new Error(String(octets)));
    });
  });
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(JSON.stringify({ type: 'connect' }));
  await done;
  expect(hub.server.hub.counters.dropped.get('rate-exceeded')).toBeUndefined();
});

test('HTTP: 429', async () => {
  const hub = await start({ ...settings, limits: { messagesPerSecond: 2 } });
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) {
    const url = `${hub.server.address('web')}/topics/a`;
    statuses.push((await fetch(url, { method: 'POST', body: 'x' })).status);
  }
  expect(statuses.slice(0, 2)).toEqual([200, 200]);
  expect(statuses).toContain(429);
});

test('connections beyond the rate of their address are closed; a reload changes it', async () => {
  const hub = await start({ ...settings, limits: { connectsPerAddress: 2 } });
  const connect = () =>
    new Promise<'open' | 'closed'>((resolve) => {
      const socket = createConnection(hub.port('mqtt'), '127.0.0.1');
      ending(() => socket.destroy());
      socket.write(Buffer.from('101000044d5154540402003c000463303031', 'hex'));
      socket.once('data', () => resolve('open'));
      socket.once('error', () => resolve('closed'));
      socket.once('close', () => resolve('closed'));
    });
  const first = await Promise.all([connect(), connect(), connect(), connect(), connect()]);
  expect(first.filter((how) => how === 'closed').length).toBeGreaterThanOrEqual(2);
  expect(first).toContain('open');
  await hub.reload({ ...settings, limits: { connectsPerAddress: 'none' } });
  expect(await connect()).toBe('open');
});
