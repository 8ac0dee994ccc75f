// A run: every variant on every network, cell by cell, on as many threads as there are processors; each cell is told when it is done.

import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { runCell } from './cell.ts';
import type { Network } from './networks.ts';
import type { Cell, RunEnd, RunHead, RunLine } from './result.ts';
import { type Plan, planOf, type Workload, type WorkloadInput } from './workload.ts';

/** One cell to be run: where in a sweep it stands, if in one. */
export interface Job {
  readonly variant: number;
  readonly network: number;
  readonly point?: Cell['point'];
}

export interface RunOptions {
  readonly version: string;
  /** 0: here, without threads. Default: one for each processor. */
  readonly threads?: number;
  /** What each thread's heap may take at most, MB; beyond it the run rejects with ERR_WORKER_OUT_OF_MEMORY. */
  readonly heapMb?: number;
  readonly signal?: AbortSignal;
  /** Each line of the run's file, as it is due. */
  line(line: RunLine): void;
  /** Cells that are done, with those that are half done in part. */
  progress?(done: number, of: number): void;
}

/** Loss in a sweep, and messages an hour. */
export const LOSS_POINTS = [0, 0.01, 0.02, 0.05, 0.1, 0.2] as const;
export const RATE_POINTS = [1, 6, 30, 60, 360, 3_600] as const;
/** Points of a sweep need fewer messages than a cell. */
const SWEEP_MESSAGES = 200;
/** At the least so many messages, and not more than so many hours, are measured at each rate. */
const RATE_MESSAGES = 12;
const RATE_HOURS = 6;

/** Threads run what is built; the source itself runs here. */
const BUILT = import.meta.url.endsWith('.js');

export function jobsOf(plan: Plan): Job[] {
  const jobs: Job[] = [];
  const { sweeps } = plan.workload;
  plan.networks.forEach((_, network) => {
    plan.variants.forEach((_, variant) => {
      jobs.push({ variant, network });
    });
  });
  plan.networks.forEach((_, network) => {
    plan.variants.forEach((_, variant) => {
      for (const kind of sweeps)
        for (const value of kind === 'loss' ? LOSS_POINTS : RATE_POINTS)
          jobs.push({ variant, network, point: { kind, value } });
    });
  });
  return jobs;
}

/** The same workload, the same version: the same id. */
export function runIdOf(plan: Plan, version: string): string {
  const { workload, networks, radios } = plan;
  const variants = plan.variants.map((v) => v.id);
  const text = JSON.stringify({ version, workload, variants, networks, radios });
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

export function headOf(plan: Plan, version: string): RunHead {
  return {
    kind: 'run',
    run: runIdOf(plan, version),
    version,
    format: 1,
    seed: plan.workload.seed,
    workload: plan.workload,
    variants: plan.variants.map(({ id, title, family, guarantee, security, transport }) => ({
      id,
      title,
      family,
      guarantee,
      security,
      transport,
    })),
    networks: plan.networks,
    cells: jobsOf(plan).length,
  };
}

/** Runs one job. */
export async function runJob(
  plan: Plan,
  run: string,
  { variant: v, network: n, point }: Job,
  progress?: (share: number) => void,
): Promise<Cell> {
  const variant = plan.variants[v]!;
  const network = networkAt(plan.networks[n]!, point);
  const workload = workloadAt(plan.workload, point, n);
  const topics = Array.from({ length: workload.devices }, (_, i) =>
    workload.topic.replaceAll('{device}', String(i)),
  );
  const sides = await variant.load([...new Set(topics)]);
  const radio = plan.radios[network.radio]!;
  const cell = await runCell({
    run,
    workload,
    variant,
    sides,
    network,
    radio,
    ...(progress === undefined ? {} : { progress }),
  });
  return point === undefined ? cell : { ...cell, point };
}

function networkAt(network: Network, point: Cell['point']): Network {
  return point?.kind === 'loss' ? { ...network, loss: point.value } : network;
}

function workloadAt(w: Workload, point: Cell['point'], network: number): Workload {
  // What an idle client takes in memory is not the network's doing: it is looked at on the first one.
  if (point === undefined) return network === 0 ? w : { ...w, memoryClients: 0 };
  const brief = {
    ...w,
    messages: Math.max(w.devices, Math.min(w.messages, SWEEP_MESSAGES)),
    idleMinutes: 0,
    memoryClients: 0,
  };
  if (point.kind === 'loss') return brief;
  const perDevice = Math.max(RATE_MESSAGES, Math.min(SWEEP_MESSAGES, point.value * RATE_HOURS));
  return { ...brief, messages: perDevice * w.devices, rate: point.value / 3_600 };
}

/** Throws WorkloadError before anything runs. Resolves when all is done, or `signal` fired: the last line tells which. */
export async function runLab(input: WorkloadInput, options: RunOptions): Promise<RunEnd> {
  const plan = planOf(input);
  const head = headOf(plan, options.version);
  const began = performance.now();
  options.line(head);
  const jobs = jobsOf(plan);
  const shares = new Float64Array(jobs.length);
  let done = 0;
  const told = (): void => {
    let sum = 0;
    for (const share of shares) sum += share;
    options.progress?.(sum, jobs.length);
  };
  const crew: Crew = {
    progress: (job, share) => {
      shares[job] = Math.min(0.99, share);
      told();
    },
    done: (job, cell) => {
      shares[job] = 1;
      done++;
      options.line(cell);
      told();
    },
  };
  const threads = BUILT ? Math.min(options.threads ?? availableParallelism(), jobs.length) : 0;
  if (threads === 0) await runHere(plan, head.run, jobs, crew, options.signal);
  else await runOnThreads(input, head.run, jobs, crew, threads, options);
  const end: RunEnd = {
    kind: 'end',
    run: head.run,
    cells: done,
    interrupted: done < jobs.length,
    wallMs: Math.round(performance.now() - began),
  };
  options.line(end);
  return end;
}

interface Crew {
  progress(job: number, share: number): void;
  done(job: number, cell: Cell): void;
}

async function runHere(
  plan: Plan,
  run: string,
  jobs: readonly Job[],
  crew: Crew,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let i = 0; i < jobs.length && signal?.aborted !== true; i++) {
    crew.done(i, await runJob(plan, run, jobs[i]!, (share) => crew.progress(i, share)));
  }
}

/** What a thread is told, and what it tells. */
export interface ThreadTask {
  readonly job: number;
}
export interface ThreadStart {
  readonly input: WorkloadInput;
  readonly run: string;
}
export type ThreadNews =
  | { readonly kind: 'progress'; readonly job: number; readonly share: number }
  | { readonly kind: 'done'; readonly job: number; readonly cell: Cell };

async function runOnThreads(
  input: WorkloadInput,
  run: string,
  jobs: readonly Job[],
  crew: Crew,
  threads: number,
  { signal, heapMb }: RunOptions,
): Promise<void> {
  let next = 0;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const start: ThreadStart = { input, run };
      const worker = new Worker(new URL('./thread.js', import.meta.url), {
        workerData: start,
        ...(heapMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMb } }),
      });
      const stop = (): void => {
        worker.terminate().then(() => resolve(), reject);
      };
      const more = (): void => {
        if (next < jobs.length && signal?.aborted !== true) worker.postMessage({ job: next++ });
        else stop();
      };
      signal?.addEventListener('abort', stop, { once: true });
      worker.on('error', reject);
      worker.on('message', (news: ThreadNews) => {
        if (signal?.aborted === true) return;
        if (news.kind === 'progress') {
          crew.progress(news.job, news.share);
          return;
        }
        crew.done(news.job, news.cell);
        more();
      });
      more();
    });
  await Promise.all(Array.from({ length: threads }, one));
}
