// A run as its file tells it: whole or broken off, in the order of its plan.

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

/** Reads NDJSON. A last line that was cut off is left out. Throws WorkloadError when it is no run at all. */
export function readRun(text: string, file: string): Run {
  const lines: RunLine[] = [];
  const rows = text.split('\n');
  rows.forEach((row, i) => {
    if (row.trim() === '') return;
    try {
      lines.push(JSON.parse(row) as RunLine);
    } catch {
      if (i < rows.length - 1)
        throw new WorkloadError(
          `${file}, line ${i + 1} is no JSON: was it written by 'waymeet lab run --out'?`,
        );
    }
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
