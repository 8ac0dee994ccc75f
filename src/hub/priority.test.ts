// Ranges of numbers: as a set of them, however they come, and back from the store.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Reader } from '../bytes/reader.ts';
import { Writer } from '../bytes/writer.ts';
import { Ranges } from './priority.ts';

test('law: ranges are a set of numbers', () => {
  const numbers = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 });
  fc.assert(
    fc.property(numbers, fc.integer({ min: 0, max: 32 }), (added, floor) => {
      const ranges = new Ranges();
      for (const n of added) ranges.add(n);
      ranges.forget(floor);
      const w = new Writer();
      ranges.write(w);
      const back = Ranges.read(new Reader(w.finish()));
      const wanted = new Set(added.filter((n) => n >= floor));
      for (let n = 0; n <= 32; n++)
        expect([n, ranges.has(n), back.has(n)]).toEqual([n, wanted.has(n), wanted.has(n)]);
    }),
    { seed: 1, numRuns: 200 },
  );
});
