// Traces of a running hub: a client's packets from its first one on, a topic's, downloads, secrets, and the command.

import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { connectAsync } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { TracedPacket } from '../../src/admin/trace.ts';
import type { Io } from '../../src/cli/io.ts';
import { trace } from '../../src/cli/trace.ts';
import type { Server } from '../../src/server/start.ts';
import { events, startHub } from './hub.ts';

let hub: Server;
let base: string;

beforeAll(async () => {
  hub = await startHub();
  base = hub.address('web');
});
afterAll(() => hub.stop());

/** Packets from now on, one after the other. */
async function watch(query: string): Promise<() => Promise<TracedPacket>> {
  const headers = { Accept: 'text/event-stream' };
  const stream = events(await fetch(`${base}/api/v1/trace?${query}`, { headers }));
  expect((await stream.next()).value).toMatchObject({ type: 'trace' });
  return async () => (await stream.next()).value!.data;
}

const octetsOf = (p: TracedPacket) => Buffer.from(p.octets, 'base64');

test('one client: every packet both ways, field by field, its password hidden', async () => {
  const next = await watch('client=mqtt/watched');
  const other = await connectAsync(hub.address('mqtt'), { clientId: 'other' });
  const c = await connectAsync(hub.address('mqtt'), {
    clientId: 'watched',
    username: 'u',
    password: 'hush-hush',
    protocolVersion: 5,
  });
  await c.subscribeAsync('room/+', { qos: 1 });
  await other.publishAsync('elsewhere', 'x');
  await c.publishAsync('room/1', 'Wärme', { qos: 1 });
  const packets: TracedPacket[] = [];
  for (let i = 0; i < 8; i++) packets.push(await next());
  const [connect] = packets;
  expect(packets.slice(0, 4).map((p) => [p.direction, p.name])).toEqual([
    ['in', 'CONNECT'],
    ['out', 'CONNACK'],
    ['in', 'SUBSCRIBE'],
    ['out', 'SUBACK'],
  ]);
  expect(
    packets
      .slice(4)
      .map((p) => `${p.direction} ${p.name}`)
      .toSorted(),
  ).toEqual(['in PUBACK', 'in PUBLISH', 'out PUBACK', 'out PUBLISH']);
  for (const p of packets) expect(p).toMatchObject({ client: 'watched', protocol: 'mqtt', listener: 'mqtt' });
  expect(connect!.fields.find((f) => f.name === 'Client identifier')).toMatchObject({ value: 'watched' });
  expect(JSON.stringify(packets)).not.toContain('hush');
  expect(octetsOf(connect!).toString()).toContain('*********');
  const publish = packets.find((p) => p.name === 'PUBLISH')!;
  const payload = publish.fields.find((f) => f.name === 'Payload')!;
  expect([publish.topic, payload.value]).toEqual(['room/1', 'Wärme']);
  expect(octetsOf(publish).subarray(payload.from, payload.to).toString()).toBe('Wärme');
  expect(publish.length).toBe(octetsOf(publish).length);
  await Promise.all([c.endAsync(), other.endAsync()]);
});

test('one topic, in every protocol; a long packet is cut', async () => {
  const next = await watch('topic=plant/%23');
  const c = await connectAsync(hub.address('mqtt'), { clientId: 'plant', protocolVersion: 4 });
  const web = new WebSocket(`${base.replace('http', 'ws')}/waymeet`, 'waymeet.v1');
  await once(web, 'open');
  const subscribed = new Promise<void>((resolve) => {
    web.on('message', (text) => {
      if (String(text).includes('"subscribed"')) resolve();
    });
  });
  web.send('{"type":"connect","client":"screen","password":"hush-hush"}');
  web.send('{"type":"subscribe","filter":"plant/+"}');
  await subscribed;
  await c.publishAsync('elsewhere', 'x');
  await c.publishAsync('plant/1', 'x'.repeat(100_000), { qos: 1 });
  const packets = [await next(), await next()];
  expect(packets.map((p) => [p.direction, p.protocol, p.client, p.name, p.topic, p.cut])).toEqual([
    ['in', 'mqtt', 'plant', 'PUBLISH', 'plant/1', true],
    ['out', 'waymeet.v1', 'screen', 'message', 'plant/1', true],
  ]);
  expect(packets[0]!.length).toBe(100_000 + 2 + 7 + 2 + 4);
  expect(octetsOf(packets[0]!).length).toBe(4_096);
  web.close();
  await c.endAsync();
});

test('HTTP: publish, read, batch, refusal and events, both ways, of one topic', async () => {
  const next = await watch('topic=web/%23');
  const subscribed = await fetch(`${base}/subscribe?filter=web/%2B`);
  const stream = events(subscribed);
  expect((await stream.next()).value).toMatchObject({ type: 'open' });
  const headers = { Authorization: `Basic ${btoa('ann:hush-hush')}`, 'Content-Type': 'text/plain' };
  for (const payload of ['1', '2']) // the second one takes the quick way while nobody traces
    await fetch(`${base}/topics/web/a%20b?retain=true`, { method: 'POST', body: payload, headers });
  await fetch(`${base}/topics/web/a%20b`);
  const list = [
    { topic: 'elsewhere', payload: 'x' },
    { topic: 'web/c', payload: '3' },
  ];
  await fetch(`${base}/publish`, { method: 'POST', body: JSON.stringify(list) });
  await fetch(`${base}/topics/web/c?qos=7`, { method: 'POST', body: 'x' });
  const packets: TracedPacket[] = [];
  for (let i = 0; i < 13; i++) packets.push(await next());
  const of = (name: string) => packets.filter((p) => p.name === name);
  expect(of('event').map((p) => [p.direction, p.topic])).toEqual([
    ['out', 'web/a b'],
    ['out', 'web/a b'],
    ['out', 'web/c'],
  ]);
  const exchanges = packets.filter((p) => p.name !== 'event').map((p) => `${p.direction} ${p.name}`);
  expect(exchanges).toEqual([
    ...['in POST', 'out 200 OK', 'in POST', 'out 200 OK', 'in GET', 'out 200 OK', 'in POST', 'out 200 OK'],
    ...['in POST', 'out 400 Bad Request'],
  ]);
  for (const p of packets)
    expect(p).toMatchObject({ protocol: 'http', listener: 'web', client: expect.stringMatching(/^wm-/) });
  const [publish] = of('POST');
  const octets = octetsOf(publish!).toString();
  expect(octets).toMatch(/^POST \/topics\/web\/a%20b\?retain=true HTTP\/1\.1\r\n/);
  expect(octets).toMatch(/\r\n\r\n1$/);
  expect(publish!.fields.at(-1)).toMatchObject({ name: 'body', value: '1' });
  expect(JSON.stringify(packets) + packets.map(octetsOf).join()).not.toMatch(/hush|aHVza/);
  const answer = octetsOf(of('200 OK')[0]!).toString();
  expect(answer, 'what Node adds is there too').toMatch(/\r\nDate: /);
  expect(answer).toContain('{"topic":"web/a b","outcome":"ok"}');
  expect(of('POST')[2], 'a batch').toMatchObject({ topics: ['elsewhere', 'web/c'] });
  await stream.return(undefined);
});

test('HTTP: one client alone, and who is refused is nobody yet', async () => {
  const as = (user: string) => ({ Authorization: `Basic ${btoa(`${user}:x`)}` });
  const at = `${base}/topics/who`;
  await fetch(at, { method: 'POST', body: 'x', headers: as('bob') });
  const { items } = (await (await fetch(`${base}/api/v1/clients?protocol=http`)).json()) as {
    items: { client: string; principal: string }[];
  };
  const bob = items.find((c) => c.principal === 'bob')!;
  const next = await watch(`client=http/${bob.client}`);
  await fetch(at, { headers: as('eve') });
  await fetch(at, { headers: { Authorization: 'Nonsense' } });
  await fetch(`${at}?retain=1`, { method: 'POST', body: 'mine', headers: as('bob') });
  await fetch(at, { method: 'HEAD', headers: as('bob') });
  const seen = [await next(), await next(), await next(), await next()];
  expect(seen.map((p) => `${p.client} ${p.name}`)).toEqual(
    ['POST', '200 OK', 'HEAD', '200 OK'].map((name) => `${bob.client} ${name}`),
  );
});

test('a download ends after its limit, line by line', async () => {
  const response = await fetch(`${base}/api/v1/trace?topic=load&limit=3`);
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  const c = await connectAsync(hub.address('mqtt'));
  for (let i = 0; i < 5; i++) await c.publishAsync('load', String(i), { qos: 1 });
  const lines = (await response.text()).trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as TracedPacket).fields.at(-1)!.value)).toEqual([
    '0',
    '1',
    '2',
  ]);
  await c.endAsync();
});

describe('refusals', () => {
  test.each([
    ['', 'query-invalid'],
    ['?client=nobody', 'query-invalid'],
    ['?topic=a/%23/b', 'filter-invalid'],
    ['?topic=a&limit=0', 'query-invalid'],
    ['?topic=a&bogus=1', 'query-invalid'],
  ])('%j', async (query, code) => {
    const response = await fetch(`${base}/api/v1/trace${query}`);
    expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ code })]);
  });
});

test('waymeet trace prints packets, and nothing of them can harm a terminal', async () => {
  const output = new PassThrough();
  const errors = new PassThrough();
  const io = { output, errors, environment: {}, stopAsked: () => new Promise<string>(() => {}) };
  const flags = { url: base, topic: 'cli', limit: 1, seconds: 60 };
  const code = trace(io as unknown as Io, flags);
  await once(errors, 'data');
  const c = await connectAsync(hub.address('mqtt'));
  await c.publishAsync('cli', 'a\u001b[2Jb', { qos: 1 });
  expect(await code).toBe(0);
  const text = String(output.read());
  expect(text).toMatch(/→ mqtt \S+ PUBLISH cli, \d+ octets/);
  expect(text).toContain('Payload: a\\u001b[2Jb');
  expect(text).not.toContain('\u001b');
  await c.endAsync();
  await expect(trace(io as unknown as Io, { ...flags, url: 'http://127.0.0.1:1' })).rejects.toThrow(
    'no hub answers',
  );
});
