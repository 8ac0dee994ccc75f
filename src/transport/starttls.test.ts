// TLS that begins inside of a connection: what was said before leaves in the clear, what follows is secret, and failures end that wire.

import { connect as secure, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Authority, type Issued } from '../../test/transport/certificates.ts';
import { countingHub, LineProtocol, listenerOptions, until } from '../../test/transport/line.ts';
import { connectTo, LineClient } from '../../test/transport/line-client.ts';
import type { Listener } from './listener.ts';
import { StartTls, type StartTlsOptions } from './starttls.ts';
import { listenTcp } from './tcp.ts';

let authority: Authority;
let server: Issued;
let device: Issued;
const listeners: Listener[] = [];
const clients: LineClient[] = [];

beforeAll(() => {
  authority = new Authority();
  server = authority.issue('localhost');
  device = authority.issue('sensor-1');
});

afterAll(() => authority.remove());

afterEach(async () => {
  for (const c of clients.splice(0)) c.stream.destroy();
  for (const listener of listeners.splice(0)) {
    await listener.close();
    await listener.ended(0);
  }
});

async function setUp(more: Partial<StartTlsOptions> = {}) {
  const protocol = new LineProtocol();
  const securer = new StartTls({ credentials: server, ...more });
  const listener = await listenTcp([protocol], countingHub(), { ...listenerOptions(), port: 0, securer });
  listeners.push(listener);
  const client = await connectTo(listener.address);
  clients.push(client);
  return { client, protocol, listener, securer };
}

/** Shakes hands on a connection that was told to go ahead. */
async function shakeHands(
  client: LineClient,
  more: Partial<Issued> = {},
): Promise<LineClient & { stream: TLSSocket }> {
  client.send('secure\n');
  expect(await client.line()).toBe('go ahead');
  client.stream.removeAllListeners('data');
  const socket = client.stream;
  const stream = secure({ socket, ca: authority.ca, servername: 'localhost', ...more });
  const inside = new LineClient(stream);
  clients.push(inside);
  await until(() => stream.authorized || inside.closed, 'the handshake');
  return inside as LineClient & { stream: TLSSocket };
}

test('in the clear, then secret, with much in both directions', async () => {
  const { client } = await setUp();
  client.send('who\n');
  expect(JSON.parse(await client.line())).toMatchObject({ secure: false });
  const inside = await shakeHands(client);
  inside.send('who\n');
  const who = JSON.parse(await inside.line());
  expect(who).toMatchObject({ secure: true, identity: { serverName: 'localhost' } });
  inside.send('fill 1000000\n');
  const octets = await inside.take(1_000_000);
  expect(octets.every((octet, i) => octet === (i & 0xff))).toBe(true);
  inside.send('end\n');
  expect(await inside.line()).toBe('bye');
  await inside.gone();
});

test('a client certificate that is asked for becomes the identity', async () => {
  const { client } = await setUp({ credentials: { ...server, ca: authority.ca }, requestCertificate: true });
  const inside = await shakeHands(client, { cert: device.cert, key: device.key });
  inside.send('who\n');
  expect(JSON.parse(await inside.line())).toMatchObject({
    identity: { certificate: { commonName: 'sensor-1' } },
  });
});

test('what is no handshake ends that connection, and no other', async () => {
  const { client, protocol, listener } = await setUp();
  const other = await connectTo(listener.address);
  clients.push(other);
  client.send('secure\n');
  expect(await client.line()).toBe('go ahead');
  client.send('echo in the clear\n');
  await client.gone();
  await until(() => protocol.peers[0]!.lost_ === 1, 'the peer to be told');
  expect(protocol.peers[0]!.lines).toEqual(['secure']);
  other.send('echo x\n');
  expect(await other.line()).toBe('x');
});

test('a wire that ends during the handshake closes at once: nothing more is said in the clear', async () => {
  const { client, protocol } = await setUp();
  client.send('secure\n');
  expect(await client.line()).toBe('go ahead');
  const { wire } = protocol.peers[0]!;
  await until(() => wire.unsent === 0, 'the answer to leave');
  wire.write(new TextEncoder().encode('not this\n'));
  wire.end();
  await client.gone();
  await expect(client.line()).rejects.toThrow('closed before');
});

test('a certificate can be replaced', async () => {
  const { client, securer } = await setUp();
  const next = authority.issue('localhost');
  securer.load({ credentials: next });
  const inside = await shakeHands(client);
  const pem = inside.stream.getPeerCertificate().raw.toString('base64');
  expect(next.cert.replace(/\s/g, '')).toContain(pem);
});

test('where it cannot be had', async () => {
  const protocol = new LineProtocol();
  const listener = await listenTcp([protocol], countingHub(), { ...listenerOptions(), port: 0 });
  listeners.push(listener);
  const client = await connectTo(listener.address);
  clients.push(client);
  client.send('secure\necho on\n');
  expect([await client.line(), await client.line()]).toEqual(['no', 'on']);
});
