// The lock that keeps two processes from one data directory: a file that says who holds it, and that a crash leaves behind harmlessly.

import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

const FILE = 'waymeet.lock';
/** The holder touches its lock this often, so that another host (or container) can tell whether it lives. */
const BEAT_MS = 5_000;
/** So long a holder on this host may take to die, asked this often. */
const DYING_MS = 2_000;
const POLL_MS = 50;

/** What a lock file says. `started` tells a process from a later one with the same id (a container's is always 1). */
interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly started: string;
}

export interface Lock {
  release(): Promise<void>;
}

export interface LockOptions {
  /** How long the lock of another host must lie untouched before it counts as left behind. */
  readonly foreignMs?: number;
  /** How long a holder on this host may take to die. */
  readonly dyingMs?: number;
}

/** Takes the directory's lock. Rejects when a living process holds it. */
export async function takeLock(directory: string, options: LockOptions = {}): Promise<Lock> {
  const path = join(directory, FILE);
  const me: Holder = { host: hostname(), pid: process.pid, started: startedAt(process.pid) };
  const text = `${JSON.stringify(me)}\n`;
  const mine = `${path}.${process.pid}.${process.hrtime.bigint()}`;
  await writeFile(mine, text, { mode: 0o600 });
  try {
    // link() is the one call that both writes the whole content and fails when somebody was first.
    while (!(await linked(mine, path))) {
      const found = await readFile(path, 'utf8').catch(gone);
      if (found === undefined) continue;
      await mustBeStale(path, found, me, options);
      if (await replaced(path, found, mine, me)) break;
    }
  } finally {
    await rm(mine, { force: true });
  }
  const beat = setInterval(() => {
    const now = new Date();
    // A disk that takes no touch takes no commit either, and that failure is told with its reason.
    utimes(path, now, now).catch(() => undefined);
  }, BEAT_MS);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      if ((await readFile(path, 'utf8').catch(gone)) === text) await rm(path, { force: true });
    },
  };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (why) {
    if ((why as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw why;
  }
}

/**
 * Puts `mine` in the place of a stale lock, unless somebody else did meanwhile. Only who holds the claim, a second lock for this moment,
 * may look whether the stale one is still there and replace it: with rename() alone two could each throw out the other's fresh lock.
 */
async function replaced(path: string, stale: string, mine: string, me: Holder): Promise<boolean> {
  const claim = `${path}.claim`;
  if (!(await linked(mine, claim))) {
    const other = parseHolder((await readFile(claim, 'utf8').catch(gone)) ?? '');
    const dead = other?.host === me.host && startedAt(other.pid) !== other.started;
    if (dead) await rm(claim, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 5));
    return false;
  }
  try {
    if ((await readFile(path, 'utf8').catch(gone)) !== stale) return false;
    await rename(mine, path);
    return true;
  } finally {
    await unlink(claim);
  }
}

async function mustBeStale(path: string, text: string, me: Holder, options: LockOptions): Promise<void> {
  const holder = parseHolder(text);
  if (holder === undefined) return; // torn by a crash: link() never leaves half a file while its writer lives
  if (holder.host === me.host) {
    // A killed process may take a moment to let go of its memory: whoever restarts it at once should not be refused.
    for (let waited = 0; startedAt(holder.pid) === holder.started; waited += POLL_MS) {
      if (waited >= (options.dyingMs ?? DYING_MS)) throw heldBy(`process ${holder.pid}`, path);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return;
  }
  const before = (await stat(path).catch(gone))?.mtimeMs;
  await new Promise((resolve) => setTimeout(resolve, options.foreignMs ?? 3 * BEAT_MS));
  const after = (await stat(path).catch(gone))?.mtimeMs;
  if (after !== undefined && after !== before) {
    throw heldBy(`process ${holder.pid} on host ${holder.host}`, path);
  }
}

function heldBy(whom: string, path: string): Error {
  return new Error(
    `another Waymeet (${whom}) uses this data directory, says ${path}: stop it first, or give this one a directory of its own`,
  );
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { host, pid, started } = JSON.parse(text) as Record<string, unknown>;
    if (typeof host !== 'string' || typeof pid !== 'number' || typeof started !== 'string') return undefined;
    return { host, pid, started };
  } catch (why) {
    if (why instanceof SyntaxError) return undefined;
    throw why;
  }
}

/** When a process started, in a form that can only be compared; '' when there is no such process. */
function startedAt(pid: number): string {
  if (process.platform === 'linux') {
    try {
      // Fields 3 and 22, counted after the command name, which may hold spaces and brackets.
      const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      // A zombie holds no files any more: only its parent has not looked yet.
      return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
    } catch (why) {
      gone(why);
      return '';
    }
  }
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch (why) {
    return (why as NodeJS.ErrnoException).code === 'EPERM' ? 'alive' : '';
  }
}

/** Lets "there is no such file or process" pass as undefined. */
function gone(why: unknown): undefined {
  const { code } = why as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'ESRCH') throw why;
  return undefined;
}
