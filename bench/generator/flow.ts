// Runs a plan: connects everybody, warms up, measures, then proves that everything arrived.

import type { Plan } from '../scenarios/plan.ts';
import { Client } from './client.ts';
import { publishRing } from './frames.ts';
import type { Figure, Job } from './job.ts';
import { Latencies } from './latency.ts';
import { Ledger } from './ledger.ts';
import { ProcessTree } from './process-tree.ts';
import { Publisher } from './publisher.ts';

export type FlowKind = 'messages' | 'paced' | 'one in flight' | 'octets';

const DRAIN_MS = 20_000;
/** How long a duplicate may take to show up after the last message. */
const AFTERMATH_MS = 50;
const MOST_BEHIND_MS = 5;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Reading {
  readonly atNs: number;
  readonly delivered: number;
  readonly brokerNs: number;
  readonly ownNs: number;
}

export async function runFlow(job: Job, plan: Plan, kind: FlowKind): Promise<readonly Figure[]> {
  const latencies = plan.timed ? new Latencies() : undefined;
  const ledger = newLedger(plan, latencies);
  const broker = new ProcessTree(job.pid);
  await Promise.race([ledger.failed(), assemble(job, plan, ledger)]);
  const read = (): Reading => ({
    atNs: Number(process.hrtime.bigint()),
    delivered: ledger.delivered,
    brokerNs: broker.cpuNs(),
    ownNs: ownCpuNs(),
  });
  const measuring = async (): Promise<readonly Figure[]> => {
    const stopSending = send(plan, ledger);
    await pause(job.warmMs);
    latencies?.clear();
    const before = read();
    await pause(job.measureMs);
    const after = read();
    stopSending();
    const memory = broker.memory();
    await settled(ledger);
    await pause(AFTERMATH_MS);
    return figures(kind, plan, before, after, memory, latencies);
  };
  const result = await Promise.race([ledger.failed(), measuring()]);
  if (ledger.failure !== undefined) throw new Error(ledger.failure);
  return result;
}

function newLedger(plan: Plan, latencies: Latencies | undefined): Ledger {
  const { publishers, receivers, batch } = plan;
  const note =
    latencies &&
    ((publisher: Publisher, sequence: number) =>
      latencies.add(performance.now() - publisher.sentAt[sequence & (publisher.sentAt.length - 1)]!));
  return new Ledger(publishers.length, receivers.length, batch - 1, note);
}

/** Receivers first, so that nothing is published before its subscriber is there. */
async function assemble(job: Job, plan: Plan, ledger: Ledger): Promise<void> {
  const { level, port } = job;
  for (const [i, filters] of plan.others.entries()) {
    const client = new Client(`other${i}`, level, ledger, -1);
    await client.connect(port);
    await client.subscribe(filters, plan.qos);
  }
  for (const [i, { filters, hears }] of plan.receivers.entries()) {
    for (const publisher of hears) ledger.expect(i, publisher);
    const client = new Client(`receiver${i}`, level, ledger, i);
    await client.connect(port, plan.durable);
    await client.subscribe(filters, plan.qos);
  }
  for (const id of plan.publishers.keys()) await newPublisher(job, plan, ledger, id);
}

export async function newPublisher(job: Job, plan: Plan, ledger: Ledger, id: number): Promise<Publisher> {
  const { topics, receivers } = plan.publishers[id]!;
  const client = new Client(`publisher${id}`, job.level, ledger, -1);
  const { receiveMaximum } = await client.connect(job.port);
  const { qos, payloadBytes, retainEvery } = plan;
  const window = qos === 0 ? plan.window : Math.min(plan.window, 2 ** Math.floor(Math.log2(receiveMaximum)));
  if (window < plan.batch)
    throw new Error(`receive maximum ${receiveMaximum}: less than a batch of ${plan.batch}`);
  const ring = publishRing({
    level: job.level,
    publisher: id,
    qos,
    slots: Math.max(window, 2 ** Math.ceil(Math.log2(topics.length))),
    payloadBytes,
    topics,
    retainEvery,
  });
  const shape = { id, qos, window, batch: plan.batch, receivers, timed: plan.timed };
  const publisher = new Publisher(shape, ring, ledger, client.wire);
  client.publisher = publisher;
  ledger.publishers[id] = publisher;
  return publisher;
}

/** Starts the publishers; the returned function stops them. */
function send(plan: Plan, ledger: Ledger): () => void {
  const { publishers } = ledger;
  if (plan.rate === 0) {
    for (const publisher of publishers) publisher.start();
    return () => {
      for (const publisher of publishers) publisher.stop();
    };
  }
  // spins, because a timer's millisecond is 20 times the latency to be measured
  const everyMs = 1000 / plan.rate;
  let due = performance.now();
  let turn = 0;
  let sending = true;
  const tick = () => {
    if (!sending) return;
    const now = performance.now();
    // after a stall of this process or of the broker it does not catch up: a burst would be measured, not the pace
    if (now - due > MOST_BEHIND_MS) due = now;
    for (; due <= now; due += everyMs) publishers[turn++ % publishers.length]!.sendOne();
    setImmediate(tick);
  };
  tick();
  return () => {
    sending = false;
  };
}

/** Waits until everything sent has arrived everywhere and has been acknowledged. */
export async function settled(ledger: Ledger, withinMs = DRAIN_MS): Promise<void> {
  const until = performance.now() + withinMs;
  while (ledger.failure === undefined) {
    const late = ledger.publishers.find((publisher) => !publisher.idle);
    if (late === undefined) return;
    if (performance.now() > until) {
      const missing = ledger.publishers.reduce((sum, { sent, settled }) => sum + sent - settled, 0);
      ledger.fail(`lost: ${missing} messages sent did not arrive or were not acknowledged in ${withinMs} ms`);
      return;
    }
    await pause(5);
  }
}

export function ownCpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

function figures(
  kind: FlowKind,
  plan: Plan,
  before: Reading,
  after: Reading,
  memory: { residentBytes: number; peakBytes: number },
  latencies: Latencies | undefined,
): readonly Figure[] {
  const messages = after.delivered - before.delivered;
  const elapsedNs = after.atNs - before.atNs;
  const brokerNs = after.brokerNs - before.brokerNs;
  const cost: Figure = { name: 'CPU/message', unit: 'us', value: brokerNs / 1000 / messages, better: 'less' };
  const own: Figure = {
    name: 'generator/message',
    unit: 'us',
    value: (after.ownNs - before.ownNs) / 1000 / messages,
    better: 'neither',
  };
  const rate: Figure = { name: 'messages', unit: '/s', value: (messages / elapsedNs) * 1e9, better: 'more' };
  const resident: Figure = { name: 'RSS', unit: 'MB', value: memory.residentBytes / 1e6, better: 'less' };
  const percentile = (name: string, part: number): Figure => ({
    name,
    unit: 'us',
    value: latencies?.percentile(part) ?? Number.NaN,
    better: 'less',
  });
  if (messages === 0) throw new Error('nothing arrived while it was measured');
  switch (kind) {
    case 'messages':
      return [cost, rate, resident, own];
    case 'one in flight':
      return [cost, rate, percentile('p50', 0.5), own];
    case 'paced':
      return [
        { name: 'CPU', unit: '%', value: (brokerNs / elapsedNs) * 100, better: 'less' },
        percentile('p50', 0.5),
        percentile('p99', 0.99),
        { ...rate, better: 'neither' },
      ];
    case 'octets': {
      const octets = messages * plan.payloadBytes;
      return [
        { name: 'payload', unit: 'MB/s', value: (octets / elapsedNs) * 1000, better: 'more' },
        { name: 'CPU/MB', unit: 'us', value: brokerNs / 1000 / (octets / 1e6), better: 'less' },
        { name: 'peak RSS', unit: 'MB', value: memory.peakBytes / 1e6, better: 'less' },
      ];
    }
  }
}
