// AMQP 1.0 values to octets, each in the shortest form of its type. [AMQP1-1.6]

import { type AmqpMap, type AmqpValue, FORMAT } from './types.ts';

const utf8 = new TextEncoder();

/** Grows as needed; `finish` gives a copy of what was written and starts over. */
export class ValueWriter {
  private bytes = new Uint8Array(512);
  private numbers = new DataView(this.bytes.buffer);
  at = 0;

  private room(length: number): void {
    if (this.at + length <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + length));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
    this.numbers = new DataView(larger.buffer);
  }

  finish(): Uint8Array {
    const done = this.bytes.slice(0, this.at);
    this.at = 0;
    if (this.bytes.length > 1_048_576) {
      this.bytes = new Uint8Array(512);
      this.numbers = new DataView(this.bytes.buffer);
    }
    return done;
  }

  u8(value: number): void {
    this.room(1);
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.room(2);
    this.numbers.setUint16(this.at, value);
    this.at += 2;
  }

  u32(value: number): void {
    this.room(4);
    this.numbers.setUint32(this.at, value);
    this.at += 4;
  }

  octets(octets: Uint8Array): void {
    this.room(octets.length);
    this.bytes.set(octets, this.at);
    this.at += octets.length;
  }

  null(): void {
    this.u8(FORMAT.null);
  }

  boolean(value: boolean): void {
    this.u8(value ? FORMAT.true : FORMAT.false);
  }

  uint(value: number): void {
    if (value === 0) this.u8(FORMAT.uint0);
    else if (value < 0x100) {
      this.u8(FORMAT.smalluint);
      this.u8(value);
    } else {
      this.u8(FORMAT.uint);
      this.u32(value);
    }
  }

  ulong(value: bigint): void {
    if (value === 0n) this.u8(FORMAT.ulong0);
    else if (value < 0x100n) {
      this.u8(FORMAT.smallulong);
      this.u8(Number(value));
    } else this.u64(FORMAT.ulong, value);
  }

  private u64(code: number, value: bigint): void {
    this.u8(code);
    this.room(8);
    this.numbers.setBigUint64(this.at, BigInt.asUintN(64, value));
    this.at += 8;
  }

  ubyte(value: number): void {
    this.u8(FORMAT.ubyte);
    this.u8(value);
  }

  ushort(value: number): void {
    this.u8(FORMAT.ushort);
    this.u16(value);
  }

  timestamp(ms: number): void {
    this.u64(FORMAT.timestamp, BigInt(Math.trunc(ms)));
  }

  string(value: string): void {
    this.sized(FORMAT.str8, FORMAT.str32, utf8.encode(value));
  }

  /** What is no ASCII has no place in a symbol, and becomes `?`. */
  symbol(value: string): void {
    const octets = new Uint8Array(value.length);
    for (let i = 0; i < value.length; i++) {
      const c = value.charCodeAt(i);
      octets[i] = c < 0x80 ? c : 0x3f;
    }
    this.sized(FORMAT.sym8, FORMAT.sym32, octets);
  }

  binary(octets: Uint8Array): void {
    this.sized(FORMAT.vbin8, FORMAT.vbin32, octets);
  }

  private sized(short: number, long: number, octets: Uint8Array): void {
    if (octets.length < 0x100) {
      this.u8(short);
      this.u8(octets.length);
    } else {
      this.u8(long);
      this.u32(octets.length);
    }
    this.octets(octets);
  }

  symbols(names: readonly string[]): void {
    this.array({ type: 'array', of: FORMAT.sym8, value: names.map((value) => ({ type: 'symbol', value })) });
  }

  descriptor(code: number): void {
    this.u8(FORMAT.described);
    this.ulong(BigInt(code));
  }

  /** A list or map: `fill` writes its `count` elements. It is closed in the short form where it fits. */
  compound(short: number, long: number, count: number, fill: () => void): void {
    this.room(9);
    const start = this.at;
    this.at += 9;
    fill();
    const length = this.at - start - 9;
    if (length < 0xff && count < 0x100) {
      this.bytes.copyWithin(start + 3, start + 9, this.at);
      this.bytes[start] = short;
      this.bytes[start + 1] = length + 1;
      this.bytes[start + 2] = count;
      this.at -= 6;
    } else {
      this.bytes[start] = long;
      this.numbers.setUint32(start + 1, length + 4);
      this.numbers.setUint32(start + 5, count);
    }
  }

  list(count: number, fill: () => void): void {
    if (count === 0) this.u8(FORMAT.list0);
    else this.compound(FORMAT.list8, FORMAT.list32, count, fill);
  }

  map(pairs: AmqpMap): void {
    this.compound(FORMAT.map8, FORMAT.map32, pairs.length * 2, () => {
      for (const [key, value] of pairs) {
        this.value(key);
        this.value(value);
      }
    });
  }

  /** Elements are as wide as their type can be: they share one constructor. */
  private array({ of, value }: Extract<AmqpValue, { type: 'array' }>): void {
    const wide = wideOf(of);
    this.compound(FORMAT.array8, FORMAT.array32, value.length, () => {
      let first = value[0];
      while (first?.type === 'described') {
        this.u8(FORMAT.described);
        this.value(first.descriptor);
        first = first.value;
      }
      this.u8(wide);
      for (const element of value) this.element(wide, element);
    });
  }

  private element(code: number, element: AmqpValue): void {
    let bare = element;
    while (bare.type === 'described') bare = bare.value;
    if (code === FORMAT.true || code === FORMAT.false || code >> 4 === 4) return;
    switch (bare.type) {
      case 'boolean':
        this.u8(bare.value ? 1 : 0);
        return;
      case 'uint':
      case 'int':
      case 'char':
        this.u32(bare.value >>> 0);
        return;
      case 'string':
      case 'symbol':
      case 'binary': {
        const octets =
          bare.type === 'binary' ? (bare.value as Uint8Array) : utf8.encode(bare.value as string);
        this.u32(octets.length);
        this.octets(octets);
        return;
      }
      case 'list':
      case 'map':
      case 'array': {
        const { at } = this;
        this.wideCompound(bare);
        this.bytes.copyWithin(at, at + 1, this.at);
        this.at--;
        return;
      }
      default: {
        // The others have one form only: what follows its constructor.
        const { at } = this;
        if (bare.type === 'ulong') this.u64(FORMAT.ulong, bare.value);
        else if (bare.type === 'long') this.u64(FORMAT.long, bare.value);
        else this.value(bare);
        this.bytes.copyWithin(at, at + 1, this.at);
        this.at--;
      }
    }
  }

  private wideCompound(v: Extract<AmqpValue, { type: 'list' | 'map' | 'array' }>): void {
    const elements: AmqpValue[] = [];
    if (v.type === 'map') for (const [key, value] of v.value) elements.push(key, value);
    this.room(9);
    const start = this.at;
    if (v.type === 'array') {
      this.array(v);
      if (this.bytes[start] === FORMAT.array32) return;
      // It closed in the short form: an octet each for size and count become four.
      const length = this.at - start - 3;
      this.room(6);
      this.bytes.copyWithin(start + 9, start + 3, this.at);
      this.at += 6;
      this.bytes[start] = FORMAT.array32;
      this.numbers.setUint32(start + 1, length + 4);
      this.numbers.setUint32(start + 5, v.value.length);
      return;
    }
    this.at += 9;
    const items = v.type === 'map' ? elements : v.value;
    for (const item of items) this.value(item);
    this.bytes[start] = v.type === 'map' ? FORMAT.map32 : FORMAT.list32;
    this.numbers.setUint32(start + 1, this.at - start - 5);
    this.numbers.setUint32(start + 5, items.length);
  }

  value(v: AmqpValue): void {
    switch (v.type) {
      case 'null':
        this.null();
        return;
      case 'boolean':
        this.boolean(v.value);
        return;
      case 'ubyte':
        this.ubyte(v.value);
        return;
      case 'byte':
        this.u8(FORMAT.byte);
        this.u8(v.value & 0xff);
        return;
      case 'ushort':
        this.ushort(v.value);
        return;
      case 'short':
        this.u8(FORMAT.short);
        this.u16(v.value & 0xffff);
        return;
      case 'uint':
        this.uint(v.value);
        return;
      case 'int':
        this.int(v.value);
        return;
      case 'ulong':
        this.ulong(v.value);
        return;
      case 'long':
        this.long(v.value);
        return;
      case 'timestamp':
        this.u64(FORMAT.timestamp, v.value);
        return;
      case 'float':
        this.u8(FORMAT.float);
        this.room(4);
        this.numbers.setFloat32(this.at, v.value);
        this.at += 4;
        return;
      case 'double':
        this.u8(FORMAT.double);
        this.room(8);
        this.numbers.setFloat64(this.at, v.value);
        this.at += 8;
        return;
      case 'char':
        this.u8(FORMAT.char);
        this.u32(v.value);
        return;
      case 'decimal32':
      case 'decimal64':
      case 'decimal128':
      case 'uuid':
        this.u8(FORMAT[v.type]);
        this.octets(v.value);
        return;
      case 'binary':
        this.binary(v.value);
        return;
      case 'string':
        this.string(v.value);
        return;
      case 'symbol':
        this.symbol(v.value);
        return;
      case 'list':
        this.list(v.value.length, () => {
          for (const element of v.value) this.value(element);
        });
        return;
      case 'map':
        this.map(v.value);
        return;
      case 'array':
        this.array(v);
        return;
      case 'described':
        this.u8(FORMAT.described);
        this.value(v.descriptor);
        this.value(v.value);
    }
  }

  private int(value: number): void {
    if (value >= -128 && value < 128) {
      this.u8(FORMAT.smallint);
      this.u8(value & 0xff);
    } else {
      this.u8(FORMAT.int);
      this.u32(value >>> 0);
    }
  }

  private long(value: bigint): void {
    if (value >= -128n && value < 128n) {
      this.u8(FORMAT.smalllong);
      this.u8(Number(value) & 0xff);
    } else this.u64(FORMAT.long, value);
  }
}

/** The constructor with room for every value of its type. */
function wideOf(code: number): number {
  switch (code) {
    case FORMAT.smalluint:
      return FORMAT.uint;
    case FORMAT.smallint:
      return FORMAT.int;
    case FORMAT.smallulong:
      return FORMAT.ulong;
    case FORMAT.smalllong:
      return FORMAT.long;
    case FORMAT.vbin8:
    case FORMAT.str8:
    case FORMAT.sym8:
    case FORMAT.list8:
    case FORMAT.map8:
      return code + 0x10;
    case FORMAT.array8:
      return FORMAT.array32;
    default:
      return code;
  }
}

const writer = new ValueWriter();

export function encodeValue(v: AmqpValue): Uint8Array {
  writer.value(v);
  return writer.finish();
}
