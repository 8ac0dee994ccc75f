// A wire over the simulated network: what a peer or a speaker writes in one event leaves together.

import { Outbox } from '../../bytes/outbox.ts';
import { SlabPool } from '../../bytes/slab.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Slab, Slabs, Wire, WireLimits } from '../../contract/wire.ts';
import { Alarm, type LabClock } from './clock.ts';
import type { DatagramEnd } from './datagrams.ts';
import type { Meter } from './meter.ts';
import type { Stream } from './tcp.ts';

const LIMITS: WireLimits = { maxPacketBytes: 16_777_216, loginMs: 600_000 };
const FULL_BYTES = 65_536;
const NOTHING = new Uint8Array(0);

/** The wires of one cell: they share a pool, and are flushed after each event. */
export class Wires {
  readonly clock: LabClock;
  readonly pool: Slabs = new SlabPool();
  private dirty: LabWire[] = [];

  constructor(clock: LabClock) {
    this.clock = clock;
    clock.after(() => this.flush());
  }

  /** @internal */
  wrote(wire: LabWire): void {
    this.dirty.push(wire);
  }

  private flush(): boolean {
    if (this.dirty.length === 0) return false;
    const { dirty } = this;
    this.dirty = [];
    for (const wire of dirty) wire.flush();
    return true;
  }
}

export interface WireOptions {
  readonly remote: string;
  readonly listener: string;
  readonly secure: boolean;
  readonly meter: Meter;
  /** Datagrams and messages leave one by one; of a stream, all of a turn together. */
  readonly packets: boolean;
  /** Whether this datagram was sent before, for counting. */
  readonly again?: (datagram: Uint8Array) => boolean;
}

/** What carries it. */
interface Carrier {
  send(bytes: Uint8Array): void;
  end(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
  unsent(): number;
}

export class LabWire implements Wire {
  readonly remote: string;
  readonly listener: string;
  readonly secure: boolean;
  readonly identity = {};
  readonly limits = LIMITS;
  readonly slabs: Slabs;
  peer: Peer | undefined;
  closed = false;
  private readonly wires: Wires;
  private readonly meter: Meter;
  private readonly packets: boolean;
  private readonly outbox: Outbox;
  private readonly alarm: Alarm;
  private carrier: Carrier | undefined;
  private lengths: number[] = [];
  private marked = false;
  private rest: Uint8Array = NOTHING;
  private choked = false;
  private paused = false;

  constructor(wires: Wires, options: WireOptions) {
    this.wires = wires;
    this.remote = options.remote;
    this.listener = options.listener;
    this.secure = options.secure;
    this.meter = options.meter;
    this.packets = options.packets;
    this.slabs = wires.pool;
    this.outbox = new Outbox(wires.pool);
    this.alarm = new Alarm(wires.clock, () => this.guarded((now) => this.peer?.wake(now)));
  }

  /** Over a stream that is open, or is one day. */
  overStream(stream: Stream, opened: () => void): this {
    stream.sink = {
      opened,
      received: (bytes) => this.receive(bytes),
      drained: () => this.drained(),
      ended: () => this.end(),
      failed: () => this.lose(),
    };
    this.carrier = {
      send: (bytes) => stream.write(bytes, 'content'),
      end: () => stream.end(),
      destroy: () => stream.destroy(),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      unsent: () => stream.unsent,
    };
    return this;
  }

  overDatagrams(end: DatagramEnd, opened: () => void, again: (datagram: Uint8Array) => boolean): this {
    end.sink = { opened, received: (bytes) => this.receive(bytes), failed: () => this.lose() };
    this.carrier = {
      send: (bytes) => end.send(bytes, again(bytes)),
      end: () => end.end(),
      destroy: () => end.end(),
      pause() {},
      resume() {},
      unsent: () => 0,
    };
    return this;
  }

  // ---- the peer's side

  get bytes(): Uint8Array {
    return this.outbox.bytes;
  }

  get unsent(): number {
    return this.outbox.length + (this.carrier?.unsent() ?? 0);
  }

  get full(): boolean {
    if (this.unsent >= FULL_BYTES) this.choked = true;
    return this.choked;
  }

  reserve(length: number): number {
    this.note(length);
    const at = this.outbox.reserve(length);
    if (this.closed) this.outbox.clear(); // it may be filled, and goes nowhere
    return at;
  }

  write(bytes: Uint8Array): void {
    if (this.closed) return;
    this.note(bytes.length);
    this.outbox.write(bytes);
  }

  share(slab: Slab, start: number, end: number): void {
    if (this.closed) return;
    this.note(end - start);
    this.outbox.share(slab, start, end);
  }

  private note(length: number): void {
    if (this.closed) return;
    if (this.packets) this.lengths.push(length);
    if (this.marked) return;
    this.marked = true;
    this.wires.wrote(this);
  }

  /** @internal */
  flush(): void {
    this.marked = false;
    if (this.closed || (this.outbox.length === 0 && this.lengths.length === 0)) return;
    const octets = new Uint8Array(this.outbox.length);
    const spans = this.outbox.take();
    let at = 0;
    for (const span of spans) {
      octets.set(span.bytes.subarray(span.start, span.end), at);
      at += span.end - span.start;
    }
    this.outbox.sent(spans);
    const { carrier, lengths } = this;
    if (!this.packets) {
      carrier!.send(octets);
      return;
    }
    this.lengths = [];
    let from = 0;
    for (const length of lengths) {
      carrier!.send(octets.subarray(from, from + length));
      from += length;
    }
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.carrier!.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    // Later, as a socket does: not from within the call.
    this.wires.clock.at(this.wires.clock.now, () => {
      if (this.closed || this.paused) return;
      if (this.rest.length > 0) this.receive(NOTHING);
      this.carrier!.resume();
    });
  }

  wake(at: number): void {
    if (this.closed || at === Number.POSITIVE_INFINITY) this.alarm.clear();
    else {
      this.alarm.clear();
      this.alarm.set(Math.max(at, this.wires.clock.now));
    }
  }

  end(): void {
    if (this.closed) return;
    this.flush();
    this.carrier!.end();
    this.lose();
  }

  destroy(): void {
    if (this.closed) return;
    this.carrier!.destroy();
    this.lose();
  }

  // ---- the carrier's side

  private receive(octets: Uint8Array): void {
    if (this.closed || this.peer === undefined) return;
    let bytes = octets;
    if (this.rest.length > 0) {
      bytes = new Uint8Array(this.rest.length + octets.length);
      bytes.set(this.rest);
      bytes.set(octets, this.rest.length);
    }
    this.guarded((now) => {
      const consumed = this.peer!.receive(bytes, 0, bytes.length, now);
      this.rest = consumed === bytes.length ? NOTHING : bytes.slice(consumed);
    });
  }

  private drained(): void {
    if (!this.choked) return;
    this.choked = false;
    this.guarded((now) => this.peer?.drained(now));
  }

  /** Errors end here: a broken protocol is answered, anything else is our bug and ends the run. */
  private guarded(call: (now: number) => void): void {
    const { now } = this.wires.clock;
    this.meter.enter();
    try {
      call(now);
    } catch (why) {
      if (!(why instanceof ProtocolError)) throw why;
      this.peer?.broken(why, now);
      this.end();
    } finally {
      this.meter.leave();
    }
  }

  /** `lost` comes as an event of its own: never from within a call of the peer. */
  private lose(): void {
    if (this.closed) return;
    this.closed = true;
    this.outbox.clear();
    this.lengths = [];
    this.alarm.clear();
    const { peer } = this;
    this.peer = undefined;
    this.wires.clock.at(this.wires.clock.now, () => peer?.lost(this.wires.clock.now));
  }
}
