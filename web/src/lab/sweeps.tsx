// What a run measured at several shares of loss and at several rates: latency and delivery against loss, cost against rate.

import { format } from '../../../src/lab/report/columns.ts';
import { changesOfBest, crossingsOf, curvesOf, rateInWords } from '../../../src/lab/report/crossings.ts';
import type { Cell } from '../../../src/lab/result.ts';
import { msInWords } from './bars.tsx';
import { decadeInWords } from './cdf.tsx';
import { type Bundle, Curves, type Points } from './curves.tsx';
import { decades, evenly } from './scale.ts';

interface SweepsProps {
  /** The points of each run on its network. */
  readonly runs: readonly (readonly Cell[])[];
  readonly names: readonly string[];
  /** Of each run: what is carried is of one of them. */
  readonly devices: readonly number[];
}

export function Sweeps({ runs, names, devices }: SweepsProps) {
  const kinds = new Set(runs.flat().map((c) => c.point?.kind));
  return (
    <>
      {kinds.has('loss') && <AgainstLoss runs={runs} names={names} />}
      {kinds.has('rate') && <AgainstRate runs={runs} names={names} devices={devices} />}
    </>
  );
}

const PERCENTS = [0, 5, 10, 15, 20] as const;

function AgainstLoss({ runs, names }: Omit<SweepsProps, 'devices'>) {
  const loss = runs.map((cells) => cells.filter((c) => c.point?.kind === 'loss'));
  const bundles = (of: (c: Cell) => number) =>
    bundlesOf(loss, (cells) => cells.map((c) => [100 * c.point!.value, of(c)]));
  // Of nothing there is no latency.
  const latency = bundles((c) => (c.messages.delivered === 0 ? Number.NaN : Math.max(0.01, c.latency.p99)));
  const delivered = bundles((c) => (100 * c.messages.delivered) / Math.max(1, c.messages.expected));
  const x = evenly(0, 20, PERCENTS, (percent) => `${percent}%`);
  const at = (percent: number) => `at ${percent.toFixed(0)} % loss`;
  const inPercent = (value: number) => `${format(value, 1)} %`;
  return (
    <>
      <Curves
        title="Latency against loss"
        about="The 99th percentile of what arrived, by the share of frames that the network loses."
        bundles={latency}
        names={names}
        x={x}
        y={decades(valuesOf(latency), decadeInWords)}
        at={at}
        read={(points, percent) => msInWords(nearest(points, percent))}
        inWords={(points) => ends(points, msInWords, inPercent)}
      />
      <Curves
        title="Delivered against loss"
        about="What arrived, by the share of frames that the network loses."
        bundles={delivered}
        names={names}
        x={x}
        y={evenly(0, 100, [0, 25, 50, 75, 100], (percent) => `${percent}%`)}
        at={at}
        read={(points, percent) => inPercent(nearest(points, percent))}
        inWords={(points) => ends(points, inPercent, inPercent)}
      />
    </>
  );
}

function AgainstRate({ runs, names, devices }: SweepsProps) {
  const costs = runs.map((cells, i) => curvesOf(cells, devices[i]!));
  const variants = [...new Set(costs.flat().map((c) => c.variant))];
  const bundles = variants.map((variant) => ({
    variant,
    runs: costs.map(
      (curves): Points =>
        (curves.find((c) => c.variant === variant)?.costs ?? []).map((c) => [c.rate, Math.max(1, c.octets)]),
    ),
  }));
  const rates = bundles.flatMap(({ runs: all }) => all.flat().map(([rate]) => rate));
  const octets = (value: number) => `${format(value, 0)} octets`;
  return (
    <Curves
      title="Cost against message rate"
      about="Octets an hour of one device by its messages an hour, keep-alives included, set-up not."
      bundles={bundles}
      names={names}
      x={decades(rates, (rate) => format(rate, 0))}
      y={decades(valuesOf(bundles), short)}
      at={rateInWords}
      read={(points, rate) => octets(nearest(points, rate))}
      inWords={(points) => ends(points, octets, rateInWords)}
    >
      {costs.map((curves, i) => {
        const changes = changesOfBest(curves, crossingsOf(curves));
        return (
          <div key={names[i] ?? ''} class="small lab-crossings">
            <h3>Where the cheapest changes{names[i] === undefined ? '' : ` in ${names[i]}`}</h3>
            {changes.length === 0 && <p>The same variant is the cheapest at every rate.</p>}
            <ul>
              {changes.map((x) => (
                <li key={`${x.below} ${x.above} ${x.rate}`}>
                  At {rateInWords(x.rate)}: below it <code>{x.below}</code>, above it <code>{x.above}</code>.
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </Curves>
  );
}

function bundlesOf(
  runs: readonly (readonly Cell[])[],
  pointsOf: (cells: readonly Cell[]) => Points,
): readonly Bundle[] {
  const variants = [...new Set(runs.flat().map((c) => c.variant))];
  return variants.map((variant) => ({
    variant,
    runs: runs.map((cells) =>
      pointsOf(cells.filter((c) => c.variant === variant))
        .filter(([, value]) => !Number.isNaN(value))
        .sort(([a], [b]) => a - b),
    ),
  }));
}

function valuesOf(bundles: readonly Bundle[]): number[] {
  return bundles.flatMap(({ runs }) => runs.flat().map(([, value]) => value));
}

/** The value at the measured point that is closest. */
function nearest(points: Points, x: number): number {
  return points.reduce((best, one) => (Math.abs(one[0] - x) < Math.abs(best[0] - x) ? one : best))[1];
}

function ends(points: Points, value: (v: number) => string, x: (v: number) => string): string {
  const [first, last] = [points[0]!, points.at(-1)!];
  return `${value(first[1])} at ${x(first[0])}, ${value(last[1])} at ${x(last[0])}`;
}

const SHORT = new Intl.NumberFormat('en', { notation: 'compact' });

function short(value: number): string {
  return SHORT.format(value);
}
