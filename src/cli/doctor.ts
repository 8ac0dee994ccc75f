// `waymeet doctor`: looks at what a hub needs from this machine, and says the fix for what is lacking.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { plan } from '../server/config/listeners.ts';
import type { Config } from '../server/config/schema.ts';
import { formatProblem } from '../server/config/source.ts';
import { load } from './config.ts';
import { EXIT, type Io } from './io.ts';

interface Finding {
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly fix?: string;
}

const OLDEST_NODE = [20, 19];
const WANTED_FILES = 10_000;
const SLOW_FSYNC_MS = 20;
const FSYNC_ROUNDS = 8;
/** Earlier than any release: a clock that was never set. */
const NOT_BEFORE = Date.UTC(2026, 0, 1);

export async function doctor(io: Io, file: string | undefined): Promise<number> {
  const loaded = load(io, file);
  const findings = [node(), clock(Date.now()), openFiles()];
  if (loaded.config === undefined) {
    findings.push(
      ...loaded.problems.map((p): Finding => ({ state: 'fail', text: `configuration: ${formatProblem(p)}` })),
    );
  } else {
    findings.push({ state: 'ok', text: `configuration: ${loaded.file ?? 'none, the defaults hold'}` });
    findings.push(store(io, loaded.config), ...(await ports(loaded.config)), ...files(loaded.config));
  }
  for (const { state, text, fix } of findings) {
    io.output.write(`${{ ok: ' ok ', warn: 'warn', fail: 'FAIL' }[state]}  ${text}\n`);
    if (fix !== undefined) io.output.write(`      fix: ${fix}\n`);
  }
  return findings.some((f) => f.state === 'fail') ? EXIT.failed : EXIT.fine;
}

function node(): Finding {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  const fine = major > OLDEST_NODE[0]! || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]!);
  if (fine) return { state: 'ok', text: `Node ${process.versions.node}` };
  return {
    state: 'fail',
    text: `Node ${process.versions.node} is too old`,
    fix: `install Node ${OLDEST_NODE.join('.')} or newer`,
  };
}

function clock(now: number): Finding {
  if (now >= NOT_BEFORE) return { state: 'ok', text: `clock: ${new Date(now).toISOString()}` };
  return {
    state: 'fail',
    text: `the clock says ${new Date(now).toISOString()}`,
    fix: 'set it (timedatectl set-ntp true): expiries and certificates depend on it',
  };
}

function openFiles(): Finding {
  if (process.platform !== 'linux') return { state: 'ok', text: 'open files: not looked at on this system' };
  const limit =
    /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 'unknown';
  const count = limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
  if (count >= WANTED_FILES) return { state: 'ok', text: `open files: ${limit} allowed` };
  return {
    state: 'warn',
    text: `open files: only ${limit} allowed, and each connection is one`,
    fix: `ulimit -n ${WANTED_FILES}, or LimitNOFILE=${WANTED_FILES} in the systemd unit`,
  };
}

function store(io: Io, config: Config): Finding {
  if (config.store.durability === 'memory') {
    return { state: 'warn', text: 'store: nothing is kept over a restart', fix: 'store.durability: full' };
  }
  const folder = resolve(io.folder, config.store.path);
  // The folder may not be there yet: then it must be possible to make it.
  const probe = existsSync(folder) ? folder : nearest(folder);
  const file = join(probe, `.waymeet-doctor-${process.pid}`);
  try {
    if (!existsSync(probe)) mkdirSync(probe, { recursive: true });
    const ms = fsyncTime(file);
    const text = `store: ${folder}, ${ms.toFixed(1)} ms to reach the disk`;
    if (ms <= SLOW_FSYNC_MS) return { state: 'ok', text };
    return {
      state: 'warn',
      text: `${text}: every acknowledged message waits for that`,
      fix: 'use a faster disk, or store.durability: relaxed',
    };
  } catch (error) {
    return {
      state: 'fail',
      text: `store: cannot write in ${probe}: ${(error as Error).message}`,
      fix: `chown ${probe} to this user, or set store.path`,
    };
  } finally {
    rmSync(file, { force: true });
  }
}

function nearest(folder: string): string {
  let here = dirname(folder);
  while (!existsSync(here)) here = dirname(here);
  return here;
}

function fsyncTime(file: string): number {
  const handle = openSync(file, 'w');
  try {
    const started = performance.now();
    for (let i = 0; i < FSYNC_ROUNDS; i++) {
      writeSync(handle, Buffer.alloc(4_096, i));
      fsyncSync(handle);
    }
    return (performance.now() - started) / FSYNC_ROUNDS;
  } finally {
    closeSync(handle);
  }
}

async function ports(config: Config): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const l of plan(config)) {
    for (const host of l.hosts) {
      if (l.port === 0 || l.type === 'udp') continue;
      const problem = await tryPort(host, l.port);
      const where = `listener '${l.name}': ${host} port ${l.port}`;
      if (problem === undefined) found.push({ state: 'ok', text: `${where} is free` });
      else if (problem === 'EADDRINUSE') {
        found.push({
          state: 'fail',
          text: `${where} is taken`,
          fix: `stop what uses it (ss -ltnp 'sport = :${l.port}'), or take another port`,
        });
      } else if (problem === 'EACCES') {
        found.push({
          state: 'fail',
          text: `${where} needs privileges`,
          fix: 'take a port from 1024, or give AmbientCapabilities=CAP_NET_BIND_SERVICE',
        });
      } else if (l.usual)
        found.push({ state: 'ok', text: `${where}: this machine has no such address; passed over` });
      else
        found.push({ state: 'fail', text: `${where}: ${problem}`, fix: 'give an address of this machine' });
    }
  }
  return found;
}

function tryPort(host: string, port: number): Promise<string | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => done(undefined)));
  });
}

function files(config: Config): Finding[] {
  const named: [string, string | undefined][] = [
    ['tls.cert', config.tls.cert],
    ['tls.key', config.tls.key],
    ['tls.ca', config.tls.ca],
    ['tls.psk', config.tls.psk],
    ['auth.users', config.auth.users],
    ['auth.acl', config.auth.acl],
  ];
  return named.flatMap(([setting, file]): Finding[] => {
    if (file === undefined) return [];
    try {
      readFileSync(file);
      return [{ state: 'ok', text: `${setting}: ${file} can be read` }];
    } catch (error) {
      return [
        {
          state: 'fail',
          text: `${setting}: ${(error as Error).message}`,
          fix: 'make the file, or correct the path',
        },
      ];
    }
  });
}
