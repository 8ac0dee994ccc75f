// uPlot with the colours of the page: the only file that imports it, so that it is a chunk of its own.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Series } from './chart.tsx';

interface PlotOptions {
  readonly series: readonly Series[];
  readonly height: number;
  readonly format: (value: number) => string;
}

const FILL = '22';

export function makePlot(element: HTMLElement, o: PlotOptions, data: uPlot.AlignedData): uPlot {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour('--quiet'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
    gap: 6,
  };
  return new uPlot(
    {
      width: element.clientWidth,
      height: o.height,
      padding: [8, 8, 0, 0],
      cursor: { y: false, points: { size: 7 } },
      legend: { live: true },
      series: [
        { value: (_, at) => (at === null ? '' : new Date(at * 1_000).toLocaleTimeString('en-GB')) },
        ...o.series.map((s): uPlot.Series => {
          const stroke = colour(`--c${s.colour}`);
          return {
            label: s.name,
            stroke,
            width: 1.75,
            spanGaps: true,
            points: { show: false },
            value: (_, value) => (value === null || value === undefined ? '–' : o.format(value)),
            ...(o.series.length === 1 && { fill: stroke + FILL }),
          };
        }),
      ],
      axes: [
        {
          ...axis,
          space: 70,
          values: (_, ticks) => ticks.map((t) => new Date(t * 1_000).toLocaleTimeString('en-GB')),
        },
        { ...axis, size: 56, values: (_, ticks) => ticks.map(o.format) },
      ],
    },
    data,
    element,
  );
}
