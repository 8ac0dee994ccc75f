// A Wire over a stream of octets: gathered writes, backpressure, what a peer left over, and an orderly end.

import type { Span } from '../bytes/outbox.ts';
import { Backlog } from './backlog.ts';
import { now } from './clock.ts';
import type { Gate } from './listener.ts';
import { HEADROOM_BYTES, PACK_BYTES } from './loop.ts';
import { CLOSED, ENDING, OPEN, PeeredWire, SHUT } from './peered.ts';

/** A write of at most this size is copied even if it is one span, so that it does not pin a slab when the socket is full. */
const COPY_BYTES = 4_096;
/** Reads of this size that were consumed whole earn the large read buffer. */
const FULL_READ_BYTES = 65_536;

export abstract class StreamWire extends PeeredWire {
  private backlog: Backlog | undefined = undefined;
  /** Spans and octets of the write that is under way. */
  private sending: Span[] | undefined = undefined;
  private sendingBytes = 0;
  private paused = false;
  private resumed = false;
  private eof = false;
  private left: Uint8Array | undefined = undefined;
  private fullReads = 0;

  /** Starts one write of all `bytes`. True: done. False: under way, `written` follows. On an error it calls `failed`. */
  protected abstract sendOne(bytes: Uint8Array): boolean;
  protected abstract sendMany(chunks: Uint8Array[]): boolean;
  /** Memory to pack small spans into, valid until the write is done. */
  protected abstract packRoom(length: number): Uint8Array;
  protected abstract readStart(): void;
  protected abstract readStop(): void;
  /** Sends FIN after everything that was sent. */
  protected abstract shutdown(): void;
  /** Closes the socket at once. Called exactly once. */
  protected abstract closeSocket(): void;

  get unsent(): number {
    return this.outbox.length + this.sendingBytes + (this.backlog === undefined ? 0 : this.backlog.length);
  }

  pause(): void {
    if (this.paused || this.state !== OPEN) return;
    this.paused = true;
    if (!this.held) this.readStop();
  }

  resume(): void {
    if (!this.paused || this.state !== OPEN) return;
    this.paused = false;
    if (!this.held) this.goOn();
  }

  protected override reading(on: boolean): void {
    if (this.paused) return;
    if (on) this.goOn();
    else this.readStop();
  }

  private goOn(): void {
    // What was left over may hold whole packets: the peer gets it again, but not from within its own call.
    if (this.left !== undefined) {
      this.resumed = true;
      this.touch();
    } else this.readStart();
  }

  protected ending(): void {
    this.left = undefined;
    // Reading goes on, to nowhere: closing with unread octets would send RST, and the goodbye would be lost with it.
    if (this.paused || this.held) this.readStart();
  }

  protected close(): void {
    this.left = undefined;
    this.closeSocket();
    if (this.backlog !== undefined) this.outbox.sent(this.backlog.take());
    this.sendDone();
  }

  /** Counts the wire in, lets `opening` give it its first peer, and starts reading. */
  begin(opening: (wire: StreamWire, gate: Gate) => void): void {
    this.gate.enter(this);
    this.limit(this.gate.firstByteMs);
    try {
      opening(this, this.gate);
    } catch (error) {
      this.threw(error, now());
    }
    if (this.state === OPEN && !this.paused) this.readStart();
  }

  // ---- what the socket tells

  /** Octets came. `headroom` of the memory in front of `start` may be overwritten. Returns whether to read in larger pieces. */
  protected arrived(bytes: Uint8Array, start: number, end: number, headroom: number): boolean {
    if (this.state !== OPEN) return false;
    // Before a protocol is found, the deadline is for finding it.
    if (this.counted) this.inTime();
    const length = end - start;
    this.counters.bytesIn += length;
    const { tap } = this.gate.loop;
    if (tap !== undefined) tap.passed(this, 'in', bytes, start, end);
    this.gate.loop.reading();
    const left = this.left;
    // What was read already may still come when reading has stopped, message by message over WebSocket.
    if (this.held) this.left = joined(left, bytes, start, end);
    else if (left === undefined) this.consume(bytes, start, end);
    else if (left.length <= headroom) {
      bytes.set(left, start - left.length);
      this.left = undefined;
      this.consume(bytes, start - left.length, end);
    } else {
      const both = joined(left, bytes, start, end);
      this.left = undefined;
      this.consume(both, 0, both.length);
    }
    // Two whole reads in a row, consumed to the end: something large is coming.
    if (length >= FULL_READ_BYTES && this.left === undefined) this.fullReads++;
    else this.fullReads = 0;
    return this.fullReads >= 2;
  }

  private consume(bytes: Uint8Array, from: number, end: number): void {
    const at = now();
    let start = from;
    try {
      for (;;) {
        const peer = this.peer;
        start = peer.receive(bytes, start, end, at);
        // A stage that has done its work put the next peer in its place.
        if (peer === this.peer || start === end || this.state !== OPEN) break;
      }
    } catch (error) {
      this.threw(error, at);
      return;
    }
    if (start < end && this.state === OPEN) this.keep(bytes, start, end);
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > HEADROOM_BYTES && !this.paused && !this.held) {
      this.fault(new RangeError(`a peer left ${end - start} octets over; it may leave ${HEADROOM_BYTES}`));
      return;
    }
    this.left = bytes.slice(start, end);
  }

  /** The other side closed its half. */
  protected finished(): void {
    if (this.eof || this.state === CLOSED) return;
    this.eof = true;
    if (this.state === SHUT) this.destroy();
    else if (this.state === OPEN) this.end();
  }

  /** The write that was under way is done. */
  protected written(): void {
    if (this.sending === undefined || this.state === CLOSED) return;
    this.sendDone();
    this.sendAll();
  }

  // ---- sending

  protected wrote(): void {
    if (!this.dirty) this.touch();
    // Exact only when a write is under way or something waits; both are rare.
    if (this.outbox.length + this.sendingBytes > this.gate.highWaterBytes || this.backlog !== undefined) {
      this.weigh(this.unsent);
    }
  }

  protected sendTurn(): void {
    if (this.resumed) this.again();
    if (this.sending === undefined) this.sendAll();
    else if (this.outbox.length > 0) this.stash();
  }

  /** The peer resumed with octets left over. */
  private again(): void {
    this.resumed = false;
    const left = this.left;
    if (this.state !== OPEN || this.paused || this.held) return;
    if (left !== undefined) {
      this.left = undefined;
      this.consume(left, 0, left.length);
    }
    if (this.state === OPEN && !this.paused && !this.held) this.readStart();
  }

  private stash(): void {
    this.backlog ??= new Backlog();
    this.backlog.add(this.outbox.take(), this.gate.loop.slabs);
  }

  private sendAll(): void {
    while (this.sending === undefined && (this.outbox.length > 0 || this.backlog !== undefined)) {
      this.send(this.takeSpans());
      if (this.state === CLOSED) return;
    }
    this.relieved();
    if (this.state === ENDING && this.sending === undefined && this.outbox.length === 0) this.farewell();
  }

  private takeSpans(): Span[] {
    const late = this.outbox.take();
    if (this.backlog === undefined) return late;
    const early = this.backlog.take();
    this.backlog = undefined;
    for (const span of late) early.push(span);
    return early;
  }

  private send(spans: Span[]): void {
    let total = 0;
    let referenced = false;
    for (const span of spans) {
      total += sizeOf(span);
      if (span.slab === undefined) referenced = true;
    }
    const { tap } = this.gate.loop;
    if (tap !== undefined)
      for (const span of spans) tap.passed(this, 'out', span.bytes, span.start, span.end);
    this.counters.bytesOut += total;
    const large = referenced || total >= spans.length * COPY_BYTES;
    if (spans.length === 1 || total <= COPY_BYTES || !large) this.sendPacked(spans);
    else {
      this.sending = spans;
      this.sendingBytes = total;
      if (this.sendMany(this.pack(spans))) this.sendDone();
    }
  }

  /** Small spans leave in pieces of up to 64 kB: a copy costs less than a vector. A single large one leaves as it is. */
  private sendPacked(spans: Span[]): void {
    for (let from = 0; from < spans.length; ) {
      let total = sizeOf(spans[from]!);
      let to = from + 1;
      for (; to < spans.length && total + sizeOf(spans[to]!) <= PACK_BYTES; to++) total += sizeOf(spans[to]!);
      this.sendingBytes = total;
      let done: boolean;
      if (to - from === 1 && total > COPY_BYTES) {
        const span = spans[from]!;
        this.sending = spans.slice(from, to);
        done = this.sendOne(span.bytes.subarray(span.start, span.end));
      } else {
        const room = this.packRoom(total);
        copySpans(spans, from, to, room);
        for (let i = from; i < to; i++) if (spans[i]!.slab !== undefined) this.slabs.release(spans[i]!.slab!);
        this.sending = NOTHING;
        done = this.sendOne(room.length === total ? room : room.subarray(0, total));
        if (!done) this.gate.loop.giveAway(room);
      }
      if (done) this.sendDone();
      from = to;
      if (!done && from < spans.length) {
        this.later(spans.slice(from));
        return;
      }
    }
  }

  /** The socket took no more: these wait, unless it failed altogether. */
  private later(spans: Span[]): void {
    if (this.state === CLOSED) this.outbox.sent(spans);
    else {
      this.backlog ??= new Backlog();
      this.backlog.add(spans, this.slabs);
    }
  }

  /** The pieces of a vectored write: large spans as they are, runs of small ones packed. */
  private pack(spans: Span[]): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    for (let i = 0; i < spans.length; ) {
      let run = 0;
      let j = i;
      for (; j < spans.length && run < PACK_BYTES && sizeOf(spans[j]!) < COPY_BYTES; j++)
        run += sizeOf(spans[j]!);
      if (j - i > 1) {
        const room = new Uint8Array(run);
        copySpans(spans, i, j, room);
        chunks.push(room);
        i = j;
      } else {
        const span = spans[i]!;
        chunks.push(span.bytes.subarray(span.start, span.end));
        i++;
      }
    }
    return chunks;
  }

  private sendDone(): void {
    const spans = this.sending;
    this.sending = undefined;
    this.sendingBytes = 0;
    if (spans !== undefined && spans !== NOTHING) this.outbox.sent(spans);
  }

  /** Everything is sent: close this half, and wait for the other side to close its own. */
  private farewell(): void {
    if (this.eof) {
      this.destroy();
      return;
    }
    this.state = SHUT;
    this.limit(this.gate.lingerMs);
    this.shutdown();
  }
}

/** `left` and behind it a copy of `bytes[start..end)`. */
function joined(left: Uint8Array | undefined, bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (left === undefined) return bytes.slice(start, end);
  const both = new Uint8Array(left.length + end - start);
  both.set(left, 0);
  both.set(bytes.subarray(start, end), left.length);
  return both;
}

/** In the place of spans whose octets are copied already. */
const NOTHING: Span[] = [];

function sizeOf(span: Span): number {
  return span.end - span.start;
}

function copySpans(spans: readonly Span[], from: number, to: number, room: Uint8Array): void {
  let at = 0;
  for (let i = from; i < to; i++) {
    const span = spans[i]!;
    room.set(
      span.start === 0 && span.end === span.bytes.length
        ? span.bytes
        : span.bytes.subarray(span.start, span.end),
      at,
    );
    at += span.end - span.start;
  }
}
