// The part of CBOR (RFC 8949) that frames, topic configurations and envelopes need: numbers, text, octets, arrays, maps, booleans and null.

/** What the octets may hold. Maps have integers and text as keys. */
export type Cbor = number | string | boolean | null | Uint8Array | Cbor[] | Map<number | string, Cbor>;

/** The octets are no CBOR that is understood here. */
export class CborError extends Error {}

/** What a reader puts up with. */
export interface CborLimits {
  /** Arrays, maps and tags inside each other. */
  readonly depth: number;
  /** All items together, keys included. */
  readonly items: number;
}

const LIMITS: CborLimits = { depth: 8, items: 1_024 };
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** The one item in `bytes`. Throws CborError; nothing is taken before its length is checked. */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits = LIMITS): Cbor {
  const decoder = new Decoder(bytes, limits);
  const item = decoder.item(0);
  if (!decoder.ended) throw new CborError('octets behind the item');
  return item;
}

class Decoder {
  private readonly bytes: Uint8Array;
  private readonly limits: CborLimits;
  private at = 0;
  private items = 0;

  constructor(bytes: Uint8Array, limits: CborLimits) {
    this.bytes = bytes;
    this.limits = limits;
  }

  get ended(): boolean {
    return this.at === this.bytes.length;
  }

  item(depth: number): Cbor {
    const { depth: deepest, items } = this.limits;
    if (depth > deepest) throw new CborError(`deeper than ${deepest}`);
    if (++this.items > items) throw new CborError(`more than ${items} items`);
    // type(3) length(5) | length… | content…
    const head = this.octet();
    const major = head >> 5;
    if (major === 7) return this.simple(head & 0x1f);
    const n = this.argument(head & 0x1f);
    switch (major) {
      case 0:
        return n;
      case 1:
        return -1 - n;
      case 2:
        return new Uint8Array(this.octets(n)); // a copy, also of a Buffer, whose slice() is none
      case 3:
        return this.text(n);
      case 4:
        return this.array(n, depth);
      case 5:
        return this.map(n, depth);
      default:
        return this.item(depth + 1); // a tag says more than is needed [RFC8949-3.4]
    }
  }

  private octet(): number {
    if (this.at >= this.bytes.length) throw new CborError('cut off');
    return this.bytes[this.at++]!;
  }

  private argument(info: number): number {
    if (info < 24) return info;
    if (info > 27) throw new CborError('a length without end'); // indefinite, or reserved
    let n = 0;
    for (let i = 0; i < 1 << (info - 24); i++) n = n * 256 + this.octet();
    if (n > Number.MAX_SAFE_INTEGER) throw new CborError('a number beyond 2^53');
    return n;
  }

  private octets(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw new CborError('cut off');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  private text(length: number): string {
    try {
      return strictUtf8.decode(this.octets(length));
    } catch (error) {
      if (error instanceof CborError) throw error;
      throw new CborError('text that is not UTF-8');
    }
  }

  private array(length: number, depth: number): Cbor[] {
    const list: Cbor[] = [];
    for (let i = 0; i < length; i++) list.push(this.item(depth + 1));
    return list;
  }

  private map(length: number, depth: number): Map<number | string, Cbor> {
    const map = new Map<number | string, Cbor>();
    for (let i = 0; i < length; i++) {
      const key = this.item(depth + 1);
      if (typeof key !== 'number' && typeof key !== 'string') throw new CborError('a key of another type');
      if (map.has(key)) throw new CborError('a key twice');
      map.set(key, this.item(depth + 1));
    }
    return map;
  }

  private simple(info: number): Cbor {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
      case 23:
        return null;
      case 26:
      case 27: {
        const octets = this.octets(info === 26 ? 4 : 8);
        const view = new DataView(octets.buffer, octets.byteOffset);
        return info === 26 ? view.getFloat32(0) : view.getFloat64(0);
      }
      default:
        throw new CborError(`simple value ${info}`);
    }
  }
}

/** Octets of a value; objects become maps with text keys, in their order. */
export function encodeCbor(value: unknown): Uint8Array {
  const out = new Encoder();
  out.value(value);
  return out.finish();
}

class Encoder {
  private bytes = new Uint8Array(256);
  private at = 0;

  value(value: unknown): void {
    if (typeof value === 'number') this.number(value);
    else if (typeof value === 'string') {
      const octets = utf8.encode(value);
      this.head(3, octets.length);
      this.octets(octets);
    } else if (typeof value === 'boolean') this.head(7, value ? 21 : 20);
    else if (value instanceof Uint8Array) {
      this.head(2, value.length);
      this.octets(value);
    } else if (Array.isArray(value)) {
      this.head(4, value.length);
      for (const item of value) this.value(item);
    } else if (typeof value === 'object' && value !== null) {
      const entries = value instanceof Map ? [...value] : Object.entries(value);
      this.head(5, entries.length);
      for (const [key, item] of entries) {
        this.value(key);
        this.value(item);
      }
    } else this.head(7, 22);
  }

  private number(n: number): void {
    if (Number.isSafeInteger(n)) {
      if (n >= 0) this.head(0, n);
      else this.head(1, -1 - n);
      return;
    }
    this.reserve(9);
    this.bytes[this.at] = 0xfb;
    new DataView(this.bytes.buffer).setFloat64(this.at + 1, n);
    this.at += 9;
  }

  /** type(3) length(5) | length… */
  private head(major: number, n: number): void {
    this.reserve(9);
    if (n < 24) {
      this.bytes[this.at++] = (major << 5) | n;
      return;
    }
    const size = n < 0x100 ? 0 : n < 0x1_0000 ? 1 : n < 0x1_0000_0000 ? 2 : 3;
    this.bytes[this.at++] = (major << 5) | (24 + size);
    for (let i = (1 << size) - 1; i >= 0; i--) this.bytes[this.at++] = Math.floor(n / 256 ** i) % 256;
  }

  private octets(octets: Uint8Array): void {
    this.reserve(octets.length);
    this.bytes.set(octets, this.at);
    this.at += octets.length;
  }

  private reserve(length: number): void {
    if (this.at + length <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + length));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }
}
