// Every frame of `waymeet.v1` with its fields: what decoding checks, and what the AsyncAPI document is made from.

import {
  about,
  base64,
  count,
  type Field,
  type Fields,
  flag,
  id,
  object,
  octet,
  optional,
  positive,
  qos,
  text,
  textOrOctets,
  user,
  word,
} from './fields.ts';
import type { ClientFrame, HubFrame } from './packet.ts';

function said(description: string, kind: Field): Field {
  return about(description, optional(kind));
}

const META: Fields = {
  contentType: said('media type of the payload', text),
  contentEncoding: said('how the payload is compressed', text),
  responseTopic: said('where an answer is expected', text),
  correlation: said('what an answer repeats', id),
  messageId: optional(id),
  priority: optional(octet),
  createdAt: said('when the publisher made it, ms since 1970', count),
  groupId: optional(text),
  groupSequence: optional(count),
  user: said('user properties, in order, names may repeat', user),
};

const PAYLOAD: Fields = {
  payload: said('the payload as text; in CBOR a text or a byte string', textOrOctets),
  payloadBase64: said('the payload as octets, in JSON', base64),
};

const CONTENT: Fields = {
  topic: text,
  ...PAYLOAD,
  qos: said('0: at most once; 1: at least once; 2: exactly once', qos),
  retain: said("keep it as the topic's last value; an empty payload forgets that", flag),
  expiryMs: said('how long it is worth delivering', count),
  ...META,
};

const asked = said('the answer repeats it', count);
const number = about('of the message, its `ack`', count);

/** What the hub reads. */
export const CLIENT_FRAMES: Record<ClientFrame['type'], Fields> = {
  connect: {
    client: said('the client id; the hub makes one', text),
    username: optional(text),
    password: said('or a token', textOrOctets),
    keepMs: said('how long the session outlives the connection; not at all', count),
    fresh: said('forget what an earlier session of this client held', flag),
    keepAliveMs: said('the client is heard from at least this often', count),
    window: said('how many messages may wait for an ack', positive),
    will: said(
      'published when the connection is lost without disconnect',
      object({ ...CONTENT, delayMs: said('so much later', count) }),
    ),
  },
  publish: { ...CONTENT, id: said('asks for `published`; QoS 2 needs it', count) },
  request: {
    ...CONTENT,
    id: about('the response repeats it', count),
    timeoutMs: said('how long to wait for the response; 10 s', positive),
  },
  subscribe: {
    filter: about('`room/+/heat`, `#`, `$share/{group}/{filter}`, `$queue/{name}`', text),
    qos: said('the most that messages come with; 0', qos),
    noLocal: said('not what this client published', flag),
    retained: said('which retained messages come first; all', word('all', 'new', 'none')),
    id: asked,
  },
  unsubscribe: { filter: text, id: asked },
  ack: { id: number },
  reject: { id: number, requeue: said('back to the queue; else it is a dead letter', flag) },
  received: { id: number },
  release: { id: about('of the publish', count) },
  renew: { username: optional(text), password: about('or a token', textOrOctets), id: asked },
  ping: {},
  disconnect: {},
};

/** What the hub writes. */
export const HUB_FRAMES: Record<HubFrame['type'], Fields> = {
  connected: {
    client: text,
    resumed: about('subscriptions, and what waits, are there still', flag),
    window: about('so many publishes with an id may be unanswered', count),
    maxBytes: about('the longest frame that the hub reads', count),
  },
  renewed: { validUntil: said('ms since 1970; it has no end', count), id: optional(count) },
  published: { id: count, unmatched: said('nobody is subscribed', flag) },
  received: { id: about('of the publish', count) },
  release: { id: number },
  subscribed: { filter: text, qos: about('what was granted', qos), id: optional(count) },
  unsubscribed: { filter: text, id: optional(count) },
  message: {
    topic: text,
    ...PAYLOAD,
    expiresAt: said('ms since 1970', count),
    ...META,
    qos,
    retain: about('it comes from the retained messages', flag),
    ack: said('the number to answer with; absent at QoS 0', count),
    again: said('it may have come before', flag),
  },
  response: { id: count, ...PAYLOAD, expiresAt: optional(count), ...META },
  pong: {},
  error: {
    code: about('for programs', text),
    reason: about('for people', text),
    id: said('of the frame that failed', count),
  },
};
