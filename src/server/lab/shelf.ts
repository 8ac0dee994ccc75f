// Where runs of the lab are kept once they are over: the port of the two engines, and the one that forgets with the process.

import type { RunHead, RunLine } from '../../lab/result.ts';

export interface KeptRun {
  readonly head: RunHead;
  /** ms since 1970 */
  readonly startedAt: number;
  /** Cells that came to their end. */
  readonly done: number;
  readonly state: 'done' | 'interrupted';
  readonly bytes: number;
  readonly onDisk: boolean;
}

/** The oldest go first; the newest stays, whatever its size. */
export interface ShelfLimits {
  readonly runs: number;
  readonly bytes: number;
}

export const SHELF_LIMITS: ShelfLimits = { runs: 50, bytes: 32 * 1_048_576 };

export interface Shelf {
  /** Absent: nothing outlives the process. */
  readonly folder: string | undefined;
  /** What could not be read or written, a sentence each. */
  readonly problems: readonly string[];
  /** The newest first. */
  list(): Promise<readonly KeptRun[]>;
  /** The lines of its file. */
  text(run: string): Promise<string | undefined>;
  /** Keeps a run as it stands, in the place of what has the same id. What cannot be kept is a problem, and never rejects. */
  keep(startedAt: number, lines: readonly RunLine[]): Promise<void>;
  /** False: there is none. */
  drop(run: string): Promise<boolean>;
}

export function textOf(lines: readonly RunLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

export function factsOf(
  startedAt: number,
  lines: readonly RunLine[],
  bytes: number,
  onDisk: boolean,
): KeptRun {
  const head = lines[0] as RunHead;
  const end = lines.find((line) => line.kind === 'end');
  const done = lines.reduce((sum, { kind }) => (kind === 'cell' ? sum + 1 : sum), 0);
  const state = end === undefined || end.interrupted ? 'interrupted' : 'done';
  return { head, startedAt, done, state, bytes, onDisk };
}

/** Those that have to go so that the rest is within its limits. */
export function surplus(newestFirst: readonly KeptRun[], limits: ShelfLimits): KeptRun[] {
  let bytes = 0;
  return newestFirst.filter((run, i) => {
    bytes += run.bytes;
    return i > 0 && (i >= limits.runs || bytes > limits.bytes);
  });
}

export class MemoryShelf implements Shelf {
  readonly folder = undefined;
  readonly problems: readonly string[] = [];
  private readonly limits: ShelfLimits;
  /** The newest first. */
  private runs: { readonly facts: KeptRun; readonly text: string }[] = [];

  constructor(limits: ShelfLimits = SHELF_LIMITS) {
    this.limits = limits;
  }

  async list(): Promise<readonly KeptRun[]> {
    return this.runs.map(({ facts }) => facts);
  }

  async text(run: string): Promise<string | undefined> {
    return this.runs.find(({ facts }) => facts.head.run === run)?.text;
  }

  /** At once, without a gap: two of the same run may be on their way. */
  async keep(startedAt: number, lines: readonly RunLine[]): Promise<void> {
    const text = textOf(lines);
    const facts = factsOf(startedAt, lines, Buffer.byteLength(text), false);
    const others = this.runs.filter((kept) => kept.facts.head.run !== facts.head.run);
    const all = [{ facts, text }, ...others].sort((a, b) => b.facts.startedAt - a.facts.startedAt);
    const gone = surplus(
      all.map((kept) => kept.facts),
      this.limits,
    );
    this.runs = all.filter((kept) => !gone.includes(kept.facts));
  }

  async drop(run: string): Promise<boolean> {
    const before = this.runs.length;
    this.runs = this.runs.filter(({ facts }) => facts.head.run !== run);
    return this.runs.length < before;
  }
}
