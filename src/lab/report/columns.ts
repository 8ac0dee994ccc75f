// The measures that tables show: their names, their units and where they are found in a cell.

import type { Cell } from '../result.ts';

export interface Column {
  readonly name: string;
  /** Short, for a terminal. */
  readonly short: string;
  readonly unit: string;
  of(c: Cell): number;
  /** Less is better; more; or neither. */
  readonly better: 'less' | 'more' | 'neither';
  readonly digits: number;
}

const column = (
  name: string,
  short: string,
  unit: string,
  better: Column['better'],
  digits: number,
  of: (c: Cell) => number,
): Column => ({ name, short, unit, better, digits, of });

/** Per message published; sleeping is not in it. */
export function energyPerMessage(c: Cell): number {
  return c.messages.published === 0 ? 0 : c.energy.proxyMj / c.messages.published;
}

const COLUMNS: readonly Column[] = [
  column('delivered', 'delivered', '%', 'more', 1, (c) => (100 * c.messages.delivered) / c.messages.expected),
  column('lost', 'lost', 'messages', 'less', 0, (c) => c.messages.lost),
  column('duplicated', 'dup', 'messages', 'less', 0, (c) => c.messages.duplicated),
  column('out of order', 'order', 'messages', 'less', 0, (c) => c.messages.outOfOrder),
  column('octets per message', 'B/msg', 'octets', 'less', 0, (c) => c.bytesPerMessage),
  column('octets of set-up', 'setup B', 'octets', 'less', 0, (c) => c.setupBytes),
  column('round trips to the first message', 'RT', 'round trips', 'less', 1, (c) => c.roundTrips),
  column('latency p50', 'p50 ms', 'ms', 'less', 1, (c) => c.latency.p50),
  column('latency p99', 'p99 ms', 'ms', 'less', 1, (c) => c.latency.p99),
  column('latency max', 'max ms', 'ms', 'less', 1, (c) => c.latency.max),
  column(
    'packets per message',
    'pkt/msg',
    'packets',
    'less',
    1,
    (c) => (c.packets.up + c.packets.down) / c.messages.published,
  ),
  column('idle octets an hour', 'idle B/h', 'octets', 'less', 0, (c) => c.idle.bytesPerHour),
  column('energy proxy per message', 'proxy mJ', 'mJ', 'less', 1, energyPerMessage),
];

const RECOVERY = column(
  'recovery',
  'back ms',
  'ms',
  'less',
  0,
  (c) => c.recoveryMs ?? Number.POSITIVE_INFINITY,
);

/** All columns that say something about these cells: recovery is of runs with an outage. */
export function columnsFor(cells: readonly Cell[]): readonly Column[] {
  return cells.some((c) => c.recoveryMs !== undefined) ? [...COLUMNS, RECOVERY] : COLUMNS;
}

/** `12,345.6` */
export function format(value: number, digits: number): string {
  if (!Number.isFinite(value)) return 'never';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The best value as it is printed; undefined when all are alike, or there is no better. */
export function bestOf(column: Column, cells: readonly Cell[]): string | undefined {
  if (column.better === 'neither' || cells.length < 2) return undefined;
  const values = cells.map((c) => column.of(c));
  const best = column.better === 'less' ? Math.min(...values) : Math.max(...values);
  const texts = new Set(values.map((v) => format(v, column.digits)));
  return texts.size === 1 ? undefined : format(best, column.digits);
}
