// Exchanges as topics: where a message for an exchange and routing key is found in the topic space, the same for every protocol.

import { QUEUE_PREFIX } from './queue.ts';

/** Publishing to `$exchange/{name}/{key}` publishes to that exchange; the words of the key are levels. */
export const EXCHANGE_PREFIX = '$exchange/';

/** The exchange that is the topic space itself. */
export const TOPIC_EXCHANGE = 'amq.topic';

const ESCAPES: Readonly<Record<string, string>> = {
  '.': '/',
  '/': '%2F',
  '+': '%2B',
  '#': '%23',
  '\0': '%00',
  '%2E': '.',
  '%25': '%',
};
const KEYS: Readonly<Record<string, string>> = {
  '/': '.',
  '.': '%2E',
  '%2F': '/',
  '%2B': '+',
  '%23': '#',
  '%00': '\0',
  '%2E': '%252E',
  '%25': '%2525',
};
const PLAIN = /^[^./+#%\0]*$/;

/** `a.b%2Ec` to `a/b.c`: words become levels; what a level cannot hold is escaped. */
export function levelsOfKey(key: string): string {
  return PLAIN.test(key) ? key : key.replace(/%2E|%25|[./+#\0]/g, (found) => ESCAPES[found]!);
}

/** `a/b.c` to `a.b%2Ec`. */
export function keyOfLevels(levels: string): string {
  return PLAIN.test(levels)
    ? levels
    : levels.replace(/%(?:2F|2B|23|00|2E|25)|[./]/g, (found) => KEYS[found]!);
}

/** One exchange's topics are those that start with this; '' for the topic space. */
export function exchangePrefix(exchange: string): string {
  if (exchange === '') return QUEUE_PREFIX;
  return exchange === TOPIC_EXCHANGE ? '' : `${EXCHANGE_PREFIX}${levelOfName(exchange)}/`;
}

/** An exchange's name as one level. */
function levelOfName(exchange: string): string {
  return exchange.replace(
    /[%/+#\0]/g,
    (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
  );
}

export function topicOfKey(exchange: string, key: string): string {
  return exchange === '' ? QUEUE_PREFIX + key : exchangePrefix(exchange) + levelsOfKey(key);
}

export interface ExchangeAddress {
  readonly exchange: string;
  readonly key: string;
}

/** The exchange and routing key that a topic stands for. */
export function addressOfTopic(topic: string): ExchangeAddress {
  if (topic.startsWith(QUEUE_PREFIX)) return { exchange: '', key: topic.slice(QUEUE_PREFIX.length) };
  if (topic.startsWith(EXCHANGE_PREFIX)) {
    const slash = topic.indexOf('/', EXCHANGE_PREFIX.length);
    if (slash > 0) {
      const name = topic.slice(EXCHANGE_PREFIX.length, slash);
      const exchange = name.replace(/%(25|2F|2B|23|00)/g, (_, code) =>
        String.fromCharCode(Number.parseInt(code, 16)),
      );
      return { exchange, key: keyOfLevels(topic.slice(slash + 1)) };
    }
  }
  return { exchange: TOPIC_EXCHANGE, key: keyOfLevels(topic) };
}

/** A queue's dead-letter topic that ends in `#` keeps the dead message's own routing key in its place. */
export function deadTopicOf(deadLetter: string, topic: string): string {
  if (!deadLetter.endsWith('#')) return deadLetter;
  const { key } = addressOfTopic(topic);
  const prefix = deadLetter.slice(0, -1);
  return prefix + (prefix === QUEUE_PREFIX ? key : levelsOfKey(key));
}
