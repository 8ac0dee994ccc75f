// The operations about the lab: what can be compared, small runs with their progress, past runs, and the advice. The lab itself is handed in.

import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { Refusal } from '../../protocol/http/packet.ts';
import { type Operation, operation, streaming } from './operation.ts';
import { missing } from './page.ts';

/**
 * The lab, as the server hands it in. A mistake in a workload or an answer rejects with LabMistake, what cannot be now with
 * LabConflict, a file that is broken with LabUnreadable.
 */
export interface LabHost {
  catalogue(): Promise<LabCatalogue>;
  /** Starts a run; undefined: one runs already. */
  start(workload: Readonly<Record<string, unknown>>): Promise<LabRun | undefined>;
  /** The newest first; where they are kept, and what could not be. */
  runs(): Promise<LabRuns>;
  /** The lines of its file so far: the head, each cell, the end. */
  lines(run: string): Promise<{ readonly view: LabRun; readonly lines: readonly object[] } | undefined>;
  report(run: string, as: LabReport): Promise<string | undefined>;
  /** Stops it; what is finished of it is kept. False: it does not run. */
  halt(run: string): Promise<boolean>;
  /** Stops it if it runs, and forgets it. False: there is none. */
  forget(run: string): Promise<boolean>;
  /** Undefined: a run is on its way already. */
  choose(
    answers: Readonly<Record<string, string>>,
    workload: Readonly<Record<string, unknown>>,
  ): Promise<object | undefined>;
}

export class LabMistake extends Error {}
/** Not now: the sentence says why. */
export class LabConflict extends Error {}
export class LabUnreadable extends Error {}

const line = z.record(z.string(), z.unknown());

const catalogue = z.object({
  variants: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      family: z.string(),
      qos: z.number().int().min(0).max(2).describe('at most, at least, exactly once'),
      guarantee: z.string().describe('what the protocol calls it'),
      security: z.enum(['none', 'tls', 'dtls']),
      transport: z.enum(['tcp', 'udp']),
    }),
  ),
  defaultVariants: z.array(z.string()),
  networks: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      source: z.string(),
      delayMs: z.number().describe('one way'),
      loss: z.number().describe('share of frames'),
      upKbps: z.number(),
      downKbps: z.number(),
    }),
  ),
  defaultNetworks: z.array(z.string()),
  questions: z.array(
    z.object({
      id: z.string(),
      asks: z.string(),
      choices: z.array(z.object({ value: z.string(), about: z.string() })),
    }),
  ),
  maxMessages: z.number().int().describe('messages times cells of one run'),
  maxCells: z.number().int().describe('variants times networks of one run'),
});

const run = z.object({
  run: z.string().describe('a hash of workload and version'),
  state: z.enum(['running', 'done', 'interrupted', 'failed']),
  startedAt: z.number().describe('ms since 1970'),
  seed: z.number().int(),
  version: z.string().describe('of the hub that made it'),
  workload: line,
  variants: z.array(z.string()),
  networks: z.array(z.string()),
  done: z.number().describe('cells, with those that are half done in part'),
  cells: z.number().int(),
  onDisk: z.boolean().describe('it outlives this process'),
  reason: z.string().optional().describe('why it failed or was stopped'),
});

const runs = z.object({
  items: z.array(run),
  folder: z.string().optional().describe('where they are kept; absent: in memory'),
  problems: z.array(z.string()).describe('what could not be read or kept'),
});

const REPORTS = {
  html: { type: 'text/html; charset=utf-8', ending: 'html' },
  csv: { type: 'text/csv; charset=utf-8', ending: 'csv' },
  ndjson: { type: 'application/x-ndjson', ending: 'ndjson' },
} as const;

export type LabCatalogue = z.input<typeof catalogue>;
export type LabRun = z.input<typeof run>;
export type LabReport = keyof typeof REPORTS;

export interface LabRuns {
  readonly items: LabRun[];
  readonly folder: string | undefined;
  readonly problems: string[];
}

const RUN_ID = /^[0-9a-f]{12}$/;

export function labOperations(lab: LabHost): Operation[] {
  return [...lookOperations(lab), ...runOperations(lab), chooseOperation(lab)];
}

function lookOperations(lab: LabHost): Operation[] {
  return [
    operation({
      method: 'GET',
      path: '/lab',
      about: 'What the lab can compare, and what its advice asks.',
      role: 'viewer',
      answer: catalogue,
      run: () => lab.catalogue(),
    }),
    operation({
      method: 'GET',
      path: '/lab/runs',
      about: 'Runs that are kept and the one on its way, the newest first.',
      role: 'viewer',
      answer: runs,
      run: () => lab.runs(),
    }),
    operation({
      method: 'GET',
      path: '/lab/runs/{run}',
      about: 'One run: how far it is, and the lines of its file so far.',
      role: 'viewer',
      query: z.strictObject({
        after: z.coerce.number().int().min(0).default(0).describe('so many lines are left out'),
      }),
      answer: run.extend({ lines: z.array(line) }),
      run: ({ params, query }) =>
        checked(async () => {
          const { view, lines } = (await lab.lines(idOf(params))) ?? missing('run');
          return { ...view, lines: lines.slice(query.after).map((l) => ({ ...l })) };
        }),
    }),
    streaming({
      path: '/lab/runs/{run}/report',
      about: 'One run to download: a page with plots, comma-separated values, or the lines of its file.',
      role: 'viewer',
      query: z.strictObject({ as: z.enum(['html', 'csv', 'ndjson']).default('html') }),
      answer: z.string(),
      media: ['text/html', 'text/csv', 'application/x-ndjson'],
      run: ({ params, query, response }) => sendReport(lab, idOf(params), query.as, response),
    }),
  ];
}

function runOperations(lab: LabHost): Operation[] {
  return [
    operation({
      method: 'POST',
      path: '/lab/runs',
      about: 'Starts a small run, one at a time. The body is a workload as in docs/lab.',
      role: 'admin',
      body: line,
      answer: run,
      run: ({ body }) => checked(async () => (await lab.start(body)) ?? busy()),
    }),
    operation({
      method: 'POST',
      path: '/lab/runs/{run}/stop',
      about: 'Stops a run; what is finished of it is kept.',
      role: 'admin',
      answer: z.object({ done: z.literal(true) }),
      run: async ({ params }) => ((await lab.halt(idOf(params))) ? { done: true as const } : atRest()),
    }),
    operation({
      method: 'DELETE',
      path: '/lab/runs/{run}',
      about: 'Stops a run and forgets it.',
      role: 'admin',
      answer: z.object({ done: z.literal(true) }),
      run: async ({ params }) =>
        (await lab.forget(idOf(params))) ? { done: true as const } : missing('run'),
    }),
  ];
}

function chooseOperation(lab: LabHost): Operation {
  return operation({
    method: 'POST',
    path: '/lab/choose',
    about:
      'Measures, or takes the run that is kept, and says which protocol fits, why, and what would change the answer.',
    role: 'admin',
    body: z.strictObject({
      answers: z.record(z.string(), z.string()),
      workload: line.optional().describe('what differs from 100 messages, one a minute'),
    }),
    answer: line,
    run: ({ body }) =>
      checked(async () => ({ ...((await lab.choose(body.answers, body.workload ?? {})) ?? busy()) })),
  });
}

async function sendReport(lab: LabHost, run: string, as: LabReport, response: ServerResponse): Promise<void> {
  const body = (await checked(() => lab.report(run, as))) ?? missing('run');
  const { type, ending } = REPORTS[as];
  response.writeHead(200, {
    'Content-Type': type,
    'Content-Disposition': `attachment; filename="waymeet-lab-${run}.${ending}"`,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // Opened in place all the same, it is a picture: nothing in it may run or ask for more.
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  });
  response.end(body);
}

/** Ids become names of files: only what looks like one is looked for. */
function idOf(params: Readonly<Record<string, string>>): string {
  const id = params.run!;
  return RUN_ID.test(id) ? id : missing('run');
}

function busy(): never {
  throw new Refusal(409, 'busy', 'the lab has a run on its way: wait for it, or stop it');
}

function atRest(): never {
  throw new Refusal(409, 'not-running', 'this run is not on its way');
}

async function checked<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof LabMistake) throw new Refusal(422, 'payload-invalid', error.message);
    if (error instanceof LabConflict) throw new Refusal(409, 'busy', error.message);
    if (error instanceof LabUnreadable) throw new Refusal(500, 'unreadable', error.message);
    throw error;
  }
}
