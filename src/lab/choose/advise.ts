// The advice: who is first and why, what is left out, and every answer turned to see what would change.

import { format } from '../report/columns.ts';
import { VARIANTS } from '../variant.ts';
import type { WorkloadInput } from '../workload.ts';
import type { Advice, Answers, Figures, Ranked, Turn } from './advice.ts';
import { codeFor } from './code.ts';
import type { Evidence } from './measured.ts';
import { QUESTIONS } from './questions.ts';
import { HARDER, scenarioOf, turned, worsens } from './scenario.ts';
import { exclusions, rank } from './score.ts';

/** `own`: what the person said of the workload, as it was measured. */
export function advise(answers: Answers, own: WorkloadInput, evidence: Evidence): Advice {
  const scenario = scenarioOf(answers, own);
  const cells = evidence.cells(scenario);
  const ranking = rank(answers, cells);
  const excluded = VARIANTS.map((v) => ({ variant: v.id, reasons: exclusions(v, answers) })).filter(
    (e) => e.reasons.length > 0,
  );
  const first = ranking[0];
  const variant = first === undefined ? undefined : VARIANTS.find((v) => v.id === first.variant);
  return {
    answers,
    ranking,
    excluded,
    ...turnsOf(answers, own, evidence, first?.variant),
    start: variant === undefined ? undefined : codeFor(variant),
    network: scenario.name,
    runs: [...new Set(cells.map((c) => c.run))],
  };
}

function turnsOf(
  answers: Answers,
  own: WorkloadInput,
  evidence: Evidence,
  former: string | undefined,
): Pick<Advice, 'turns' | 'unmoved'> {
  const looked = new Set<string>();
  const turns: Turn[] = [];
  for (const { question, answer, about, answers: other } of turned(answers)) {
    const cells = evidence.cells(scenarioOf(other, own));
    if (cells.length === 0) continue; // nobody measured it
    looked.add(question);
    const ranking = rank(other, cells);
    const first = ranking[0]?.variant;
    if (first !== former)
      turns.push({
        question,
        answer,
        about,
        first: first ?? 'none',
        because: because(other, ranking, former),
      });
  }
  for (const harder of HARDER) {
    if (!worsens(harder, answers['network']!)) continue;
    const ranking = rank(answers, evidence.cells(scenarioOf(answers, own, harder)));
    const first = ranking[0]?.variant;
    if (first === undefined || first === former) continue;
    const { id, about } = harder;
    turns.push({
      question: 'network',
      answer: `with ${id}`,
      about,
      first,
      because: because(answers, ranking, former),
    });
  }
  for (const { question } of turns) looked.delete(question);
  const place = ({ question }: Turn): number => QUESTIONS.findIndex((q) => q.id === question);
  return { turns: turns.sort((a, b) => place(a) - place(b)), unmoved: [...looked] };
}

const MEASURES: readonly (readonly [
  measure: keyof Figures,
  before: string,
  digits: number,
  after: string,
])[] = [
  ['bytesPerMessage', '', 0, ' octets a message'],
  ['p99Ms', 'p99 ', 1, ' ms'],
  ['deliveredPercent', '', 1, ' % delivered'],
  ['setupBytes', '', 0, ' octets to set up'],
  ['idleBytesPerHour', '', 0, ' octets an idle hour'],
  ['energyProxyMj', 'energy proxy ', 1, ' mJ'],
];

/** Why the first of a ranking is before `former`. */
function because(answers: Answers, ranking: readonly Ranked[], former: string | undefined): string {
  const [first] = ranking;
  const variant = VARIANTS.find((v) => v.id === former);
  const out = variant === undefined ? undefined : exclusions(variant, answers)[0];
  if (out !== undefined) return `${former}: ${out.because}`;
  const other = ranking.find((r) => r.variant === former);
  if (first === undefined) return 'nothing fits';
  if (other === undefined) return former === undefined ? 'it fits' : `${former} delivered nothing`;
  const gains: { readonly text: string; readonly gain: number }[] = [];
  for (const [measure, before, digits, after] of MEASURES)
    gains.push({
      text: `${before}${format(first.figures[measure], digits)}${after} against ${format(other.figures[measure], digits)}`,
      gain: first.worth[measure] - other.worth[measure],
    });
  for (const { rule, because: text, points } of first.reasons)
    if (!other.reasons.some((r) => r.rule === rule)) gains.push({ text, gain: points! });
  for (const { rule, because: text, points } of other.reasons)
    if (!first.reasons.some((r) => r.rule === rule))
      gains.push({ text: `${former}: ${text}`, gain: -points! });
  const most = gains.reduce((a, b) => (b.gain > a.gain ? b : a));
  return most.text;
}
