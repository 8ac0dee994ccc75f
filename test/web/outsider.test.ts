// The web port as a stranger may treat it: octets that are no request, heads that do not come, origins, tokens that end, streams over a restart; and
// whether the API answers as its own description says.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { SignJWT } from 'jose';
import { connectAsync } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Server } from '../../src/server/start.ts';
import { events, startHub } from './hub.ts';

const SECRET = 'a secret of thirty-two octets, at least';
const ORIGIN = 'https://pages.example';

let hub: Server;
let base: string;

beforeAll(async () => {
  hub = await startHub({
    limits: { login: '1s', packet: '100kB' },
    web: { origins: [ORIGIN], adminPassword: 'right' },
    auth: { engine: 'file', jwt: { secret: SECRET, leeway: '0s' }, rules: [{ allow: 'both', filter: '#' }] },
    anonymous: true,
  });
  base = hub.address('web');
});
afterAll(() => hub.stop());

/** What comes back for these octets, until the hub closes. */
async function saying(
  octets: string,
): Promise<{ status: number; head: string; body: Record<string, unknown> }> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname, () => socket.write(octets));
  const answer = await text(socket);
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
  return { status: Number(head.split(' ')[1]), head, body: JSON.parse(body) };
}

const NONSENSE: readonly [what: string, octets: string, status: number, code: string][] = [
  ['no request at all', 'GARBAGE\r\n\r\n', 400, 'request-invalid'],
  ['a head that is too large', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'too-large'],
  [
    'two lengths',
    'POST /topics/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
    400,
    'request-invalid',
  ],
  [
    'a length beside chunks',
    'POST /topics/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'request-invalid',
  ],
  ['a head that never ends', 'GET / HTTP/1.1\r\nHost: h\r\n', 408, 'timeout'],
];

test.concurrent.each(NONSENSE)('%s: a problem, and the end', async (_what, octets, status, code) => {
  const answer = await saying(octets);
  expect([answer.status, answer.body]).toEqual([status, expect.objectContaining({ status, code })]);
  expect(answer.head).toContain('Content-Type: application/problem+json\r\n');
  expect(answer.head).toContain('Connection: close');
});

test('pages of a listed origin are told so, before and with the answer', async () => {
  const asks = {
    Origin: ORIGIN,
    'Access-Control-Request-Method': 'PUT',
    'Access-Control-Request-Headers': 'idempotency-key',
  };
  for (const at of ['/topics/a', '/api/v1/clients']) {
    const preflight = await fetch(base + at, { method: 'OPTIONS', headers: asks });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, ORIGIN]);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('PUT');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('idempotency-key');
    expect(preflight.headers.get('vary')).toContain('Origin');
  }
  const answer = await fetch(`${base}/topics/a`, { headers: { Origin: ORIGIN } });
  expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN);
  // No cookie of ours goes to a page elsewhere.
  expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
});

test('a stream ends when its token does, and the token opens no other', async () => {
  const token = await new SignJWT({ sub: 'sensor' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.ceil(Date.now() / 1_000) + 1)
    .sign(new TextEncoder().encode(SECRET));
  const headers = { Authorization: `Bearer ${token}` };
  const stream = await fetch(`${base}/subscribe?filter=a`, { headers });
  expect(await stream.text()).toMatch(/^event: open\n/);
  const again = await fetch(`${base}/topics/a`, { headers });
  expect([again.status, again.headers.get('www-authenticate')]).toEqual([
    401,
    expect.stringContaining('Bearer'),
  ]);
});

test('a stream is resumed over a restart of the hub, with what came after its last event', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-resumed-'));
  const durable = { store: { durability: 'full', path: folder } };
  let own = await startHub(durable);
  const say = (body: string) => fetch(`${own.address('web')}/topics/s/1`, { method: 'POST', body });
  const listen = async (headers = {}) =>
    events(await fetch(`${own.address('web')}/subscribe?filter=s/%23`, { headers }));
  const before = await listen();
  await before.next();
  await say('one');
  const { id } = (await before.next()).value!;
  await before.return(undefined);
  await say('two');
  await own.stop();
  own = await startHub(durable);
  await say('three');
  const after = await listen({ 'Last-Event-ID': id });
  const heard = [await after.next(), await after.next(), await after.next()].map((one) => one.value!.data);
  expect(heard).toMatchObject([{ resumed: true }, { payload: 'two' }, { payload: 'three' }]);
  await after.return(undefined);
  await own.stop();
  rmSync(folder, { recursive: true });
});

describe('WebSocket', () => {
  const hello = { type: 'connect', client: 'stranger' };

  async function open(): Promise<WebSocket> {
    const socket = new WebSocket(`${base.replace('http', 'ws')}/waymeet`, 'waymeet.v1');
    await once(socket, 'open');
    return socket;
  }

  const reasons = async (client: string) => {
    const response = await fetch(`${base}/api/v1/clients/waymeet.v1/${client}/history`, {
      headers: { Authorization: `Basic ${btoa('admin:right')}` },
    });
    const { items } = (await response.json()) as { items?: { kind: string; reason?: string }[] };
    return items?.at(-1);
  };

  test('a frame in fragments, with a ping between them', async () => {
    const socket = await open();
    const text = JSON.stringify(hello);
    const heard = once(socket, 'message');
    const pong = once(socket, 'pong');
    for (const letter of text.slice(0, -1)) socket.send(letter, { fin: false });
    socket.ping('are you there');
    socket.send(text.slice(-1), { fin: true });
    expect(String((await pong)[0])).toBe('are you there');
    expect(JSON.parse(String((await heard)[0]))).toMatchObject({ type: 'connected', client: 'stranger' });
    socket.close();
  });

  test('a message larger than one may be: 1009, and its history says so', async () => {
    const socket = await open();
    socket.send(JSON.stringify({ ...hello, client: 'large' }));
    await once(socket, 'message');
    const closed = once(socket, 'close');
    socket.send('x'.repeat(3_000_000));
    expect((await closed)[0]).toBe(1_009);
    await expect.poll(() => reasons('large')).toMatchObject({ reason: 'protocol-error' });
  });

  test.each([
    ['a frame without a mask', Buffer.from([0x81, 0x02, 0x7b, 0x7d])],
    ['a reserved bit', Buffer.from([0xc1, 0x80, 0, 0, 0, 0])],
    ['a control frame in fragments', Buffer.from([0x09, 0x80, 0, 0, 0, 0])],
    ['a hundred thousand pings of which no answer is read', flood()],
  ])('%s ends that connection alone', async (_what, octets) => {
    const { hostname, port } = new URL(base);
    const socket = connect(Number(port), hostname);
    socket.write(
      'GET /waymeet HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: waymeet.v1\r\n\r\n',
    );
    const [head] = await once(socket, 'data');
    expect(String(head)).toContain('101 Switching Protocols');
    socket.pause();
    socket.on('error', () => undefined); // the hub may cut it off while it still writes
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(octets, () => socket.resume());
    await closed;
    expect((await fetch(`${base}/health`)).status).toBe(200);
  });
});

/** Masked pings of 125 octets. */
function flood(): Buffer {
  const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125, 'x')]);
  return Buffer.concat(Array<Buffer>(100_000).fill(ping));
}

// --- the description

interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minimum?: number;
}

/** What is wrong with a value, by the words of JSON Schema that our descriptions use. */
function faults(schema: Schema, value: unknown, at = ''): string[] {
  if (schema.anyOf !== undefined)
    return schema.anyOf.some((one) => faults(one, value).length === 0) ? [] : [`${at}: none of them`];
  if ('const' in schema && value !== schema.const) return [`${at}: not ${String(schema.const)}`];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at}: ${String(value)}`];
  const is = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const types = schema.type === undefined ? [is] : [schema.type].flat();
  if (!types.includes(is) && !(types.includes('integer') && Number.isInteger(value)))
    return [`${at}: ${is} is no ${types.join()}`];
  if (is === 'array')
    return (value as unknown[]).flatMap((one, i) => faults(schema.items ?? {}, one, `${at}[${i}]`));
  if (typeof value === 'number' && schema.minimum !== undefined && value < schema.minimum)
    return [`${at}: ${value}`];
  if (is !== 'object') return [];
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const record = value as Record<string, unknown>;
  return [
    ...required.filter((name) => !(name in record)).map((name) => `${at}.${name} is missing`),
    ...Object.entries(record).flatMap(([name, one]) => {
      const own = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
      if (own === false) return [`${at}.${name} is not described`];
      return faults(own === true || own === undefined ? {} : own, one, `${at}.${name}`);
    }),
  ];
}

interface Described {
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

describe('every operation of the description', () => {
  let open: Server;
  let api: string;
  let paths: Record<string, Record<string, Described>>;
  beforeAll(async () => {
    open = await startHub();
    api = `${open.address('web')}/api/v1`;
    paths = ((await (await fetch(`${api}/openapi.json`)).json()) as { paths: typeof paths }).paths;
    const c = await connectAsync(open.address('mqtt'), {
      clientId: 'it',
      clean: false,
      protocolVersion: 5,
      properties: { sessionExpiryInterval: 60 },
    });
    await c.subscribeAsync('a/+', { qos: 1 });
    await c.endAsync();
    const properties = {
      contentType: 'text/plain',
      userProperties: { k: ['v', 'w'] },
      messageExpiryInterval: 60,
    };
    const p = await connectAsync(open.address('mqtt'), { clientId: 'present', protocolVersion: 5 });
    for (const topic of ['a/1', '$queue/it'])
      await p.publishAsync(topic, 'x', { qos: 1, retain: true, properties });
    await p.subscribeAsync('$queue/it', { qos: 1 }); // alone and empty it would go
    await fetch(`${api}/bans`, { method: 'POST', body: JSON.stringify({ kind: 'user', value: 'it' }) });
    // Ended with the hub.
  });
  afterAll(() => open.stop());

  /** Values for the places in a path, for which there is something. */
  const PLACES: Readonly<Record<string, string>> = {
    protocol: 'mqtt',
    name: 'it',
    client: 'present',
    kind: 'user',
    value: 'it',
  };
  const BODIES: Readonly<Record<string, object>> = {
    '/publish': { topic: 'b', payload: 'x' },
    '/login': { user: 'admin', password: 'x' },
    '/kick': { user: 'nobody' },
    '/bans': { kind: 'client', value: 'nobody' },
  };

  test('answers as it says: first those that look, then those that change', async () => {
    const asked: string[] = [];
    // Backwards: what is within another goes before it, and queues before their consumers.
    for (const method of ['get', 'post', 'delete'])
      for (const template of Object.keys(paths).sort().reverse()) {
        const described = paths[template]![method];
        // What streams has no end, and runs of the lab have tests of their own.
        if (described === undefined || template.startsWith('/lab/')) continue;
        const media = described.responses[200]!.content['application/json'];
        if (media === undefined) continue;
        const local = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => PLACES[name]!);
        const filter = described.parameters.some((p) => p.name === 'filter' && p.required)
          ? '?filter=a/%2B'
          : '';
        const body = method === 'post' ? { body: JSON.stringify(BODIES[template] ?? {}) } : {};
        const response = await fetch(`${api}${local}${filter}`, { method: method.toUpperCase(), ...body });
        const value: unknown = await response.json();
        const title = `${method} ${local}`;
        expect(
          [response.status, faults(media.schema, value)],
          `${title}: ${JSON.stringify(value).slice(0, 300)}`,
        ).toEqual([200, []]);
        asked.push(title);
      }
    expect(asked.length).toBeGreaterThan(25);
  });

  test('a refusal is the problem that it says', async () => {
    const { schema } = paths['/clients']!.get!.responses.default!.content['application/problem+json']!;
    for (const [method, local] of [
      ['GET', '/clients/mqtt/never'],
      ['POST', '/publish'],
      ['PUT', '/clients'],
    ] as const) {
      const response = await fetch(api + local, { method });
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      expect([response.ok, faults(schema, await response.json())]).toEqual([false, []]);
    }
  });
});
