// The body of a frame that arrives in pieces, gathered in memory of its own, which then becomes the message's payload.

import { ProtocolError } from '../../contract/outcome.ts';

const FIRST_BYTES = 4_096;
/** Memory is taken for so many times what has come, not for what is announced. */
const GROWTH = 2;

/** What the bodies of all connections take together while they arrive. */
export interface BodyBudget {
  gathering: number;
  readonly limit: number;
}

export class GatheredBody {
  private bytes = new Uint8Array(0);
  private filled = 0;
  /** Its announced length, or undefined when a NUL ends it. */
  readonly length: number | undefined;
  private readonly limit: number;
  private readonly budget: BodyBudget;

  constructor(length: number | undefined, limit: number, budget: BodyBudget) {
    this.length = length;
    this.limit = limit;
    this.budget = budget;
  }

  /** How much of an announced length is still to come. */
  get missing(): number {
    return this.length! - this.filled;
  }

  /** Appends `bytes[start..end)`. Throws ProtocolError over a limit. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const filled = this.filled + end - start;
    if (filled > this.limit) throw tooLarge(this.limit);
    if (filled > this.bytes.length) this.grow(Math.max(FIRST_BYTES, filled * GROWTH));
    this.bytes.set(bytes.subarray(start, end), this.filled);
    this.filled = filled;
  }

  private grow(bytes: number): void {
    const length = Math.min(bytes, this.length ?? this.limit);
    const more = length - this.bytes.length;
    if (this.budget.gathering + more > this.budget.limit)
      throw new ProtocolError('STOMP12-size-limits', 'too many large bodies arrive at once: try again later');
    this.budget.gathering += more;
    const larger = new Uint8Array(length);
    larger.set(this.bytes.subarray(0, this.filled));
    this.bytes = larger;
  }

  /** The whole body. A much too large block is not kept alive for it. */
  finish(): Uint8Array {
    this.close();
    const { bytes, filled } = this;
    if (filled === bytes.length) return bytes;
    return filled * 2 >= bytes.length ? bytes.subarray(0, filled) : bytes.slice(0, filled);
  }

  /** It is complete, or never will be: it weighs on the others no longer. */
  close(): void {
    this.budget.gathering -= this.bytes.length;
  }
}

export function tooLarge(limit: number): ProtocolError {
  return new ProtocolError('STOMP12-size-limits', `the body is longer than ${limit} octets`);
}
