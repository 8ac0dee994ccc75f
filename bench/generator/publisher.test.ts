// Credit: never more under way than the window, nothing sent again before it has arrived everywhere and is acknowledged.

import { expect, test } from 'vitest';
import { publishRing, type Qos, readU32 } from './frames.ts';
import { Ledger } from './ledger.ts';
import { Publisher } from './publisher.ts';

const WINDOW = 8;
const SLOTS = 16;
const BATCH = 2;

function newPublisher(qos: Qos, receivers: number) {
  const sent: number[] = [];
  const writes: number[] = [];
  const ledger = new Ledger(1, receivers, BATCH - 1, undefined);
  const ring = publishRing({
    level: 4,
    publisher: 0,
    qos,
    slots: SLOTS,
    payloadBytes: 16,
    topics: ['a'],
    retainEvery: 0,
  });
  const sink = {
    write(bytes: Uint8Array, from: number, to: number): boolean {
      writes.push((to - from) / ring.frameBytes);
      for (let at = from; at < to; at += ring.frameBytes) sent.push(readU32(bytes, at + ring.payloadAt + 4));
      return true;
    },
  };
  const shape = { id: 0, qos, window: WINDOW, batch: BATCH, receivers, timed: false };
  const publisher = new Publisher(shape, ring, ledger, sink);
  ledger.publishers.push(publisher);
  for (let r = 0; r < receivers; r++) ledger.expect(r, 0);
  const arrive = (receiver: number, from: number, to: number) => {
    for (let s = from; s < to; s++) ledger.arrived(receiver, 0, s);
    ledger.pumpReady();
  };
  return { publisher, ledger, sent, writes, arrive };
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test('QoS 0: a batch that arrived makes room for a batch, in sequence, around the ring', () => {
  const { publisher, sent, writes, arrive } = newPublisher(0, 1);
  publisher.start();
  expect(sent).toEqual(upTo(8));
  arrive(0, 0, 1);
  expect(sent.length).toBe(8);
  arrive(0, 1, 6);
  expect(sent).toEqual(upTo(14));
  arrive(0, 6, 14);
  expect(sent).toEqual(upTo(22));
  expect(writes).toEqual([8, 6, 2, 6]); // the ring of 16 ends within the last credit
});

test('the slowest receiver holds the window', () => {
  const { publisher, sent, arrive } = newPublisher(0, 2);
  publisher.start();
  arrive(0, 0, 8);
  expect(sent.length).toBe(8);
  arrive(1, 0, 2);
  expect(sent.length).toBe(10);
});

test('QoS 1: arrived is not enough, every message is acknowledged too, in whatever order', () => {
  const { publisher, ledger, sent, arrive } = newPublisher(1, 1);
  publisher.start();
  arrive(0, 0, 8);
  publisher.puback(2);
  ledger.pumpReady();
  expect(sent.length).toBe(8);
  publisher.puback(1);
  ledger.pumpReady();
  expect(sent.length).toBe(10);
});

test.each<[string, Qos, (p: Publisher) => unknown]>([
  ['PUBACK twice', 1, (p) => [p.puback(1), p.puback(1)]],
  ['PUBACK at QoS 2', 2, (p) => p.puback(1)],
  ['PUBCOMP before PUBREC', 2, (p) => p.pubcomp(1)],
  ['PUBREC twice', 2, (p) => [p.pubrec(1), p.pubrec(1)]],
  ['packet id 0', 1, (p) => p.puback(0)],
  ['a packet id that was not used', 1, (p) => p.puback(9)],
  ['a packet id beyond the ring', 1, (p) => p.puback(17)],
])('%s is an error', (_name, qos, act) => {
  const { publisher, ledger } = newPublisher(qos, 1);
  publisher.start();
  act(publisher);
  expect(ledger.failure).toMatch(/does not await one/);
});

test('a limit ends it, and it is idle when all of that has arrived', () => {
  const { publisher, sent, arrive } = newPublisher(0, 1);
  publisher.start(12);
  arrive(0, 0, 8);
  expect(sent).toEqual(upTo(12));
  expect(publisher.idle).toBe(false);
  arrive(0, 8, 12);
  expect(publisher.idle).toBe(true);
  expect(sent.length).toBe(12);
});
