// Topic names as MQTT refuses them.

import { expect, test } from 'vitest';
import { ProtocolError } from '../../contract/outcome.ts';
import { checkTopicName, isShared } from './topic.ts';

test.each([
  ['', false],
  [' ', true],
  ['/', true],
  ['a//b/', true],
  ['+', false],
  ['a/#', false],
  ['a+b', false],
  ['$SYS/uptime', true],
  ['é/😀', true],
])('topic name %j: %j', (topic, valid) => expect(passes(topic)).toBe(valid));

function passes(topic: string): boolean {
  try {
    checkTopicName(topic, 5);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 0x90) return false;
    throw error;
  }
}

test('what starts with $share/ is shared', () => {
  expect(['$share/g/a', '$share/', '$share', '$shared/g/a', 'a/$share/g'].map(isShared)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
