// The web port over real HTTP: routes, methods, health states, and pages that may run only their own script.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Phase } from './health.ts';
import { Pages } from './pages.ts';
import { webRoutes } from './web.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-pages-'));
let server: Server;
let base: string;
let phase: Phase = 'ready';

beforeAll(async () => {
  mkdirSync(path.join(folder, 'assets'));
  writeFileSync(path.join(folder, 'index.html'), '<!doctype html><script src="/assets/a-1.js"></script>');
  writeFileSync(path.join(folder, 'assets/a-1.js'), 'void 0;'.repeat(100));
  writeFileSync(path.join(folder, 'secret.key'), 'not a page');
  const health = () => ({ phase, version: '1', uptimeSeconds: 2, listeners: ['mqtt://127.0.0.1:1883'] });
  server = createServer(
    webRoutes({
      pages: new Pages(folder),
      metrics: () => 'up 1\n',
      health,
      topics: undefined,
      api: undefined,
      origins: undefined,
      localOnly: false,
      remote: () => '127.0.0.1:1',
      failed: (error) => {
        throw error;
      },
    }),
  );
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true });
});

test('the page: its own files may run, and nothing else', async () => {
  const response = await fetch(base);
  expect(await response.text()).toContain('<!doctype html>');
  const policy = response.headers.get('content-security-policy')!;
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
  expect(policy).not.toContain('unsafe');
});

test('a known page is not sent again; assets last, the page itself is asked for each time', async () => {
  const page = await fetch(base);
  expect(page.headers.get('cache-control')).toBe('no-cache');
  const again = await fetch(base, { headers: { 'If-None-Match': page.headers.get('etag')! } });
  expect(again.status).toBe(304);
  const asset = await fetch(`${base}/assets/a-1.js`);
  expect(asset.headers.get('cache-control')).toContain('immutable');
  expect(asset.headers.get('content-encoding')).toBe('gzip');
  expect(await asset.text()).toBe('void 0;'.repeat(100));
});

const ROUTES: [method: string, path: string, status: number, type: string, body: RegExp][] = [
  ['GET', '/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8', /^up 1\n$/],
  ['GET', '/metrics?x=1', 200, 'text/plain; version=0.0.4; charset=utf-8', /up/],
  ['GET', '/health', 200, 'application/json', /"status":"ok","phase":"ready"/],
  ['GET', '/nothing', 404, 'application/problem+json', /there is \/, \/metrics, \/health/],
  ['GET', '/secret.key', 404, 'application/problem+json', /nothing is served/],
  ['GET', '/assets/../secret.key', 404, 'application/problem+json', /nothing is served/],
  ['POST', '/metrics', 405, 'application/problem+json', /only GET/],
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
