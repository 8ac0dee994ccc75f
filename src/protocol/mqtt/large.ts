// A packet that does not fit what a transport reads at once, gathered in memory of its own, which then becomes the message's payload.

import { ProtocolError } from '../../contract/outcome.ts';

/** Longer packets are gathered when they are not all there: a peer may leave at most 32 kB unread. */
export const GATHER_BYTES = 16_384;
/**
 * Memory is taken for so many times what has come, not for what is announced: a client that says 256 MB and sends 100 octets costs 16 kB. A
 * packet that does come whole is copied once more for a third of its length.
 */
const GROWTH = 4;

/** What the large packets of all connections of a hub take together. */
export interface GatherBudget {
  gathering: number;
}

export class LargePacket {
  /** The whole packet, once it is complete. */
  bytes = new Uint8Array(0);
  private readonly length: number;
  private filled = 0;
  private readonly budget: GatherBudget;
  private readonly limit: number;

  /** `limit`: octets that all of them may take together. */
  constructor(length: number, budget: GatherBudget, limit: number) {
    this.length = length;
    this.budget = budget;
    this.limit = limit;
  }

  get complete(): boolean {
    return this.filled === this.length;
  }

  /** Takes what belongs to it from `bytes[start..end)` and returns the offset behind that. Throws ProtocolError over the limit. */
  fill(bytes: Uint8Array, start: number, end: number): number {
    const length = Math.min(end - start, this.length - this.filled);
    const filled = this.filled + length;
    if (filled > this.bytes.length) this.grow(Math.max(GATHER_BYTES, filled * GROWTH));
    this.bytes.set(bytes.subarray(start, start + length), this.filled);
    this.filled = filled;
    return start + length;
  }

  /** It is complete, or never will be: it weighs on the others no longer. */
  close(): void {
    this.budget.gathering -= this.bytes.length;
  }

  private grow(bytes: number): void {
    const length = Math.min(bytes, this.length);
    const more = length - this.bytes.length;
    if (this.budget.gathering + more > this.limit)
      throw new ProtocolError('MQTT5-4.13.1', 'too many large packets arrive at once: try again later', 0x97);
    this.budget.gathering += more;
    const larger = new Uint8Array(length);
    larger.set(this.bytes.subarray(0, this.filled));
    this.bytes = larger;
  }
}
