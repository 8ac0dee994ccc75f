// The `waymeet.v1` tower over a whole hub: connecting, publishing, subscribing, acknowledging, endings.

import { describe, expect, test } from 'vitest';
import { type Broker, type BrokerOptions, OPEN, type RawClient, startBroker } from '../../../test/network.ts';
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
    expect(heard[0]).toEqual({ type: 'connected', client: 'me', resumed: false });
    expect(heard.toSorted((x, y) => (String(x.type) < String(y.type) ? -1 : 1))).toEqual([
      { type: 'connected', client: 'me', resumed: false },
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
    expect(c.heard()).toEqual([{ type: 'connected', client: expect.stringMatching(/^wm-/), resumed: false }]);
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
    expect(c.heard()).toEqual([{ type: 'published', id: 1 }]);
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
