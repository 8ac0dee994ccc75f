// MQTT-SN's words for the hub's, and back: messages, wills, outcomes.

import { Message, NEVER, type Origin } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import {
  ACCEPTED,
  CONGESTION,
  INVALID_TOPIC_ID,
  NOT_SUPPORTED,
  type Publish,
  type TopicId,
  type TopicRef,
} from './packet.ts';

/** A return code for every outcome [MQTTSN12-5.3.10]: 'congestion' where it is worth trying again, 'not supported' where it is not. */
export const RETURN_CODE = {
  ok: ACCEPTED,
  unmatched: ACCEPTED,
  'bad-credentials': NOT_SUPPORTED,
  'bad-authentication-method': NOT_SUPPORTED,
  'not-authorized': NOT_SUPPORTED,
  'identifier-invalid': NOT_SUPPORTED,
  'topic-invalid': INVALID_TOPIC_ID,
  'filter-invalid': NOT_SUPPORTED,
  'payload-invalid': NOT_SUPPORTED,
  'too-large': NOT_SUPPORTED,
  'quota-exceeded': CONGESTION,
  'rate-exceeded': CONGESTION,
  'no-subscription': ACCEPTED,
  'not-supported': NOT_SUPPORTED,
  'taken-over': NOT_SUPPORTED,
  'slow-consumer': CONGESTION,
  idle: CONGESTION,
  'disconnected-by-admin': NOT_SUPPORTED,
  busy: CONGESTION,
  unavailable: CONGESTION,
  'use-another-server': NOT_SUPPORTED,
  'server-moved': NOT_SUPPORTED,
  'shutting-down': CONGESTION,
} satisfies Record<Outcome, number>;

/** What a client wants published when it is lost. */
export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

export function messageOfWill(w: Will, origin: Origin, now: number): Message {
  return new Message(w.topic, w.payload, w.qos, w.retain, origin, now, NEVER, undefined);
}

/** The Message of a PUBLISH; QoS −1 is QoS 0 once it is here. */
export function messageOf(p: Publish, topic: string, origin: Origin, now: number): Message {
  const qos = p.qos === -1 ? 0 : p.qos;
  return new Message(topic, p.payload.slice(), qos, p.retain, origin, now, NEVER, undefined);
}

/** The topic id as the answer to a message repeats it. */
export function idOfTopic(topic: TopicRef): number {
  switch (topic.kind) {
    case 'name':
      return 0;
    case 'short':
      return (topic.name.charCodeAt(0) << 8) | (topic.name.length > 1 ? topic.name.charCodeAt(1) : 0);
    default:
      return topic.id;
  }
}

/** The short topic name that is `topic`, if it can be one: two characters of one octet each. */
export function shortTopic(topic: string): TopicId | undefined {
  if (topic.length !== 2 || topic.charCodeAt(0) > 0x7f || topic.charCodeAt(1) > 0x7f) return undefined;
  return { kind: 'short', name: topic };
}

/** Silence of so many announced seconds, with the tolerance that the specification grants [MQTTSN12-7.2]; 0: for ever. */
export function silenceMs(seconds: number): number {
  if (seconds === 0) return NEVER;
  return seconds > 60 ? seconds * 1_100 : seconds * 1_500;
}
