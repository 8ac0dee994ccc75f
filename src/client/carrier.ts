// A client's wire over a stream: what is written in one turn leaves together.

import type { Peer, Slab, Slabs, Wire } from '../contract/wire.ts';

/** What moves the octets. */
export interface Carrier {
  /** Octets on their way that are not handed to the system yet. */
  readonly unsent: number;
  /** In order; each is one message where the carrier has messages. They are the carrier's afterwards. */
  send(parts: readonly Uint8Array[]): void;
  pause(): void;
  resume(): void;
  /** Sends what it has, then closes. */
  end(): void;
  destroy(): void;
}

/** A wire whose peer is given later, and that a dialled carrier feeds. */
export interface DialledWire extends Wire {
  peer: Peer | undefined;
  /** Why it ended, where the system says so. */
  readonly failure?: Error;
}

export interface Clock {
  now(): number;
  /** Calls `run` after `ms`; returns how to cancel. */
  timer(ms: number, run: () => void): () => void;
  /** Calls `run` when the turn is over. */
  soon(run: () => void): void;
}

const BLOCK_OCTETS = 65_536;
/** From this size on a buffer goes by reference. */
const BY_REFERENCE_OCTETS = 8_192;
const FULL_OCTETS = 1_048_576;
const MAX_PACKET_OCTETS = 268_435_460;
const NOTHING = new Uint8Array(0);
const LONGEST_TIMER_MS = 2_000_000_000;

/** What all wires of a client have in common. */
export abstract class CarriedWire implements DialledWire {
  readonly remote: string;
  readonly listener = '';
  secure: boolean;
  readonly identity = {};
  readonly limits = { maxPacketBytes: MAX_PACKET_OCTETS, loginMs: 0 };
  bytes: Uint8Array = NOTHING;
  peer: Peer | undefined;
  declare failure?: Error;
  protected readonly clock: Clock;
  protected carrier: Carrier | undefined;
  ended = false;
  private marked = false;
  private blocked = false;
  private cancel: (() => void) | undefined;

  constructor(remote: string, secure: boolean, clock: Clock) {
    this.remote = remote;
    this.secure = secure;
    this.clock = clock;
  }

  /** Called before anything is written, and again when TLS begins inside. */
  carry(carrier: Carrier): void {
    this.carrier = carrier;
  }

  abstract reserve(length: number): number;
  abstract write(bytes: Uint8Array): void;
  /** Octets that wait for the turn's end. */
  protected abstract readonly gathered: number;
  protected abstract take(): readonly Uint8Array[];
  abstract arrived(bytes: Uint8Array): void;

  get slabs(): Slabs {
    throw new Error('a client shares nothing');
  }

  share(slab: Slab, start: number, end: number): void {
    this.write(slab.bytes.slice(start, end));
  }

  get unsent(): number {
    return this.gathered + (this.carrier?.unsent ?? 0);
  }

  get full(): boolean {
    if (!this.blocked && this.unsent >= FULL_OCTETS) this.blocked = true;
    return this.blocked;
  }

  protected mark(): void {
    if (this.marked) return;
    this.marked = true;
    this.clock.soon(() => this.flush());
  }

  protected flush(): void {
    this.marked = false;
    if (this.gathered > 0 && !this.ended) this.carrier!.send(this.take());
  }

  /** The carrier has handed over all that it had. */
  drained(): void {
    if (!this.blocked || this.ended) return;
    this.blocked = false;
    this.peer?.drained(this.clock.now());
  }

  pause(): void {
    this.carrier?.pause();
  }

  resume(): void {
    this.carrier?.resume();
  }

  wake(at: number): void {
    this.cancel?.();
    this.cancel = undefined;
    if (this.ended || at === Number.POSITIVE_INFINITY) return;
    const ms = Math.min(LONGEST_TIMER_MS, Math.max(0, at - this.clock.now()));
    this.cancel = this.clock.timer(ms, () => {
      this.cancel = undefined;
      if (this.clock.now() < at) this.wake(at);
      else this.guarded((peer) => peer.wake(this.clock.now()));
    });
  }

  end(): void {
    if (this.ended) return;
    this.flush();
    this.carrier!.end();
    this.gone();
  }

  destroy(): void {
    if (this.ended) return;
    this.carrier!.destroy();
    this.gone();
  }

  /** The connection is over, whoever ended it. */
  gone(): void {
    if (this.ended) return;
    this.ended = true;
    this.cancel?.();
    this.cancel = undefined;
    // Never from within a call of the peer.
    queueMicrotask(() => {
      const { peer } = this;
      this.peer = undefined;
      peer?.lost(this.clock.now());
    });
  }

  /** What a peer throws ends its wire: the other side broke its protocol, or this side has a defect; the peer tells which. */
  protected guarded(call: (peer: Peer) => void): void {
    const { peer } = this;
    if (peer === undefined || this.ended) return;
    try {
      call(peer);
    } catch (why) {
      peer.broken(why as Error, this.clock.now());
      this.end();
    }
  }
}

/** Over a stream: small pieces are laid into one block, which leaves with one call. */
export class StreamWire extends CarriedWire {
  private from = 0;
  private at = 0;
  private parts: Uint8Array[] = [];
  private partOctets = 0;
  private rest: Uint8Array = NOTHING;

  protected get gathered(): number {
    return this.partOctets + this.at - this.from;
  }

  reserve(length: number): number {
    this.mark();
    if (this.at + length > this.bytes.length) {
      this.cut();
      this.bytes = new Uint8Array(Math.max(BLOCK_OCTETS, length));
      this.from = 0;
      this.at = 0;
    }
    const { at } = this;
    this.at += length;
    return at;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length >= BY_REFERENCE_OCTETS) {
      this.mark();
      this.cut();
      this.parts.push(bytes);
      this.partOctets += bytes.length;
    } else {
      const at = this.reserve(bytes.length);
      this.bytes.set(bytes, at);
    }
  }

  private cut(): void {
    if (this.at === this.from) return;
    this.parts.push(this.bytes.subarray(this.from, this.at));
    this.partOctets += this.at - this.from;
    this.from = this.at;
  }

  protected take(): readonly Uint8Array[] {
    this.cut();
    const { parts } = this;
    this.parts = [];
    this.partOctets = 0;
    return parts;
  }

  override resume(): void {
    super.resume();
    // What a peer left unread when it paused may hold whole packets.
    if (this.rest.length > 0) this.clock.soon(() => this.arrived(NOTHING));
  }

  arrived(chunk: Uint8Array): void {
    const bytes = this.rest.length === 0 ? chunk : joined(this.rest, chunk);
    this.rest = NOTHING;
    this.guarded((peer) => {
      const end = peer.receive(bytes, 0, bytes.length, this.clock.now());
      if (end < bytes.length) this.rest = bytes.slice(end);
    });
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a, 0);
  bytes.set(b, a.length);
  return bytes;
}
