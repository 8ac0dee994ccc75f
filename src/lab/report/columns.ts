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

export const COLUMNS: readonly Column[] = [
  column('delivered', 'delivered', '%', 'more', 1, (c) => (100 * c.messages.delivered) / c.messages.expected),
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

/** `12,345.6` */
export function format(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
