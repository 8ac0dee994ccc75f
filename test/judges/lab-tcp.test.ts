// The lab's model of TCP against the kernel's: two network namespaces, a cable between them, and its counters.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LabClock } from '../../src/lab/network/clock.ts';
import { Link } from '../../src/lab/network/link.ts';
import { connectTcp, NO_SINK, type TcpEnd } from '../../src/lab/network/tcp.ts';
import { TCP_DEFAULTS } from '../../src/lab/network/tcp-sender.ts';
import { NETWORKS } from '../../src/lab/networks.ts';

const NEAR = `wml-near-${process.pid}`;
const FAR = `wml-far-${process.pid}`;
const PORT = 7_000;
const QUESTION = 22;
const ANSWER = 10;
const ROUNDS = 30;
const BULK = 1_000_000;
/** Ethernet's header, as the counters of a virtual cable have it: no check sequence, no padding. */
const FRAME = 14;
const IP = 20;
const TCP = 32;

const ip = (...words: string[]): void => void execFileSync('ip', words, { stdio: 'pipe' });
const inside = (name: string, ...words: string[]): void => ip('netns', 'exec', name, ...words);

/** Why it cannot be tried here; undefined: it can. */
const missing = ((): string | undefined => {
  for (const tool of ['ip', 'nft', 'ethtool'])
    if (spawnSync(tool, ['--version']).error !== undefined) return `there is no ${tool}`;
  const made = spawnSync('ip', ['netns', 'add', NEAR]);
  if (made.status !== 0) return 'network namespaces are not allowed';
  ip('netns', 'del', NEAR);
  return undefined;
})();

const SERVER = `require('node:net').createServer({ noDelay: true }, (s) => {
  let got = 0;
  let bulk = false;
  s.on('data', (d) => {
    bulk ||= d.length > 1000;
    if (bulk) return;
    for (got += d.length; got >= ${QUESTION}; got -= ${QUESTION}) s.write(Buffer.alloc(${ANSWER}));
  });
}).listen(${PORT}, '10.9.8.2', () => console.log('up'));`;

const CLIENT = `const s = require('node:net').connect({ port: ${PORT}, host: '10.9.8.2', noDelay: true });
let got = 0, rounds = 0;
const ask = () => s.write(Buffer.alloc(${QUESTION}));
s.on('connect', ask);
s.on('data', (d) => {
  got += d.length;
  if (got < ${ANSWER}) return;
  got -= ${ANSWER};
  if (++rounds < ${ROUNDS}) ask(); else s.end();
});`;

const SENDER = `const s = require('node:net').connect({ port: ${PORT}, host: '10.9.8.2' });
s.on('connect', () => s.end(Buffer.alloc(${BULK})));
s.resume();`;

interface Count {
  packets: number;
  bytes: number;
}

/** What has gone out of, and come into, the near end of the cable. */
function counters(): { up: Count; down: Count } {
  const text = execFileSync('ip', ['netns', 'exec', NEAR, 'ip', '-j', '-s', 'link', 'show', 'dev', 'wml0'], {
    encoding: 'utf8',
  });
  const [{ stats64 }] = JSON.parse(text) as [{ stats64: Record<'tx' | 'rx', Count> }];
  return { up: stats64.tx, down: stats64.rx };
}

async function measured(program: string): Promise<{ up: Count; down: Count }> {
  const before = counters();
  const child = spawn('ip', ['netns', 'exec', NEAR, process.execPath, '-e', program], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(0);
  const after = counters();
  const less = (a: Count, b: Count): Count => ({ packets: a.packets - b.packets, bytes: a.bytes - b.bytes });
  return { up: less(after.up, before.up), down: less(after.down, before.down) };
}

/** The same conversation in the model. `lose`: so many data segments of the client are dropped, the first ones. */
async function modelled(bulk: boolean, lose = 0): Promise<{ up: number; down: number; again: number }> {
  const clock = new LabClock(0);
  const link = new Link(clock, { ...NETWORKS['lan']!, delayMs: 0.05 }, () => 0.5);
  const send = link.up.send.bind(link.up);
  let left = lose;
  link.up.send = (transport, header, content, arrive) =>
    send(transport, header, content, content > 0 && left-- > 0 ? () => {} : arrive);
  let rounds = 0;
  let server: TcpEnd;
  const client = connectTcp(
    link,
    (end) => {
      server = end;
      end.sink = {
        ...NO_SINK,
        received: () => {
          if (!bulk) server.write(Buffer.alloc(ANSWER), 'content');
        },
        ended: () => server.end(),
      };
    },
    TCP_DEFAULTS,
  );
  const ask = (): void => client.write(Buffer.alloc(QUESTION), 'content');
  client.sink = {
    ...NO_SINK,
    opened: () => {
      if (!bulk) ask();
      else {
        client.write(Buffer.alloc(BULK), 'content');
        client.end();
      }
    },
    received: () => {
      if (++rounds < ROUNDS) ask();
      else client.end();
    },
  };
  await clock.run(() => false, 60_000);
  const { up, down } = link;
  return { up: up.tally.packets, down: down.tally.packets, again: up.tally.repeated };
}

describe.skipIf(missing !== undefined)(
  `the kernel's TCP${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let server: ReturnType<typeof spawn>;

    beforeAll(async () => {
      for (const name of [NEAR, FAR]) {
        ip('netns', 'add', name);
        inside(
          name,
          'sysctl',
          '-q',
          '-w',
          'net.ipv6.conf.all.disable_ipv6=1',
          'net.ipv6.conf.default.disable_ipv6=1',
          'net.ipv4.tcp_congestion_control=reno',
        );
      }
      inside(NEAR, 'ip', 'link', 'add', 'wml0', 'type', 'veth', 'peer', 'name', 'wml1', 'netns', FAR);
      const ends = [
        [NEAR, 'wml0', '10.9.8.1/24'],
        [FAR, 'wml1', '10.9.8.2/24'],
      ] as const;
      const hardware: string[] = [];
      for (const [name, device, address] of ends) {
        inside(name, 'ip', 'addr', 'add', address, 'dev', device);
        inside(name, 'ethtool', '-K', device, 'tso', 'off', 'gso', 'off', 'gro', 'off');
        inside(name, 'ip', 'link', 'set', device, 'up');
        const shown = execFileSync('ip', ['netns', 'exec', name, 'ip', '-j', 'link', 'show', 'dev', device], {
          encoding: 'utf8',
        });
        hardware.push((JSON.parse(shown) as [{ address: string }])[0].address);
      }
      // No questions about addresses among the packets that are counted.
      inside(
        NEAR,
        'ip',
        'neigh',
        'replace',
        '10.9.8.2',
        'lladdr',
        hardware[1]!,
        'dev',
        'wml0',
        'nud',
        'permanent',
      );
      inside(
        FAR,
        'ip',
        'neigh',
        'replace',
        '10.9.8.1',
        'lladdr',
        hardware[0]!,
        'dev',
        'wml1',
        'nud',
        'permanent',
      );
      server = spawn('ip', ['netns', 'exec', FAR, process.execPath, '-e', SERVER], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(server.stdout!, 'data');
    });

    afterAll(async () => {
      server?.kill();
      if (server !== undefined && server.exitCode === null) await once(server, 'exit');
      for (const name of [NEAR, FAR]) spawnSync('ip', ['netns', 'del', name]);
    });

    /** SYNs have 8 octets of options more than other segments; everything else has the same headers. */
    const bytesOf = (packets: number, content: number): number => packets * (FRAME + IP + TCP) + 8 + content;

    test('questions and answers: the same headers to the octet, the same packets but for an early acknowledgement', async () => {
      const real = await measured(CLIENT);
      const model = await modelled(false);
      expect(real.up.bytes).toBe(bytesOf(real.up.packets, ROUNDS * QUESTION));
      expect(real.down.bytes).toBe(bytesOf(real.down.packets, ROUNDS * ANSWER));
      // Linux acknowledges the first segments of a connection at once, the model never does.
      expect(
        Math.abs(real.up.packets - model.up),
        `up ${real.up.packets}, model ${model.up}`,
      ).toBeLessThanOrEqual(3);
      expect(
        Math.abs(real.down.packets - model.down),
        `down ${real.down.packets}, model ${model.down}`,
      ).toBeLessThanOrEqual(3);
    });

    test('a lost segment is sent again, once', async () => {
      inside(FAR, 'nft', 'add', 'table', 'ip', 'lab');
      inside(FAR, 'nft', 'add', 'chain', 'ip', 'lab', 'input', '{ type filter hook input priority 0 ; }');
      // The quota is one packet's length: only the first is dropped.
      const length = IP + TCP + QUESTION;
      inside(
        FAR,
        'nft',
        'add',
        'rule',
        'ip',
        'lab',
        'input',
        `ip length ${length} quota until ${length} bytes drop`,
      );
      const real = await measured(CLIENT);
      inside(FAR, 'nft', 'delete', 'table', 'ip', 'lab');
      const model = await modelled(false, 1);
      expect(model.again).toBe(QUESTION);
      expect(real.up.bytes).toBe(bytesOf(real.up.packets, (ROUNDS + 1) * QUESTION));
      expect(
        Math.abs(real.up.packets - model.up),
        `up ${real.up.packets}, model ${model.up}`,
      ).toBeLessThanOrEqual(3);
    });

    test('a megabyte: the same segments', async () => {
      const real = await measured(SENDER);
      const model = await modelled(true);
      // The kernel may cut a segment short where the application's pieces, or the window, end.
      expect(
        Math.abs(real.up.packets - model.up),
        `up ${real.up.packets}, model ${model.up}`,
      ).toBeLessThanOrEqual(model.up * 0.05);
      // A busy machine acknowledges late, and the kernel then sends a segment again.
      const again = real.up.bytes - bytesOf(real.up.packets, BULK);
      expect(again).toBeGreaterThanOrEqual(0);
      expect(again).toBeLessThanOrEqual(BULK * 0.01);
      expect(model.up).toBe(Math.ceil(BULK / 1_448) + 3); // SYN and two acknowledgements; FIN goes with the last segment
    });
  },
);
