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

/** No 0.25 nor 2.5: rounded to one digit they would look uneven. */
const STEPS = Array.from({ length: 25 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** (i - 9))).flat();

/** The values under the pointer, beside it. */
function readOut(o: PlotOptions): (plot: uPlot) => void {
  const tip = document.createElement('div');
  tip.className = 'chart-tip';
  return (plot) => {
    if (tip.parentElement === null) plot.over.append(tip);
    const { idx, left = -1 } = plot.cursor;
    tip.hidden = idx === null || idx === undefined || left < 0;
    if (tip.hidden) return;
    const values = o.series.map((s, i) => {
      const value = plot.data[i + 1]?.[idx!];
      return `${s.name} ${value === null || value === undefined ? '–' : o.format(value)}`;
    });
    tip.textContent = [timeOf(plot.data[0][idx!]!), ...values].join('\n');
    const side = left > plot.over.clientWidth / 2 ? -tip.offsetWidth - 12 : 12;
    tip.style.transform = `translateX(${left + side}px)`;
  };
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString('en-GB');
}

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
      legend: { show: false },
      hooks: { setCursor: [readOut(o)] },
      series: [
        {},
        ...o.series.map((s): uPlot.Series => {
          const stroke = colour(`--c${s.colour}`);
          return {
            label: s.name,
            stroke,
            width: 1.75,
            spanGaps: true,
            points: { show: false },
            ...(o.series.length === 1 && { fill: stroke + FILL }),
          };
        }),
      ],
      axes: [
        {
          ...axis,
          space: 70,
          size: 28,
          values: (_, ticks) => ticks.map(timeOf),
        },
        { ...axis, size: 56, incrs: STEPS, values: (_, ticks) => ticks.map(o.format) },
      ],
    },
    data,
    element,
  );
}
