// Sizes, times and suggestions, as tables.

import { expect, test } from 'vitest';
import { editDistance, suggest } from './suggest.ts';
import { parseDuration, parseSize } from './units.ts';

const SIZES: [unknown, number | undefined][] = [
  [512, 512],
  ['512', 512],
  ['64kB', 64_000],
  ['64 KiB', 65_536],
  ['1.5MB', 1_500_000],
  ['2gib', 2_147_483_648],
  ['-1', undefined],
  [-1, undefined],
  ['10 apples', undefined],
  ['', undefined],
  [true, undefined],
];
test.each(SIZES)('size %j', (text, octets) => expect(parseSize(text)).toBe(octets));

const TIMES: [unknown, number | undefined][] = [
  [10, 10_000],
  ['10', 10_000],
  ['250ms', 250],
  ['1.5h', 5_400_000],
  ['2w', 1_209_600_000],
  ['never', Number.POSITIVE_INFINITY],
  ['soon', undefined],
  [Number.NaN, undefined],
];
test.each(TIMES)('time %j', (text, ms) => expect(parseDuration(text)).toBe(ms));

test('edit distance counts a swap of neighbours once', () => {
  expect(editDistance('tpye', 'type')).toBe(1);
  expect(editDistance('kitten', 'sitting')).toBe(3);
  expect(editDistance('', 'abc')).toBe(3);
});

test('only near words are suggested', () => {
  expect(suggest('durabilty', ['path', 'durability'])).toBe('durability');
  expect(suggest('zebra', ['path', 'durability'])).toBeUndefined();
});
