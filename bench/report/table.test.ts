// Figures are shortened, compared the right way round, and a failed check is never a speed.

import { expect, test } from 'vitest';
import type { Answer, Figure } from '../generator/job.ts';
import { cells, median, ratio, short } from './table.ts';

const figure = (value: number, better: Figure['better'] = 'less'): Figure => ({
  name: 'x',
  unit: 'us',
  value,
  better,
});
const answer = (...values: number[]): Answer => ({ figures: values.map((value) => figure(value)) });

test.each([
  [0.04451, '0.0445'],
  [9.876, '9.88'],
  [123.4, '123'],
  [5791, '5791'],
  [10_240, '10.2k'],
  [14_123_456, '14.1M'],
  [Number.NaN, '-'],
])('%d is shown as %s', (value, shown) => expect(short(value)).toBe(shown));

test('a ratio above 1 says that the base is better', () => {
  expect(ratio(figure(2), figure(8))).toBe(4);
  expect(ratio(figure(8, 'more'), figure(2, 'more'))).toBe(4);
});

test('one failed round fails the median', () => {
  expect(median([answer(3), answer(1), answer(2)])).toEqual(answer(2));
  expect(median([answer(1), answer(2)])).toEqual(answer(1.5));
  expect(median([answer(1), { error: 'lost' }])).toEqual({ error: 'lost' });
});

test('a broker that failed has no ratio, one that did not take part is absent', () => {
  const answers = new Map<string, Answer>([
    ['a', answer(2)],
    ['b', { error: 'lost' }],
    ['c', answer(6)],
  ]);
  const row = { scenario: 's', title: '', answers };
  expect(cells(row, ['a', 'b', 'c', 'd'])).toEqual([
    ['s', 'x, us', '2.00', 'ERROR', '6.00', '-', '', '3.00x', ''],
  ]);
});
