// A whole server inside a test: settings in, its log in memory, a folder that goes with it.

import { type ExecFileException, execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach } from 'vitest';
import { type Resolved, resolveConfig, type Setting } from '../../src/server/config/resolve.ts';
import type { Config } from '../../src/server/config/schema.ts';
import { createLog } from '../../src/server/log.ts';
import { type Server, startServer } from '../../src/server/start.ts';

export interface Running {
  readonly server: Server;
  /** What was logged, `info waymeet … is ready …`. */
  readonly log: readonly string[];
  /** Reloads with other settings; what it logged meanwhile. */
  reload(settings: Record<string, unknown>): Promise<string[]>;
  /** The port of the listener of that name. */
  port(listener: string): number;
}

/** Every usual listener that there is, switched off. */
export const OFF: Readonly<Record<string, 'off'>> = Object.fromEntries(
  Object.keys(resolveConfig({}).config!.ports).map((port) => [port, 'off']),
);

/** Nothing is open unless a test says so. */
const CLOSED = { host: '127.0.0.1', store: { durability: 'memory' }, ports: OFF };

export function resolved(settings: Record<string, unknown>): Resolved {
  return resolveConfig({ settings: { ...CLOSED, ...settings } });
}

export function configOf(settings: Record<string, unknown>): Config {
  const { config, problems } = resolved(settings);
  if (config === undefined) throw new Error(problems.map((p) => `${p.path}: ${p.text}`).join('\n'));
  return config;
}

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** Ended with the test. */
export function ending(stop: () => unknown): void {
  stops.push(stop);
}

export function folder(): { path: string; write(name: string, text: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'waymeet-server-'));
  ending(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    write(name, text) {
      const file = join(path, name);
      writeFileSync(file, text);
      return file;
    },
  };
}

export async function start(
  settings: Record<string, unknown>,
  shown: readonly Setting[] = [],
): Promise<Running> {
  const log: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().trimEnd().split('\n')) {
        const { level, msg } = JSON.parse(line) as { level: string; msg: string };
        log.push(`${level} ${msg}`);
      }
      done();
    },
  });
  const server = await startServer(configOf(settings), {
    log: createLog({ level: 'debug', format: 'json' }, sink),
    version: 'test',
    settings: shown,
  });
  ending(() => server.stop());
  return {
    server,
    log,
    async reload(next) {
      const before = log.length;
      await server.reload(configOf({ log: { level: 'debug' }, ...next }));
      return log.slice(before);
    },
    port: (listener) => Number(new URL(server.address(listener).replace(/^\w+:/, 'http:')).port),
  };
}

export interface Ran {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program that others wrote. */
export function run(program: string, ...words: (string | number)[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      program,
      words.map(String),
      { timeout: 15_000 },
      (error: ExecFileException | null, output, errors) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), output, errors }),
    );
  });
}

/** Where a program is; undefined: not installed. */
export function placeOf(program: string): string | undefined {
  const found = spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

export function installed(program: string): boolean {
  return placeOf(program) !== undefined;
}
