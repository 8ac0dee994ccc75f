// Failed logins by address and by user name, counted within a window of time.

/** So many addresses and names are counted at once; beyond it the oldest are forgotten. */
const MAX_COUNTED = 10_000;

interface Count {
  count: number;
  readonly since: number;
}

export class Failures {
  private readonly counts = new Map<string, Count>();

  /** One more for `name`; whether that makes `most` within `withinMs`. It then starts anew. */
  add(name: string, most: number, withinMs: number, now: number): boolean {
    let known = this.counts.get(name);
    if (known === undefined || now - known.since > withinMs) {
      this.counts.delete(name);
      known = { count: 0, since: now };
      this.counts.set(name, known);
      if (this.counts.size > MAX_COUNTED) this.counts.delete(this.counts.keys().next().value!);
    }
    known.count++;
    if (known.count < most) return false;
    this.counts.delete(name);
    return true;
  }

  forget(name: string): void {
    this.counts.delete(name);
  }
}
