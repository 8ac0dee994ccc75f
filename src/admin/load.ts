// Load averages: how many a minute, weighted so that the last 1, 5 or 15 minutes count most.

/** An exponentially weighted moving average of a rate; `value` is a minute's worth. */
export class LoadAverage {
  value = 0;
  private readonly minutes: number;
  private last = 0;

  constructor(minutes: number) {
    this.minutes = minutes;
  }

  /** `total` has been counted so far, `elapsedMs` after the last call. */
  update(total: number, elapsedMs: number): void {
    if (elapsedMs <= 0) return;
    const perMinute = ((total - this.last) * 60_000) / elapsedMs;
    this.last = total;
    const kept = Math.exp(-elapsedMs / (this.minutes * 60_000));
    this.value = perMinute + (this.value - perMinute) * kept;
  }
}

/** The three averages that load is told in. */
export class Load {
  private readonly averages = [1, 5, 15].map((minutes) => ({
    name: `${minutes}min`,
    average: new LoadAverage(minutes),
  }));

  update(total: number, elapsedMs: number): void {
    for (const { average } of this.averages) average.update(total, elapsedMs);
  }

  *entries(): Iterable<[name: string, perMinute: number]> {
    for (const { name, average } of this.averages) yield [name, average.value];
  }
}
