// The web listeners of the whole server: HTTPS, WebSocket over TLS, client certificates, and a proxy in front.

import { once } from 'node:events';
import { connect as dial, type Socket } from 'node:net';
import { connect as dialTls } from 'node:tls';
import { connectAsync } from 'mqtt';
import { afterAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { encodeCbor } from '../../src/bytes/cbor.ts';
import { Authority } from '../transport/certificates.ts';
import { ending, folder, installed, OFF, run, start } from './running.ts';

const authority = new Authority();
const localhost = authority.issue('localhost');
const device = authority.issue('device-7');
afterAll(() => authority.remove());

function files() {
  const at = folder();
  return {
    at,
    cert: at.write('cert.pem', localhost.cert),
    key: at.write('key.pem', localhost.key),
    ca: at.write('ca.pem', authority.ca),
  };
}

test.skipIf(!installed('curl'))('curl gets page, health and metrics over HTTPS', async () => {
  const f = files();
  const hub = await start({ ports: { ...OFF, webs: 0 }, tls: { cert: f.cert, key: f.key } });
  const at = `https://localhost:${hub.port('webs')}`;
  const get = (path: string) => run('curl', '-sS', '--max-time', 10, '--cacert', f.ca, `${at}${path}`);
  expect((await get('/')).output).toContain('<title>Waymeet</title>');
  expect(JSON.parse((await get('/health')).output)).toMatchObject({
    status: 'ok',
    listeners: [at.replace('localhost', '127.0.0.1')],
  });
  expect((await get('/metrics')).output).toContain('waymeet_info{');
  const unknown = await run('curl', '-sS', '--max-time', 10, `${at}/`);
  expect(unknown.code, 'an authority that nobody trusts').toBe(60);
});

test('MQTT.js over wss', async () => {
  const f = files();
  const hub = await start({ ports: { ...OFF, webs: 0 }, tls: { cert: f.cert, key: f.key } });
  const client = await connectAsync(`wss://localhost:${hub.port('webs')}/mqtt`, {
    ca: authority.ca,
    reconnectPeriod: 0,
  });
  ending(() => client.endAsync(true));
  const heard = new Promise((resolve) =>
    client.once('message', (topic, payload) => resolve(`${topic} ${payload}`)),
  );
  await client.subscribeAsync('a/#', { qos: 1 });
  await client.publishAsync('a/b', 'over wss', { qos: 1 });
  expect(await heard).toBe('a/b over wss');
});

test('mutual TLS on wss: the certificate is the user; without one the handshake fails', async () => {
  const f = files();
  const hub = await start({
    ports: { ...OFF, webs: 0 },
    tls: { cert: f.cert, key: f.key, ca: f.ca, requireCert: true, certificateIsUser: true },
    auth: { engine: 'file', rules: [{ user: 'device-7', allow: 'both', filter: 'devices/%u' }] },
  });
  const url = `wss://localhost:${hub.port('webs')}/mqtt`;
  const options = { ca: authority.ca, reconnectPeriod: 0, protocolVersion: 5 as const };
  const client = await connectAsync(url, { ...options, cert: device.cert, key: device.key });
  ending(() => client.endAsync(true));
  const granted = await client.subscribeAsync('devices/device-7', { qos: 1 });
  expect(granted[0]!.qos).toBe(1);
  await expect(client.subscribeAsync('devices/device-8')).rejects.toThrow();
  await expect(connectAsync(url, options)).rejects.toThrow();
});

const PROXIED = 'PROXY TCP4 192.0.2.7 198.51.100.1 50312 80\r\n';
// signature | version 2, PROXY | TCP over IPv4 | 12 octets | 192.0.2.8 | 198.51.100.1 | 50313 | 443
const PROXIED_2 = Buffer.from(
  '0d0a0d0a000d0a515549540a 21 11 000c c0000208 c6336401 c489 01bb'.replaceAll(' ', ''),
  'hex',
);
const UPGRADE =
  'GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n';
// A masked binary frame (mask 0) with an MQTT 3.1.1 CONNECT, client id `c`
const CONNECT = Buffer.from('828f00000000 100d00044d5154540402003c000163'.replaceAll(' ', ''), 'hex');

/** Everything that comes until `enough` of it is there. */
function until(socket: Socket, enough: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (enough(text)) resolve(text);
    });
    socket.on('close', () => reject(new Error(`closed after: ${text}`)));
    socket.on('error', reject);
  });
}

const CONNACK = String.fromCharCode(0x20, 2, 0, 0);

test.each([
  ['version 1', Buffer.from(PROXIED), '192.0.2.7:50312'],
  ['version 2', PROXIED_2, '192.0.2.8:50313'],
])('PROXY %s in front of HTTP: all in one segment, or octet by octet', async (_version, header, remote) => {
  const hub = await start({
    listeners: [{ name: 'web', type: 'ws', port: 0, proxy: true, limits: { connectionsPerAddress: 1 } }],
  });
  const open = () => {
    const socket = dial(hub.port('web'), '127.0.0.1');
    ending(() => socket.destroy());
    return socket;
  };
  const first = open();
  first.write(Buffer.concat([header, Buffer.from(UPGRADE), CONNECT]));
  expect(await until(first, (text) => text.includes(CONNACK))).toContain('101 Switching Protocols');
  expect(hub.server.hub.counters.of('mqtt').clients).toBe(1);

  // The limit counts the address that the proxy told, and so the second of it is refused.
  const second = open();
  second.setNoDelay(true);
  for (const octet of header) {
    second.write(Uint8Array.of(octet));
    await new Promise(setImmediate);
  }
  second.write(UPGRADE);
  expect(await until(second, (text) => text.includes('\r\n\r\n'))).toContain('503 Service Unavailable');
  expect(remote).toMatch(/^192/);
});

test('PROXY in front of TLS and HTTP; an HTTP request; no header at all', async () => {
  const f = files();
  const hub = await start({
    listeners: [{ name: 'web', type: 'wss', port: 0, proxy: true, tls: { cert: f.cert, key: f.key } }],
  });
  const raw = dial(hub.port('web'), '127.0.0.1');
  raw.write(PROXIED);
  const secure = dialTls({ socket: raw, servername: 'localhost', ca: authority.ca });
  ending(() => secure.destroy());
  secure.write('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  expect(await until(secure, (text) => text.endsWith('}\n'))).toContain('200 OK');

  const bare = dial(hub.port('web'), '127.0.0.1');
  bare.write('GET /health HTTP/1.1\r\n\r\n');
  await expect(until(bare, () => false)).rejects.toThrow('closed after: ');
  expect(hub.log.join('\n')).toContain('no PROXY header');
});

test.each([
  ['off, the usual way', undefined, ''],
  ['on', true, 'permessage-deflate'],
])(
  'compression %s; binary frames are answered in binary ones, text in text',
  async (_name, deflate, extension) => {
    const web = deflate === undefined ? {} : { deflate };
    const hub = await start({ ports: { ...OFF, web: 0 }, store: { durability: 'memory' }, web });
    const text = JSON.stringify({ type: 'publish', topic: 'a', payload: 'x'.repeat(2_000) });
    const octets = encodeCbor(JSON.parse(text));
    for (const binary of [false, true]) {
      const client = new WebSocket(`ws://localhost:${hub.port('web')}/waymeet`, 'waymeet.v1');
      ending(() => client.terminate());
      const heard: [length: number, binary: boolean][] = [];
      const all = new Promise<void>((resolve) =>
        client.on('message', (message: Buffer, isBinary) => {
          heard.push([message.length, isBinary]);
          if (heard.length === 3) resolve();
        }),
      );
      await once(client, 'open');
      for (const frame of [{ type: 'connect' }, { type: 'subscribe', filter: 'a' }])
        client.send(binary ? encodeCbor(frame) : JSON.stringify(frame));
      client.send(binary ? octets : text);
      await all;
      expect(client.extensions.split(';', 1)[0]).toBe(extension);
      expect(heard.map(([, isBinary]) => isBinary)).toEqual([binary, binary, binary]);
      expect(heard[2]![0]).toBeGreaterThan(2_000);
    }
  },
);
