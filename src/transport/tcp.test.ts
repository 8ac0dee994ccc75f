// TCP listeners, over bare handles and over sockets: the same cases for both.

import { afterEach, describe, expect, test } from 'vitest';
import { countingHub, LineProtocol, listenerOptions, until } from '../../test/transport/line.ts';
import { connectTo, type LineClient } from '../../test/transport/line-client.ts';
import type { Listener } from './listener.ts';
import { listenTcp, type TcpOptions } from './tcp.ts';

const open: { listeners: Listener[]; clients: LineClient[] } = { listeners: [], clients: [] };

afterEach(async () => {
  for (const client of open.clients.splice(0)) client.stream.destroy();
  for (const listener of open.listeners.splice(0)) {
    await listener.close();
    await listener.ended(0);
  }
});

async function setUp(raw: boolean, more: Partial<TcpOptions> = {}, protocols = [new LineProtocol()]) {
  const options = listenerOptions();
  const hub = countingHub();
  const listener = await listenTcp(protocols, hub, { ...options, port: 0, raw, ...more });
  open.listeners.push(listener);
  const client = async (halfOpen = false) => {
    const c = await connectTo(listener.address, halfOpen);
    open.clients.push(c);
    return c;
  };
  return {
    listener,
    hub,
    protocol: protocols[0]!,
    counters: hub.counters.of('line'),
    logged: options.logged,
    client,
  };
}

/** The kernel takes some megabytes; then nothing moves. */
async function standstill(unsent: () => number): Promise<void> {
  let quiet = 0;
  let last = -1;
  await until(() => {
    const is = unsent();
    quiet = is === last ? quiet + 1 : 0;
    last = is;
    return quiet > 50;
  }, 'standstill');
}

describe.each([
  ['bare handles', true],
  ['sockets', false],
])('tcp over %s', (_name, raw) => {
  test('takes the way it was asked to take', async () => {
    const { protocol, client } = await setUp(raw);
    await client();
    await until(() => protocol.peers.length === 1, 'a peer');
    expect(protocol.peers[0]!.wire.constructor.name).toBe(raw ? 'RawWire' : 'SocketWire');
  });

  test('answers lines, counts octets and tells who is there', async () => {
    const { listener, counters, protocol, client } = await setUp(raw);
    expect(listener.address).toMatch(/^line:\/\/127\.0\.0\.1:\d+$/);
    const c = await client();
    c.send('echo hello\n');
    expect(await c.line()).toBe('hello');
    c.send('who\n');
    const { localPort } = c.stream;
    expect(JSON.parse(await c.line())).toEqual({
      remote: `127.0.0.1:${localPort}`,
      listener: 'test',
      secure: false,
      identity: {},
    });
    expect(counters).toMatchObject({ connections: 1, connectionsTotal: 1, bytesIn: 15 });
    expect(counters.bytesOut).toBe(c.octets);
    c.stream.end();
    await c.gone();
    await until(() => protocol.peers[0]!.lost_ === 1, 'lost');
    expect(counters).toMatchObject({ connections: 0, connectionsTotal: 1, broken: 0, faults: 0 });
    expect(listener.connections).toBe(0);
  });

  test('a line in any pieces is one line', async () => {
    const { client, counters } = await setUp(raw);
    const c = await client();
    let sent = 0;
    for (const piece of ['ec', 'ho', ' pie', 'ces\nec', 'ho more\n', 'echo last\n']) {
      c.send(piece);
      sent += piece.length;
      await until(() => counters.bytesIn === sent, 'the piece');
    }
    expect([await c.line(), await c.line(), await c.line()]).toEqual(['pieces', 'more', 'last']);
  });

  test('what was left over by one connection never meets another', async () => {
    const { client, counters } = await setUp(raw);
    const [a, b] = [await client(), await client()];
    a.send('echo from a');
    b.send('echo from b');
    await until(() => counters.bytesIn === 22, 'both halves');
    a.send(' indeed\n');
    b.send(' as well\n');
    expect(await a.line()).toBe('from a indeed');
    expect(await b.line()).toBe('from b as well');
  });

  test('single octets, shared spans and large buffers leave in order', async () => {
    const { client } = await setUp(raw);
    const c = await client();
    c.send('letters one by one\n');
    expect(await c.line()).toBe('one by one');
    for (const count of [1, 20, 200]) {
      c.send(`mixed ${count}\n`);
      const octets = await c.take(count * 10_800);
      expect(octets.length).toBe(count * 10_800);
      expect(octets.every((octet, i) => octet === (i & 0xff))).toBe(true);
    }
  });

  test('wakes a peer when it asked to be', async () => {
    const { client, protocol } = await setUp(raw);
    const c = await client();
    const before = Date.now();
    c.send('wake 30\n');
    expect(await c.line()).toBe('woken');
    expect(Date.now() - before).toBeGreaterThanOrEqual(29);
    expect(protocol.peers[0]!.wokenAt).toHaveLength(1);
  });

  test('a broken protocol: goodbye in its words, then the end; others go on', async () => {
    const { client, counters, protocol } = await setUp(raw);
    const [bad, good] = [await client(), await client()];
    bad.send('bad\necho ignored\n');
    expect(await bad.line()).toBe('broken a bad line [LINE-1]');
    await bad.gone();
    expect(bad.error).toBeUndefined();
    good.send('echo fine\n');
    expect(await good.line()).toBe('fine');
    expect(counters).toMatchObject({ broken: 1, faults: 0, connections: 1 });
    expect(protocol.peers[0]!.lost_).toBe(1);
  });

  test('a defect: that wire alone is closed, logged with its stack and counted', async () => {
    const { client, counters, logged, protocol } = await setUp(raw);
    const [bad, good] = [await client(), await client()];
    bad.send('bug\n');
    await bad.gone();
    good.send('echo fine\n');
    expect(await good.line()).toBe('fine');
    expect(counters).toMatchObject({ broken: 0, faults: 1, connections: 1 });
    expect(logged.filter((l) => l.level === 'error')).toHaveLength(1);
    expect(protocol.peers[0]!.lost_).toBe(1);
  });

  test('end sends what was written before it, and nothing after', async () => {
    const { client, protocol } = await setUp(raw);
    const c = await client();
    c.send('fill 3000000\nend\n');
    const octets = await c.take(3_000_004);
    await c.gone();
    // The peer had filled up to the high water when it ended; the rest of the fill was never accepted.
    expect(octets.subarray(-4).toString()).toBe('bye\n');
    expect(octets.includes('never')).toBe(false);
    expect(protocol.peers[0]!.lost_).toBe(1);
  });

  test('destroy closes at once, from within receive, and lost comes after', async () => {
    const { client, protocol, counters } = await setUp(raw);
    const c = await client();
    c.send('destroy\necho ignored\n');
    await c.gone();
    await until(() => protocol.peers[0]!.lost_ > 0, 'lost');
    expect(protocol.peers[0]!.lost_).toBe(1);
    expect(counters.faults).toBe(0);
  });

  test('a reset is a loss like any other', async () => {
    const { client, protocol, counters } = await setUp(raw);
    const c = await client();
    c.stream.pause();
    c.send('fill 16000000\n');
    await until(
      () => (protocol.peers[0]?.wire.unsent ?? 0) > 0 && protocol.peers[0]!.wire.full,
      'a full wire',
    );
    c.stream.resetAndDestroy();
    await until(() => protocol.peers[0]!.lost_ === 1, 'lost');
    expect(counters).toMatchObject({ connections: 0, faults: 0 });
    expect(protocol.peers[0]!.wire.unsent).toBe(0);
  });

  test.each([1_000_000, 16_000_000])(
    '%i octets to a slow reader: bounded memory, drained, all of it',
    async (size) => {
      const { client, protocol } = await setUp(raw, { highWaterBytes: 200_000 });
      const c = await client();
      c.stream.pause();
      c.send(`fill ${size}\n`);
      await until(() => protocol.peers.length === 1 && protocol.peers[0]!.lines.length === 1, 'the command');
      await standstill(() => protocol.peers[0]!.wire.unsent);
      if (size > 8_000_000) expect(protocol.peers[0]!.wire.full).toBe(true);
      c.stream.resume();
      const octets = await c.take(size);
      expect(octets.length).toBe(size);
      expect(octets.every((octet, i) => octet === (i & 0xff))).toBe(true);
      const peer = protocol.peers[0]!;
      expect(peer.mostUnsent).toBeLessThanOrEqual(200_000 + 10_000);
      expect(peer.drainedCount).toBeGreaterThan(0);
      await until(() => peer.wire.unsent === 0, 'everything sent');
      expect(peer.wire.full).toBe(false);
    },
  );

  test('slow readers side by side get their own octets', async () => {
    const { client, protocol } = await setUp(raw, { highWaterBytes: 500_000 });
    const clients = [await client(), await client(), await client()];
    for (const [i, c] of clients.entries()) {
      c.stream.pause();
      // One of large pieces, which leave by vector, and two of small ones, which leave packed.
      c.send(`fill 12000000 ${i * 50} ${i === 0 ? 10_000 : 1_500}\n`);
    }
    await until(() => protocol.peers.filter((p) => p.lines.length === 1).length === 3, 'the commands');
    await standstill(() => protocol.peers.reduce((sum, p) => sum + p.wire.unsent, 0));
    expect(protocol.peers.every((p) => p.wire.full)).toBe(true);
    for (const c of clients) c.stream.resume();
    for (const [i, c] of clients.entries()) {
      const octets = await c.take(12_000_000);
      expect(octets.length).toBe(12_000_000);
      expect(octets.findIndex((octet, at) => octet !== ((i * 50 + at) & 0xff))).toBe(-1);
    }
  });

  test('16 MB come in whole', async () => {
    const { client, protocol, counters } = await setUp(raw);
    const c = await client();
    c.send('swallow 16000000\n');
    c.stream.write(Buffer.from(Uint8Array.from({ length: 16_000_000 }, (_, i) => i)));
    expect(await c.line()).toBe('swallowed');
    c.send('echo still in step\n');
    expect(await c.line()).toBe('still in step');
    expect(protocol.peers[0]!.swallowed).toBe(16_000_000);
    expect(counters.bytesIn).toBe(16_000_000 + 17 + 19);
  });

  test('a slow consumer beyond the hard limit is destroyed and counted', async () => {
    const { client, protocol, hub } = await setUp(raw, {
      maxUnsentBytes: 2_000_000,
      highWaterBytes: 100_000,
    });
    const c = await client();
    c.stream.pause();
    c.send('flood 1500000\nflood 1500000\n');
    await until(() => protocol.peers[0]?.lost_ === 1, 'lost');
    expect(hub.counters.dropped.get('slow-consumer')).toBe(1);
    expect(protocol.peers[0]!.blamedFor).toBe('slow-consumer');
  });

  test('pause stops reading; resume gives what was left over first', async () => {
    const { client, protocol } = await setUp(raw);
    const c = await client();
    c.send('pause\nhalf a li');
    await until(() => protocol.peers[0]?.lines.length === 1, 'the pause');
    c.send('ne\necho after\n');
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(protocol.peers[0]!.lines).toEqual(['pause']);
    protocol.peers[0]!.wire.resume();
    expect(await c.line()).toBe('after');
    expect(protocol.peers[0]!.lines).toEqual(['pause', 'half a line', 'echo after']);
  });

  test('ended while paused: the goodbye arrives, whatever is still unread', async () => {
    const { client, protocol, listener } = await setUp(raw, { lingerMs: 60_000 });
    const c = await client();
    c.send('pause\n');
    await until(() => protocol.peers[0]?.lines.length === 1, 'the pause');
    c.stream.write(Buffer.alloc(300_000));
    await until(() => c.stream.writableLength === 0, 'the kernel to have it');
    protocol.peers[0]!.say('bye');
    protocol.peers[0]!.wire.end();
    expect(await c.line()).toBe('bye');
    await c.gone();
    expect(c.error).toBeUndefined();
    await until(() => listener.connections === 0, 'the end');
  });

  test('more left over than the headroom holds is a defect', async () => {
    const { client, counters } = await setUp(raw);
    const c = await client();
    c.stream.write(Buffer.alloc(70_000, 'x'));
    await c.gone();
    expect(counters.faults).toBe(1);
  });

  test('half-closed: the end of the other side ends ours after what is unsent', async () => {
    const { client, protocol } = await setUp(raw);
    const c = await client(true);
    c.stream.end('echo parting words\n');
    expect(await c.line()).toBe('parting words');
    await c.gone();
    expect(protocol.peers[0]!.lost_).toBe(1);
  });

  test('a connection that says nothing is closed in time', async () => {
    const { client, protocol, listener } = await setUp(raw, { firstByteMs: 40 });
    const [silent, talking] = [await client(), await client()];
    talking.send('echo hi\n');
    expect(await talking.line()).toBe('hi');
    await silent.gone();
    await until(() => protocol.peers[0]!.lost_ === 1, 'lost');
    expect(talking.closed).toBe(false);
    expect(listener.connections).toBe(1);
  });

  test('an ended connection that the other side keeps open is closed in time', async () => {
    const { client, listener } = await setUp(raw, { lingerMs: 40 });
    const c = await client(true);
    c.send('end\n');
    expect(await c.line()).toBe('bye');
    await until(() => listener.connections === 0, 'the connection to be gone');
  });

  test.each([
    ['a listener', { maxConnections: 2 }],
    ['an address', { maxConnectionsPerAddress: 2 }],
    ['a second', { acceptsPerSecond: 2 }],
  ])('connections per %s are limited', async (_what, limits) => {
    const { client, counters, listener } = await setUp(raw, limits);
    const [a, b] = [await client(), await client()];
    a.send('echo a\n');
    b.send('echo b\n');
    expect([await a.line(), await b.line()]).toEqual(['a', 'b']);
    const c = await client();
    await c.gone();
    expect(counters).toMatchObject({ refused: 1, connectionsTotal: 2 });
    expect(listener.connections).toBe(2);
    if ('acceptsPerSecond' in limits) return;
    a.stream.end();
    await until(() => listener.connections === 1, 'one to leave');
    const d = await client();
    d.send('echo d\n');
    expect(await d.line()).toBe('d');
  });

  test('limits can change under way', async () => {
    const { client, listener, counters } = await setUp(raw, { maxConnections: 1 });
    const a = await client();
    const refused = await client();
    await refused.gone();
    listener.tune({ maxConnections: 2 });
    const b = await client();
    b.send('echo b\n');
    expect(await b.line()).toBe('b');
    expect(a.closed).toBe(false);
    expect(counters.refused).toBe(1);
  });

  test('several protocols share a port by their first octets', async () => {
    const protocols = [new LineProtocol(), new LineProtocol('other')];
    const { client, hub } = await setUp(raw, {}, protocols);
    const [a, b, c] = [await client(), await client(), await client()];
    a.send('line\necho first\n');
    b.send('oth');
    await new Promise((resolve) => setImmediate(resolve));
    b.send('er\necho second\n');
    c.send(`${'?'.repeat(40)}\n`);
    expect([await a.line(), await b.line()]).toEqual(['first', 'second']);
    await c.gone();
    expect(hub.counters.of('other').connections).toBe(1);
    expect(hub.counters.of('line')).toMatchObject({ connections: 1, broken: 1 });
  });

  test('who speaks none of them is told at once, with the header of the first that has one', async () => {
    const never = { matches: () => 'never' as const };
    const header = new TextEncoder().encode('ONE\n');
    const spoken = Object.assign(new LineProtocol('one'), { ...never, header });
    const { client } = await setUp(raw, {}, [Object.assign(new LineProtocol('two'), never), spoken]);
    const c = await client();
    c.send('?');
    expect(await c.line()).toBe('ONE');
    await c.gone();
  });

  test('behind a proxy: the told address counts and shows', async () => {
    const { client, counters } = await setUp(raw, { proxy: true, maxConnectionsPerAddress: 1 });
    const [a, b, c, d] = [await client(), await client(), await client(), await client()];
    a.send('PROXY TCP4 192.0.2.1 198.51.100.1 5');
    await new Promise((resolve) => setImmediate(resolve));
    a.send('0312 1883\r\nwho\n');
    expect(JSON.parse(await a.line()).remote).toBe('192.0.2.1:50312');
    b.send('PROXY TCP6 2001:db8::7 2001:db8::8 7 1883\r\nwho\n');
    expect(JSON.parse(await b.line()).remote).toBe('[2001:db8::7]:7');
    c.send('PROXY TCP4 192.0.2.1 198.51.100.1 4 1883\r\nwho\n');
    await c.gone();
    expect(counters).toMatchObject({ refused: 1, connections: 2 });
    d.send('echo no header\n');
    await d.gone();
    expect(counters.broken).toBe(1);
  });

  test('a proxy that does not finish its header is closed in time', async () => {
    const { client, listener } = await setUp(raw, { proxy: true, firstByteMs: 40 });
    const c = await client();
    c.send('PROXY TCP4');
    await c.gone();
    expect(listener.connections).toBe(0);
  });

  test('close stops accepting and leaves open wires alone; ended waits for them, then destroys', async () => {
    const { client, listener, protocol } = await setUp(raw);
    const c = await client();
    c.send('echo before\n');
    expect(await c.line()).toBe('before');
    await listener.close();
    c.send('echo after\n');
    expect(await c.line()).toBe('after');
    const late = await client();
    expect(late.error).toMatchObject({ code: 'ECONNREFUSED' });
    await listener.ended(20);
    await c.gone();
    expect(listener.connections).toBe(0);
    await until(() => protocol.peers[0]!.lost_ === 1, 'lost');
  });
});

test('a taken port is an error', async () => {
  const { listener } = await setUp(true);
  const port = Number(new URL(listener.address.replace('line:', 'tcp:')).port);
  await expect(setUp(true, { port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
