// What the web port answers to plain HTTP requests: the dashboard, topics, the admin API, metrics and health.

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isHostWelcome } from '../hub/address.ts';
import { ROOTS } from '../protocol/http/decode.ts';
import { type Answer, Refusal } from '../protocol/http/packet.ts';
import { API_ROOT, type Api } from './api/router.ts';
import { admitOrigin, sendAnswer } from './exchange.ts';
import { answerHealth, type Health } from './health.ts';
import { METRICS_TYPE } from './metrics.ts';
import type { Pages } from './pages.ts';
import { answerError, type Topics } from './topics.ts';

/** What is served; undefined parts answer 404. */
export interface WebOptions {
  readonly pages: Pages | undefined;
  readonly metrics: (() => string) | undefined;
  readonly health: (() => Health) | undefined;
  readonly topics: Topics | undefined;
  readonly api: Api | undefined;
  /** Pages of other origins that may use topics and API; undefined: none. */
  readonly origins: readonly string[] | undefined;
  /** Whoever reaches this port is let in: only names of this machine are answered. */
  readonly localOnly: boolean;
  readonly remote: (request: IncomingMessage) => string;
  /** A defect of ours. */
  readonly failed: (error: Error) => void;
}

/** Answers requests; WebSocket upgrades are the transport's. */
export function webRoutes(o: WebOptions): RequestListener {
  const fixed = fixedRoutes(o);
  return (request, response) => {
    if (o.topics?.quick(request, response) === true) return;
    serve(o, fixed, request, response).catch((error) => answerError(request, response, error, o.failed));
  };
}

async function serve(
  o: WebOptions,
  fixed: ReadonlyMap<string, () => Answer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { host } = request.headers;
  if (o.localOnly && !isHostWelcome(host, o.origins))
    throw new Refusal(
      403,
      'host-refused',
      `this hub lets everybody in, so it answers to names of this machine only, not ${host}; web.origins says which others`,
    );
  // Not URL: it would fold `//` and `..`, which are levels of topics.
  const [path = '/', search = ''] = split(request.url ?? '/');
  const root = path.slice(1).split('/', 1)[0]!;
  const own = o.topics !== undefined && ROOTS.has(root);
  const api = o.api !== undefined && path.startsWith(`${API_ROOT}/`);
  if (own || api) {
    if (!admitOrigin(request, response, o.origins)) return;
    const query = new URLSearchParams(search);
    if (own) await o.topics!.serve(request, response, path, query);
    else await o.api!.serve(request, response, path, query, o.remote(request));
    return;
  }
  const answer = fixed.get(path);
  if (answer === undefined && o.pages?.has(path) !== true) throw nothingAt(o, fixed);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new Refusal(405, 'method-not-allowed', 'only GET is answered here', { Allow: 'GET, HEAD' });
  if (answer === undefined) o.pages!.send(request, response, path);
  else sendAnswer(request, response, answer());
}

function fixedRoutes(o: WebOptions): Map<string, () => Answer> {
  const routes = new Map<string, () => Answer>();
  const { metrics, health } = o;
  if (metrics !== undefined) {
    const headers = { 'Content-Type': METRICS_TYPE, 'Cache-Control': 'no-store' };
    routes.set('/metrics', () => ({ status: 200, headers, body: metrics() }));
  }
  if (health === undefined) return routes;
  const probe = (kind: 'live' | 'ready') => (): Answer => ({
    ...answerHealth(kind, health()),
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  });
  routes.set('/health', probe('ready'));
  routes.set('/health/ready', probe('ready'));
  routes.set('/health/live', probe('live'));
  return routes;
}

function nothingAt(o: WebOptions, fixed: ReadonlyMap<string, unknown>): Refusal {
  const known = [
    ...(o.pages?.has('/') ? ['/'] : []),
    ...fixed.keys(),
    ...(o.topics === undefined ? [] : [...ROOTS].map((root) => `/${root}`)),
    ...(o.api === undefined ? [] : [`${API_ROOT}/openapi.json`]),
  ];
  return new Refusal(404, 'not-found', `nothing is served here; there is ${known.join(', ')}`);
}

function split(url: string): [path: string, search: string] {
  const mark = url.indexOf('?');
  return mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)];
}
