// `waymeet lab choose`: asks, measures what is needed, and says which protocol fits, why, and what would change the answer.

import { createInterface } from 'node:readline';
import type { Advice, Answers, Ranked, Reason } from '../lab/choose/advice.ts';
import { advise } from '../lab/choose/advise.ts';
import { type Evidence, evidenceOf, Measured } from '../lab/choose/measured.ts';
import { answersOf, QUESTIONS } from '../lab/choose/questions.ts';
import { RULES } from '../lab/choose/rules.ts';
import { needsOf, scenarioOf } from '../lab/choose/scenario.ts';
import { format } from '../lab/report/columns.ts';
import { runOf } from '../lab/report/read.ts';
import type { RunLine } from '../lab/result.ts';
import { jobsOf, runIdOf, runLab } from '../lab/run.ts';
import { planOf, type Workload, WorkloadError, type WorkloadInput } from '../lab/workload.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import { Bar } from './lab-bar.ts';
import type { ChooseFlags } from './lab-flags.ts';
import { chosenFile, FOLDER, keepRun, keptRuns, openRun } from './lab-runs.ts';

export async function choose(
  io: Io,
  version: string,
  flags: ChooseFlags,
  questions: readonly string[],
): Promise<number> {
  try {
    if (flags.list === true) return showQuestions(io, flags.json === true);
    const said: Record<string, string> = {};
    for (const id of questions) if (typeof flags[id] === 'string') said[id] = flags[id];
    answersOf(said); // what is wrong is told before anything is asked
    if (flags.json !== true && io.input.isTTY === true) await ask(io, said);
    const answers = answersOf(said);
    const own = ownOf(flags);
    const found =
      flags.run === undefined ? await measure(io, version, answers, own, flags) : fromRun(io, answers, flags);
    const advice = advise(answers, own, found.evidence);
    if (flags.json === true) io.output.write(`${JSON.stringify(advice, null, 2)}\n`);
    else io.output.write(textOf(advice, found.measured, flags.top));
    return advice.ranking.length === 0 ? EXIT.failed : EXIT.fine;
  } catch (error) {
    if (error instanceof WorkloadError) throw new Failure(error.message, EXIT.usage, error);
    throw error;
  }
}

function showQuestions(io: Io, json: boolean): number {
  if (json) {
    io.output.write(`${JSON.stringify({ questions: QUESTIONS, rules: RULES }, null, 2)}\n`);
    return EXIT.fine;
  }
  for (const { id, asks, choices } of QUESTIONS) {
    io.output.write(`--${id}  ${asks}\n`);
    for (const { value, about } of choices) io.output.write(`    ${value.padEnd(16)}${about}\n`);
  }
  io.output.write('\nrules\n');
  for (const r of RULES) {
    const when = Object.entries(r.when).map(([q, values]) => `${q} ${values.join('|')}`);
    const effect = r.effect === 'excludes' ? 'excludes' : `${r.effect > 0 ? '+' : ''}${r.effect}`;
    io.output.write(`  ${r.id} (${when.join(', ')}): ${effect}: ${r.because}\n      ${r.source}\n`);
  }
  return EXIT.fine;
}

/** Asks what no flag has said; an empty answer takes the first choice. */
async function ask(io: Io, said: Record<string, string>): Promise<void> {
  const lines = createInterface({ input: io.input });
  const typed = lines[Symbol.asyncIterator]();
  try {
    for (const { id, asks, choices } of QUESTIONS) {
      if (said[id] !== undefined) continue;
      say(io, `\n${asks}`);
      choices.forEach((c, i) => {
        say(io, `  ${i + 1}  ${c.value.padEnd(16)}${c.about}`);
      });
      while (said[id] === undefined) {
        io.errors.write(`1-${choices.length} [1]: `);
        const { value, done } = await typed.next();
        if (done === true)
          throw new Failure('the questions are not all answered: nothing was chosen', EXIT.failed);
        const text = value.trim();
        const chosen =
          text === '' ? choices[0] : (choices[Number(text) - 1] ?? choices.find((c) => c.value === text));
        if (chosen !== undefined) said[id] = chosen.value;
      }
    }
  } finally {
    lines.close();
  }
}

/** Figures, and in words what they are of. */
interface Found {
  readonly evidence: Evidence;
  readonly measured: string;
}

function ownOf(flags: ChooseFlags): WorkloadInput {
  return {
    ...(flags.messages === undefined ? {} : { messages: flags.messages }),
    ...(flags.rate === undefined ? {} : { rate: flags.rate }),
    ...(flags.size === undefined ? {} : { payload: { bytes: flags.size } }),
  };
}

function fromRun(io: Io, answers: Answers, flags: ChooseFlags): Found {
  const run = openRun(io, flags.run);
  if (!run.cells.some((c) => c.network === answers['network']))
    throw new Failure(
      `run ${run.head.run} has nothing on '${answers['network']}': choose one of its networks, or leave --run away`,
      EXIT.usage,
    );
  return {
    evidence: evidenceOf(run.cells),
    measured: measuredText(run.head.workload as Workload, run.head.seed, run.head.version),
  };
}

/** Takes the figures that kept runs have, and measures the rest. */
async function measure(
  io: Io,
  version: string,
  answers: Answers,
  own: WorkloadInput,
  flags: ChooseFlags,
): Promise<Found> {
  const measured = new Measured(version);
  for (const { head, cells } of keptRuns(io)) measured.add(head, cells);
  const needs = needsOf(answers, own);
  const inputs = measured.missing(needs);
  const all = inputs.reduce((sum, input) => sum + jobsOf(planOf(input)).length, 0);
  const there = needs.reduce((sum, need) => sum + need.variants.length, 0) - all;
  const bar = new Bar(io, true);
  const abort = new AbortController();
  void io.stopAsked().then(() => abort.abort());
  let before = 0;
  for (const input of inputs) {
    const lines: RunLine[] = [];
    const keeper = flags.save ? keepRun(io, chosenFile(runIdOf(planOf(input), version))) : undefined;
    try {
      await runLab(input, {
        version,
        signal: abort.signal,
        line: (line) => {
          lines.push(line);
          keeper?.write(line);
        },
        progress: (done) => bar.show(before + done, all),
      });
    } finally {
      bar.clear();
      keeper?.close();
    }
    const run = runOf(lines, 'this run');
    measured.add(run.head, run.cells);
    before += run.cells.length;
    if (abort.signal.aborted)
      throw new Failure(
        `interrupted after ${before} of ${all} cells: ${flags.save ? 'they are kept, and the same command goes on from there' : 'nothing can be said yet'}`,
        EXIT.failed,
      );
  }
  if (there > 0) say(io, `${there} of ${there + all} cells are from runs that were kept in ${FOLDER}`);
  const { workload } = planOf({ ...scenarioOf(answers, own).workload });
  return { evidence: measured, measured: measuredText(workload, workload.seed, version) };
}

function measuredText({ messages, payload, rate }: Workload, seed: number, version: string): string {
  const each = rate === 0 ? 'as fast as they go' : `one every ${format(1 / rate, 0)} s`;
  return `${messages} messages of ${payload.bytes} octets, ${each}; seed ${seed}, waymeet ${version}`;
}

function textOf(advice: Advice, measured: string, top: number): string {
  const { ranking, excluded, turns, unmoved, start } = advice;
  const lines: string[] = [];
  if (ranking.length === 0) {
    lines.push('Nothing fits: every variant is excluded.', '');
  } else {
    lines.push(`${ranking[0]!.title} (${ranking[0]!.variant})`, '');
    for (const [i, r] of ranking.slice(0, top).entries()) lines.push(...rankedLines(i + 1, r));
  }
  const byReason = new Map<string, string[]>();
  for (const { variant, reasons } of excluded) {
    const key = reasonText(reasons[0]!);
    byReason.set(key, [...(byReason.get(key) ?? []), variant]);
  }
  if (byReason.size > 0) lines.push('Left out');
  for (const [reason, variants] of byReason) lines.push(`  ${namesOf(variants)}: ${reason}`);
  lines.push('', 'What would change the answer');
  for (const t of turns) lines.push(`  ${t.question} ${t.answer}: ${t.first}  (${t.because})`);
  if (unmoved.length > 0) lines.push(`  no other answer to ${unmoved.join(', ')}`);
  if (start !== undefined) {
    lines.push('', 'To start with', ...start.shell.split('\n').map((l) => `  ${l}`), '');
    lines.push(...start.javascript.split('\n').map((l) => `  ${l}`), '');
    lines.push(`  On devices: ${start.libraries.join(', ')}`);
  }
  lines.push('', `Measured on ${advice.network}: ${measured}; run ${advice.runs.join(' and ')}.`);
  return `${lines.join('\n')}\n`;
}

function rankedLines(place: number, r: Ranked): string[] {
  const f = r.figures;
  const lines = [
    `${place}  ${r.variant}  ${format(r.score, 2)} = figures ${format(r.measured, 2)}${r.reasons.map((x) => ` ${x.points! > 0 ? '+' : '−'} ${format(Math.abs(x.points!), 2)}`).join('')}`,
    `   ${format(f.bytesPerMessage, 0)} octets a message, ${format(f.setupBytes, 0)} to set up, ${format(f.idleBytesPerHour, 0)} an idle hour; p99 ${format(f.p99Ms, 1)} ms; ${format(f.deliveredPercent, 1)} % delivered; energy proxy ${format(f.energyProxyMj, 1)} mJ`,
  ];
  for (const x of r.reasons) lines.push(`   ${x.points! > 0 ? '+' : '−'} ${reasonText(x)}`);
  return [...lines, ''];
}

function reasonText(r: Reason): string {
  return `${r.because} [${r.source}]`;
}

const MANY = 6;

function namesOf(variants: readonly string[]): string {
  return variants.length <= MANY
    ? variants.join(', ')
    : `${variants.slice(0, MANY).join(', ')} and ${variants.length - MANY} more`;
}
