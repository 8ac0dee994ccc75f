// A Wire whose every write is one packet, kept in its outbox until the turn ends: a DTLS record, or a whole WebSocket message.

import type { Slab } from '../contract/wire.ts';
import { ArrivingWire } from './arriving.ts';
import { CLOSED } from './peered.ts';

export abstract class PacketWire extends ArrivingWire {
  /** Lengths of the packets in the outbox, in order: each `write`, `reserve` and `share` made one. */
  private readonly lengths: number[] = [];

  /**
   * Sends one packet. True: it is out, and its octets are not needed any more; false: `packetSent` is called with its length, later. `bytes`
   * are unchanged until then if they lie in no slab, and if the slab is retained.
   */
  protected abstract sendPacket(bytes: Uint8Array, slab: Slab | undefined): boolean;
  /** The last packet of this turn was given. */
  protected sentAll(): void {}

  protected get waiting(): number {
    return this.outbox.length;
  }

  protected override wrote(length: number): void {
    this.lengths.push(length);
    this.touch();
    super.wrote(length);
  }

  protected override sendTurn(): void {
    const { lengths } = this;
    const count = lengths.length;
    if (count > 0) {
      this.sendAll(lengths, count);
      // What was written meanwhile leaves in the next turn.
      if (lengths.length === count) lengths.length = 0;
      else lengths.splice(0, count);
    }
    super.sendTurn();
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
      if (tap !== undefined) tap.passed(this, 'out', packet, 0, length);
      this.departs(length);
      if (this.sendPacket(packet, span.slab)) this.departed(length);
      if (this.state === CLOSED) break;
    }
    this.sentAll();
    this.outbox.sent(spans);
    this.relieved();
  }
}
