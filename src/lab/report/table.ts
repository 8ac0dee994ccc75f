// A run as tables on a terminal, one for each network.

import type { Cell } from '../result.ts';
import { COLUMNS, type Column, format } from './columns.ts';
import { type Run, stampOf } from './read.ts';

const BOLD = '\x1b[1m';
const DIM = '\x1b[2m';
const PLAIN = '\x1b[0m';

export function tableOf(run: Run, colour: boolean): string {
  const paint = (style: string, text: string): string => (colour ? `${style}${text}${PLAIN}` : text);
  const lines: string[] = [];
  for (const network of run.head.networks) {
    const cells = run.cells.filter((c) => c.network === network.name);
    if (cells.length === 0) continue;
    lines.push(`${paint(BOLD, network.name)}  ${network.title}`);
    lines.push(...tableOfCells(cells, paint), '');
  }
  const { workload } = run.head as {
    workload: { messages: number; payload: { bytes: number }; rate: number };
  };
  const rate = workload.rate === 0 ? 'as fast as they go' : `${workload.rate} a second`;
  lines.push(
    paint(
      DIM,
      `${workload.messages} messages of ${workload.payload.bytes} octets, ${rate}; * is the best. ${stampOf(run.head)}.`,
    ),
    paint(
      DIM,
      'Energy is a proxy: radio-on time under a named model. CPU times are in the JSON, and are of this machine.',
    ),
  );
  const missing = run.head.cells - run.cells.length - run.sweeps.length;
  if (missing > 0) lines.push(`${missing} of ${run.head.cells} cells are missing: the run was interrupted.`);
  return `${lines.join('\n')}\n`;
}

function tableOfCells(cells: readonly Cell[], paint: (style: string, text: string) => string): string[] {
  const best = COLUMNS.map((c) => bestOf(c, cells));
  const rows = cells.map((cell) => [
    cell.variant,
    ...COLUMNS.map((c, i) => {
      const text = format(c.of(cell), c.digits);
      return `${text}${best[i] !== undefined && text === best[i] ? '*' : ' '}`;
    }),
  ]);
  const head = ['variant', ...COLUMNS.map((c) => `${c.short} `)];
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const lineOf = (r: readonly string[]): string =>
    r
      .map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  const lines = [paint(DIM, lineOf(head)), ...rows.map(lineOf)];
  for (const c of cells) if (c.failure !== undefined) lines.push(`  ${c.variant}: ${c.failure}`);
  return lines;
}

/** The best value as it is printed; undefined when all are alike, or there is no better. */
function bestOf(column: Column, cells: readonly Cell[]): string | undefined {
  if (column.better === 'neither' || cells.length < 2) return undefined;
  const values = cells.map((c) => column.of(c));
  const best = column.better === 'less' ? Math.min(...values) : Math.max(...values);
  const texts = new Set(values.map((v) => format(v, column.digits)));
  return texts.size === 1 ? undefined : format(best, column.digits);
}
