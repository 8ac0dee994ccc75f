// `GET /api/v1/trace`: packets of a client or a topic as they pass, live as events or as a download of NDJSON.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { isTopicFilter, type TopicLimits } from '../../contract/topic.ts';
import { EVENT_HEADERS, encodeEvent } from '../../protocol/http/encode.ts';
import { refusalOf } from '../../protocol/http/map.ts';
import { Refusal } from '../../protocol/http/packet.ts';
import type { TracedPacket, TraceQuery, Tracer } from '../trace.ts';

/** Packets that a viewer has not taken: beyond it they are left out and counted. */
const MAX_UNSENT_BYTES = 1_048_576;

export const traceQuery = z.strictObject({
  client: z.string().optional().describe('`{protocol}/{client id}`'),
  topic: z.string().optional().describe('a filter'),
  limit: z.coerce.number().int().min(1).max(100_000).default(1_000).describe('it ends after so many packets'),
  seconds: z.coerce.number().min(1).max(3_600).default(60).describe('it ends after so long'),
});

const field = z.object({
  name: z.string(),
  value: z.string(),
  from: z.number().int().optional().describe('offset in the octets'),
  to: z.number().int().optional(),
});

export const tracedPacket = z
  .object({
    at: z.number().describe('ms since 1970'),
    direction: z.enum(['in', 'out']).describe('`in` is towards the hub'),
    protocol: z.string(),
    client: z.string().optional().describe('absent while nobody is logged in there'),
    remote: z.string(),
    listener: z.string(),
    name: z.string().describe('PUBLISH'),
    topic: z.string().optional(),
    topics: z.array(z.string()).optional().describe('of a packet with several messages'),
    length: z.number().int().describe('octets of the whole packet'),
    octets: z.string().describe('base64 of the first 4,096; secrets are `*`'),
    cut: z.boolean().describe('there were more'),
    fields: z.array(field),
    missed: z
      .number()
      .int()
      .optional()
      .describe('so many were left out before it, because they were not read'),
  })
  .meta({ id: 'TracedPacket' });

/** Begins a trace. Throws Refusal. */
export function serveTrace(
  tracer: Tracer,
  limits: TopicLimits,
  asked: z.output<typeof traceQuery>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const query = queryOf(asked, limits);
  if (tracer.crowded) throw new Refusal(503, 'busy', 'too many traces are running');
  const live = request.headers.accept?.includes('text/event-stream') === true;
  response.writeHead(200, live ? EVENT_HEADERS : DOWNLOAD_HEADERS);
  if (live) {
    const { client, topic, limit } = asked;
    response.write(encodeEvent({ client, topic, limit }, undefined, 'trace'));
  }
  response.flushHeaders();
  let seen = 0;
  let missed = 0;
  const stop = tracer.watch(query, (packet) => {
    if (response.writableLength > MAX_UNSENT_BYTES) {
      missed++;
      return;
    }
    const told: TracedPacket & { missed?: number } = missed === 0 ? packet : { ...packet, missed };
    missed = 0;
    response.write(live ? encodeEvent(told, undefined, 'packet') : `${JSON.stringify(told)}\n`);
    if (++seen >= asked.limit) end();
  });
  const timer = setTimeout(() => end(), asked.seconds * 1_000);
  const end = (): void => {
    stop();
    clearTimeout(timer);
    response.end();
  };
  response.once('close', end);
}

const DOWNLOAD_HEADERS = {
  'Content-Type': 'application/x-ndjson',
  'Content-Disposition': 'attachment; filename="waymeet-trace.ndjson"',
  'Cache-Control': 'no-store',
} as const;

function queryOf(
  { client, topic }: { readonly client?: string | undefined; readonly topic?: string | undefined },
  limits: TopicLimits,
): TraceQuery {
  if (client === undefined && topic === undefined)
    throw new Refusal(400, 'query-invalid', 'say whom to trace: ?client=mqtt/sensor-7 or ?topic=room/%23');
  if (topic !== undefined && !isTopicFilter(topic, limits)) throw refusalOf('filter-invalid');
  if (client === undefined) return { client: undefined, topic };
  const slash = client.indexOf('/');
  if (slash <= 0)
    throw new Refusal(400, 'query-invalid', 'client is written {protocol}/{client id}: mqtt/sensor-7');
  return { client: { protocol: client.slice(0, slash), client: client.slice(slash + 1) }, topic };
}
