// The broker as a process of its own: built, started on a free port, read by its log, and killed.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as later } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
export const PROGRAM = path.join(ROOT, 'dist/cli/main.js');
const LOCK = path.join(ROOT, 'dist.building');
/** Ten times what a start takes on a busy machine. */
const READY_MS = 20_000;

export interface LogLine {
  readonly level: string;
  readonly msg: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServerOptions {
  /** The folder of the store. */
  readonly store: string;
  readonly durability?: 'full' | 'relaxed' | 'memory';
  /** Further settings, `--limits-login 2s`. */
  readonly flags?: readonly string[];
  /** A shell command that narrows what the process may do, `ulimit -f 8192`. */
  readonly narrow?: string;
}

/** `waymeet serve`, from the moment it is started. */
export class Server {
  readonly log: LogLine[] = [];
  /** The port that it listens on; rejects when the process ends before. */
  readonly ready: Promise<number>;
  readonly ended: Promise<Ended>;
  private readonly child: ChildProcess;
  private readonly lines: Interface;

  constructor(options: ServerOptions) {
    const settings = {
      host: '127.0.0.1',
      'ports-mqtt': '0',
      'ports-web': 'off',
      'ports-coap': 'off',
      'ports-coaps': 'off',
      'ports-coap-tcp': 'off',
      'ports-mqttsn': 'off',
      'ports-stomp': 'off',
      'ports-amqp': 'off',
      'ports-xmpp': 'off',
      'log-format': 'json',
      'store-path': options.store,
      'store-durability': options.durability ?? 'full',
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const command = [process.execPath, PROGRAM, 'serve', ...flags, ...(options.flags ?? [])];
    // With `exec` the child is the broker, not a shell that would outlive or hide it.
    const shell = ['sh', '-c', `${options.narrow}; exec "$@"`, 'sh', ...command];
    const [program, ...rest] = options.narrow === undefined ? command : shell;
    const env = Object.entries(process.env).filter(([name]) => !name.startsWith('WAYMEET_'));
    this.child = spawn(program!, rest, {
      cwd: ROOT,
      env: Object.fromEntries(env),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.lines = createInterface(this.child.stderr!);
    this.ready = this.readLog();
    this.ready.catch(() => undefined); // whoever kills it during its start does not wait
  }

  private readLog(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.lines.on('line', (text) => {
        const line = parse(text);
        this.log.push(line);
        const port = /is ready:.*mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(line.msg)?.[1];
        if (port !== undefined) resolve(Number(port));
      });
      const failed = (why: string) => reject(new Error(`${why}\n${this.log.map(said).join('\n')}`));
      this.ended.then(({ code, signal }) => failed(`ended before it was ready: ${code ?? signal}`));
      later(READY_MS, undefined, { ref: false }).then(() => failed(`not ready after ${READY_MS} ms`));
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Kills it without a word, as `kill -9`, and waits until it is gone. */
  kill(): Promise<Ended> {
    return this.stop('SIGKILL');
  }

  stop(signal: NodeJS.Signals): Promise<Ended> {
    this.signal(signal);
    return this.ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves when a line with `text` is in the log. */
  logged(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.log.some(({ msg }) => msg.includes(text))) resolve();
      };
      look();
      this.lines.on('line', look);
      this.ended.then(() => reject(new Error(`ended without saying '${text}'`)));
    });
  }

  /** What it complained about. */
  get complaints(): string[] {
    return this.log.filter(({ level }) => level === 'error' || level === 'fatal').map(said);
  }
}

function said(line: LogLine): string {
  return `${line.level} ${line.msg}`;
}

/** What comes before the log is set up is no JSON; nor what the store's engine prints, without even ending its line. */
function parse(text: string): LogLine {
  const json = text.indexOf('{"level"');
  return json < 0 ? { level: 'text', msg: text } : (JSON.parse(text.slice(json)) as LogLine);
}

/** A folder of its own for each test of a file, and the servers that it launches there; none outlives its test. */
export function useServers(): { folder(): string; launch(options?: Partial<ServerOptions>): Server } {
  let folder = '';
  const running = new Set<Server>();
  beforeAll(build, 120_000);
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'waymeet-fault-'));
  });
  afterEach(async () => {
    await Promise.all([...running].map((server) => server.kill()));
    running.clear();
    await rm(folder, { recursive: true });
  });
  return {
    folder: () => folder,
    launch(options = {}) {
      const server = new Server({ store: path.join(folder, 'store'), ...options });
      running.add(server);
      void server.ended.then(() => running.delete(server));
      return server;
    },
  };
}

/** Builds the program unless it is newer than its sources. Test files run side by side: one builds, the others wait. */
export async function build(): Promise<void> {
  while (!locked()) await later(50);
  try {
    if (isFresh()) return;
    const { status, stdout } = spawnSync('npm', ['run', '--silent', 'build'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`the build failed:\n${stdout}`);
  } finally {
    rmdirSync(LOCK);
  }
}

function locked(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch (why) {
    if ((why as NodeJS.ErrnoException).code !== 'EEXIST') throw why;
    // A build takes seconds: whoever held it longer is gone.
    if (existsSync(LOCK) && Date.now() - statSync(LOCK).mtimeMs > 120_000) rmdirSync(LOCK);
    return false;
  }
}

function isFresh(): boolean {
  if (!existsSync(PROGRAM)) return false;
  const built = statSync(PROGRAM).mtimeMs;
  const sources = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  return sources.every((name) => statSync(path.join(ROOT, 'src', name)).mtimeMs <= built);
}
