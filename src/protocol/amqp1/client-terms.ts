// What a client can do, what of it outlives a connection, and what it is told in annotations.

import { NEVER, type UserProperty } from '../../contract/message.ts';
import type { Ability, SessionMemory, SpeakerOptions } from '../../contract/speaker.ts';
import { EVERY_META } from '../../contract/speaker.ts';
import type { Terminus } from './packet.ts';
import type { AmqpMap } from './types.ts';

const MAX_SECONDS = 0xffff_ffff;

export const ABILITY: Ability = {
  publishQos: [0, 1, 2],
  subscribeQos: [0, 1, 2],
  retain: true,
  wildcards: true,
  shared: true,
  noLocal: true,
  retainedChoice: true,
  returns: true,
  queues: true,
  sessions: true,
  wills: false,
  expiry: true,
  meta: ['text', ...EVERY_META],
};

/** Another broker has no place for these, or one of its own. */
export const ELSEWHERE: Ability = {
  ...ABILITY,
  retain: false,
  wildcards: false,
  shared: false,
  retainedChoice: false,
};

/** How long termini are kept. They are found again by the container id, so there must be one. */
export function keepingOf({
  clientId,
  sessionExpiryMs,
}: SpeakerOptions): Pick<Terminus, 'durable' | 'expiryPolicy' | 'timeout'> | undefined {
  if (clientId === '' || sessionExpiryMs <= 0) return undefined;
  if (sessionExpiryMs === NEVER) return { durable: 2, expiryPolicy: 'never' };
  const timeout = Math.min(MAX_SECONDS, Math.ceil(sessionExpiryMs / 1_000));
  return { durable: 2, expiryPolicy: 'connection-close', timeout };
}

/** What remembers nothing beyond the connection. */
export function forgetful(): SessionMemory {
  return { released() {}, inbound: new Set(), kept: (then) => then() };
}

const DEATH = /^x-opt-((?:first|last)-death-.+)$/;

/** Why a dead letter died, which hubs say in annotations, as the properties that it has in other protocols. */
export function deathsIn(annotations: AmqpMap): UserProperty[] {
  const found: UserProperty[] = [];
  for (const [key, value] of annotations) {
    const name = typeof key.value === 'string' ? DEATH.exec(key.value)?.[1] : undefined;
    if (name !== undefined && typeof value.value === 'string')
      found.push({ name: `x-${name}`, value: value.value });
  }
  return found;
}
