// Destinations: what each form means, and how topics are addressed.

import { expect, test } from 'vitest';
import { destinationOf, parseDestination } from './destination.ts';

const TOPICS: readonly [destination: string, topic: string][] = [
  ['/topic/a/b', 'a/b'],
  ['/topic//a', '/a'],
  ['/topic/a.b', 'a.b'],
  ['/topic/$share/g/a/#', '$share/g/a/#'],
  ['/exchange/amq.topic/a.b', 'a/b'],
  ['/exchange/amq.topic/a.*.#', 'a/+/#'],
  ['/exchange/amq.topic/a%2Eb.c/d.%25', 'a.b/c%2Fd/%'],
  ['/exchange/logs/info.disk', '$exchange/logs/info/disk'],
  ['/exchange/logs', '$exchange/logs/'],
];
test.each(TOPICS)('%s is topic %s', (destination, topic) =>
  expect(parseDestination(destination)).toEqual({ kind: 'topic', topic }),
);

test.each([
  ['/queue/a/b', 'a/b', false],
  ['/amq/queue/a', 'a', true],
  ['/reply-queue/wm-1', 'wm-1', false],
])('%s is queue %s', (destination, name, existing) =>
  expect(parseDestination(destination)).toEqual({ kind: 'queue', name, existing }),
);

test('a temporary queue', () =>
  expect(parseDestination('/temp-queue/x')).toEqual({ kind: 'temporary', name: 'x' }));

test.each([
  '',
  'a',
  '/a',
  '/queue/',
  '/queue',
  '/amq/queue/',
  '/temp-queue/',
  '/reply-queue/',
  '/exchange/',
  '/exchange//a',
  '/exchange/amq.topic',
  '/exchange/amq.topic/',
])('%j is none', (destination) => expect(parseDestination(destination)).toBeUndefined());

test.each(['a/b', '/a', '$queue/jobs', '$exchange/logs/info'])(
  'what is got from %s can be sent to',
  (topic) => {
    const back = parseDestination(destinationOf(topic))!;
    expect(back.kind === 'queue' ? `$queue/${back.name}` : back.kind === 'topic' && back.topic).toBe(topic);
  },
);
