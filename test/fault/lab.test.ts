// A run of the lab that a person, or the system, ends: what was finished is kept and can be read.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readRun } from '../../src/lab/report/read.ts';
import { tableOf } from '../../src/lab/report/table.ts';
import { build, PROGRAM } from './server.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-lab-fault-'));
beforeAll(build, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['SIGINT', 1],
  ['SIGKILL', null],
] as const)('%s in the middle', async (signal, code) => {
  const file = path.join(folder, `${signal}.ndjson`);
  // More than anybody waits for.
  const args = [
    'lab',
    'run',
    '--variants',
    'all',
    '--messages',
    '500',
    '--json',
    '--threads',
    '1',
    '--out',
    file,
  ];
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'exit');
  let cells = 0;
  for await (const line of createInterface(child.stdout)) {
    if (!line.startsWith('{"kind":"cell"') || ++cells < 2) continue;
    child.kill(signal);
    break;
  }
  child.stdout.resume();
  expect((await exit)[0]).toBe(code);
  const run = readRun(readFileSync(file, 'utf8'), file);
  expect(run.cells.length).toBeGreaterThanOrEqual(2);
  expect(run.cells.length).toBeLessThan(run.head.cells);
  expect(run.end?.interrupted).toBe(code === 1 ? true : undefined);
  expect(tableOf(run, false)).toContain(
    `${run.head.cells - run.cells.length} of ${run.head.cells} cells are missing`,
  );
});
