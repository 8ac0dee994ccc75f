// What a rate costs with each variant, and where two of them change places.

import type { Cell } from '../result.ts';

/** Octets an hour that one device's link carries at so many messages an hour. */
export interface Cost {
  readonly rate: number;
  readonly octets: number;
}

export interface Curve {
  readonly variant: string;
  readonly costs: readonly Cost[];
}

/** At `rate` messages an hour `below`, cheaper before, and `above`, cheaper beyond, cost the same. */
export interface Crossing {
  readonly below: string;
  readonly above: string;
  readonly rate: number;
  readonly octets: number;
}

const HOUR_MS = 3_600_000;

/** The curves of one network, from the cells of a rate sweep. Cells that came to no end are left out. */
export function curvesOf(sweep: readonly Cell[], devices: number): Curve[] {
  const byVariant = new Map<string, Cost[]>();
  for (const c of sweep) {
    if (c.point?.kind !== 'rate' || c.failure !== undefined) continue;
    const perDevice = c.messages.published / devices;
    const hours = perDevice / c.point.value;
    const octets = (c.bytes.total - c.setupBytes) / devices / hours;
    const costs = byVariant.get(c.variant) ?? [];
    costs.push({ rate: c.point.value, octets });
    byVariant.set(c.variant, costs);
  }
  return [...byVariant].map(([variant, costs]) => ({
    variant,
    costs: costs.sort((a, b) => a.rate - b.rate),
  }));
}

/** All points where two curves cross, by straight lines between logarithms. */
export function crossingsOf(curves: readonly Curve[]): Crossing[] {
  const found: Crossing[] = [];
  curves.forEach((a, i) => {
    for (const b of curves.slice(i + 1)) found.push(...crossingsOfTwo(a, b));
  });
  return found.sort((x, y) => x.rate - y.rate);
}

function crossingsOfTwo(a: Curve, b: Curve): Crossing[] {
  const found: Crossing[] = [];
  const log = (c: Cost | undefined): number => Math.log(Math.max(1, c?.octets ?? 1));
  for (let i = 1; i < Math.min(a.costs.length, b.costs.length); i++) {
    const before = log(a.costs[i - 1]) - log(b.costs[i - 1]);
    const after = log(a.costs[i]) - log(b.costs[i]);
    if (before === 0 || after === 0 || before > 0 === after > 0) continue;
    const share = before / (before - after);
    const from = a.costs[i - 1]!;
    const to = a.costs[i]!;
    const rate = Math.exp(Math.log(from.rate) + share * (Math.log(to.rate) - Math.log(from.rate)));
    const octets = Math.exp(log(from) + share * (log(to) - log(from)));
    const [below, above] = before < 0 ? [a.variant, b.variant] : [b.variant, a.variant];
    found.push({ below, above, rate, octets });
  }
  return found;
}

/** Those crossings at which the cheapest of all changes. */
export function changesOfBest(curves: readonly Curve[], crossings: readonly Crossing[]): Crossing[] {
  return crossings.filter((x) =>
    curves.every((c) => c.variant === x.below || c.variant === x.above || costAt(c, x.rate) >= x.octets),
  );
}

function costAt(curve: Curve, rate: number): number {
  const { costs } = curve;
  const i = costs.findIndex((c) => c.rate >= rate);
  if (i <= 0) return costs[Math.max(0, i)]?.octets ?? Number.POSITIVE_INFINITY;
  const from = costs[i - 1]!;
  const to = costs[i]!;
  const share = (Math.log(rate) - Math.log(from.rate)) / (Math.log(to.rate) - Math.log(from.rate));
  return Math.exp(Math.log(from.octets) + share * (Math.log(to.octets) - Math.log(from.octets)));
}

/** `one message every 12 minutes` */
export function rateInWords(perHour: number): string {
  const seconds = HOUR_MS / 1_000 / perHour;
  if (seconds < 1.5) return `${(1 / seconds).toFixed(1)} messages a second`;
  if (seconds < 90) return `one message every ${seconds.toFixed(0)} s`;
  if (seconds < 5_400) return `one message every ${(seconds / 60).toFixed(0)} minutes`;
  return `one message every ${(seconds / 3_600).toFixed(1)} hours`;
}
