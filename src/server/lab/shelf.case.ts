// The case file of both shelves: what whoever keeps runs of the lab must do.

import { describe, expect, test } from 'vitest';
import type { Cell, RunEnd, RunHead, RunLine } from '../../lab/result.ts';
import type { Shelf, ShelfLimits } from './shelf.ts';

const NUMBERS = { total: 100 };

/** The lines of a run that is whole, or broken off after one of its two cells. */
export function linesOf(run: string, whole = true): RunLine[] {
  const head: RunHead = {
    kind: 'run',
    run,
    version: '1.0.0',
    format: 1,
    seed: 1,
    workload: { messages: 5 },
    variants: [],
    networks: [],
    cells: 2,
  };
  const cell = {
    kind: 'cell',
    run,
    variant: 'v',
    network: 'n',
    seed: 1,
    messages: { published: 5, expected: 5, delivered: 5 },
    latency: { p50: 1, p99: 2, cdf: [[100, 2]] },
    bytes: NUMBERS,
    packets: { up: 1, down: 1 },
    idle: { bytesPerHour: 1 },
    energy: { proxyMj: 1 },
    host: {},
  } as unknown as Cell;
  const end: RunEnd = { kind: 'end', run, cells: 2, interrupted: !whole, wallMs: 1 };
  return whole ? [head, cell, cell, end] : [head, cell];
}

export const runId = (n: number): string => n.toString(16).padStart(12, '0');

/** `open`: an empty one each time. */
export function shelfCases(open: (limits?: ShelfLimits) => Shelf): void {
  describe('a shelf', () => {
    test('keeps runs, the newest first, and gives back their lines', async () => {
      const shelf = open();
      await shelf.keep(1_000, linesOf(runId(1)));
      await shelf.keep(3_000, linesOf(runId(3), false));
      await shelf.keep(2_000, linesOf(runId(2)));
      expect(await shelf.list()).toMatchObject([
        { head: { run: runId(3) }, startedAt: 3_000, done: 1, state: 'interrupted' },
        { head: { run: runId(2) }, startedAt: 2_000, done: 2, state: 'done' },
        { head: { run: runId(1) }, startedAt: 1_000, done: 2, state: 'done' },
      ]);
      const lines = (await shelf.text(runId(2)))!.trimEnd().split('\n');
      expect(lines.map((line) => (JSON.parse(line) as RunLine).kind)).toEqual(['run', 'cell', 'cell', 'end']);
      expect(shelf.problems).toEqual([]);
    });

    test('one id, one run: the later one', async () => {
      const shelf = open();
      await shelf.keep(1_000, linesOf(runId(1), false));
      await shelf.keep(1_000, linesOf(runId(1)));
      await shelf.keep(5_000, linesOf(runId(1)));
      expect(await shelf.list()).toMatchObject([{ startedAt: 5_000, state: 'done' }]);
    });

    test('one that is kept again before it is kept is there once, as it was said last', async () => {
      const shelf = open();
      await Promise.all([
        shelf.keep(1_000, linesOf(runId(1), false)),
        shelf.keep(1_000, linesOf(runId(1))),
        shelf.keep(2_000, linesOf(runId(2))),
      ]);
      expect(await shelf.list()).toMatchObject([{ startedAt: 2_000 }, { startedAt: 1_000, state: 'done' }]);
    });

    test('drops one, once; there is nothing of it any more', async () => {
      const shelf = open();
      await shelf.keep(1_000, linesOf(runId(1)));
      expect([await shelf.drop(runId(1)), await shelf.drop(runId(1))]).toEqual([true, false]);
      expect([await shelf.list(), await shelf.text(runId(1))]).toEqual([[], undefined]);
    });

    test('too many: the oldest go', async () => {
      const shelf = open({ runs: 2, bytes: 1_000_000 });
      for (const n of [1, 2, 3, 4]) await shelf.keep(n, linesOf(runId(n)));
      expect((await shelf.list()).map(({ head }) => head.run)).toEqual([runId(4), runId(3)]);
    });

    test('too large: the oldest go, and the newest stays whatever its size', async () => {
      const shelf = open({ runs: 10, bytes: 1 });
      for (const n of [1, 2]) await shelf.keep(n, linesOf(runId(n)));
      expect((await shelf.list()).map(({ head }) => head.run)).toEqual([runId(2)]);
    });
  });
}
