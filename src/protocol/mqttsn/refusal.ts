// What the client's side says when something does not go, and what it knows of topics beforehand.

import type { Message } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Refusal } from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { publishBytes } from './encode.ts';
import { ACCEPTED, CONGESTION, INVALID_TOPIC_ID, type SnPacket, type TopicId } from './packet.ts';

/** What a datagram of IPv4 holds. */
const LARGEST = 65_507;

/** The ids of predefined topics by name. */
export function idsOf(predefined: ReadonlyMap<number, string> = new Map()): Map<string, TopicId> {
  return new Map([...predefined].map(([id, topic]) => [topic, { kind: 'predefined', id }]));
}

export function tooLarge(m: Message, wire: Wire): boolean {
  return publishBytes(m.payload.length) > Math.min(LARGEST, wire.limits.maxPacketBytes);
}

export function refusalOf(p: SnPacket, what: string): Refusal | undefined {
  const code = 'code' in p ? p.code : ACCEPTED;
  switch (code) {
    case ACCEPTED:
      return undefined;
    case CONGESTION:
      return refusal('busy', `${what}: congestion`, code);
    case INVALID_TOPIC_ID:
      return refusal('topic-invalid', `${what}: invalid topic id`, code);
    default:
      return refusal('not-authorized', `${what}: not supported, or not allowed`, code);
  }
}

export function refusal(outcome: Outcome, reason: string, code = 0): Refusal {
  return { outcome, reason, code };
}
