// Runs a plan of work queues: one publisher and one consumer a queue, in any of the dialects, every message checked.

import { amqp1 } from './dialects/amqp1.ts';
import { amqp091 } from './dialects/amqp091.ts';
import type { Promises, Publishing } from './dialects/dialect.ts';
import { stomp } from './dialects/stomp.ts';
import { ownCpuNs, pause } from './flow.ts';
import type { Figure, Job } from './job.ts';
import { ProcessTree } from './process-tree.ts';

const DIALECTS = { amqp091, amqp1, stomp };

export interface QueuePlan {
  readonly dialect: keyof typeof DIALECTS;
  readonly queues: number;
  readonly promises: Promises;
  readonly payloadBytes: number;
  /** Messages between a publisher and its consumer, and not confirmed; `batch` of them share a write. */
  readonly window: number;
  readonly batch: number;
}

const DRAIN_MS = 20_000;
const AFTERMATH_MS = 50;

/** One queue with both of its ends. */
class Pair {
  failure: string | undefined;
  sent = 0;
  arrived = 0;
  private confirmed = 0;
  private publishing: Publishing | undefined;
  private sending = false;
  private readonly plan: QueuePlan;
  private readonly id: number;

  constructor(plan: QueuePlan, id: number) {
    this.plan = plan;
    this.id = id;
  }

  async connect(port: number): Promise<void> {
    const { dialect, promises } = this.plan;
    const queue = `bench-${this.id}`;
    const events = {
      arrived: (bytes: Uint8Array, at: number, length: number) => this.take(bytes, at, length),
      confirmed: (count: number) => {
        this.confirmed += count;
        this.fill();
      },
      roomier: () => this.fill(),
      failed: (why: string) => {
        this.failure ??= why;
      },
    };
    await DIALECTS[dialect].consumer(port, queue, promises, events);
    this.publishing = await DIALECTS[dialect].publisher(port, queue, promises, this.plan, events);
  }

  start(): void {
    this.sending = true;
    this.fill();
  }

  stop(): void {
    this.sending = false;
  }

  /** All that was sent has arrived and, where that is promised, was confirmed. */
  get idle(): boolean {
    return this.arrived === this.sent && (!this.plan.promises.confirmed || this.confirmed === this.sent);
  }

  private take(bytes: Uint8Array, at: number, length: number): void {
    const { payloadBytes } = this.plan;
    const mark = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    const from = bytes[at]! | (bytes[at + 1]! << 8);
    if (length !== payloadBytes || from !== this.id || mark !== this.arrived) {
      this.failure ??= `queue ${this.id}: message ${mark} of ${from} where ${this.arrived} was due`;
    }
    this.arrived++;
    if ((this.arrived & 7) === 0 || !this.sending) this.fill();
  }

  /** Sends whole batches while there is room. */
  private fill(): void {
    const { publishing } = this;
    const { batch, window, promises } = this.plan;
    if (publishing === undefined) return;
    for (;;) {
      const behind = promises.confirmed ? Math.min(this.arrived, this.confirmed) : this.arrived;
      if (!this.sending || this.sent - behind + batch > window || publishing.room < batch) return;
      for (let i = 0; i < batch; i++) {
        const at = publishing.payloadAt(i);
        const { bytes } = publishing;
        const mark = this.sent + i;
        bytes[at] = this.id;
        bytes[at + 1] = this.id >> 8;
        bytes[at + 4] = mark;
        bytes[at + 5] = mark >> 8;
        bytes[at + 6] = mark >> 16;
        bytes[at + 7] = mark >> 24;
      }
      this.sent += batch;
      publishing.send(batch);
    }
  }
}

export async function runQueues(job: Job, plan: QueuePlan): Promise<readonly Figure[]> {
  const pairs = Array.from({ length: plan.queues }, (_, id) => new Pair(plan, id));
  for (const pair of pairs) await pair.connect(job.port);
  const broker = new ProcessTree(job.pid);
  const read = () => ({
    atNs: Number(process.hrtime.bigint()),
    arrived: pairs.reduce((sum, pair) => sum + pair.arrived, 0),
    brokerNs: broker.cpuNs(),
    ownNs: ownCpuNs(),
  });
  for (const pair of pairs) pair.start();
  await pause(job.warmMs);
  const before = read();
  await pause(job.measureMs);
  const after = read();
  for (const pair of pairs) pair.stop();
  const { residentBytes } = broker.memory();
  await drained(pairs);
  await pause(AFTERMATH_MS);
  const failure = pairs.find((pair) => pair.failure !== undefined)?.failure;
  if (failure !== undefined) throw new Error(failure);
  const messages = after.arrived - before.arrived;
  if (messages === 0) throw new Error('nothing arrived while it was measured');
  return [
    {
      name: 'CPU/message',
      unit: 'us',
      value: (after.brokerNs - before.brokerNs) / 1000 / messages,
      better: 'less',
    },
    { name: 'messages', unit: '/s', value: (messages / (after.atNs - before.atNs)) * 1e9, better: 'more' },
    { name: 'RSS', unit: 'MB', value: residentBytes / 1e6, better: 'less' },
    {
      name: 'generator/message',
      unit: 'us',
      value: (after.ownNs - before.ownNs) / 1000 / messages,
      better: 'neither',
    },
  ];
}

async function drained(pairs: readonly Pair[]): Promise<void> {
  const until = performance.now() + DRAIN_MS;
  while (pairs.some((pair) => pair.failure === undefined && !pair.idle)) {
    if (performance.now() > until) {
      const missing = pairs.reduce((sum, { sent, arrived }) => sum + sent - arrived, 0);
      throw new Error(`lost: ${missing} messages did not arrive or were not confirmed in ${DRAIN_MS} ms`);
    }
    await pause(5);
  }
}
