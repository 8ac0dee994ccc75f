// TCP over links of every kind: what it costs, how it recovers, and that nothing is lost, doubled or out of order.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seeded } from '../../transport/virtual-clock.ts';
import { LabClock } from './clock.ts';
import { Link } from './link.ts';
import type { LinkSpec } from './link-spec.ts';
import { connectTcp, NO_SINK, type StreamSink, type TcpEnd } from './tcp.ts';
import { TCP_DEFAULTS, type TcpSpec } from './tcp-sender.ts';

const SPEC: LinkSpec = {
  medium: 'ethernet',
  ip: 4,
  mtu: 1_500,
  delayMs: 50,
  jitterMs: 0,
  upKbps: 1e9,
  downKbps: 1e9,
  queueBytes: 1e9,
  loss: 0,
  burst: 1,
  duplicate: 0,
  reorder: 0,
  reorderMs: 0,
  natUdpMs: 0,
  natTcpMs: 0,
  rebindMs: 0,
};

/** Two ends, and what each has received. */
class Pair {
  readonly clock = new LabClock(0);
  readonly link: Link;
  readonly client: TcpEnd;
  server: TcpEnd | undefined;
  readonly atClient = new Inbox();
  readonly atServer = new Inbox();

  constructor(link: Partial<LinkSpec> = {}, tcp: Partial<TcpSpec> = {}, seed = 1) {
    this.link = new Link(this.clock, { ...SPEC, ...link }, seeded(seed));
    const accept = (server: TcpEnd): void => {
      this.server = server;
      server.sink = this.atServer;
    };
    this.client = connectTcp(this.link, accept, { ...TCP_DEFAULTS, ...tcp });
    this.client.sink = this.atClient;
  }

  async until(ms: number): Promise<void> {
    await this.clock.run(() => false, ms);
  }
}

class Inbox implements StreamSink {
  readonly pieces: Buffer[] = [];
  openedAt = -1;
  end: 'ended' | 'failed' | undefined;
  opened(): void {
    this.openedAt = 0;
  }
  received(bytes: Uint8Array): void {
    this.pieces.push(Buffer.from(bytes));
  }
  drained(): void {}
  ended(): void {
    this.end = 'ended';
  }
  failed(): void {
    this.end = 'failed';
  }
  get octets(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

function octets(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + seed;
  return bytes;
}

describe('what it costs', () => {
  test('handshake, one small message, its acknowledgement', async () => {
    const p = new Pair();
    p.client.write(octets(22), 'content');
    await p.until(1_000);
    const { up, down } = p.link;
    expect(p.atServer.octets).toEqual(octets(22));
    // SYN 40, ACK 32, the message 32 + 22; SYN-ACK 40, ACK 32. Each with 20 of IPv4 and 18 of Ethernet.
    expect([up.tally.packets, down.tally.packets]).toEqual([3, 2]);
    expect(up.tally).toMatchObject({ link: 54, ip: 60, transport: 104, content: 22, repeated: 0 });
    expect(down.tally).toMatchObject({ link: 36, ip: 40, transport: 72, content: 0 });
  });

  test('without timestamps options are fewer', async () => {
    const p = new Pair({}, { timestamps: false });
    p.client.write(octets(22), 'content');
    await p.until(1_000);
    // SYN 20 + 12, ACK 20, data 20.
    expect(p.link.up.tally.transport).toBe(72);
  });

  test('a request is answered, and the answer carries the acknowledgement', async () => {
    const p = new Pair();
    p.client.write(octets(10), 'content');
    await p.until(105);
    p.server!.sink = { ...NO_SINK, received: () => p.server!.write(octets(5), 'content') };
    await p.until(160);
    p.server!.sink = p.atServer;
    await p.until(1_000);
    // SYN-ACK and the answer; SYN, ACK, the request, and the late acknowledgement of the answer.
    expect([p.link.up.tally.packets, p.link.down.tally.packets]).toEqual([4, 2]);
  });

  test('what is written in one event leaves in one segment', async () => {
    const p = new Pair();
    await p.until(200);
    const before = p.link.up.tally.packets;
    for (let i = 0; i < 10; i++) p.client.write(octets(10), 'content');
    p.clock.at(p.clock.now, () => {});
    await p.until(220);
    expect(p.link.up.tally.packets - before).toBe(1);
  });

  test('a full window goes in ten segments, and the acknowledgements come for every second', async () => {
    const p = new Pair();
    p.client.write(octets(14_480), 'content');
    await p.until(190);
    // SYN, ACK, ten of 1,448 octets.
    expect(p.link.up.tally.packets).toBe(12);
    expect(p.link.down.tally.packets).toBe(1 + 5);
  });

  test('goodbye: FIN, FIN with acknowledgement, acknowledgement', async () => {
    const p = new Pair();
    await p.until(200);
    p.atServer.ended = () => p.server!.end();
    const before = [p.link.up.tally.packets, p.link.down.tally.packets];
    p.client.end();
    await p.until(10_000);
    expect(p.link.up.tally.packets - before[0]!).toBe(2);
    expect(p.link.down.tally.packets - before[1]!).toBe(1);
    expect([p.client.state, p.server!.state]).toEqual(['closed', 'closed']);
  });
});

describe('how it waits', () => {
  test('Nagle holds a small segment back until the one before is acknowledged', async () => {
    const arrivals: number[] = [];
    for (const nagle of [false, true]) {
      const p = new Pair({}, { nagle });
      await p.until(200);
      p.atServer.received = () => arrivals.push(p.clock.now);
      p.client.write(octets(10), 'content');
      await p.until(210);
      p.client.write(octets(10), 'content');
      p.clock.at(p.clock.now, () => {});
      await p.until(1_000);
    }
    // 250, 260; with Nagle the second waits for the acknowledgement, which waits for 40 ms: 250 + 40 + 50, and 50 more.
    expect(arrivals.map(Math.round)).toEqual([250, 260, 250, 390]);
  });

  test('a lost SYN is repeated after a second', async () => {
    const p = new Pair({ loss: 0.9 }, {}, 4);
    await p.until(60_000);
    expect(p.client.state === 'open' || p.client.state === 'syn-sent').toBe(true);
    const deaf = new Pair({ loss: 1 });
    await deaf.until(200_000);
    expect(deaf.atClient.end).toBe('failed');
    expect(deaf.link.up.tally.packets).toBe(7); // the first and six more
  });

  test('one lost segment in a flight is repaired without a time-out', async () => {
    const p = new Pair();
    await p.until(200);
    const { up } = p.link;
    const send = up.send.bind(up);
    let count = 0;
    up.send = (transport, header, content, arrive) =>
      send(transport, header, content, ++count === 3 ? () => {} : arrive);
    p.client.write(octets(14_480), 'content');
    p.clock.at(p.clock.now, () => {});
    await p.until(5_000);
    expect(p.atServer.octets).toEqual(octets(14_480));
    expect([p.client.sender.retransmissions, p.client.sender.timeouts]).toEqual([1, 0]);
  });

  test('a lost last segment waits for the time-out', async () => {
    const p = new Pair();
    await p.until(200);
    const { up } = p.link;
    const send = up.send.bind(up);
    let lost = false;
    up.send = (transport, header, content, arrive) => {
      const drop = !lost && content > 0;
      lost ||= drop;
      send(transport, header, content, drop ? () => {} : arrive);
    };
    p.client.write(octets(10), 'content');
    p.clock.at(p.clock.now, () => {});
    await p.until(5_000);
    expect(p.atServer.octets).toEqual(octets(10));
    expect([p.client.sender.retransmissions, p.client.sender.timeouts]).toEqual([1, 1]);
  });

  test('a receiver that does not read closes its window, and opens it again', async () => {
    const p = new Pair();
    await p.until(200);
    p.server!.pause();
    p.client.write(octets(400_000), 'content');
    p.clock.at(p.clock.now, () => {});
    await p.until(60_000);
    expect(p.client.unsent).toBeGreaterThan(0);
    p.server!.resume();
    await p.until(120_000);
    expect(p.atServer.octets.equals(octets(400_000))).toBe(true);
  });

  test('a NAT that forgot the connection: the device learns it from a reset', async () => {
    const p = new Pair({ natTcpMs: 60_000 });
    await p.until(100_000);
    p.client.write(octets(10), 'content');
    p.clock.at(p.clock.now, () => {});
    await p.until(110_000);
    expect(p.atClient.end).toBe('failed');
    expect(p.atServer.octets.length).toBe(0);
  });
});

test('[law] whatever the link does, the octets arrive once and in order, and are counted once', async () => {
  const share = fc.double({ min: 0, max: 0.3, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        loss: share,
        burst: fc.constantFrom(1, 2, 5),
        duplicate: share,
        reorder: share,
        reorderMs: fc.constantFrom(1, 30, 400),
        jitterMs: fc.constantFrom(0, 30),
        upKbps: fc.constantFrom(100, 1_000_000),
        queueBytes: fc.constantFrom(20_000, 1_000_000),
      }),
      fc.record({
        sack: fc.boolean(),
        nagle: fc.boolean(),
        timestamps: fc.boolean(),
        delayedAckMs: fc.constantFrom(0, 40),
      }),
      fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 1_000_000 }),
      async (link, tcp, sizes, seed) => {
        const p = new Pair(link, tcp, seed);
        let up = 0;
        let down = 0;
        for (const [i, size] of sizes.entries()) {
          p.clock.at(i * 37, () => {
            p.client.write(octets(size, i), 'content');
            up += size;
          });
        }
        p.atServer.opened = () => {
          p.server!.write(octets(5_000, 9), 'security');
          down += 5_000;
        };
        const all = sizes.reduce((a, b) => a + b, 0);
        const length = (inbox: Inbox): number => inbox.pieces.reduce((a, b) => a + b.length, 0);
        await p.clock.run(() => length(p.atServer) >= all && length(p.atClient) >= 5_000, 3_600_000);
        expect(p.atServer.octets.equals(Buffer.concat(sizes.map((size, i) => octets(size, i))))).toBe(true);
        expect(p.atClient.octets.equals(octets(5_000, 9))).toBe(true);
        expect([p.link.up.tally.content, p.link.down.tally.security]).toEqual([up, down]);
      },
    ),
    { seed: 1, numRuns: 40 },
  );
});
