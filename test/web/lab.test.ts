// The lab over the admin API: what there is, a small run with its lines and its reports, runs that are kept, the advice, and mistakes.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../src/server/lab/lab.ts';
import { MemoryShelf } from '../../src/server/lab/shelf.ts';
import { LAB_LIMITS } from '../../src/server/lab/size.ts';
import type { Server } from '../../src/server/start.ts';
import { build } from '../fault/server.ts';
import { startHub } from './hub.ts';

let server: Server;
let base: string;
beforeAll(async () => {
  server = await startHub();
  base = `${server.address('web')}/api/v1/lab`;
});
afterAll(() => server.stop());
beforeAll(build, 120_000); // threads run what is built

async function ask(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(base + path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const SMALL = {
  messages: 5,
  networks: ['lan', 'wifi'],
  variants: ['coap-non', 'mqtt5-qos1'],
  idleMinutes: 5,
};

/** Asks until the run is over: each question gives the run its turn. */
async function finished(run: unknown): Promise<Record<string, unknown>> {
  for (;;) {
    const { body } = await ask('GET', `/runs/${String(run)}`);
    if (body.state !== 'running') return body;
  }
}

test('what can be compared', async () => {
  const { body } = await ask('GET', '');
  expect(body.defaultNetworks).toEqual(['lan', 'wifi', 'lte-m', 'nb-iot']);
  expect(body.questions).toContainEqual(expect.objectContaining({ id: 'cloud' }));
});

test('a run: started, watched, downloaded, forgotten', async () => {
  const started = await ask('POST', '/runs', SMALL);
  expect([started.status, started.body]).toEqual([
    200,
    expect.objectContaining({ state: 'running', cells: 4, networks: ['lan', 'wifi'], onDisk: false }),
  ]);
  const { run } = started.body as { run: string };
  const ended = await finished(run);
  expect(ended).toMatchObject({ state: 'done', done: 4, seed: 1, version: '0.0.0-test' });
  const kinds = (ended.lines as { kind: string }[]).map((l) => l.kind);
  expect(kinds).toEqual(['run', 'cell', 'cell', 'cell', 'cell', 'end']);
  expect((await ask('GET', `/runs/${run}?after=5`)).body.lines).toMatchObject([{ kind: 'end' }]);
  expect((await ask('GET', '/runs')).body).toMatchObject({ items: [{ run, state: 'done' }], problems: [] });
  for (const [as, type, text] of [
    ['html', 'text/html; charset=utf-8', '<svg'],
    ['csv', 'text/csv; charset=utf-8', `\n${run},1,wifi,coap-non,`],
    ['ndjson', 'application/x-ndjson', '{"kind":"end"'],
  ] as const) {
    const report = await fetch(`${base}/runs/${run}/report?as=${as}`);
    expect([report.headers.get('content-type'), await report.text()]).toEqual([
      type,
      expect.stringContaining(text),
    ]);
    expect(report.headers.get('content-disposition')).toBe(`attachment; filename="waymeet-lab-${run}.${as}"`);
    expect(report.headers.get('content-security-policy')).toContain('sandbox');
  }
  expect((await ask('DELETE', `/runs/${run}`)).body).toEqual({ done: true });
  for (const of of ['', '/report']) expect((await ask('GET', `/runs/${run}${of}`)).status).toBe(404);
  expect((await ask('GET', '/runs/..%2F..%2Fetc')).status).toBe(404);
});

const LONG = { ...SMALL, messages: 1_000, variants: 'all', networks: ['lan'] };

test('one run at a time; stopped, what is finished of it stays, and makes room', async () => {
  const long = await ask('POST', '/runs', LONG);
  const run = String(long.body.run);
  expect((await ask('POST', '/runs', SMALL)).status).toBe(409);
  expect((await ask('POST', '/choose', { answers: {} })).status).toBe(409);
  await expect
    .poll(async () => ((await ask('GET', `/runs/${run}`)).body.lines as object[]).length)
    .toBeGreaterThan(1);
  expect((await ask('POST', `/runs/${run}/stop`)).status).toBe(200);
  const { body } = await ask('GET', `/runs/${run}`);
  expect(body).toMatchObject({ state: 'interrupted' });
  expect((body.lines as { kind: string }[]).map((l) => l.kind)).toContain('cell');
  expect((await ask('POST', `/runs/${run}/stop`)).status).toBe(409);
  const next = await ask('POST', '/runs', SMALL);
  expect(await finished(next.body.run)).toMatchObject({ state: 'done' });
  expect((await ask('GET', '/runs')).body.items).toHaveLength(2);
});

test('a run that takes too long is stopped, and says so', async () => {
  const limits = { ...LAB_LIMITS, wallMs: 1 };
  const lab = new Lab({ version: '1', shelf: new MemoryShelf(), evidence: new MemoryShelf(), limits });
  const run = (await lab.start(LONG))!.run;
  await expect.poll(async () => (await lab.runs()).items[0]?.state).not.toBe('running');
  expect((await lab.runs()).items).toMatchObject([
    { run, state: 'interrupted', reason: 'it took more than 0.001 s, and was stopped: ask for less' },
  ]);
});

/** A lab of its own, as it is built: it makes one run, waits until it is over, and says what became of it. */
const TIGHT = `
  (async () => {
    const [{ Lab }, { MemoryShelf }, { LAB_LIMITS }] = await Promise.all(
      ['lab', 'shelf', 'size'].map((name) => import('./dist/server/lab/' + name + '.js')),
    );
    const shelves = { shelf: new MemoryShelf(), evidence: new MemoryShelf() };
    const lab = new Lab({ version: '1', ...shelves, limits: { ...LAB_LIMITS, heapMb: 8 } });
    await lab.start({ messages: 5, networks: ['lan'], variants: ['coap-non'] });
    const look = async () => {
      const [run] = (await lab.runs()).items;
      if (run.state === 'running') setImmediate(look);
      else console.log(JSON.stringify(run));
    };
    look();
  })();
`;

test('a run that takes too much memory fails on its thread, with a sentence', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', TIGHT], {
    cwd: path.join(import.meta.dirname, '../..'),
  });
  expect(JSON.parse(stdout)).toMatchObject({
    state: 'failed',
    reason: 'it needed more than 8 MB of memory: ask for fewer messages or devices',
  });
});

test('runs outlive the hub, where messages do; a file that is broken is a sentence', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-lab-'));
  const settings = { store: { durability: 'relaxed', path: folder } };
  const memory = base;
  try {
    let hub = await startHub(settings);
    base = `${hub.address('web')}/api/v1/lab`;
    const { run } = (await ask('POST', '/runs', SMALL)).body as { run: string };
    await finished(run);
    const stopped = await ask('POST', '/runs', LONG);
    await expect
      .poll(async () => (await ask('GET', `/runs/${String(stopped.body.run)}`)).body.done)
      .toBeGreaterThan(1);
    await hub.stop();
    writeFileSync(path.join(folder, 'lab', '2026-11-22T22-30-00.123Z-0123456789ab.ndjson'), 'noise');
    hub = await startHub(settings);
    base = `${hub.address('web')}/api/v1/lab`;
    const { body } = await ask('GET', '/runs');
    expect(body).toMatchObject({
      items: [
        { run: stopped.body.run, state: 'interrupted', onDisk: true },
        { run, state: 'done', onDisk: true, workload: { messages: 5 } },
      ],
      folder: path.join(folder, 'lab'),
      problems: [expect.stringContaining('holds no run')],
    });
    expect((await ask('GET', `/runs/${run}`)).body.lines).toHaveLength(6);
    const [, kept] = readdirSync(path.join(folder, 'lab')).sort();
    writeFileSync(path.join(folder, 'lab', kept!), '{"kind":"run"}\n\n');
    const broken = await ask('GET', `/runs/${run}`);
    expect([broken.status, broken.body.detail]).toEqual([500, expect.stringContaining(`run ${run}`)]);
    await hub.stop();
  } finally {
    base = memory;
    rmSync(folder, { recursive: true });
  }
});

const ONE = { variants: ['coap-non'], networks: ['lan'] };

test.each([
  [{ mesages: 1 }, "a workload has no 'mesages'"],
  [{ networks: ['constructor'] }, "there is no network 'constructor'"],
  [{ variants: ['mqtt'] }, "there is no variant 'mqtt'"],
  [{ messages: 100_000 }, 'are more than 100000: ask for less here'],
  [
    { messages: 1, variants: 'all', sweeps: ['loss', 'rate'] },
    'cells (variants times networks) are more than',
  ],
  [{ messages: 2_000, payload: { bytes: 1_048_576 }, ...ONE }, 'octets are more than 100000000 octets'],
  [{ messages: 1, memoryClients: 10_000 }, 'clients in 48 cells are more than 20000'],
])('a mistake: %j', async (workload, sentence) => {
  const { status, body } = await ask('POST', '/runs', workload);
  expect([status, JSON.stringify(body)]).toEqual([422, expect.stringContaining(sentence)]);
});

test('a mistake: more networks than anybody compares', async () => {
  const { status, body } = await ask('POST', '/runs', { networks: new Array(501).fill('lan') });
  expect([status, body.detail]).toEqual([
    422,
    expect.stringContaining("'networks' is 500 entries long at most"),
  ]);
});

test('advice, and answers that there are not', async () => {
  const wrong = await ask('POST', '/choose', { answers: { cloud: 'mine' } });
  expect([wrong.status, JSON.stringify(wrong.body)]).toEqual([
    422,
    expect.stringContaining("no answer to 'cloud'"),
  ]);
  const asked = { answers: { network: 'lan', cloud: 'aws' }, workload: { messages: 2, idleMinutes: 0 } };
  const { status, body } = await ask('POST', '/choose', asked);
  expect(status).toBe(200);
  expect((body.ranking as { variant: string }[])[0]!.variant).toMatch(/^mqtt|^http/);
  expect(body.start).toHaveProperty('javascript');
  // What is known is not measured again, and does not push the runs out that somebody made.
  const measuredAt = async () => {
    const [run] = body.runs as string[];
    return (await ask('GET', `/runs/${run}`)).body.startedAt;
  };
  const before = await measuredAt();
  expect(before).toBeGreaterThan(0);
  const other = await ask('POST', '/choose', { ...asked, answers: { network: 'lan', cloud: 'azure' } });
  expect(other.body.runs).toContainEqual((body.runs as string[])[0]);
  expect(await measuredAt()).toBe(before);
  const { items } = (await ask('GET', '/runs')).body as { items: { run: string }[] };
  expect(items.map(({ run }) => run)).not.toContainEqual((body.runs as string[])[0]);
});
