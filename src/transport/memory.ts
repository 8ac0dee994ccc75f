// Memory wires: two peers joined in virtual time, over a stream, datagrams or whole messages, with delay, loss and cutting.

import { Outbox } from '../bytes/outbox.ts';
import { SlabPool } from '../bytes/slab.ts';
import { ProtocolError } from '../contract/outcome.ts';
import type { Peer, Slab, Slabs, Wire, WireIdentity, WireLimits } from '../contract/wire.ts';
import { seeded, type VirtualClock } from './virtual-clock.ts';

export type Carrier = 'stream' | 'datagram' | 'message';

/** What lies between two ends; the same in both directions. */
export interface LinkOptions {
  /** How long octets travel. */
  readonly delayMs: number;
  /** Up to so much longer, at random. Streams keep their order; datagrams may overtake each other. */
  readonly jitterMs: number;
  /** The share of datagrams that never arrive, 0 to 1. */
  readonly loss: number;
  /** At most so many octets of a stream arrive together, cut at random; Infinity: as they were sent. */
  readonly chunk: number;
  /** Octets per ms; Infinity: no limit. */
  readonly bandwidth: number;
  /** So many octets may be on their way or unread, as in a kernel's buffers; the sender keeps the rest. */
  readonly windowBytes: number;
  /** From so many unsent octets on a wire is full; it is drained at half of them. */
  readonly fullBytes: number;
}

export const PERFECT_LINK: LinkOptions = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  chunk: Number.POSITIVE_INFINITY,
  bandwidth: Number.POSITIVE_INFINITY,
  windowBytes: 262_144,
  fullBytes: 65_536,
};

/** What one end says of the other. */
export interface EndOptions {
  readonly remote: string;
  readonly listener: string;
  readonly secure?: boolean;
  /** TLS can begin inside of it, without a handshake. */
  readonly securable?: boolean;
  readonly sentTo?: Wire['sentTo'];
  readonly identity?: WireIdentity;
  readonly limits?: Partial<WireLimits>;
}

export const DEFAULT_WIRE_LIMITS: WireLimits = { maxPacketBytes: 268_435_460, loginMs: 10_000 };

/** Octets that a peer may leave unconsumed (contract/wire.ts). */
const MAX_REST_BYTES = 32_768;
/** Foreign octets in front of what arrives, so that a tower that takes offset 0 for its own is found out. */
const MARGIN = 3;
const SCRIBBLE = 0xdd;

/** All memory wires of one test: they share a clock, a slab pool and a seed. */
export class MemoryNetwork {
  readonly clock: VirtualClock;
  readonly pool: Slabs = new SlabPool();
  readonly random: () => number;
  private dirty: MemoryWire[] = [];

  constructor(clock: VirtualClock, seed = 1) {
    this.clock = clock;
    this.random = seeded(seed);
    clock.after(() => this.flush());
  }

  /** Two joined wires; the caller opens a peer on each before time passes. */
  join(
    carrier: Carrier,
    a: EndOptions,
    b: EndOptions,
    link: Partial<LinkOptions> = {},
  ): [MemoryWire, MemoryWire] {
    const options = { ...PERFECT_LINK, ...link };
    const left = new MemoryWire(this, carrier, a, options);
    const right = new MemoryWire(this, carrier, b, options);
    left.other = right;
    right.other = left;
    return [left, right];
  }

  /** @internal */
  wrote(wire: MemoryWire): void {
    this.dirty.push(wire);
  }

  private flush(): boolean {
    if (this.dirty.length === 0) return false;
    const dirty = this.dirty;
    this.dirty = [];
    for (const wire of dirty) wire.flush();
    return true;
  }
}

const NOTHING = new Uint8Array(0);

/** One end. `peer` reads what the other end writes. */
export class MemoryWire implements Wire {
  readonly remote: string;
  readonly listener: string;
  secure: boolean;
  readonly secureUp: (() => void) | undefined;
  readonly sentTo: 'us' | 'group' | 'either';
  readonly identity: WireIdentity;
  readonly limits: WireLimits;
  readonly slabs: Slabs;
  /** Undefined until opened, and again once `lost` was called. */
  peer: Peer | undefined;
  /** @internal */
  other!: MemoryWire;
  /** Datagrams: opens a new peer when one arrives after this end was closed, as a server does. */
  reopen: (() => void) | undefined;

  private readonly network: MemoryNetwork;
  private readonly carrier: Carrier;
  private readonly link: LinkOptions;
  private readonly outbox: Outbox;
  /** Datagrams and messages: the length of each that waits in `outbox`. */
  private packets: number[] = [];
  /** A stream's octets that found no room in the window. */
  private backlog: Uint8Array[] = [];
  private backlogBytes = 0;
  /** What arrived and was not read yet. */
  private inbox: Uint8Array[] = [];
  /** Octets sent that the other end has not read. */
  private underWay = 0;
  private rest: Uint8Array = new Uint8Array(0);
  private lastArrival = 0;
  private sendingUntil = 0;
  private marked = false;
  private paused = false;
  /** Cancels the end of being held. */
  private release: (() => void) | undefined = undefined;
  /** The peer resumed: what it left over may hold whole packets, and comes again. */
  private resumed = false;
  private reading = false;
  private wasFull = false;
  private finished = false; // the other end's goodbye waits behind `inbox`
  private cancelWake: (() => void) | undefined;
  /** This end closed, or saw the other close. */
  closed = false;

  constructor(network: MemoryNetwork, carrier: Carrier, options: EndOptions, link: LinkOptions) {
    this.network = network;
    this.carrier = carrier;
    this.link = link;
    this.remote = options.remote;
    this.listener = options.listener;
    this.secure = options.secure ?? false;
    this.secureUp = options.securable === true ? () => this.becomeSecure() : undefined;
    this.sentTo = options.sentTo ?? 'us';
    this.identity = options.identity ?? {};
    this.limits = { ...DEFAULT_WIRE_LIMITS, ...options.limits };
    this.slabs = network.pool;
    this.outbox = new Outbox(network.pool);
  }

  private becomeSecure(): void {
    this.secure = true;
  }

  get bytes(): Uint8Array {
    return this.outbox.bytes;
  }

  get unsent(): number {
    return this.outbox.length + this.backlogBytes;
  }

  get full(): boolean {
    if (this.unsent >= this.link.fullBytes) this.wasFull = true;
    return this.wasFull;
  }

  reserve(length: number): number {
    this.note(length);
    const at = this.outbox.reserve(length);
    // What was reserved may be filled although nobody will read it.
    if (this.closed) this.outbox.clear();
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
    if (this.carrier !== 'stream') this.packets.push(length);
    if (this.marked) return;
    this.marked = true;
    this.network.wrote(this);
  }

  /** @internal What this turn wrote leaves. */
  flush(): void {
    this.marked = false;
    if (this.outbox.length === 0 && this.packets.length === 0) return;
    const octets = this.collect();
    if (this.carrier === 'stream') {
      this.backlog.push(octets);
      this.backlogBytes += octets.length;
      this.pump(this.link.windowBytes);
      return;
    }
    let from = 0;
    for (const length of this.packets) {
      this.send(octets.slice(from, from + length));
      from += length;
    }
    this.packets = [];
  }

  private collect(): Uint8Array {
    const octets = new Uint8Array(this.outbox.length);
    const spans = this.outbox.take();
    let at = 0;
    for (const span of spans) {
      octets.set(span.bytes.subarray(span.start, span.end), at);
      at += span.end - span.start;
    }
    this.outbox.sent(spans);
    return octets;
  }

  /** Sends from the backlog while the window has room. */
  private pump(window: number): void {
    while (this.backlog.length > 0 && this.underWay < window) {
      const first = this.backlog[0]!;
      let length = Math.min(first.length, window - this.underWay);
      if (length > this.link.chunk) length = 1 + Math.floor(this.network.random() * this.link.chunk);
      this.send(first.slice(0, length));
      if (length === first.length) this.backlog.shift();
      else this.backlog[0] = first.subarray(length);
      this.backlogBytes -= length;
    }
    if (this.wasFull && this.unsent <= this.link.fullBytes / 2) {
      this.wasFull = false;
      this.network.clock.at(this.network.clock.now, () => {
        if (!this.closed) this.guarded((now) => this.peer?.drained(now));
      });
    }
  }

  private send(octets: Uint8Array): void {
    const { loss, bandwidth } = this.link;
    const { clock, random } = this.network;
    if (this.carrier === 'datagram' && loss > 0 && random() < loss) return;
    this.sendingUntil = Math.max(this.sendingUntil, clock.now) + octets.length / bandwidth;
    this.underWay += octets.length;
    const to = this.other;
    clock.at(this.arrival(), () => to.arrived(octets));
  }

  private arrival(): number {
    const { delayMs, jitterMs } = this.link;
    const at = this.sendingUntil + delayMs + (jitterMs > 0 ? this.network.random() * jitterMs : 0);
    if (this.carrier === 'datagram') return at;
    this.lastArrival = Math.max(this.lastArrival, at);
    return this.lastArrival;
  }

  private arrived(octets: Uint8Array): void {
    if (this.closed && this.reopen !== undefined) {
      this.closed = false;
      this.reopen();
    }
    if (this.closed) {
      this.other.underWay -= octets.length;
      return;
    }
    this.inbox.push(octets);
    this.read();
  }

  /** Gives the peer what arrived, one piece after the other, until it pauses. */
  private read(): void {
    if (this.reading) return;
    this.reading = true;
    try {
      if (this.resumed && !this.paused && !this.held && !this.closed) {
        this.resumed = false;
        if (this.rest.length > 0) this.guarded((now) => this.receive(NOTHING, now));
      }
      while (!this.paused && !this.held && !this.closed && this.inbox.length > 0) {
        const octets = this.inbox.shift()!;
        this.other.underWay -= octets.length;
        this.guarded((now) => this.receive(octets, now));
        if (this.carrier === 'stream') this.other.pump(this.link.windowBytes);
      }
    } finally {
      this.reading = false;
    }
    if (this.finished && !this.paused && !this.held && this.inbox.length === 0) this.lose();
  }

  /** Lends the peer the octets in memory that is scribbled over afterwards: who keeps a view of it is found out. */
  private receive(octets: Uint8Array, now: number): void {
    if (this.peer === undefined) throw new Error('octets arrived at a wire without a peer');
    const start = MARGIN;
    const end = start + this.rest.length + octets.length;
    const lent = new Uint8Array(end + MARGIN).fill(SCRIBBLE);
    lent.set(this.rest, start);
    lent.set(octets, start + this.rest.length);
    const consumed = this.peer.receive(lent, start, end, now);
    if (consumed < start || consumed > end)
      throw new Error(`receive returned ${consumed}, not in [${start}, ${end}]`);
    this.rest = lent.slice(consumed, end);
    lent.fill(SCRIBBLE);
    if (this.rest.length > 0 && this.carrier !== 'stream')
      throw new Error('part of a whole packet was left unconsumed');
    if (this.rest.length > MAX_REST_BYTES && !this.paused && !this.held)
      throw new Error(`${this.rest.length} octets were left unconsumed`);
  }

  /** The one place where a peer's errors end: a broken protocol is answered, anything else is our bug and fails the test. */
  private guarded(call: (now: number) => void): void {
    const now = this.network.clock.now;
    try {
      call(now);
    } catch (why) {
      if (!(why instanceof ProtocolError)) {
        this.destroy();
        throw why;
      }
      this.peer?.broken(why, now);
      this.end();
    }
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.resumed = true;
    // Later, as a socket does: not from within the call.
    this.network.clock.at(this.network.clock.now, () => this.read());
  }

  get held(): boolean {
    return this.release !== undefined;
  }

  hold(ms: number): void {
    this.release?.();
    this.release = this.network.clock.timer(this.network.clock.now + ms, () => {
      this.release = undefined;
      this.resumed = true;
      this.read();
    });
  }

  wake(at: number): void {
    this.cancelWake?.();
    this.cancelWake = undefined;
    if (this.closed) return;
    this.cancelWake = this.network.clock.timer(at, () => {
      this.cancelWake = undefined;
      this.guarded((now) => this.peer?.wake(now));
    });
  }

  end(): void {
    if (this.closed) return;
    this.flush();
    this.pump(Number.POSITIVE_INFINITY);
    this.close();
    if (this.carrier === 'datagram') return; // says nothing to the other side
    const to = this.other;
    this.network.clock.at(this.arrival(), () => {
      to.finished = true;
      if (to.inbox.length === 0) to.lose();
    });
  }

  destroy(): void {
    if (this.closed) return;
    this.close();
    if (this.carrier === 'datagram') return;
    const to = this.other;
    this.network.clock.at(this.arrival(), () => to.lose());
  }

  /**
   * The network between the two ends fails: what is under way is dropped, and nothing more passes. A connection is lost on both sides;
   * of datagrams the other side hears no more, and that is all it knows.
   */
  cut(): void {
    this.inbox = [];
    this.reopen = undefined;
    this.close();
    this.other.inbox = [];
    this.other.reopen = undefined;
    if (this.carrier !== 'datagram') this.other.close();
  }

  /** This end's process dies: its peer hears nothing any more, the other end loses the connection. */
  abandon(): void {
    this.peer = undefined;
    this.destroy();
  }

  private lose(): void {
    if (!this.closed) this.close();
  }

  /** `lost` comes as an event of its own, as from a socket: never from within a call of the peer. */
  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.outbox.clear();
    this.packets = [];
    this.backlog = [];
    this.backlogBytes = 0;
    this.cancelWake?.();
    this.cancelWake = undefined;
    this.release?.();
    this.release = undefined;
    const peer = this.peer;
    this.peer = undefined;
    if (peer !== undefined)
      this.network.clock.at(this.network.clock.now, () => peer.lost(this.network.clock.now));
  }
}
