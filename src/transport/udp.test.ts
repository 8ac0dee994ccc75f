// UDP listeners: a peer for each remote, every write a datagram of its own, a bounded table.

import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { countingHub, LineProtocol, listenerOptions, until } from '../../test/transport/line.ts';
import type { Listener } from './listener.ts';
import { listenUdp, type UdpOptions } from './udp.ts';

const listeners: Listener[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  for (const listener of listeners.splice(0)) {
    await listener.close();
    await listener.ended(0);
  }
});

async function setUp(more: Partial<UdpOptions> = {}) {
  const hub = countingHub();
  const protocol = new LineProtocol('line', 'datagram');
  const listener = await listenUdp(protocol, hub, { ...listenerOptions(), port: 0, ...more });
  listeners.push(listener);
  const url = new URL(listener.address.replace('line:', 'udp:'));
  const client = async () => {
    const socket = createSocket(url.hostname.startsWith('[') ? 'udp6' : 'udp4');
    sockets.push(socket);
    const received: string[] = [];
    socket.on('message', (bytes) => received.push(bytes.toString('latin1')));
    let bound = false;
    socket.bind(0, url.hostname.replace(/[[\]]/g, ''), () => {
      bound = true;
    });
    await until(() => bound, 'a local port');
    const send = (text: string) => socket.send(text, Number(url.port), url.hostname.replace(/[[\]]/g, ''));
    const next = async () => {
      await until(() => received.length > 0, 'a datagram');
      return received.shift()!;
    };
    return { socket, received, send, next };
  };
  return { hub, protocol, listener, counters: hub.counters.of('line'), client };
}

test.each([
  ['127.0.0.1', true],
  ['127.0.0.1', false],
  ['::1', true],
  ['::1', false],
])('%s, bare handle %s: a peer for each remote; datagrams stay apart', async (host, raw) => {
  const { client, protocol, counters } = await setUp({ host, raw });
  const [a, b] = [await client(), await client()];
  a.send('echo one\necho two\n');
  expect([await a.next(), await a.next()]).toEqual(['one\n', 'two\n']);
  b.send('who\n');
  const shown = host.includes(':') ? `[${host}]` : host;
  expect(JSON.parse(await b.next()).remote).toBe(`${shown}:${b.socket.address().port}`);
  a.send('letters xyz\n');
  expect([await a.next(), await a.next(), await a.next(), await a.next()]).toEqual(['x', 'y', 'z', '\n']);
  expect(protocol.peers).toHaveLength(2);
  expect(counters).toMatchObject({ connections: 2, bytesIn: 18 + 4 + 12 });
  await until(() => protocol.peers[0]!.wire.unsent === 0, 'everything sent');
});

test.each([true, false])('bare handle %s: large and small packets keep their order', async (raw) => {
  const { client } = await setUp({ raw });
  const a = await client();
  a.send('mixed 2\n');
  let value = 0;
  for (const length of [100, 700, 10_000, 100, 700, 10_000]) {
    const octets = Buffer.from(await a.next(), 'latin1');
    expect(octets.length).toBe(length);
    expect(octets.every((octet) => octet === (value++ & 0xff))).toBe(true);
  }
});

test('an ended peer is lost once, and the same remote may begin anew', async () => {
  const { client, protocol, listener } = await setUp();
  const a = await client();
  a.send('end\n');
  expect(await a.next()).toBe('bye\n');
  await until(() => listener.connections === 0, 'the end');
  await until(() => protocol.peers[0]!.lost_ === 1, 'lost');
  a.send('echo again\n');
  expect(await a.next()).toBe('again\n');
  expect(protocol.peers).toHaveLength(2);
});

test('a defect ends that peer alone', async () => {
  const { client, counters } = await setUp();
  const [a, b] = [await client(), await client()];
  b.send('echo here\n');
  await b.next();
  a.send('bug\n');
  await until(() => counters.faults === 1, 'the defect');
  b.send('echo still here\n');
  expect(await b.next()).toBe('still here\n');
  expect(counters.connections).toBe(1);
});

test('who is silent is forgotten', async () => {
  const { client, listener, protocol } = await setUp({ idleMs: 40 });
  const a = await client();
  a.send('echo hi\n');
  await a.next();
  await until(() => listener.connections === 0 && protocol.peers[0]!.lost_ === 1, 'the table to be empty');
});

test('a full table takes nobody new, and keeps those who are there', async () => {
  const { client, counters, listener } = await setUp({ maxConnections: 2 });
  const [a, b, c] = [await client(), await client(), await client()];
  a.send('echo a\n');
  b.send('echo b\n');
  await Promise.all([a.next(), b.next()]);
  c.send('echo c\n');
  await until(() => counters.refused === 1, 'the refusal');
  a.send('echo a again\n');
  expect(await a.next()).toBe('a again\n');
  expect(listener.connections).toBe(2);
});

test('a paused peer hears nothing', async () => {
  const { client, protocol, counters } = await setUp();
  const a = await client();
  a.send('pause\n');
  a.send('echo unheard\n');
  await until(() => protocol.peers.length === 1, 'a peer');
  const b = await client();
  b.send('echo b\n');
  expect(await b.next()).toBe('b\n');
  protocol.peers[0]!.wire.resume();
  a.send('echo heard\n');
  expect(await a.next()).toBe('heard\n');
  expect(counters.connections).toBe(2);
});

test('wakes, and closes for newcomers only', async () => {
  const { client, listener } = await setUp();
  const a = await client();
  a.send('wake 20\n');
  expect(await a.next()).toBe('woken\n');
  await listener.close();
  a.send('echo known\n');
  expect(await a.next()).toBe('known\n');
  const b = await client();
  b.send('echo new\n');
  a.send('echo known\n');
  expect(await a.next()).toBe('known\n');
  expect(b.received).toEqual([]);
  await listener.ended(0);
  expect(listener.connections).toBe(0);
});

test('a datagram larger than UDP carries is lost, and counted as sent', async () => {
  const { client, protocol } = await setUp();
  const a = await client();
  a.send('flood 70000\necho after\n');
  expect(await a.next()).toBe('after\n');
  await until(() => protocol.peers[0]!.wire.unsent === 0, 'nothing unsent');
});

test('a group is heard on the interface of the host, and answered from the own address', async () => {
  const { client, listener, protocol } = await setUp({ groups: ['224.0.1.187'] });
  const { socket, next } = await client();
  const { port } = new URL(listener.address.replace('line:', 'udp:'));
  const from = new Promise<number>((resolve) => {
    socket.once('message', (_bytes, { port: sender }) => resolve(sender));
  });
  socket.setMulticastInterface('127.0.0.1');
  socket.send('echo one\n', Number(port), '224.0.1.187');
  expect([await next(), await from]).toEqual(['one\n', Number(port)]);
  expect(protocol.peers.map((peer) => peer.wire.sentTo)).toEqual(['group']);
});

/** Where there is no network but loopback, nobody can join a group. */
const connected = outside(false) !== undefined && outside(true) !== undefined;

/** An interface with a network behind it, and an address of its own. */
function outside(six: boolean): readonly [name: string, address: string] | undefined {
  for (const [name, all] of Object.entries(networkInterfaces())) {
    const one = all?.find(
      (a) => !a.internal && (a.family === 'IPv6') === six && !a.address.startsWith('fe80'),
    );
    if (one !== undefined) return [name, one.address];
  }
  return undefined;
}

test.skipIf(!connected).each([
  ['0.0.0.0', '224.0.1.187', 'either'],
  ['::', 'ff02::fd', 'either'],
  ['global', 'ff02::fd', 'group'],
])('a group is heard on %s: %s, sent to %s', async (said, group, sentTo) => {
  const [name, own] = outside(group.includes(':'))!;
  const { listener, protocol } = await setUp({ host: said === 'global' ? own : said, groups: [group] });
  const socket = createSocket(group.includes(':') ? 'udp6' : 'udp4');
  sockets.push(socket);
  await new Promise<void>((done) => socket.bind(0, done));
  socket.setMulticastInterface(group.includes(':') ? `::%${name}` : own);
  const answer = new Promise<string>((done) => socket.once('message', (bytes) => done(bytes.toString())));
  const { port } = new URL(listener.address.replace('line:', 'udp:'));
  socket.send('echo one\n', Number(port), group.includes(':') ? `${group}%${name}` : group);
  expect(await answer).toBe('one\n');
  expect(protocol.peers.map((peer) => peer.wire.sentTo)).toEqual([sentTo]);
});

test.skipIf(!connected)('a beacon is heard in its group, again and again', async () => {
  const beacon = { group: '225.1.1.1', bytes: Buffer.from('here'), everyMs: 5 };
  const { counters } = await setUp({ host: '0.0.0.0', beacon });
  await until(() => counters.bytesIn >= 3 * 4, 'three beacons of its own');
});

test.skipIf(!connected)(
  'from one address no more than its rate, on average; this machine is free',
  async () => {
    const [, host] = outside(false)!;
    const { client, counters, hub } = await setUp({ host, datagramsPerAddress: 5 });
    const a = await client();
    for (let i = 0; i < 200; i++) a.send('echo one\n');
    await until(() => (hub.counters.dropped.get('rate-exceeded') ?? 0) > 100, 'the refusal');
    expect(counters.bytesIn).toBeLessThan(100 * 9);
    const near = await setUp({ datagramsPerAddress: 1 });
    const b = await near.client();
    for (let i = 0; i < 20; i++) b.send('echo one\n');
    for (let i = 0; i < 20; i++) expect(await b.next()).toBe('one\n');
  },
);
