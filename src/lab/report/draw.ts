// A run's page, drawn on a thread of its own where the program is built: plots take a second, and whoever asks has other work.

import { Worker } from 'node:worker_threads';
import { htmlOf } from './html.ts';
import type { Run } from './read.ts';

/** Threads run what is built; the source itself runs here. */
const BUILT = import.meta.url.endsWith('.js');
const HEAP_MB = 256;

export function drawPage(run: Run): Promise<string> {
  if (!BUILT) return htmlOf(run);
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./draw-thread.js', import.meta.url), {
      workerData: run,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
