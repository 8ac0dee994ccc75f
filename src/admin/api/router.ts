// The admin API on node:http: finds the operation, checks who asks and what, answers JSON or a problem; and the live events.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { HubEvent } from '../../contract/inspect.ts';
import { EVENT_HEADERS, encodeEvent, encodeJson } from '../../protocol/http/encode.ts';
import { Refusal } from '../../protocol/http/packet.ts';
import { asyncApi } from '../../protocol/websocket/asyncapi.ts';
import { readBody, sendAnswer } from '../exchange.ts';
import { banOperations } from './bans.ts';
import type { Guard } from './guard.ts';
import { loginOperations } from './login.ts';
import { openApi } from './openapi.ts';
import { type Operation, streaming } from './operation.ts';
import { type ApiHost, operations } from './operations.ts';
import { serveTrace, tracedPacket, traceQuery } from './trace.ts';

export const API_ROOT = '/api/v1';

const MAX_BODY_BYTES = 1_048_576;
const FIGURES_MS = 1_000;
/** What happened lately is told to whoever begins to look. */
const MAX_RECENT = 500;
/** Events that a slow viewer has not taken: beyond it they are left out, and the next figures say how many. */
const MAX_UNSENT_BYTES = 1_048_576;

interface Route {
  readonly operation: Operation;
  readonly pattern: readonly string[];
}

export class Api {
  private readonly host: ApiHost;
  private readonly guard: Guard;
  private readonly routes: readonly Route[];
  private readonly document: object;
  private readonly viewers = new Set<Viewer>();
  private ticking: NodeJS.Timeout | undefined;
  private readonly recent: HubEvent[] = [];
  private readonly unwatch: () => void;

  constructor(host: ApiHost, guard: Guard) {
    this.host = host;
    this.guard = guard;
    const all = [
      ...operations(host),
      ...loginOperations(guard),
      ...banOperations(host.hub),
      ...this.streams(),
    ];
    this.routes = all.map((operation) => ({ operation, pattern: operation.path.slice(1).split('/') }));
    this.document = openApi(all, host.version);
    this.unwatch = host.hub.inspection.watch((event) => this.tell(event));
  }

  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams,
    remote: string,
  ) {
    const address = remote.slice(0, remote.lastIndexOf(':'));
    const local = path.slice(API_ROOT.length);
    if (local === '/openapi.json') {
      sendAnswer(request, response, encodeJson(this.document));
      return;
    }
    if (local === '/asyncapi.json') {
      sendAnswer(request, response, encodeJson(asyncApi(this.host.version, this.host.paths.json)));
      return;
    }
    const { operation, params } = this.find(request.method ?? 'GET', local);
    const caller = await this.guard.check(request, operation.role, address);
    const asked = {
      params,
      caller,
      request,
      response,
      address,
      setCookie: (cookie: string) => response.setHeader('Set-Cookie', cookie),
      query: checked(operation.query ?? NO_QUERY, Object.fromEntries(query), 'query-invalid'),
      body: operation.body === undefined ? undefined : await this.bodyOf(request, operation.body),
    };
    const value = await operation.run(asked as never);
    if (operation.media === undefined) sendAnswer(request, response, encodeJson(value));
  }

  /** Operations that answer with streams. */
  private streams(): Operation[] {
    const { hub, tracer } = this.host;
    return [
      streaming({
        path: '/events',
        about: 'What happens, as it happens, and the figures each second.',
        role: 'viewer',
        answer: z.looseObject({}),
        media: ['text/event-stream'],
        run: ({ response }) => this.watch(response),
      }),
      streaming({
        path: '/trace',
        about: 'Packets of a client or a topic, both ways, as they pass: live, or as a download.',
        role: 'viewer',
        query: traceQuery,
        answer: tracedPacket,
        media: ['text/event-stream', 'application/x-ndjson'],
        run: ({ query, request, response }) => serveTrace(tracer, hub.limits, query, request, response),
      }),
    ];
  }

  close(): void {
    for (const { response } of this.viewers) response.end();
    this.viewers.clear();
    this.rest();
    this.unwatch();
    this.host.history.close();
  }

  private async bodyOf(request: IncomingMessage, schema: z.ZodType): Promise<unknown> {
    const octets = await readBody(request, MAX_BODY_BYTES);
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets));
    } catch {
      throw new Refusal(400, 'payload-invalid', 'the body is not JSON');
    }
    return checked(schema, value, 'payload-invalid');
  }

  private find(method: string, path: string) {
    const steps = path.slice(1).split('/');
    const fitting = this.routes.flatMap(({ operation, pattern }) => {
      const params = matched(pattern, steps);
      return params === undefined ? [] : [{ operation, params }];
    });
    if (fitting.length === 0)
      throw new Refusal(
        404,
        'not-found',
        `there is no ${API_ROOT}${path}; ${API_ROOT}/openapi.json lists what there is`,
      );
    const found = fitting.find(({ operation }) => operation.method === (method === 'HEAD' ? 'GET' : method));
    if (found !== undefined) return found;
    const allow = fitting
      .map(({ operation: { method: one } }) => (one === 'GET' ? 'GET, HEAD' : one))
      .join(', ');
    throw new Refusal(405, 'method-not-allowed', `${method} means nothing here; there is ${allow}`, {
      Allow: allow,
    });
  }

  // --- live events ---

  private watch(response: ServerResponse): void {
    response.writeHead(200, EVENT_HEADERS);
    const viewer: Viewer = { response, missed: 0 };
    this.viewers.add(viewer);
    this.ticking ??= setInterval(() => this.tick(), FIGURES_MS);
    response.write(encodeEvent(this.recent, undefined, 'recent'));
    response.write(encodeEvent(this.host.figures(), undefined, 'figures'));
    response.once('close', () => {
      this.viewers.delete(viewer);
      if (this.viewers.size === 0) this.rest();
    });
  }

  /** Nobody looks: no figures are made. */
  private rest(): void {
    clearInterval(this.ticking);
    this.ticking = undefined;
  }

  private tick(): void {
    const figures = this.host.figures();
    for (const viewer of this.viewers) {
      const { missed } = viewer;
      viewer.missed = 0;
      send(viewer, encodeEvent(missed === 0 ? figures : { ...figures, missed }, undefined, 'figures'));
    }
  }

  private tell(event: HubEvent): void {
    this.recent.push(event);
    if (this.recent.length > MAX_RECENT) this.recent.shift();
    if (this.viewers.size === 0) return;
    const text = encodeEvent(event, undefined, event.kind);
    for (const viewer of this.viewers) send(viewer, text);
  }
}

interface Viewer {
  readonly response: ServerResponse;
  missed: number;
}

function send(viewer: Viewer, text: string): void {
  if (viewer.response.writableLength > MAX_UNSENT_BYTES) viewer.missed++;
  else viewer.response.write(text);
}

const NO_QUERY = z.strictObject({});

/** The values in the path, decoded, when it fits the pattern. */
function matched(pattern: readonly string[], steps: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== steps.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of pattern.entries()) {
    const step = steps[i]!;
    if (!part.startsWith('{')) {
      if (part !== step) return undefined;
      continue;
    }
    try {
      params[part.slice(1, -1)] = decodeURIComponent(step);
    } catch {
      return undefined; // not percent-encoded UTF-8: it names nothing
    }
  }
  return params;
}

function checked(schema: z.ZodType, value: unknown, code: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue!.path.join('.');
  throw new Refusal(400, code, where === '' ? issue!.message : `${where}: ${issue!.message}`);
}
