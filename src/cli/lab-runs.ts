// Runs that are kept as files.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Run, readRun } from '../lab/report/read.ts';
import { EXIT, Failure, type Io } from './io.ts';

/** Where runs are kept, below the folder that the command runs in. */
export const FOLDER = 'waymeet-lab';

/** The run of that id or file, or the newest one. */
export function openRun(io: Io, name: string | undefined): Run {
  const file = fileOf(io, name);
  return readRun(readText(file), file);
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (why) {
    throw new Failure(`${file} cannot be read: ${(why as Error).message}`, EXIT.usage, why);
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
  return /^[0-9a-f]{12}$/.test(name) ? path.join(folder, `${name}.ndjson`) : path.resolve(io.folder, name);
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
