// A message's properties, as pairs to show.

import type { Id, Meta } from '../../../src/contract/message.ts';

type Shown = [name: string, value: string];

/** `expiresAt` and `now`: ms since 1970. */
export function pairsOf(meta: Meta, expiresAt: number, now: number): Shown[] {
  const { contentType, contentEncoding, text, responseTopic, correlation, messageId } = meta;
  const { priority, createdAt, groupId, groupSequence, user } = meta;
  const said: [string, string | number | boolean | undefined][] = [
    ['content type', contentType],
    ['content encoding', contentEncoding],
    ['payload is text', text],
    ['response topic', responseTopic],
    ['correlation data', correlation === undefined ? undefined : idText(correlation)],
    ['message id', messageId === undefined ? undefined : idText(messageId)],
    ['priority', priority],
    ['created at', createdAt === undefined ? undefined : new Date(createdAt).toISOString()],
    ['group', groupId],
    ['place in the group', groupSequence],
    ['expires in', Number.isFinite(expiresAt) ? `${Math.ceil((expiresAt - now) / 1_000)} s` : undefined],
  ];
  const pairs = said
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): Shown => [name, String(value)]);
  for (const { name, value } of user ?? [])
    pairs.push([`user: ${name}`, value instanceof Uint8Array ? hex(value) : String(value)]);
  return pairs;
}

function idText(id: Id): string {
  if (typeof id === 'string' || typeof id === 'bigint') return String(id);
  if (!(id instanceof Uint8Array)) return id.uuid;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(id);
  } catch {
    return hex(id);
  }
}

function hex(octets: Uint8Array): string {
  return [...octets].map((o) => o.toString(16).padStart(2, '0')).join(' ');
}
