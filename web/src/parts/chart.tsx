// Charts: small ones drawn here as SVG, large ones by uPlot, which is loaded when the first of them is shown.

import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import { dark } from '../frame/theme.ts';

const WIDTH = 180;
const HEIGHT = 40;

/** The shape of the last values, without axes. */
export function Spark({ points }: { readonly points: readonly number[] }) {
  const most = Math.max(...points, 1e-9);
  const least = Math.min(...points, 0);
  const x = (i: number) => (i / (points.length - 1)) * WIDTH;
  const y = (v: number) => HEIGHT - 2 - ((v - least) / (most - least)) * (HEIGHT - 5);
  const line =
    points.length < 2
      ? ''
      : points.map((v, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join('');
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {line !== '' && (
        <>
          <path class="area" d={`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
          <path class="stroke" d={line} />
        </>
      )}
    </svg>
  );
}

export interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
  /** One of the colours of subscriptions. */
  readonly colour: number;
}

interface ChartProps {
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height: number;
  readonly label: string;
  readonly format: (value: number) => string;
}

export function Chart({ times, series, height, label, format }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shape = series.map((s) => `${s.name}\n${s.colour}`).join('\n');
  const data = [times, ...series.map((s) => s.values)] as unknown as uPlot.AlignedData;
  const newest = useRef(data);
  newest.current = data;

  useEffect(() => {
    const element = box.current!;
    let gone = false;
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    void import('./plot.ts').then(({ makePlot }) => {
      if (gone) return;
      plot.current = makePlot(element, { series, height, format }, newest.current);
      observer.observe(element);
    });
    return () => {
      gone = true;
      observer.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape, height, dark.value]);

  useEffect(() => plot.current?.setData(data), [times, series]);

  return <div class="chart" ref={box} role="img" aria-label={label} style={{ minHeight: `${height}px` }} />;
}
