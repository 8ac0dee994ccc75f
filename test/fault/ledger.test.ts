// The ledger finds what it is there to find.

import { describe, expect, test } from 'vitest';
import { publishPacket } from '../mqtt-client.ts';
import { Ledger } from './ledger.ts';

function ledger(qos: 1 | 2, count: number) {
  const book = new Ledger();
  const account = book.account('s', (topic) => topic === 't');
  const tags = Array.from({ length: count }, () => book.send('p', 't', qos));
  const get = (...numbers: number[]) => {
    for (const n of numbers) account(publishPacket('t', tags[n - 1]!));
  };
  return { book, tags, get };
}

describe('the ledger', () => {
  test('says nothing when every promise is held', () => {
    const { book, tags, get } = ledger(1, 3);
    book.acknowledged(tags[0]!);
    book.acknowledged(tags[2]!);
    get(1, 3, 1); // 2 was never acknowledged, and QoS 1 may repeat
    expect(book.broken()).toEqual([]);
    expect(book.missing).toBe(0);
    expect(book.lastAcknowledged('p', 't')).toBe(3);
  });

  test('finds a message that was acknowledged and lost', () => {
    const { book, tags, get } = ledger(1, 2);
    for (const tag of tags) book.acknowledged(tag);
    get(1);
    expect(book.broken()).toEqual(["s: lost 'p t 2'"]);
    expect(book.missing).toBe(1);
  });

  test('finds QoS 2 that comes twice', () => {
    const { book, get } = ledger(2, 2);
    get(1, 2, 1);
    expect(book.broken()).toEqual(["s: more than once 'p t 1' 2 times at QoS 2"]);
  });

  test('finds a later message that overtakes an earlier one', () => {
    const { book, get } = ledger(1, 3);
    get(1, 3, 2);
    expect(book.broken()).toEqual(["s: out of order 'p t 2' after 3"]);
  });

  test('finds what nobody sent', () => {
    const { book } = ledger(1, 0);
    const account = book.account('x', () => true);
    account(publishPacket('t', 'noise'));
    expect(book.broken()).toEqual(["complaint x got 'noise' at t, which nobody sent"]);
  });
});
