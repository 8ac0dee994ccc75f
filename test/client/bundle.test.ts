// The browser's build: how much of it a page loads, and that it works in one, outbox and all.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from '../../packaging/client-bundle.js';
import type { Server } from '../../src/server/start.ts';
import { hasChromium, openBrowser } from '../web/browser.ts';
import { startHub } from '../web/hub.ts';

interface Chunk {
  readonly fileName: string;
  readonly code: string;
  readonly imports: readonly string[];
  readonly isEntry: boolean;
}

let chunks: readonly Chunk[];
beforeAll(async () => {
  chunks = (await bundle({ write: false })) as readonly Chunk[];
});

test('a page loads less than 20 kB, gzip, and nothing of others', () => {
  const needed = new Set<Chunk>();
  const need = (fileName: string) => {
    const chunk = chunks.find((c) => c.fileName === fileName);
    expect(chunk, fileName).toBeDefined();
    if (needed.has(chunk!)) return;
    needed.add(chunk!);
    for (const other of chunk!.imports) need(other);
  };
  need(chunks.find((c) => c.isEntry)!.fileName);
  const octets = [...needed].reduce((sum, c) => sum + gzipSync(c.code, { level: 9 }).length, 0);
  expect(octets).toBeLessThan(20_000);
  const names = chunks.map((c) => c.fileName);
  for (const { imports } of chunks) for (const other of imports) expect(names).toContain(other);
});

describe.skipIf(!hasChromium)(hasChromium ? 'in Chromium' : 'in Chromium (needs chromium)', () => {
  let browser: Browser;
  let hub: Server;
  let site: string;
  const server = createServer((request, response) => {
    const name = path.basename(new URL(request.url!, 'http://site').pathname);
    const html = name === '' || name === 'page';
    response.statusCode = html || chunks.some((c) => c.fileName === name) ? 200 : 404;
    response.setHeader('content-type', html ? 'text/html' : 'text/javascript');
    response.end(
      html ? '<!doctype html><title>client</title>' : chunks.find((c) => c.fileName === name)?.code,
    );
  });

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    hub = await startHub({
      listeners: [{ name: 'web', type: 'ws', port: 0 }],
      web: { origins: [site] },
    });
    browser = await openBrowser();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    server.close();
  });

  const url = () => hub.address('web').replace(/^\w+:/, 'ws:');

  test('publish, subscribe, request and respond', async () => {
    const page = await browser.newPage();
    await page.goto(`${site}/page`);
    const heard = await page.evaluate(
      `(async () => {
        const { connect } = await import('./waymeet-client.js');
        const client = await connect(${JSON.stringify(url())});
        const s = await client.subscribe('page/+', { qos: 2 });
        await client.publish('page/a', 'x'.repeat(100_000), { qos: 2, user: [{ name: 'n', value: 'v' }] });
        const m = await s.next();
        await client.respond('page/ask', (request) => request.text() + '!');
        const answer = await client.request('page/ask', 'well');
        await client.close();
        return [m.topic, m.payload.length, m.qos, m.property('n'), answer.text()];
      })()`,
    );
    expect(heard).toEqual(['page/a', 100_000, 2, 'v', 'well!']);
    await page.close();
  });

  test.each([
    ['json+ws', 'waymeet'],
    ['cbor+ws', 'waymeet'],
    ['coap+ws', '.well-known/coap'],
    ['http', ''],
  ])('%s: publish and subscribe, by parts that are loaded then', async (scheme, where) => {
    const page = await browser.newPage();
    await page.goto(`${site}/page`);
    const at = `${hub.address('web').replace(/^\w+:/, `${scheme}:`)}/${where}`;
    const heard = await page.evaluate(
      `(async () => {
        const { connect } = await import('./waymeet-client.js');
        const packets = [];
        const tap = (way, packet) => packets.push(way);
        const client = await connect(${JSON.stringify(at)}, { tap });
        const s = await client.subscribe('other/+', { qos: 1 });
        await client.publish('other/a', 'é'.repeat(500), { qos: 1, contentType: 'text/plain' });
        const m = await s.next();
        await client.close();
        return [m.topic, m.text().length, m.meta.contentType.slice(0, 10), m.packet.length > 1_000, [...new Set(packets)].sort()];
      })()`,
    );
    expect(heard).toEqual(['other/a', 500, 'text/plain', true, ['in', 'out']]);
    await page.close();
  });

  test('what the outbox keeps is sent by the next page', async () => {
    const context = await browser.newContext();
    const first = await context.newPage();
    await first.goto(`${site}/page`);
    // Nothing leaves the page: the message waits in the database when it goes.
    await first.evaluate(
      `(async () => {
        const { connect } = await import('./waymeet-client.js');
        const client = await connect(${JSON.stringify(url())}, { outbox: { at: 'kept' }, clientId: 'page' });
        WebSocket.prototype.send = () => {};
        await client.publish('kept/one', 'survived', { qos: 2, until: 'stored', retain: true });
      })()`,
    );
    await first.close();
    const second = await context.newPage();
    await second.goto(`${site}/page`);
    const heard = await second.evaluate(
      `(async () => {
        const { connect } = await import('./waymeet-client.js');
        const client = await connect(${JSON.stringify(url())}, { outbox: { at: 'kept' } });
        await client.flushed();
        const s = await client.subscribe('kept/one', { qos: 2 });
        const m = await s.next();
        const { clientId, unacknowledged } = client;
        await client.close();
        return [clientId, m.text(), unacknowledged.messages];
      })()`,
    );
    expect(heard).toEqual(['page', 'survived', 0]);
    await context.close();
  });
});
