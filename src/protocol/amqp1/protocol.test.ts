// Which of the two AMQPs a stream speaks, by its first octets.

import { expect, test } from 'vitest';
import { octets } from '../../../test/hex.ts';
import { amqp1 } from './protocol.ts';

test.each([
  ['41', false, 'it may become AMQP'],
  ['41 4d 51 50 00', false, 'one octet more decides'],
  ['41 4d 51 50 00 01', true, 'AMQP 1.0'],
  ['41 4d 51 50 03 01 00 00', true, 'SASL'],
  ['41 4d 51 50 02 01 00 00', true, 'TLS within'],
  ['41 4d 51 50 00 00 09 01', 'never', 'AMQP 0-9-1'],
  ['41 4d 51 50 09 00', 'never', 'a protocol that nobody knows [AMQP1-2.2]'],
  ['47', 'never', 'HTTP'],
])('%s: %s, %s', (first, speaks, _what) => {
  expect(amqp1().matches!(octets(first))).toBe(speaks);
});
