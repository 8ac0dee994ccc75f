// The messages that the test client shows. They stay when a connection ends, up to a limit; paused, they wait out of sight.

import { batch, signal } from '@preact/signals';
import type { Dialect } from '../links/link.ts';

/** One line of the message list. */
export interface Line {
  readonly number: number;
  readonly at: number;
  readonly direction: 'in' | 'out';
  readonly connection: string;
  readonly dialect: Dialect;
  /** Of the subscription that it came by, as it was then. */
  readonly colour: number | undefined;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly contentType: string | undefined;
  readonly properties: readonly (readonly [string, string])[];
  /** As it crossed the wire: octets, or the text of a JSON frame or an event. */
  readonly raw: Uint8Array | string;
}

const MAX_LINES = 10_000;
/** Lines reach the page this often: 5,000 messages a second are one change of the list in each. */
const GATHER_MS = 50;

export const lines = signal<readonly Line[]>([]);
/** Lines that were let go because there were too many. */
export const dropped = signal(0);
export const paused = signal(false);
/** Lines that came while paused. */
export const waiting = signal(0);

let held: Line[] = [];
let nextNumber = 1;
let scheduled = false;
let incoming: Line[] = [];

export function addLine(line: Omit<Line, 'number'>): void {
  incoming.push({ ...line, number: nextNumber++ });
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => {
    scheduled = false;
    const arrived = incoming;
    incoming = [];
    if (!paused.value) {
      showLines(arrived);
      return;
    }
    held = [...held, ...arrived].slice(-MAX_LINES);
    waiting.value = held.length;
  }, GATHER_MS);
}

function showLines(arrived: readonly Line[]): void {
  const all = [...lines.value, ...arrived];
  batch(() => {
    if (all.length > MAX_LINES) dropped.value += all.length - MAX_LINES;
    lines.value = all.slice(-MAX_LINES);
  });
}

export function setPaused(on: boolean): void {
  batch(() => {
    paused.value = on;
    if (on) return;
    showLines(held);
    held = [];
    waiting.value = 0;
  });
}

export function clearLines(): void {
  held = [];
  batch(() => {
    lines.value = [];
    dropped.value = 0;
    waiting.value = 0;
  });
}
