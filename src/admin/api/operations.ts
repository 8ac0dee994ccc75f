// Every operation of the admin API.

import { z } from 'zod';
import type { OwnedHub } from '../../contract/hub.ts';
import type { SessionView } from '../../contract/inspect.ts';
import { Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { refusalOf } from '../../protocol/http/map.ts';
import { Refusal } from '../../protocol/http/packet.ts';
import type { History } from '../history.ts';
import type { Tracer } from '../trace.ts';
import { heldIn } from './held.ts';
import { type LabHost, labOperations } from './lab.ts';
import { type Operation, operation } from './operation.ts';
import { missing, page } from './page.ts';
import { queueOperations } from './queues.ts';
import { retainedOperations } from './retained.ts';
import * as views from './views.ts';

/** What the operations ask of the server. */
export interface ApiHost {
  readonly hub: OwnedHub;
  readonly version: string;
  /** Paths of the web port, by what is spoken over WebSocket there. */
  readonly paths: {
    readonly mqtt: string;
    readonly json: string;
    readonly coap: string;
    readonly stomp: string;
  };
  readonly loginNeeded: boolean;
  listeners(): z.input<typeof views.listener>[];
  settings(): z.input<typeof views.setting>[];
  figures(): z.input<typeof views.figures>;
  publish(m: Message): Promise<Outcome>;
  readonly tracer: Tracer;
  readonly lab: LabHost;
  readonly history: History;
}

const done = z.object({ done: z.literal(true) });
const DONE = { done: true } as const;

export function operations(host: ApiHost): Operation[] {
  return [
    ...hubOperations(host),
    ...clientOperations(host),
    ...sessionOperations(host),
    ...queueOperations(host.hub.inspection),
    ...retainedOperations(host.hub),
    ...messageOperations(host),
    ...labOperations(host.lab),
  ];
}

function hubOperations(host: ApiHost): Operation[] {
  return [
    operation({
      method: 'GET',
      path: '/hub',
      about: 'What runs here, and where it listens.',
      role: 'open',
      answer: z.object({
        version: z.string(),
        paths: z.object({ mqtt: z.string(), json: z.string(), coap: z.string(), stomp: z.string() }),
        loginNeeded: z.boolean().describe('the other operations ask for a user name and a password'),
        listeners: z.array(views.listener),
      }),
      run: () => ({
        version: host.version,
        paths: host.paths,
        loginNeeded: host.loginNeeded,
        listeners: host.listeners(),
      }),
    }),
    operation({
      method: 'GET',
      path: '/stats',
      about: 'The figures of the hub, now.',
      role: 'viewer',
      answer: views.figures,
      run: () => host.figures(),
    }),
    operation({
      method: 'GET',
      path: '/listeners',
      about: 'Where the hub listens.',
      role: 'viewer',
      answer: z.object({ items: z.array(views.listener) }),
      run: () => ({ items: host.listeners() }),
    }),
    operation({
      method: 'GET',
      path: '/config',
      about: 'Every setting in force, and who said so. Secrets are hidden.',
      role: 'viewer',
      answer: z.object({ items: z.array(views.setting) }),
      run: () => ({ items: host.settings() }),
    }),
  ];
}

function clientOperations({ hub, history }: ApiHost): Operation[] {
  const { inspection } = hub;
  return [
    operation({
      method: 'GET',
      path: '/clients',
      about: 'Clients that are logged in.',
      role: 'viewer',
      query: z.strictObject({
        ...views.paging,
        search: z.string().optional().describe('in client id, principal and address'),
        protocol: z.string().optional(),
      }),
      answer: views.pageOf(views.client),
      run: ({ query: { search, protocol, ...part } }) =>
        page(inspection.clients(), part, (c) => {
          if (protocol !== undefined && c.protocol !== protocol) return false;
          return search === undefined || `${c.client}\n${c.principal}\n${c.remote}`.includes(search);
        }),
    }),
    operation({
      method: 'GET',
      path: '/clients/{protocol}/{client}',
      about: 'One client.',
      role: 'viewer',
      answer: views.client,
      run: ({ params }) => inspection.client(params.protocol!, params.client!) ?? missing('client'),
    }),
    operation({
      method: 'GET',
      path: '/clients/{protocol}/{client}/history',
      about: 'What a client did lately, here or gone: coming, going and why, subscriptions; oldest first.',
      role: 'viewer',
      answer: z.object({ items: z.array(views.historyEntry) }),
      run: ({ params }) => ({
        items: [...(history.of(params.protocol!, params.client!) ?? missing('client'))],
      }),
    }),
    operation({
      method: 'DELETE',
      path: '/clients/{protocol}/{client}',
      about: 'Sends a client away. Nothing keeps it from coming back.',
      role: 'admin',
      answer: done,
      run: ({ params }) => (hub.disconnect(params.protocol!, params.client!) ? DONE : missing('client')),
    }),
  ];
}

function sessionOperations({ hub }: ApiHost): Operation[] {
  const { inspection } = hub;
  const find = (params: Readonly<Record<string, string>>) =>
    inspection.session(params.protocol!, params.name!) ?? missing('session');
  return [
    operation({
      method: 'GET',
      path: '/sessions',
      about: 'Sessions, connected or waiting for their client.',
      role: 'viewer',
      query: z.strictObject({
        ...views.paging,
        search: z.string().optional().describe('in the name'),
        attended: z.enum(['true', 'false']).optional(),
      }),
      answer: views.pageOf(views.session),
      run({ query: { search, attended, ...part } }) {
        const found = page(inspection.sessions(), part, (s) => {
          if (attended !== undefined && String(s.attended) !== attended) return false;
          return search === undefined || s.name.includes(search);
        });
        return { total: found.total, items: found.items.map(sessionOf) };
      },
    }),
    operation({
      method: 'GET',
      path: '/sessions/{protocol}/{name}',
      about: 'One session, its queue and its subscriptions.',
      role: 'viewer',
      answer: z.object({ session: views.session, subscriptions: z.array(views.subscription) }),
      run({ params }) {
        const session = find(params);
        return { session: sessionOf(session), subscriptions: [...subscriptionsOf(session)] };
      },
    }),
    operation({
      method: 'DELETE',
      path: '/sessions/{protocol}/{name}',
      about: 'Ends the session of a client that is away: subscriptions and queue are forgotten.',
      role: 'admin',
      answer: done,
      run({ params }) {
        find(params);
        if (inspection.end(params.protocol!, params.name!)) return DONE;
        throw new Refusal(409, 'in-use', 'the client is connected: disconnect it first');
      },
    }),
    operation({
      method: 'GET',
      path: '/sessions/{protocol}/{name}/queue',
      about: 'The messages in a session: those under way, then those that wait, first one first.',
      role: 'viewer',
      query: z.strictObject(views.paging),
      answer: views.pageOf(views.held),
      run: ({ params, query }) => heldIn(find(params), query),
    }),
    operation({
      method: 'DELETE',
      path: '/sessions/{protocol}/{name}/queue',
      about: 'Discards the messages that wait in a session.',
      role: 'admin',
      answer: z.object({ purged: z.number().int() }),
      run: ({ params }) => ({
        purged: inspection.purge(params.protocol!, params.name!) ?? missing('session'),
      }),
    }),
    operation({
      method: 'GET',
      path: '/subscriptions',
      about: 'Subscriptions of all sessions.',
      role: 'viewer',
      query: z.strictObject({ ...views.paging, search: z.string().optional().describe('in the filter') }),
      answer: views.pageOf(views.subscription),
      run: ({ query: { search, ...part } }) =>
        page(
          everySubscription(inspection.sessions()),
          part,
          (s) => search === undefined || s.filter.includes(search),
        ),
    }),
  ];
}

function messageOperations({ hub, publish }: ApiHost): Operation[] {
  return [
    operation({
      method: 'POST',
      path: '/publish',
      about: 'Publishes as the hub itself; resolved once it is kept.',
      role: 'admin',
      body: z.strictObject({
        topic: z.string(),
        payload: z.string().optional(),
        payloadBase64: z.base64().optional(),
        qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
        retain: z.boolean().default(false),
        contentType: z.string().optional(),
        expiryMs: z.number().int().min(0).optional(),
      }),
      answer: z.object({ outcome: z.string() }),
      async run({ body }) {
        const { payload, payloadBase64, contentType, expiryMs } = body;
        if (payload !== undefined && payloadBase64 !== undefined)
          throw new Refusal(400, 'payload-invalid', 'payload is given twice');
        const octets =
          payloadBase64 === undefined ? Buffer.from(payload ?? '') : Buffer.from(payloadBase64, 'base64');
        const now = hub.now();
        const origin = { protocol: 'hub', client: 'admin', principal: 'admin' };
        const meta = {
          ...(contentType !== undefined && { contentType }),
          ...(payload !== undefined && { text: true }),
        };
        const expiresAt = expiryMs === undefined ? NEVER : now + expiryMs;
        const m = new Message(body.topic, octets, body.qos as Qos, body.retain, origin, now, expiresAt, meta);
        const outcome = await publish(m);
        if (outcome !== 'ok' && outcome !== 'unmatched') throw refusalOf(outcome);
        return { outcome };
      },
    }),
  ];
}

function sessionOf(s: SessionView): z.input<typeof views.session> {
  const { protocol, name, attended, stored, keepMs, goneAt, waiting, waitingBytes, unsettled } = s;
  let subscriptions = 0;
  for (const _ of s.subscriptions()) subscriptions++;
  return {
    protocol,
    name,
    attended,
    stored,
    keepMs: Number.isFinite(keepMs) ? keepMs : null,
    goneAt,
    waiting,
    waitingBytes,
    unsettled,
    subscriptions,
  };
}

function* subscriptionsOf(s: SessionView): Iterable<z.input<typeof views.subscription>> {
  for (const { filter, qos, noLocal } of s.subscriptions())
    yield { protocol: s.protocol, session: s.name, filter, qos, noLocal };
}

function* everySubscription(sessions: Iterable<SessionView>): Iterable<z.input<typeof views.subscription>> {
  for (const session of sessions) yield* subscriptionsOf(session);
}
