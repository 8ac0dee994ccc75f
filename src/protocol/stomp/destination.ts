// Destinations: which topic or queue a STOMP address means, and how a topic is addressed.

import { QUEUE_PREFIX } from '../../contract/queue.ts';

export type Destination =
  | { readonly kind: 'topic'; readonly topic: string }
  /** `existing`: somebody must have declared it. */
  | { readonly kind: 'queue'; readonly name: string; readonly existing: boolean }
  /** A queue of this connection alone, under the name that the client gives it. */
  | { readonly kind: 'temporary'; readonly name: string };

/** What a destination may start with, for people. */
export const FORMS =
  '/topic/{topic}, /queue/{name}, /amq/queue/{name}, /exchange/{exchange}/{key}, /temp-queue/{name}, /reply-queue/{name}';

/** Undefined: it has none of the FORMS. Whether the topic or filter is a good one is for others to say. */
export function parseDestination(text: string): Destination | undefined {
  if (text.startsWith('/topic/')) return { kind: 'topic', topic: text.slice(7) };
  if (text.startsWith('/queue/')) return queue(text.slice(7), false);
  if (text.startsWith('/amq/queue/')) return queue(text.slice(11), true);
  if (text.startsWith('/reply-queue/')) return queue(text.slice(13), false);
  if (text.startsWith('/temp-queue/')) {
    const name = text.slice(12);
    return name === '' ? undefined : { kind: 'temporary', name };
  }
  if (text.startsWith('/exchange/')) {
    const topic = topicOfExchange(text.slice(10));
    return topic === undefined ? undefined : { kind: 'topic', topic };
  }
  return undefined;
}

function queue(name: string, existing: boolean): Destination | undefined {
  return name === '' ? undefined : { kind: 'queue', name, existing };
}

/** `amq.topic/{key}` is the topic space itself; any other `{exchange}/{key}` has its own topics below `$exchange/`. */
function topicOfExchange(address: string): string | undefined {
  const slash = address.indexOf('/');
  const exchange = slash < 0 ? address : address.slice(0, slash);
  const levels = slash < 0 ? '' : levelsOfKey(address.slice(slash + 1));
  if (exchange === 'amq.topic') return levels === '' ? undefined : levels;
  return exchange === '' ? undefined : `$exchange/${exchange}/${levels}`;
}

const LEVEL: Readonly<Record<string, string>> = { '%2E': '.', '%25': '%', '/': '%2F', '+': '%2B' };

/** The words of a routing key or pattern are levels, `*` is any one; `%2E` is a `.` inside a word, `%25` a `%`. */
function levelsOfKey(key: string): string {
  return key
    .split('.')
    .map((word) => (word === '*' ? '+' : word.replace(/%2E|%25|[/+]/g, (found) => LEVEL[found]!)))
    .join('/');
}

/** How a client addresses what it got from, or should answer to, `topic`. */
export function destinationOf(topic: string): string {
  return topic.startsWith(QUEUE_PREFIX) ? `/queue/${topic.slice(QUEUE_PREFIX.length)}` : `/topic/${topic}`;
}
