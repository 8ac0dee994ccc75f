// Counts of times in buckets, as Prometheus reads them.

export class Histogram {
  /** Upper bounds of the buckets, seconds; one more bucket takes the rest. */
  readonly bounds: readonly number[];
  /** How many fell into each bucket. */
  readonly counts: number[];
  sum = 0;
  count = 0;
  max = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(seconds: number): void {
    let i = 0;
    while (i < this.bounds.length && seconds > this.bounds[i]!) i++;
    this.counts[i]!++;
    this.sum += seconds;
    this.count++;
    if (seconds > this.max) this.max = seconds;
  }
}
