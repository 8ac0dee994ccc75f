// An ordered set of strings with cheap inserts anywhere: a sorted list of short sorted runs.

// 512: half a run is moved per insert in the middle, and the list of runs stays short (2,000 runs for a million keys).
const RUN = 512;

export class OrderedKeys {
  private readonly runs: string[][] = [];
  size = 0;

  /** Adds a key that is not there yet. */
  add(key: string): void {
    this.size++;
    if (this.runs.length === 0) {
      this.runs.push([key]);
      return;
    }
    const at = Math.max(0, this.runAfter(key) - 1);
    const run = this.runs[at]!;
    run.splice(firstAtLeast(run, key), 0, key);
    if (run.length > RUN) this.runs.splice(at + 1, 0, run.splice(RUN / 2));
  }

  /** Removes a key that is there. */
  delete(key: string): void {
    const at = this.runAfter(key) - 1;
    const run = this.runs[at];
    const index = run === undefined ? -1 : firstAtLeast(run, key);
    if (run === undefined || run[index] !== key) throw new Error('ordered keys: deleting an unknown key');
    run.splice(index, 1);
    if (run.length === 0) this.runs.splice(at, 1);
    this.size--;
  }

  /** The first key `>= from`, or `> from` when `after`. */
  next(from: string, after: boolean): string | undefined {
    let at = Math.max(0, this.runAfter(from) - 1);
    for (; at < this.runs.length; at++) {
      const run = this.runs[at]!;
      let index = firstAtLeast(run, from);
      if (after && run[index] === from) index++;
      if (index < run.length) return run[index];
    }
    return undefined;
  }

  /** The index of the first run that starts after `key`. */
  private runAfter(key: string): number {
    let low = 0;
    let high = this.runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.runs[middle]![0]! <= key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function firstAtLeast(run: readonly string[], key: string): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (run[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
