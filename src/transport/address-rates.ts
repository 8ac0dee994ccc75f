// How often each address connects: a bucket of one second's worth for each that came lately.

/** So many addresses are remembered; beyond it the one that came first is forgotten. */
const MAX_ADDRESSES = 65_536;

interface Bucket {
  tokens: number;
  at: number;
}

export class AddressRates {
  perSecond = Number.POSITIVE_INFINITY;
  private readonly buckets = new Map<string, Bucket>();

  /** Whether one more connection of `address` is within its rate; if so, it is counted. */
  spend(address: string, now: number): boolean {
    const { perSecond } = this;
    if (perSecond === Number.POSITIVE_INFINITY) return true;
    let bucket = this.buckets.get(address);
    if (bucket === undefined) {
      bucket = { tokens: perSecond, at: now };
      this.buckets.set(address, bucket);
      if (this.buckets.size > MAX_ADDRESSES) this.buckets.delete(this.buckets.keys().next().value!);
    }
    bucket.tokens = Math.min(perSecond, bucket.tokens + ((now - bucket.at) * perSecond) / 1_000);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
