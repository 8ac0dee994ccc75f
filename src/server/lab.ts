// The lab as this server offers it over the admin API: small runs, one at a time, on a thread of their own, kept until the server ends.

import { type LabCatalogue, type LabHost, LabMistake, type LabRun } from '../admin/api/lab.ts';
import type { Measured } from '../lab/choose/measured.ts';
import type { RunLine } from '../lab/result.ts';
import type { WorkloadInput } from '../lab/workload.ts';

/** Messages times cells of one run: a minute or so of one processor. */
const MAX_MESSAGES = 100_000;
const MAX_RUNS = 20;

interface Kept {
  view: LabRun;
  readonly lines: RunLine[];
  readonly abort: AbortController;
}

export class Lab implements LabHost {
  private readonly version: string;
  /** The newest last. */
  private readonly kept = new Map<string, Kept>();
  private busy = false;

  constructor(version: string) {
    this.version = version;
  }

  async catalogue(): Promise<LabCatalogue> {
    const [variant, networks, questions] = await Promise.all([
      import('../lab/variant.ts'),
      import('../lab/networks.ts'),
      import('../lab/choose/questions.ts'),
    ]);
    return {
      variants: variant.VARIANTS.map(({ id, title, family, guarantee, security }) => ({
        id,
        title,
        family,
        guarantee,
        security,
      })),
      defaultVariants: [...variant.DEFAULT_VARIANTS],
      networks: Object.values(networks.NETWORKS).map(({ name, title, source }) => ({ name, title, source })),
      defaultNetworks: [...networks.DEFAULT_NETWORKS],
      questions: questions.QUESTIONS.map((q) => ({ ...q, choices: q.choices.map((c) => ({ ...c })) })),
      maxMessages: MAX_MESSAGES,
    };
  }

  async start(workload: Readonly<Record<string, unknown>>): Promise<LabRun | undefined> {
    const kept = await this.begin(workload as WorkloadInput);
    return kept?.view;
  }

  /** Checks a workload and sets it going; `ended` gets its lines. */
  private async begin(
    input: WorkloadInput,
    ended: (kept: Kept) => void = () => {},
  ): Promise<Kept | undefined> {
    const [{ jobsOf, runIdOf, runLab }, { planOf, WorkloadError }] = await Promise.all([
      import('../lab/run.ts'),
      import('../lab/workload.ts'),
    ]);
    let plan: ReturnType<typeof planOf>;
    try {
      plan = planOf(input);
    } catch (error) {
      throw error instanceof WorkloadError ? new LabMistake(error.message) : error;
    }
    const cells = jobsOf(plan).length;
    if (cells * plan.workload.messages * plan.workload.fanOut > MAX_MESSAGES)
      throw new LabMistake(
        `${cells} cells of ${plan.workload.messages} messages are more than ${MAX_MESSAGES}: ask for fewer here, or use 'waymeet lab run'`,
      );
    if (this.busy) return undefined;
    this.busy = true;
    const run = runIdOf(plan, this.version);
    const kept: Kept = {
      view: { run, state: 'running', done: 0, cells },
      lines: [],
      abort: new AbortController(),
    };
    this.keep(kept);
    const running = runLab(input, {
      version: this.version,
      threads: 1,
      signal: kept.abort.signal,
      line: (line) => kept.lines.push(line),
      progress: (done) => {
        kept.view = { ...kept.view, done };
      },
    });
    running
      .then(
        (end) => {
          kept.view = { ...kept.view, done: end.cells, state: end.interrupted ? 'interrupted' : 'done' };
        },
        (why: unknown) => {
          kept.view = { ...kept.view, state: 'failed', reason: String(why) };
        },
      )
      .finally(() => {
        this.busy = false;
        ended(kept);
      });
    return kept;
  }

  private keep(kept: Kept): void {
    this.kept.delete(kept.view.run);
    this.kept.set(kept.view.run, kept);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= MAX_RUNS) break;
      this.kept.delete(oldest);
    }
  }

  runs(): readonly LabRun[] {
    return [...this.kept.values()].map((k) => k.view).reverse();
  }

  lines(run: string): readonly object[] | undefined {
    return this.kept.get(run)?.lines;
  }

  page(run: string): Promise<string> | undefined {
    const kept = this.kept.get(run);
    return kept === undefined ? undefined : pageOf(kept);
  }

  forget(run: string): boolean {
    this.kept.get(run)?.abort.abort();
    return this.kept.delete(run);
  }

  /** What runs is stopped. */
  stop(): void {
    for (const { abort } of this.kept.values()) abort.abort();
  }

  choose(
    said: Readonly<Record<string, string>>,
    workload: Readonly<Record<string, unknown>>,
  ): Promise<object> | undefined {
    return this.busy ? undefined : this.advise(said, workload as WorkloadInput);
  }

  private async advise(said: Readonly<Record<string, string>>, own: WorkloadInput): Promise<object> {
    const [{ advise }, { Measured }, { needsOf }, { answersOf }, { WorkloadError }] = await Promise.all([
      import('../lab/choose/advise.ts'),
      import('../lab/choose/measured.ts'),
      import('../lab/choose/scenario.ts'),
      import('../lab/choose/questions.ts'),
      import('../lab/workload.ts'),
    ]);
    let answers: ReturnType<typeof answersOf>;
    try {
      answers = answersOf(said);
    } catch (error) {
      throw error instanceof WorkloadError ? new LabMistake(error.message) : error;
    }
    const measured = new Measured(this.version);
    for (const { lines } of this.kept.values()) addLines(measured, lines);
    try {
      for (const input of measured.missing(needsOf(answers, own)))
        addLines(measured, await this.measure(input));
    } catch (error) {
      throw error instanceof WorkloadError ? new LabMistake(error.message) : error;
    }
    return advise(answers, own, measured);
  }

  private async measure(input: WorkloadInput): Promise<readonly RunLine[]> {
    const kept = await new Promise<Kept>((resolve, reject) => {
      this.begin(input, resolve).then((begun) => {
        if (begun === undefined) reject(new LabMistake('another run has begun meanwhile: ask again'));
      }, reject);
    });
    if (kept.view.state !== 'done') throw new LabMistake('the measurement was stopped: ask again');
    return kept.lines;
  }
}

function addLines(measured: Measured, lines: readonly RunLine[]): void {
  const [head] = lines;
  if (head?.kind === 'run')
    measured.add(
      head,
      lines.filter((line) => line.kind === 'cell'),
    );
}

async function pageOf(kept: Kept): Promise<string> {
  const [{ htmlOf }, { runOf }] = await Promise.all([
    import('../lab/report/html.ts'),
    import('../lab/report/read.ts'),
  ]);
  return htmlOf(runOf(kept.lines, kept.view.run));
}
