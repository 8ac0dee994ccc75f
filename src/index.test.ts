// The package as a program embeds it, and the example of it, over real sockets.

import mqtt from 'mqtt';
import { afterEach, expect, test } from 'vitest';
import { main } from '../examples/embed.ts';
import { createHub, type EmbeddedHub, type Message } from './index.ts';

const running: EmbeddedHub[] = [];
afterEach(async () => {
  for (const hub of running.splice(0)) await hub.stop();
});

const text = (m: Message) => new TextDecoder().decode(m.payload);

function quiet(): EmbeddedHub {
  const hub = createHub({
    settings: {
      listeners: [{ name: 'mqtt', host: '127.0.0.1', port: 0 }],
      store: { durability: 'memory' },
    },
  });
  running.push(hub);
  return hub;
}

test('publishes to itself: retained first, then live, then no more', async () => {
  const hub = quiet();
  await hub.start();
  expect(await hub.publish('a/1', 'old', { retain: true, qos: 1 })).toBe('unmatched');
  const heard: string[] = [];
  const stop = hub.subscribe('a/+', (m) => heard.push(`${m.topic} ${text(m)}`));
  expect(await hub.publish('a/2', 'new', { qos: 1 })).toBe('ok');
  expect(heard).toEqual(['a/1 old', 'a/2 new']);
  stop();
  expect(await hub.publish('a/2', 'unheard')).toBe('unmatched');
  expect(heard).toHaveLength(2);
});

test('wrong settings are said at once; use before start too', () => {
  expect(() => createHub({ settings: { ports: { mqt: 1 } } })).toThrow(
    "settings ports.mqt: is no setting; did you mean 'mqtt'?",
  );
  expect(() => createHub().publish('a', 'b')).toThrow('await start() first');
});

test('the example answers an MQTT client', async () => {
  const hub = await main(0);
  running.push(hub);
  const client = await mqtt.connectAsync(hub.address('mqtt'), { protocolVersion: 5 });
  try {
    const alarm = new Promise<string>((done) =>
      client.on('message', (_, payload) => done(payload.toString())),
    );
    await client.subscribeAsync('rooms/+/alarm', { qos: 1 });
    await client.publishAsync('rooms/kitchen/temperature', '31', { qos: 1 });
    expect(await alarm).toBe('31 °C is too hot');
  } finally {
    await client.endAsync();
  }
});
