// Real clients on real sockets, against a hub in this process and against none.

import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { useBroker } from '../../test/judges/broker.ts';
import { type RealCell, runReal } from './real.ts';
import type { WorkloadInput } from './workload.ts';

const local = { host: '127.0.0.1', port: 0 };
const broker = useBroker(() => ({
  listeners: [
    { name: 'tcp', type: 'tcp', ...local },
    { name: 'udp', type: 'udp', ...local },
    { name: 'web', type: 'ws', ...local },
  ],
}));

const QUICK: WorkloadInput = { messages: 60, rate: 0, fanOut: 2 };

async function cells(urls: readonly string[], input: WorkloadInput = QUICK): Promise<RealCell[]> {
  const lines: RealCell[] = [];
  const result = await runReal(input, { urls, line: (cell) => lines.push(cell) });
  expect(lines).toEqual(result);
  return result;
}

test.each([
  ['mqtt', 'tcp', 3],
  ['coap', 'udp', 2],
  ['json+ws', 'web', 3],
])('%s: everything arrives, at every level that there is', async (scheme, listener, levels) => {
  const all = await cells([`${scheme}://user:secret@127.0.0.1:${broker.port(listener)}`]);
  expect(all).toHaveLength(3);
  for (const cell of all.slice(0, levels)) {
    expect(cell.failure).toBeUndefined();
    expect(cell.messages).toMatchObject({
      published: 60,
      expected: 120,
      delivered: 120,
      duplicated: 0,
      refused: 0,
    });
    expect(cell.latency.p99).toBeGreaterThanOrEqual(cell.latency.p50);
    expect(cell.cpuUsPerMessage).toBeGreaterThan(0);
    expect(JSON.stringify(cell)).not.toContain('secret');
  }
  for (const cell of all.slice(levels)) expect(cell.failure).toMatch(/QoS 2/);
});

test('with a rate', async () => {
  const [cell] = await cells([`mqtt://127.0.0.1:${broker.port('tcp')}`], {
    messages: 20,
    rate: 2_000,
    qos: 1,
  });
  expect(cell!.messages).toMatchObject({ published: 20, delivered: 20, outOfOrder: 0 });
});

test('nobody there: a sentence, and the next one is tried', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const [none, some] = await cells([`mqtt://127.0.0.1:${port}`, `mqtt://127.0.0.1:${broker.port('tcp')}`], {
    ...QUICK,
    qos: 0,
  });
  expect(none!.failure).toMatch(/nobody listens there/);
  expect(none!.messages.published).toBe(0);
  expect(some!.failure).toBeUndefined();
});

test('nobody there: not asked again at every level', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  expect(await cells([`mqtt://127.0.0.1:${port}`])).toHaveLength(1);
});

test('what a real run cannot do', async () => {
  await expect(cells(['mqtt://h'], { reconnectEvery: 1 })).rejects.toThrow(
    "leave 'outage' and 'reconnectEvery' out",
  );
  await expect(cells(['nonsense'])).rejects.toThrow("'nonsense' is no URL");
});
