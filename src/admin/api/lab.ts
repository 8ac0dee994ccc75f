// The operations about the lab: what can be compared, small runs with their progress, and the advice. The lab itself is handed in.

import { z } from 'zod';
import { Refusal } from '../../protocol/http/packet.ts';
import { type Operation, operation } from './operation.ts';
import { missing } from './page.ts';

/** The lab, as the server hands it in. A mistake in a workload or an answer is thrown as LabMistake. */
export interface LabHost {
  catalogue(): Promise<LabCatalogue>;
  /** Starts a run; undefined: one runs already. */
  start(workload: Readonly<Record<string, unknown>>): Promise<LabRun | undefined>;
  runs(): readonly LabRun[];
  /** The lines of its file so far: the head, each cell, the end. */
  lines(run: string): readonly object[] | undefined;
  /** As one HTML page with plots. */
  page(run: string): Promise<string> | undefined;
  /** Stops it if it runs, and forgets it. False: there is none. */
  forget(run: string): boolean;
  /** Undefined: a run is on its way already. */
  choose(
    answers: Readonly<Record<string, string>>,
    workload: Readonly<Record<string, unknown>>,
  ): Promise<object> | undefined;
}

export class LabMistake extends Error {}

const catalogue = z.object({
  variants: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      family: z.string(),
      guarantee: z.string(),
      security: z.string(),
    }),
  ),
  defaultVariants: z.array(z.string()),
  networks: z.array(z.object({ name: z.string(), title: z.string(), source: z.string() })),
  defaultNetworks: z.array(z.string()),
  questions: z.array(
    z.object({
      id: z.string(),
      asks: z.string(),
      choices: z.array(z.object({ value: z.string(), about: z.string() })),
    }),
  ),
  maxMessages: z.number().int().describe('messages times cells of one run'),
});

const run = z.object({
  run: z.string(),
  state: z.enum(['running', 'done', 'interrupted', 'failed']),
  done: z.number().describe('cells, with those that are half done in part'),
  cells: z.number().int(),
  reason: z.string().optional().describe('why it failed'),
});

export type LabCatalogue = z.input<typeof catalogue>;
export type LabRun = z.input<typeof run>;

const line = z.record(z.string(), z.unknown());

export function labOperations(lab: LabHost): Operation[] {
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
      about: 'Runs since the start, the newest first.',
      role: 'viewer',
      answer: z.object({ items: z.array(run) }),
      run: () => ({ items: [...lab.runs()] }),
    }),
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
      method: 'GET',
      path: '/lab/runs/{run}',
      about: 'One run: how far it is, and the lines of its file so far.',
      role: 'viewer',
      answer: run.extend({ lines: z.array(line) }),
      run: ({ params }) => {
        const found = lab.runs().find((r) => r.run === params['run']) ?? missing('run');
        return { ...found, lines: (lab.lines(found.run) ?? []).map((l) => ({ ...l })) };
      },
    }),
    operation({
      method: 'GET',
      path: '/lab/runs/{run}/page',
      about: 'One run as an HTML page with plots.',
      role: 'viewer',
      answer: z.object({ html: z.string() }),
      run: async ({ params }) => ({ html: (await lab.page(params['run']!)) ?? missing('run') }),
    }),
    operation({
      method: 'DELETE',
      path: '/lab/runs/{run}',
      about: 'Stops a run and forgets it.',
      role: 'admin',
      answer: z.object({ done: z.literal(true) }),
      run: ({ params }) => (lab.forget(params['run']!) ? { done: true as const } : missing('run')),
    }),
    operation({
      method: 'POST',
      path: '/lab/choose',
      about: 'Measures, and says which protocol fits, why, and what would change the answer.',
      role: 'admin',
      body: z.strictObject({
        answers: z.record(z.string(), z.string()),
        workload: line.optional().describe('what differs from 100 messages, one a minute'),
      }),
      answer: line,
      run: ({ body }) =>
        checked(
          async () =>
            ({ ...(await (lab.choose(body.answers, body.workload ?? {}) ?? busy())) }) as Record<
              string,
              unknown
            >,
        ),
    }),
  ];
}

function busy(): never {
  throw new Refusal(409, 'busy', 'the lab has a run on its way: wait for it, or delete it');
}

async function checked<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof LabMistake) throw new Refusal(422, 'payload-invalid', error.message);
    throw error;
  }
}
