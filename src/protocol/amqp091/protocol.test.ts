// Which of the two AMQPs a stream speaks, by its first octets.

import { expect, test } from 'vitest';
import { octets } from '../../../test/hex.ts';
import { amqp091 } from './protocol.ts';

test.each([
  ['41', false, 'it may become AMQP'],
  ['41 4d 51 50 00', false, 'one octet more decides'],
  ['41 4d 51 50 00 00 09 01', true, 'AMQP 0-9-1'],
  ['41 4d 51 50 01 01 00 09', true, 'an older version, which hears which one is spoken [AMQP091-4.2.2]'],
  ['41 4d 51 50 00 01 00 00', 'never', 'AMQP 1.0'],
  ['41 4d 51 50 09 00', 'never', 'a protocol that nobody knows'],
  ['47', 'never', 'HTTP'],
])('%s: %s, %s', (first, speaks, _what) => {
  expect(amqp091().matches!(octets(first))).toBe(speaks);
});
