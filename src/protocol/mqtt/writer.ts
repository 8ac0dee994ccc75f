// A cursor that fills the octets of one packet whose size is already known: the data types of MQTT (1.5).

import { allocate } from '../../bytes/blocks.ts';
import { utf8Length, writeUtf8 } from './text.ts';

export const MAX_VARINT = 268_435_455;
const MAX_U16 = 0xffff;

/** Writes to `bytes` from `at` on; there must be room. */
export class Writer {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value;
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & MAX_U16);
  }

  varint(value: number): void {
    this.at = writeVarint(this.bytes, this.at, value);
  }

  text(value: string): void {
    const start = this.at + 2;
    const end = writeUtf8(this.bytes, start, value);
    this.u16(end - start);
    this.at = end;
  }

  binary(value: Uint8Array): void {
    this.u16(value.length);
    this.octets(value);
  }

  octets(value: Uint8Array): void {
    this.bytes.set(value, this.at);
    this.at += value.length;
  }
}

/**
 * A Writer behind the fixed header `first | remaining length` of a new packet with `body` octets to come. Throws RangeError when no
 * packet can be that long.
 */
export function openFrame(first: number, body: number): Writer {
  if (body > MAX_VARINT) throw new RangeError(`a packet of ${body} octets is longer than MQTT allows`);
  const w = new Writer(allocate(1 + varintLength(body) + body), 0);
  w.u8(first);
  w.varint(body);
  return w;
}

/** Octets of `value` as a variable byte integer. */
export function varintLength(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
}

export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest >= 128) {
    bytes[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[to++] = rest;
  return to;
}

/** Octets of a string field, its length included. Throws RangeError above 65,535 octets of text. */
export function textLength(value: string): number {
  const length = utf8Length(value);
  if (length > MAX_U16) throw new RangeError(`a string of ${length} octets is longer than MQTT allows`);
  return 2 + length;
}

/** Octets of a binary field, its length included. Throws RangeError above 65,535 octets. */
export function binaryLength(value: Uint8Array): number {
  if (value.length > MAX_U16)
    throw new RangeError(`binary data of ${value.length} octets is longer than MQTT allows`);
  return 2 + value.length;
}
