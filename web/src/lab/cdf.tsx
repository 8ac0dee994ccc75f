// The distribution of latency: the share of messages that had arrived after so long, on a logarithmic axis, drawn as SVG.

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Cell } from '../../../src/lab/result.ts';
import { msInWords, type Row } from './bars.tsx';

/** As many as there are colours. */
const MAX_SHOWN = 8;
const HEIGHT = 300;
const LEFT = 40;
const RIGHT = 22;
const TOP = 10;
const BOTTOM = 26;
const DEFAULT_WIDTH = 640;

interface Curve {
  readonly variant: string;
  readonly name: string | undefined;
  readonly colour: number;
  /** Of the second run. */
  readonly dashed: boolean;
  readonly points: readonly (readonly [ms: number, percent: number])[];
}

interface CdfProps {
  readonly rows: readonly Row[];
  readonly names: readonly string[];
}

export function LatencyCdf({ rows, names }: CdfProps) {
  const hidden = useSignal<ReadonlySet<string> | undefined>(undefined);
  const all = rows.map((r) => r.variant);
  const off = hidden.value ?? new Set(all.slice(MAX_SHOWN));
  const shown = all.filter((v) => !off.has(v));
  const curves = shown
    .slice(0, MAX_SHOWN)
    .flatMap((variant, colour) =>
      rows
        .find((r) => r.variant === variant)!
        .cells.flatMap((cell, i) =>
          cell === undefined || cell.latency.cdf.length === 0
            ? []
            : [{ variant, name: names[i], colour, dashed: i > 0, points: pointsOf(cell) }],
        ),
    );
  const toggle = (variant: string) => {
    const next = new Set(off);
    if (!next.delete(variant)) next.add(variant);
    hidden.value = next;
  };
  return (
    <section class="card lab-plot lab-wide" aria-label="Distribution of latency">
      <h2>Distribution of latency</h2>
      <p class="quiet small">
        Messages that had arrived after so long; a curve that ends below 100 % lost the rest.
        {names.length > 1 && ` ${names[0]} is drawn through, ${names[1]} dashed.`}
      </p>
      <Picture curves={curves} />
      <ul class="row wrap lab-choices" aria-label="Curves">
        {all.map((variant) => {
          const place = shown.indexOf(variant);
          return (
            <li key={variant}>
              <button
                type="button"
                class={place >= 0 ? `mono colour${place % MAX_SHOWN}` : 'mono'}
                aria-pressed={place >= 0}
                disabled={place < 0 && shown.length >= MAX_SHOWN}
                title={
                  place < 0 && shown.length >= MAX_SHOWN
                    ? `${MAX_SHOWN} at a time: put another one away first`
                    : undefined
                }
                onClick={() => toggle(variant)}
              >
                <i class="dot" />
                {variant}
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function pointsOf({ latency, messages }: Cell): readonly (readonly [number, number])[] {
  const reached = messages.delivered / Math.max(1, messages.expected);
  return latency.cdf.map(([percent, ms]) => [Math.max(0.01, ms), reached * percent]);
}

function Picture({ curves }: { readonly curves: readonly Curve[] }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useSignal(DEFAULT_WIDTH);
  const under = useSignal<number | undefined>(undefined);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      width.value = Math.max(240, entry!.contentRect.width);
    });
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  const values = curves.flatMap((c) => c.points.map(([ms]) => ms));
  const low = values.length === 0 ? 0 : Math.floor(Math.log10(Math.min(...values)));
  const high = values.length === 0 ? 3 : Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const right = width.value - RIGHT;
  const bottom = HEIGHT - BOTTOM;
  const x = (ms: number) => LEFT + ((Math.log10(ms) - low) / (high - low)) * (right - LEFT);
  const y = (percent: number) => bottom - (percent / 100) * (bottom - TOP);
  const point = (event: PointerEvent) => {
    const at = event.clientX - box.current!.getBoundingClientRect().left;
    under.value =
      at < LEFT || at > right ? undefined : 10 ** (low + ((at - LEFT) / (right - LEFT)) * (high - low));
  };
  const decades = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return (
    <div
      class="lab-cdf"
      ref={box}
      onPointerMove={point}
      onPointerLeave={() => {
        under.value = undefined;
      }}
    >
      <svg
        viewBox={`0 0 ${width.value} ${HEIGHT}`}
        width="100%"
        height={HEIGHT}
        role="img"
        aria-label={curves.map(inWords).join('; ')}
      >
        {decades.map((ms) => (
          <g key={ms}>
            <path class="grid" d={`M${x(ms)} ${TOP}V${bottom}`} />
            <text x={x(ms)} y={HEIGHT - 8} text-anchor="middle">
              {decadeInWords(ms)}
            </text>
          </g>
        ))}
        {[0, 25, 50, 75, 100].map((percent) => (
          <g key={percent}>
            <path class="grid" d={`M${LEFT} ${y(percent)}H${right}`} />
            <text x={LEFT - 6} y={y(percent) + 4} text-anchor="end">
              {percent}%
            </text>
          </g>
        ))}
        {curves.map((c) => (
          <path
            key={`${c.variant} ${c.name}`}
            class={`curve colour${c.colour} ${c.dashed ? 'dashed' : ''}`}
            d={stepsOf(c, x, y)}
          />
        ))}
        {under.value !== undefined && <path class="under" d={`M${x(under.value)} ${TOP}V${bottom}`} />}
      </svg>
      {under.value !== undefined && (
        <div class={x(under.value) > width.value / 2 ? 'chart-tip lab-tip left' : 'chart-tip lab-tip'}>
          {[
            `after ${msInWords(under.value)}`,
            ...curves.map(
              (c) =>
                `${c.variant}${c.name === undefined ? '' : ` ${c.name}`} ${arrivedBy(c, under.value!)} %`,
            ),
          ].join('\n')}
        </div>
      )}
    </div>
  );
}

function decadeInWords(ms: number): string {
  return ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`;
}

/** It stays where it was until the next one arrives. */
function stepsOf({ points }: Curve, x: (ms: number) => number, y: (percent: number) => number): string {
  let path = '';
  for (const [ms, percent] of points)
    path +=
      path === ''
        ? `M${x(ms).toFixed(1)} ${y(percent).toFixed(1)}`
        : `H${x(ms).toFixed(1)}V${y(percent).toFixed(1)}`;
  return path;
}

function arrivedBy({ points }: Curve, ms: number): string {
  return (points.findLast(([at]) => at <= ms)?.[1] ?? 0).toFixed(1);
}

function inWords({ variant, name, points }: Curve): string {
  const half = points.find(([, percent]) => percent >= 50);
  const last = points.at(-1)!;
  const who = name === undefined ? variant : `${variant} of ${name}`;
  const middle = half === undefined ? '' : `half by ${msInWords(half[0])}, `;
  return `${who}: ${middle}${last[1].toFixed(1)} % by ${msInWords(last[0])}`;
}
