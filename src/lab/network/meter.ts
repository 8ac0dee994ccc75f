// How long the code of one side took on this machine: never part of what a seed repeats.

const BUCKETS = 40;
/** The first bucket is of calls below 2⁻¹⁴ ms, 61 ns. */
const FIRST = -14;
/** A call that took 2⁴ times as long as the median one was interrupted: by a collection, or by somebody else's turn. */
const USUAL = 4;

export class Meter {
  private readonly counts = new Float64Array(BUCKETS);
  private readonly sums = new Float64Array(BUCKETS);
  private depth = 0;
  private began = 0;

  /** Calls within calls are counted once. */
  enter(): void {
    if (this.depth++ === 0) this.began = performance.now();
  }

  leave(): void {
    if (--this.depth === 0) this.took(performance.now() - this.began);
  }

  /** One call. */
  took(ms: number): void {
    const bucket = ms <= 0 ? 0 : Math.floor(Math.log2(ms)) - FIRST;
    const at = Math.min(BUCKETS - 1, Math.max(0, bucket));
    this.counts[at]!++;
    this.sums[at]! += ms;
  }

  /** All calls together; those that were interrupted as long as an unusual one may be. */
  get ms(): number {
    const half = this.counts.reduce((sum, n) => sum + n, 0) / 2;
    let median = 0;
    for (let below = this.counts[0]!; below < half && median < BUCKETS - 1; below += this.counts[median]!)
      median++;
    const last = Math.min(BUCKETS - 1, median + USUAL);
    const most = 2 ** (last + 1 + FIRST);
    let sum = 0;
    for (let i = 0; i < BUCKETS; i++) sum += i <= last ? this.sums[i]! : this.counts[i]! * most;
    return sum;
  }
}
