// The shapes that the admin API speaks of, as zod schemas: they check, and the OpenAPI document is made from them.

import { z } from 'zod';

const count = z.number().int().min(0);
const time = z.number().describe('ms since 1970');

export const client = z
  .object({
    protocol: z.string(),
    client: z.string().describe('the client id'),
    principal: z.string().describe('who it proved to be'),
    remote: z.string().describe('address and port'),
    since: time,
  })
  .meta({ id: 'Client' });

export const subscription = z
  .object({
    protocol: z.string(),
    session: z.string(),
    filter: z.string(),
    qos: z.number().int().min(0).max(2),
    noLocal: z.boolean(),
  })
  .meta({ id: 'Subscription' });

export const session = z
  .object({
    protocol: z.string(),
    name: z.string(),
    attended: z.boolean().describe('its client is connected'),
    stored: z.boolean().describe('it survives a restart'),
    keepMs: z.number().nullable().describe('how long it outlives its client; null: for good'),
    goneAt: time.describe('since when its client is away, ms since 1970; 0: it is here'),
    waiting: count,
    waitingBytes: count,
    unsettled: count.describe('delivered and not acknowledged'),
    subscriptions: count,
  })
  .meta({ id: 'Session' });

const limit = z.number().nullable().describe('null: none');

export const queue = z
  .object({
    name: z.string(),
    declared: z.boolean().describe('it stays when it is empty and alone'),
    waiting: count,
    waitingBytes: count,
    unsettled: count.describe('delivered and not acknowledged'),
    consumers: count,
    bindings: z.array(z.string()).describe('filters of topics whose messages come into it'),
    durable: z.boolean(),
    exclusive: z.boolean(),
    autoDelete: z.boolean(),
    singleActive: z.boolean(),
    overflow: z.enum(['drop-oldest', 'drop-newest']),
    maxPriority: count,
    deadLetter: z.string().describe('the topic of dead messages; empty: they are dropped'),
    expiresMs: limit,
    messageTtlMs: limit,
    maxMessages: limit,
    maxBytes: limit,
    maxDeliveries: limit,
  })
  .meta({ id: 'Queue' });

export const message = z
  .looseObject({
    topic: z.string(),
    payload: z.string().optional().describe('the payload, when it is UTF-8 text'),
    payloadBase64: z.string().optional().describe('the payload, when it is not'),
    qos: z.number().int().min(0).max(2),
    at: time,
    bytes: count,
    origin: z.object({ protocol: z.string(), client: z.string(), principal: z.string() }),
  })
  .meta({ id: 'Message' });

export const held = message
  .extend({
    unsettled: z.boolean().describe('delivered and not acknowledged; else it waits'),
    again: z.boolean().describe('it was delivered before'),
  })
  .meta({ id: 'HeldMessage' });

export const historyEntry = z
  .object({
    at: time,
    kind: z.enum(['connected', 'disconnected', 'subscribed', 'unsubscribed']),
    remote: z.string().optional(),
    principal: z.string().optional(),
    graceful: z.boolean().optional().describe('it said goodbye'),
    reason: z.string().optional().describe('why the hub sent it away'),
    filter: z.string().optional(),
  })
  .meta({ id: 'HistoryEntry' });

export const listener = z
  .object({
    name: z.string(),
    address: z.string(),
    type: z.string(),
    protocols: z.array(z.string()),
    connections: count,
  })
  .meta({ id: 'Listener' });

const protocolFigures = z.object({
  clients: count,
  connections: count,
  connectionsTotal: count,
  refused: count,
  broken: count,
  expired: count.describe('sessions whose client did not come back in time'),
  bytesIn: count,
  bytesOut: count,
  received: z.array(count).describe('messages by QoS'),
  delivered: z.array(count).describe('messages by QoS'),
});

export const figures = z
  .object({
    at: time,
    protocols: z.record(z.string(), protocolFigures),
    dropped: z.record(z.string(), count).describe('by reason'),
    clients: count,
    sessions: count,
    subscriptions: count,
    retained: count,
    queuedMessages: count,
    queuedBytes: count,
    unsettled: count,
    storeBytes: count,
    commits: count,
    lastCommitMs: z.number(),
    memoryBytes: count.describe('resident'),
    heapBytes: count,
    cpuSeconds: z.number(),
    lagSeconds: z.number().describe('how late the event loop ran, all samples together'),
    lagSamples: count,
  })
  .meta({ id: 'Figures' });

export const setting = z
  .object({
    path: z.string(),
    value: z.unknown().optional().describe('absent: there is none'),
    where: z.string().describe('who said so: default, a file with line and column, a variable, a flag'),
    about: z.string(),
    live: z.boolean().describe('a reload applies a change'),
  })
  .meta({ id: 'Setting' });

export const problem = z
  .object({
    type: z.literal('about:blank'),
    status: z.number().int(),
    title: z.string(),
    code: z.string().describe('for programs'),
    detail: z.string().describe('for people'),
  })
  .meta({ id: 'Problem' });

/** A page of a list. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ total: count.describe('of all pages'), items: z.array(item) });
}

export const paging = {
  offset: z.coerce.number().int().min(0).default(0).describe('how many to pass over'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('how many at most'),
};
