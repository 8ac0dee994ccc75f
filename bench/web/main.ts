// The web port beside bare `ws` and bare node:http, in one run: fan-out, publishing, idle sockets. `npm run bench:web`.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, launch, pause, type Running } from '../brokers/broker.ts';
import { ProcessTree } from '../generator/process-tree.ts';
import { ask, CountingSocket, repeat } from './sockets.ts';

const RECEIVERS = 1_000;
const IDLE = 5_000;
const SECONDS = Number(process.env.SECONDS ?? 4);
const ROUNDS = Number(process.env.ROUNDS ?? 2);
const PUBLISHERS = 32;
const PATIENCE_MS = 10_000;
/** 64 octets of JSON. */
const READING = JSON.stringify({ sensor: 'boiler-7', celsius: 21.5, at: 1_790_000_000, note: 'x' }).padEnd(
  64,
);

interface Contestant {
  readonly name: string;
  readonly path: string;
  readonly hub: boolean;
  command(port: number, folder: string): readonly string[];
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const HUB: Contestant = {
  name: 'waymeet',
  path: '/waymeet',
  hub: true,
  command(port, folder) {
    const file = join(folder, 'waymeet.yaml');
    const store = { path: join(folder, 'store'), durability: 'memory' };
    writeFileSync(
      file,
      JSON.stringify({ listeners: [{ name: 'web', type: 'ws', host: ['127.0.0.1'], port }], store }),
    );
    const profile = process.env.PROFILE;
    const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    return [process.execPath, ...flags, here('../../../dist/cli/main.js'), 'serve', '--config', file];
  },
};

const BARE: Contestant = {
  name: 'bare',
  path: '/',
  hub: false,
  command: (port) => [process.execPath, here('./floor-serve.js'), String(port)],
};

interface Started extends Running {
  readonly port: number;
  readonly load: ProcessTree;
}

async function start(one: Contestant, folder: string): Promise<Started> {
  const port = await freePort();
  const place = {
    port,
    dialect: 'mqtt',
    dir: folder,
    durable: false,
    core: undefined,
    profile: undefined,
  } as const;
  const running = await launch(place, one.command(port, folder));
  return { ...running, port, load: new ProcessTree(running.pid) };
}

async function within<T>(one: Contestant, act: (server: Started) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'waymeet-bench-'));
  const server = await start(one, folder);
  try {
    return await act(server);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** µs of the server's CPU a delivery: `burst` messages at once, the next ones when all receivers have them. */
function fanOut(one: Contestant, burst: number): Promise<number> {
  return within(one, async ({ port, load }) => {
    let octets = 0;
    let wake = (): void => {};
    const counted = (n: number) => {
      octets += n;
      wake();
    };
    const until = (reached: () => boolean) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${one.name}: messages are missing`)), PATIENCE_MS);
        wake = () => {
          if (!reached()) return;
          clearTimeout(timer);
          resolve();
        };
        wake();
      });
    const sockets: CountingSocket[] = [];
    for (let i = 0; i < RECEIVERS; i += 50)
      sockets.push(
        ...(await Promise.all(
          Array.from({ length: 50 }, () => CountingSocket.open(port, one.path, 'waymeet.v1', counted)),
        )),
      );
    if (one.hub)
      await Promise.all(
        sockets.map((socket) => {
          const heard = socket.heard('"subscribed"');
          socket.say('{"type":"connect"}');
          socket.say('{"type":"subscribe","filter":"bench"}');
          return heard;
        }),
      );
    const [publisher] = sockets;
    const message = one.hub ? JSON.stringify({ type: 'publish', topic: 'bench', payload: READING }) : READING;
    const frame = one.hub
      ? JSON.stringify({ type: 'message', topic: 'bench', payload: READING, qos: 0, retain: false })
      : READING;
    const each = RECEIVERS * (frame.length + (frame.length < 126 ? 2 : 4));
    let rounds = 0;
    const cpu = load.cpuNs();
    const end = Date.now() + SECONDS * 1_000;
    octets = 0;
    while (Date.now() < end) {
      for (let i = 0; i < burst; i++) publisher!.say(message);
      rounds += burst;
      const goal = rounds * each;
      await until(() => octets >= goal);
    }
    const spent = load.cpuNs() - cpu;
    if (octets !== rounds * each) throw new Error(`${octets} octets instead of ${rounds * each}`);
    for (const { socket } of sockets) socket.destroy();
    return spent / 1e3 / (rounds * RECEIVERS);
  });
}

/** Requests a second of CPU: 1e6 over the µs that one takes. */
function publish(one: Contestant, query: string): Promise<number> {
  return within(one, async ({ port, load }) => {
    const request = Buffer.from(
      `POST /topics/bench${query} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${READING.length}\r\n\r\n${READING}`,
    );
    const answer = await ask(port, request);
    if (!answer.toString().startsWith('HTTP/1.1 200')) throw new Error(answer.toString());
    let answers = 0;
    const sockets = Array.from({ length: PUBLISHERS }, () =>
      repeat(port, request, answer.length, (n) => {
        answers += n;
      }),
    );
    await pause(1_000);
    const before = answers;
    const cpu = load.cpuNs();
    await pause(SECONDS * 1_000);
    const spent = (load.cpuNs() - cpu) / 1e3;
    const count = answers - before;
    for (const socket of sockets) socket.destroy();
    return (count * 1e6) / spent;
  });
}

/** Octets of resident memory that an idle client takes. */
function idle(one: Contestant): Promise<number> {
  return within(one, async ({ port, load }) => {
    await pause(1_000);
    const before = load.memory().residentBytes;
    const sockets: CountingSocket[] = [];
    while (sockets.length < IDLE)
      sockets.push(
        ...(await Promise.all(
          Array.from({ length: 100 }, () => CountingSocket.open(port, one.path, 'waymeet.v1', () => {})),
        )),
      );
    if (one.hub)
      for (const socket of sockets) {
        socket.say('{"type":"connect","keepAliveMs":60000}');
        socket.say('{"type":"subscribe","filter":"commands/all"}');
      }
    await pause(2_000);
    const spent = load.memory().residentBytes - before;
    for (const { socket } of sockets) socket.destroy();
    return spent / IDLE;
  });
}

interface Row {
  readonly what: string;
  readonly unit: string;
  readonly aim: string;
  measure(one: Contestant): Promise<number>;
  /** Of the hub's figure and the bare one's. */
  holds(hub: number, bare: number): boolean;
  readonly best: (...values: number[]) => number;
}

const ROWS: readonly Row[] = [
  {
    what: `WebSocket: 64 octets of JSON to ${RECEIVERS}, one at a time`,
    unit: 'µs CPU a delivery',
    aim: '<= 1.3 x bare ws',
    measure: (one) => fanOut(one, 1),
    holds: (hub, bare) => hub <= 1.3 * bare,
    best: Math.min,
  },
  {
    what: 'the same, 16 at a time',
    unit: 'µs CPU a delivery',
    aim: '<= 1.3 x bare ws',
    measure: (one) => fanOut(one, 16),
    holds: (hub, bare) => hub <= 1.3 * bare,
    best: Math.min,
  },
  {
    what: 'HTTP: POST /topics/… of 64 octets, QoS 1',
    unit: 'requests a CPU second',
    aim: '>= 0.8 x bare node:http',
    measure: (one) => publish(one, ''),
    holds: (hub, bare) => hub >= 0.8 * bare,
    best: Math.max,
  },
  {
    what: `${IDLE} idle WebSocket clients, one subscription each`,
    unit: 'octets each',
    aim: '< 25,000',
    measure: idle,
    holds: (hub) => hub < 25_000,
    best: Math.min,
  },
];

const wanted = process.argv.slice(2);
let failed = false;
console.log('| what | unit | waymeet | bare | ratio | aim |\n|---|---|---|---|---|---|');
for (const [i, row] of ROWS.entries()) {
  if (wanted.length > 0 && !wanted.includes(String(i + 1))) continue;
  const figures: { hub: number[]; bare: number[] } = { hub: [], bare: [] };
  // Turn by turn, so that a busy machine is busy for both.
  for (let round = 0; round < ROUNDS; round++) {
    figures.hub.push(await row.measure(HUB));
    figures.bare.push(await row.measure(BARE));
  }
  const [hub, bare] = [row.best(...figures.hub), row.best(...figures.bare)];
  const shown = (n: number) => (n < 100 ? n.toFixed(2) : Math.round(n).toLocaleString('en'));
  const fine = row.holds(hub, bare);
  failed ||= !fine;
  console.log(
    `| ${row.what} | ${row.unit} | ${shown(hub)} | ${shown(bare)} | ${(hub / bare).toFixed(2)} | ${row.aim}${fine ? '' : ' **not met**'} |`,
  );
}
process.exitCode = failed ? 1 : 0;
