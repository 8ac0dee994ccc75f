// The admin API against a running hub: what it shows, what it changes, what it refuses, and that its description is true to it.

import { request } from 'node:http';
import { createConnection } from 'node:net';
import { connectAsync } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../src/server/start.ts';
import { events, startHub } from './hub.ts';

let hub: Server;
let api: string;

beforeAll(async () => {
  hub = await startHub();
  api = `${hub.address('web')}/api/v1`;
});
afterAll(() => hub.stop());

const get = async (path: string) => (await fetch(api + path)).json() as Promise<Record<string, never>>;

test('a client is listed, shown, and sent away', async () => {
  const device = await connectAsync(hub.address('mqtt'), { clientId: 'd/1', reconnectPeriod: 0 });
  expect(await get('/clients?search=d/1')).toMatchObject({
    total: 1,
    items: [{ client: 'd/1', protocol: 'mqtt' }],
  });
  expect(await get('/clients/mqtt/d%2F1')).toMatchObject({ principal: 'anonymous' });
  const closed = new Promise<void>((done) => device.once('close', done));
  expect((await fetch(`${api}/clients/mqtt/d%2F1`, { method: 'DELETE' })).status).toBe(200);
  await closed;
  expect((await fetch(`${api}/clients/mqtt/d%2F1`)).status).toBe(404);
});

test('a work queue: shown, purged, ended', async () => {
  for (const body of ['1', '2', '3'])
    await fetch(`${hub.address('web')}/topics/$queue/jobs%2Fa`, { method: 'POST', body });
  expect(await get('/queues?search=jobs')).toMatchObject({
    total: 1,
    items: [{ name: 'jobs/a', waiting: 3, unsettled: 0, consumers: 0, declared: false, maxMessages: null }],
  });
  const path = `${api}/queues/jobs%2Fa`;
  const device = await connectAsync(hub.address('mqtt'), { clientId: 'takes' });
  await device.subscribeAsync('$queue/jobs/a', { qos: 1 });
  expect(await get('/queues/jobs%2Fa')).toMatchObject({ consumers: 1 });
  await device.endAsync();
  await fetch(`${hub.address('web')}/topics/$queue/jobs/a`, { method: 'POST', body: '4' });
  const { waiting } = (await get('/queues/jobs%2Fa')) as unknown as { waiting: number };
  expect(await (await fetch(`${path}/messages`, { method: 'DELETE' })).json()).toEqual({ purged: waiting });
  expect((await fetch(path)).status, 'nobody declared it, it is empty and alone').toBe(404);
  await fetch(`${hub.address('web')}/topics/$queue/jobs/a`, { method: 'POST', body: '5' });
  expect((await fetch(path, { method: 'DELETE' })).status).toBe(200);
  expect((await fetch(path, { method: 'DELETE' })).status).toBe(404);
});

test('why a client was sent away is told', async () => {
  const first = await connectAsync(hub.address('mqtt'), { clientId: 'twice', reconnectPeriod: 0 });
  const stream = events(await fetch(`${api}/events`));
  const second = await connectAsync(hub.address('mqtt'), { clientId: 'twice' });
  for await (const { type, data } of stream) {
    const event = data as { client?: { client: string } };
    if (type !== 'disconnected' || event.client?.client !== 'twice') continue;
    expect(event).toMatchObject({ graceful: false, reason: 'taken-over' });
    break;
  }
  await Promise.all([first.endAsync(), second.endAsync()]);
});

test('a session: its subscriptions and queue, purged and ended', async () => {
  const options = {
    clientId: 's1',
    clean: false,
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 60 },
  } as const;
  const device = await connectAsync(hub.address('mqtt'), options);
  await device.subscribeAsync('q/#', { qos: 1 });
  expect((await fetch(`${api}/sessions/mqtt/s1`, { method: 'DELETE' })).status).toBe(409);
  await device.endAsync();
  for (const payload of ['1', '2'])
    await fetch(`${hub.address('web')}/topics/q/x`, { method: 'POST', body: payload });
  expect(await get('/sessions/mqtt/s1')).toMatchObject({
    session: { attended: false, waiting: 2, keepMs: 60_000 },
    subscriptions: [{ filter: 'q/#', qos: 1 }],
  });
  const purge = await fetch(`${api}/sessions/mqtt/s1/queue`, { method: 'DELETE' });
  expect(await purge.json()).toEqual({ purged: 2 });
  expect(await get('/sessions/mqtt/s1')).toMatchObject({ session: { waiting: 0 } });
  expect((await fetch(`${api}/sessions/mqtt/s1`, { method: 'DELETE' })).status).toBe(200);
  expect(await get('/subscriptions?search=q/')).toEqual({ total: 0, items: [] });
});

test('what a session and a queue hold is shown, under way and waiting, without taking it', async () => {
  const c = await connectAsync(hub.address('mqtt'), {
    clientId: 'held',
    protocolVersion: 5,
    clean: false,
    properties: { sessionExpiryInterval: 60 },
  });
  await c.subscribeAsync('held/+', { qos: 1 });
  await c.endAsync();
  const publisher = await connectAsync(hub.address('mqtt'));
  for (const payload of ['1', '2', '3']) {
    await publisher.publishAsync('held/a', payload, { qos: 1 });
    await publisher.publishAsync('$queue/held', payload, { qos: 1 });
  }
  const some = { unsettled: false, again: false, qos: 1 };
  const items = [
    { ...some, payload: '2' },
    { ...some, payload: '3' },
  ];
  for (const path of ['/sessions/mqtt/held/queue', '/queues/held/messages'])
    for (let twice = 0; twice < 2; twice++)
      expect(await get(`${path}?offset=1`), path).toMatchObject({ total: 3, items });
  await fetch(`${api}/queues/held`, { method: 'DELETE' });
  await fetch(`${api}/sessions/mqtt/held`, { method: 'DELETE' });
  await publisher.endAsync();
});

test('one client: when it came and went, why, and what it subscribed to', async () => {
  const c = await connectAsync(hub.address('mqtt'), { clientId: 'storied', reconnectPeriod: 0 });
  await c.subscribeAsync('story');
  await fetch(`${api}/clients/mqtt/storied`, { method: 'DELETE' });
  const again = await connectAsync(hub.address('mqtt'), { clientId: 'storied' });
  await again.endAsync();
  const history = async () => (await get('/clients/mqtt/storied/history')).items as { kind: string }[];
  await expect
    .poll(async () => (await history()).at(-1))
    .toMatchObject({ kind: 'disconnected', graceful: true });
  expect((await history()).filter((e) => e.kind !== 'unsubscribed')).toMatchObject([
    { kind: 'connected', remote: expect.stringContaining('127.0.0.1:') },
    { kind: 'subscribed', filter: 'story' },
    { kind: 'disconnected', graceful: false, reason: 'disconnected-by-admin' },
    { kind: 'connected' },
    { kind: 'disconnected', graceful: true },
  ]);
  expect((await fetch(`${api}/clients/mqtt/never/history`)).status).toBe(404);
  c.end(true);
});

test('who was silent for too long and who broke the protocol left for that reason', async () => {
  const { hostname, port } = new URL(hub.address('mqtt'));
  const reasons = async (client: string) => {
    const { items } = (await get(`/clients/mqtt/${client}/history`)) as { items?: { reason?: string }[] };
    return items?.map((e) => e.reason);
  };
  // 0x10 | 18 | 0 4 M Q T T | 4 | clean | keep alive 1 s | 0 6 client id
  const connect = (client: string) =>
    Buffer.concat([Buffer.from('101200044d5154540402000100', 'hex'), Buffer.from(`\x06${client}`)]);
  const silent = createConnection(Number(port), hostname, () => silent.write(connect('silent')));
  const broken = createConnection(Number(port), hostname, () => broken.write(connect('broken')));
  broken.once('data', () => broken.write(Buffer.from('0000', 'hex')));
  for (const socket of [silent, broken]) socket.resume();
  await expect.poll(() => reasons('broken')).toEqual([undefined, 'protocol-error']);
  await expect.poll(() => reasons('silent')).toEqual([undefined, 'idle']); // after 1.5 s
});

test('what a tower keeps for itself is no session', async () => {
  const { total } = await get('/sessions');
  const headers = { 'Idempotency-Key': 'k' };
  const target = `${hub.address('web')}/topics/once`;
  expect((await fetch(target, { method: 'POST', body: 'x', headers })).status).toBe(200);
  expect((await get('/sessions')).total).toBe(total);
});

test('publish, retained by filter and page, forgotten by filter', async () => {
  for (const n of [1, 2, 3]) {
    const body = JSON.stringify({ topic: `r/${n}`, payload: `${n}`, retain: true });
    expect((await fetch(`${api}/publish`, { method: 'POST', body })).status).toBe(200);
  }
  expect(await get('/retained?filter=r/%23&offset=1&limit=1')).toMatchObject({
    total: 3,
    items: [{ topic: 'r/2', payload: '2', origin: { principal: 'admin' } }],
  });
  const forgotten = await fetch(`${api}/retained?filter=r/%2B`, { method: 'DELETE' });
  expect(await forgotten.json()).toEqual({ forgotten: 3 });
});

test('retained messages by when they expire: listed, and only those forgotten', async () => {
  const kept: [topic: string, query: string][] = [
    ['x/never', ''],
    ['x/minute', '&expiry=1min'],
    ['x/day', '&expiry=1d'],
    ['y/minute', '&expiry=1min'],
  ];
  for (const [topic, query] of kept)
    await fetch(`${hub.address('web')}/topics/${topic}?retain=true${query}`, { method: 'POST', body: 'v' });
  const topics = async (query: string) => {
    const { items } = (await get(`/retained?filter=x/%23${query}`)) as unknown as {
      items: { topic: string }[];
    };
    return items.map((m) => m.topic);
  };
  expect(await topics('&expires=never')).toEqual(['x/never']);
  expect(await topics('&expires=ever')).toEqual(['x/day', 'x/minute']);
  expect(await topics('&expiresWithin=1h')).toEqual(['x/minute']);
  expect(await topics('&expiresAfter=1h')).toEqual(['x/day']);
  expect(await topics('&expiresAfter=30&expiresWithin=2d&search=day')).toEqual(['x/day']);
  expect(await topics('&expires=never&expiresWithin=1h')).toEqual([]);
  const forget = async (query: string) =>
    (await fetch(`${api}/retained?filter=x/%23${query}`, { method: 'DELETE' })).json();
  expect(await forget('&expiresWithin=1h')).toEqual({ forgotten: 1 });
  expect(await topics('')).toEqual(['x/day', 'x/never']);
  expect(await forget('&expires=never&search=nev')).toEqual({ forgotten: 1 });
  expect(await topics('')).toEqual(['x/day']);
  expect(await get('/retained?filter=y/%23')).toMatchObject({ total: 1 });
  expect(await forget('')).toEqual({ forgotten: 1 });
});

test('live events: figures at once, then who comes and goes', async () => {
  const seen = events(await fetch(`${api}/events`));
  expect((await seen.next()).value).toMatchObject({ type: 'recent', data: expect.any(Array) });
  expect((await seen.next()).value).toMatchObject({ type: 'figures', data: { clients: expect.any(Number) } });
  const device = await connectAsync(hub.address('mqtt'), { clientId: 'live' });
  let event = (await seen.next()).value!;
  while (event.type !== 'connected') event = (await seen.next()).value!;
  expect(event.data).toMatchObject({ client: { client: 'live', protocol: 'mqtt' } });
  await device.endAsync();
  while (event.type !== 'disconnected') event = (await seen.next()).value!;
  expect(event.data).toMatchObject({ client: { client: 'live' }, graceful: true });
  await seen.return(undefined);
});

test('the configuration says where each value came from', async () => {
  const { items } = (await get('/config')) as unknown as {
    items: { path: string; value: unknown; where: string }[];
  };
  expect(items.find((s) => s.path === 'store.durability')).toMatchObject({
    value: 'memory',
    where: 'settings',
  });
  expect(items.find((s) => s.path === 'log.level')).toMatchObject({ where: 'default' });
});

test('OpenAPI 3.1: every operation with its parameters and answers, and no loose reference', async () => {
  const document = await get('/openapi.json');
  expect(document.openapi).toMatch(/^3\.1/);
  expect(Object.keys(document.paths!)).toContain('/sessions/{protocol}/{name}/queue');
  expect(JSON.stringify(document)).not.toContain('$ref');
  const clients = (document.paths as unknown as Record<string, { get: { parameters: object[] } }>)[
    '/clients'
  ]!;
  expect(clients.get.parameters).toContainEqual(
    expect.objectContaining({ name: 'limit', in: 'query', required: false }),
  );
});

const REFUSED: [method: string, path: string, body: string | undefined, status: number, detail: string][] = [
  ['GET', '/nothing', undefined, 404, 'openapi.json'],
  ['PUT', '/clients', undefined, 405, 'there is GET, HEAD'],
  ['GET', '/clients?limit=0', undefined, 400, 'limit'],
  ['GET', '/clients?sort=x', undefined, 400, 'sort'],
  ['DELETE', '/retained', undefined, 400, 'filter'],
  ['GET', '/retained?filter=a%23', undefined, 400, 'filter'],
  ['DELETE', '/retained?filter=a&expiresWithin=soon', undefined, 400, 'expiresWithin: no time such as'],
  ['DELETE', '/retained?filter=a&expires=later', undefined, 400, 'expires'],
  ['POST', '/publish', '{"topic":1}', 400, 'topic'],
  ['POST', '/publish', 'x', 400, 'JSON'],
  ['GET', '/clients/mqtt/%ff', undefined, 404, 'openapi.json'],
];
test.each(REFUSED)('refused: %s %s %s: %i', async (method, path, body, status, detail) => {
  const response = await fetch(api + path, { method, ...(body === undefined ? {} : { body }) });
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ detail: expect.stringContaining(detail) });
});

describe('with passwords', () => {
  let guarded: Server;
  let base: string;
  beforeAll(async () => {
    guarded = await startHub({ web: { adminPassword: 'right', viewerPassword: 'look' } });
    base = `${guarded.address('web')}/api/v1`;
  });
  afterAll(() => guarded.stop());
  const as = (user: string, password: string) => ({ Authorization: `Basic ${btoa(`${user}:${password}`)}` });

  const MAY: [user: string, password: string, method: string, path: string, status: number][] = [
    ['admin', 'right', 'GET', '/clients', 200],
    ['admin', 'right', 'DELETE', '/retained?filter=x', 200],
    ['viewer', 'look', 'GET', '/clients', 200],
    ['viewer', 'look', 'DELETE', '/retained?filter=x', 403],
    ['viewer', 'right', 'GET', '/clients', 401],
    ['admin', 'look', 'GET', '/events', 401],
  ];
  test.each(MAY)('%s:%s %s %s: %i', async (user, password, method, path, status) => {
    const response = await fetch(base + path, { method, headers: as(user, password) });
    expect(response.status).toBe(status);
    await response.body?.cancel();
  });

  test('the settings hide the passwords; /hub tells that one is needed', async () => {
    const text = await (await fetch(`${base}/config`, { headers: as('admin', 'right') })).text();
    expect(text).toContain('web.adminPassword');
    expect(text).not.toContain('"right"');
    expect(await (await fetch(`${base}/hub`)).json()).toMatchObject({ loginNeeded: true });
  });

  test('guessing is made to wait', async () => {
    let status = 0;
    for (let i = 0; i < 12; i++)
      status = (await fetch(`${base}/clients`, { headers: as('admin', `${i}`) })).status;
    expect(status).toBe(429);
  });
});

test('without a password only names of this machine are answered: a page that rebinds its name gets nothing', async () => {
  const { port } = new URL(api);
  const status = (path: string, host: string, method = 'GET') =>
    new Promise((done) => {
      const asked = request(
        { host: '127.0.0.1', port, path, method, headers: { Host: host } },
        (response) => {
          response.resume();
          done(response.statusCode);
        },
      );
      asked.end();
    });
  for (const path of ['/api/v1/clients', '/topics/a', '/subscribe?filter=a', '/metrics', '/'])
    expect(await status(path, 'evil.example'), path).toBe(403);
  expect(await status('/topics/a', 'evil.example', 'POST')).toBe(403);
  for (const host of [`localhost:${port}`, '127.0.0.1', `[::1]:${port}`])
    expect(await status('/metrics', host), host).toBe(200);
});
