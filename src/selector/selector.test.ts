// Selectors: what matches, what is unknown, what is refused and where, and that no text is slow or breaks anything.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Message, NEVER } from '../contract/message.ts';
import { fieldOf } from './fields.ts';
import { SelectorError, type SelectorValue } from './parse.ts';
import { compileSelector } from './selector.ts';

const FIELDS: Record<string, SelectorValue> = {
  n: 5,
  big: 9_007_199_254_740_993n,
  half: 0.5,
  s: 'text',
  quote: "it's",
  yes: true,
  no: false,
  spelled: '7',
  $odd_name: 'x',
  'a.b': 1,
  'content-type': 'x/y',
};

function matches(selector: string, spelled = false): boolean {
  return compileSelector(selector, { spelled }).matches((name) => FIELDS[name]);
}

const MATCHING = [
  'n = 5',
  'n=5.0 AND n <> 4',
  '5 = n',
  'n > 4 and n >= 5 AND n < 6 AND n <= 5',
  'big = 9007199254740993',
  'big > 9007199254740992',
  'half = .5 AND half = 5e-1 AND half = 0.5D',
  "s = 'text' AND s <> 'Text'",
  "quote = 'it''s'",
  'yes',
  'yes = TRUE AND no = false',
  'NOT no',
  'NOT NOT yes',
  'yes OR missing',
  'missing OR yes',
  'NOT (missing AND no)',
  'missing IS NULL AND n IS NOT NULL',
  'n BETWEEN 5 AND 5',
  'n NOT BETWEEN 6 AND 9',
  'n BETWEEN 9 - 5 AND 2 * 3',
  "s IN ('a', 'text')",
  "s NOT IN ('a')",
  "s LIKE 'te%' AND s LIKE '%xt' AND s LIKE 't_x_' AND s LIKE '%' AND s LIKE 'text'",
  "s NOT LIKE 'te' AND s NOT LIKE 't_xt_'",
  "'a_b' LIKE 'a!_b' ESCAPE '!' AND 'axb' NOT LIKE 'a!_b' ESCAPE '!'",
  "'a%%b' LIKE 'a\\%\\%b' ESCAPE '\\'",
  "'aXbXc' LIKE '%X%X%'",
  "$odd_name = 'x' AND a.b = 1",
  `"content-type" = 'x/y'`,
  'n + 1 = 6 AND n - 1 = 4 AND n * 2 = 10 AND n / 2 = 2.5',
  '-n = -5 AND +n = 5 AND -(-n) = 5 AND n - -1 = 6',
  '1 + 2 * 3 = 7 AND (1 + 2) * 3 = 9 AND 10 - 3 - 2 = 5',
  'no AND no OR yes',
  'n=5AND yes',
];
const NOT_MATCHING = [
  'n = 6',
  "n = '5'",
  "n <> '5'", // incomparable types: false, whatever is asked
  "s > 'a'",
  'yes > no',
  'missing',
  'NOT missing',
  'missing = 5 OR missing <> 5',
  'missing AND yes',
  'NOT (missing AND yes)',
  'missing BETWEEN 1 AND 2',
  'missing NOT BETWEEN 1 AND 2',
  "missing IN ('a')",
  "missing NOT IN ('a')",
  "missing LIKE '%'",
  "n LIKE '%'",
  'missing + 1 = 1',
  "s + 1 = 'text1'",
  's',
  'spelled = 7',
  '0/0 = 0/0',
];
const REFUSED: readonly [string, string][] = [
  ['', 'a value is expected, not the end, at character 1'],
  ['n =', 'a value is expected, not the end, at character 4'],
  ['n = 5 yes', 'the end is expected, not "yes", at character 7'],
  ['(n = 5', '")" is expected, not the end'],
  ["s = 'x", 'a quote is not closed, at character 5'],
  ['n == 5', 'a value is expected, not "="'],
  ['n != 5', '"!" is not known here, at character 3'],
  ['n NOT 5', 'BETWEEN, IN or LIKE is expected'],
  ['n IS 5', 'NULL is expected'],
  ['n BETWEEN 1', 'AND is expected'],
  ['s IN ()', 'a string is expected'],
  ["s IN ('a' 'b')", '")" is expected'],
  ['s LIKE 5', 'a string is expected'],
  ["s LIKE 'a' ESCAPE 'xy'", 'ESCAPE takes one character'],
  ["s LIKE 'a!' ESCAPE '!'", 'the pattern ends with its escape'],
  ['AND', 'a value is expected, not "AND"'],
  ['NULL = 1', 'a value is expected, not "NULL"'],
  [`${'('.repeat(65)}yes${')'.repeat(65)}`, 'nested deeper than 64'],
  [`${'NOT '.repeat(65)}yes`, 'nested deeper than 64'],
  ['x'.repeat(4_097), 'longer than 4096'],
];

test.each(MATCHING)('%s', (selector) => expect(matches(selector)).toBe(true));
test.each(NOT_MATCHING)('not: %s', (selector) => expect(matches(selector)).toBe(false));
test.each(REFUSED)('refused: %j', (selector, why) => {
  expect(() => matches(selector)).toThrow(SelectorError);
  expect(() => matches(selector)).toThrow(why);
});

test.each([
  'spelled = 7',
  'spelled + 1 = 8',
  'spelled BETWEEN 6.5 AND 8',
  "spelled = '7'",
  "s <> 5 OR s = 'text'",
])('text that spells a number: %s', (selector) => expect(matches(selector, true)).toBe(true));

test('long chains and hard patterns are no trouble', () => {
  expect(matches(Array(500).fill('n=5').join(' AND '))).toBe(true);
  expect(matches(Array(450).fill('n=6').join(' OR '))).toBe(false);
  const selector = compileSelector(`x LIKE '${'%a'.repeat(1_000)}%b'`, { spelled: false });
  expect(selector.matches(() => 'a'.repeat(5_000))).toBe(false);
});

describe('fields of a message', () => {
  const origin = { protocol: 'test', client: 'c', principal: 'p' };
  const m = new Message('t', new Uint8Array(), 1, false, origin, 10, NEVER, {
    messageId: { uuid: 'u' },
    correlation: 7n,
    user: [
      { name: 'a', value: 1 },
      { name: 'a', value: 2 },
      { name: 'octets', value: new Uint8Array(1) },
    ],
  });
  test.each([
    ['JMSPriority', 4],
    ['JMSTimestamp', 10],
    ['JMSDeliveryMode', 'PERSISTENT'],
    ['JMSExpiration', 0],
    ['JMSDestination', 't'],
    ['JMSMessageID', 'u'],
    ['JMSCorrelationID', '7'],
    ['JMSReplyTo', undefined],
    ['a', 1],
    ['octets', undefined],
    ['b', undefined],
  ])('%s', (name, value) => expect(fieldOf(m, name)).toBe(value));
});

test('law: any text is a selector or a SelectorError', () => {
  const word = fc.constantFrom(
    'n',
    's',
    'AND',
    'OR',
    'NOT',
    'LIKE',
    'IN',
    'BETWEEN',
    'IS',
    'NULL',
    'ESCAPE',
    'TRUE',
    "'x'",
    '5',
    '.5e3',
    '(',
    ')',
    ',',
    '=',
    '<>',
    '<',
    '+',
    '-',
    '*',
    '/',
    '"',
    '\0',
    '€',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), fc.boolean(), (words, spelled) => {
      try {
        expect(typeof matches(words.join(' '), spelled)).toBe('boolean');
      } catch (why) {
        expect(why).toBeInstanceOf(SelectorError);
      }
    }),
    { seed: 1, numRuns: 2_000 },
  );
});
