// Runs: the same seed gives the same lines, interruption leaves what was done, weather and outages do what they say.

import { expect, test } from 'vitest';
import { readRun } from './report/read.ts';
import type { Cell, RunLine } from './result.ts';
import { headOf, runIdOf, runJob, runLab } from './run.ts';
import { VARIANTS } from './variant.ts';
import { planOf, type WorkloadInput } from './workload.ts';

const VERSION = '0.0.0-test';
const SMALL: WorkloadInput = {
  messages: 30,
  networks: ['wifi', 'nb-iot'],
  variants: ['mqtt5-qos1', 'coap-con-dtls', 'ws-json-qos1'],
};

async function linesOf(input: WorkloadInput, signal?: AbortSignal): Promise<RunLine[]> {
  const lines: RunLine[] = [];
  await runLab(input, {
    version: VERSION,
    threads: 0,
    line: (line) => lines.push(line),
    ...(signal === undefined ? {} : { signal }),
  });
  return lines;
}

const textOf = (lines: readonly RunLine[]): string => lines.map((line) => JSON.stringify(line)).join('\n');
/** All but what this machine did. */
const figures = (lines: readonly RunLine[]): unknown[] =>
  lines.flatMap((line) =>
    line.kind === 'cell'
      ? [{ ...line, host: { ...line.host, events: line.host.events, clientMs: 0, serverMs: 0, wallMs: 0 } }]
      : [],
  );

async function cellOf(input: WorkloadInput): Promise<Cell> {
  return runJob(planOf(input), 'test', { variant: 0, network: 0 });
}

test('the same seed gives the same figures, another one others', async () => {
  const [once, again, other] = [
    await linesOf(SMALL),
    await linesOf(SMALL),
    await linesOf({ ...SMALL, seed: 2 }),
  ];
  expect(once.map((l) => l.kind)).toEqual(['run', ...Array<string>(6).fill('cell'), 'end']);
  expect(figures(once)).toEqual(figures(again));
  expect(figures(once)).not.toEqual(figures(other));
});

test('the id of a run is that of its workload and version', () => {
  const plan = planOf(SMALL);
  expect(runIdOf(plan, VERSION)).toBe(runIdOf(planOf({ ...SMALL }), VERSION));
  expect(runIdOf(plan, VERSION)).not.toBe(runIdOf(plan, '0.0.1'));
  expect(runIdOf(plan, VERSION)).not.toBe(runIdOf(planOf({ ...SMALL, rate: 2 }), VERSION));
  expect(headOf(plan, VERSION)).toMatchObject({ seed: 1, cells: 6 });
});

test('an interrupted run is readable, also when its last line was cut', async () => {
  const abort = new AbortController();
  const lines: RunLine[] = [];
  const end = await runLab(SMALL, {
    version: VERSION,
    threads: 0,
    signal: abort.signal,
    line: (line) => {
      lines.push(line);
      if (lines.length === 3) abort.abort();
    },
  });
  expect(end).toMatchObject({ cells: 2, interrupted: true });
  const text = textOf(lines.slice(0, 3));
  expect(readRun(text, 'f').cells).toHaveLength(2);
  expect(readRun(text.slice(0, -50), 'f').cells).toHaveLength(1);
  expect(() => readRun(`{"kind":"run"\n${text}`, 'f')).toThrow('f, line 1 is no JSON');
  expect(() => readRun('', 'f')).toThrow('f holds no run');
});

test('a sweep has its points, in order', async () => {
  const lines = await linesOf({
    ...SMALL,
    networks: ['lan'],
    variants: ['coap-non'],
    sweeps: ['loss', 'rate'],
  });
  const run = readRun(textOf(lines), 'f');
  expect(run.sweeps.filter((c) => c.point!.kind === 'loss').map((c) => c.point!.value)).toEqual([
    0, 0.01, 0.02, 0.05, 0.1, 0.2,
  ]);
  const losses = run.sweeps.filter((c) => c.point!.kind === 'loss').map((c) => c.messages.lost);
  expect(losses[0]).toBe(0);
  expect(losses.at(-1)).toBeGreaterThan(0);
});

// Every variant that there is: nothing lost, doubled or out of order where the network does nothing to it.
test.each(VARIANTS.filter((v) => v.retains !== true).map((v) => v.id))(
  '%s on a good network, both ways',
  async (id) => {
    const quiet: WorkloadInput = { variants: [id], networks: ['lan'], messages: 24, rate: 1, idleMinutes: 5 };
    const up = await cellOf({ ...quiet, devices: 3, fanOut: 2 });
    expect(up.failure).toBeUndefined();
    expect(up.messages).toMatchObject({
      published: 24,
      expected: 48,
      delivered: 48,
      duplicated: 0,
      outOfOrder: 0,
      refused: 0,
    });
    expect(up.bytes.payload).toBe(24 * 20);
    const { total, ...layers } = up.bytes;
    expect(Object.values(layers).reduce((a, b) => a + b, 0)).toBe(total);
    if (id === 'mqttsn-qos-1') return; // it cannot listen
    const down = await cellOf({ ...quiet, direction: 'down', fanOut: 2 });
    expect(down.messages).toMatchObject({ delivered: 48, duplicated: 0 });
    expect(down.bytes.payload).toBe(48 * 20);
  },
);

test('an outage: TCP brings everything after it, and the recovery is told', async () => {
  const outage: WorkloadInput = {
    networks: ['lan'],
    messages: 60,
    rate: 1,
    outage: { after: 20, seconds: 10 },
  };
  const mqtt = await cellOf({ ...outage, variants: ['mqtt5-qos1'] });
  expect(mqtt.messages).toMatchObject({ delivered: 60, lost: 0 });
  expect(mqtt.recoveryMs).toBeGreaterThan(0);
  // The time-out doubles: 10 s of silence are followed by less than 10 s more.
  expect(mqtt.recoveryMs).toBeLessThan(10_000);
  const non = await cellOf({ ...outage, variants: ['coap-non'] });
  expect(non.messages.lost).toBe(10);
});

test('a long outage breaks connections; QoS 1 and 2 bring what was promised, QoS 2 once', async () => {
  const outage: WorkloadInput = {
    networks: ['lan'],
    messages: 40,
    rate: 0.2,
    keepAliveSeconds: 10,
    drainSeconds: 3_600,
    outage: { after: 50, seconds: 60 },
  };
  const two = await cellOf({ ...outage, variants: ['mqtt5-qos2'] });
  expect(two.messages).toMatchObject({ delivered: 40, lost: 0, duplicated: 0 });
  expect(two.connections).toBeGreaterThan(2);
});

test('devices that sleep greet anew each time, and resume what they may', async () => {
  const sleepy: WorkloadInput = { networks: ['lan'], messages: 10, reconnectEvery: 1, idleMinutes: 0 };
  const cell = await cellOf({ ...sleepy, variants: ['mqtt5-qos1-tls'] });
  expect(cell.messages).toMatchObject({ delivered: 10, lost: 0 });
  expect(cell.connections).toBe(1 + 10);
});

test('as fast as the window lets it', async () => {
  for (const id of ['mqtt5-qos0', 'mqtt5-qos1', 'coap-con', 'mqttsn-qos1', 'http']) {
    const cell = await cellOf({ variants: [id], networks: ['lan'], messages: 300, rate: 0, idleMinutes: 0 });
    expect([id, cell.messages.delivered]).toEqual([id, 300]);
  }
});

test('memory of a client, when it is asked for', async () => {
  const asked: WorkloadInput = { variants: ['mqtt5-qos1'], networks: ['lan'], messages: 2, idleMinutes: 0 };
  const { host } = await cellOf({ ...asked, memoryClients: 200 });
  expect(host.bytesPerClient).toBeGreaterThan(1_000);
  expect((await cellOf(asked)).host).not.toHaveProperty('bytesPerClient');
});

test('a NAT that forgets: DTLS with a connection id goes on, and nobody greets again', async () => {
  const nat: WorkloadInput = {
    networks: [{ from: 'lan', name: 'nat', natUdpMs: 30_000, natTcpMs: 30_000 }],
    messages: 10,
    rate: 1 / 60,
    keepAliveSeconds: 0,
    idleMinutes: 0,
  };
  const dtls = await cellOf({ ...nat, variants: ['coap-con-dtls'] });
  expect(dtls.messages).toMatchObject({ delivered: 10, lost: 0 });
  expect(dtls.connections).toBe(2);
  const tls = await cellOf({ ...nat, variants: ['mqtt5-qos1-tls'] });
  expect(tls.messages.lost).toBe(0);
  expect(tls.connections).toBeGreaterThan(5);
});
