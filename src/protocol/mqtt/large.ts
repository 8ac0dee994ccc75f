// A packet that does not fit what a transport reads at once, gathered in memory of its own, which then becomes the message's payload.

import { ProtocolError } from '../../contract/outcome.ts';

/** Longer packets are gathered when they are not all there: a peer may leave at most 32 kB unread. */
export const GATHER_BYTES = 16_384;

/** What all connections may have announced together without its being there. */
export interface GatherBudget {
  gathering: number;
}

export class LargePacket {
  readonly bytes: Uint8Array;
  private filled = 0;
  private readonly budget: GatherBudget;

  /** Throws ProtocolError when all connections together would announce more than `limit` octets. */
  constructor(length: number, budget: GatherBudget, limit: number) {
    if (budget.gathering + length > limit) {
      throw new ProtocolError('MQTT5-4.13.1', 'too many large packets arrive at once, try again later', 0x97);
    }
    budget.gathering += length;
    this.budget = budget;
    this.bytes = new Uint8Array(length);
  }

  /** It is complete, or never will be. */
  close(): void {
    this.budget.gathering -= this.bytes.length;
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
