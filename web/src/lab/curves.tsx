// Curves of variants in one picture, drawn as SVG: at most as many as there are colours, put in and out by their names.

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { place, type Scale, valueAt } from './scale.ts';

/** As many as there are colours. */
const MAX_SHOWN = 8;
const HEIGHT = 300;
const LEFT = 48;
const RIGHT = 22;
const TOP = 10;
const BOTTOM = 26;
const DEFAULT_WIDTH = 640;

export type Points = readonly (readonly [x: number, y: number])[];

/** One variant: its points in each run that is shown; none where it is not in it. */
export interface Bundle {
  readonly variant: string;
  readonly runs: readonly Points[];
}

interface Curve {
  /** `mqtt5-qos0`, or `mqtt5-qos0 A` */
  readonly name: string;
  readonly colour: number;
  /** Of the second run. */
  readonly dashed: boolean;
  readonly points: Points;
}

interface Axes {
  readonly x: Scale;
  readonly y: Scale;
  /** A value stays until the next point; otherwise lines lead from one to the next. */
  readonly steps?: true;
  /** What is read off at `x`. */
  readonly at: (x: number) => string;
  readonly read: (points: Points, x: number) => string;
  /** A curve for who cannot see it. */
  readonly inWords: (points: Points) => string;
}

interface CurvesProps extends Axes {
  readonly title: string;
  readonly about: ComponentChildren;
  readonly bundles: readonly Bundle[];
  /** How two runs are told apart; of one, nothing. */
  readonly names: readonly string[];
  readonly children?: ComponentChildren;
}

export function Curves({ title, about, bundles, names, children, ...axes }: CurvesProps) {
  const hidden = useSignal<ReadonlySet<string> | undefined>(undefined);
  const all = bundles.map((b) => b.variant);
  const off = hidden.value ?? new Set(all.slice(MAX_SHOWN));
  const shown = all.filter((v) => !off.has(v));
  const curves = shown.flatMap((variant, colour) =>
    bundles
      .find((b) => b.variant === variant)!
      .runs.flatMap((points, i): Curve[] =>
        points.length === 0
          ? []
          : [{ name: [variant, ...names.slice(i, i + 1)].join(' '), colour, dashed: i > 0, points }],
      ),
  );
  const toggle = (variant: string) => {
    const next = new Set(off);
    if (!next.delete(variant)) next.add(variant);
    hidden.value = next;
  };
  return (
    <section class="card lab-plot lab-wide" aria-label={title}>
      <h2>{title}</h2>
      <p class="quiet small">
        {about}
        {names.length > 1 && ` ${names[0]} is drawn through, ${names[1]} dashed.`}
      </p>
      <Picture curves={curves} {...axes} />
      <ul class="row wrap lab-choices" aria-label="Curves">
        {all.map((variant) => {
          const at = shown.indexOf(variant);
          const full = at < 0 && shown.length >= MAX_SHOWN;
          return (
            <li key={variant}>
              <button
                type="button"
                class={at >= 0 ? `mono colour${at}` : 'mono'}
                aria-pressed={at >= 0}
                disabled={full}
                title={full ? `${MAX_SHOWN} at a time: put another one away first` : undefined}
                onClick={() => toggle(variant)}
              >
                <i class="dot" />
                {variant}
              </button>
            </li>
          );
        })}
      </ul>
      {children}
    </section>
  );
}

function Picture({ curves, x, y, steps, at, read, inWords }: Axes & { readonly curves: readonly Curve[] }) {
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
  const right = width.value - RIGHT;
  const bottom = HEIGHT - BOTTOM;
  const across = (value: number) => LEFT + place(x, value) * (right - LEFT);
  const up = (value: number) => bottom - place(y, value) * (bottom - TOP);
  const point = (event: PointerEvent) => {
    const share = (event.clientX - box.current!.getBoundingClientRect().left - LEFT) / (right - LEFT);
    under.value = share < 0 || share > 1 ? undefined : valueAt(x, share);
  };
  const pathOf = ({ points }: Curve) =>
    points
      .map(([px, py], i) => {
        const [h, v] = [across(px).toFixed(1), up(py).toFixed(1)];
        return i === 0 ? `M${h} ${v}` : steps ? `H${h}V${v}` : `L${h} ${v}`;
      })
      .join('');
  return (
    <div
      class="lab-curves"
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
        aria-label={curves.map((c) => `${c.name}: ${inWords(c.points)}`).join('; ')}
      >
        {x.ticks.map((tick) => (
          <g key={tick}>
            <path class="grid" d={`M${across(tick)} ${TOP}V${bottom}`} />
            <text x={across(tick)} y={HEIGHT - 8} text-anchor="middle">
              {x.text(tick)}
            </text>
          </g>
        ))}
        {y.ticks.map((tick) => (
          <g key={tick}>
            <path class="grid" d={`M${LEFT} ${up(tick)}H${right}`} />
            <text x={LEFT - 6} y={up(tick) + 4} text-anchor="end">
              {y.text(tick)}
            </text>
          </g>
        ))}
        {curves.map((c) => (
          <path key={c.name} class={`curve colour${c.colour} ${c.dashed ? 'dashed' : ''}`} d={pathOf(c)} />
        ))}
        {under.value !== undefined && <path class="under" d={`M${across(under.value)} ${TOP}V${bottom}`} />}
      </svg>
      {under.value !== undefined && (
        <div class={place(x, under.value) > 0.5 ? 'chart-tip lab-tip left' : 'chart-tip lab-tip'}>
          {[at(under.value), ...curves.map((c) => `${c.name} ${read(c.points, under.value!)}`)].join('\n')}
        </div>
      )}
    </div>
  );
}
