// What URLs say of MQTT-SN.

import { expect, test } from 'vitest';
import { settingsOf } from './settings.ts';

test('predefined topics, sleep, and no connection', () => {
  expect(settingsOf({})).toEqual({ predefined: new Map(), sleepMs: 0, connects: true });
  const said = { predefined: '1:room/heat,65534:a%2Cb%25:c', sleep: '60', connect: 'false' };
  expect(
    settingsOf(
      said,
      new Map([
        [1, 'of the caller'],
        [2, 'x'],
      ]),
    ),
  ).toEqual({
    predefined: new Map([
      [1, 'room/heat'],
      [2, 'x'],
      [65_534, 'a,b%:c'],
    ]),
    sleepMs: 60_000,
    connects: false,
  });
});

test.each([
  ['predefined', '1'],
  ['predefined', '1:'],
  ['predefined', '0:a'],
  ['predefined', '65535:a'],
  ['predefined', '1:a,'],
  ['predefined', '1:%zz'],
  ['sleep', 'long'],
  ['sleep', '-1'],
  ['sleep', '65536'],
  ['connect', 'maybe'],
])('%s=%s is refused', (name, value) => {
  expect(settingsOf({ [name]: value })).toContain(`${name} is '${value}'`);
});
