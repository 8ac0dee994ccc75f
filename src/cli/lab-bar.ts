// The progress bar of a run, on a terminal.

import type { Io } from './io.ts';

const BAR_WIDTH = 30;
/** A terminal is not redrawn more often, ms. */
const REDRAW_MS = 100;

export class Bar {
  private readonly io: Io;
  private readonly shown: boolean;
  private readonly began = performance.now();
  private drawnAt = Number.NEGATIVE_INFINITY;

  constructor(io: Io, wanted: boolean) {
    this.io = io;
    this.shown = wanted && io.errors.isTTY === true;
  }

  show(done: number, of: number): void {
    if (!this.shown || performance.now() - this.drawnAt < REDRAW_MS) return;
    this.drawnAt = performance.now();
    const share = done / of;
    const full = Math.round(share * BAR_WIDTH);
    const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
    const seconds = ((this.drawnAt - this.began) / 1_000).toFixed(0);
    this.io.errors.write(`\r${bar} ${Math.floor(done)} of ${of} cells, ${seconds} s `);
  }

  clear(): void {
    if (this.shown) this.io.errors.write('\r\x1b[2K');
  }
}
