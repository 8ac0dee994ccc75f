// From the hub's counters to rates.

import type { Figures } from '../api.ts';

type Protocol = Figures['protocols'][string];

export function total(f: Figures, of: (p: Protocol) => number): number {
  return Object.values(f.protocols).reduce((all, p) => all + of(p), 0);
}

export function sum(byQos: readonly number[]): number {
  return byQos.reduce((all, n) => all + n, 0);
}

/** What a counter grew by a second, between one figure and the next. */
export function growth(figures: readonly Figures[], of: (f: Figures) => number): number[] {
  return figures.slice(1).map((f, i) => {
    const before = figures[i]!;
    const seconds = (f.at - before.at) / 1_000;
    return seconds > 0 ? Math.max(0, of(f) - of(before)) / seconds : 0; // a hub that was restarted counts from 0
  });
}

/** How late the event loop ran on average, ms. */
export function lags(figures: readonly Figures[]): number[] {
  return figures.slice(1).map((f, i) => {
    const samples = f.lagSamples - figures[i]!.lagSamples;
    return samples > 0 ? ((f.lagSeconds - figures[i]!.lagSeconds) / samples) * 1_000 : 0;
  });
}
