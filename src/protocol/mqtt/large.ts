// A packet that does not fit what a transport reads at once, gathered in memory of its own, which then becomes the message's payload.

/** Longer packets are gathered when they are not all there: a peer may leave at most 32 kB unread. */
export const GATHER_BYTES = 16_384;
/**
 * Memory is taken for so many times what has come, not for what is announced: a client that says 256 MB and sends 100 octets costs 16 kB. A
 * packet that does come whole is copied once more for a third of its length.
 */
const GROWTH = 4;

export class LargePacket {
  /** The whole packet, once it is complete. */
  bytes = new Uint8Array(0);
  private readonly length: number;
  private filled = 0;

  constructor(length: number) {
    this.length = length;
  }

  get complete(): boolean {
    return this.filled === this.length;
  }

  /** Takes what belongs to it from `bytes[start..end)` and returns the offset behind that. */
  fill(bytes: Uint8Array, start: number, end: number): number {
    const length = Math.min(end - start, this.length - this.filled);
    const filled = this.filled + length;
    if (filled > this.bytes.length) this.grow(Math.max(GATHER_BYTES, filled * GROWTH));
    this.bytes.set(bytes.subarray(start, start + length), this.filled);
    this.filled = filled;
    return start + length;
  }

  private grow(bytes: number): void {
    const larger = new Uint8Array(Math.min(bytes, this.length));
    larger.set(this.bytes.subarray(0, this.filled));
    this.bytes = larger;
  }
}
