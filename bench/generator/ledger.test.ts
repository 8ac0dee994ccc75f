// Every way in which a message can go wrong is an error.

import { expect, test } from 'vitest';
import { Ledger } from './ledger.ts';

type Arrival = readonly [receiver: number, publisher: number, sequence: number];

const cases: readonly (readonly [string, readonly Arrival[], RegExp | undefined])[] = [
  [
    'in order',
    [
      [0, 0, 0],
      [0, 0, 1],
      [0, 0, 2],
    ],
    undefined,
  ],
  [
    'two publishers interleaved',
    [
      [0, 0, 0],
      [0, 1, 0],
      [0, 1, 1],
      [0, 0, 1],
    ],
    undefined,
  ],
  [
    'two receivers apart',
    [
      [0, 0, 0],
      [0, 0, 1],
      [1, 0, 0],
    ],
    undefined,
  ],
  ['the first is missing', [[0, 0, 1]], /^lost or reordered: receiver 0, publisher 0: got 1, expected 0/],
  [
    'one is missing',
    [
      [0, 0, 0],
      [0, 0, 2],
    ],
    /^lost or reordered: .* got 2, expected 1/,
  ],
  [
    'one comes twice',
    [
      [0, 0, 0],
      [0, 0, 0],
    ],
    /^duplicate or reordered: .* got 0 after 0/,
  ],
  ['for somebody else', [[1, 1, 0]], /^misrouted: receiver 1, publisher 1/],
  ['from nobody', [[0, 7, 0]], /^corrupt: .* no publisher \(7\)/],
];

test.each(cases)('%s', (_name, arrivals, failure) => {
  const ledger = new Ledger(2, 2, 0xff, undefined);
  ledger.expect(0, 0);
  ledger.expect(0, 1);
  ledger.expect(1, 0);
  const passed = arrivals.map(([receiver, publisher, sequence]) =>
    ledger.arrived(receiver, publisher, sequence),
  );
  if (failure === undefined) {
    expect(ledger.failure).toBeUndefined();
    expect(ledger.delivered).toBe(arrivals.length);
  } else {
    expect(ledger.failure).toMatch(failure);
    expect(passed.at(-1)).toBe(false);
    expect(ledger.delivered).toBe(arrivals.length - 1);
  }
});

test('a failure ends those who wait for one, before and after', async () => {
  const ledger = new Ledger(1, 1, 0, undefined);
  const before = ledger.failed();
  ledger.fail('first');
  ledger.fail('second');
  await expect(before).rejects.toThrow('first');
  await expect(ledger.failed()).rejects.toThrow('first');
});
