// Exchanges as topics: keys and levels there and back, and where the dead go.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressOfTopic, deadTopicOf, topicOfKey } from './exchange.ts';

test.each([
  ['', 'jobs', '$queue/jobs'],
  ['', 'my.jobs/1', '$queue/my.jobs/1'],
  ['amq.topic', 'room.1.heat', 'room/1/heat'],
  ['amq.topic', 'v1%2E5.x', 'v1.5/x'],
  ['amq.topic', 'a%252Eb', 'a%2Eb'],
  ['logs', 'a.b', '$exchange/logs/a/b'],
  ['logs', '', '$exchange/logs/'],
  ['a/b+c', 'k', '$exchange/a%2Fb%2Bc/k'],
  ['logs', 'a/b#+', '$exchange/logs/a%2Fb%23%2B'],
])('%s %s is %s', (exchange, key, topic) => {
  expect(topicOfKey(exchange, key)).toBe(topic);
  expect(addressOfTopic(topic)).toEqual({ exchange, key });
});

test('[law] a topic comes back from its address', () => {
  const level = fc.string({ unit: fc.constantFrom('a', '.', '%', '2', 'E', '5', '$') });
  fc.assert(
    fc.property(fc.array(level, { minLength: 1, maxLength: 5 }), (levels) => {
      const topic = `x/${levels.join('/')}`;
      const { exchange, key } = addressOfTopic(topic);
      expect(topicOfKey(exchange, key)).toBe(topic);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test.each([
  ['$queue/dead', 'a/b', '$queue/dead'],
  ['$exchange/x/#', 'a/b', '$exchange/x/a/b'],
  ['$exchange/x/#', '$queue/my.jobs', '$exchange/x/my/jobs'],
  ['$queue/#', '$exchange/y/a/b', '$queue/a.b'],
  ['#', '$exchange/y/a/b', 'a/b'],
  ['', 'a', ''],
])('dead letters for %s of %s go to %s', (deadLetter, topic, to) => {
  expect(deadTopicOf(deadLetter, topic)).toBe(to);
});
