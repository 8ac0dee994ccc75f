// How long messages take from one wire to another: now and then a read is timed until what it caused has been written.

import type { Counters } from '../contract/hub.ts';
import { Histogram } from './histogram.ts';

const BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** What a loop starts at a read and stops after its flush. */
export class DeliveryWatch {
  /** Seconds. Reads that delivered nothing are not in it. */
  readonly times = new Histogram(BOUNDS);
  private readonly counters: Counters;
  private startedAt = 0;
  private before = 0;

  constructor(counters: Counters) {
    this.counters = counters;
  }

  start(): void {
    this.before = this.delivered();
    this.startedAt = performance.now();
  }

  stop(): void {
    if (this.delivered() > this.before) this.times.observe((performance.now() - this.startedAt) / 1_000);
  }

  private delivered(): number {
    let sum = 0;
    for (const { delivered } of this.counters.protocols.values())
      sum += delivered[0]! + delivered[1]! + delivered[2]!;
    return sum;
  }
}
