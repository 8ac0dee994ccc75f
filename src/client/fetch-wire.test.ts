// HTTP as a page speaks it, by `fetch`, which Node has too: against a server whose events come in any pieces.

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { fuzz } from '../../test/arbitrary/mqtt.ts';
import { dialAnother } from './another.ts';
import { connect, nodeWorld } from './connect.ts';
import { nodeClock } from './dial.ts';
import { dialFetch } from './fetch-wire.ts';
import type { World } from './options.ts';

/** The world of a page that takes no more than so many octets in an event. */
function pageOf(maxPacketBytes: number): World {
  const world: World = {
    ...nodeWorld,
    async dial(url, _speech, _options, signal) {
      const wire = await dialFetch(url, nodeClock, signal);
      return Object.assign(wire, { limits: { maxPacketBytes, loginMs: 0 } });
    },
    another: (link, o) => (open, failed) => dialAnother(world, link, o, open, failed),
  };
  return world;
}

const page = pageOf(3_000_000);

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A server that answers a subscription with `events`, and a publish by repeating it in a header. */
async function serve(events: (response: ServerResponse) => void): Promise<string> {
  server = createServer(async (request, response) => {
    if (request.url!.startsWith('/subscribe')) {
      response.setHeader('content-type', 'text/event-stream');
      response.write('event: open\ndata: {}\n\n');
      events(response);
      return;
    }
    let body = '';
    for await (const chunk of request) body += chunk;
    const refused = body === 'bad';
    response.statusCode = refused ? 403 : 200;
    response.setHeader('content-type', refused ? 'application/problem+json' : 'text/plain');
    response.end(refused ? '{"code":"not-authorized","detail":"no"}' : `${request.url} ${body}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const event = (n: number, text: string, end: string) =>
  [`data: ${JSON.stringify({ topic: `t/${n}`, payload: text, qos: 0 })}`, '', ''].join(end);

test('[law] events come one by one, however they are cut, with either end of a line', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.string({ maxLength: 40 }), fc.constantFrom('\n', '\r\n')), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.integer({ min: 1, max: 200 }),
      async (texts, size) => {
        const octets = Buffer.from(texts.map(([text, end], n) => event(n, text, end)).join(''));
        const url = await serve((response) => {
          for (let at = 0; at < octets.length; at += size) response.write(octets.subarray(at, at + size));
        });
        const packets: string[] = [];
        const tap = (way: string, packet: Uint8Array) => {
          if (way === 'in') packets.push(Buffer.from(packet).toString());
        };
        const client = await connect(url, { tap }, page);
        const s = await client.subscribe('t/+');
        for (const [n, [text]] of texts.entries()) {
          const m = await s.next();
          expect([m!.topic, m!.text()]).toEqual([`t/${n}`, text]);
        }
        expect(packets.filter((p) => p.startsWith('data:')).length).toBe(texts.length);
        await client.close();
        server!.closeAllConnections();
        server!.close();
      },
    ),
    fuzz(8),
  );
});

test('requests in order, answers and refusals, the tap sees both', async () => {
  const url = await serve(() => {});
  const seen: string[] = [];
  const tap = (way: string, packet: Uint8Array) => seen.push(`${way} ${Buffer.from(packet)}`);
  const client = await connect(url, { tap, username: 'anna', password: 'é' }, page);
  await Promise.all(['one', 'two'].map((text) => client.publish('a b/c', text, { qos: 1, retain: true })));
  await expect(client.publish('a', 'bad', { qos: 1 })).rejects.toMatchObject({
    code: 'not-authorized',
    status: 403,
  });
  const basic = `Basic ${Buffer.from('anna:é').toString('base64')}`;
  expect(seen[0]).toMatch(/^out POST \/topics\/a%20b\/c\?retain=true HTTP\/1\.1\r\n/);
  expect(seen[0]).toContain(basic);
  expect(seen[1]).toMatch(
    /^in HTTP\/1\.1 200 \r\nContent-Type: text\/plain\r\n.*\/topics\/a%20b\/c\?retain=true one$/s,
  );
  expect(seen.map((one) => one.slice(0, 3))).toEqual(['out', 'in ', 'out', 'in ', 'out', 'in ']);
  await client.close();
});

test('an event without end ends the connection', async () => {
  const url = await serve((response) => {
    const piece = 'x'.repeat(1 << 20);
    response.write('data: ');
    const more = () => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  const client = await connect(url, { reconnect: false }, page);
  const s = await client.subscribe('a');
  await expect(s.next()).rejects.toMatchObject({ code: 'unavailable' });
});

test('nobody there; gone in the middle', async () => {
  const url = await serve((response) => setImmediate(() => response.destroy()));
  const client = await connect(url, { reconnect: false }, page);
  const s = await client.subscribe('a');
  await expect(s.next()).rejects.toThrow();
  server!.closeAllConnections();
  await new Promise((resolve) => server!.close(resolve));
  await expect(connect(url, {}, page)).rejects.toMatchObject({ code: 'unreachable' });
});
