// What the bench needs of a broker: whether it can run here, how to start it, and how to end it.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Level } from '../generator/frames.ts';
import { accepts } from '../generator/wire.ts';
import type { Scenario } from '../scenarios/list.ts';

export interface Running {
  readonly pid: number;
  /** Ends it and waits until it has ended. */
  stop(): Promise<void>;
}

export interface Placement {
  readonly port: number;
  /** What will be spoken there. */
  readonly dialect: 'mqtt' | 'amqp091' | 'amqp1' | 'stomp' | 'coap';
  /** Empty, and removed afterwards. */
  readonly dir: string;
  /** Keep sessions on disk, as well as this broker can. */
  readonly durable: boolean;
  /** Core for all its threads; undefined: do not pin. */
  readonly core: number | undefined;
  /** Write a CPU profile here when it ends, if this broker can. */
  readonly profile: string | undefined;
}

export interface Broker {
  readonly name: string;
  /** It runs only when it is asked for by name. */
  readonly asked: boolean;
  /** Its figures are best with no more messages than this under way from a publisher; absent: it does not matter. */
  readonly bestWindow?: number;
  /** Resolves to what is compared ("mosquitto 2.0.11"), or to the reason why it cannot run here. */
  available(): Promise<{ readonly version: string } | { readonly missing: string }>;
  /** Whether it can take part in a scenario at all; absent: in every one. */
  takesPart?(scenario: Scenario, level: Level): boolean;
  start(place: Placement): Promise<Running>;
}

const START_MS = 15_000;
const STOP_MS = 5000;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets a process open as many files as it may at all: shells often start with 1,024, and a connection is a file. */
const MANY_FILES = 'ulimit -n "$(ulimit -Hn)"; exec "$@"';

/** A command line that runs on one core, threads included, and keeps its process id. */
export const pinned = (core: number | undefined, argv: readonly string[]): readonly string[] => [
  ...['sh', '-c', MANY_FILES, 'sh'],
  ...(core === undefined ? [] : ['taskset', '-c', String(core)]),
  ...argv,
];

/** Runs a broker's command, with its output in `dir`, until it accepts connections and, where it says so, is `ready`. */
export async function launch(
  place: Placement,
  argv: readonly string[],
  startMs = START_MS,
  ready?: string,
): Promise<Running> {
  const log = join(place.dir, 'broker.log');
  const output = openSync(log, 'a');
  const [command, ...args] = pinned(place.core, argv);
  const child = spawn(command!, args, { stdio: ['ignore', output, output], cwd: place.dir });
  // the bench may be interrupted: no broker stays behind
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let failure: string | undefined;
  child.once('error', (error) => {
    failure = error.message;
  });
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      process.off('exit', kill);
      resolve();
    }),
  );
  const until = Date.now() + startMs;
  const up = async () =>
    (ready === undefined || readFileSync(log, 'utf8').includes(ready)) && (await accepts(place.port));
  while (!(await up())) {
    if (child.exitCode !== null) failure = `exit code ${child.exitCode}`;
    if (Date.now() > until) failure = `no connection within ${startMs} ms`;
    if (failure !== undefined) {
      kill();
      throw new Error(`${argv[0]}: ${failure}: ${tail(log)}`);
    }
    await pause(20);
  }
  // sh and taskset replace themselves with the command: the child's process id is the broker's
  return { pid: child.pid!, stop: () => stop(child, ended) };
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(killer);
}

const tail = (log: string): string =>
  existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-5).join(' | ') : '';

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
