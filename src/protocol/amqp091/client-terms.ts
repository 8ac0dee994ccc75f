// What an AMQP 0-9-1 client can do, how it logs in, and what reply codes mean to it.

import { addressOfTopic, type ExchangeAddress } from '../../contract/exchange.ts';
import { Message, type UserProperty } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Ability, Refusal, SpeakerOptions } from '../../contract/speaker.ts';
import { CODE_OF } from './map.ts';
import {
  ACCESS_REFUSED,
  CONTENT_TOO_LARGE,
  INVALID_PATH,
  NOT_ALLOWED,
  NOT_FOUND,
  NOT_IMPLEMENTED,
  RESOURCE_ERROR,
  RESOURCE_LOCKED,
} from './reply.ts';

/** QoS 1 is a publisher confirm, and a consumer that acknowledges. */
export const ABILITY: Ability = {
  publishQos: [0, 1],
  subscribeQos: [0, 1],
  retain: true,
  wildcards: true,
  shared: true,
  queues: true,
  sessions: true,
  wills: false,
  expiry: true,
  returns: true,
  meta: [
    'contentType',
    'contentEncoding',
    'responseTopic',
    'correlation',
    'messageId',
    'priority',
    'createdAt',
    'user',
  ],
};

/** Last values and groups are Waymeet's own. */
export const ELSEWHERE: Ability = { ...ABILITY, retain: false, shared: false };

export const CLOSED: Refusal = { outcome: 'unavailable', reason: 'the connection was closed', code: 0 };
export const LOST: Refusal = { outcome: 'unavailable', reason: 'the connection was lost', code: 0 };

const MEANING: Readonly<Record<number, Outcome>> = {
  [CONTENT_TOO_LARGE]: 'too-large',
  [INVALID_PATH]: 'not-authorized',
  [ACCESS_REFUSED]: 'not-authorized',
  [NOT_FOUND]: 'no-subscription',
  [RESOURCE_LOCKED]: 'busy',
  [RESOURCE_ERROR]: 'quota-exceeded',
  [NOT_ALLOWED]: 'not-authorized',
  [NOT_IMPLEMENTED]: 'not-supported',
};

/** Why a channel or connection was closed: in the hub's word, where the text ends with one. `otherwise`: what no code tells. */
export function refusalOf(code: number, reason: string, otherwise: Outcome): Refusal {
  const word = /[a-z-]+$/.exec(reason)?.[0] ?? '';
  const outcome = Object.hasOwn(CODE_OF, word) ? (word as Outcome) : (MEANING[code] ?? otherwise);
  return { outcome, reason, code };
}

export interface FirstResponse {
  readonly mechanism: string;
  readonly response: Uint8Array;
}

/** Undefined: none of the mechanisms serves. Without a user: who the certificate says, nobody, or the guest that every library is. */
export function loginOf(offered: readonly string[], options: SpeakerOptions): FirstResponse | undefined {
  const { username, password } = options;
  const nothing = new Uint8Array();
  if (username === undefined)
    for (const mechanism of ['EXTERNAL', 'ANONYMOUS'])
      if (offered.includes(mechanism)) return { mechanism, response: nothing };
  if (!offered.includes('PLAIN')) return undefined;
  const name = new TextEncoder().encode(username ?? 'guest');
  const secret = username === undefined ? name : (password ?? nothing);
  const response = new Uint8Array(name.length + secret.length + 2); // NUL | name | NUL | password [RFC4616-2]
  response.set(name, 1);
  response.set(secret, name.length + 2);
  return { mechanism: 'PLAIN', response };
}

/** The URL's path names the virtual host; without one it is `/`. */
export function virtualHostOf(path: string): string {
  const name = path.replace(/^\//, '');
  if (name === '') return '/';
  try {
    return decodeURIComponent(name);
  } catch (why) {
    if (why instanceof URIError) return name; // a stray `%` stands for itself
    throw why;
  }
}

const MAX_NAME = 255;

/** Whether it fits a short string. [AMQP091-4.2.5.3] */
export function fitsName(text: string): boolean {
  return text.length <= MAX_NAME && new TextEncoder().encode(text).length <= MAX_NAME;
}

/** The exchange and binding key of a filter; undefined: a level `*` would be a wildcard here. */
export function bindingOf(filter: string): ExchangeAddress | undefined {
  const { exchange, key } = addressOfTopic(filter);
  const words = key.split('.');
  if (words.includes('*')) return undefined;
  return { exchange, key: words.map((word) => (word === '+' ? '*' : word)).join('.') };
}

/** RabbitMQ's words for why a message died, and the ones that it has in other protocols. */
const DEATHS: Readonly<Record<string, string>> = { maxlen: 'queue-full', delivery_limit: 'delivery-limit' };

/** As it came, with our words for why it died. */
export function inOurWords(m: Message): Message {
  if (m.meta?.user?.some(isDeath) !== true) return m;
  const user = m.meta.user.map((p) => (isDeath(p) ? { ...p, value: DEATHS[String(p.value)]! } : p));
  return new Message(m.topic, m.payload, m.qos, m.retain, m.origin, m.at, m.expiresAt, { ...m.meta, user });
}

function isDeath({ name, value }: UserProperty): boolean {
  return /^x-(?:first|last)-death-reason$/.test(name) && Object.hasOwn(DEATHS, String(value));
}
