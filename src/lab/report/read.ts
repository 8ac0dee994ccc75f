// A run as its file tells it: whole or broken off, in the order of its plan.

import { z } from 'zod';
import type { Cell, RunEnd, RunHead, RunLine } from '../result.ts';
import { WorkloadError } from '../workload.ts';

export interface Run {
  readonly head: RunHead;
  /** In the order of networks and variants; sweeps apart. */
  readonly cells: readonly Cell[];
  readonly sweeps: readonly Cell[];
  /** Absent: it was interrupted without a chance to say so. */
  readonly end: RunEnd | undefined;
}

const numbers = z.record(z.string(), z.number());

/** What reports rely on in a line that somebody may have changed. */
const LINES = {
  run: z.looseObject({
    run: z.string(),
    version: z.string(),
    seed: z.number(),
    workload: z.record(z.string(), z.unknown()),
    variants: z.array(z.looseObject({ id: z.string(), title: z.string() })),
    networks: z.array(z.looseObject({ name: z.string(), title: z.string() })),
    cells: z.number(),
  }),
  cell: z.looseObject({
    run: z.string(),
    variant: z.string(),
    network: z.string(),
    messages: numbers,
    latency: z.looseObject({
      p50: z.number(),
      p99: z.number(),
      cdf: z.array(z.tuple([z.number(), z.number()])),
    }),
    bytes: numbers,
    packets: numbers,
    idle: numbers,
    energy: z.looseObject({ proxyMj: z.number() }),
    host: numbers,
  }),
  end: z.looseObject({ cells: z.number(), interrupted: z.boolean() }),
};

function lineOf(value: unknown): RunLine | undefined {
  const { kind, format } = (value ?? {}) as { kind?: unknown; format?: unknown };
  if (kind === 'run' && format !== 1) return value as RunHead; // runOf says which it reads
  const shape = Object.hasOwn(LINES, String(kind)) ? LINES[kind as keyof typeof LINES] : undefined;
  return shape?.safeParse(value).success === true ? (value as RunLine) : undefined;
}

/** Reads NDJSON. A last line that was cut off is left out. Throws WorkloadError when it is no run at all. */
export function readRun(text: string, file: string): Run {
  const lines: RunLine[] = [];
  const rows = text.split('\n');
  rows.forEach((row, i) => {
    if (row.trim() === '') return;
    let value: unknown;
    try {
      value = JSON.parse(row);
    } catch {
      if (i === rows.length - 1) return;
      throw new WorkloadError(
        `${file}, line ${i + 1} is no JSON: was it written by 'waymeet lab run --out'?`,
      );
    }
    const line = lineOf(value);
    if (line === undefined)
      throw new WorkloadError(
        `${file}, line ${i + 1} is no line of a run: was it written by 'waymeet lab run --out'?`,
      );
    lines.push(line);
  });
  return runOf(lines, file);
}

export function runOf(lines: readonly RunLine[], file: string): Run {
  const head = lines.find((l) => l.kind === 'run');
  if (head === undefined)
    throw new WorkloadError(
      `${file} holds no run: its first line should have "kind":"run", as 'waymeet lab run --out' writes it`,
    );
  if (head.format !== 1)
    throw new WorkloadError(`${file} has format ${head.format as number}, and this version reads 1`);
  const cells = lines.filter((l) => l.kind === 'cell' && l.run === head.run) as Cell[];
  const order = (c: Cell): number =>
    head.networks.findIndex((n) => n.name === c.network) * 1_000 +
    head.variants.findIndex((v) => v.id === c.variant);
  const sorted = [...cells].sort(
    (a, b) => order(a) - order(b) || (a.point?.value ?? 0) - (b.point?.value ?? 0),
  );
  return {
    head,
    cells: sorted.filter((c) => c.point === undefined),
    sweeps: sorted.filter((c) => c.point !== undefined),
    end: lines.find((l) => l.kind === 'end'),
  };
}

/** What every figure carries. */
export function stampOf({ run, seed, version }: RunHead): string {
  return `run ${run}, seed ${seed}, waymeet ${version}`;
}
