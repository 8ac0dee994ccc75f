// DTLS listeners: a wire for each association, who they let in, what changes under way, limits and the end.

import { createSocket } from 'node:dgram';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Authority, type Issued } from '../../test/transport/certificates.ts';
import { countingHub, LineProtocol, listenerOptions, until } from '../../test/transport/line.ts';
import type { Protocol } from '../contract/wire.ts';
import type { Session } from './dtls/sessions.ts';
import { type DtlsListener, type DtlsOptions, listenDtls } from './dtls.ts';
import { type DtlsDialOptions, type DtlsSocket, dialDtls } from './dtls-dial.ts';

const KEY = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

let authority: Authority;
let server: Issued;
let other: Issued;
let device: Issued;
const listeners: DtlsListener[] = [];
const sockets: DtlsSocket[] = [];

beforeAll(() => {
  authority = new Authority();
  server = authority.issue('localhost');
  other = authority.issue('other.example');
  device = authority.issue('sensor-1');
});
afterAll(() => authority.remove());

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  for (const listener of listeners.splice(0)) {
    await listener.close();
    await listener.ended(0);
  }
});

async function setUp(more: Partial<DtlsOptions> = {}, protocols?: Protocol[]) {
  const hub = countingHub();
  const protocol = new LineProtocol('line', 'datagram');
  const listener = await listenDtls(protocols ?? [protocol], hub, {
    ...{ ...listenerOptions(), port: 0, credentials: server },
    preSharedKey: (identity) => (identity === 'sensor' ? KEY : undefined),
    ...more,
  });
  listeners.push(listener);
  const { hostname, port } = new URL(listener.address.replace(/^\w+:/, 'http:'));
  const dial = async (options: Partial<DtlsDialOptions> = {}) => {
    const received: string[] = [];
    const ends: { why: string; graceful: boolean }[] = [];
    const socket = await dialDtls({
      ...{ host: hostname, port: Number(port), preShared: { identity: 'sensor', key: KEY } },
      received: (content) => received.push(Buffer.from(content).toString('latin1')),
      closed: (why, graceful) => ends.push({ why, graceful }),
      ...options,
    });
    sockets.push(socket);
    const next = async () => {
      await until(() => received.length > 0, 'a datagram');
      return received.shift()!;
    };
    const ask = (text: string) => {
      socket.send(Buffer.from(`${text}\n`));
      return next();
    };
    return { socket, received, ends, next, ask };
  };
  return { hub, protocol, listener, counters: hub.counters.of('line'), dial, port: Number(port) };
}

test.each(['127.0.0.1', '::1'])('%s: a secure wire that knows who it is', async (host) => {
  const { dial, counters, listener } = await setUp({ host });
  const a = await dial();
  const who = JSON.parse(await a.ask('who'));
  expect(who).toMatchObject({ secure: true, listener: 'test', identity: { pskIdentity: 'sensor' } });
  expect(who.remote.startsWith(host.includes(':') ? '[::1]:' : '127.0.0.1:')).toBe(true);
  expect(await a.ask('echo one\necho two')).toBe('one\n');
  expect(await a.next()).toBe('two\n');
  expect(counters).toMatchObject({ connections: 1, connectionsTotal: 1 });
  expect(listener.connections).toBe(1);
});

test('packets keep their order and size; one that no record carries is lost', async () => {
  const { dial } = await setUp();
  const a = await dial();
  a.socket.send(Buffer.from('mixed 2\n'));
  let value = 0;
  for (const length of [100, 700, 10_000, 100, 700, 10_000]) {
    const content = Buffer.from(await a.next(), 'latin1');
    expect(content.length).toBe(length);
    expect(content.every((octet) => octet === (value++ & 0xff))).toBe(true);
  }
  expect(await a.ask('flood 20000\necho after')).toBe('after\n');
});

test('either side says goodbye', async () => {
  const { dial, protocol, listener } = await setUp();
  const a = await dial();
  expect(await a.ask('end')).toBe('bye\n');
  await until(() => a.ends.length === 1, 'the goodbye');
  expect(a.ends[0]).toEqual({ why: 'closed by the other side', graceful: true });
  const b = await dial();
  await b.ask('echo b');
  b.socket.close();
  await until(() => listener.connections === 0, 'the table to be empty');
  await until(() => protocol.peers[1]!.lost_ > 0, 'the end');
  expect(protocol.peers.map((p) => p.lost_)).toEqual([1, 1]);
});

test('certificates: of clients, and by server name', async () => {
  const { dial } = await setUp({ requestCertificate: true, byServerName: { 'other.example': other } });
  const proof = { ca: authority.ca, preShared: undefined } as unknown as Partial<DtlsDialOptions>;
  const a = await dial({ ...proof, serverName: 'other.example', credentials: device });
  expect(a.socket.proof?.identity.certificate?.commonName).toBe('other.example');
  const { identity } = JSON.parse(await a.ask('who'));
  expect(identity).toMatchObject({ certificate: { commonName: 'sensor-1' }, serverName: 'other.example' });
  const b = await dial({ ...proof, serverName: 'localhost' });
  expect(b.socket.proof?.identity.certificate?.commonName).toBe('localhost');
  expect(JSON.parse(await b.ask('who')).identity.certificate).toBeUndefined();
});

test('reload: other certificates, no session of before; a broken one changes nothing', async () => {
  const { dial, listener } = await setUp();
  const proof = { ca: authority.ca, preShared: undefined } as unknown as Partial<DtlsDialOptions>;
  let session: Session | undefined;
  const keepSession = (s: Session) => {
    session = s;
  };
  await dial({ ...proof, serverName: 'localhost', keepSession });
  const resumed = await dial({ ...proof, serverName: 'localhost', session: session! });
  expect(resumed.socket.proof?.resumed).toBe(true);
  expect(() => listener.reload({ credentials: { ...server, key: other.key } })).toThrow(/private key/);
  expect((await dial({ ...proof, serverName: 'localhost' })).socket.proof?.resumed).toBe(false);
  listener.reload({ credentials: other });
  const after = await dial({ ...proof, serverName: 'other.example', session: session! });
  expect(after.socket.proof).toMatchObject({
    resumed: false,
    identity: { certificate: { commonName: 'other.example' } },
  });
  expect(await resumed.ask('echo still here')).toBe('still here\n');
});

test('a listener without certificates and keys, or that asks for certificates nobody vouches for, is refused', async () => {
  const hub = countingHub();
  const o = { ...listenerOptions(), port: 0 };
  const protocols = [new LineProtocol('line', 'datagram')];
  await expect(listenDtls(protocols, hub, o)).rejects.toThrow(/neither/);
  const credentials = { cert: server.cert, key: server.key };
  await expect(listenDtls(protocols, hub, { ...o, credentials, requestCertificate: true })).rejects.toThrow(
    /'ca'/,
  );
});

test('limits: connections at a time, and handshakes that never end make room', async () => {
  const { dial, counters, listener } = await setUp({ maxConnections: 2, handshakeMs: 300 });
  const [a, b] = [await dial(), await dial()];
  await expect(dial({ handshakeMs: 400 })).rejects.toThrow(/too long/);
  expect(counters.refused).toBeGreaterThan(0);
  expect(await a.ask('echo a')).toBe('a\n');
  b.socket.close();
  await until(() => listener.connections === 1, 'room');
  const wrong = dial({ preShared: { identity: 'sensor', key: Buffer.alloc(16) }, handshakeMs: 500 });
  await expect(wrong).rejects.toThrow(/too long/);
  await until(() => listener.connections === 1, 'the handshake to be forgotten');
  expect(await (await dial()).ask('echo c')).toBe('c\n');
});

test('who is silent is forgotten', async () => {
  const { dial, listener, protocol } = await setUp({ idleMs: 60 });
  const a = await dial();
  await a.ask('echo hi');
  await until(() => listener.connections === 0 && protocol.peers[0]!.lost_ === 1, 'the table to be empty');
  await until(() => a.ends.length === 1, 'the goodbye');
});

test('several protocols: the first octets tell which', async () => {
  const letters = Object.assign(new LineProtocol('letters', 'datagram'), {
    matches: (first: Uint8Array) => first[0] === 0x65,
  });
  const digits = Object.assign(new LineProtocol('digits', 'datagram'), {
    matches: (first: Uint8Array) => first[0]! >= 0x30 && first[0]! <= 0x39,
  });
  const { dial, hub } = await setUp({}, [letters, digits]);
  const a = await dial();
  expect(await a.ask('echo a')).toBe('a\n');
  expect([letters.peers.length, digits.peers.length]).toEqual([1, 0]);
  const b = await dial();
  b.socket.send(Buffer.from('!neither\n'));
  await until(() => b.ends.length === 1, 'the end');
  expect(hub.counters.of('letters').broken).toBe(1);
});

test('a defect ends that peer alone, and a broken protocol with its goodbye', async () => {
  const { dial, counters } = await setUp();
  const [a, b, c] = [await dial(), await dial(), await dial()];
  a.socket.send(Buffer.from('bug\n'));
  await until(() => counters.faults === 1 && a.ends.length === 1, 'the defect');
  b.socket.send(Buffer.from('bad\n'));
  await until(() => counters.broken === 1 && b.ends.length === 1, 'the end');
  expect(await c.ask('echo here')).toBe('here\n');
});

test('closes for newcomers only', async () => {
  const { dial, listener } = await setUp();
  const a = await dial();
  await a.ask('echo a');
  await listener.close();
  await expect(dial({ handshakeMs: 200 })).rejects.toThrow(/too long/);
  expect(await a.ask('echo known')).toBe('known\n');
  await listener.ended(0);
  expect(listener.connections).toBe(0);
});

test('noise at the port costs nobody anything', async () => {
  const { dial, port, counters, listener } = await setUp();
  const a = await dial();
  const noisy = createSocket('udp4');
  for (let i = 0; i < 200; i++) noisy.send(Buffer.alloc(i, 0x16 + (i % 4)), port, '127.0.0.1');
  expect(await a.ask('echo a')).toBe('a\n');
  expect(counters.faults).toBe(0);
  expect(listener.connections).toBe(1);
  noisy.close();
});
