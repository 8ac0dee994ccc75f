// A Wire whose every write is one packet: a datagram, or a whole WebSocket message.

import { now } from './clock.ts';
import { CLOSED, ENDING, OPEN, PeeredWire, SHUT } from './peered.ts';

export abstract class PacketWire extends PeeredWire {
  /** Lengths of the packets in the outbox, in order: each `write`, `reserve` and `share` made one. */
  private lengths: number[] = [];
  private underWay = 0;

  /**
   * Sends one packet and calls `packetSent` with its length, later. `bytes` stay unchanged, unless the wire `copies` what it is given at
   * once: then they may be lent.
   */
  protected abstract sendPacket(bytes: Uint8Array): void;
  protected get copies(): boolean {
    return false;
  }
  /** The last packet of this turn was given. */
  protected sentAll(): void {}
  /** Everything is sent: say goodbye in the carrier's own words. Whoever has none destroys the wire. */
  protected abstract farewell(): void;

  get unsent(): number {
    return this.outbox.length + this.underWay;
  }

  /** Messages whose sending was begun beside the outbox. */
  protected departs(length: number): void {
    this.underWay += length;
    this.counters.bytesOut += length;
  }

  protected wrote(length: number): void {
    this.lengths.push(length);
    this.touch();
    if (this.unsent > this.gate.highWaterBytes) this.weigh(this.unsent);
  }

  protected ending(): void {}

  protected sendTurn(): void {
    const lengths = this.lengths;
    if (lengths.length > 0) {
      this.lengths = [];
      this.sendAll(lengths);
    }
    this.part();
  }

  private sendAll(lengths: readonly number[]): void {
    const spans = this.outbox.take();
    const { tap } = this.gate.loop;
    const { copies } = this;
    let i = 0;
    let at = spans[0]!.start;
    for (const length of lengths) {
      // Neighbours were merged into one span, but no packet lies in two.
      while (at === spans[i]!.end && length > 0) at = spans[++i]!.start;
      const span = spans[i]!;
      const packet = span.bytes.subarray(at, at + length);
      at += length;
      this.underWay += length;
      this.counters.bytesOut += length;
      if (tap !== undefined) tap.passed(this, 'out', packet, 0, length);
      // The socket keeps the packet beyond this turn, the slab does not.
      this.sendPacket(span.slab === undefined || copies ? packet : Buffer.from(packet));
      if (this.state === CLOSED) break;
    }
    this.sentAll();
    this.outbox.sent(spans);
  }

  protected packetSent(length: number): void {
    this.underWay -= length;
    if (this.state === CLOSED) return;
    this.relieved();
    this.part();
  }

  private part(): void {
    if (this.state !== ENDING || this.unsent > 0) return;
    this.state = SHUT;
    this.farewell();
  }

  /** A whole packet came. */
  protected packetArrived(bytes: Uint8Array): void {
    if (this.state !== OPEN) return;
    this.inTime();
    this.counters.bytesIn += bytes.length;
    const { tap } = this.gate.loop;
    if (tap !== undefined) tap.passed(this, 'in', bytes, 0, bytes.length);
    const at = now();
    try {
      this.peer.receive(bytes, 0, bytes.length, at);
    } catch (error) {
      this.threw(error, at);
    }
  }
}
