// Floods, half-open connections, giants that are only announced and readers that stall: the real process stays small and serves the others.

import { readFileSync } from 'node:fs';
import { setTimeout as later } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { encodePacket } from '../../src/protocol/mqtt/encode.ts';
import type { Publish } from '../../src/protocol/mqtt/packet.ts';
import { octets } from '../hex.ts';
import { connectPacket, publishPacket } from '../mqtt-client.ts';
import { type ClientOptions, type Line, SessionClient, tcp } from './client.ts';
import { type Server, useServers } from './server.ts';

const { launch } = useServers();
const MEGABYTE = 1_048_576;
/** What a garbage collector that nobody hurries may leave lying about. */
const SLACK_BYTES = 120 * MEGABYTE;
const CLEAN = { level: 5, expirySeconds: 0 } as const;

/** Resident memory of the broker, octets; 0 where the system does not tell. */
function residentBytes(server: Server): number {
  if (process.platform !== 'linux') return 0;
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1_024;
}

/** A connection that says `first` and then nothing. */
function mute(port: number, first: Uint8Array): { line: Line; closed: Promise<void>; heard: Uint8Array[] } {
  const heard: Uint8Array[] = [];
  let line!: Line;
  const closed = new Promise<void>((resolve) => {
    line = tcp(port)((bytes) => heard.push(bytes), resolve);
    if (first.length > 0) line.write(first);
  });
  return { line, closed, heard };
}

/** A well-behaved pair: what one publishes the other gets, whatever happens beside them. */
class Pair {
  readonly got: string[] = [];
  private readonly sent: string[] = [];
  private readonly publisher = new SessionClient('good publisher', CLEAN);
  private readonly subscriber: SessionClient;

  constructor() {
    const received = (p: Publish) => this.got.push(new TextDecoder().decode(p.payload));
    this.subscriber = new SessionClient('good subscriber', CLEAN, {
      received,
      acknowledged: () => {},
      complain: (what) => expect.unreachable(what),
    });
  }

  async begin(port: number): Promise<this> {
    await this.publisher.connect(port);
    await this.subscriber.connect(port);
    expect(await this.subscriber.subscribe('good', 1)).toEqual([1]);
    return this;
  }

  /** Publishes one, and sees it arrive within `ms`. */
  async works(ms = 5_000): Promise<void> {
    const payload = `m${this.sent.length}`;
    this.sent.push(payload);
    this.publisher.publish('good', payload, 1, payload);
    const until = Date.now() + ms;
    while (this.got.length < this.sent.length && Date.now() < until) await later(5);
    expect(this.got).toEqual(this.sent);
  }
}

async function until(what: string, done: () => boolean, ms = 20_000): Promise<void> {
  const end = Date.now() + ms;
  while (!done()) {
    if (Date.now() > end) throw new Error(`after ${ms} ms still not: ${what}`);
    await later(20);
  }
}

test('half-open connections are closed in time: silent ones, and those that never finish their CONNECT', async () => {
  const server = launch({ flags: ['--limits-first-byte', '300ms', '--limits-login', '700ms'] });
  const port = await server.ready;
  const pair = await new Pair().begin(port);
  const hello = encodePacket(connectPacket(5, 'half'), 5);
  const silent = Array.from({ length: 150 }, () => mute(port, new Uint8Array(0)));
  const half = Array.from({ length: 150 }, (_, i) =>
    mute(port, hello.subarray(0, 1 + (i % (hello.length - 1)))),
  );
  await pair.works();
  const all = Promise.all([...silent, ...half].map(({ closed }) => closed));
  await expect(Promise.race([all.then(() => 'closed'), later(8_000, 'open', { ref: false })])).resolves.toBe(
    'closed',
  );
  await pair.works();
  expect(server.complaints).toEqual([]);
}, 60_000);

test('a flood of connections beyond the limit is refused with a reason, and the others are served', async () => {
  const server = launch({ flags: ['--limits-connections', '100'] });
  const port = await server.ready;
  const pair = await new Pair().begin(port);
  const flood = Array.from({ length: 1_000 }, (_, i) =>
    mute(port, encodePacket(connectPacket(5, `flood${i}`), 5)),
  );
  await until('every one is answered', () => flood.every(({ heard }) => heard.length > 0));
  const codes = flood.map(({ heard }) => Buffer.concat(heard)[3]);
  const taken = codes.filter((code) => code === 0).length;
  expect(taken).toBeGreaterThan(90);
  expect(taken, 'two of a hundred are taken').toBeLessThanOrEqual(98);
  expect(codes.filter((code) => code === 0x97)).toHaveLength(1_000 - taken);
  await pair.works();
  for (const { line } of flood) line.destroy();
  await Promise.all(flood.map(({ closed }) => closed));
  await pair.works();
  expect(server.complaints).toEqual([]);
}, 60_000);

test('packets of 256 MB that are only announced cost nothing, before the login and after it', async () => {
  const server = launch({ flags: ['--limits-packet', '16MiB'] });
  const port = await server.ready;
  const pair = await new Pair().begin(port);
  const before = residentBytes(server);
  const giants = Array.from({ length: 50 }, () => mute(port, octets("10 ff ff ff 7f 00 04 'MQTT' 05")));
  await Promise.all(giants.map(({ closed }) => closed));
  const hello = encodePacket(connectPacket(5, ''), 5);
  const late = Array.from({ length: 50 }, () =>
    mute(port, Buffer.concat([hello, octets('30 ff ff ff 7f 00')])),
  );
  await Promise.all(late.map(({ closed }) => closed));
  // The last octets are DISCONNECT 0x95, packet too large. [MQTT5-3.2.2-15]
  for (const { heard } of late) expect(Buffer.concat(heard).includes(0x95)).toBe(true);
  expect(residentBytes(server) - before).toBeLessThan(SLACK_BYTES);
  await pair.works();
}, 60_000);

test('thousands of packets that never end take the memory of what was sent, not of what was announced', async () => {
  const server = launch({ flags: ['--limits-login', '60s'] });
  const port = await server.ready;
  const pair = await new Pair().begin(port);
  const before = residentBytes(server);
  const hello = encodePacket(connectPacket(5, ''), 5);
  // 15 MB announced, of which 100 octets come; and a CONNECT of 500 kB of which as much comes.
  const publish = Buffer.concat([hello, octets('30 80 80 c0 07 00 01 61 00'), new Uint8Array(100)]);
  const connect = Buffer.concat([octets("10 a0 c2 1e 00 04 'MQTT' 05 02 00 3c"), new Uint8Array(100)]);
  const open = Array.from({ length: 2_000 }, (_, i) => mute(port, i % 2 === 0 ? publish : connect));
  await until(
    'half of them are logged in',
    () => open.filter(({ heard }) => heard.length > 0).length >= 1_000,
  );
  await pair.works();
  expect(residentBytes(server) - before).toBeLessThan(SLACK_BYTES);
  for (const { line } of open) line.destroy();
  await Promise.all(open.map(({ closed }) => closed));
  await pair.works();
  expect(server.complaints).toEqual([]);
}, 60_000);

/** A subscriber of `flood` that has stopped reading. */
async function stalled(port: number, options: Partial<ClientOptions> = {}): Promise<SessionClient> {
  const client = new SessionClient('stalled', { ...CLEAN, ...options });
  await client.connect(port);
  await client.subscribe('flood', 1);
  client.stall(true);
  return client;
}

/** Publishes `messages` of 10 kB at QoS 0, as fast as the broker takes them. */
async function flood(port: number, messages: number): Promise<void> {
  const client = new SessionClient('flooder', CLEAN);
  await client.connect(port);
  const frame = encodePacket(publishPacket('flood', new Uint8Array(10_000)), 5);
  const block = Buffer.concat(Array.from({ length: 100 }, () => frame));
  for (let sent = 0; sent < messages; sent += 100) {
    client.write(block);
    // An acknowledgement tells that all of it was taken.
    if (sent % 2_000 === 0) await client.subscribe('nothing', 0);
  }
  await client.subscribe('nothing', 0);
  await client.leave();
}

test('a flood to a stalled subscriber at QoS 0 stays within bounds, and disturbs nobody', async () => {
  const server = launch({ flags: ['--limits-queue-bytes', '10MB'] });
  const port = await server.ready;
  const pair = await new Pair().begin(port);
  const client = await stalled(port);
  const before = residentBytes(server);
  const flooding = flood(port, 40_000); // 400 MB
  for (let n = 0; n < 20; n++) await pair.works();
  await flooding;
  expect(residentBytes(server) - before).toBeLessThan(SLACK_BYTES);
  await pair.works();
  await client.cut();
  expect(server.complaints).toEqual([]);
}, 60_000);

test('where the policy says so, a slow consumer is evicted with the reason', async () => {
  const server = launch({ flags: ['--limits-overflow', 'evict', '--limits-queue-messages', '200'] });
  const port = await server.ready;
  const pair = await new Pair().begin(port);
  const client = await stalled(port);
  await flood(port, 4_000);
  client.stall(false);
  await client.gone;
  expect(client.goodbye).toBe(0x97);
  await pair.works();
}, 60_000);

test('10,000 clients connect, subscribe and get one message each', async ({ skip }) => {
  const most = Number(/open files\s+(\d+)/.exec(readLimits())?.[1] ?? 0);
  skip(most < 10_500, `this process may open ${most} files`);
  const server = launch();
  const port = await server.ready;
  let got = 0;
  const count = { received: () => void got++, acknowledged: () => {}, complain: () => {} };
  const clients = Array.from({ length: 10_000 }, (_, i) => new SessionClient(`c${i}`, CLEAN, count));
  for (let at = 0; at < clients.length; at += 500) {
    const batch = clients.slice(at, at + 500);
    await Promise.all(batch.map((client) => client.connect(port)));
    await Promise.all(batch.map((client) => client.subscribe('all', 0)));
  }
  const publisher = new SessionClient('publisher', CLEAN);
  await publisher.connect(port);
  publisher.publish('all', 'once', 1, 'once');
  await until('each has it', () => got >= clients.length);
  await Promise.all(clients.map((client) => client.cut()));
  expect(got).toBe(clients.length);
  expect(server.complaints).toEqual([]);
}, 120_000);

function readLimits(): string {
  return process.platform === 'linux' ? readFileSync('/proc/self/limits', 'utf8') : '';
}
