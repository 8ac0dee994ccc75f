// Latencies of single messages, and their percentiles.

const MOST_SAMPLES = 2 ** 20;

export class Latencies {
  private readonly samples = new Float64Array(MOST_SAMPLES);
  private count = 0;

  /** Forgets what the warm-up left. */
  clear(): void {
    this.count = 0;
  }

  add(ms: number): void {
    if (this.count < MOST_SAMPLES) this.samples[this.count++] = ms;
  }

  /** In microseconds; `part` 0.5 is the median. NaN without samples. */
  percentile(part: number): number {
    const sorted = this.samples.subarray(0, this.count).slice().sort();
    return (sorted[Math.min(this.count - 1, Math.floor(part * this.count))] ?? Number.NaN) * 1000;
  }
}
