// What the web port answers to plain HTTP requests: the page, metrics and health.

import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { answerHealth, type Health } from './health.ts';
import { METRICS_TYPE } from './metrics.ts';

/** What is served; undefined parts answer 404. */
export interface WebOptions {
  /** The page to try the hub, HTML with its script and style inside. */
  readonly page: string | undefined;
  readonly metrics: (() => string) | undefined;
  readonly health: (() => Health) | undefined;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers GET and HEAD; WebSocket upgrades are the transport's. */
export function webRoutes(options: WebOptions): RequestListener {
  const page = options.page === undefined ? undefined : pageAnswer(options.page);
  const routes = new Map<string, () => Answer>();
  if (page !== undefined) routes.set('/', () => page);
  if (options.metrics !== undefined) {
    const render = options.metrics;
    routes.set('/metrics', () => ({ status: 200, type: METRICS_TYPE, body: render() }));
  }
  if (options.health !== undefined) {
    const look = options.health;
    const probe = (kind: 'live' | 'ready') => (): Answer => ({
      ...answerHealth(kind, look()),
      type: 'application/json',
    });
    routes.set('/health', probe('ready'));
    routes.set('/health/ready', probe('ready'));
    routes.set('/health/live', probe('live'));
  }
  return (request, response) => send(request, response, answer(routes, request));
}

function answer(routes: ReadonlyMap<string, () => Answer>, request: IncomingMessage): Answer {
  const route = routes.get((request.url ?? '/').split('?', 1)[0]!);
  if (route === undefined) {
    const known = [...routes.keys()].join(', ');
    return { status: 404, type: 'text/plain', body: `Nothing is served here. There is ${known}.\n` };
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return {
      status: 405,
      type: 'text/plain',
      body: 'Only GET is answered here.\n',
      headers: { Allow: 'GET, HEAD' },
    };
  }
  return route();
}

function send(request: IncomingMessage, response: ServerResponse, a: Answer): void {
  response.writeHead(a.status, {
    'Content-Type':
      a.type.startsWith('text/') && !a.type.includes('charset') ? `${a.type}; charset=utf-8` : a.type,
    'Content-Length': Buffer.byteLength(a.body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...a.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : a.body);
}

/** Only the page's own script and style may run, and it may talk to nobody but this hub. */
function pageAnswer(page: string): Answer {
  const hashes = (tag: string) =>
    [...page.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))]
      .map((found) => `'sha256-${createHash('sha256').update(found[1]!).digest('base64')}'`)
      .join(' ');
  const policy = [
    "default-src 'none'",
    `script-src ${hashes('script')}`,
    `style-src ${hashes('style')}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  const headers = { 'Content-Security-Policy': policy, 'Referrer-Policy': 'no-referrer' };
  return { status: 200, type: 'text/html', body: page, headers };
}
