// The octets of one direction of a stream: written once, attributed when they are first sent, taken when they are received.

import type { Kind, Tally } from './tally.ts';

interface Piece {
  readonly bytes: Uint8Array;
  readonly kind: Kind;
  /** Where in the stream it begins. */
  readonly start: number;
}

const COMPACT = 256;

export class StreamQueue {
  /** Octets written so far. */
  written = 0;
  private pieces: Piece[] = [];
  /** The first piece that is not wholly received, and not wholly attributed. */
  private taking = 0;
  private counting = 0;
  private taken = 0;
  private counted = 0;

  write(bytes: Uint8Array, kind: Kind): void {
    if (bytes.length === 0) return;
    this.pieces.push({ bytes, kind, start: this.written });
    this.written += bytes.length;
  }

  /** Octets up to `end` are sent for the first time. */
  count(end: number, tally: Tally): void {
    while (this.counted < end) {
      const piece = this.pieces[this.counting]!;
      const pieceEnd = piece.start + piece.bytes.length;
      const to = Math.min(end, pieceEnd);
      tally[piece.kind] += to - this.counted;
      this.counted = to;
      if (to === pieceEnd) this.counting++;
    }
  }

  /** Gives the octets up to `end`, piece by piece, in order. */
  take(end: number, give: (bytes: Uint8Array) => void): void {
    while (this.taken < end) {
      const piece = this.pieces[this.taking]!;
      const from = this.taken - piece.start;
      const to = Math.min(end - piece.start, piece.bytes.length);
      this.taken = piece.start + to;
      if (to === piece.bytes.length) this.taking++;
      // What is received has been sent, and so is attributed: nobody needs the pieces before this one.
      if (this.taking > COMPACT) this.compact();
      give(piece.bytes.subarray(from, to));
    }
  }

  private compact(): void {
    this.pieces = this.pieces.slice(this.taking);
    this.counting -= this.taking;
    this.taking = 0;
  }
}
