// Opens many connections as fast as the broker takes them, then looks at what they cost when they are idle.

import { Client } from './client.ts';
import { pause } from './flow.ts';
import type { Figure, Job } from './job.ts';
import { Ledger } from './ledger.ts';
import { ProcessTree } from './process-tree.ts';

/** Connections being opened at once: below mosquitto's backlog of 100, beyond which the kernel lets a client wait 1 s. */
const AT_ONCE = 64;
const SETTLE_MS = 1500;

export async function runConnects(job: Job, clients: number): Promise<readonly Figure[]> {
  const ledger = new Ledger(0, 0, 0, undefined);
  const broker = new ProcessTree(job.pid);
  const emptyBytes = broker.memory().residentBytes;
  let opened = 0;
  const open = async (): Promise<void> => {
    while (opened < clients && ledger.failure === undefined) {
      await new Client(`idle${opened++}`, job.level, ledger, -1).connect(job.port);
    }
  };
  const brokerBefore = broker.cpuNs();
  const before = performance.now();
  await Promise.race([ledger.failed(), Promise.all(Array.from({ length: AT_ONCE }, open))]);
  const elapsedMs = performance.now() - before;
  const brokerNs = broker.cpuNs() - brokerBefore;
  await Promise.race([ledger.failed(), pause(SETTLE_MS)]);
  const { residentBytes } = broker.memory();
  return [
    { name: 'connects', unit: '/s', value: (clients / elapsedMs) * 1000, better: 'more' },
    { name: 'CPU/connect', unit: 'us', value: brokerNs / 1000 / clients, better: 'less' },
    { name: `RSS, ${clients} idle`, unit: 'MB', value: residentBytes / 1e6, better: 'less' },
    {
      name: 'RSS/connection',
      unit: 'kB',
      value: (residentBytes - emptyBytes) / 1000 / clients,
      better: 'less',
    },
  ];
}
