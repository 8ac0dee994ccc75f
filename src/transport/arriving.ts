// A Wire on which whole packets arrive: datagrams, DTLS records, WebSocket messages. How they leave, its kinds say.

import { now } from './clock.ts';
import { CLOSED, ENDING, OPEN, PeeredWire, SHUT } from './peered.ts';

export abstract class ArrivingWire extends PeeredWire {
  /** Octets given to the carrier that are not out yet. */
  private underWay = 0;

  /** Octets that wait for the end of the turn. */
  protected abstract readonly waiting: number;
  /** Everything is sent: say goodbye in the carrier's own words. Whoever has none destroys the wire. */
  protected abstract farewell(): void;

  get unsent(): number {
    return this.waiting + this.underWay;
  }

  protected wrote(_length: number): void {
    if (this.unsent > this.gate.highWaterBytes) this.weigh(this.unsent);
  }

  protected ending(): void {}

  protected sendTurn(): void {
    this.part();
  }

  /** So much is given to the carrier; `departed` or `packetSent` follow when it is out. */
  protected departs(length: number): void {
    this.underWay += length;
    this.counters.bytesOut += length;
  }

  /** It was out at once. */
  protected departed(length: number): void {
    this.underWay -= length;
  }

  /** It is out, some time later. */
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
