// The `waymeet.v1` tower over a whole hub: connecting, publishing, subscribing, acknowledging, endings.

import { describe, expect, test } from 'vitest';
import { type Broker, type BrokerOptions, OPEN, type RawClient, startBroker } from '../../../test/network.ts';
import { decodeCbor, encodeCbor } from '../../bytes/cbor.ts';
import { waymeetJson } from './protocol.ts';

class Client {
  readonly raw: RawClient;

  constructor(broker: Broker, connect: object | null = {}) {
    this.raw = broker.connect({ protocol: 'waymeet.v1' });
    if (connect !== null) this.say({ type: 'connect', ...connect });
  }

  say(frame: object): void {
    this.raw.send(new TextEncoder().encode(JSON.stringify(frame)));
  }

  heard(): Record<string, unknown>[] {
    return this.raw.takeEach().map((m) => JSON.parse(Buffer.from(m).toString()));
  }
}

async function start(options: BrokerOptions = {}): Promise<Broker> {
  return startBroker({ protocols: [waymeetJson()], ...options });
}

async function connected(broker: Broker, connect: object = {}): Promise<Client> {
  const c = new Client(broker, connect);
  await broker.clock.run();
  expect(c.heard()).toMatchObject([{ type: 'connected' }]);
  return c;
}

describe('a session', () => {
  test('connect, subscribe, publish, ping', async () => {
    const broker = await start();
    const c = new Client(broker, { client: 'me' });
    c.say({ type: 'subscribe', filter: 'a/+', qos: 1, id: 1 });
    c.say({ type: 'publish', topic: 'a/b', payload: 'hi', qos: 1, id: 2, contentType: 'text/plain' });
    c.say({ type: 'ping' });
    await broker.clock.run();
    const heard = c.heard();
    expect(heard[0]).toEqual({
      type: 'connected',
      client: 'me',
      resumed: false,
      window: 1_024,
      maxBytes: 16_777_216,
    });
    expect(heard.toSorted((x, y) => (String(x.type) < String(y.type) ? -1 : 1))).toEqual([
      heard[0],
      {
        type: 'message',
        topic: 'a/b',
        payload: 'hi',
        contentType: 'text/plain',
        qos: 1,
        retain: false,
        ack: 1,
      },
      { type: 'pong' },
      { type: 'published', id: 2 },
      { type: 'subscribed', filter: 'a/+', qos: 1, id: 1 },
    ]);
  });

  test('the hub assigns a client id', async () => {
    const broker = await start();
    const c = new Client(broker);
    await broker.clock.run();
    expect(c.heard()).toMatchObject([
      { type: 'connected', client: expect.stringMatching(/^wm-/), resumed: false },
    ]);
  });

  test('retained messages follow subscribed; an empty one clears', async () => {
    const broker = await start();
    const c = await connected(broker);
    c.say({ type: 'publish', topic: 'a', payloadBase64: '/wA=', retain: true });
    c.say({ type: 'subscribe', filter: '#', id: 1 });
    await broker.clock.run();
    expect(c.heard()).toEqual([
      { type: 'subscribed', filter: '#', qos: 0, id: 1 },
      { type: 'message', topic: 'a', payloadBase64: '/wA=', qos: 0, retain: true },
    ]);
    c.say({ type: 'publish', topic: 'a', retain: true });
    c.say({ type: 'unsubscribe', filter: '#', id: 2 });
    c.say({ type: 'subscribe', filter: '#', id: 3 });
    await broker.clock.run();
    expect(c.heard().map((f) => f.type)).toEqual(['message', 'unsubscribed', 'subscribed']);
  });

  test('noLocal; unsubscribing ends it', async () => {
    const broker = await start();
    const c = await connected(broker);
    const other = await connected(broker);
    c.say({ type: 'subscribe', filter: 'a', noLocal: true, id: 1 });
    await broker.clock.run();
    c.say({ type: 'publish', topic: 'a', payload: 'mine' });
    other.say({ type: 'publish', topic: 'a', payload: 'yours' });
    await broker.clock.run();
    expect(c.heard().map((f) => f.payload)).toEqual([undefined, 'yours']);
    c.say({ type: 'unsubscribe', filter: 'a', id: 2 });
    await broker.clock.run();
    other.say({ type: 'publish', topic: 'a', payload: 'late' });
    await broker.clock.run();
    expect(c.heard()).toEqual([{ type: 'unsubscribed', filter: 'a', id: 2 }]);
  });

  test('unacknowledged messages wait in a window, and come again to a session that is kept', async () => {
    const broker = await start({ limits: { inflight: 2 } });
    const c = await connected(broker, { client: 'c', keepMs: 60_000 });
    c.say({ type: 'subscribe', filter: 'a', qos: 1 });
    for (const payload of ['1', '2', '3']) c.say({ type: 'publish', topic: 'a', payload, qos: 1 });
    await broker.clock.run();
    const messages = c.heard().filter((f) => f.type === 'message');
    expect(messages.map((f) => f.payload)).toEqual(['1', '2']);
    c.say({ type: 'ack', id: messages[0]!.ack });
    await broker.clock.run();
    expect(c.heard().map((f) => f.payload)).toEqual(['3']);
    c.raw.cut();
    await broker.clock.run();
    const again = new Client(broker, { client: 'c', keepMs: 60_000 });
    await broker.clock.run();
    expect(again.heard().map((f) => [f.type, f.resumed, f.payload, f.again])).toEqual([
      ['connected', true, undefined, undefined],
      ['message', undefined, '2', true],
      ['message', undefined, '3', true],
    ]);
  });

  test('acknowledged means kept: published leaves after the commit, and survives a crash', async () => {
    const broker = await start({ commitMs: 50 });
    const c = new Client(broker, { client: 'c' });
    await broker.clock.advance(200);
    c.heard();
    c.say({ type: 'publish', topic: 'a', payload: 'kept', retain: true, qos: 1, id: 1 });
    await broker.clock.advance(40);
    expect(c.heard()).toEqual([]);
    await broker.clock.advance(40);
    expect(c.heard()).toEqual([{ type: 'published', id: 1, unmatched: true }]);
    await broker.crash();
    expect(c.raw.closed).toBe(true);
    const later = await connected(broker);
    later.say({ type: 'subscribe', filter: 'a' });
    await broker.clock.run();
    expect(later.heard()).toMatchObject([{ type: 'subscribed' }, { payload: 'kept', retain: true }]);
  });

  test('a will is published when the connection is lost, not after goodbye', async () => {
    const broker = await start();
    const watcher = await connected(broker);
    watcher.say({ type: 'subscribe', filter: 'will' });
    for (const [client, goodbye] of [
      ['polite', true],
      ['rude', false],
    ] as const) {
      const c = await connected(broker, { client, will: { topic: 'will', payload: client } });
      if (goodbye) c.say({ type: 'disconnect' });
      else c.raw.cut();
      await broker.clock.run();
    }
    expect(watcher.heard().slice(1)).toMatchObject([{ type: 'message', payload: 'rude' }]);
  });
});

describe('exactly once', () => {
  test('a publish that comes again, also in a later connection, is published once', async () => {
    const broker = await start();
    const watcher = await connected(broker);
    watcher.say({ type: 'subscribe', filter: 'a', qos: 2 });
    const c = await connected(broker, { client: 'c', keepMs: 60_000 });
    const publish = { type: 'publish', topic: 'a', payload: 'once', qos: 2, id: 7 };
    c.say(publish);
    c.say(publish);
    await broker.clock.run();
    expect(c.heard()).toEqual([
      { type: 'received', id: 7 },
      { type: 'received', id: 7 },
    ]);
    c.raw.cut();
    await broker.crash();
    const again = await connected(broker, { client: 'c', keepMs: 60_000 });
    again.say(publish);
    again.say({ type: 'release', id: 7 });
    again.say({ type: 'release', id: 7 });
    await broker.clock.run();
    expect(again.heard().map((f) => [f.type, f.id])).toEqual([
      ['received', 7],
      ['published', 7],
      ['published', 7],
    ]);
    expect(watcher.heard().filter((f) => f.type === 'message')).toMatchObject([{ payload: 'once', qos: 2 }]);
    again.say({ ...publish, payload: 'twice' }); // the number is free
    await broker.clock.run();
    expect(again.heard()).toEqual([{ type: 'received', id: 7 }]);
  });

  test('a delivery comes again under its number until it is received, then only its release', async () => {
    const broker = await start();
    const session = { client: 'c', keepMs: 60_000 };
    const c = await connected(broker, session);
    c.say({ type: 'subscribe', filter: 'a', qos: 2 });
    c.say({ type: 'publish', topic: 'a', payload: 'x', qos: 2, id: 1 });
    await broker.clock.run();
    const [first] = c.heard().filter((f) => f.type === 'message');
    c.raw.cut();
    await broker.clock.run();

    const second = new Client(broker, session);
    await broker.clock.run();
    expect(second.heard().slice(1)).toMatchObject([{ payload: 'x', qos: 2, ack: first!.ack, again: true }]);
    second.say({ type: 'received', id: first!.ack });
    await broker.clock.run();
    expect(second.heard()).toEqual([{ type: 'release', id: first!.ack }]);
    second.raw.cut();
    await broker.crash();

    const third = new Client(broker, session);
    await broker.clock.run();
    expect(third.heard().slice(1)).toEqual([{ type: 'release', id: first!.ack }]);
    third.say({ type: 'ack', id: first!.ack });
    await broker.clock.run();
    third.raw.cut();
    await broker.clock.run();
    const fourth = new Client(broker, session);
    await broker.clock.run();
    expect(fourth.heard()).toHaveLength(1);
  });

  test('more than the window without release are refused, and the connection goes on', async () => {
    const broker = await start({ limits: { receiveMaximum: 2 } });
    const c = await connected(broker);
    for (const id of [1, 2, 3]) c.say({ type: 'publish', topic: 'a', qos: 2, id });
    await broker.clock.run();
    expect(c.heard()).toMatchObject([
      { type: 'received', id: 1 },
      { type: 'received', id: 2 },
      { type: 'error', code: 'quota-exceeded', id: 3 },
    ]);
  });
});

describe('requests', () => {
  async function responder(broker: Broker): Promise<Client> {
    const c = await connected(broker, { client: 'lamp' });
    c.say({ type: 'subscribe', filter: 'lamp' });
    await broker.clock.run();
    c.heard();
    return c;
  }

  test('the first answer is the response', async () => {
    const broker = await start();
    const lamp = await responder(broker);
    const c = await connected(broker, { client: 'a/b#+' });
    c.say({ type: 'request', id: 5, topic: 'lamp', payload: 'on?', correlation: { base64: 'AAE=' } });
    await broker.clock.run();
    const [asked] = lamp.heard();
    expect(asked).toMatchObject({ payload: 'on?', correlation: { base64: 'AAE=' } });
    for (const payload of ['yes', 'still'])
      lamp.say({ type: 'publish', topic: asked!.responseTopic, payload, contentType: 'text/plain' });
    await broker.clock.run();
    expect(c.heard()).toEqual([{ type: 'response', id: 5, payload: 'yes', contentType: 'text/plain' }]);
  });

  test('nobody answers in time; nobody is there; no topic', async () => {
    const broker = await start();
    await responder(broker);
    const c = await connected(broker, { keepAliveMs: 60_000 });
    c.say({ type: 'request', id: 1, topic: 'lamp', timeoutMs: 500 });
    c.say({ type: 'request', id: 2, topic: 'lamp', timeoutMs: 900 });
    c.say({ type: 'request', id: 3, topic: 'nobody' });
    c.say({ type: 'request', id: 4, topic: 'a/#' });
    await broker.clock.advance(499);
    expect(c.heard().map((f) => [f.id, f.code])).toEqual([
      [3, 'unmatched'],
      [4, 'topic-invalid'],
    ]);
    await broker.clock.advance(2);
    expect(c.heard().map((f) => [f.id, f.code])).toEqual([[1, 'timeout']]);
    await broker.clock.advance(400);
    expect(c.heard().map((f) => [f.id, f.code])).toEqual([[2, 'timeout']]);
  });
});

describe('CBOR', () => {
  test('a client that begins in CBOR is answered in CBOR, payloads as they are', async () => {
    const broker = await start();
    const raw = broker.connect({ protocol: 'waymeet.v1' });
    const say = (frame: object) => raw.send(encodeCbor(frame));
    const heard = () => raw.takeEach().map((m) => Object.fromEntries(decodeCbor(m) as Map<string, unknown>));
    say({ type: 'connect', client: 'c', password: Uint8Array.of(0xff) });
    say({ type: 'subscribe', filter: 'a', qos: 1, id: 1 });
    await broker.clock.run();
    expect(heard().map((f) => f.type)).toEqual(['connected', 'subscribed']);
    for (const payload of [Uint8Array.of(0xff, 0), 'text'])
      say({ type: 'publish', topic: 'a', payload, qos: 1, correlation: Uint8Array.of(1) });
    await broker.clock.run();
    const common = { type: 'message', topic: 'a', correlation: Uint8Array.of(1), qos: 1, retain: false };
    expect(heard()).toEqual([
      { ...common, payload: Uint8Array.of(0xff, 0), ack: expect.any(Number) },
      { ...common, payload: 'text', ack: expect.any(Number) },
    ]);
    say({ type: 'ack', id: 99 });
    raw.send('a1 00');
    await broker.clock.run();
    expect(heard()).toMatchObject([{ code: 'unknown-ack' }, { code: 'protocol-error' }]);
  });
});

test('a work queue: taken, given back, refused', async () => {
  const broker = await start();
  const c = await connected(broker);
  c.say({ type: 'publish', topic: '$queue/jobs', payload: 'job', qos: 1, id: 1 });
  c.say({ type: 'subscribe', filter: '$queue/jobs', qos: 1 });
  await broker.clock.run();
  for (const requeue of [true, true, false]) {
    const [job] = c.heard().filter((f) => f.type === 'message');
    expect(job).toMatchObject({ payload: 'job' });
    c.say({ type: 'reject', id: job!.ack, requeue });
    await broker.clock.run();
  }
  expect(c.heard()).toEqual([]);
});

test('which retained messages come first is the subscriber to say', async () => {
  const broker = await start();
  const c = await connected(broker);
  c.say({ type: 'publish', topic: 'a', payload: 'kept', retain: true });
  for (const retained of ['none', 'new', 'all', 'new']) c.say({ type: 'subscribe', filter: 'a', retained });
  await broker.clock.run();
  expect(c.heard().filter((f) => f.type === 'message')).toHaveLength(1);
});

test('a client that publishes far beyond its window is not read until the commits are through', async () => {
  const broker = await start({ commitMs: 50, limits: { receiveMaximum: 4 } });
  const c = new Client(broker, { client: 'c', keepMs: 60_000 });
  await broker.clock.advance(500);
  c.heard();
  for (let id = 1; id <= 40; id++)
    c.say({ type: 'publish', topic: 'a', payload: 'x', qos: 1, retain: true, id });
  await broker.clock.advance(60);
  const early = c.heard().length;
  expect(early).toBeLessThan(12);
  await broker.clock.advance(2_000);
  expect(early + c.heard().length).toBe(40);
});

describe('refusals', () => {
  const ERRORS: readonly [name: string, frame: object, code: string][] = [
    ['a wildcard to publish to', { type: 'publish', topic: 'a/#', id: 4 }, 'topic-invalid'],
    ['a filter that is none', { type: 'subscribe', filter: 'a/#/b', id: 4 }, 'filter-invalid'],
    ['an unknown subscription', { type: 'unsubscribe', filter: 'x', id: 4 }, 'no-subscription'],
    ['an unknown ack', { type: 'ack', id: 4 }, 'unknown-ack'],
    ['a topic of the hub', { type: 'publish', topic: '$SYS/x', id: 4 }, 'not-authorized'],
  ];
  test.each(ERRORS)('%s is an error frame, and the connection goes on', async (_name, frame, code) => {
    const broker = await start();
    const c = await connected(broker);
    c.say(frame);
    c.say({ type: 'ping' });
    await broker.clock.run();
    expect(c.heard()).toEqual([{ type: 'error', code, reason: expect.any(String), id: 4 }, { type: 'pong' }]);
  });

  const BROKEN: readonly [name: string, frames: readonly object[]][] = [
    ['no connect', [{ type: 'ping' }]],
    ['exactly once without a number', [{ type: 'connect' }, { type: 'publish', topic: 'a', qos: 2 }]],
    ['connect twice', [{ type: 'connect' }, { type: 'connect' }]],
    ['an unknown field', [{ type: 'connect', cleint: 'x' }]],
  ];
  test.each(BROKEN)('%s is told and ends the connection', async (_name, frames) => {
    const broker = await start();
    const c = new Client(broker, null);
    for (const frame of frames) c.say(frame);
    await broker.clock.run();
    expect(c.heard().at(-1)).toMatchObject({ type: 'error', code: 'protocol-error' });
    expect(c.raw.closed).toBe(true);
    expect(broker.hub.stats.clients).toBe(0);
  });

  test('a frame over the limit', async () => {
    const broker = await start({ protocols: [waymeetJson({ maxFrameBytes: 60 })] });
    const c = await connected(broker);
    c.say({ type: 'publish', topic: 'a', payload: 'x'.repeat(60) });
    await broker.clock.run();
    expect(c.heard()).toMatchObject([{ code: 'protocol-error' }]);
    expect(c.raw.closed).toBe(true);
  });

  test('wrong credentials', async () => {
    const broker = await start({ auth: { ...OPEN, identify: () => Promise.resolve('bad-credentials') } });
    const c = new Client(broker, { username: 'u', password: 'p' });
    await broker.clock.run();
    expect(c.heard()).toMatchObject([{ type: 'error', code: 'bad-credentials' }]);
    expect(c.raw.closed).toBe(true);
  });

  test('silence: before the login, and longer than promised', async () => {
    const broker = await start();
    const mute = new Client(broker, null);
    const c = await connected(broker, { keepAliveMs: 20_000 });
    await broker.clock.advance(10_000);
    expect([mute.raw.closed, c.raw.closed]).toEqual([true, false]);
    c.say({ type: 'ping' });
    await broker.clock.advance(29_000);
    expect(c.raw.closed).toBe(false);
    await broker.clock.advance(2_000);
    expect(c.heard()).toMatchObject([{ type: 'pong' }, { type: 'error', code: 'idle' }]);
    expect(c.raw.closed).toBe(true);
  });

  test('the same client again takes over', async () => {
    const broker = await start();
    const first = await connected(broker, { client: 'c' });
    await connected(broker, { client: 'c' });
    expect(first.heard()).toMatchObject([{ type: 'error', code: 'taken-over' }]);
    expect([first.raw.closed, broker.hub.stats.clients]).toEqual([true, 1]);
  });

  test('a client that does not read holds up nobody else, and gets what waited', async () => {
    const broker = await start();
    const slow = await connected(broker);
    const quick = await connected(broker);
    for (const c of [slow, quick]) c.say({ type: 'subscribe', filter: 'a', qos: 1 });
    await broker.clock.run();
    quick.heard();
    slow.heard();
    slow.raw.stall(true);
    const publisher = await connected(broker);
    for (let i = 0; i < 40; i++)
      publisher.say({ type: 'publish', topic: 'a', payload: `${i} ${'x'.repeat(20_000)}` });
    await broker.clock.run();
    expect([quick.heard().length, slow.heard().length]).toEqual([40, 0]);
    slow.raw.stall(false);
    await broker.clock.run();
    expect(slow.heard().map((f) => Number.parseInt(String(f.payload), 10))).toEqual(
      Array.from({ length: 40 }, (_, i) => i),
    );
  });
});
