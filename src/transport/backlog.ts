// What a wire whose last write is still under way keeps for later: small spans are copied out of their slabs.

import type { Span } from '../bytes/outbox.ts';
import type { Slabs } from '../contract/wire.ts';

/** From this size on a span stays in its slab: then it pins at most 16 times its own size. */
const KEEP_SPAN_BYTES = 4_096;
const FIRST_CHUNK_BYTES = 1_024;
const LARGEST_CHUNK_BYTES = 65_536;

/**
 * A span of 100 octets pins its slab of 64 kB. That is right for a wire that sends within the turn, and would let one slow reader hold
 * hundreds of times its limit; so a stalled wire pays for a copy.
 */
export class Backlog {
  spans: Span[] = [];
  length = 0;
  private chunk = new Uint8Array(0);
  private used = 0;

  add(spans: readonly Span[], slabs: Slabs): void {
    for (const span of spans) {
      const length = span.end - span.start;
      this.length += length;
      if (span.slab === undefined || length >= KEEP_SPAN_BYTES) {
        this.spans.push(span);
        continue;
      }
      this.copy(span, length);
      slabs.release(span.slab);
    }
  }

  private copy(span: Span, length: number): void {
    if (this.used + length > this.chunk.length) {
      const size = Math.min(Math.max(this.chunk.length * 2, FIRST_CHUNK_BYTES), LARGEST_CHUNK_BYTES);
      this.chunk = new Uint8Array(Math.max(size, length));
      this.used = 0;
    }
    const at = this.used;
    this.chunk.set(span.bytes.subarray(span.start, span.end), at);
    this.used += length;
    const last = this.spans[this.spans.length - 1];
    if (last !== undefined && last.bytes === this.chunk && last.end === at) last.end = this.used;
    else this.spans.push({ bytes: this.chunk, start: at, end: this.used, slab: undefined });
  }

  /** Takes everything out. */
  take(): Span[] {
    const spans = this.spans;
    this.spans = [];
    this.length = 0;
    return spans;
  }
}
