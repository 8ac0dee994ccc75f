// A Wire over a stream of octets: gathered writes, backpressure, what a peer left over, and an orderly end.

import { Outbox, type Span } from '../bytes/outbox.ts';
import type { ProtocolCounters } from '../contract/hub.ts';
import { NEVER } from '../contract/message.ts';
import { ProtocolError } from '../contract/outcome.ts';
import type { Peer, Protocol, Slab, Slabs, Wire, WireIdentity, WireLimits } from '../contract/wire.ts';
import { Backlog } from './backlog.ts';
import { now } from './clock.ts';
import type { Gate, Guarded } from './listener.ts';
import { type Flushable, HEADROOM_BYTES, PACK_BYTES } from './loop.ts';
import { Timer, type TimerOwner } from './timers.ts';

// open ──end, EOF, ProtocolError──▶ ending ──all sent──▶ shut ──EOF, linger──▶ closed
//   └──────────── destroy, an error of the socket, slow consumer ─────────────────▲
// Entering `ending` or `closed` asks for a flush, and that flush tells the peer `lost`: never from within a call of the peer.
const OPEN = 0;
const ENDING = 1;
const SHUT = 2;
const CLOSED = 3;

/** A write of at most this size is copied even if it is one span, so that it does not pin a slab when the socket is full. */
const COPY_BYTES = 4_096;
/** Reads of this size that were consumed whole earn the large read buffer. */
const FULL_READ_BYTES = 65_536;

/** The peer of a wire before it has one and after it was told `lost`. */
const NOBODY: Peer = {
  receive: (_bytes, _start, end) => end,
  drained() {},
  wake() {},
  broken() {},
  lost() {},
};

export abstract class StreamWire implements Wire, Flushable, TimerOwner, Guarded {
  remote: string;
  /** The remote's address alone, by which connections are counted; empty when it has none. */
  address: string;
  identity: WireIdentity;
  peer: Peer = NOBODY;
  protected readonly gate: Gate;
  private counters: ProtocolCounters;
  private counted = false;
  private state = OPEN;
  private readonly outbox: Outbox;
  private backlog: Backlog | undefined = undefined;
  /** Spans and octets of the write that is under way. */
  private sending: Span[] | undefined = undefined;
  private sendingBytes = 0;
  private dirty = false;
  private choked = false;
  private paused = false;
  private resumed = false;
  private told = false;
  private eof = false;
  private left: Uint8Array | undefined = undefined;
  private fullReads = 0;
  private timer: Timer | undefined = undefined;
  private wakeAt = NEVER;
  private deadline = NEVER;

  constructor(gate: Gate, address: string, remote: string, identity: WireIdentity) {
    this.gate = gate;
    this.address = address;
    this.remote = remote;
    this.identity = identity;
    this.counters = gate.counters;
    this.outbox = new Outbox(gate.loop.slabs);
  }

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
  protected abstract close(): void;

  // ---- what the tower sees

  get listener(): string {
    return this.gate.name;
  }

  get secure(): boolean {
    return this.gate.secure;
  }

  get limits(): WireLimits {
    return this.gate.limits;
  }

  get slabs(): Slabs {
    return this.gate.loop.slabs;
  }

  get full(): boolean {
    return this.choked;
  }

  get unsent(): number {
    return this.outbox.length + this.sendingBytes + (this.backlog === undefined ? 0 : this.backlog.length);
  }

  get bytes(): Uint8Array {
    return this.outbox.bytes;
  }

  reserve(length: number): number {
    if (this.state !== OPEN) return this.reserveNowhere(length);
    const at = this.outbox.reserve(length);
    this.wrote();
    return at;
  }

  write(bytes: Uint8Array): void {
    if (this.state !== OPEN) return;
    this.outbox.write(bytes);
    this.wrote();
  }

  share(slab: Slab, start: number, end: number): void {
    if (this.state !== OPEN) return;
    this.outbox.share(slab, start, end);
    this.wrote();
  }

  pause(): void {
    if (this.paused || this.state !== OPEN) return;
    this.paused = true;
    this.readStop();
  }

  resume(): void {
    if (!this.paused || this.state !== OPEN) return;
    this.paused = false;
    // What was left over may hold whole packets: the peer gets it again, but not from within its own call.
    if (this.left !== undefined) {
      this.resumed = true;
      this.touch();
    } else this.readStart();
  }

  wake(at: number): void {
    if (this.state !== OPEN) return;
    this.wakeAt = at;
    this.arm();
  }

  end(): void {
    if (this.state !== OPEN) return;
    this.state = ENDING;
    this.left = undefined;
    this.wakeAt = NEVER;
    this.limit(this.gate.lingerMs);
    // Reading goes on, to nowhere: closing with unread octets would send RST, and the goodbye would be lost with it.
    if (this.paused) this.readStart();
    this.touch();
  }

  destroy(): void {
    if (this.state === CLOSED) return;
    this.state = CLOSED;
    this.left = undefined;
    this.wakeAt = NEVER;
    this.deadline = NEVER;
    if (this.timer !== undefined) this.gate.loop.timers.cancel(this.timer);
    this.close();
    this.gate.leave(this);
    if (this.counted) this.counters.connections--;
    this.outbox.clear();
    if (this.backlog !== undefined) this.outbox.sent(this.backlog.take());
    this.sendDone();
    this.touch();
  }

  // ---- what the gate and the stages before the protocol use

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

  /** Gives the wire to a protocol; from now on it is counted there. */
  open(protocol: Protocol, at: number): void {
    this.counters = this.gate.hub.counters.of(protocol.name);
    this.counted = true;
    this.counters.connections++;
    this.counters.connectionsTotal++;
    this.peer = protocol.open(this, this.gate.hub, at);
  }

  /** Destroys the wire unless an octet arrives (or this is called again) within `ms`. */
  limit(ms: number): void {
    this.deadline = now() + ms;
    this.arm();
  }

  /** A proxy told who is at the other end. False: that address has too many connections already. */
  move(address: string, remote: string): boolean {
    if (!this.gate.admitsAddress(address)) {
      this.counters.refused++;
      return false;
    }
    this.gate.moved(this.address, address);
    this.address = address;
    this.remote = remote;
    return true;
  }

  // ---- what the socket tells

  /** Octets came. `headroom` of the memory in front of `start` may be overwritten. Returns whether to read in larger pieces. */
  protected arrived(bytes: Uint8Array, start: number, end: number, headroom: number): boolean {
    if (this.state !== OPEN) return false;
    // Before a protocol is found, the deadline is for finding it.
    if (this.counted) this.deadline = NEVER;
    const length = end - start;
    this.counters.bytesIn += length;
    const left = this.left;
    if (left === undefined) this.consume(bytes, start, end);
    else if (left.length <= headroom) {
      bytes.set(left, start - left.length);
      this.left = undefined;
      this.consume(bytes, start - left.length, end);
    } else {
      const both = new Uint8Array(left.length + length);
      both.set(left, 0);
      both.set(bytes.subarray(start, end), left.length);
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
        if (peer === this.peer || this.state !== OPEN) break;
      }
    } catch (error) {
      this.threw(error, at);
      return;
    }
    if (start < end && this.state === OPEN) this.keep(bytes, start, end);
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > HEADROOM_BYTES && !this.paused) {
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

  /** The socket failed: it is as good as closed. */
  protected failed(why: string): void {
    if (this.state === CLOSED) return;
    this.gate.loop.log('debug', `connection ${this.remote} failed: ${why}`, { listener: this.gate.name });
    this.destroy();
  }

  /** The write that was under way is done. */
  protected written(): void {
    if (this.sending === undefined || this.state === CLOSED) return;
    this.sendDone();
    this.sendAll();
  }

  // ---- sending

  private wrote(): void {
    if (!this.dirty) this.touch();
    // `unsent` is exact only when a write is under way or something waits; both are rare.
    if (this.outbox.length + this.sendingBytes > this.gate.highWaterBytes || this.backlog !== undefined)
      this.weigh();
  }

  private weigh(): void {
    const unsent = this.unsent;
    if (unsent > this.gate.highWaterBytes) this.choked = true;
    if (unsent <= this.gate.maxUnsentBytes) return;
    this.gate.hub.counters.drop('slow-consumer');
    this.gate.loop.log('warn', `connection ${this.remote} reads too slowly and is closed`, {
      listener: this.gate.name,
      unsent,
    });
    this.destroy();
  }

  private touch(): void {
    if (this.dirty) return;
    this.dirty = true;
    this.gate.loop.add(this);
  }

  /** Memory for octets that will go nowhere, for a tower that writes to a wire that has ended. */
  private reserveNowhere(length: number): number {
    const slabs = this.gate.loop.slabs;
    const at = slabs.reserve(length);
    this.outbox.bytes = slabs.current.bytes;
    return at;
  }

  /** The end of the turn. */
  flush(): void {
    this.dirty = false;
    if (this.state !== CLOSED) {
      if (this.resumed) this.again();
      if (this.sending === undefined) this.sendAll();
      else if (this.outbox.length > 0) this.stash();
    }
    // Read again: what was just called may have ended it.
    if (this.state !== OPEN && !this.told) this.tellLost();
  }

  /** The peer resumed with octets left over. */
  private again(): void {
    this.resumed = false;
    const left = this.left;
    if (this.state !== OPEN || this.paused) return;
    if (left !== undefined) {
      this.left = undefined;
      this.consume(left, 0, left.length);
    }
    if (this.state === OPEN && !this.paused) this.readStart();
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
    if (this.choked && this.unsent * 2 <= this.gate.highWaterBytes) {
      this.choked = false;
      if (this.state === OPEN) this.tellDrained();
    }
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

  // ---- calling the peer

  due(at: number): void {
    if (this.deadline <= at) {
      this.failed(this.state === OPEN ? 'nothing came in time' : 'did not close in time');
      return;
    }
    if (this.wakeAt > at) {
      this.arm();
      return;
    }
    this.wakeAt = NEVER;
    this.arm();
    try {
      this.peer.wake(at);
    } catch (error) {
      this.threw(error, at);
    }
  }

  private arm(): void {
    const at = Math.min(this.wakeAt, this.deadline);
    if (this.timer === undefined) {
      if (at === NEVER) return;
      this.timer = new Timer(this);
    }
    this.gate.loop.timers.schedule(this.timer, at);
  }

  /** The deadline for the first octet or the proxy's header has been met. */
  inTime(): void {
    this.deadline = NEVER;
  }

  private tellDrained(): void {
    const at = now();
    try {
      this.peer.drained(at);
    } catch (error) {
      this.threw(error, at);
    }
  }

  private tellLost(): void {
    this.told = true;
    const peer = this.peer;
    this.peer = NOBODY;
    try {
      peer.lost(now());
    } catch (error) {
      this.fault(error);
    }
  }

  /** The one place where a peer's errors end. */
  private threw(error: unknown, at: number): void {
    if (!(error instanceof ProtocolError)) {
      this.fault(error);
      return;
    }
    if (this.state !== OPEN) return;
    this.counters.broken++;
    this.gate.loop.log('debug', `connection ${this.remote} broke its protocol: ${error.message}`, {
      listener: this.gate.name,
    });
    try {
      this.peer.broken(error, at);
    } catch (second) {
      this.fault(second);
      return;
    }
    this.end();
  }

  /** Our own defect: this wire alone pays for it. */
  private fault(error: unknown): void {
    this.counters.faults++;
    this.gate.loop.log('error', `connection ${this.remote} is closed by a defect: ${String(error)}`, {
      listener: this.gate.name,
      stack: error instanceof Error ? error.stack : undefined,
    });
    this.destroy();
  }
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
