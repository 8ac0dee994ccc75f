// Addresses: which topic, queue or exchange one means, and how a topic is addressed.

import { keyOfLevels, levelsOfKey, topicOfKey } from '../../contract/exchange.ts';
import { QUEUE_PREFIX } from '../../contract/queue.ts';

/** Announced in open: clients that tell queues from topics put them before names. */
export const QUEUE_SCHEME = 'queue://';
export const TOPIC_SCHEME = 'topic://';

export type Address =
  /** As a source, `topic` is a filter. */
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'queue'; readonly name: string }
  /** Without a key, each message brings its own in its subject. */
  | { readonly kind: 'exchange'; readonly exchange: string; readonly key: string | undefined };

/** Undefined: it has a form that is known, and lacks its name. `queues`: a plain name is one. */
export function parseAddress(text: string, queues = false): Address | undefined {
  // Azure's clients say the whole URL.
  const address = text.startsWith('amqp') ? text.replace(/^amqps?:\/\/[^/]*\//, '') : text;
  if (address.startsWith(QUEUE_SCHEME)) return queue(address.slice(QUEUE_SCHEME.length));
  if (address.startsWith(TOPIC_SCHEME)) return topic(address.slice(TOPIC_SCHEME.length));
  if (address.startsWith(QUEUE_PREFIX)) return queue(address.slice(QUEUE_PREFIX.length));
  // RabbitMQ's forms: those of version 4 are percent-encoded, those before it are not.
  if (address.startsWith('/queues/')) return queue(unescaped(address.slice(8)));
  if (address.startsWith('/queue/')) return queue(address.slice(7));
  if (address.startsWith('/amq/queue/')) return queue(address.slice(11));
  if (address.startsWith('/exchanges/')) return exchange(address.slice(11), unescaped);
  if (address.startsWith('/exchange/')) return exchange(address.slice(10), (name) => name);
  if (address.startsWith('/topic/')) return exchange(`amq.topic/${address.slice(7)}`, (name) => name);
  return queues ? queue(address) : topic(address);
}

function queue(name: string | undefined): Address | undefined {
  return name === undefined || name === '' ? undefined : { kind: 'queue', name };
}

function topic(name: string): Address | undefined {
  return name === '' ? undefined : { kind: 'topic', topic: name };
}

function exchange(rest: string, read: (part: string) => string | undefined): Address | undefined {
  const slash = rest.indexOf('/');
  const name = read(slash < 0 ? rest : rest.slice(0, slash));
  const key = slash < 0 ? undefined : read(rest.slice(slash + 1));
  if (name === undefined || name === '' || (slash >= 0 && key === undefined)) return undefined;
  return { kind: 'exchange', exchange: name, key };
}

function unescaped(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** The topic that a message for this address is published to; `key` is the message's own. */
export function topicOf(address: Address, key: string | undefined): string {
  switch (address.kind) {
    case 'topic':
      return address.topic;
    case 'queue':
      return QUEUE_PREFIX + address.name;
    case 'exchange':
      return topicOfKey(address.exchange, address.key ?? key ?? '');
  }
}

/** The filter that a source means: of an exchange, the key is a pattern with `*` and `#`. */
export function filterOf(address: Address): string {
  if (address.kind !== 'exchange') return topicOf(address, undefined);
  const pattern = address.key ?? '#';
  const words = pattern.split('.').map((word) => (word === '*' || word === '#' ? word : levelsOfKey(word)));
  const prefix = topicOfKey(address.exchange, '');
  return prefix + words.map((word) => (word === '*' ? '+' : word)).join('/');
}

/** How a client addresses what it got from, or should answer to, `topic`. */
export function addressOf(topic: string): string {
  if (topic.startsWith(QUEUE_PREFIX)) return QUEUE_SCHEME + topic.slice(QUEUE_PREFIX.length);
  // Where a topic looks like another form of address, it is said to be one.
  const plain = parseAddress(topic);
  return plain?.kind === 'topic' && plain.topic === topic ? topic : TOPIC_SCHEME + topic;
}

/** `/exchanges/{exchange}/{key}` of a topic below an exchange. */
export function exchangeAddress(name: string, levels: string): string {
  return `/exchanges/${encodeURIComponent(name)}/${encodeURIComponent(keyOfLevels(levels))}`;
}
