// The test broker itself: what a crash keeps and loses, a store that fails, and a run that repeats.

import { expect, test } from 'vitest';
import { MemoryStore } from '../src/store/memory.ts';
import { PROTOCOLS } from './interop/speakers.ts';
import { startBroker } from './network.ts';

const say = (frame: object): Uint8Array => new TextEncoder().encode(JSON.stringify(frame));

test.each([
  ['before the commit: gone', 99, []],
  ['after it: kept', 101, ['31']],
] as const)('a crash %s', async (_name, ms, payloads) => {
  const broker = await startBroker({ commitMs: 100 });
  const client = broker.connect({ protocol: 'waymeet.v1' });
  client.send(say({ type: 'connect' }));
  client.send(say({ type: 'publish', topic: 'a', payload: '1', retain: true }));
  await broker.clock.advance(ms);
  expect(client.closed).toBe(false);
  await broker.crash();
  expect(client.closed).toBe(true);
  await broker.clock.advance(1_000);
  const reader = await PROTOCOLS['mqtt 5']!.open(broker, 'reader');
  await reader.subscribe('a', 0);
  expect((await reader.heard()).map((h) => h.payload)).toEqual(payloads);
});

test('a store that fails: nothing is acknowledged, and the run ends with its error', async () => {
  const store = new MemoryStore();
  const broker = await startBroker({ store });
  const client = broker.connect({ protocol: 'waymeet.v1' });
  client.send(say({ type: 'connect' }));
  await broker.clock.run();
  client.take();
  store.failNext(new Error('disk full'));
  client.send(say({ type: 'publish', id: 1, topic: 'a', payload: '1', retain: true }));
  await expect(broker.clock.run()).rejects.toThrow('disk full');
  expect(client.take()).toHaveLength(0);
});

test('the same seed gives the same run', async () => {
  const run = async (seed: number): Promise<string> => {
    const broker = await startBroker({ seed, link: { jitterMs: 30, loss: 0.2, chunk: 3 } });
    const client = broker.connect({ protocol: 'coap' });
    // NON GET /t/a, twenty times: some are lost, and the answers come in some order.
    for (let i = 0; i < 20; i++) client.send(`50 01 00 ${(i + 16).toString(16)} b1 74 01 61`);
    await broker.clock.advance(1_000);
    return client
      .takeEach()
      .map((m) => m[3])
      .join(' ');
  };
  expect(await run(1)).toBe(await run(1));
  expect(await run(1)).not.toBe(await run(2));
});
