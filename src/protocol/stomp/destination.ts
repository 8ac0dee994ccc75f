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
  '/topic/{topic}, /queue/{name}, /amq/queue/{name}, /exchange/amq.topic/{key}, /temp-queue/{name}, /reply-queue/{name}';

const TOPIC_EXCHANGE = '/exchange/amq.topic/';

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
  if (text.startsWith(TOPIC_EXCHANGE)) {
    const topic = topicOfKey(text.slice(TOPIC_EXCHANGE.length));
    return topic === undefined ? undefined : { kind: 'topic', topic };
  }
  return undefined;
}

function queue(name: string, existing: boolean): Destination | undefined {
  return name === '' ? undefined : { kind: 'queue', name, existing };
}

/** A routing key of `amq.topic`: levels are parted by `.`, `*` is one level; `%2E`, `%2F` and `%25` are `.`, `/` and `%` inside one. */
function topicOfKey(key: string): string | undefined {
  if (key === '') return undefined;
  return key
    .split('.')
    .map((level) =>
      level === '*'
        ? '+'
        : level.replace(/%(2E|2F|25)/gi, (_, code) => String.fromCharCode(Number.parseInt(code, 16))),
    )
    .join('/');
}

/** How a client addresses what it got from, or should answer to, `topic`. */
export function destinationOf(topic: string): string {
  return topic.startsWith(QUEUE_PREFIX) ? `/queue/${topic.slice(QUEUE_PREFIX.length)}` : `/topic/${topic}`;
}
