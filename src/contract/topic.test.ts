// Topic names and filters: what is one, what is none, and the limits.

import { describe, expect, test } from 'vitest';
import { isTopicFilter, isTopicName } from './topic.ts';

const LIMITS = { topicLevels: 4, topicBytes: 20 };

const WIDE = { topicLevels: 128, topicBytes: 65_535 };

const names: [clause: string, topic: string, valid: boolean][] = [
  ['MQTT5-4.7.3-1', '', false],
  ['MQTT5-4.7.3-1', ' ', true],
  ['MQTT5-4.7.3-1', '/', true],
  ['MQTT5-4.7.3-1', '//', true],
  ['MQTT5-4.7.3-1', 'a//b/', true],
  ['MQTT5-4.7.0-1', '+', false],
  ['MQTT5-4.7.0-1', 'a/#', false],
  ['MQTT5-4.7.0-1', 'a+b', false],
  ['MQTT5-4.7.3-2', 'a\0', false],
  ['MQTT5-4.7.2-1', '$SYS/uptime', true],
  ['MQTT5-4.7.3-1', 'é/😀', true],
];

const filters: [clause: string, filter: string, valid: boolean][] = [
  ['MQTT5-4.7.3-1', '', false],
  ['MQTT5-4.7.3-1', '/', true],
  ['MQTT5-4.7.3-2', 'a/\0', false],
  ['MQTT5-4.7.1-1', '#', true],
  ['MQTT5-4.7.1-1', '/#', true],
  ['MQTT5-4.7.1-1', 'sport/tennis/#', true],
  ['MQTT5-4.7.1-1', 'sport/tennis#', false],
  ['MQTT5-4.7.1-1', 'sport/tennis/#/ranking', false],
  ['MQTT5-4.7.1-1', '#/', false],
  ['MQTT5-4.7.1-1', '##', false],
  ['MQTT5-4.7.1-1', '#a', false],
  ['MQTT5-4.7.1-2', '+', true],
  ['MQTT5-4.7.1-2', '+/+', true],
  ['MQTT5-4.7.1-2', '/+', true],
  ['MQTT5-4.7.1-2', '+/', true],
  ['MQTT5-4.7.1-2', '+/tennis/#', true],
  ['MQTT5-4.7.1-2', 'sport/+/player1', true],
  ['MQTT5-4.7.1-2', 'sport+', false],
  ['MQTT5-4.7.1-2', '+sport', false],
  ['MQTT5-4.7.1-2', '++', false],
  ['MQTT5-4.7.1-2', '+#', false],
  ['MQTT5-4.7.1-2', '#+', false],
  ['MQTT5-4.8.2-1', '$share/g/a', true],
  ['MQTT5-4.8.2-1', '$share/g/#', true],
  ['MQTT5-4.8.2-1', '$share/g/+/b', true],
  ['MQTT5-4.8.2-1', '$share/g//', true],
  ['MQTT5-4.8.2-1', '$share//a', false],
  ['MQTT5-4.8.2-1', '$share/', false],
  ['MQTT5-4.8.2-2', '$share/g', false],
  ['MQTT5-4.8.2-2', '$share/g/', false],
  ['MQTT5-4.8.2-2', '$share/+/a', false],
  ['MQTT5-4.8.2-2', '$share/g#/a', false],
  ['MQTT5-4.8.2-2', '$share/g/a#', false],
  ['MQTT5-4.8.2-2', '$share/g/a+/b', false],
  ['MQTT5-4.8.2-2', '$share', true],
  ['MQTT5-4.8.2-2', '$shared/+/a', true],
];

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
  for (const [clause, topic, valid] of names)
    test(`[${clause}] ${JSON.stringify(topic)}: ${valid}`, () =>
      expect(isTopicName(topic, WIDE)).toBe(valid));
  test.each(BOTH)('%j', (topic) => expect(isTopicName(topic, LIMITS)).toBe(true));
  test.each([...NEITHER, '+', '#', 'a/+', 'a/#', 'a+b'])('not %j', (topic) =>
    expect(isTopicName(topic, LIMITS)).toBe(false),
  );
});

describe('topic filters', () => {
  for (const [clause, filter, valid] of filters)
    test(`[${clause}] ${JSON.stringify(filter)}: ${valid}`, () =>
      expect(isTopicFilter(filter, WIDE)).toBe(valid));
  test.each([...BOTH, ...FILTERS])('%j', (filter) => expect(isTopicFilter(filter, LIMITS)).toBe(true));
  test.each([...NEITHER, ...NO_FILTERS])('not %j', (filter) =>
    expect(isTopicFilter(filter, LIMITS)).toBe(false),
  );
});
