// Handshake messages in pieces: cut to the path's size on the way out, put together and in order on the way in.

import { join, uint } from './octets.ts';

/** type | length | message sequence | fragment offset | fragment length */
export const MESSAGE_HEADER_BYTES = 12;

/** A whole handshake message. */
export interface HandshakeMessage {
  readonly type: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

export interface Fragment {
  readonly type: number;
  readonly sequence: number;
  readonly total: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The fragments in one record; undefined when it is malformed, and then all of it is dropped. */
export function decodeFragments(record: Uint8Array): Fragment[] | undefined {
  const found: Fragment[] = [];
  for (let at = 0; at < record.length; ) {
    const start = at + MESSAGE_HEADER_BYTES;
    if (start > record.length) return undefined;
    const total = u24(record, at + 1);
    const offset = u24(record, at + 6);
    const length = u24(record, at + 9);
    if (offset + length > total || start + length > record.length) return undefined;
    // An empty piece of a message that is not empty would be work for nothing.
    if (length === 0 && total > 0) return undefined;
    found.push({
      type: record[at]!,
      sequence: (record[at + 4]! << 8) | record[at + 5]!,
      total,
      offset,
      bytes: record.subarray(start, start + length),
    });
    at = start + length;
  }
  return found;
}

function u24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

/** The piece of a message from `offset`, at most `length` octets, behind its header. */
export function encodeFragment(message: HandshakeMessage, offset: number, length: number): Uint8Array {
  const { type, sequence, body } = message;
  const piece = body.subarray(offset, offset + length);
  return join(
    Uint8Array.of(type),
    uint(3, body.length),
    uint(2, sequence),
    uint(3, offset),
    uint(3, piece.length),
    piece,
  );
}

/** As it counts for the transcript: as if it had never been cut [RFC6347-4.2.6]. */
export function encodeWhole(message: HandshakeMessage): Uint8Array {
  return encodeFragment(message, 0, message.body.length);
}

/** Messages ahead of the next one that are kept: a flight has no more. */
const MAX_AHEAD = 10;
/** Octets of messages that are not whole yet; a chain of certificates fits. */
const MAX_PARTIAL_BYTES = 16_384;

interface Unfinished {
  readonly type: number;
  readonly body: Uint8Array;
  /** 1: that octet is there. */
  readonly there: Uint8Array;
  missing: number;
}

/** Puts fragments together, whatever their order, overlap and repetition. Memory: twice MAX_PARTIAL_BYTES, whatever is announced. */
export class Reassembly {
  private next: number;
  private readonly partial = new Map<number, Unfinished>();
  /** Octets of messages that have begun. */
  reserved = 0;

  /** `next`: the sequence number of the message to begin with. */
  constructor(next = 0) {
    this.next = next;
  }

  /** Takes one; false: it belongs to the past, and shows that the other side repeats itself. */
  add(fragment: Fragment): boolean {
    const { sequence, total, type } = fragment;
    if (sequence < this.next) return false;
    if (sequence > this.next + MAX_AHEAD) return true;
    let one = this.partial.get(sequence);
    if (one === undefined) {
      if (this.reserved + total > MAX_PARTIAL_BYTES) return true;
      this.reserved += total;
      one = { type, body: new Uint8Array(total), there: new Uint8Array(total), missing: total };
      this.partial.set(sequence, one);
    }
    // Fragments that disagree about the message are not of one message.
    if (one.type !== type || one.body.length !== total) return true;
    const { bytes, offset } = fragment;
    for (let i = 0; i < bytes.length; i++) {
      if (one.there[offset + i] === 1) continue;
      one.there[offset + i] = 1;
      one.body[offset + i] = bytes[i]!;
      one.missing--;
    }
    return true;
  }

  /** The next message in order, once it is whole, if it is of one of these types. One of another type makes room for the true one. */
  take(types: readonly number[]): HandshakeMessage | undefined {
    const one = this.partial.get(this.next);
    if (one === undefined || one.missing > 0) return undefined;
    this.partial.delete(this.next);
    this.reserved -= one.body.length;
    if (!types.includes(one.type)) return undefined;
    return { type: one.type, sequence: this.next++, body: one.body };
  }
}
