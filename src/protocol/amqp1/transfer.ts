// One delivery on its way out, in as many frames as it needs. [AMQP1-2.6.14, 2.7.5]

import type { Wire } from '../../contract/wire.ts';
import { encodeComposite } from './composite.ts';
import { AMQP_FRAME, writeFrameHead } from './frames.ts';
import { ACCEPTED, type DeliveryState } from './packet.ts';
import { FORMAT } from './types.ts';

const HEAD_BYTES = 8;
/** From this size on a part is sent by reference. */
const BY_REFERENCE_BYTES = 4_096;

/** What the first frame says of the delivery. */
export interface TransferTerms {
  readonly handle: number;
  readonly deliveryId: number;
  readonly tag: Uint8Array;
  readonly settled: boolean;
  /** Only where it is not what the link says. */
  readonly rcvSettleMode: number | undefined;
  readonly state: DeliveryState | undefined;
  readonly resume: boolean;
}

const scratch = new Uint8Array(512);

export class Transferring {
  readonly terms: TransferTerms;
  /** Octets that are not written yet. */
  left: number;
  private readonly parts: readonly Uint8Array[];
  private part = 0;
  private offset = 0;
  private begun = false;

  constructor(terms: TransferTerms, parts: readonly Uint8Array[]) {
    this.terms = terms;
    this.parts = parts;
    let left = 0;
    for (const { length } of parts) left += length;
    this.left = left;
  }

  /** Writes one frame of at most `frameMax` octets. True: it was the last. */
  writeFrame(wire: Wire, channel: number, frameMax: number): boolean {
    const length = this.begun
      ? continued(this.terms, this.left, frameMax)
      : first(this.terms, this.left, frameMax);
    const room = frameMax - HEAD_BYTES - length;
    const octets = Math.min(this.left, room);
    const at = wire.reserve(HEAD_BYTES + length);
    writeFrameHead(wire.bytes, at, length + octets, AMQP_FRAME, channel);
    const out = wire.bytes;
    for (let i = 0; i < length; i++) out[at + HEAD_BYTES + i] = scratch[i]!;
    this.begun = true;
    this.writeParts(wire, octets);
    return this.left === 0;
  }

  private writeParts(wire: Wire, octets: number): void {
    this.left -= octets;
    for (let rest = octets; rest > 0; ) {
      const part = this.parts[this.part]!;
      const length = Math.min(rest, part.length - this.offset);
      if (length > 0) writePart(wire, part, this.offset, this.offset + length);
      rest -= length;
      this.offset += length;
      if (this.offset === part.length) {
        this.part++;
        this.offset = 0;
      }
    }
  }
}

function writePart(wire: Wire, part: Uint8Array, start: number, end: number): void {
  const length = end - start;
  if (length >= BY_REFERENCE_BYTES) {
    wire.write(length === part.length ? part : part.subarray(start, end));
    return;
  }
  const at = wire.reserve(length);
  const out = wire.bytes;
  if (length > 64) out.set(part.subarray(start, end), at);
  else for (let i = 0; i < length; i++) out[at + i] = part[start + i]!;
}

/** 00 53 14 c0 | size | count | handle | delivery id | tag | format | settled | more | settle mode | state | resume. Returns its length. */
function first(t: TransferTerms, left: number, frameMax: number): number {
  let at = writeUint(6, t.handle);
  at = writeUint(at, t.deliveryId);
  scratch[at++] = FORMAT.vbin8;
  scratch[at++] = t.tag.length;
  for (let i = 0; i < t.tag.length; i++) scratch[at++] = t.tag[i]!;
  scratch[at++] = FORMAT.uint0;
  scratch[at++] = t.settled ? FORMAT.true : FORMAT.false;
  const moreAt = at++;
  let count = 6;
  if (t.rcvSettleMode !== undefined || t.state !== undefined || t.resume) {
    count = 9;
    if (t.rcvSettleMode === undefined) scratch[at++] = FORMAT.null;
    else {
      scratch[at++] = FORMAT.ubyte;
      scratch[at++] = t.rcvSettleMode;
    }
    at = writeState(at, t.state);
    scratch[at++] = t.resume ? FORMAT.true : FORMAT.false;
  }
  scratch[moreAt] = at + left > frameMax - HEAD_BYTES ? FORMAT.true : FORMAT.false;
  return closed(at, count);
}

/** What the next frames say: the handle, and whether still more comes. */
function continued(t: TransferTerms, left: number, frameMax: number): number {
  let at = writeUint(6, t.handle);
  for (let i = 0; i < 4; i++) scratch[at++] = FORMAT.null;
  scratch[at] = at + 1 + left > frameMax - HEAD_BYTES ? FORMAT.true : FORMAT.false;
  return closed(at + 1, 6);
}

function closed(end: number, count: number): number {
  scratch[0] = FORMAT.described;
  scratch[1] = FORMAT.smallulong;
  scratch[2] = 0x14;
  scratch[3] = FORMAT.list8;
  scratch[4] = end - 5;
  scratch[5] = count;
  return end;
}

function writeUint(at: number, value: number): number {
  if (value < 0x100) {
    scratch[at] = FORMAT.smalluint;
    scratch[at + 1] = value;
    return at + 2;
  }
  scratch[at] = FORMAT.uint;
  scratch[at + 1] = value >>> 24;
  scratch[at + 2] = value >>> 16;
  scratch[at + 3] = value >>> 8;
  scratch[at + 4] = value;
  return at + 5;
}

/** Longer states than fit are said without their details. */
function writeState(at: number, state: DeliveryState | undefined): number {
  if (state === undefined) {
    scratch[at] = FORMAT.null;
    return at + 1;
  }
  let octets = encodeComposite(state.kind, state);
  if (octets.length > 128) octets = encodeComposite(state.kind === 0 ? ACCEPTED : state.kind, {});
  scratch.set(octets, at);
  return at + octets.length;
}
