// WebSocket listeners, judged by the client of the `ws` package: who may come in, frames, backpressure, the end.

import { createServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { Authority } from '../../test/transport/certificates.ts';
import { countingHub, LineProtocol, listenerOptions, until } from '../../test/transport/line.ts';
import type { Listener } from './listener.ts';
import { attachWebSocket, type WebSocketOptions } from './websocket.ts';

let authority: Authority;
const cleanUp: (() => unknown)[] = [];

beforeAll(() => {
  authority = new Authority();
});

afterAll(() => authority.remove());

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

interface Message {
  readonly octets: Buffer;
  readonly binary: boolean;
}

class WebClient {
  readonly web: WebSocket;
  readonly messages: Message[] = [];
  closed: { code: number } | undefined = undefined;
  refused: { status: number; text: string } | undefined = undefined;
  pings = 0;

  constructor(web: WebSocket) {
    this.web = web;
    web.on('message', (octets: Buffer, binary: boolean) => this.messages.push({ octets, binary }));
    web.on('close', (code) => {
      this.closed = { code };
    });
    web.on('ping', () => this.pings++);
    web.on('error', () => {});
    web.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        this.refused = { status: response.statusCode ?? 0, text };
      });
    });
  }

  async next(): Promise<Message> {
    await until(() => this.messages.length > 0 || this.closed !== undefined, 'a message');
    const message = this.messages.shift();
    if (message === undefined) throw new Error(`closed with ${this.closed?.code}`);
    return message;
  }

  async text(): Promise<string> {
    return (await this.next()).octets.toString();
  }

  say(text: string): void {
    this.web.send(Buffer.from(text));
  }

  async gone(): Promise<number> {
    await until(() => this.closed !== undefined, 'the close');
    return this.closed!.code;
  }
}

async function setUp(more: Partial<WebSocketOptions> = {}, server: Server = createServer()) {
  const hub = countingHub();
  const lines = new LineProtocol();
  const messages = new LineProtocol('messages', 'message');
  const texts = new LineProtocol('texts', 'message', true);
  const routes = {
    '/mqtt': { mqtt: lines, 'mqttv3.1': lines },
    '/hub': { 'waymeet.v1': texts, 'waymeet.bin': messages, '': texts },
  };
  const listener: Listener = attachWebSocket(server, routes, hub, { ...listenerOptions(), ...more });
  let listening = false;
  server.listen(0, '127.0.0.1', () => {
    listening = true;
  });
  await until(() => listening, 'the server');
  const port = (server.address() as AddressInfo).port;
  const secure = listener.address.startsWith('wss:');
  cleanUp.push(async () => {
    await listener.close();
    await listener.ended(0);
    server.close();
  });
  const client = async (path = '/mqtt', offered: string[] = ['mqtt'], options: ClientOptions = {}) => {
    const c = new WebClient(
      new WebSocket(`${secure ? 'wss' : 'ws'}://127.0.0.1:${port}${path}`, offered, {
        ca: authority.ca,
        ...options,
      }),
    );
    cleanUp.push(() => c.web.terminate());
    await until(
      () => c.web.readyState === WebSocket.OPEN || c.refused !== undefined || c.closed !== undefined,
      'the upgrade',
    );
    return c;
  };
  return { hub, lines, messages, texts, listener, port, client, counters: hub.counters.of('line') };
}

test('a stream of lines in binary frames that span and share', async () => {
  const { client, listener, port, lines, counters } = await setUp();
  expect(listener.address).toBe(`ws://127.0.0.1:${port}/mqtt`);
  const c = await client();
  c.say('ec');
  c.say('ho one\necho two\nec');
  // Each turn's writes are one binary frame.
  expect(await c.next()).toEqual({ octets: Buffer.from('one\ntwo\n'), binary: true });
  c.say('ho three\n');
  expect(await c.text()).toBe('three\n');
  c.say('who\n');
  expect(JSON.parse(await c.text())).toMatchObject({
    remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    secure: false,
  });
  c.web.close();
  expect(await c.gone()).toBe(1005);
  await until(() => lines.peers[0]!.lost_ === 1, 'lost');
  expect(counters).toMatchObject({ connections: 0, connectionsTotal: 1, broken: 0, bytesIn: 33 });
  expect(listener.connections).toBe(0);
});

test('large and small together are one message, in order', async () => {
  const { client } = await setUp();
  const c = await client();
  c.say('mixed 50\n');
  const { octets, binary } = await c.next();
  expect(binary).toBe(true);
  expect(octets.length).toBe(50 * 10_800);
  expect(octets.every((octet, i) => octet === (i & 0xff))).toBe(true);
});

test.each([
  [['mqtt'], 'mqtt'],
  [['mqttv3.1'], 'mqttv3.1'],
  [['other', 'mqttv3.1', 'mqtt'], 'mqttv3.1'],
])('[MQTT5-6.0.0-4] offered %j: %s is chosen', async (offered, chosen) => {
  const { client } = await setUp();
  const c = await client('/mqtt', offered);
  expect(c.web.protocol).toBe(chosen);
});

test('[MQTT5-6.0.0-3] a client that offers no subprotocol of the path is refused, and told which there are', async () => {
  const { client, listener } = await setUp();
  for (const offered of [[], ['soap'], ['constructor']]) {
    const c = await client('/mqtt', offered);
    expect(c.refused).toEqual({
      status: 400,
      text: 'Sec-WebSocket-Protocol must offer one of: mqtt, mqttv3.1.\n',
    });
  }
  expect(listener.connections).toBe(0);
});

test('unknown paths are not found', async () => {
  const { client } = await setUp();
  expect((await client('/elsewhere')).refused?.status).toBe(404);
  expect((await client('/constructor')).refused?.status).toBe(404);
});

test('[MQTT5-6.0.0-1] a text frame closes the connection', async () => {
  const { client, counters } = await setUp();
  const c = await client();
  c.web.send('echo text\n');
  expect(await c.text()).toBe('broken a text frame [MQTT5-6.0.0-1]\n');
  expect(await c.gone()).toBe(1002);
  expect(counters.broken).toBe(1);
});

test('whole messages: text or binary as the protocol says, one frame each', async () => {
  const { client, texts } = await setUp();
  const named = await client('/hub', ['waymeet.v1']);
  const unnamed = await client('/hub', []);
  const binary = await client('/hub', ['waymeet.bin']);
  for (const [c, isBinary] of [
    [named, false],
    [unnamed, false],
    [binary, true],
  ] as const) {
    c.web.send('echo one\necho two\n');
    expect(await c.next()).toEqual({ octets: Buffer.from('one\n'), binary: isBinary });
    expect(await c.next()).toEqual({ octets: Buffer.from('two\n'), binary: isBinary });
  }
  named.web.send('end\n');
  expect(await named.text()).toBe('bye\n');
  expect(await named.gone()).toBe(1000);
  await until(() => texts.peers[0]!.lost_ === 1, 'lost');
});

test('pages of the own host and of listed origins may connect, others may not', async () => {
  const own = await setUp();
  expect(
    (await own.client('/mqtt', ['mqtt'], { origin: `http://127.0.0.1:${own.port}` })).refused,
  ).toBeUndefined();
  const foreign = await own.client('/mqtt', ['mqtt'], { origin: 'https://evil.example' });
  expect(foreign.refused?.status).toBe(403);
  expect((await own.client('/mqtt', ['mqtt'], { origin: 'null' })).refused?.status).toBe(403);
  const listed = await setUp({ origins: ['https://app.example'] });
  expect((await listed.client('/mqtt', ['mqtt'], { origin: 'https://app.example' })).refused).toBeUndefined();
  expect((await listed.client('/mqtt', ['mqtt'], { origin: 'https://evil.example' })).refused?.status).toBe(
    403,
  );
  const itself = { origin: `http://127.0.0.1:${listed.port}` };
  expect((await listed.client('/mqtt', ['mqtt'], itself)).refused).toBeUndefined();
  // A name that points here now: whose page it is, nobody knows.
  const rebound = { origin: 'http://evil.example', headers: { host: 'evil.example' } };
  const local = await setUp({ localOnly: true, origins: ['http://hub.example'] });
  expect((await local.client('/mqtt', ['mqtt'], rebound)).refused?.status).toBe(403);
  const named = { origin: 'http://hub.example', headers: { host: 'hub.example' } };
  expect((await local.client('/mqtt', ['mqtt'], named)).refused).toBeUndefined();
  expect((await local.client('/mqtt')).refused).toBeUndefined();
  const all = await setUp({ origins: ['*'] });
  expect((await all.client('/mqtt', ['mqtt'], { origin: 'https://evil.example' })).refused).toBeUndefined();
});

test('a slow reader: the wire fills, drains, and nothing is lost', async () => {
  const { client, lines } = await setUp({ highWaterBytes: 200_000 });
  const c = await client();
  c.web.pause();
  c.say('fill 16000000\n');
  await until(() => lines.peers.length === 1 && lines.peers[0]!.wire.full, 'a full wire');
  expect(lines.peers[0]!.mostUnsent).toBeLessThanOrEqual(210_000);
  c.web.resume();
  let octets = 0;
  while (octets < 16_000_000) {
    for (const octet of (await c.next()).octets)
      if (octet !== (octets++ & 0xff)) throw new Error(`octet ${octets - 1}`);
  }
  expect(octets).toBe(16_000_000);
  expect(lines.peers[0]!.mostUnsent).toBeLessThanOrEqual(210_000);
});

test('a message larger than a packet may be closes with 1009', async () => {
  const { client, counters, lines } = await setUp({ maxPacketBytes: 1_000 });
  const c = await client();
  c.web.send(Buffer.alloc(70_000));
  expect(await c.gone()).toBe(1009);
  await until(() => lines.peers[0]!.lost_ === 1, 'lost');
  expect(counters.broken).toBe(1);
});

test('end closes with 1000 after what was written; a defect cuts off', async () => {
  const { client, counters } = await setUp();
  const [ending, bug] = [await client(), await client()];
  ending.say('end\n');
  expect(await ending.text()).toBe('bye\n');
  expect(await ending.gone()).toBe(1000);
  bug.say('bug\n');
  expect(await bug.gone()).toBe(1006);
  await until(() => counters.connections === 0, 'both to be gone');
  expect(counters.faults).toBe(1);
});

test('who answers no ping is closed, who does stays', async () => {
  const { client, lines } = await setUp({ pingMs: 30 });
  const [dead, alive] = [await client('/mqtt', ['mqtt'], { autoPong: false }), await client()];
  await dead.gone();
  await until(() => alive.pings > 2, 'pings');
  expect(alive.closed).toBeUndefined();
  await until(() => lines.peers[0]!.lost_ === 1, 'lost');
  expect(lines.peers[0]!.blamedFor).toBe('idle');
});

test('limits hold here too', async () => {
  const { client, counters } = await setUp({ maxConnectionsPerAddress: 1 });
  await client();
  const second = await client();
  expect(second.refused?.status).toBe(503);
  expect(counters.refused).toBe(1);
});

test('behind a proxy the last forwarded address is the client, if the listener says so', async () => {
  const headers = { 'x-forwarded-for': 'forged, 192.0.2.9' };
  for (const [trustForwardedFor, address] of [
    [true, '192.0.2.9'],
    [false, '127.0.0.1'],
  ] as const) {
    const { client } = await setUp({ trustForwardedFor });
    const c = await client('/mqtt', ['mqtt'], { headers });
    c.say('who\n');
    expect(JSON.parse(await c.text()).remote.split(':')[0]).toBe(address);
  }
});

test('over TLS: secure, with the client certificate as identity', async () => {
  const own = authority.issue('localhost');
  const device = authority.issue('device-3');
  const server = createHttpsServer({ ...own, requestCert: true });
  const { client, listener } = await setUp({}, server);
  expect(listener.address).toMatch(/^wss:/);
  const c = await client('/mqtt', ['mqtt'], {
    ...device,
    servername: 'localhost',
    checkServerIdentity: () => undefined as never,
  } as ClientOptions);
  c.say('who\n');
  expect(JSON.parse(await c.text())).toMatchObject({
    secure: true,
    identity: { certificate: { commonName: 'device-3' }, serverName: 'localhost' },
  });
});
