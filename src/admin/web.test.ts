// The web port over real HTTP: routes, methods, health states and a page that may run only its own script.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Phase } from './health.ts';
import { webRoutes } from './web.ts';

const PAGE = readFileSync(new URL('page.html', import.meta.url), 'utf8');
let server: Server;
let base: string;
let phase: Phase = 'ready';

beforeAll(async () => {
  const health = () => ({ phase, version: '1', uptimeSeconds: 2, listeners: ['mqtt://127.0.0.1:1883'] });
  server = createServer(webRoutes({ page: PAGE, metrics: () => 'up 1\n', health }));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((done) => server.close(done)));

test('the page: its script and style are allowed by their hashes, and nothing else', async () => {
  const response = await fetch(base);
  const body = await response.text();
  expect(body).toBe(PAGE);
  const policy = response.headers.get('content-security-policy')!;
  const script = /<script>(.*?)<\/script>/s.exec(body)![1]!;
  expect(policy).toContain(`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  expect(body).not.toMatch(/(src|href)="(?!data:)/);
});

const ROUTES: [method: string, path: string, status: number, type: string, body: RegExp][] = [
  ['GET', '/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8', /^up 1\n$/],
  ['GET', '/metrics?x=1', 200, 'text/plain; version=0.0.4; charset=utf-8', /up/],
  ['GET', '/health', 200, 'application/json', /"status":"ok","phase":"ready"/],
  ['GET', '/nothing', 404, 'text/plain; charset=utf-8', /There is \/, \/metrics, \/health/],
  ['POST', '/metrics', 405, 'text/plain; charset=utf-8', /Only GET/],
  ['HEAD', '/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8', /^$/],
];
test.each(ROUTES)('%s %s: %i', async (method, path, status, type, body) => {
  const response = await fetch(base + path, { method });
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe(type);
  expect(await response.text()).toMatch(body);
});

const STATES: [Phase, live: number, ready: number][] = [
  ['starting', 200, 503],
  ['ready', 200, 200],
  ['stopping', 200, 503],
  ['failed', 503, 503],
];
test.each(STATES)('%s: live %i, ready %i', async (is, live, ready) => {
  phase = is;
  expect((await fetch(`${base}/health/live`)).status).toBe(live);
  expect((await fetch(`${base}/health/ready`)).status).toBe(ready);
  expect((await fetch(`${base}/health`)).status).toBe(ready);
});
