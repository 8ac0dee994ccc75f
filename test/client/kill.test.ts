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

/** Runs the receiver, and kills it once it has said so many lines; resolves to what it said. */
async function receive(at: string, lines: number): Promise<string[]> {
  const program = path.join(import.meta.dirname, 'receiver.mjs');
  const child = spawn(process.execPath, [program, hub.address('mqtt'), at], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const ended = new Promise((resolve) => child.once('close', resolve));
  const said: string[] = [];
  for await (const line of createInterface(child.stdout!)) {
    said.push(line);
    if (said.length === lines) child.kill('SIGKILL');
  }
  await ended;
  return said;
}

test('the receiver killed again and again: nothing is lost or out of order, and what comes again was not acknowledged', async () => {
  const at = path.join(folder, 'receiver');
  const from = await connect(hub.address('mqtt'));
  // Its session is there before the numbers are.
  const first = await connect(hub.address('mqtt'), {
    clientId: 'receiver',
    clean: true,
    sessionExpiryMs: 60_000,
  });
  await first.subscribe('received', { qos: 2 });
  await first.close();
  const count = 1_000;
  await Promise.all(Array.from({ length: count }, (_, i) => from.publish('received', String(i), { qos: 2 })));
  await from.publish('received', 'end', { qos: 2 });
  const random = seeded(3);
  let next = 0;
  let again = 0;
  for (let turn = 0, over = false; !over; turn++) {
    const lines = turn < KILLS ? 20 + Math.floor(random() * 60) : Number.POSITIVE_INFINITY;
    const said = (await receive(at, lines)).map((text) => (text === 'end' ? count : Number(text)));
    over = said.at(-1) === count;
    if (said.length === 0) continue;
    again += next - said[0]!;
    expect(said[0]).toBeLessThanOrEqual(next);
    // Of what is not acknowledged the hub sends no more than the window.
    expect(said[0]).toBeGreaterThanOrEqual(next - 16);
    expect(said).toEqual(said.map((_, i) => said[0]! + i));
    next = said.at(-1)! + 1;
  }
  expect(next).toBe(count + 1);
  expect(again).toBeLessThanOrEqual(KILLS * 16);
  await from.close();
}, 60_000);
