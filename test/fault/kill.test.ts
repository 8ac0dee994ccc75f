// The broker is killed in loops under load, while it starts, works and commits; a ledger proves that nothing acknowledged is lost.
//
//   FAULT_KILLS=500 FAULT_SEED=7 npm run fault     a longer run, another course

import { setTimeout as later } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seeded } from '../../src/transport/virtual-clock.ts';
import { SessionClient } from './client.ts';
import { Load } from './load.ts';
import { type ServerOptions, useServers } from './server.ts';

const KILLS = Number(process.env.FAULT_KILLS ?? 12);
const SEED = Number(process.env.FAULT_SEED ?? 1);
/** One in so many kills hits the start. */
const EARLY = 4;

const { launch } = useServers();

/** Kills the broker `kills` times under load, then lets everybody come back. Returns the load and what is broken. */
async function run(
  kills: number,
  options: Partial<ServerOptions>,
): Promise<{ load: Load; broken: string[] }> {
  const random = seeded(SEED);
  const load = new Load(random);
  let server = launch(options);
  await load.begin(await server.ready);
  for (let kill = 1; ; kill++) {
    load.start();
    await later(100 + random() * 500);
    load.doom();
    await server.kill();
    await load.gone();
    load.ledger.complaints.push(...server.complaints);
    if (kill >= kills) break;
    if (random() < 1 / EARLY) {
      const early = launch(options);
      await later(random() * 500);
      await early.kill();
      load.ledger.complaints.push(...early.complaints);
      kill++;
    }
    server = launch(options);
    await load.resume(await server.ready);
  }
  server = launch(options);
  return { load, broken: await load.end(await server.ready) };
}

for (const durability of ['full', 'relaxed'] as const) {
  const kills = durability === 'full' ? KILLS : Math.ceil(KILLS / 4);
  test(
    `durability ${durability}: after ${kills} kills nothing acknowledged is lost, nothing at QoS 2 comes twice`,
    async () => {
      const { load, broken } = await run(kills, { durability });
      expect(broken, `FAULT_SEED=${SEED} FAULT_KILLS=${KILLS} repeats it`).toEqual([]);
      expect(load.ledger.acknowledgedCount).toBeGreaterThan(100 * kills);
    },
    30_000 + kills * 5_000,
  );
}

test('the proof can fail: without a store the ledger finds losses', async () => {
  const { broken } = await run(2, { durability: 'memory' });
  expect(broken.join('\n')).toMatch(/prompt: the session is gone/);
  expect(broken.join('\n')).toMatch(/away5: lost/);
}, 90_000);

test('sessions expire over a restart when their time has come, and not before', async () => {
  let server = launch();
  let port = await server.ready;
  const brief = new SessionClient('brief', { level: 5, expirySeconds: 1 });
  const cut = new SessionClient('cut', { level: 5, expirySeconds: 1 });
  const long = new SessionClient('long', { level: 5, expirySeconds: 60 });
  for (const client of [brief, cut, long]) await client.connect(port);
  await brief.cut(); // it waits already when the broker dies; the others are lost with it
  await server.kill();
  server = launch();
  port = await server.ready;
  expect((await long.connect(port)).sessionPresent).toBe(true);
  const readyAt = Date.now();
  await later(1_200);
  expect(Date.now() - readyAt).toBeGreaterThan(1_000);
  expect((await brief.connect(port)).sessionPresent).toBe(false);
  expect((await cut.connect(port)).sessionPresent).toBe(false);
}, 60_000);
