// Messages over HTTP, against a running hub: publish, read, wait, subscribe, resume, request, batch, once only, and every refusal.

import { type EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, connectAsync, type IPublishPacket } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../src/server/start.ts';
import { events, startHub } from './hub.ts';

let hub: Server;
let base: string;

beforeAll(async () => {
  hub = await startHub();
  base = hub.address('web');
});
afterAll(() => hub.stop());

const post = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  fetch(base + path, { method: 'POST', body, headers });

test('a retained value: published, read with its properties, known by its tag, cleared', async () => {
  const published = await post('/topics/a/b%20c?retain=true&qos=1', '{"t":21}', {
    'Content-Type': 'application/json',
    'Waymeet-Correlation': ':AAE=:',
    'Waymeet-User': 'k=v, k=%2C%3D, raw=:/w==:',
  });
  expect(published.status).toBe(200);
  expect(await published.json()).toEqual({ topic: 'a/b c', outcome: 'unmatched' });
  const read = await fetch(`${base}/topics/a/b%20c`);
  expect(read.status).toBe(200);
  expect(await read.text()).toBe('{"t":21}');
  expect(read.headers.get('content-type')).toBe('application/json');
  expect(read.headers.get('waymeet-correlation')).toBe(':AAE=:');
  expect(read.headers.get('waymeet-user')).toBe('k=v, k=%2C%3D, raw=:/w==:');
  const tag = read.headers.get('etag')!;
  expect((await fetch(`${base}/topics/a/b%20c`, { headers: { 'If-None-Match': tag } })).status).toBe(304);
  expect((await fetch(`${base}/topics/a/b%20c`, { method: 'DELETE' })).status).toBe(200);
  expect((await fetch(`${base}/topics/a/b%20c`)).status).toBe(404);
});

test('empty levels are levels: /topics//x/ is the topic /x/', async () => {
  expect(await (await post('/topics//x/?qos=0', '1')).json()).toMatchObject({ topic: '/x/' });
});

test('[RFC7240-4.3] a long poll is answered by the next value', async () => {
  await post('/topics/poll?retain', '1');
  const first = await fetch(`${base}/topics/poll`);
  const headers = { 'If-None-Match': first.headers.get('etag')!, Prefer: 'wait=30' };
  const before = await subscriptions();
  const waiting = fetch(`${base}/topics/poll`, { headers });
  await first.text();
  await hubHas(before + 1);
  await post('/topics/poll?retain', '2');
  expect(await (await waiting).text()).toBe('2');
});

test('a long poll that nothing answers ends unchanged', async () => {
  await post('/topics/still?retain', '1');
  const known = (await fetch(`${base}/topics/still`)).headers.get('etag')!;
  const response = await fetch(`${base}/topics/still`, {
    headers: { 'If-None-Match': known, Prefer: 'wait=1' },
  });
  expect(response.status).toBe(304);
});

test('events: retained first, then live, of several filters; JSON as in waymeet.v1', async () => {
  await post('/topics/ev/kept?retain', 'old');
  const stream = await fetch(`${base}/subscribe?filter=ev/%23&filter=other`);
  expect(stream.headers.get('content-type')).toBe('text/event-stream');
  const seen = events(stream);
  expect((await seen.next()).value).toMatchObject({ type: 'open', data: { resumed: false } });
  expect((await seen.next()).value!.data).toMatchObject({ topic: 'ev/kept', payload: 'old', retain: true });
  await post('/topics/other', new Uint8Array([0xff]), { 'Content-Type': 'application/x' });
  expect((await seen.next()).value!.data).toEqual({
    topic: 'other',
    payloadBase64: '/w==',
    contentType: 'application/x',
    qos: 1,
  });
  await seen.return(undefined);
});

test('a stream that was cut goes on after its last event: nothing is missed, nothing comes twice', async () => {
  const first = events(await fetch(`${base}/subscribe?filter=cut`));
  await first.next();
  await post('/topics/cut', '1');
  await post('/topics/cut', '2');
  const one = (await first.next()).value!;
  expect((one.data as { payload: string }).payload).toBe('1');
  await first.next();
  await first.return(undefined); // the client had read '1' alone
  await post('/topics/cut', '3');
  const again = await fetch(`${base}/subscribe?filter=cut`, { headers: { 'Last-Event-ID': one.id! } });
  const second = events(again);
  expect((await second.next()).value).toMatchObject({ type: 'open', data: { resumed: true } });
  expect((await second.next()).value!.data).toMatchObject({ payload: '2' });
  expect((await second.next()).value!.data).toMatchObject({ payload: '3' });
  await second.return(undefined);
});

test('a request is answered by whoever listens, with the correlation it got', async () => {
  const device = await connectAsync(hub.address('mqtt'), { protocolVersion: 5 });
  await device.subscribeAsync('do/it', { qos: 1 });
  const command = once(device as unknown as EventEmitter, 'message');
  const asked = post('/request/do/it?timeout=5', 'ping', { 'Waymeet-Correlation': 'c1' });
  const { properties } = (await command)[2] as IPublishPacket;
  expect(String(properties!.correlationData)).toBe('c1');
  const { correlationData } = properties!;
  await device.publishAsync(properties!.responseTopic!, 'pong', {
    qos: 1,
    properties: { correlationData: correlationData! },
  });
  const answer = await asked;
  expect(answer.status).toBe(200);
  expect(answer.headers.get('waymeet-correlation')).toBe(':YzE=:');
  expect(await answer.text()).toBe('pong');
  const none = await post('/request/do/it?timeout=20ms', 'ping');
  expect(none.status).toBe(504);
  await device.endAsync();
  expect((await post('/request/nobody', 'ping')).status).toBe(404);
});

test('a batch is published whole, or not at all', async () => {
  const done = await post(
    '/publish',
    JSON.stringify([
      { topic: 'x', payload: '1' },
      { topic: 'y', qos: 1, retain: true, payload: 'Y' },
    ]),
  );
  expect(await done.json()).toEqual({
    results: [
      { topic: 'x', outcome: 'unmatched' },
      { topic: 'y', outcome: 'unmatched' },
    ],
  });
  const wrong = await post(
    '/publish',
    JSON.stringify([{ topic: 'z', retain: true, payload: '1' }, { topic: 'z/#' }]),
  );
  expect(wrong.status).toBe(400);
  expect(await wrong.json()).toMatchObject({
    code: 'payload-invalid',
    detail: expect.stringContaining('message 1'),
  });
  expect((await fetch(`${base}/topics/z`)).status).toBe(404);
});

test('Idempotency-Key: the second is not carried out, and another body, topic or guarantee is refused', async () => {
  const stream = events(await fetch(`${base}/subscribe?filter=once`));
  await stream.next();
  const key = { 'Idempotency-Key': 'k-1' };
  expect(await (await post('/topics/once', 'a', key)).json()).toMatchObject({ outcome: 'ok' });
  expect((await post('/topics/once', 'a', key)).status).toBe(200);
  expect((await post('/topics/once', 'b', key)).status).toBe(422);
  for (const path of ['/topics/other', '/topics/once?retain=1', '/topics/once?qos=2'])
    expect((await post(path, 'a', key)).status, path).toBe(422);
  const both = { 'Idempotency-Key': 'k-2' };
  const together = await Promise.all([1, 2, 3].map(() => post('/topics/once', 'together', both)));
  expect(together.map((r) => r.status)).toEqual([200, 200, 200]);
  await post('/topics/once', 'last');
  expect((await stream.next()).value!.data).toMatchObject({ payload: 'a' });
  expect((await stream.next()).value!.data).toMatchObject({ payload: 'together' });
  expect((await stream.next()).value!.data).toMatchObject({ payload: 'last' });
  await stream.return(undefined);
});

test('Idempotency-Key outlives the hub: a session that waits gets the message once, whatever is repeated after the restart', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-once-'));
  const durable = { store: { durability: 'full', path: folder } };
  const session = {
    clientId: 'waits',
    clean: false,
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 600 },
  } as const;
  const key = { 'Idempotency-Key': 'order-17' };
  let own = await startHub(durable);
  const say = (body: string, headers = {}) =>
    fetch(`${own.address('web')}/topics/orders`, { method: 'POST', body, headers });
  const before = await connectAsync(own.address('mqtt'), session);
  await before.subscribeAsync('orders', { qos: 1 });
  await before.endAsync();
  expect(await (await say('one', key)).json()).toMatchObject({ outcome: 'ok' });
  await own.stop();
  own = await startHub(durable);
  expect(await (await say('one', key)).json()).toMatchObject({ replayed: true });
  expect((await say('another', key)).status).toBe(422);
  await say('two');
  const after = await connect(own.address('mqtt'), { ...session, manualConnect: true });
  const heard: string[] = [];
  after.on('message', (_topic, payload) => heard.push(String(payload)));
  after.connect();
  await expect.poll(() => heard).toEqual(['one', 'two']);
  await after.endAsync();
  await own.stop();
  rmSync(folder, { recursive: true });
});

describe('refused', () => {
  const REFUSED: [
    method: string,
    path: string,
    headers: Record<string, string>,
    status: number,
    code: string,
  ][] = [
    ['POST', '/topics/', {}, 400, 'topic-invalid'],
    ['POST', '/topics/a/%23', {}, 400, 'topic-invalid'],
    ['POST', '/topics/%E0%A4', {}, 400, 'topic-invalid'],
    ['POST', '/topics/%24SYS/x', {}, 403, 'not-authorized'],
    ['POST', '/topics/a?qos=3', {}, 400, 'query-invalid'],
    ['POST', '/topics/a?ttl=3', {}, 400, 'query-invalid'],
    ['POST', '/topics/a?qos=1&qos=2', {}, 400, 'query-invalid'],
    ['POST', '/topics/a?expiry=soon', {}, 400, 'query-invalid'],
    ['POST', '/topics/a', { 'Waymeet-Priority': '256' }, 400, 'header-invalid'],
    ['POST', '/topics/a', { 'Waymeet-User': 'k' }, 400, 'header-invalid'],
    ['PATCH', '/topics/a', {}, 405, 'method-not-allowed'],
    ['GET', '/topics/nothing', {}, 404, 'no-retained-message'],
    ['GET', '/subscribe', {}, 400, 'filter-invalid'],
    ['GET', '/subscribe?filter=a%23', {}, 400, 'filter-invalid'],
    ['POST', '/publish', {}, 400, 'payload-invalid'],
    ['POST', '/topics/a', { Origin: 'https://evil.example' }, 403, 'origin-refused'],
    ['POST', '/topics/a', { Authorization: 'Digest x' }, 401, 'bad-authentication-method'],
  ];
  test.each(REFUSED)('%s %s %j: %i %s', async (method, path, headers, status, code) => {
    const response = await fetch(base + path, { method, headers });
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ status, code, detail: expect.stringMatching(/.{10}/) });
    expect(response.status).toBe(status);
  });
});

/** Waits until so many mailboxes wait at the hub: a request that is on its way has no other sign. */
async function subscriptions(): Promise<number> {
  return ((await (await fetch(`${base}/api/v1/stats`)).json()) as { subscriptions: number }).subscriptions;
}

/** A request that waits subscribes, beside the sessions. */
async function hubHas(count: number): Promise<void> {
  while ((await subscriptions()) < count);
}
