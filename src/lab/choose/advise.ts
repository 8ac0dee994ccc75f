// The advice: rules take variants out and give points, measurements rank the rest, and every answer is turned to see what would change.

import { energyPerMessage } from '../report/columns.ts';
import type { Cell } from '../result.ts';
import { VARIANTS, type Variant } from '../variant.ts';
import type { WorkloadInput } from '../workload.ts';
import { codeFor, type Start } from './code.ts';
import { type Answers, QUESTIONS } from './questions.ts';
import { RULES, type Rule, selects } from './rules.ts';

export interface Reason {
  readonly rule: string;
  readonly because: string;
  readonly source: string;
  /** Points; absent for what takes a variant out. */
  readonly points?: number;
}

export interface Figures {
  readonly bytesPerMessage: number;
  readonly p99Ms: number;
  readonly deliveredPercent: number;
  readonly setupBytes: number;
  readonly idleBytesPerHour: number;
  readonly energyProxyMj: number;
}

export interface Ranked {
  readonly variant: string;
  readonly title: string;
  /** What its figures are worth, 0 to 1, and what rules add. */
  readonly score: number;
  readonly measured: number;
  readonly figures: Figures;
  readonly reasons: readonly Reason[];
}

/** With another answer to one question, another one is first. */
export interface Turn {
  readonly question: string;
  readonly answer: string;
  readonly about: string;
  readonly first: string;
}

export interface Advice {
  readonly answers: Answers;
  readonly ranking: readonly Ranked[];
  readonly excluded: readonly { readonly variant: string; readonly reasons: readonly Reason[] }[];
  readonly turns: readonly Turn[];
  readonly start: Start | undefined;
  /** What was measured, for whoever wants to see it again. */
  readonly run: string;
}

/** How much each measure weighs. The sum is 1. */
export interface Weights {
  readonly bytes: number;
  readonly latency: number;
  readonly delivered: number;
  readonly setup: number;
  readonly idle: number;
  readonly energy: number;
}

/** On mains power octets and latency count; on a battery the radio does; where radio time is bought, octets. */
export function weightsOf(answers: Answers): Weights {
  if (answers['power'] === 'battery')
    return { bytes: 0.2, latency: 0.05, delivered: 0.2, setup: 0.1, idle: 0.1, energy: 0.35 };
  if (answers['model'] === 'commands' || answers['model'] === 'requests')
    return { bytes: 0.15, latency: 0.35, delivered: 0.25, setup: 0.1, idle: 0.15, energy: 0 };
  return { bytes: 0.35, latency: 0.2, delivered: 0.25, setup: 0.1, idle: 0.1, energy: 0 };
}

const MESSAGES = 100;
const QUIET_SECONDS = 900;
/** One a minute: what a sensor does. */
const RATE = 1 / 60;

/** The run that the advice needs: every variant that there is, so that answers can be turned. */
export function workloadFor(answers: Answers, own: WorkloadInput): WorkloadInput {
  return {
    messages: MESSAGES,
    rate: RATE,
    // A device that only reports need not be reached: it saves its keep-alives.
    ...(answers['power'] === 'battery' && answers['model'] === 'telemetry'
      ? { keepAliveSeconds: QUIET_SECONDS }
      : {}),
    ...own,
    direction: own.direction ?? (answers['model'] === 'commands' ? 'down' : 'up'),
    networks: [answers['network']!],
    variants: 'all',
  };
}

/** `cells`: of one network and workload, as many variants as were measured. */
export function advise(answers: Answers, cells: readonly Cell[], run: string): Advice {
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
    turns: turnsOf(answers, cells, first?.variant),
    start: variant === undefined ? undefined : codeFor(variant),
    run,
  };
}

function applies(rule: Rule, answers: Answers): boolean {
  return Object.entries(rule.when).every(([question, values]) => values.includes(answers[question]!));
}

function reasonsFor(v: Variant, answers: Answers): { out: Reason[]; points: Reason[] } {
  const out: Reason[] = [];
  const points: Reason[] = [];
  for (const rule of RULES) {
    if (!applies(rule, answers) || !selects(rule.about, v)) continue;
    const reason = { rule: rule.id, because: rule.because, source: rule.source };
    if (rule.effect === 'excludes') out.push(reason);
    else points.push({ ...reason, points: rule.effect });
  }
  return { out, points };
}

function exclusions(v: Variant, answers: Answers): Reason[] {
  return reasonsFor(v, answers).out;
}

function rank(answers: Answers, cells: readonly Cell[]): Ranked[] {
  const weights = weightsOf(answers);
  const candidates = cells.flatMap((cell) => {
    const variant = VARIANTS.find((v) => v.id === cell.variant);
    if (variant === undefined || cell.failure !== undefined) return [];
    const { out, points } = reasonsFor(variant, answers);
    return out.length > 0 ? [] : [{ variant, points, figures: figuresOf(cell) }];
  });
  const best = (of: (f: Figures) => number): number => Math.min(...candidates.map((c) => of(c.figures)));
  const bests = {
    bytes: best((f) => f.bytesPerMessage),
    latency: best((f) => f.p99Ms),
    setup: best((f) => f.setupBytes),
    idle: best((f) => f.idleBytesPerHour),
    energy: best((f) => f.energyProxyMj),
  };
  return candidates
    .map(({ variant, points, figures: f }) => {
      const measured =
        weights.bytes * ratio(bests.bytes, f.bytesPerMessage) +
        weights.latency * ratio(bests.latency, f.p99Ms) +
        weights.delivered * (f.deliveredPercent / 100) ** DELIVERY_POWER +
        weights.setup * ratio(bests.setup, f.setupBytes) +
        weights.idle * ratio(bests.idle, f.idleBytesPerHour) +
        weights.energy * ratio(bests.energy, f.energyProxyMj);
      const score = measured + points.reduce((sum, r) => sum + r.points!, 0);
      return {
        variant: variant.id,
        title: variant.title,
        score: Math.round(score * 1_000) / 1_000,
        measured: Math.round(measured * 1_000) / 1_000,
        figures: f,
        reasons: points,
      };
    })
    .sort((a, b) => b.score - a.score || (a.variant < b.variant ? -1 : 1));
}

/** A per cent of loss weighs more than a per cent of octets. */
const DELIVERY_POWER = 10;

/** 1 for the best, a half for twice as much. What costs nothing at all is beside what costs little. */
function ratio(best: number, value: number): number {
  return (best + 1) / (value + 1);
}

function figuresOf(c: Cell): Figures {
  return {
    bytesPerMessage: c.bytesPerMessage,
    p99Ms: c.latency.p99,
    deliveredPercent: (100 * c.messages.delivered) / c.messages.expected,
    setupBytes: c.setupBytes,
    idleBytesPerHour: c.idle.bytesPerHour,
    energyProxyMj: Math.round(energyPerMessage(c) * 10) / 10,
  };
}

/** Answers are turned one by one. The network is left: another one would have to be measured. */
function turnsOf(answers: Answers, cells: readonly Cell[], first: string | undefined): Turn[] {
  const turns: Turn[] = [];
  for (const { id, choices } of QUESTIONS) {
    if (id === 'network') continue;
    for (const { value, about } of choices) {
      if (value === answers[id]) continue;
      const other = rank({ ...answers, [id]: value }, cells)[0];
      if (other?.variant !== first)
        turns.push({ question: id, answer: value, about, first: other?.variant ?? 'none' });
    }
  }
  return turns;
}
