// How much of what came is settled: stream management (XEP-0198) counts stanzas in order, applications settle as they like.

const MODULUS = 2 ** 32;
/**
 * So far behind may one delivery be that is not settled: answers are counted with deliveries, and a hub that hears of none of them piles
 * them up and ends the stream. Beyond it the delivery counts as taken.
 */
const MAX_BEHIND = 500;

export class Settled {
  private last = 0;
  private floor = 0;
  /** Settled beyond the first that is not. */
  private readonly ahead = new Set<number>();

  /** A stanza came; its number. */
  arrived(): number {
    this.last++;
    if (this.last - this.floor > MAX_BEHIND) this.settle(this.floor + 1);
    return this.last;
  }

  /** True: there is more to acknowledge. */
  settle(id: number): boolean {
    if (id <= this.floor || id > this.last) return false;
    this.ahead.add(id);
    const before = this.floor;
    while (this.ahead.delete(this.floor + 1)) this.floor++;
    return this.floor > before;
  }

  /** What is not acknowledged comes again. */
  resumed(): void {
    this.last = this.floor;
    this.ahead.clear();
  }

  /** What is acknowledged. */
  get handled(): number {
    return this.floor % MODULUS;
  }
}
