// Publishes to a durable session that is away, then brings it back and times how fast it gets what was kept.

import { pairs } from '../scenarios/plan.ts';
import { Client } from './client.ts';
import { newPublisher, pause, settled } from './flow.ts';
import type { Qos } from './frames.ts';
import type { Figure, Job } from './job.ts';
import { Ledger } from './ledger.ts';
import { ProcessTree } from './process-tree.ts';

const WITHIN_MS = 60_000;

/** One round before it is not counted: like every scenario, this one measures a broker that is warm. */
export async function runOffline(job: Job, messages: number, qos: Qos): Promise<readonly Figure[]> {
  await round(job, messages, qos);
  return round(job, messages, qos);
}

async function round(job: Job, messages: number, qos: Qos): Promise<readonly Figure[]> {
  // nobody hears it while it is published: a batch is owed its acknowledgements only
  const plan = pairs(1, qos, { window: 512, batch: 128 });
  const away = { ...plan, publishers: [{ ...plan.publishers[0]!, receivers: 0 }] };
  // batches of the whole: the ledger must not credit the arrivals of the drain
  const ledger = new Ledger(1, 1, 0xffff_ffff, undefined);
  const broker = new ProcessTree(job.pid);
  const run = async (): Promise<readonly Figure[]> => {
    const { filters } = plan.receivers[0]!;
    const first = new Client('sleeper', job.level, ledger, 0);
    await first.connect(job.port, true);
    await first.subscribe(filters, qos);
    first.leave();
    await pause(100);

    const publisher = await newPublisher(job, away, ledger, 0);
    const cpuStart = broker.cpuNs();
    const start = performance.now();
    publisher.start(messages);
    await settledAt(publisher, messages, ledger);
    const inMs = performance.now() - start;
    await settled(ledger);
    const cpuKept = broker.cpuNs();

    ledger.expect(0, 0);
    const back = performance.now();
    const { sessionPresent } = await new Client('sleeper', job.level, ledger, 0).connect(job.port, true);
    if (!sessionPresent) throw new Error('lost: the session is gone');
    while (ledger.delivered < messages) {
      if (performance.now() - back > WITHIN_MS)
        throw new Error(`lost: ${messages - ledger.delivered} kept messages`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const outMs = performance.now() - back;
    const cpuDrained = broker.cpuNs();
    await pause(100);
    return [
      { name: 'in', unit: '/s', value: (messages / inMs) * 1000, better: 'more' },
      { name: 'drain', unit: '/s', value: (messages / outMs) * 1000, better: 'more' },
      { name: 'CPU/message in', unit: 'us', value: (cpuKept - cpuStart) / 1000 / messages, better: 'less' },
      {
        name: 'CPU/message drain',
        unit: 'us',
        value: (cpuDrained - cpuKept) / 1000 / messages,
        better: 'less',
      },
    ];
  };
  const figures = await Promise.race([ledger.failed(), run()]);
  if (ledger.failure !== undefined) throw new Error(ledger.failure);
  return figures;
}

async function settledAt(
  publisher: { readonly settled: number },
  messages: number,
  ledger: Ledger,
): Promise<void> {
  const until = performance.now() + WITHIN_MS;
  while (publisher.settled < messages && ledger.failure === undefined) {
    if (performance.now() > until) throw new Error(`lost: ${messages - publisher.settled} acknowledgements`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
