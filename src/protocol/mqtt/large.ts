// A packet that does not fit what a transport reads at once, gathered in memory of its own, which then becomes the message's payload.

/** Longer packets are gathered when they are not all there: a peer may leave at most 32 kB unread. */
export const GATHER_BYTES = 16_384;

export class LargePacket {
  readonly bytes: Uint8Array;
  private filled = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  get complete(): boolean {
    return this.filled === this.bytes.length;
  }

  /** Takes what belongs to it from `bytes[start..end)` and returns the offset behind that. */
  fill(bytes: Uint8Array, start: number, end: number): number {
    const length = Math.min(end - start, this.bytes.length - this.filled);
    this.bytes.set(bytes.subarray(start, start + length), this.filled);
    this.filled += length;
    return start + length;
  }
}
