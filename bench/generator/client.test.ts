// A client sees the same messages however its octets are cut, and no damage to them escapes it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { announcedReceiveMaximum, Client } from './client.ts';
import { type Level, mark, publishRing } from './frames.ts';
import { Ledger } from './ledger.ts';
import { Publisher } from './publisher.ts';
import { HEADROOM } from './wire.ts';

const FRAMES = 8;

function frames(level: Level, payloadBytes: number): Uint8Array[] {
  const ring = publishRing({
    level,
    publisher: 0,
    qos: 0,
    slots: FRAMES,
    payloadBytes,
    topics: ['bench/a', 'bench/b'],
    retainEvery: 3,
  });
  return Array.from({ length: FRAMES }, (_, i) => {
    const from = i * ring.frameBytes;
    mark(ring.bytes, from + ring.payloadAt, payloadBytes, i);
    return ring.bytes.slice(from, from + ring.frameBytes);
  });
}

/** What a receiver makes of these octets, cut into chunks of these sizes, over and over. */
function receive(level: Level, octets: Uint8Array, sizes: readonly number[]): Ledger {
  const ledger = new Ledger(1, 1, FRAMES - 1, undefined);
  const ring = publishRing({
    level,
    publisher: 0,
    qos: 0,
    slots: FRAMES,
    payloadBytes: 12,
    topics: ['bench/a', 'bench/b'],
    retainEvery: 0,
  });
  const shape = { id: 0, qos: 0, window: FRAMES, batch: FRAMES, receivers: 1, timed: false } as const;
  ledger.publishers.push(new Publisher(shape, ring, ledger, { write: () => true }));
  ledger.expect(0, 0);
  const client = new Client('receiver', level, ledger, 0);
  let rest = new Uint8Array(0);
  for (let at = 0, turn = 0; at < octets.length && ledger.failure === undefined; turn++) {
    const size = sizes[turn % sizes.length]!;
    const chunk = new Uint8Array([...rest, ...octets.subarray(at, at + size)]);
    at += size;
    rest = chunk.slice(client.received(chunk, 0, chunk.length));
    expect(rest.length).toBeLessThanOrEqual(HEADROOM);
  }
  client.wire.end();
  return ledger;
}

const join = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

const levels = fc.constantFrom<Level>(4, 5);
const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 });

test('any chunking gives the same messages', () => {
  fc.assert(
    fc.property(levels, fc.integer({ min: 12, max: 400 }), cuts, (level, payloadBytes, sizes) => {
      const ledger = receive(level, join(frames(level, payloadBytes)), sizes);
      expect(ledger.failure).toBeUndefined();
      expect(ledger.delivered).toBe(FRAMES);
    }),
    { seed: 1, numRuns: 200 },
  );
});

test.each([32_000, 33_000, 64_000, 200_000])('a payload of %i octets, in pieces', (payloadBytes) => {
  const octets = join(frames(4, payloadBytes));
  for (const sizes of [[1000], [65_536], [4096, 1, 61_440], [262_144], [31, 70_001]]) {
    const ledger = receive(4, octets, sizes);
    expect(ledger.failure).toBeUndefined();
    expect(ledger.delivered).toBe(FRAMES);
  }
});

const damages: readonly (readonly [string, (all: Uint8Array[]) => void])[] = [
  ['a frame lost', (all) => all.splice(3, 1)],
  ['a frame twice', (all) => all.splice(3, 0, all[3]!)],
  ['two frames swapped', (all) => all.splice(3, 2, all[4]!, all[3]!)],
  [
    'the last octet changed',
    (all) => {
      all[3]![all[3]!.length - 1]! ^= 1;
    },
  ],
  [
    'the first topic changed',
    (all) => {
      // head | remaining length, 3 octets if long | topic length | topic
      all[0]![all[0]!.length > 1000 ? 7 : 5]! ^= 1;
    },
  ],
  [
    'DUP set',
    (all) => {
      all[3]![0]! |= 8;
    },
  ],
];

test.each(damages)('%s is an error, short or long', (_name, damage) => {
  for (const payloadBytes of [64, 64_000]) {
    for (const size of [1000, 262_144]) {
      const all = frames(4, payloadBytes);
      damage(all);
      expect(receive(4, join(all), [size]).failure).toBeDefined();
    }
  }
});

test.each([64_000, 5000])('a page of %i octets that is not its own is an error', (payloadBytes) => {
  for (const size of [1000, 262_144]) {
    const all = frames(4, payloadBytes);
    all[3]![all[3]!.length - payloadBytes + 4096]! ^= 1;
    expect(receive(4, join(all), [size]).failure).toMatch(/corrupt/);
  }
});

test.each([
  ['00', 65_535],
  ['03 21 00 14', 20],
  ['06 22 00 0a 21 01 00', 256],
  ['0a 12 00 02 61 62 29 01 21 00 05', 5],
  ['0c 26 00 01 6b 00 02 76 76 24 01 21 ff', 65_280],
])('receive maximum of CONNACK properties %s is %i', (hex, expected) => {
  const octets = Uint8Array.from(`${hex} 00`.split(' '), (octet) => Number.parseInt(octet, 16));
  expect(announcedReceiveMaximum(octets.subarray(0, 1 + octets[0]!))).toBe(expected);
});
