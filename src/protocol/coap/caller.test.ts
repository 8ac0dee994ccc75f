// The calling side against the hub's own, over good and bad networks.

import { describe, expect, test } from 'vitest';
import { type Broker, startBroker } from '../../../test/network.ts';
import { seeded } from '../../transport/virtual-clock.ts';
import type { Call } from './call.ts';
import { CoapCaller } from './caller.ts';
import { CODE, codeText } from './packet.ts';

const utf8 = new TextEncoder();
const text = (length: number): string =>
  Array.from({ length }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');

const FRAMING: Readonly<Record<string, 'datagram' | 'stream' | 'message'>> = {
  coap: 'datagram',
  'coap+tcp': 'stream',
  'coap+ws': 'message',
};

class Caller {
  readonly heard: string[] = [];
  private readonly client: CoapCaller;

  constructor(broker: Broker, protocol = 'coap', link = {}, remote = '127.0.0.1:50001') {
    const { wire } = broker.connect({ protocol, link, remote });
    const random = seeded(7);
    this.client = new CoapCaller(wire, {
      framing: FRAMING[protocol]!,
      random: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
      now: () => broker.clock.now,
      lost: () => this.heard.push('lost'),
    });
    wire.peer = this.client;
  }

  call(call: Omit<Call, 'path'> & { path: string }): () => void {
    return this.client.call(
      { ...call, path: call.path.split('/').slice(1) },
      {
        answer: ({ code, payload }) => this.heard.push(`${codeText(code)} ${Buffer.from(payload)}`.trimEnd()),
        failed: (why) => this.heard.push(why),
      },
    );
  }

  put(path: string, payload: string): void {
    this.call({ code: CODE.put, path, query: ['retain=1'], payload: utf8.encode(payload) });
  }

  get(path: string): void {
    this.call({ code: CODE.get, path });
  }

  take(): string[] {
    return this.heard.splice(0);
  }
}

describe.each(Object.keys(FRAMING))('%s', (protocol) => {
  test.each([0, 10, 1_024, 1_025, 40_000, 300_000])('a body of %i octets goes and comes', async (length) => {
    const broker = await startBroker();
    const c = new Caller(broker, protocol);
    if (length > 0) {
      c.put('/t/a', text(length));
      await broker.clock.run();
      expect(c.take()).toEqual(['2.04']);
    }
    c.get('/t/a');
    await broker.clock.run();
    expect(c.take()).toEqual([length > 0 ? `2.05 ${text(length)}` : '4.04 no retained message']);
  });

  test('an observation: the value, then each notification, large ones too, until it is cancelled', async () => {
    const broker = await startBroker();
    const watcher = new Caller(broker, protocol);
    const c = new Caller(broker, protocol);
    const cancel = watcher.call({ code: CODE.get, path: '/t/a', observe: true });
    await broker.clock.run();
    for (const payload of ['1', text(3_000), '2']) {
      c.put('/t/a', payload);
      await broker.clock.run();
    }
    expect(watcher.take()).toEqual(['2.05', '2.05 1', `2.05 ${text(3_000)}`, '2.05 2']);
    cancel();
    c.put('/t/a', '3');
    await broker.clock.run();
    expect([watcher.take(), broker.hub.stats.subscriptions]).toEqual([[], 0]);
  });
});

test('[RFC9175-2.3] an Echo that is asked for is given', async () => {
  const broker = await startBroker();
  const near = new Caller(broker);
  near.put('/t/a', text(5_000));
  await broker.clock.run();
  const c = new Caller(broker, 'coap', {}, '192.0.2.1:5000');
  c.get('/t/a');
  await broker.clock.run();
  expect(c.take()).toEqual([`2.05 ${text(5_000)}`]);
});

test('over a network that loses a third: everything arrives, once', async () => {
  const broker = await startBroker({ seed: 3 });
  const c = new Caller(broker, 'coap', { loss: 0.33, delayMs: 30, jitterMs: 50 });
  for (let i = 0; i < 8; i++) {
    c.put(`/t/${i}`, text(3_000 + i));
    await broker.clock.advance(240_000);
    c.get(`/t/${i}`);
    await broker.clock.advance(240_000);
  }
  const whole = Array.from({ length: 8 }, (_, i) => ['2.04', `2.05 ${text(3_000 + i)}`]).flat();
  const heard = c.take();
  // A message that is lost five times in a row fails its call, and that is said.
  expect(heard.filter((line) => !whole.includes(line)).every((line) => line.startsWith('no a'))).toBe(true);
  expect(heard.length).toBe(16);
  expect(heard.filter((line) => whole.includes(line)).length).toBeGreaterThan(12);
});

test('nobody there: the call fails after its retransmissions', async () => {
  const broker = await startBroker();
  const c = new Caller(broker, 'coap', { loss: 1 });
  c.get('/t/a');
  await broker.clock.advance(100_000);
  expect(c.take()).toEqual(['no acknowledgement']);
});

test('a stream that ends fails what waits', async () => {
  const broker = await startBroker();
  const c = new Caller(broker, 'coap+tcp');
  c.call({ code: CODE.get, path: '/t/a', observe: true });
  await broker.clock.run();
  await broker.stop();
  await broker.clock.run();
  expect(c.take()).toEqual(['2.05', '5.03', 'lost']);
});
