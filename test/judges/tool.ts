// Judges that are programs of their own: whether they are here, and what they print while they run.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, describe } from 'vitest';
import { Inbox, PATIENCE_MS, within } from './inbox.ts';

/** Registers tests that need programs or Python modules; without them they are skipped, and their name says so. */
export function judgedBy(
  tools: readonly string[],
  title: string,
  tests: () => void,
  missing: readonly string[] = tools.filter((tool) => !isHere(tool)),
): void {
  const name = missing.length === 0 ? title : `${title} (needs ${missing.join(', ')})`;
  describe.skipIf(missing.length > 0)(name, tests);
}

export function isHere(tool: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', tool], { stdio: 'ignore' }).status === 0;
}

/** Input that is not known yet. */
export const OPEN = new Uint8Array(0);

const running = new Set<Tool>();

/** Ends the programs of each test of this file. */
export function endTools(): void {
  afterEach(async () => {
    await Promise.all([...running].map((tool) => tool.kill()));
  });
}

export interface Exit {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

export class Tool {
  /** Its output, line by line, standard error included. */
  readonly lines: Inbox<string>;
  readonly exit: Promise<Exit>;
  private readonly child: ChildProcess;

  /** `input`: all that it reads; OPEN: what `write` tells it. */
  constructor(command: readonly string[], input: string | Uint8Array = '') {
    this.lines = new Inbox(`lines of ${command.join(' ')}`);
    // Line by line also into a pipe, so that a test sees what happened when it happens.
    // A group of its own: what a shell started ends with it.
    this.child = spawn('stdbuf', ['-oL', ...command], { stdio: 'pipe', detached: true });
    this.child.stdin!.on('error', () => undefined); // it may end before it has read all
    if (input !== OPEN) this.child.stdin!.end(input);
    const text = { out: '', errors: '' };
    for (const [from, name] of [
      [this.child.stdout!, 'out'],
      [this.child.stderr!, 'errors'],
    ] as const) {
      createInterface(from).on('line', (line) => {
        text[name] += `${line}\n`;
        this.lines.push(line);
      });
    }
    this.exit = new Promise((resolve) => {
      this.child.once('close', (code) => {
        running.delete(this);
        resolve({ code, ...text });
      });
    });
    running.add(this);
  }

  /** What it says after it was told to stop. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.signal(signal);
    return within(PATIENCE_MS, `the end of ${this.child.spawnargs.join(' ')}`, () => this.exit);
  }

  private signal(signal: NodeJS.Signals): void {
    if (this.child.pid === undefined || !running.has(this)) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch (why) {
      if ((why as NodeJS.ErrnoException).code !== 'ESRCH') throw why; // all of them are gone already
    }
  }

  kill(): Promise<Exit> {
    return this.stop('SIGKILL');
  }

  write(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }
}

/** Runs a program to its end, which `ms` is the time for. */
export async function run(
  command: readonly string[],
  input?: string | Uint8Array,
  ms = PATIENCE_MS,
): Promise<Exit> {
  const tool = new Tool(command, input);
  try {
    return await within(ms, `the end of ${command.join(' ')}`, () => tool.exit);
  } finally {
    await tool.kill();
  }
}
