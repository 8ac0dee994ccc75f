// A run as tables on a terminal, one for each network.

import type { Cell } from '../result.ts';
import { bestOf, columnsFor, format } from './columns.ts';
import { MACHINE_COLUMNS, MACHINE_NOTE, machineOf, machineTexts } from './machine.ts';
import { type Run, stampOf } from './read.ts';

const BOLD = '\x1b[1m';
const DIM = '\x1b[2m';
const PLAIN = '\x1b[0m';

export function tableOf(run: Run, colour: boolean): string {
  const paint: Paint = (style, text) => (colour ? `${style}${text}${PLAIN}` : text);
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
    paint(DIM, 'Energy is a proxy: radio-on time under a named model.'),
    '',
    ...machineLines(run, paint),
  );
  const missing = run.head.cells - run.cells.length - run.sweeps.length;
  if (missing > 0) lines.push(`${missing} of ${run.head.cells} cells are missing: the run was interrupted.`);
  return `${lines.join('\n')}\n`;
}

type Paint = (style: string, text: string) => string;

function machineLines(run: Run, paint: Paint): string[] {
  const rows = machineOf(run).map((row) => [row.variant, ...machineTexts(row)]);
  if (rows.length === 0) return [];
  return [
    paint(BOLD, 'this machine'),
    ...aligned(['variant', ...MACHINE_COLUMNS], rows, paint),
    paint(DIM, MACHINE_NOTE),
  ];
}

function tableOfCells(cells: readonly Cell[], paint: Paint): string[] {
  const columns = columnsFor(cells);
  const best = columns.map((c) => bestOf(c, cells));
  const rows = cells.map((cell) => [
    cell.variant,
    ...columns.map((c, i) => {
      const text = format(c.of(cell), c.digits);
      return `${text}${best[i] !== undefined && text === best[i] ? '*' : ' '}`;
    }),
  ]);
  const lines = aligned(['variant', ...columns.map((c) => `${c.short} `)], rows, paint);
  for (const c of cells) if (c.failure !== undefined) lines.push(`  ${c.variant}: ${c.failure}`);
  return lines;
}

/** Columns as wide as what is in them: the first one to the left, the others to the right. */
function aligned(head: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string[] {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const lineOf = (r: readonly string[]): string =>
    r
      .map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [paint(DIM, lineOf(head)), ...rows.map(lineOf)];
}
