// Time in code: summed, once for calls within calls, and without what interrupted a call.

import { expect, test } from 'vitest';
import { Meter } from './meter.ts';

const metered = (...calls: number[]): number => {
  const meter = new Meter();
  for (const ms of calls) meter.took(ms);
  return meter.ms;
};

test.each([
  [[], 0],
  [[0.01], 0.01],
  [[0.01, 0.02, 0.03], 0.06],
  // 0.01 is between 2⁻⁷ and 2⁻⁶; an interrupted call counts as 2⁻² at most.
  [[0.01, 0.01, 0.01, 0.01, 100], 0.04 + 0.25],
  [[0.01, 0.01, 0.01, 0.2], 0.23],
] as const)('%j', (calls, ms) => expect(metered(...calls)).toBeCloseTo(ms, 9));

test('a call within a call is part of it', () => {
  const [nested, plain] = [new Meter(), new Meter()];
  nested.enter();
  nested.enter();
  nested.leave();
  expect(nested.ms).toBe(0);
  nested.leave();
  expect(nested.ms).toBeGreaterThan(0);
  plain.enter();
  plain.leave();
  expect(plain.ms).toBeGreaterThan(0);
});
