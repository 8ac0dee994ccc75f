// Frames of AMQP 0-9-1: their heads checked, their bodies handed on. [AMQP091-4.2.3]

import { Cutter, type FrameSink } from '../../bytes/cutter.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { FRAME_END, FRAME_OVERHEAD } from './packet.ts';
import { FRAME_ERROR } from './reply.ts';

const HEAD_BYTES = 7;

export class FrameCutter extends Cutter {
  /** The largest frame that may come, with its overhead. */
  frameMax: number;
  private readonly sink: FrameSink;

  constructor(frameMax: number, sink: FrameSink) {
    super(HEAD_BYTES);
    this.frameMax = frameMax;
    this.sink = sink;
  }

  /** type | channel | size | payload | end. Throws ProtocolError 501 before any memory is taken. [AMQP091-4.2.3] */
  protected lengthOf(bytes: Uint8Array, at: number): number {
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

  protected frame(bytes: Uint8Array, at: number, total: number): void {
    if (bytes[at + total - 1] !== FRAME_END)
      throw new ProtocolError('AMQP091-4.2.3', 'a frame does not end with 0xCE', FRAME_ERROR);
    this.sink(bytes[at]!, (bytes[at + 1]! << 8) | bytes[at + 2]!, bytes, at + HEAD_BYTES, at + total - 1);
  }
}
