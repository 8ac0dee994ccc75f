import { expect, test } from 'vitest';
import { AddressRates } from './address-rates.ts';

test('a second’s worth at once, then as fast as it may; each address by itself', () => {
  const rates = new AddressRates();
  rates.perSecond = 3;
  const burst = (address: string, now: number) =>
    Array.from({ length: 5 }, () => rates.spend(address, now)).filter(Boolean).length;
  expect(burst('a', 0)).toBe(3);
  expect(burst('b', 0)).toBe(3);
  expect(burst('a', 400)).toBe(1);
  expect(burst('a', 60_000)).toBe(3);
});

test('without a limit nothing is counted', () => {
  const rates = new AddressRates();
  for (let i = 0; i < 1_000; i++) expect(rates.spend('a', 0)).toBe(true);
});
