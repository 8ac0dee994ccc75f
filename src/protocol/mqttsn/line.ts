// What the rooms of one client need of the way to it: sending, its limits, and what is owed until a commit.

import type { SnCodec } from './codec.ts';
import type { SnPacket } from './packet.ts';

/** The way to one client, directly or through a forwarder. */
export interface Line {
  readonly codec: SnCodec;
  /** The largest message that fits into a datagram. */
  readonly maxBytes: number;
  /** Hold back: too much is unsent. */
  readonly full: boolean;
  /** The address is known to be the client's own, or need not be. Whoever sees it prove that sets it. */
  proved: boolean;
  send(datagram: Uint8Array): void;
}

interface Owed {
  readonly ticket: number;
  readonly bytes: Uint8Array;
  readonly then: (() => void) | undefined;
}

/** Answers in the order of what they answer, each once what it promises is kept. */
export class Answers {
  private readonly line: Line;
  private readonly queue: Owed[] = [];
  private reached = 0;

  constructor(line: Line) {
    this.line = line;
  }

  get waiting(): number {
    return this.queue.length;
  }

  /** `then` is called once it left. */
  send(p: SnPacket, ticket: number, then?: () => void): void {
    const bytes = this.line.codec.encode(p);
    if (this.queue.length > 0 || ticket > this.reached) {
      this.queue.push({ ticket, bytes, then });
      return;
    }
    this.line.send(bytes);
    then?.();
  }

  kept(ticket: number): void {
    if (ticket > this.reached) this.reached = ticket;
    while (this.queue.length > 0 && this.queue[0]!.ticket <= this.reached) {
      const { bytes, then } = this.queue.shift()!;
      this.line.send(bytes);
      then?.();
    }
  }
}
