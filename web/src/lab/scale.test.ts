// Axes: values and places are each other's inverse, and decades hold all values.

import { expect, test } from 'vitest';
import { decades, evenly, place, valueAt } from './scale.ts';

test.each([decades([3, 250, 41_000], String), evenly(-5, 20, [0, 10], String)])('there and back', (scale) => {
  for (const share of [0, 0.1, 0.5, 0.99, 1])
    expect(place(scale, valueAt(scale, share))).toBeCloseTo(share, 9);
});

test.each([
  [
    [3, 250],
    [1, 10, 100, 1_000],
  ],
  [[10], [10, 100]],
  [
    [0.02, 0.5],
    [0.01, 0.1, 1],
  ],
  [[], [1, 10, 100, 1_000]],
])('decades around %j', (values, ticks) => {
  const scale = decades(values, String);
  expect(scale.ticks.map((tick) => Number(tick.toPrecision(6)))).toEqual(ticks);
  for (const value of values) {
    expect(place(scale, value)).toBeGreaterThanOrEqual(0);
    expect(place(scale, value)).toBeLessThanOrEqual(1);
  }
});
