// The lab over the admin API: what there is, a small run with its lines and its page, the advice, and mistakes.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Server } from '../../src/server/start.ts';
import { startHub } from './hub.ts';

let server: Server;
let base: string;
beforeAll(async () => {
  server = await startHub();
  base = `${server.address('web')}/api/v1/lab`;
});
afterAll(() => server.stop());

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
    if (body['state'] !== 'running') return body;
  }
}

test('what can be compared', async () => {
  const { body } = await ask('GET', '');
  expect(body['defaultNetworks']).toEqual(['lan', 'wifi', 'lte-m', 'nb-iot']);
  expect(body['questions']).toContainEqual(expect.objectContaining({ id: 'cloud' }));
});

test('a run: started, watched, shown as a page, forgotten', async () => {
  const started = await ask('POST', '/runs', SMALL);
  expect([started.status, started.body]).toEqual([
    200,
    expect.objectContaining({ state: 'running', cells: 4 }),
  ]);
  const { run } = started.body;
  const ended = await finished(run);
  expect(ended).toMatchObject({ state: 'done', done: 4 });
  const kinds = (ended['lines'] as { kind: string }[]).map((l) => l.kind);
  expect(kinds).toEqual(['run', 'cell', 'cell', 'cell', 'cell', 'end']);
  expect((await ask('GET', `/runs/${String(run)}/page`)).body['html']).toContain('<svg');
  expect((await ask('DELETE', `/runs/${String(run)}`)).body).toEqual({ done: true });
  expect((await ask('GET', `/runs/${String(run)}`)).status).toBe(404);
});

test('one run at a time; deleting it makes room', async () => {
  const long = await ask('POST', '/runs', { ...SMALL, messages: 1_500, networks: ['lan'] });
  expect(long.status).toBe(200);
  expect((await ask('POST', '/runs', SMALL)).status).toBe(409);
  expect((await ask('POST', '/choose', { answers: {} })).status).toBe(409);
  expect((await ask('DELETE', `/runs/${String(long.body['run'])}`)).status).toBe(200);
  let next = await ask('POST', '/runs', SMALL);
  while (next.status === 409) next = await ask('POST', '/runs', SMALL);
  expect(await finished(next.body['run'])).toMatchObject({ state: 'done' });
});

test.each([
  [{ mesages: 1 }, "a workload has no 'mesages'"],
  [{ variants: ['mqtt'] }, "there is no variant 'mqtt'"],
  [{ messages: 100_000 }, 'are more than 100000: ask for fewer here'],
])('a mistake: %j', async (workload, sentence) => {
  const { status, body } = await ask('POST', '/runs', workload);
  expect([status, JSON.stringify(body)]).toEqual([422, expect.stringContaining(sentence)]);
});

test('advice, and answers that there are not', async () => {
  const wrong = await ask('POST', '/choose', { answers: { cloud: 'mine' } });
  expect([wrong.status, JSON.stringify(wrong.body)]).toEqual([
    422,
    expect.stringContaining("no answer to 'cloud'"),
  ]);
  const { status, body } = await ask('POST', '/choose', {
    answers: { network: 'lan', cloud: 'aws' },
    workload: { messages: 2, idleMinutes: 0 },
  });
  expect(status).toBe(200);
  expect((body['ranking'] as { variant: string }[])[0]!.variant).toMatch(/^mqtt|^http/);
  expect(body['start']).toHaveProperty('javascript');
});
