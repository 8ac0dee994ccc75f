// CBOR (RFC 8949) and MessagePack to values, for looking at: bounded in depth, never guessing.

import { hexOf } from '../../../src/admin/anatomy/part.ts';

const MAX_DEPTH = 64;
const text = new TextDecoder('utf-8', { fatal: true });

class Octets {
  at = 0;
  readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at)
      throw new Error(`it ends at octet ${this.bytes.length}, too early`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  octet(): number {
    return this.take(1)[0]!;
  }

  /** An unsigned number of 1, 2, 4 or 8 octets. */
  unsigned(length: number): number | bigint {
    const at = this.at;
    this.take(length);
    if (length === 8) return small(this.view.getBigUint64(at));
    return length === 4
      ? this.view.getUint32(at)
      : length === 2
        ? this.view.getUint16(at)
        : this.view.getUint8(at);
  }

  signed(length: number): number | bigint {
    const at = this.at;
    this.take(length);
    if (length === 8) return small(this.view.getBigInt64(at));
    return length === 4
      ? this.view.getInt32(at)
      : length === 2
        ? this.view.getInt16(at)
        : this.view.getInt8(at);
  }

  float(length: number): number {
    const at = this.at;
    this.take(length);
    if (length === 8) return this.view.getFloat64(at);
    return length === 4 ? this.view.getFloat32(at) : half(this.view.getUint16(at));
  }

  string(length: number): string {
    return text.decode(this.take(length));
  }

  end(value: unknown): unknown {
    if (this.at < this.bytes.length) throw new Error(`${this.bytes.length - this.at} octets are left over`);
    return value;
  }
}

/** One CBOR item, all of it. Throws Error when it is none. */
export function decodeCbor(bytes: Uint8Array): unknown {
  const r = new Octets(bytes);
  return r.end(cbor(r, 0));
}

const BREAK = Symbol('break');

function cbor(r: Octets, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH}`);
  const first = r.octet();
  const major = first >> 5;
  const extra = first & 31;
  if (major === 7) return simple(r, extra);
  const endless = extra === 31;
  if (endless && (major < 2 || major === 6)) throw new Error(`octet 0x${first.toString(16)} begins nothing`);
  const n = endless ? Number.POSITIVE_INFINITY : argument(r, extra);
  switch (major) {
    case 0:
      return n;
    case 1:
      return typeof n === 'bigint' ? -1n - n : -1 - n;
    case 2:
      return hexOf(endless ? joined(r, depth) : r.take(Number(n)));
    case 3:
      return endless ? text.decode(joined(r, depth)) : r.string(Number(n));
    case 4:
      return cborList(r, Number(n), depth);
    case 5:
      return cborMap(r, Number(n), depth);
    default:
      return { tag: n, value: cbor(r, depth + 1) };
  }
}

function argument(r: Octets, extra: number): number | bigint {
  if (extra < 24) return extra;
  if (extra > 27) throw new Error('a length is malformed');
  return r.unsigned(1 << (extra - 24));
}

function simple(r: Octets, extra: number): unknown {
  if (extra === 31) return BREAK;
  if (extra >= 25 && extra <= 27) return r.float(1 << (extra - 24));
  const value = extra === 24 ? r.octet() : extra;
  return (
    [false, true, null, undefined][value - 20] ??
    (value === 22 ? null : value === 23 ? undefined : `simple(${value})`)
  );
}

/** The parts of a string of no stated length. */
function joined(r: Octets, depth: number): Uint8Array {
  const parts: number[] = [];
  for (;;) {
    const first = r.bytes[r.at];
    if (first === 0xff) break;
    if (first === undefined || depth > MAX_DEPTH) throw new Error('it ends too early');
    r.octet();
    parts.push(...r.take(Number(argument(r, first & 31))));
  }
  r.octet();
  return Uint8Array.from(parts);
}

function cborList(r: Octets, count: number, depth: number): unknown[] {
  const list: unknown[] = [];
  while (list.length < count) {
    const item = cbor(r, depth + 1);
    if (item === BREAK) break;
    list.push(item);
  }
  return list;
}

function cborMap(r: Octets, count: number, depth: number): object {
  const pairs: [string, unknown][] = [];
  while (pairs.length < count) {
    const key = cbor(r, depth + 1);
    if (key === BREAK) break;
    pairs.push([String(key), cbor(r, depth + 1)]);
  }
  return Object.fromEntries(pairs);
}

/** One MessagePack value, all of it. Throws Error when it is none. */
export function decodeMessagePack(bytes: Uint8Array): unknown {
  const r = new Octets(bytes);
  return r.end(pack(r, 0));
}

function pack(r: Octets, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH}`);
  const b = r.octet();
  if (b < 0x80) return b;
  if (b < 0x90) return packMap(r, b & 15, depth);
  if (b < 0xa0) return packList(r, b & 15, depth);
  if (b < 0xc0) return r.string(b & 31);
  if (b >= 0xe0) return b - 256;
  if (b === 0xc0) return null;
  if (b === 0xc2 || b === 0xc3) return b === 0xc3;
  if (b >= 0xc4 && b <= 0xc6) return hexOf(r.take(Number(r.unsigned(1 << (b - 0xc4)))));
  if (b >= 0xc7 && b <= 0xc9) return extension(r, Number(r.unsigned(1 << (b - 0xc7))));
  if (b === 0xca || b === 0xcb) return r.float(b === 0xca ? 4 : 8);
  if (b >= 0xcc && b <= 0xcf) return r.unsigned(1 << (b - 0xcc));
  if (b >= 0xd0 && b <= 0xd3) return r.signed(1 << (b - 0xd0));
  if (b >= 0xd4 && b <= 0xd8) return extension(r, 1 << (b - 0xd4));
  if (b >= 0xd9 && b <= 0xdb) return r.string(Number(r.unsigned(1 << (b - 0xd9))));
  if (b === 0xdc || b === 0xdd) return packList(r, Number(r.unsigned(b === 0xdc ? 2 : 4)), depth);
  if (b === 0xde || b === 0xdf) return packMap(r, Number(r.unsigned(b === 0xde ? 2 : 4)), depth);
  throw new Error(`octet 0x${b.toString(16)} begins nothing`);
}

function extension(r: Octets, length: number): object {
  return { extension: r.signed(1), octets: hexOf(r.take(length)) };
}

function packList(r: Octets, count: number, depth: number): unknown[] {
  const list: unknown[] = [];
  for (let i = 0; i < count; i++) list.push(pack(r, depth + 1));
  return list;
}

function packMap(r: Octets, count: number, depth: number): object {
  const pairs: [string, unknown][] = [];
  for (let i = 0; i < count; i++) pairs.push([String(pack(r, depth + 1)), pack(r, depth + 1)]);
  return Object.fromEntries(pairs);
}

function small(n: bigint): number | bigint {
  return n >= BigInt(Number.MIN_SAFE_INTEGER) && n <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(n) : n;
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1_024) * 2 ** (exponent - 15);
}
