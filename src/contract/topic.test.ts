// Topic names and filters: what is one, what is none, and the limits.

import { describe, expect, test } from 'vitest';
import { isTopicFilter, isTopicName } from './topic.ts';

const LIMITS = { topicLevels: 4, topicBytes: 20 };

const BOTH = ['a', '/', '//', 'a/b/c/d', ' ', 'Wärme', '\u{1f321}', '$SYS/x', '$share', 'a'.repeat(20)];
const NEITHER = [
  '',
  'a\0',
  'a/b/c/d/e',
  'a'.repeat(21),
  'ä'.repeat(11),
  '\ud800',
  '\udc00',
  '\ud800x',
  '\u{1f321}'.repeat(6),
];
const FILTERS = [
  '+',
  '#',
  '+/+',
  'a/+/c',
  'a/#',
  '/+',
  '+/',
  '$share/g/a',
  '$share/g/#',
  '$share/g//',
  '$share/g/+/a',
];
const NO_FILTERS = [
  'a+',
  '+a',
  'a/b+',
  'a#',
  '#/',
  '#/a',
  'a/#/b',
  '##',
  '++',
  '$share/',
  '$share/g',
  '$share/g/',
  '$share//a',
  '$share/+/a',
  '$share/g#/a',
  '$share/g/a#',
];

describe('topic names', () => {
  test.each(BOTH)('%j', (topic) => expect(isTopicName(topic, LIMITS)).toBe(true));
  test.each([...NEITHER, '+', '#', 'a/+', 'a/#', 'a+b'])('not %j', (topic) =>
    expect(isTopicName(topic, LIMITS)).toBe(false),
  );
});

describe('topic filters', () => {
  test.each([...BOTH, ...FILTERS])('%j', (filter) => expect(isTopicFilter(filter, LIMITS)).toBe(true));
  test.each([...NEITHER, ...NO_FILTERS])('not %j', (filter) =>
    expect(isTopicFilter(filter, LIMITS)).toBe(false),
  );
});
