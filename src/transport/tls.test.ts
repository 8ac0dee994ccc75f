// TLS listeners: who they let in, what they learn from the handshake, and how certificates change under way.

import { X509Certificate } from 'node:crypto';
import { type AddressInfo, connect as connectPlain, createServer } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Authority, type Issued } from '../../test/transport/certificates.ts';
import { countingHub, LineProtocol, listenerOptions, until } from '../../test/transport/line.ts';
import { connectTo, LineClient } from '../../test/transport/line-client.ts';
import { listenTls, type TlsListener, type TlsOptions } from './tls.ts';

let authority: Authority;
let stranger: Authority;
let server: Issued;
let client: Issued;
const listeners: TlsListener[] = [];
const clients: LineClient[] = [];

beforeAll(() => {
  authority = new Authority();
  stranger = new Authority('Another CA');
  server = authority.issue('localhost');
  client = authority.issue('sensor-1');
});

afterAll(() => {
  authority.remove();
  stranger.remove();
});

afterEach(async () => {
  for (const c of clients.splice(0)) c.stream.destroy();
  for (const listener of listeners.splice(0)) {
    await listener.close();
    await listener.ended(0);
  }
});

async function setUp(more: Partial<TlsOptions> = {}) {
  const hub = countingHub();
  const protocol = new LineProtocol();
  const listener = await listenTls([protocol], hub, {
    ...listenerOptions(),
    port: 0,
    credentials: server,
    ...more,
  });
  listeners.push(listener);
  return { listener, protocol, hub, counters: hub.counters.of('line'), port: portOf(listener) };
}

function portOf(listener: TlsListener): number {
  return Number(new URL(listener.address.replace(/^\w+:/, 'tcp:')).port);
}

/** A secured client, or the error that the handshake ended with. With TLS 1.3 a refused client learns it by its first read. */
async function secure(
  port: number,
  more: ConnectionOptions = {},
): Promise<LineClient & { stream: TLSSocket }> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.ca, ...more });
  const c = new LineClient(socket) as LineClient & { stream: TLSSocket };
  clients.push(c);
  let secured = false;
  socket.once('secureConnect', () => {
    secured = true;
  });
  await until(() => secured || c.closed, 'the handshake');
  return c;
}

async function refused(c: LineClient): Promise<string> {
  c.send('echo let me in\n');
  await c.gone();
  expect(c.octets).toBe(0);
  return (c.error as NodeJS.ErrnoException | undefined)?.code ?? 'closed';
}

test('speaks TLS 1.3 and 1.2, nothing older; large writes both ways', async () => {
  const { listener, port, counters, protocol } = await setUp();
  expect(listener.address).toMatch(/^lines:\/\/127\.0\.0\.1:\d+$/);
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    const c = await secure(port, { maxVersion: version });
    expect(c.stream.getProtocol()).toBe(version);
    c.send('who\n');
    expect(JSON.parse(await c.line())).toEqual({
      remote: `127.0.0.1:${c.stream.localPort}`,
      listener: 'test',
      secure: true,
      identity: { serverName: 'localhost' },
    });
    c.send('mixed 200\n');
    const octets = await c.take(200 * 10_800);
    expect(octets.every((octet, i) => octet === (i & 0xff))).toBe(true);
    c.send('fill 4000000\n');
    const filled = await c.take(4_000_000);
    expect(filled.length).toBe(4_000_000);
    expect(filled.every((octet, i) => octet === (i & 0xff))).toBe(true);
    c.send('swallow 1000000\n');
    c.stream.write(Buffer.from(Uint8Array.from({ length: 1_000_000 }, (_, i) => i)));
    expect(await c.line()).toBe('swallowed');
    c.send('end\n');
    expect(await c.line()).toBe('bye');
    await c.gone();
  }
  const old = await secure(port, {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  expect(await refused(old)).toMatch(/ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/);
  await until(
    () => listener.connections === 0 && protocol.peers.every((p) => p.lost_ === 1),
    'everybody to be gone',
  );
  expect(counters).toMatchObject({ connectionsTotal: 2, connections: 0, faults: 0, refused: 1 });
});

test('a client certificate that the authority signed is the identity', async () => {
  const { port } = await setUp({ requestCertificate: true });
  const known = await secure(port, { cert: client.cert, key: client.key });
  known.send('who\n');
  const { fingerprint256 } = new X509Certificate(client.cert);
  expect(JSON.parse(await known.line()).identity).toEqual({
    certificate: { commonName: 'sensor-1', fingerprint: fingerprint256.replaceAll(':', '').toLowerCase() },
    serverName: 'localhost',
  });
  const anonymous = await secure(port);
  anonymous.send('who\n');
  expect(JSON.parse(await anonymous.line()).identity).toEqual({ serverName: 'localhost' });
  const forged = stranger.issue('sensor-1');
  const other = await secure(port, { cert: forged.cert, key: forged.key });
  other.send('who\n');
  expect(JSON.parse(await other.line()).identity).toEqual({ serverName: 'localhost' });
});

test('required: no certificate, or one of another authority, does not come in', async () => {
  const { port, protocol, listener, counters } = await setUp({ requireCertificate: true });
  const known = await secure(port, { cert: client.cert, key: client.key });
  known.send('echo in\n');
  expect(await known.line()).toBe('in');
  await refused(await secure(port));
  const forged = stranger.issue('sensor-1');
  await refused(await secure(port, { cert: forged.cert, key: forged.key }));
  await until(() => listener.connections === 1, 'the others to be gone');
  expect(protocol.peers).toHaveLength(1);
  expect(counters.refused).toBe(2);
});

test('SNI chooses the certificate: exact, by one wildcard label, or the default', async () => {
  const byServerName = {
    'A.example': authority.issue('a.example'),
    '*.b.example': authority.issue('b', ['*.b.example']),
  };
  const { port } = await setUp({ byServerName });
  const shown = async (servername: string) => {
    const c = await secure(port, { servername, checkServerIdentity: () => undefined });
    return c.stream.getPeerCertificate().subject.CN;
  };
  expect(await shown('a.example')).toBe('a.example');
  expect(await shown('X.B.example')).toBe('b');
  expect(await shown('x.y.b.example')).toBe('localhost');
  expect(await shown('elsewhere.example')).toBe('localhost');
});

test('ALPN: mqtt is chosen, none is fine, others are refused or let in as configured', async () => {
  const strict = await setUp();
  const chosen = await secure(strict.port, { ALPNProtocols: ['http/1.1', 'mqtt'] });
  expect(chosen.stream.alpnProtocol).toBe('mqtt');
  const without = await secure(strict.port);
  without.send('echo in\n');
  expect(await without.line()).toBe('in');
  const web = await secure(strict.port, { ALPNProtocols: ['http/1.1'] });
  expect(await refused(web)).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
  const lenient = await setUp({ alpnStrict: false });
  const guest = await secure(lenient.port, { ALPNProtocols: ['x-amzn-mqtt-ca'] });
  guest.send('echo in\n');
  expect(await guest.line()).toBe('in');
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'pre-shared keys over %s: the identity is told; a wrong key or name is refused',
  async (version) => {
    const keys = new Map([['meter-7', Buffer.from('00112233445566778899aabbccddeeff', 'hex')]]);
    const { port, protocol, listener } = await setUp({
      preSharedKey: (identity) => keys.get(identity),
      credentials: undefined,
    });
    const withKey = (identity: string, psk: Buffer) =>
      secure(port, {
        ca: undefined,
        minVersion: version,
        maxVersion: version,
        ciphers:
          version === 'TLSv1.3'
            ? 'TLS_AES_128_GCM_SHA256'
            : 'ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256',
        checkServerIdentity: () => undefined,
        pskCallback: () => ({ psk, identity }),
      });
    const known = await withKey('meter-7', keys.get('meter-7')!);
    known.send('who\n');
    expect(JSON.parse(await known.line()).identity).toMatchObject({ pskIdentity: 'meter-7' });
    await refused(await withKey('meter-7', Buffer.alloc(16)));
    await refused(await withKey('meter-8', keys.get('meter-7')!));
    await until(() => listener.connections === 1, 'the others to be gone');
    expect(protocol.peers).toHaveLength(1);
  },
);

test('neither certificate nor key is a mistake of the configuration', async () => {
  await expect(setUp({ credentials: undefined })).rejects.toThrow(/neither a certificate/);
});

test('reload: new connections see the new certificate, old ones go on, a broken one changes nothing', async () => {
  const { listener, port } = await setUp();
  const before = await secure(port);
  const renewed = authority.issue('renewed', ['localhost']);
  listener.reload({ credentials: renewed });
  const after = await secure(port);
  expect(after.stream.getPeerCertificate().subject.CN).toBe('renewed');
  before.send('echo still here\n');
  expect(await before.line()).toBe('still here');
  expect(() => listener.reload({ credentials: { cert: server.cert, key: renewed.key } })).toThrow();
  expect(() =>
    listener.reload({ credentials: server, byServerName: { x: { cert: 'no', key: 'no' } } }),
  ).toThrow();
  const last = await secure(port);
  expect(last.stream.getPeerCertificate().subject.CN).toBe('renewed');
});

test('reload: a ticket of before does not carry a client past a new authority', async () => {
  const { listener, port } = await setUp({ requireCertificate: true });
  let session: Buffer | undefined;
  const own = { cert: client.cert, key: client.key };
  const first = await secure(port, own);
  first.stream.on('session', (s) => {
    session = s;
  });
  first.send('echo in\n');
  expect(await first.line()).toBe('in');
  await until(() => session !== undefined, 'a ticket');
  const again = await secure(port, { ...own, session });
  again.send('echo in\n');
  expect(await again.line()).toBe('in');
  expect(again.stream.isSessionReused()).toBe(true);
  listener.reload({ credentials: { ...server, ca: stranger.ca } });
  await refused(await secure(port, { ...own, session }));
});

test('a handshake that does not come to its end is cut off', async () => {
  const { listener, port, protocol } = await setUp({ handshakeMs: 40 });
  const silent = new LineClient(connectPlain(port, '127.0.0.1'));
  clients.push(silent);
  await silent.gone();
  expect(protocol.peers).toHaveLength(0);
  await until(() => listener.connections === 0, 'the place to be free');
});

test('handshakes count as connections', async () => {
  const { port, listener, counters } = await setUp({ maxConnections: 1 });
  const silent = new LineClient(connectPlain(port, '127.0.0.1'));
  clients.push(silent);
  await until(() => listener.connections === 1, 'the handshake to count');
  const second = new LineClient(connectPlain(port, '127.0.0.1'));
  clients.push(second);
  await second.gone();
  expect(counters.refused).toBe(1);
});

test('noise instead of a handshake closes that connection alone', async () => {
  const { listener, port } = await setUp();
  const noisy = await connectTo(listener.address.replace('lines:', 'line:'));
  clients.push(noisy);
  noisy.send('GET / HTTP/1.1\r\n\r\n');
  await noisy.gone();
  const c = await secure(port);
  c.send('echo fine\n');
  expect(await c.line()).toBe('fine');
});

test.each([
  ['in one piece with it', false],
  ['in pieces before it', true],
])('a PROXY header comes in front of the handshake, %s', async (_name, apart) => {
  const { port, counters, listener } = await setUp({ proxy: true });
  const header = 'PROXY TCP4 192.0.2.1 198.51.100.1 50312 8883\r\n';
  // A proxy, as far as one is needed: the header, then octets both ways.
  const proxy = createServer((near) => {
    const far = connectPlain(port, '127.0.0.1');
    near.once('data', (hello: Buffer) => {
      if (apart) {
        far.write(header.slice(0, 20));
        setImmediate(() => far.write(header.slice(20), () => far.write(hello)));
      } else far.write(Buffer.concat([Buffer.from(header), hello]));
      near.pipe(far).pipe(near);
    });
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await until(() => proxy.listening, 'the proxy');
  const c = await secure((proxy.address() as AddressInfo).port);
  c.send('who\n');
  expect(JSON.parse(await c.line()).remote).toBe('192.0.2.1:50312');
  const without = await secure(port);
  await refused(without);
  await until(() => listener.connections === 1, 'the other to be gone');
  expect(counters.broken).toBe(1);
  proxy.close();
});
