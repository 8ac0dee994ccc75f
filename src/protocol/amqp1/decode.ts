// Octets to AMQP 1.0 values: nothing is allocated for a count or size that the octets at hand do not bear out. [AMQP1-1]

import { type ConnectionFault, decodeError } from './fault.ts';
import { type AmqpMap, type AmqpValue, FORMAT, NULL } from './types.ts';

/** Lists, maps, arrays and descriptors inside each other. */
export const MAX_DEPTH = 32;
/** Values of one tree: what is written in few octets may take many in memory. */
const MAX_VALUES = 65_536;
/** Elements of an array that take no octets each: what stands for them is their count alone. */
const MAX_EMPTY = 1_024;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads `bytes[at..end)`. Every method throws ConnectionFault (decode-error) when the octets do not hold what they announce. */
export class ValueReader {
  bytes: Uint8Array;
  at: number;
  end: number;
  private view: DataView | undefined = undefined;
  private left = MAX_VALUES;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  u8(): number {
    if (this.at >= this.end) throw short();
    return this.bytes[this.at++]!;
  }

  u16(): number {
    const at = this.take(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    const at = this.take(4);
    const { bytes } = this;
    return bytes[at]! * 0x100_0000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
  }

  /** A DataView of the octets, for the numbers that JavaScript cannot put together cheaply; `at` counts from its start. */
  private get numbers(): DataView {
    this.view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.view;
  }

  u64(): bigint {
    return this.numbers.getBigUint64(this.take(8));
  }

  /** `length` octets from the returned offset on. */
  take(length: number): number {
    const { at } = this;
    if (length > this.end - at) throw short();
    this.at = at + length;
    return at;
  }

  /** A copy: what was received is the transport's memory. */
  octets(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.slice(at, at + length);
  }

  string(length: number): string {
    const at = this.take(length);
    const { bytes } = this;
    if (length < 32) {
      // Short ASCII without a view and a decoder.
      let text = '';
      let i = at;
      for (; i < at + length && bytes[i]! < 0x80; i++) text += String.fromCharCode(bytes[i]!);
      if (i === at + length) return text;
    }
    try {
      return utf8.decode(bytes.subarray(at, at + length));
    } catch {
      throw decodeError('AMQP1-1.6.20', 'a string is no UTF-8');
    }
  }

  symbol(length: number): string {
    const at = this.take(length);
    let text = '';
    for (let i = at; i < at + length; i++) {
      const octet = this.bytes[i]!;
      if (octet > 0x7f) throw decodeError('AMQP1-1.6.21', 'a symbol is no ASCII');
      text += String.fromCharCode(octet);
    }
    return text;
  }

  value(depth = 0): AmqpValue {
    return this.valueAs(this.u8(), depth);
  }

  /** The value of constructor `code`, whose octets follow. */
  private valueAs(code: number, depth: number): AmqpValue {
    if (depth > MAX_DEPTH) throw decodeError('AMQP1-1', `values more than ${MAX_DEPTH} deep`);
    if (--this.left < 0) throw decodeError('AMQP1-1', `more than ${MAX_VALUES} values in one`);
    if (code < 0x70) return this.small(code, depth);
    if (code < 0xa0) return this.wide(code);
    if (code < 0xc0) return this.variable(code);
    return this.compound(code, depth);
  }

  private small(code: number, depth: number): AmqpValue {
    switch (code) {
      case FORMAT.described: {
        const descriptor = this.value(depth + 1);
        return { type: 'described', descriptor, value: this.value(depth + 1) };
      }
      case FORMAT.null:
        return NULL;
      case FORMAT.true:
      case FORMAT.false:
        return { type: 'boolean', value: code === FORMAT.true };
      case FORMAT.boolean:
        return { type: 'boolean', value: this.truth() };
      case FORMAT.uint0:
        return { type: 'uint', value: 0 };
      case FORMAT.ulong0:
        return { type: 'ulong', value: 0n };
      case FORMAT.list0:
        return { type: 'list', value: [] };
      case FORMAT.ubyte:
        return { type: 'ubyte', value: this.u8() };
      case FORMAT.byte:
        return { type: 'byte', value: (this.u8() << 24) >> 24 };
      case FORMAT.smalluint:
        return { type: 'uint', value: this.u8() };
      case FORMAT.smallulong:
        return { type: 'ulong', value: BigInt(this.u8()) };
      case FORMAT.smallint:
        return { type: 'int', value: (this.u8() << 24) >> 24 };
      case FORMAT.smalllong:
        return { type: 'long', value: BigInt((this.u8() << 24) >> 24) };
      case FORMAT.ushort:
        return { type: 'ushort', value: this.u16() };
      case FORMAT.short:
        return { type: 'short', value: (this.u16() << 16) >> 16 };
      default:
        throw unknown(code);
    }
  }

  truth(): boolean {
    const octet = this.u8();
    if (octet > 1) throw decodeError('AMQP1-1.6.2', `a boolean of 0x${octet.toString(16)}`);
    return octet === 1;
  }

  private wide(code: number): AmqpValue {
    switch (code) {
      case FORMAT.uint:
        return { type: 'uint', value: this.u32() };
      case FORMAT.int:
        return { type: 'int', value: this.u32() | 0 };
      case FORMAT.float:
        return { type: 'float', value: this.numbers.getFloat32(this.take(4)) };
      case FORMAT.char: {
        const value = this.u32();
        if (value > 0x10_ffff) throw decodeError('AMQP1-1.6.16', 'a char beyond Unicode');
        return { type: 'char', value };
      }
      case FORMAT.decimal32:
        return { type: 'decimal32', value: this.octets(4) };
      case FORMAT.ulong:
        return { type: 'ulong', value: this.u64() };
      case FORMAT.long:
        return { type: 'long', value: BigInt.asIntN(64, this.u64()) };
      case FORMAT.double:
        return { type: 'double', value: this.numbers.getFloat64(this.take(8)) };
      case FORMAT.timestamp:
        return { type: 'timestamp', value: BigInt.asIntN(64, this.u64()) };
      case FORMAT.decimal64:
        return { type: 'decimal64', value: this.octets(8) };
      case FORMAT.decimal128:
        return { type: 'decimal128', value: this.octets(16) };
      case FORMAT.uuid:
        return { type: 'uuid', value: this.octets(16) };
      default:
        throw unknown(code);
    }
  }

  private variable(code: number): AmqpValue {
    const length = code < 0xb0 ? this.u8() : this.u32();
    switch (code) {
      case FORMAT.vbin8:
      case FORMAT.vbin32:
        return { type: 'binary', value: this.octets(length) };
      case FORMAT.str8:
      case FORMAT.str32:
        return { type: 'string', value: this.string(length) };
      case FORMAT.sym8:
      case FORMAT.sym32:
        return { type: 'symbol', value: this.symbol(length) };
      default:
        throw unknown(code);
    }
  }

  private compound(code: number, depth: number): AmqpValue {
    switch (code) {
      case FORMAT.list8:
      case FORMAT.list32: {
        const { count, end } = this.header(code);
        const value: AmqpValue[] = [];
        for (let i = 0; i < count; i++) value.push(this.value(depth + 1));
        this.ended(end);
        return { type: 'list', value };
      }
      case FORMAT.map8:
      case FORMAT.map32:
        return { type: 'map', value: this.pairs(code, depth) };
      case FORMAT.array8:
      case FORMAT.array32:
        return this.array(code, depth);
      default:
        throw unknown(code);
    }
  }

  /** Size and count of a list, map or array; its octets end at `end`. */
  header(code: number): { readonly count: number; readonly end: number } {
    const narrow = code < 0xd0 || (code >= 0xe0 && code < 0xf0);
    const size = narrow ? this.u8() : this.u32();
    const { at } = this;
    if (size > this.end - at) throw short();
    const end = at + size;
    const count = narrow ? this.u8() : this.u32();
    // Each element of a list or map has a constructor at least.
    if (code < 0xe0 && count > end - this.at)
      throw decodeError('AMQP1-1.6.22', `${count} elements in ${end - this.at} octets`);
    return { count, end };
  }

  ended(end: number): void {
    if (this.at !== end) throw decodeError('AMQP1-1.6.22', 'the elements do not fill the announced size');
  }

  pairs(code: number, depth: number): AmqpMap {
    const { count, end } = this.header(code);
    if (count % 2 !== 0) throw decodeError('AMQP1-1.6.23', 'a map with a key that has no value');
    const pairs: [AmqpValue, AmqpValue][] = [];
    for (let i = 0; i < count; i += 2) {
      const key = this.value(depth + 1);
      pairs.push([key, this.value(depth + 1)]);
    }
    this.ended(end);
    return pairs;
  }

  /** size | count | constructor | elements without one each. */
  private array(code: number, depth: number): AmqpValue {
    const { count, end } = this.header(code);
    let of = this.u8();
    const descriptors: AmqpValue[] = [];
    for (; of === FORMAT.described; of = this.u8()) {
      if (depth + descriptors.length > MAX_DEPTH) throw decodeError('AMQP1-1', 'descriptors too deep');
      descriptors.push(this.value(depth + 1));
    }
    const width = WIDTH[of >> 4]!;
    if (count > (width === 0 ? MAX_EMPTY : (end - this.at) / width))
      throw decodeError('AMQP1-1.6.24', `an array of ${count} in ${end - this.at} octets`);
    const value: AmqpValue[] = [];
    for (let i = 0; i < count; i++) {
      let element = this.valueAs(of, depth + 1);
      for (let d = descriptors.length - 1; d >= 0; d--)
        element = { type: 'described', descriptor: descriptors[d]!, value: element };
      value.push(element);
    }
    this.ended(end);
    return { type: 'array', of, value };
  }

  /** Passes one value without looking into it. */
  skip(): void {
    let code = this.u8();
    for (let depth = 0; code === FORMAT.described; depth++) {
      if (depth > MAX_DEPTH) throw decodeError('AMQP1-1', 'descriptors too deep');
      this.skipPlain(this.u8());
      code = this.u8();
    }
    this.skipPlain(code);
  }

  private skipPlain(code: number): void {
    switch (code >> 4) {
      case 0xa:
      case 0xc:
      case 0xe:
        this.take(this.u8());
        return;
      case 0xb:
      case 0xd:
      case 0xf:
        this.take(this.u32());
        return;
      case 4:
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
        this.take(WIDTH[code >> 4]!);
        return;
      default:
        throw unknown(code);
    }
  }
}

/** The least octets of a value, by the upper half of its constructor. [AMQP1-1.2] */
const WIDTH: readonly number[] = [2, 0, 0, 0, 0, 1, 2, 4, 8, 16, 1, 4, 2, 8, 3, 9];

function short(): ConnectionFault {
  return decodeError('AMQP1-1.2', 'a value goes beyond its octets');
}

function unknown(code: number): ConnectionFault {
  return decodeError('AMQP1-1.6', `there is no constructor 0x${code.toString(16)}`);
}

/** One value that fills `bytes`. */
export function decodeValue(bytes: Uint8Array): AmqpValue {
  const r = new ValueReader(bytes);
  const value = r.value();
  r.ended(bytes.length);
  return value;
}
