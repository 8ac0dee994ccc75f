// The part of CBOR (RFC 8949) that topic configurations and envelopes need: integers, text, octets, arrays, maps, booleans and null.

/** What the octets may hold. Maps have integers and text as keys. */
export type Cbor = number | string | boolean | null | Uint8Array | Cbor[] | Map<number | string, Cbor>;

/** The octets are no CBOR that is understood here. */
export class CborError extends Error {}

const MAX_DEPTH = 8;
const MAX_ITEMS = 1_024;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** The one item in `bytes`. Throws CborError; nothing is taken before its length is checked. */
export function decodeCbor(bytes: Uint8Array): Cbor {
  const decoder = new Decoder(bytes);
  const item = decoder.item(0);
  if (!decoder.ended) throw new CborError('octets behind the item');
  return item;
}

class Decoder {
  private readonly bytes: Uint8Array;
  private at = 0;
  private items = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get ended(): boolean {
    return this.at === this.bytes.length;
  }

  item(depth: number): Cbor {
    if (depth > MAX_DEPTH) throw new CborError(`deeper than ${MAX_DEPTH}`);
    if (++this.items > MAX_ITEMS) throw new CborError(`more than ${MAX_ITEMS} items`);
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
        return this.octets(n).slice();
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
  const out: number[] = [];
  write(out, value);
  return Uint8Array.from(out);
}

function write(out: number[], value: unknown): void {
  if (typeof value === 'number') writeNumber(out, value);
  else if (typeof value === 'string') {
    const octets = utf8.encode(value);
    writeHead(out, 3, octets.length);
    for (const octet of octets) out.push(octet);
  } else if (typeof value === 'boolean') out.push(value ? 0xf5 : 0xf4);
  else if (value instanceof Uint8Array) {
    writeHead(out, 2, value.length);
    for (const octet of value) out.push(octet);
  } else if (Array.isArray(value)) {
    writeHead(out, 4, value.length);
    for (const item of value) write(out, item);
  } else if (typeof value === 'object' && value !== null) {
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    writeHead(out, 5, entries.length);
    for (const [key, item] of entries) {
      write(out, key);
      write(out, item);
    }
  } else out.push(0xf6);
}

function writeNumber(out: number[], n: number): void {
  if (Number.isSafeInteger(n)) {
    if (n >= 0) writeHead(out, 0, n);
    else writeHead(out, 1, -1 - n);
    return;
  }
  out.push(0xfb);
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, n);
  for (let i = 0; i < 8; i++) out.push(view.getUint8(i));
}

function writeHead(out: number[], major: number, n: number): void {
  const octets = n < 24 ? 0 : n < 0x100 ? 1 : n < 0x1_0000 ? 2 : n < 0x1_0000_0000 ? 4 : 8;
  if (octets === 0) {
    out.push((major << 5) | n);
    return;
  }
  out.push((major << 5) | (23 + Math.log2(octets) + 1));
  for (let i = octets - 1; i >= 0; i--) out.push(Math.floor(n / 256 ** i) % 256);
}
