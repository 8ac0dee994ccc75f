// Cuts a stream into frames; one that is not all there is gathered in memory of its own.

import { ProtocolError } from '../../contract/outcome.ts';
import { FRAME_END, FRAME_OVERHEAD } from './packet.ts';
import { FRAME_ERROR } from './reply.ts';

/** Longer frames are gathered: a peer may leave at most 32 kB unread. */
const GATHER_BYTES = 16_384;

/** Gets each frame's payload: `bytes[start..end)`, valid only during the call. */
export type FrameSink = (
  type: number,
  channel: number,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

export class FrameCutter {
  /** The largest frame that may come, with its overhead. */
  frameMax: number;
  private readonly sink: FrameSink;
  private gathered: Uint8Array | undefined = undefined;
  private filled = 0;

  constructor(frameMax: number, sink: FrameSink) {
    this.frameMax = frameMax;
    this.sink = sink;
  }

  /** Calls the sink for each whole frame, while `more` says so; returns the offset up to which the octets were used. */
  cut(bytes: Uint8Array, start: number, end: number, more: () => boolean): number {
    let at = this.gathered === undefined ? start : this.gather(bytes, start, end);
    while (more() && this.gathered === undefined && end - at >= 7) {
      const total = this.lengthOf(bytes, at);
      if (end - at < total) {
        if (total <= GATHER_BYTES) return at;
        this.gathered = new Uint8Array(total);
        this.filled = 0;
        return this.gather(bytes, at, end);
      }
      this.frame(bytes, at, total);
      at += total;
    }
    return at;
  }

  private gather(bytes: Uint8Array, start: number, end: number): number {
    const whole = this.gathered!;
    const length = Math.min(end - start, whole.length - this.filled);
    whole.set(bytes.subarray(start, start + length), this.filled);
    this.filled += length;
    if (this.filled === whole.length) {
      this.gathered = undefined;
      this.frame(whole, 0, whole.length);
    }
    return start + length;
  }

  /** type | channel | size | payload | end. Throws ProtocolError 501 before any memory is taken. [AMQP091-4.2.3] */
  private lengthOf(bytes: Uint8Array, at: number): number {
    const type = bytes[at]!;
    if (type !== 1 && type !== 2 && type !== 3 && type !== 8)
      throw new ProtocolError('AMQP091-4.2.3', `there is no frame type ${type}`, FRAME_ERROR);
    const size =
      bytes[at + 3]! * 0x100_0000 + ((bytes[at + 4]! << 16) | (bytes[at + 5]! << 8) | bytes[at + 6]!);
    const total = size + FRAME_OVERHEAD;
    if (total > this.frameMax)
      throw new ProtocolError(
        'AMQP091-4.2.3',
        `a frame of ${total} octets, ${this.frameMax} are allowed`,
        FRAME_ERROR,
      );
    return total;
  }

  private frame(bytes: Uint8Array, at: number, total: number): void {
    if (bytes[at + total - 1] !== FRAME_END)
      throw new ProtocolError('AMQP091-4.2.3', 'a frame does not end with 0xCE', FRAME_ERROR);
    this.sink(bytes[at]!, (bytes[at + 1]! << 8) | bytes[at + 2]!, bytes, at + 7, at + total - 1);
  }
}
