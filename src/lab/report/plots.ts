// The plots of a report, as SVG made without a browser. ECharts is loaded when the first one is drawn.

import type { Cell } from '../result.ts';
import { type Crossing, type Curve, rateInWords } from './crossings.ts';

type EchartsModule = typeof import('echarts');
type Option = Parameters<ReturnType<EchartsModule['init']>['setOption']>[0];

const WIDTH = 960;
/** Okabe and Ito's colours, which colour-blind people tell apart, and darker ones of the same. */
const COLOURS = [
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#000000',
  '#8A6D00',
  '#004B75',
  '#8C3D00',
  '#006B4E',
  '#87506F',
  '#99690A',
  '#2E7CA3',
  '#666666',
  '#B3A100',
];

/** Curves that lie on each other are told apart by their dashes. */
const DASHES = ['solid', [6, 4], [2, 3], [10, 3, 2, 3]] as const;
const lineStyle = (i: number): object => ({ type: DASHES[i % DASHES.length] });

const LEGEND = { orient: 'vertical', left: WIDTH - 200, top: 10 } as const;

/** The layers of the octets' plot, from the outside in. */
const PARTS = [
  ['link', 'link', '#9aa0a6'],
  ['ip', 'IP', '#5f6368'],
  ['transport', 'TCP or UDP', '#56B4E9'],
  ['security', 'TLS or DTLS', '#CC79A7'],
  ['framing', 'WebSocket', '#E69F00'],
  ['protocol', 'protocol', '#0072B2'],
  ['payload', 'payload', '#009E73'],
  ['repeated', 'sent again', '#D55E00'],
] as const;

export class Plotter {
  private readonly echarts: EchartsModule;

  private constructor(echarts: EchartsModule) {
    this.echarts = echarts;
  }

  static async load(): Promise<Plotter> {
    return new Plotter(await import('echarts'));
  }

  private draw(height: number, option: Option): string {
    const chart = this.echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
    chart.setOption({
      animation: false,
      color: COLOURS,
      textStyle: { fontFamily: 'system-ui, sans-serif' },
      ...(option as object),
    });
    const svg = chart.renderToSVGString();
    chart.dispose();
    return svg;
  }

  /** Octets per message by layer, set-up with them. */
  bytes(cells: readonly Cell[]): string {
    const rows = [...cells].sort((a, b) => b.bytes.total - a.bytes.total);
    return this.draw(90 + 26 * rows.length, {
      grid: { left: 170, right: 60, top: 40, bottom: 40 },
      legend: { top: 0 },
      xAxis: { type: 'value', name: 'octets', nameLocation: 'middle', nameGap: 25 },
      yAxis: { type: 'category', data: rows.map((c) => c.variant) },
      series: PARTS.map(([key, name, color], i) => ({
        name,
        type: 'bar',
        stack: 'all',
        itemStyle: { color },
        data: rows.map((c) => Math.round((10 * c.bytes[key]) / c.messages.published) / 10),
        ...(i === PARTS.length - 1
          ? {
              label: {
                show: true,
                position: 'right',
                color: '#333',
                formatter: ({ dataIndex }: { dataIndex: number }) =>
                  String(Math.round(rows[dataIndex]!.bytes.total / rows[dataIndex]!.messages.published)),
              },
            }
          : {}),
      })),
    });
  }

  /** The share of messages that had arrived after so long. */
  latency(cells: readonly Cell[]): string {
    const shown = cells.filter((c) => c.latency.cdf.length > 0);
    return this.draw(420, {
      grid: { left: 60, right: 220, top: 20, bottom: 50 },
      legend: LEGEND,
      xAxis: { type: 'log', name: 'ms', nameLocation: 'middle', nameGap: 28, min: decadeBelow },
      yAxis: { type: 'value', name: '% delivered', min: 0, max: 100 },
      series: shown.map((c, i) => ({
        name: c.variant,
        type: 'line',
        lineStyle: lineStyle(i),
        step: 'end',
        showSymbol: false,
        data: cdfPoints(c),
      })),
    });
  }

  /** The 99th percentile of latency, at several shares of loss. */
  loss(sweep: readonly Cell[], what: 'p99' | 'delivered'): string {
    return this.draw(420, {
      grid: { left: 70, right: 220, top: 20, bottom: 50 },
      legend: LEGEND,
      xAxis: { type: 'value', name: '% of frames lost', nameLocation: 'middle', nameGap: 28 },
      yAxis:
        what === 'p99'
          ? { type: 'log', name: 'p99 ms' }
          : { type: 'value', name: '% delivered', max: 100, scale: true },
      series: group(sweep).map(([variant, cells], i) => ({
        name: variant,
        type: 'line',
        lineStyle: lineStyle(i),
        data: cells.map((c) => [
          100 * c.point!.value,
          what === 'p99'
            ? Math.max(0.001, c.latency.p99)
            : (100 * c.messages.delivered) / c.messages.expected,
        ]),
      })),
    });
  }

  /** Octets an hour against messages an hour, and where the cheapest changes. */
  cost(curves: readonly Curve[], changes: readonly Crossing[]): string {
    return this.draw(460, {
      grid: { left: 80, right: 220, top: 20, bottom: 50 },
      legend: LEGEND,
      xAxis: { type: 'log', name: 'messages an hour', nameLocation: 'middle', nameGap: 28 },
      yAxis: { type: 'log', name: 'octets an hour' },
      series: curves.map((curve, i) => ({
        name: curve.variant,
        type: 'line',
        lineStyle: lineStyle(i),
        data: curve.costs.map((c) => [c.rate, Math.max(1, Math.round(c.octets))]),
        ...(i === 0 && changes.length > 0
          ? {
              markPoint: {
                symbol: 'circle',
                symbolSize: 10,
                itemStyle: { color: '#000' },
                label: { color: '#000', fontSize: 11 },
                data: changes.map((x, j) => ({
                  label: { position: 'bottom', offset: [0, 14 * (j % 3)] }, // below the cheapest there is room
                  coord: [x.rate, x.octets],
                  value: `${x.below} | ${x.above}`,
                  name: rateInWords(x.rate),
                })),
              },
            }
          : {}),
      })),
    });
  }
}

/** Where a logarithmic axis begins so that the first value is not on its edge. */
function decadeBelow({ min }: { min: number }): number {
  return 10 ** Math.floor(Math.log10(0.8 * min));
}

function cdfPoints(c: Cell): [number, number][] {
  const { cdf } = c.latency;
  const reached = (100 * c.messages.delivered) / c.messages.expected;
  return cdf.map(([percent, ms]) => [Math.max(0.001, ms), (reached * percent) / 100]);
}

function group(cells: readonly Cell[]): [string, Cell[]][] {
  const groups = new Map<string, Cell[]>();
  for (const c of cells) groups.set(c.variant, [...(groups.get(c.variant) ?? []), c]);
  return [...groups];
}
