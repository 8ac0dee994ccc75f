// Remotes of a datagram socket that say nothing: when they are forgotten, and when they make room for somebody new.

import { now } from './clock.ts';

/** A remote is forgotten after this silence, whatever its protocol thinks. */
export const DEFAULT_IDLE_MS = 3_600_000;
/** When the table is full, who was silent for so long makes room for somebody new; a flood of forged addresses displaces nobody else. */
const SPARE_MS = 30_000;

interface Heard {
  readonly heardAt: number;
  destroy(): void;
}

/** Destroys the least recently heard of `wires`, the first of them, if it was silent long enough to do without. */
export function displaceSilent(wires: Iterable<Heard>): void {
  for (const wire of wires) {
    if (now() - wire.heardAt >= SPARE_MS) wire.destroy();
    return;
  }
}

/** Destroys those of `wires`, least recently heard first, that were silent for `idleMs`; returns when to look again. */
export function forgetSilent(wires: Iterable<Heard>, at: number, idleMs: number): number {
  for (const wire of wires) {
    if (wire.heardAt + idleMs > at) return wire.heardAt + idleMs;
    wire.destroy();
  }
  return at + idleMs;
}
