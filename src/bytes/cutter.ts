// Cuts a stream into frames that say their length first; a long one that is not all there is gathered in memory of its own.

/** Longer frames are gathered: a peer may leave at most 32 kB unread. */
const GATHER_BYTES = 16_384;

/** Gets each frame's body: `bytes[start..end)`, valid only during the call. */
export type FrameSink = (
  type: number,
  channel: number,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

export abstract class Cutter {
  /** From so many octets on a frame's length is known. */
  private readonly headBytes: number;
  private gathered: Uint8Array | undefined = undefined;
  private filled = 0;

  constructor(headBytes: number) {
    this.headBytes = headBytes;
  }

  /** The whole frame's octets, of which the head is there. Throws for one that may not be, before memory is taken for it. */
  protected abstract lengthOf(bytes: Uint8Array, at: number): number;

  /** A whole frame. */
  protected abstract frame(bytes: Uint8Array, at: number, length: number): void;

  /** Takes each whole frame, while `more` says so; returns the offset up to which the octets were used. */
  cut(bytes: Uint8Array, start: number, end: number, more: () => boolean): number {
    let at = this.gathered === undefined ? start : this.gather(bytes, start, end);
    while (this.gathered === undefined && end - at >= this.headBytes && more()) {
      const length = this.lengthOf(bytes, at);
      if (end - at < length) {
        if (length <= GATHER_BYTES) return at;
        this.gathered = new Uint8Array(length);
        this.filled = 0;
        return this.gather(bytes, at, end);
      }
      this.frame(bytes, at, length);
      at += length;
    }
    return at;
  }

  private gather(bytes: Uint8Array, start: number, end: number): number {
    const whole = this.gathered!;
    const length = Math.min(end - start, whole.length - this.filled);
    whole.set(bytes.subarray(start, start + length), this.filled);
    this.filled += length;
    if (this.filled === whole.length) {
      this.gathered = undefined;
      this.frame(whole, 0, whole.length);
    }
    return start + length;
  }
}
