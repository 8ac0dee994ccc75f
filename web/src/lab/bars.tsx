// Plots that are rows of bars, one for each variant: octets by layer, ranges of latency, what was delivered, and plain amounts.

import type { ComponentChildren } from 'preact';
import { energyPerMessage, format } from '../../../src/lab/report/columns.ts';
import type { Bytes, Cell } from '../../../src/lab/result.ts';

/** One variant: a cell of each run that is shown, or of the only one. */
export interface Row {
  readonly variant: string;
  readonly cells: readonly (Cell | undefined)[];
}

interface Segment {
  readonly name: string;
  /** Shares of the track, 0 to 1. */
  readonly from: number;
  readonly size: number;
  readonly paint: string;
}

interface Bar {
  readonly segments: readonly Segment[];
  readonly value: string;
}

interface PlotProps {
  readonly rows: readonly Row[];
  /** How the runs are told apart; of one, nothing. */
  readonly names: readonly string[];
}

interface BarsProps extends PlotProps {
  readonly title: string;
  readonly about: ComponentChildren;
  readonly bar: (cell: Cell) => Bar;
  /** Values are single numbers: the bars may have the room. */
  readonly short?: true;
  readonly children?: ComponentChildren;
}

/** Bars are HTML: they follow the width and the theme, and their values are text that is read out. */
function Bars({ title, about, rows, names, bar, short, children }: BarsProps) {
  return (
    <section class="card lab-plot" aria-label={title}>
      <h2>{title}</h2>
      <p class="quiet small">{about}</p>
      {children}
      <ul class={short ? 'lab-bars short' : 'lab-bars'}>
        {rows.map(({ variant, cells }) => (
          <li key={variant}>
            <span class="mono clip" title={variant}>
              {variant}
            </span>
            <div>
              {cells.map((cell, i) => (
                <Track
                  key={names[i] ?? ''}
                  name={names[i]}
                  bar={cell === undefined ? undefined : bar(cell)}
                />
              ))}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Track({ name, bar }: { readonly name: string | undefined; readonly bar: Bar | undefined }) {
  return (
    <div class="lab-track">
      {name !== undefined && <b class="lab-which">{name}</b>}
      <div class="lab-line">
        {bar?.segments
          .filter(({ size }) => size > 0)
          .map((s) => (
            <i
              key={s.name}
              class={s.paint}
              title={s.name}
              style={{ left: `${100 * s.from}%`, width: `${100 * s.size}%` }}
            />
          ))}
      </div>
      <span class="tabular small">{bar === undefined ? 'not in it' : bar.value}</span>
    </div>
  );
}

/** The largest of all that is shown; never 0. */
function mostOf(rows: readonly Row[], of: (c: Cell) => number): number {
  return Math.max(1e-9, ...rows.flatMap(({ cells }) => cells.map((c) => (c === undefined ? 0 : of(c)))));
}

const LAYERS: readonly (readonly [key: keyof Bytes, name: string])[] = [
  ['link', 'link'],
  ['ip', 'IP'],
  ['transport', 'TCP or UDP'],
  ['security', 'TLS or DTLS'],
  ['framing', 'WebSocket'],
  ['protocol', 'protocol'],
  ['payload', 'payload'],
  ['repeated', 'sent again'],
];

const published = (c: Cell): number => Math.max(1, c.messages.published);

export function LayerBars({ rows, names }: PlotProps) {
  const most = mostOf(rows, (c) => c.bytes.total / published(c));
  const bar = (c: Cell): Bar => {
    let from = 0;
    const segments = LAYERS.map(([key, name]) => {
      const octets = c.bytes[key] / published(c);
      const segment = {
        name: `${name}: ${format(octets, 1)}`,
        from,
        size: octets / most,
        paint: `layer-${key}`,
      };
      from += segment.size;
      return segment;
    });
    return { segments, value: format(c.bytes.total / published(c), 0) };
  };
  return (
    <Bars
      title="Octets per message"
      short
      about="By layer, both directions, set-up included."
      rows={rows}
      names={names}
      bar={bar}
    >
      <Legend items={LAYERS.map(([key, name]) => [`layer-${key}`, name])} />
    </Bars>
  );
}

function Legend({ items }: { readonly items: readonly (readonly [paint: string, name: string])[] }) {
  return (
    <ul class="row wrap small lab-legend" aria-label="Colours">
      {items.map(([paint, name]) => (
        <li key={name} class="row">
          <i class={paint} />
          {name}
        </li>
      ))}
    </ul>
  );
}

/** Latency spans decades: the track is logarithmic, from the fastest median to the slowest 99th percentile. */
export function LatencyBars({ rows, names }: PlotProps) {
  const all = rows.flatMap(({ cells }) => cells).filter((c) => c !== undefined && c.messages.delivered > 0);
  const least = Math.max(0.01, Math.min(...all.map((c) => c!.latency.p50)));
  const most = Math.max(least * 1.1, ...all.map((c) => c!.latency.p99));
  // A little room at both ends, so that equal values are still to be seen.
  const place = (ms: number) =>
    0.02 + (0.96 * Math.log(Math.max(ms, least) / least)) / Math.log(most / least);
  const bar = ({ latency, messages }: Cell): Bar => {
    if (messages.delivered === 0) return { segments: [], value: 'nothing came' };
    const from = place(latency.p50);
    const to = place(latency.p99);
    return {
      segments: [
        {
          name: `from the median to the 99th percentile`,
          from: from - 0.01,
          size: to - from + 0.02,
          paint: 'paint-range',
        },
        { name: `p50: ${format(latency.p50, 1)} ms`, from: from - 0.01, size: 0.02, paint: 'paint-low' },
        { name: `p99: ${format(latency.p99, 1)} ms`, from: to - 0.01, size: 0.02, paint: 'paint-high' },
      ],
      value: `${msInWords(latency.p50)} – ${msInWords(latency.p99)}`,
    };
  };
  return (
    <Bars
      title="Latency, median to 99th percentile"
      about="From when a message was due to its delivery; a logarithmic scale."
      rows={rows}
      names={names}
      bar={bar}
    />
  );
}

export function msInWords(ms: number): string {
  if (ms >= 10_000) return `${format(ms / 1_000, 0)} s`;
  if (ms >= 1_000) return `${format(ms / 1_000, 2)} s`;
  return `${format(ms, ms < 10 ? 1 : 0)} ms`;
}

export function DeliveryBars({ rows, names }: PlotProps) {
  const bar = ({ messages: m }: Cell): Bar => {
    const share = (n: number) => n / Math.max(1, m.expected);
    const rest = [
      m.duplicated > 0 && `${m.duplicated} twice`,
      m.outOfOrder > 0 && `${m.outOfOrder} out of order`,
      m.refused > 0 && `${m.refused} refused`,
    ].filter((part) => part !== false);
    return {
      segments: [
        { name: `delivered: ${m.delivered}`, from: 0, size: share(m.delivered), paint: 'paint-good' },
        { name: `lost: ${m.lost}`, from: share(m.delivered), size: share(m.lost), paint: 'paint-bad' },
      ],
      value: [`${format(100 * share(m.delivered), 1)} %`, ...rest].join(', '),
    };
  };
  return (
    <Bars
      title="Delivered and lost"
      about="At the subscribers; what was still on its way at the end is lost."
      rows={rows}
      names={names}
      bar={bar}
    >
      <Legend
        items={[
          ['paint-good', 'delivered'],
          ['paint-bad', 'lost'],
        ]}
      />
    </Bars>
  );
}

/** From dialling to the first delivery. */
export function SetUpBars({ rows, names }: PlotProps) {
  const of = (c: Cell) => c.setupBytes;
  const most = mostOf(rows, of);
  return (
    <Bars
      title="To the first message"
      about="Octets until everybody was connected and subscribed, and round trips from dialling to the first delivery."
      rows={rows}
      names={names}
      bar={(c) => ({
        segments: [{ name: 'octets', from: 0, size: of(c) / most, paint: 'paint-plain' }],
        value: `${format(of(c), 0)}, ${format(c.roundTrips, 1)} trips`,
      })}
    />
  );
}

export function IdleBars({ rows, names }: PlotProps) {
  const of = (c: Cell) => c.idle.bytesPerHour;
  const most = mostOf(rows, of);
  return (
    <Bars
      title="An idle hour"
      short
      about="Octets of a client that is connected and has nothing to say: its keep-alives."
      rows={rows}
      names={names}
      bar={(c) => ({
        segments: [{ name: 'octets', from: 0, size: of(c) / most, paint: 'paint-plain' }],
        value: format(of(c), 0),
      })}
    />
  );
}

export function EnergyBars({ rows, names }: PlotProps) {
  const most = mostOf(rows, energyPerMessage);
  const model = rows.flatMap(({ cells }) => cells).find((c) => c !== undefined)?.energy.model ?? '';
  return (
    <Bars
      title="Energy proxy per message"
      short
      about={
        <>
          Radio-on time under the model <code>{model}</code>, mJ: a proxy. It ranks protocols, it foretells no
          battery.
        </>
      }
      rows={rows}
      names={names}
      bar={(c) => ({
        segments: [{ name: 'energy proxy', from: 0, size: energyPerMessage(c) / most, paint: 'paint-plain' }],
        value: format(energyPerMessage(c), 1),
      })}
    />
  );
}
