// The story that a dead letter carries: which queues it died in, why, how often, and where it was meant to go.

import type { Message, UserProperty } from '../contract/message.ts';
import { DEATH_PROPERTY, type Death, type DeathRecord, deathRecord } from '../contract/queue.ts';

/** Different deaths that a letter remembers; the oldest are forgotten. */
const MAX_DEATHS = 16;
const LAST = 'x-last-death-';

/** The user properties of `m` once it died in `queue`: first and last death, and a record each, the newest first. */
export function withDeath(m: Message, queue: string, reason: Death, at: number): UserProperty[] {
  const earlier: DeathRecord[] = [];
  const user: UserProperty[] = [];
  for (const property of m.meta?.user ?? []) {
    const record = deathRecord(property);
    if (record !== undefined) earlier.push(record);
    else if (!property.name.startsWith(LAST)) user.push(property);
  }
  if (!user.some((p) => p.name === 'x-first-death-queue')) user.push(...deathOf('first', queue, reason));
  const same = earlier.find((record) => record.queue === queue && record.reason === reason);
  const record = { reason, queue, count: (same?.count ?? 0) + 1, at, topic: m.topic };
  const records = [record, ...earlier.filter((other) => other !== same)].slice(0, MAX_DEATHS);
  return [...user, ...deathOf('last', queue, reason), ...records.map(propertyOf)];
}

function deathOf(which: 'first' | 'last', queue: string, why: Death): UserProperty[] {
  return [
    { name: `x-${which}-death-queue`, value: queue },
    { name: `x-${which}-death-reason`, value: why },
  ];
}

function propertyOf({ reason, queue, count, at, topic }: DeathRecord): UserProperty {
  return { name: DEATH_PROPERTY, value: JSON.stringify([reason, queue, count, at, topic]) };
}
