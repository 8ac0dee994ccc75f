// Scores: rules take variants out and give points, figures rank the rest.

import { energyPerMessage } from '../report/columns.ts';
import type { Cell } from '../result.ts';
import { VARIANTS, type Variant } from '../variant.ts';
import type { Answers, Figures, Ranked, Reason, Weights } from './advice.ts';
import { RULES, type Rule, selects } from './rules.ts';

/** On mains power octets and latency count; on a battery the radio does; where somebody waits for the message, latency. */
export function weightsOf(answers: Answers): Weights {
  const weights = (
    bytesPerMessage: number,
    p99Ms: number,
    deliveredPercent: number,
    setupBytes: number,
    idleBytesPerHour: number,
    energyProxyMj: number,
  ): Weights => ({ bytesPerMessage, p99Ms, deliveredPercent, setupBytes, idleBytesPerHour, energyProxyMj });
  if (answers['power'] === 'battery') return weights(0.2, 0.05, 0.2, 0.1, 0.1, 0.35);
  if (answers['model'] === 'commands' || answers['model'] === 'requests')
    return weights(0.15, 0.35, 0.25, 0.1, 0.15, 0);
  return weights(0.35, 0.2, 0.25, 0.1, 0.1, 0);
}

/** The measures of which less is better. */
const COSTS = ['bytesPerMessage', 'p99Ms', 'setupBytes', 'idleBytesPerHour', 'energyProxyMj'] as const;

/** What speaks against a variant so that it is out, under these answers. */
export function exclusions(v: Variant, answers: Answers, rules: readonly Rule[] = RULES): Reason[] {
  return rules
    .filter((rule) => rule.effect === 'excludes' && concerns(rule, v, answers))
    .map(({ id, because, source }) => ({ rule: id, because, source }));
}

function points(v: Variant, answers: Answers, rules: readonly Rule[]): Reason[] {
  return rules.flatMap(({ id, because, source, effect, ...rule }) =>
    effect !== 'excludes' && concerns(rule, v, answers)
      ? [{ rule: id, because, source, points: effect }]
      : [],
  );
}

function concerns({ when, about }: Pick<Rule, 'when' | 'about'>, v: Variant, answers: Answers): boolean {
  for (const question in when) if (!when[question]!.includes(answers[question]!)) return false;
  return selects(about, v);
}

/** Those that are not excluded and delivered something, the best first. */
export function rank(answers: Answers, cells: readonly Cell[], rules: readonly Rule[] = RULES): Ranked[] {
  const weights = weightsOf(answers);
  const candidates = cells.flatMap((cell) => {
    const variant = VARIANTS.find((v) => v.id === cell.variant);
    if (variant === undefined || cell.failure !== undefined || cell.messages.delivered === 0) return [];
    return exclusions(variant, answers, rules).length > 0 ? [] : [{ variant, figures: figuresOf(cell) }];
  });
  const best = (measure: keyof Figures): number => Math.min(...candidates.map((c) => c.figures[measure]));
  const bests = Object.fromEntries(COSTS.map((m) => [m, best(m)])) as Record<keyof Figures, number>;
  return candidates
    .map(({ variant, figures }): Ranked => {
      const worth = {
        ...weights,
        deliveredPercent: thousandths(
          weights.deliveredPercent * (figures.deliveredPercent / 100) ** DELIVERY_POWER,
        ),
      };
      for (const m of COSTS) worth[m] = thousandths(weights[m] * ratio(bests[m], figures[m]));
      const measured = Object.values(worth).reduce((sum, one) => sum + one, 0);
      const reasons = points(variant, answers, rules);
      return {
        variant: variant.id,
        title: variant.title,
        score: thousandths(measured + reasons.reduce((sum, r) => sum + r.points!, 0)),
        measured: thousandths(measured),
        worth,
        figures,
        reasons,
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

function thousandths(value: number): number {
  return Math.round(value * 1_000) / 1_000;
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
