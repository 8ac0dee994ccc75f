// The generator process: takes a job as JSON on its standard input, and prints its answer as one line of JSON.

import { readFileSync } from 'node:fs';
import { runCoap } from './coap.ts';
import { runConnects } from './connects.ts';
import { runFlow } from './flow.ts';
import type { Answer, Figure, Job } from './job.ts';
import { runOffline } from './offline.ts';
import { runQueues } from './queues.ts';

function run(job: Job): Promise<readonly Figure[]> {
  const { work } = job;
  switch (work.kind) {
    case 'flow':
      return runFlow(job, work.plan, work.figures);
    case 'connects':
      return runConnects(job, work.clients);
    case 'offline':
      return runOffline(job, work.messages, work.qos);
    case 'queues':
      return runQueues(job, work.plan);
    case 'coap':
      return runCoap(job, work.plan);
  }
}

function answer(answered: Answer): void {
  process.stdout.write(`${JSON.stringify(answered)}\n`, () => process.exit(0));
}

process.on('uncaughtException', (error) => answer({ error: String(error.stack) }));
run(JSON.parse(readFileSync(0, 'utf8')) as Job).then(
  (figures) => answer({ figures }),
  (error: Error) => answer({ error: error.message }),
);
