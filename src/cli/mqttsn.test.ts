// `waymeet pub` and `sub` over MQTT-SN against a hub with real sockets.

import { expect, test } from 'vitest';
import { unique, useBroker } from '../../test/judges/broker.ts';
import { startIn } from '../../test/judges/command.ts';

const broker = useBroker(() => ({
  listeners: [{ name: 'udp', type: 'udp', protocols: 'mqttsn', host: '127.0.0.1', port: 0 }],
  mqttsn: { predefined: { 7: 'known/beforehand' } },
}));

const start = (args: readonly string[]) => startIn(broker.folder, args);

const url = (topic = '') => `mqttsn://127.0.0.1:${broker.port('udp')}/${topic}`;

test('what one publishes the other prints, the retained value first, at every QoS', async () => {
  const topic = unique('cli');
  expect(await start(['pub', url(topic), '-i', 'p', '-r', '-q', '1', '-m', 'kept']).code).toBe(0);
  const sub = start(['sub', url(topic), '-i', 's', '-q', '2', '-C', '4']);
  expect(await sub.lines.next()).toBe('kept');
  for (const qos of ['0', '1', '2']) {
    const pub = start(['pub', '-L', url(), '-i', 'p', '-t', topic, '-m', qos.repeat(300), '-q', qos]);
    expect([await pub.code, pub.errors()]).toEqual([0, '']);
    expect(await sub.lines.next()).toBe(qos.repeat(300));
  }
  expect(await sub.code).toBe(0);
});

test('wildcards: each message with its topic, predefined ones too', async () => {
  await start(['pub', url('known/beforehand'), '-i', 'p', '-r', '-q', '1', '-m', 'x']).code;
  const sub = start(['sub', '-L', url(), '-i', 's', '-q', '1', '-t', 'known/#', '-C', '1', '--json']);
  expect(JSON.parse(await sub.lines.next())).toMatchObject({ topic: 'known/beforehand', payload: 'x' });
});

test('settings in the URL: predefined topics by their id, also without a connection, and sleep', async () => {
  const known = `${url()}?predefined=7:known/beforehand`;
  await start(['pub', '-L', known, '-i', 'p', '-r', '-q', '1', '-t', 'known/beforehand', '-m', 'kept']).code;
  const sub = start(['sub', '-L', `${known}&sleep=2`, '-i', 's', '-t', 'known/beforehand', '-C', '2']);
  expect(await sub.lines.next()).toBe('kept');
  const told = start(['pub', '-L', `${known}&connect=false`, '-t', 'known/beforehand', '-m', 'told']);
  expect([await told.code, told.errors()]).toEqual([0, '']);
  expect(await sub.lines.next()).toBe('told');
  const wrong = start(['pub', '-L', `${url()}?sleep=long`, '-t', 'a', '-m', 'x']);
  expect([await wrong.code, wrong.errors()]).toEqual([2, expect.stringContaining("sleep is 'long'")]);
});

test('refused: the reason is said', async () => {
  const pub = start(['pub', url(), '-i', 'p', '-t', 'a/#', '-m', 'x']);
  expect([await pub.code, pub.errors()]).toEqual([1, expect.stringContaining('no topic')]);
  const sub = start(['sub', url(), '-i', 's', '-t', 'a/#/b']);
  expect([await sub.code, sub.errors()]).toEqual([1, expect.stringContaining('no topic filter')]);
  const much = start(['pub', url(), '-i', 'p', '-t', 'a', '-m', 'x', '--content-type', 'text/plain']);
  expect([await much.code, much.errors()]).toEqual([2, expect.stringContaining('contentType')]);
});
