// What every wire over a socket has in common: its peer and how it is called, its timers, its counters and its end.

import { Outbox } from '../bytes/outbox.ts';
import type { ProtocolCounters } from '../contract/hub.ts';
import { NEVER } from '../contract/message.ts';
import { type Departure, ProtocolError } from '../contract/outcome.ts';
import type { Peer, Protocol, Slab, Slabs, Wire, WireIdentity, WireLimits } from '../contract/wire.ts';
import { now } from './clock.ts';
import type { Gate, Guarded } from './listener.ts';
import type { Flushable } from './loop.ts';
import { Timer, type TimerOwner } from './timers.ts';

// open ──end, EOF, ProtocolError──▶ ending ──all sent──▶ shut ──EOF, linger──▶ closed
//   └──────────── destroy, an error of the socket, slow consumer ─────────────────▲
// Entering `ending` or `closed` asks for a flush, and that flush tells the peer `lost`: never from within a call of the peer.
export const OPEN = 0;
export const ENDING = 1;
export const SHUT = 2;
export const CLOSED = 3;

/** The peer of a wire before it has one and after it was told `lost`. */
const NOBODY: Peer = {
  receive: (_bytes, _start, end) => end,
  drained() {},
  wake() {},
  broken() {},
  lost() {},
};

export abstract class PeeredWire implements Wire, Flushable, TimerOwner, Guarded {
  remote: string;
  /** The remote's address alone, by which connections are counted; empty when it has none. */
  address: string;
  identity: WireIdentity;
  /** The name of the protocol, once it is found. */
  protocol = '';
  peer: Peer = NOBODY;
  protected readonly gate: Gate;
  protected counters: ProtocolCounters;
  /** A protocol has been found, and counts it. */
  protected counted = false;
  protected state = OPEN;
  protected readonly outbox: Outbox;
  protected dirty = false;
  protected choked = false;
  private told = false;
  private timer: Timer | undefined = undefined;
  private wakeAt = NEVER;
  private deadline = NEVER;
  /** Until when nothing is read, whatever the peer says. */
  private heldUntil = NEVER;

  constructor(
    gate: Gate,
    address: string,
    remote: string,
    identity: WireIdentity,
    outbox = new Outbox(gate.loop.slabs),
  ) {
    this.gate = gate;
    this.address = address;
    this.remote = remote;
    this.identity = identity;
    this.counters = gate.counters;
    this.outbox = outbox;
  }

  abstract readonly unsent: number;
  abstract pause(): void;
  abstract resume(): void;
  /** Stops reading, or starts again, because `held` changed. */
  protected reading(_on: boolean): void {}
  /** Sends what it can of what was written this turn. */
  protected abstract sendTurn(): void;
  /** Called once, when this side has ended and something may still be unsent. */
  protected abstract ending(): void;
  /** Closes the socket at once and drops what is unsent, `outbox` apart. Called exactly once. */
  protected abstract close(): void;
  /** `length` octets were appended to the outbox. */
  protected abstract wrote(length: number): void;

  get listener(): string {
    return this.gate.name;
  }

  get secure(): boolean {
    return this.gate.secure;
  }

  /** This side, or both, have ended it. */
  protected get ended(): boolean {
    return this.state !== OPEN;
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

  get bytes(): Uint8Array {
    return this.outbox.bytes;
  }

  reserve(length: number): number {
    if (this.state !== OPEN) return this.reserveNowhere(length);
    const at = this.outbox.reserve(length);
    this.wrote(length);
    return at;
  }

  write(bytes: Uint8Array): void {
    if (this.state !== OPEN) return;
    this.outbox.write(bytes);
    this.wrote(bytes.length);
  }

  share(slab: Slab, start: number, end: number): void {
    if (this.state !== OPEN) return;
    this.outbox.share(slab, start, end);
    this.wrote(end - start);
  }

  /** Memory for octets that will go nowhere, for a tower that writes to a wire that has ended. */
  protected reserveNowhere(length: number): number {
    const slabs = this.gate.loop.slabs;
    const at = slabs.reserve(length);
    this.outbox.bytes = slabs.current.bytes;
    return at;
  }

  wake(at: number): void {
    if (this.state !== OPEN) return;
    this.wakeAt = at;
    this.arm();
  }

  get held(): boolean {
    return this.heldUntil !== NEVER;
  }

  hold(ms: number): void {
    if (this.state !== OPEN) return;
    const before = this.held;
    this.heldUntil = now() + ms;
    this.arm();
    if (!before) this.reading(false);
  }

  end(): void {
    if (this.state !== OPEN) return;
    this.state = ENDING;
    this.wakeAt = NEVER;
    this.limit(this.gate.lingerMs);
    this.ending();
    this.touch();
  }

  destroy(): void {
    if (this.state === CLOSED) return;
    this.state = CLOSED;
    this.wakeAt = NEVER;
    this.deadline = NEVER;
    this.heldUntil = NEVER;
    if (this.timer !== undefined) this.gate.loop.timers.cancel(this.timer);
    this.close();
    this.gate.leave(this);
    if (this.counted) this.counters.connections--;
    this.outbox.clear();
    this.touch();
  }

  // ---- what the gate and the stages before the protocol use

  /** Gives the wire to a protocol; from now on it is counted there. */
  open(protocol: Protocol, at: number): void {
    this.counters = this.gate.hub.counters.of(protocol.name);
    this.counted = true;
    this.protocol = protocol.name;
    this.counters.connections++;
    this.counters.connectionsTotal++;
    this.peer = protocol.open(this, this.gate.hub, at);
  }

  /** Destroys the wire unless it gets on within `ms`: `inTime`, or a later limit. */
  limit(ms: number): void {
    this.deadline = now() + ms;
    this.arm();
  }

  /** What the limit was for has happened. */
  inTime(): void {
    this.deadline = NEVER;
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

  // ---- the end of the turn

  protected touch(): void {
    if (this.dirty) return;
    this.dirty = true;
    this.gate.loop.add(this);
  }

  flush(): void {
    this.dirty = false;
    try {
      if (this.state !== CLOSED) this.sendTurn();
    } catch (error) {
      // Else the wires behind this one would not be flushed.
      this.fault(error);
    }
    // Read again: what was just called may have ended it.
    if (this.state !== OPEN && !this.told) this.tellLost();
  }

  /** So much is unsent that it may be too much. */
  protected weigh(unsent: number): void {
    if (unsent > this.gate.highWaterBytes) this.choked = true;
    if (unsent <= this.gate.maxUnsentBytes) return;
    this.gate.hub.counters.drop('slow-consumer');
    this.gate.loop.log('warn', `connection ${this.remote} reads too slowly and is closed`, {
      listener: this.gate.name,
      unsent,
    });
    this.blame('slow-consumer');
    this.destroy();
  }

  /** Tells the peer why the transport ends the connection. */
  blame(why: Departure): void {
    this.peer.blamed?.(why);
  }

  /** Something was sent: tells the peer when there is room again. */
  protected relieved(): void {
    if (!this.choked || this.unsent * 2 > this.gate.highWaterBytes) return;
    this.choked = false;
    if (this.state === OPEN) this.tellDrained();
  }

  /** The socket failed: it is as good as closed. */
  protected failed(why: string): void {
    if (this.state === CLOSED) return;
    this.gate.loop.log('debug', `connection ${this.remote} failed: ${why}`, { listener: this.gate.name });
    this.destroy();
  }

  // ---- calling the peer

  due(at: number): void {
    if (this.deadline <= at) {
      this.failed(this.state === OPEN ? 'nothing came in time' : 'did not close in time');
      return;
    }
    if (this.heldUntil <= at) {
      this.heldUntil = NEVER;
      if (this.state === OPEN) this.reading(true);
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
    const at = Math.min(this.wakeAt, this.deadline, this.heldUntil);
    if (this.timer === undefined) {
      if (at === NEVER) return;
      this.timer = new Timer(this);
    }
    this.gate.loop.timers.schedule(this.timer, at);
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
  protected threw(error: unknown, at: number): void {
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
  protected fault(error: unknown): void {
    this.counters.faults++;
    this.gate.loop.log('error', `connection ${this.remote} is closed by a defect: ${String(error)}`, {
      listener: this.gate.name,
      stack: error instanceof Error ? error.stack : undefined,
    });
    this.destroy();
  }
}
