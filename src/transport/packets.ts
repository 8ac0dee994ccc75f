// A Wire whose every write is one packet: a datagram, or a whole WebSocket message.

import type { Slab } from '../contract/wire.ts';
import { now } from './clock.ts';
import { CLOSED, ENDING, OPEN, PeeredWire, SHUT } from './peered.ts';

export abstract class PacketWire extends PeeredWire {
  /** Lengths of the packets in the outbox, in order: each `write`, `reserve` and `share` made one. */
  private readonly lengths: number[] = [];
  private underWay = 0;

  /**
   * Sends one packet. True: it is out, and its octets are not needed any more; false: `packetSent` is called with its length, later. `bytes`
   * are unchanged until then if they lie in no slab, and if the slab is retained.
   */
  protected abstract sendPacket(bytes: Uint8Array, slab: Slab | undefined): boolean;
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
    const { lengths } = this;
    const count = lengths.length;
    if (count > 0) {
      this.sendAll(lengths, count);
      // What was written meanwhile leaves in the next turn.
      if (lengths.length === count) lengths.length = 0;
      else lengths.splice(0, count);
    }
    this.part();
  }

  private sendAll(lengths: readonly number[], count: number): void {
    const spans = this.outbox.take();
    const { tap } = this.gate.loop;
    let i = 0;
    let at = spans[0]!.start;
    let span = spans[0]!;
    for (let n = 0; n < count; n++) {
      const length = lengths[n]!;
      // Neighbours were merged into one span, but no packet lies in two.
      while (at === span.end && length > 0) {
        span = spans[++i]!;
        at = span.start;
      }
      const packet = span.bytes.subarray(at, at + length);
      at += length;
      this.counters.bytesOut += length;
      if (tap !== undefined) tap.passed(this, 'out', packet, 0, length);
      if (!this.sendPacket(packet, span.slab)) this.underWay += length;
      if (this.state === CLOSED) break;
    }
    this.sentAll();
    this.outbox.sent(spans);
    this.relieved();
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
    this.gate.loop.reading();
    const at = now();
    try {
      this.peer.receive(bytes, 0, bytes.length, at);
    } catch (error) {
      this.threw(error, at);
    }
  }
}
