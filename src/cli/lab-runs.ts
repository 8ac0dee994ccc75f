// Runs that are kept as files.

import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { type Run, readRun } from '../lab/report/read.ts';
import type { RunLine } from '../lab/result.ts';
import { WorkloadError } from '../lab/workload.ts';
import { EXIT, Failure, type Io } from './io.ts';

/** Where runs are kept, below the folder that the command runs in. */
export const FOLDER = 'waymeet-lab';
/** What `choose` measured: not among the runs that a person made, and reused. */
const CHOSEN = path.join(FOLDER, 'choose');

export interface Keeper {
  readonly file: string;
  write(line: RunLine): void;
  close(): void;
}

/** Each line is on disk when the next cell begins: who interrupts a run loses only what was half done. */
export function keepRun(io: Io, name: string): Keeper {
  const file = path.resolve(io.folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  const descriptor = openSync(file, 'w');
  return {
    file: name,
    write: (line) => writeSync(descriptor, `${JSON.stringify(line)}\n`),
    close: () => closeSync(descriptor),
  };
}

export function chosenFile(run: string): string {
  return path.join(CHOSEN, `${run}.ndjson`);
}

/** The run of that id or file, or the newest one. */
export function openRun(io: Io, name: string | undefined): Run {
  const file = fileOf(io, name);
  return readRun(readText(file), file);
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (why) {
    const none = (why as NodeJS.ErrnoException).code === 'ENOENT';
    const what = none
      ? "there is no such file ('waymeet lab list runs' shows the runs that there are)"
      : (why as Error).message;
    throw new Failure(`${file} cannot be read: ${what}`, EXIT.usage, why);
  }
}

function fileOf(io: Io, name: string | undefined): string {
  const folder = path.resolve(io.folder, FOLDER);
  if (name === undefined) {
    const newest = runFiles(folder)[0];
    if (newest === undefined)
      throw new Failure(
        `there is no run in ${FOLDER}: make one with 'waymeet lab run', or name its file`,
        EXIT.usage,
      );
    return newest;
  }
  if (!/^[0-9a-f]{12}$/.test(name)) return path.resolve(io.folder, name);
  const file = path.join(folder, `${name}.ndjson`);
  const chosen = path.resolve(io.folder, chosenFile(name));
  return !existsSync(file) && existsSync(chosen) ? chosen : file;
}

/** All that can be read, those of `choose` too. */
export function keptRuns(io: Io): Run[] {
  const runs: Run[] = [];
  for (const folder of [FOLDER, CHOSEN]) {
    for (const file of runFiles(path.resolve(io.folder, folder))) {
      try {
        runs.push(readRun(readText(file), file));
      } catch (why) {
        // Another tool's file, or one of another version: there is nothing in it to be reused.
        if (!(why instanceof WorkloadError)) throw why;
      }
    }
  }
  return runs;
}

/** The newest first. */
function runFiles(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (why) {
    if ((why as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw why;
  }
  return names
    .filter((n) => n.endsWith('.ndjson'))
    .map((n) => path.join(folder, n))
    .map((file) => ({ file, at: statSync(file).mtimeMs }))
    .sort((a, b) => b.at - a.at)
    .map(({ file }) => file);
}

/** Each with how far it came. */
export function runsIn(io: Io): object[] {
  return runFiles(path.resolve(io.folder, FOLDER)).map((file) => {
    const { head, cells, sweeps } = readRun(readText(file), file);
    const networks = head.networks.map((n) => n.name).join(' ');
    return { run: head.run, cells: `${cells.length + sweeps.length} of ${head.cells}`, networks };
  });
}
