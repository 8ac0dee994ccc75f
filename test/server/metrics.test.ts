// `/metrics` and `$SYS` of a server that works.

import { connectAsync } from 'mqtt';
import { expect, test } from 'vitest';
import { parseExposition } from '../../src/admin/exposition.fixture.ts';
import { ending, folder, OFF, start } from './running.ts';

const SETTINGS = () => ({
  ports: { ...OFF, mqtt: 0, web: 0, coap: 0 },
  store: { path: folder().path, durability: 'relaxed' },
  limits: { queueMessages: 1 },
});

test('a page that a strict reader takes, with what happened on it', async () => {
  const hub = await start(SETTINGS());
  const url = hub.server.address('mqtt');
  const away = await connectAsync(url, {
    clientId: 'away',
    clean: false,
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 60 },
  });
  await away.subscribeAsync('a', { qos: 1 });
  await away.endAsync();
  const client = await connectAsync(url);
  ending(() => client.endAsync(true));
  for (let i = 0; i < 3; i++) await client.publishAsync('a', 'x', { qos: 1 });
  await client.subscribeAsync('timed', { qos: 1 });
  for (let i = 0; i < 200; i++) await client.publishAsync('timed', 'x', { qos: 1 });

  expect(hub.server.hub.stats.clients, 'the one of $SYS is none').toBe(1);
  const response = await fetch(`${hub.server.address('web')}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const families = parseExposition(await response.text());
  const value = (name: string, labels = '') => families.get(name)?.samples.get(`${name}{${labels}}`);
  expect(value('waymeet_queue_messages')).toBe(1);
  expect(value('waymeet_messages_dropped_total', 'reason="queue-full"')).toBe(2);
  expect(value('waymeet_clients', 'protocol="mqtt"')).toBe(1);
  expect(
    families.get('waymeet_store_commit_seconds')!.samples.get('waymeet_store_commit_seconds_count{}'),
  ).toBeGreaterThan(0);
  const timed = families.get('waymeet_delivery_seconds')!.samples;
  expect(timed.get('waymeet_delivery_seconds_count{}')).toBeGreaterThan(0);
  for (const protocol of ['mqtt', 'coap', 'waymeet.v1']) {
    expect(value('waymeet_connections_total', `protocol="${protocol}"`), protocol).toBeDefined();
  }
});

test('$SYS tells of the store and of every protocol', async () => {
  const hub = await start({ ...SETTINGS(), sys: { interval: '50ms' } });
  const client = await connectAsync(hub.server.address('mqtt'));
  ending(() => client.endAsync(true));
  const wanted = new Set([
    '$SYS/broker/store/bytes',
    '$SYS/broker/store/commit/milliseconds',
    '$SYS/broker/clients/expired',
    '$SYS/protocols/coap/clients/connected',
    '$SYS/protocols/waymeet.v1/clients/connected',
  ]);
  const all = new Promise<void>((done) => {
    client.on('message', (topic) => {
      wanted.delete(topic);
      if (wanted.size === 0) done();
    });
  });
  await client.subscribeAsync('$SYS/#');
  await all;
});
