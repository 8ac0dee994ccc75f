// Topic names and filters to the letter.

import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../contract/outcome.ts';
import { checkTopicName, isShared, validTopicFilter, validTopicName } from './topic.ts';

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

describe('validTopicName', () => {
  for (const [clause, topic, valid] of names)
    test(`[${clause}] ${JSON.stringify(topic)}: ${valid}`, () => {
      expect(validTopicName(topic)).toBe(valid);
      if (!topic.includes('\0')) expect(passes(topic)).toBe(valid);
    });

  test('counts levels', () => {
    expect(validTopicName('a/b/c', 3)).toBe(true);
    expect(validTopicName('a/b/c/', 3)).toBe(false);
  });
});

function passes(topic: string): boolean {
  try {
    checkTopicName(topic, 5);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 0x90) return false;
    throw error;
  }
}

describe('validTopicFilter', () => {
  for (const [clause, filter, valid] of filters)
    test(`[${clause}] ${JSON.stringify(filter)}: ${valid}`, () => {
      expect(validTopicFilter(filter)).toBe(valid);
    });

  test('counts the levels behind a share name', () => {
    expect(validTopicFilter('a/+/#', 3)).toBe(true);
    expect(validTopicFilter('a/+/+/#', 3)).toBe(false);
    expect(validTopicFilter('$share/g/a/+/#', 3)).toBe(true);
    expect(validTopicFilter('$share/g/a/+/+/#', 3)).toBe(false);
  });

  test('before MQTT 5 $share is a level like others', () => {
    expect(validTopicFilter('$share/+/a', 128, false)).toBe(true);
    expect(validTopicFilter('$share/g', 128, false)).toBe(true);
  });

  test('what starts with $share/ is shared', () => {
    expect(['$share/g/a', '$share/', '$share', '$shared/g/a', 'a/$share/g'].map(isShared)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
