// `waymeet lab run --real`: real clients against brokers that run, as a table or lines of JSON.

import { shown } from '../client/endpoint.ts';
import { type RealCell, runReal } from '../lab/real.ts';
import { format } from '../lab/report/columns.ts';
import type { WorkloadInput } from '../lab/workload.ts';
import { EXIT, type Io } from './io.ts';
import { Bar } from './lab-bar.ts';
import type { RunFlags } from './lab-flags.ts';

export async function real(io: Io, input: WorkloadInput, flags: RunFlags): Promise<number> {
  const bar = new Bar(io, flags.quiet !== true);
  const abort = new AbortController();
  void io.stopAsked().then(() => abort.abort());
  const cells = await runReal(input, {
    urls: flags.real!,
    signal: abort.signal,
    connect: flags.insecure === true ? { tls: { insecure: true } } : {},
    line: (cell) => {
      if (flags.json === true) io.output.write(`${JSON.stringify(cell)}\n`);
    },
    progress: (done, of) => bar.show(done, of),
  });
  bar.clear();
  if (flags.json !== true) io.output.write(tableOf(cells));
  // A level that a broker lacks is an answer; a broker of which nothing came is not.
  const answered = flags.real!.every((url) =>
    cells.some((c) => c.url === shown(new URL(url)) && c.failure === undefined),
  );
  return answered ? EXIT.fine : EXIT.failed;
}

const HEAD = [
  'url',
  'qos',
  'delivered',
  'dup',
  'order',
  'p50 ms',
  'p99 ms',
  'max ms',
  'connect ms',
  'CPU µs/msg',
  'msg/s',
];

function tableOf(cells: readonly RealCell[]): string {
  const rows = cells
    .filter((c) => c.failure === undefined)
    .map((c) => [
      c.url,
      String(c.qos),
      `${format((100 * c.messages.delivered) / Math.max(1, c.messages.expected), 1)} %`,
      format(c.messages.duplicated, 0),
      format(c.messages.outOfOrder, 0),
      format(c.latency.p50, 2),
      format(c.latency.p99, 2),
      format(c.latency.max, 2),
      format(c.connectMs, 1),
      format(c.cpuUsPerMessage, 0),
      format(c.messagesPerSecond, 0),
    ]);
  const widths = HEAD.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const line = (r: readonly string[]): string =>
    r.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join('  ');
  const table = rows.length === 0 ? [] : [line(HEAD), ...rows.map(line)];
  const failures = cells
    .filter((c) => c.failure !== undefined)
    .map((c) => `${c.url} QoS ${c.qos}: ${c.failure}`);
  const note =
    'Real sockets: these figures are of this machine and this hour. CPU is of the clients, publisher and subscribers together.';
  return `${[...table, ...failures, note].join('\n')}\n`;
}
