// What a STOMP client can do, at Waymeet and elsewhere, and how topics are addressed there.

import { keyOfLevels, levelsOfKey } from '../../contract/exchange.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { QUEUE_PREFIX } from '../../contract/queue.ts';
import { type Ability, EVERY_META } from '../../contract/speaker.ts';
import { destinationOf, parseDestination } from './destination.ts';
import { SENTENCE } from './map.ts';

/** QoS 1 is a SEND with a receipt, and a subscription whose messages are acknowledged one by one. */
export const ABILITY: Ability = {
  publishQos: [0, 1],
  subscribeQos: [0, 1],
  retain: true,
  wildcards: true,
  shared: true,
  queues: true,
  sessions: false,
  wills: false,
  expiry: true,
  returns: true,
  meta: ['text', ...EVERY_META],
};

/** One server's destinations, and what it can do. */
export interface Terms {
  readonly ability: Ability;
  /** Of a topic or filter. */
  destinationOf(topic: string): string;
  topicOf(destination: string): string;
}

export const WAYMEET: Terms = {
  ability: ABILITY,
  destinationOf,
  topicOf(text) {
    const destination = parseDestination(text);
    if (destination === undefined) return text;
    return destination.kind === 'topic' ? destination.topic : QUEUE_PREFIX + destination.name;
  },
};

/** Last values, groups and expiry have no place in STOMP itself. */
const COMMON: Ability = { ...ABILITY, retain: false, shared: false, expiry: false };

/** RabbitMQ: topics are routing keys of `amq.topic`, `/` in them is `%2F`, and `*` and `#` are the wildcards. */
const RABBITMQ: Terms = {
  ability: COMMON,
  destinationOf: (topic) => dotted(topic, (word) => (word === '+' ? '*' : word)),
  topicOf: undotted,
};

/** Others agree on `/topic/` and `/queue/`, and not on wildcards. */
const ELSEWHERE: Terms = {
  ability: { ...COMMON, wildcards: false },
  destinationOf: (topic) => dotted(topic, (word) => word),
  topicOf: undotted,
};

/** `server`: the header of that name in CONNECTED. */
export function termsOf(server: string): Terms {
  if (server.startsWith('Waymeet')) return WAYMEET;
  return server.startsWith('RabbitMQ') ? RABBITMQ : ELSEWHERE;
}

/** What a message elsewhere may name as the place for its answer, and no topic stands for. */
const OTHER_PLACE = /^\/(?:temp-queue|reply-queue|exchange|amq\/queue)\//;

function dotted(topic: string, wildcard: (word: string) => string): string {
  if (OTHER_PLACE.test(topic)) return topic;
  if (topic.startsWith(QUEUE_PREFIX)) return `/queue/${escaped(topic.slice(QUEUE_PREFIX.length))}`;
  return `/topic/${escaped(keyOfLevels(topic).split('.').map(wildcard).join('.'))}`;
}

function undotted(destination: string): string {
  const [, kind, name] = /^\/(topic|queue)\/(.*)$/s.exec(destination) ?? [];
  if (name === undefined) return destination;
  return kind === 'queue' ? QUEUE_PREFIX + unescaped(name) : levelsOfKey(unescaped(name));
}

/** The only escape that RabbitMQ understands; what it says itself is escaped as in a URL. */
function escaped(name: string): string {
  return name.replaceAll('/', '%2F');
}

function unescaped(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // another server's, which escapes nothing
  }
}

/** What servers say of a login that they refuse: STOMP has no words for it. */
const LOGIN = /access refused|authenticat|credential|pass(?:code|word)|login/i;

/** An ERROR's meaning: the hub's word, where it is one. */
export function outcomeOf(word: string, reason: string, opening: boolean): Outcome {
  if (Object.hasOwn(SENTENCE, word)) return word as Outcome;
  if (opening && LOGIN.test(reason)) return 'bad-credentials';
  return word === 'bad-destination' ? 'topic-invalid' : 'unavailable';
}
