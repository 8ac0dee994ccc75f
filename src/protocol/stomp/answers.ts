// Receipts and what else is owed to the client: in order, and not before what they promise is kept.

import type { Wire } from '../../contract/wire.ts';

interface Owed {
  readonly due: number;
  readonly frame: Uint8Array;
  readonly then: (() => void) | undefined;
}

export class Answers {
  private readonly wire: Wire;
  private waiting: Owed[] = [];
  private keptTicket = 0;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  get size(): number {
    return this.waiting.length;
  }

  /** `then` is called once the frame was written. */
  answer(frame: Uint8Array, due: number, then?: () => void): void {
    if (this.waiting.length > 0 || due > this.keptTicket) {
      this.waiting.push({ due, frame, then });
      return;
    }
    this.wire.write(frame);
    then?.();
  }

  kept(ticket: number): void {
    if (ticket > this.keptTicket) this.keptTicket = ticket;
    let left = 0;
    for (; left < this.waiting.length && this.waiting[left]!.due <= this.keptTicket; left++) {
      const { frame, then } = this.waiting[left]!;
      this.wire.write(frame);
      then?.();
    }
    if (left > 0) this.waiting = this.waiting.slice(left);
  }

  clear(): void {
    this.waiting = [];
  }
}
