// Topics as destinations of other servers: what RabbitMQ is sent for each, and what it says for the same.

import { expect, test } from 'vitest';
import { outcomeOf, termsOf } from './client-terms.ts';

const RABBITMQ: [topic: string, sent: string, said: string][] = [
  ['a/b', '/topic/a.b', '/topic/a.b'],
  ['a/b.c', '/topic/a.b%2Ec', '/topic/a.b%252Ec'],
  ['50%', '/topic/50%', '/topic/50%25'],
  ['ä ö', '/topic/ä ö', '/topic/%C3%A4 %C3%B6'],
  ['c%2Fd', '/topic/c%2Fd', '/topic/c%2Fd'],
  ['$queue/a/b', '/queue/a%2Fb', '/queue/a%2Fb'],
];

test.each(RABBITMQ)('%s is %s, and %s what comes back', (topic, sent, said) => {
  const { destinationOf, topicOf } = termsOf('RabbitMQ/3.10.8');
  expect(destinationOf(topic)).toBe(sent);
  expect(topicOf(said)).toBe(topic);
});

test('wildcards, where they are known', () => {
  expect(termsOf('RabbitMQ/3').destinationOf('a/+/#')).toBe('/topic/a.*.#');
  expect(termsOf('RabbitMQ/3').ability.wildcards).toBe(true);
  expect(termsOf('ActiveMQ/6').ability).toMatchObject({ wildcards: false, retain: false, shared: false });
});

test('a place for answers that is no topic is kept, and what cannot be read', () => {
  const { destinationOf, topicOf } = termsOf('RabbitMQ/3');
  for (const place of ['/temp-queue/x', '/reply-queue/amq.gen-1', '/exchange/e/k']) {
    expect(topicOf(place)).toBe(place);
    expect(destinationOf(place)).toBe(place);
  }
  expect(topicOf('/topic/a.%zz')).toBe('a/%zz');
});

test.each([
  ['not-authorized', '', false, 'not-authorized'],
  ['Bad CONNECT', "Access refused for user 'guest'", true, 'bad-credentials'],
  ['Bad CONNECT', "Virtual host 'x' access denied", true, 'unavailable'],
  ['bad-destination', '', false, 'topic-invalid'],
  ['Processing error', 'x', false, 'unavailable'],
] as const)('ERROR %s (%s) while opening: %s means %s', (word, reason, opening, outcome) => {
  expect(outcomeOf(word, reason, opening)).toBe(outcome);
});
