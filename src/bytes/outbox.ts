// What one wire has to send: spans of slabs and large buffers, in order, merged where they touch.

import type { Slab, Slabs } from '../contract/wire.ts';

/** From this size on a buffer is sent by reference instead of being copied. */
export const BY_REFERENCE_BYTES = 8_192;

/** One stretch of octets; `slab` is undefined for a buffer that somebody else owns. */
export interface Span {
  bytes: Uint8Array;
  start: number;
  end: number;
  slab: Slab | undefined;
}

/** Of outboxes where nothing waits, which are most. Never written to. */
const NONE: Span[] = [];

export class Outbox {
  /** The slab of the last `reserve`. */
  bytes: Uint8Array;
  /** Octets that wait in `spans`. */
  length = 0;
  private spans = NONE;
  private readonly pool: Slabs;

  constructor(pool: Slabs) {
    this.pool = pool;
    this.bytes = pool.current.bytes;
  }

  reserve(length: number): number {
    const at = this.pool.reserve(length);
    const slab = this.pool.current;
    this.bytes = slab.bytes;
    this.append(slab, at, at + length);
    return at;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length >= BY_REFERENCE_BYTES) {
      this.add({ bytes, start: 0, end: bytes.length, slab: undefined });
      this.length += bytes.length;
      return;
    }
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
  }

  share(slab: Slab, start: number, end: number): void {
    this.append(slab, start, end);
  }

  private append(slab: Slab, start: number, end: number): void {
    this.length += end - start;
    const count = this.spans.length;
    if (count > 0) {
      const last = this.spans[count - 1]!;
      if (last.slab === slab && last.end === start) {
        last.end = end;
        return;
      }
    }
    this.pool.retain(slab);
    this.add({ bytes: slab.bytes, start, end, slab });
  }

  /** Most turns write one span: a list made for one takes 24 octets, one that is pushed to 150. */
  private add(span: Span): void {
    if (this.spans === NONE) this.spans = [span];
    else this.spans.push(span);
  }

  /** Takes everything out; give the spans back with `sent` once their octets are copied or sent. */
  take(): Span[] {
    const spans = this.spans;
    this.spans = NONE;
    this.length = 0;
    return spans;
  }

  sent(spans: readonly Span[]): void {
    for (const span of spans) if (span.slab !== undefined) this.pool.release(span.slab);
  }

  /** Drops what waits. */
  clear(): void {
    this.sent(this.take());
  }
}
