// The distribution of latency: the share of messages that had arrived after so long.

import type { Cell } from '../../../src/lab/result.ts';
import { msInWords, type Row } from './bars.tsx';
import { Curves, type Points } from './curves.tsx';
import { decades, evenly } from './scale.ts';

interface CdfProps {
  readonly rows: readonly Row[];
  readonly names: readonly string[];
}

export function LatencyCdf({ rows, names }: CdfProps) {
  const bundles = rows.map(({ variant, cells }) => ({ variant, runs: cells.map(pointsOf) }));
  const values = bundles.flatMap(({ runs }) => runs.flat().map(([ms]) => ms));
  return (
    <Curves
      title="Distribution of latency"
      about="Messages that had arrived after so long; a curve that ends below 100 % lost the rest."
      bundles={bundles}
      names={names}
      x={decades(values, decadeInWords)}
      y={evenly(0, 100, [0, 25, 50, 75, 100], (percent) => `${percent}%`)}
      steps
      at={(ms) => `after ${msInWords(ms)}`}
      read={(points, ms) => `${(points.findLast(([at]) => at <= ms)?.[1] ?? 0).toFixed(1)} %`}
      inWords={inWords}
    />
  );
}

function pointsOf(cell: Cell | undefined): Points {
  if (cell === undefined) return [];
  const { latency, messages } = cell;
  const reached = messages.delivered / Math.max(1, messages.expected);
  return latency.cdf.map(([percent, ms]) => [Math.max(0.01, ms), reached * percent]);
}

export function decadeInWords(ms: number): string {
  return ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`;
}

function inWords(points: Points): string {
  const half = points.find(([, percent]) => percent >= 50);
  const last = points.at(-1)!;
  const middle = half === undefined ? '' : `half by ${msInWords(half[0])}, `;
  return `${middle}${last[1].toFixed(1)} % by ${msInWords(last[0])}`;
}
