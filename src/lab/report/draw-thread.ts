// The thread that draws one page.

import { parentPort, workerData } from 'node:worker_threads';
import { htmlOf } from './html.ts';
import type { Run } from './read.ts';

parentPort!.postMessage(await htmlOf(workerData as Run));
