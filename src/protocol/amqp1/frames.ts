// Frames: octets cut into them with their limits checked first, and what is sent put into them. [AMQP1-2.3]

import { Cutter, type FrameSink } from '../../bytes/cutter.ts';
import { encodeComposite } from './composite.ts';
import { ConnectionFault } from './fault.ts';
import type { Performative, SaslFrame } from './packet.ts';

/** No peer may refuse frames of this size. [AMQP1-2.8.18] */
export const MIN_MAX_FRAME = 512;
const HEAD_BYTES = 8;
export const AMQP_FRAME = 0;
export const SASL_FRAME = 1;

/** An empty body is a sign of life. */
export class FrameCutter extends Cutter {
  /** The largest frame that may come. */
  frameMax: number;
  private readonly sink: FrameSink;

  constructor(frameMax: number, sink: FrameSink) {
    super(HEAD_BYTES);
    this.frameMax = frameMax;
    this.sink = sink;
  }

  /** size | data offset | type | channel | extended header | body. Checked before any memory is taken. */
  protected lengthOf(bytes: Uint8Array, at: number): number {
    const size = bytes[at]! * 0x100_0000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
    if (size < HEAD_BYTES || size > this.frameMax)
      throw framing(`a frame of ${size} octets; ${HEAD_BYTES} to ${this.frameMax} are allowed`);
    const offset = bytes[at + 4]! * 4;
    if (offset < HEAD_BYTES || offset > size) throw framing(`a frame whose body begins at ${offset}`);
    if (bytes[at + 5]! > SASL_FRAME) throw framing(`there is no frame type ${bytes[at + 5]}`);
    return size;
  }

  protected frame(bytes: Uint8Array, at: number, size: number): void {
    const channel = (bytes[at + 6]! << 8) | bytes[at + 7]!;
    this.sink(bytes[at + 5]!, channel, bytes, at + bytes[at + 4]! * 4, at + size);
  }
}

function framing(why: string): ConnectionFault {
  return new ConnectionFault('AMQP1-2.3.1', 'amqp:connection:framing-error', why);
}

/** The head of a frame whose body has `length` octets. */
export function writeFrameHead(
  out: Uint8Array,
  at: number,
  length: number,
  type: number,
  channel: number,
): void {
  const size = length + HEAD_BYTES;
  out[at] = size >>> 24;
  out[at + 1] = size >>> 16;
  out[at + 2] = size >>> 8;
  out[at + 3] = size;
  out[at + 4] = 2;
  out[at + 5] = type;
  out[at + 6] = channel >>> 8;
  out[at + 7] = channel;
}

/** A whole frame, with the performative alone. */
export function encodeFrame(channel: number, p: Performative): Uint8Array {
  return framed(AMQP_FRAME, channel, encodeComposite(p.kind, p));
}

export function encodeSasl(p: SaslFrame): Uint8Array {
  return framed(SASL_FRAME, 0, encodeComposite(p.kind, p));
}

function framed(type: number, channel: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEAD_BYTES + body.length);
  writeFrameHead(frame, 0, body.length, type, channel);
  frame.set(body, HEAD_BYTES);
  return frame;
}

/** Says that this side is alive. [AMQP1-2.4.5] */
export const EMPTY_FRAME = Uint8Array.of(0, 0, 0, 8, 2, 0, 0, 0);

/** `AMQP`, protocol id, 1 0 0. [AMQP1-2.2, 5.3.1] */
export const AMQP_HEADER = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0);
export const SASL_HEADER = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 3, 1, 0, 0);
export const HEADER_BYTES = 8;
