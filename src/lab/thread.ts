// One thread of a run: it is told which cells to run, one after the other.

import { parentPort, workerData } from 'node:worker_threads';
import { jobsOf, runJob, type ThreadNews, type ThreadStart, type ThreadTask } from './run.ts';
import { planOf } from './workload.ts';

const { input, run } = workerData as ThreadStart;
const plan = planOf(input);
const jobs = jobsOf(plan);
const port = parentPort!;

function tell(news: ThreadNews): void {
  port.postMessage(news);
}

port.on('message', ({ job }: ThreadTask) => {
  runJob(plan, run, jobs[job]!, (share) => tell({ kind: 'progress', job, share })).then(
    (cell) => tell({ kind: 'done', job, cell }),
    (why: unknown) => {
      // Rethrown outside of the promise, it reaches whoever started the thread.
      setImmediate(() => {
        throw why;
      });
    },
  );
});
