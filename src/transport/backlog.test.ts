// A stalled wire's backlog: the same octets in the same order, without the slabs.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox, type Span } from '../bytes/outbox.ts';
import { SlabPool } from '../bytes/slab.ts';
import { Backlog } from './backlog.ts';

function octetsOf(spans: readonly Span[]): Buffer {
  return Buffer.concat(spans.map((span) => span.bytes.subarray(span.start, span.end)));
}

test('octets and order stay, whatever the sizes', () => {
  const turns = fc.array(
    fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(4_095, 4_096, 9_000)), {
      maxLength: 6,
    }),
    {
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(turns, (lengths) => {
      const pool = new SlabPool();
      const [outbox, other, backlog] = [new Outbox(pool), new Outbox(pool), new Backlog()];
      let value = 0;
      const expected: Uint8Array[] = [];
      for (const turn of lengths) {
        for (const length of turn) {
          const octets = Uint8Array.from({ length }, () => value++);
          outbox.write(octets);
          expected.push(octets);
          // Somebody else's octets lie between, so that spans do not touch.
          other.write(Uint8Array.of(0xff));
        }
        backlog.add(outbox.take(), pool);
        other.clear();
      }
      const all = Buffer.concat(expected);
      expect(backlog.length).toBe(all.length);
      const spans = backlog.take();
      expect(octetsOf(spans).equals(all)).toBe(true);
      for (const span of spans)
        if (span.slab !== undefined) expect(span.end - span.start).toBeGreaterThanOrEqual(4_096);
      expect(backlog.length).toBe(0);
    }),
    { seed: 4, numRuns: 200 },
  );
});

test('small spans of many slabs hold no slab', () => {
  const pool = new SlabPool();
  const [outbox, backlog] = [new Outbox(pool), new Backlog()];
  const slabs = new Set<{ refs: number }>();
  for (let i = 0; i < 1_000; i++) {
    outbox.write(new Uint8Array(100));
    slabs.add(pool.current);
    pool.reserve(60_000);
    backlog.add(outbox.take(), pool);
  }
  expect([...slabs].every((slab) => slab.refs === 0)).toBe(true);
  const spans = backlog.take();
  // 100,000 octets in chunks of up to 64 kB.
  expect(spans.length).toBeLessThan(12);
});
