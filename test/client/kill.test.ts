// Exactly once over `kill -9`: a program that publishes through a kept outbox dies again and again, and nothing is lost, repeated or reordered.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import type { Server } from '../../src/server/start.ts';
import { seeded } from '../../src/transport/virtual-clock.ts';
import { build } from '../fault/server.ts';
import { startHub } from '../web/hub.ts';

const COUNT = 3_000;
const KILLS = 8;

let hub: Server;
const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-outbox-'));
const children: ChildProcess[] = [];

beforeAll(async () => {
  await build();
  hub = await startHub({ limits: { receiveMaximum: 16 } });
}, 120_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the program, and kills it once it has said so many lines; resolves to whether it ended by itself. */
async function run(first: boolean, lines: number): Promise<boolean> {
  const program = path.join(import.meta.dirname, 'program.mjs');
  const child = spawn(process.execPath, [program, hub.address('mqtt'), folder, String(COUNT)], {
    env: { ...process.env, FIRST: first ? 'yes' : 'no' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const ended = new Promise((resolve) => child.once('close', resolve));
  let done = false;
  let left = lines;
  for await (const line of createInterface(child.stdout!)) {
    if (line === 'done') done = true;
    else if (--left <= 0) child.kill('SIGKILL');
  }
  await ended;
  return done;
}

test('killed again and again: every message once, in order', async () => {
  const to = await connect(hub.address('mqtt'));
  const numbers = await to.subscribe('numbers', { qos: 2, buffer: COUNT + 1 });
  const random = seeded(7);
  let kills = 0;
  for (let turn = 0, done = false; !done; turn++) {
    const lines = kills < KILLS ? 1 + Math.floor(random() * 12) : Number.POSITIVE_INFINITY;
    done = await run(turn === 0, lines);
    if (!done) kills++;
  }
  expect(kills).toBe(KILLS);
  // A repetition would stand in front of it.
  await to.publish('numbers', 'end', { qos: 2 });
  const got: string[] = [];
  do got.push((await numbers.next())!.text());
  while (got.at(-1) !== 'end');
  expect(got).toEqual([...Array.from({ length: COUNT }, (_, i) => String(i)), 'end']);
  await to.close();
}, 60_000);
