// Packet ids in flight: order, wrap-around, and the law that a plain map is no better.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Settler } from '../../contract/mailbox.ts';
import { Flight, RELEASED, SENT_ONCE, SENT_TWICE } from './flight.ts';

const BOX: Settler = { settle: () => {}, release: () => {} };

test('the oldest is found first, and its end frees the acknowledged ones behind it', () => {
  const flight = new Flight(32_768);
  for (const id of [32_768, 32_769, 32_770]) flight.append(id, SENT_ONCE);
  expect(flight.find(32_769)).toBe(1);
  flight.finish(1);
  expect([flight.live, flight.places, flight.span]).toEqual([2, 3, 2]);
  expect(flight.find(32_769)).toBe(-1);
  flight.finish(0);
  expect([flight.live, flight.places, flight.span]).toEqual([1, 1, 0]);
  expect(flight.find(32_770)).toBe(0);
});

test('ids wrap around', () => {
  const flight = new Flight(32_767);
  for (const id of [32_766, 32_767, 1, 2]) flight.append(id, SENT_TWICE);
  expect([32_766, 32_767, 1, 2, 3].map((id) => flight.find(id))).toEqual([0, 1, 2, 3, -1]);
  expect(flight.span).toBe(3);
});

test('what is delivered again takes its place before what was released', () => {
  const flight = new Flight(32_767);
  flight.add(11, RELEASED, BOX, 10);
  flight.add(14, RELEASED, BOX, 13);
  flight.add(9, SENT_ONCE, BOX, 8);
  flight.add(12, SENT_TWICE, BOX, 11);
  flight.add(15, SENT_ONCE, BOX, 14);
  expect([9, 11, 12, 14, 15].map((id) => flight.find(id))).toEqual([0, 1, 2, 3, 4]);
  expect([0, 1, 2, 3, 4].map((at) => flight.settleAt(at))).toEqual([8, 10, 11, 13, 14]);
  expect([0, 1, 2, 3, 4].map((at) => flight.stateAt(at))).toEqual([
    SENT_ONCE,
    RELEASED,
    SENT_TWICE,
    RELEASED,
    SENT_ONCE,
  ]);
});

test('law: it answers as a plain map does, whatever the order of acknowledgements', () => {
  const step = fc.record({ add: fc.boolean(), skip: fc.integer({ min: 1, max: 5 }), pick: fc.nat() });
  const run = fc.property(
    fc.constantFrom(32_767, 32_768),
    fc.nat(70_000),
    fc.array(step, { maxLength: 400 }),
    (modulus, from, steps) => {
      const flight = new Flight(modulus);
      const model = new Map<number, number>(); // id → number
      let number = from;
      for (const { add, skip, pick } of steps) {
        if (add || model.size === 0) {
          number += skip;
          const id = 1 + (number % modulus);
          model.set(id, number);
          flight.add(id, SENT_ONCE, BOX, number);
        } else {
          const ids = [...model.keys()];
          // Mostly the oldest, as clients do.
          const id = ids[pick % 3 === 0 ? pick % ids.length : 0]!;
          const at = flight.find(id);
          expect(flight.settleAt(at)).toBe(model.get(id));
          flight.finish(at);
          model.delete(id);
          expect(flight.find(id)).toBe(-1);
        }
        expect(flight.live).toBe(model.size);
      }
    },
  );
  fc.assert(run, { seed: Number(process.env.FUZZ_SEED ?? 1), numRuns: Number(process.env.FUZZ_RUNS ?? 50) });
});
