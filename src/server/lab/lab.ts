// The lab as this server offers it over the admin API: small runs, one at a time, on a thread of their own, kept when they are over.

import {
  type LabCatalogue,
  LabConflict,
  type LabHost,
  LabMistake,
  type LabReport,
  type LabRun,
  type LabRuns,
  LabUnreadable,
} from '../../admin/api/lab.ts';
import type { Run } from '../../lab/report/read.ts';
import type { RunHead, RunLine } from '../../lab/result.ts';
import type { Plan, WorkloadInput } from '../../lab/workload.ts';
import type { KeptRun, Shelf } from './shelf.ts';
import { excessOf, LAB_LIMITS, type LabLimits } from './size.ts';

/** A run is on disk as far as it was so long ago, whatever happens to the process. */
const KEEP_EVERY_MS = 2_000;
/** Pages that are drawn at once: the plots take their memory. */
const MAX_DRAWING = 2;

interface Current {
  readonly head: RunHead;
  /** Where it goes. */
  readonly shelf: Shelf;
  readonly startedAt: number;
  readonly lines: RunLine[];
  readonly abort: AbortController;
  done: number;
  keptAt: number;
  reason: string | undefined;
  /** Resolves when what was there so far is kept. */
  kept: Promise<void>;
  /** Resolves when all of it is kept, or forgotten. */
  over: Promise<void>;
}

export interface LabParts {
  readonly version: string;
  /** Of the runs that somebody asked for. */
  readonly shelf: Shelf;
  /** Of the measurements behind advice, which would push the others out. */
  readonly evidence: Shelf;
  readonly limits?: LabLimits;
}

export class Lab implements LabHost {
  private readonly version: string;
  private readonly shelf: Shelf;
  private readonly evidence: Shelf;
  private readonly limits: LabLimits;
  private current: Current | undefined;
  /** Why runs of this process failed or were stopped, which their files do not tell. */
  private readonly reasons = new Map<string, Pick<LabRun, 'state' | 'reason'>>();
  private drawing = 0;

  constructor({ version, shelf, evidence, limits = LAB_LIMITS }: LabParts) {
    this.version = version;
    this.shelf = shelf;
    this.evidence = evidence;
    this.limits = limits;
  }

  async catalogue(): Promise<LabCatalogue> {
    const [variant, networks, questions] = await Promise.all([
      import('../../lab/variant.ts'),
      import('../../lab/networks.ts'),
      import('../../lab/choose/questions.ts'),
    ]);
    return {
      variants: variant.VARIANTS.map(({ id, title, family, qos, guarantee, security, transport }) => ({
        id,
        title,
        family,
        qos,
        guarantee,
        security,
        transport,
      })),
      defaultVariants: [...variant.DEFAULT_VARIANTS],
      networks: Object.values(networks.NETWORKS).map(
        ({ name, title, source, delayMs, loss, upKbps, downKbps }) => ({
          ...{ name, title, source, delayMs, loss, upKbps, downKbps },
        }),
      ),
      defaultNetworks: [...networks.DEFAULT_NETWORKS],
      questions: questions.QUESTIONS.map((q) => ({ ...q, choices: q.choices.map((c) => ({ ...c })) })),
      maxMessages: this.limits.messages,
      maxCells: this.limits.cells,
    };
  }

  async start(workload: Readonly<Record<string, unknown>>): Promise<LabRun | undefined> {
    const plan = await planned(workload as WorkloadInput);
    const current = await this.begin(workload as WorkloadInput, plan, this.shelf);
    return current === undefined ? undefined : viewOf(current);
  }

  async runs(): Promise<LabRuns> {
    const { current, shelf } = this;
    const kept = (await shelf.list()).filter(({ head }) => head.run !== current?.head.run);
    const items = kept.map((one) => ({ ...keptView(one), ...this.reasons.get(one.head.run) }));
    if (current !== undefined) items.unshift(viewOf(current));
    return { items, folder: shelf.folder, problems: [...shelf.problems, ...this.evidence.problems] };
  }

  async lines(run: string): Promise<{ view: LabRun; lines: readonly object[] } | undefined> {
    const { current } = this;
    if (current?.head.run === run) return { view: viewOf(current), lines: current.lines };
    const kept = (await this.all()).find(({ head }) => head.run === run);
    const read = kept === undefined ? undefined : await this.read(run);
    if (kept === undefined || read === undefined) return undefined;
    const { head, cells, sweeps, end } = read;
    return {
      view: { ...keptView(kept), ...this.reasons.get(run) },
      lines: [head, ...cells, ...sweeps, ...(end === undefined ? [] : [end])],
    };
  }

  async report(run: string, as: LabReport): Promise<string | undefined> {
    const text = await this.textOf(run);
    if (text === undefined || as === 'ndjson') return text;
    const read = await this.readText(run, text);
    if (as === 'csv') return (await import('../../lab/report/csv.ts')).csvOf(read);
    if (this.drawing >= MAX_DRAWING) throw new LabConflict('other pages are being drawn: ask again');
    this.drawing++;
    try {
      const { drawPage } = await import('../../lab/report/draw.ts');
      return await drawPage(read);
    } finally {
      this.drawing--;
    }
  }

  async halt(run: string): Promise<boolean> {
    const { current } = this;
    if (current?.head.run !== run) return false;
    current.abort.abort();
    await current.over;
    return true;
  }

  async forget(run: string): Promise<boolean> {
    const running = await this.halt(run);
    const dropped = await Promise.all([this.shelf.drop(run), this.evidence.drop(run)]);
    this.reasons.delete(run);
    return running || dropped.includes(true);
  }

  /** What runs is stopped, and kept as far as it came. */
  async stop(): Promise<void> {
    this.current?.abort.abort();
    await this.current?.over;
  }

  async choose(
    said: Readonly<Record<string, string>>,
    workload: Readonly<Record<string, unknown>>,
  ): Promise<object | undefined> {
    const [{ advise }, { Measured }, { needsOf }, { answersOf }] = await Promise.all([
      import('../../lab/choose/advise.ts'),
      import('../../lab/choose/measured.ts'),
      import('../../lab/choose/scenario.ts'),
      import('../../lab/choose/questions.ts'),
    ]);
    const own = workload as WorkloadInput;
    const answers = await mistakesTold(() => answersOf(said));
    const needs = await mistakesTold(() => needsOf(answers, own));
    const measured = new Measured(this.version);
    for (const { head } of await this.all()) {
      const kept = head.version === this.version ? await this.readable(head.run) : undefined;
      if (kept !== undefined) measured.add(kept.head, kept.cells);
    }
    for (const input of await mistakesTold(() => measured.missing(needs))) {
      const run = await this.measure(input);
      if (run === undefined) return undefined;
      measured.add(run.head, run.cells);
    }
    return advise(answers, own, measured);
  }

  /** Undefined: something else runs. Throws LabConflict when it does not come to its end. */
  private async measure(input: WorkloadInput): Promise<Run | undefined> {
    const current = await this.begin(input, await planned(input), this.evidence);
    if (current === undefined) return undefined;
    await current.over;
    const { run } = current.head;
    if (!isDone(await this.all(), run))
      throw new LabConflict(this.reasons.get(run)?.reason ?? 'the measurement was stopped: ask again');
    return this.read(run);
  }

  /** Undefined for a kept run whose file somebody has damaged. */
  private async readable(run: string): Promise<Run | undefined> {
    try {
      return await this.read(run);
    } catch (why) {
      if (why instanceof LabUnreadable) return undefined;
      throw why;
    }
  }

  private async all(): Promise<readonly KeptRun[]> {
    return [...(await this.shelf.list()), ...(await this.evidence.list())];
  }

  /** Sets a checked workload going; undefined: something runs. */
  private async begin(input: WorkloadInput, plan: Plan, shelf: Shelf): Promise<Current | undefined> {
    const { headOf, jobsOf } = await import('../../lab/run.ts');
    const excess = excessOf(plan, jobsOf(plan).length, this.limits);
    if (excess !== undefined) throw new LabMistake(excess);
    if (this.current !== undefined) return undefined;
    const current: Current = {
      head: headOf(plan, this.version),
      shelf,
      startedAt: Date.now(),
      lines: [],
      abort: new AbortController(),
      done: 0,
      keptAt: Date.now(),
      reason: undefined,
      kept: Promise.resolve(),
      over: Promise.resolve(),
    };
    this.current = current;
    this.reasons.delete(current.head.run);
    current.over = this.play(current, input);
    return current;
  }

  private async play(current: Current, input: WorkloadInput): Promise<void> {
    const { wallMs, heapMb } = this.limits;
    const { runLab } = await import('../../lab/run.ts');
    const tooLong = setTimeout(() => {
      current.reason = `it took more than ${wallMs / 1_000} s, and was stopped: ask for less`;
      current.abort.abort();
    }, wallMs);
    try {
      const end = await runLab(input, {
        version: this.version,
        threads: 1,
        heapMb,
        signal: current.abort.signal,
        line: (line) => this.take(current, line),
        progress: (done) => {
          current.done = done;
        },
      });
      if (end.interrupted && current.reason !== undefined) this.explain(current, 'interrupted');
    } catch (why) {
      current.reason =
        (why as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
          ? `it needed more than ${heapMb} MB of memory: ask for fewer messages or devices`
          : `it could not be finished (${(why as Error).message}): ask for fewer messages, or smaller ones`;
      this.explain(current, 'failed');
    } finally {
      clearTimeout(tooLong);
      await current.kept;
      await this.keep(current);
      this.current = undefined;
    }
  }

  private take(current: Current, line: RunLine): void {
    current.lines.push(line);
    if (Date.now() - current.keptAt < KEEP_EVERY_MS) return;
    current.keptAt = Date.now();
    current.kept = current.kept.then(() => this.keep(current));
  }

  /** Not what has nothing finished and nothing to say, and not half of what is there whole: the same id has the same figures. */
  private async keep({ head, shelf, startedAt, lines, reason }: Current): Promise<void> {
    const end = lines.find((line) => line.kind === 'end');
    const whole = end !== undefined && !end.interrupted;
    const something = reason !== undefined || lines.some((line) => line.kind === 'cell');
    if (!something || (!whole && isDone(await shelf.list(), head.run))) return;
    await shelf.keep(startedAt, [...lines]);
  }

  private explain({ head, reason }: Current, state: 'interrupted' | 'failed'): void {
    if (reason !== undefined) this.reasons.set(head.run, { state, reason });
  }

  private async textOf(run: string): Promise<string | undefined> {
    const { current } = this;
    if (current?.head.run !== run) return this.keptText(run);
    return current.lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  }

  private async keptText(run: string): Promise<string | undefined> {
    return (await this.shelf.text(run)) ?? this.evidence.text(run);
  }

  private async read(run: string): Promise<Run | undefined> {
    const text = await this.keptText(run);
    return text === undefined ? undefined : this.readText(run, text);
  }

  private async readText(run: string, text: string): Promise<Run> {
    const { readRun } = await import('../../lab/report/read.ts');
    try {
      return readRun(text, `run ${run}`);
    } catch (why) {
      throw new LabUnreadable((why as Error).message);
    }
  }
}

function isDone(kept: readonly KeptRun[], run: string): boolean {
  return kept.some(({ head, state }) => head.run === run && state === 'done');
}

async function planned(input: WorkloadInput): Promise<Plan> {
  const { planOf } = await import('../../lab/workload.ts');
  return mistakesTold(() => planOf(input));
}

async function mistakesTold<T>(act: () => T): Promise<T> {
  const { WorkloadError } = await import('../../lab/workload.ts');
  try {
    return act();
  } catch (error) {
    throw error instanceof WorkloadError ? new LabMistake(error.message) : error;
  }
}

function viewOf({ head, startedAt, done }: Current): LabRun {
  return { ...headView(head), startedAt, state: 'running', done, onDisk: false };
}

function keptView({ head, startedAt, done, state, onDisk }: KeptRun): LabRun {
  return { ...headView(head), startedAt, state, done, onDisk };
}

function headView({ run, version, seed, workload, variants, networks, cells }: RunHead) {
  return {
    run,
    version,
    seed,
    workload: workload as Record<string, unknown>,
    variants: variants.map(({ id }) => id),
    networks: networks.map(({ name }) => name),
    cells,
  };
}
