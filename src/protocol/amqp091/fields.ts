// Field tables: values with their exact AMQP types, from octets and to them. [AMQP091-4.2.5]

import { copyOf } from '../../bytes/blocks.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import { FRAME_ERROR, SYNTAX_ERROR } from './reply.ts';

/**
 * t bool, b B int8/uint8, s u int16/uint16, I i int32/uint32, l int64, f d float/double, D decimal (its five octets), S text or octets,
 * A array, T seconds since 1970, F table, V nothing, x octets. The letters are those that every implementation uses; the standard's own
 * differ and nobody speaks them.
 */
export type FieldType =
  | 't' | 'b' | 'B' | 's' | 'u' | 'I' | 'i' | 'l' | 'f' | 'd' | 'D' | 'S' | 'A' | 'T' | 'F' | 'V' | 'x'; // biome-ignore format: one list

export type FieldValue = boolean | number | bigint | string | Uint8Array | null | Table | readonly Field[];

export interface Field {
  readonly type: FieldType;
  readonly value: FieldValue;
}

/** Order and duplicates are kept. */
export type Table = readonly (readonly [name: string, field: Field])[];

export const EMPTY_TABLE: Table = [];

/** Tables and arrays inside each other. */
const MAX_DEPTH = 16;
/** What is laid into the wire's own memory; more is handed to it. */
const RESERVE_BYTES = 8_192;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** Reads the data types of methods and properties out of one frame. Throws ProtocolError 501 or 502. */
export class FieldReader {
  at: number;
  readonly end: number;
  private readonly bytes: Uint8Array;
  private lazyView: DataView | undefined;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.lazyView = undefined;
    this.at = start;
    this.end = end;
  }

  /** Made when a field is read that needs it: most frames have none. */
  private get view(): DataView {
    const { buffer, byteOffset, byteLength } = this.bytes;
    this.lazyView ??= new DataView(buffer, byteOffset, byteLength);
    return this.lazyView;
  }

  private need(length: number): number {
    const { at } = this;
    if (length > this.end - at) {
      throw new ProtocolError('AMQP091-2.3.5', 'a value ends behind its frame', FRAME_ERROR);
    }
    this.at = at + length;
    return at;
  }

  u8(): number {
    return this.bytes[this.need(1)]!;
  }

  u16(): number {
    const at = this.need(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    const at = this.need(4);
    const { bytes } = this;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  /** Beyond 2^53 it is not exact. */
  u64(): number {
    return this.u32() * 0x1_0000_0000 + this.u32();
  }

  shortText(): string {
    const length = this.u8();
    return this.text(this.need(length), length);
  }

  /** A short string that is called so and may be any octets. */
  shortId(): string | Uint8Array {
    const length = this.u8();
    const at = this.need(length);
    const octets = this.bytes.subarray(at, at + length);
    return textOf(octets) ?? octets.slice();
  }

  /** A view. */
  longOctets(): Uint8Array {
    const length = this.u32();
    const at = this.need(length);
    return this.bytes.subarray(at, at + length);
  }

  private text(at: number, length: number): string {
    if (length < 32) {
      let text = '';
      const end = at + length;
      let i = at;
      for (; i < end && this.bytes[i]! < 0x80; i++) text += String.fromCharCode(this.bytes[i]!);
      if (i === end) return text;
    }
    const text = textOf(this.bytes.subarray(at, at + length));
    if (text === undefined) throw new ProtocolError('AMQP091-4.2.5.3', 'a text is not UTF-8', SYNTAX_ERROR);
    return text;
  }

  table(depth = 0): Table {
    const end = this.body(depth);
    const table: [string, Field][] = [];
    while (this.at < end) table.push([this.shortText(), this.field(depth)]);
    this.check(end);
    return table;
  }

  private array(depth: number): Field[] {
    const end = this.body(depth);
    const list: Field[] = [];
    while (this.at < end) list.push(this.field(depth));
    this.check(end);
    return list;
  }

  /** Where a table or array ends. */
  private body(depth: number): number {
    if (depth >= MAX_DEPTH)
      throw new ProtocolError('AMQP091-4.2.5.5', `tables are nested deeper than ${MAX_DEPTH}`, SYNTAX_ERROR);
    const length = this.u32();
    const end = this.need(length) + length;
    this.at = end - length;
    return end;
  }

  private check(end: number): void {
    if (this.at !== end)
      throw new ProtocolError('AMQP091-4.2.5.5', 'a field ends behind its table', SYNTAX_ERROR);
  }

  private field(depth: number): Field {
    const letter = String.fromCharCode(this.u8());
    switch (letter) {
      case 't':
        return { type: 't', value: this.u8() !== 0 };
      case 'b':
        return { type: 'b', value: this.view.getInt8(this.need(1)) };
      case 'B':
        return { type: 'B', value: this.u8() };
      case 's':
        return { type: 's', value: this.view.getInt16(this.need(2)) };
      case 'u':
        return { type: 'u', value: this.u16() };
      case 'I':
        return { type: 'I', value: this.view.getInt32(this.need(4)) };
      case 'i':
        return { type: 'i', value: this.u32() };
      case 'l':
      case 'L': // what the standard calls it
        return { type: 'l', value: this.view.getBigInt64(this.need(8)) };
      case 'f':
        return { type: 'f', value: this.view.getFloat32(this.need(4)) };
      case 'd':
        return { type: 'd', value: this.view.getFloat64(this.need(8)) };
      case 'D':
        return { type: 'D', value: this.bytes.slice(this.need(5), this.at) };
      case 'S': {
        const octets = this.longOctets();
        return { type: 'S', value: textOf(octets) ?? octets.slice() };
      }
      case 'A':
        return { type: 'A', value: this.array(depth + 1) };
      case 'T':
        return { type: 'T', value: this.view.getBigUint64(this.need(8)) };
      case 'F':
        return { type: 'F', value: this.table(depth + 1) };
      case 'V':
        return { type: 'V', value: null };
      case 'x':
        return { type: 'x', value: this.longOctets().slice() };
      default:
        throw new ProtocolError(
          'AMQP091-4.2.5.5',
          `there is no field type ${JSON.stringify(letter)}`,
          SYNTAX_ERROR,
        );
    }
  }
}

/** The text that octets spell, or undefined when they are not UTF-8. */
export function textOf(octets: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(octets);
  } catch (_notUtf8) {
    return undefined;
  }
}

/** Grows as it is written to; `finish` gives a copy, `leave` writes it to a wire. */
export class FieldWriter {
  bytes = new Uint8Array(1_024);
  at = 0;
  private view = new DataView(this.bytes.buffer);

  /** Makes room and returns where it begins. */
  need(length: number): number {
    const { at } = this;
    if (at + length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, at + length));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    this.at = at + length;
    return at;
  }

  u8(value: number): void {
    const at = this.need(1);
    this.bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.need(2);
    this.view.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.need(4);
    this.view.setUint32(at, value);
  }

  u64(value: number): void {
    this.u32(Math.floor(value / 0x1_0000_0000));
    this.u32(value >>> 0);
  }

  /** Writes a length over four octets that were left for it. */
  patch(at: number): void {
    this.view.setUint32(at, this.at - at - 4);
  }

  octets(value: Uint8Array): void {
    const at = this.need(value.length);
    this.bytes.set(value, at);
  }

  /** At most 255 octets; what is longer is cut between characters. */
  shortText(value: string): void {
    const { length } = value;
    if (length < 64) {
      const at = this.need(length + 1);
      let i = 0;
      for (; i < length; i++) {
        const c = value.charCodeAt(i);
        if (c > 0x7f) break;
        this.bytes[at + 1 + i] = c;
      }
      if (i === length) {
        this.bytes[at] = length;
        return;
      }
      this.at = at;
    }
    const octets = utf8.encode(value);
    let end = Math.min(octets.length, 255);
    while (end < octets.length && (octets[end]! & 0xc0) === 0x80) end--;
    this.u8(end);
    this.octets(octets.subarray(0, end));
  }

  shortId(value: string | Uint8Array): void {
    if (typeof value === 'string') {
      this.shortText(value);
      return;
    }
    const octets = value.subarray(0, 255);
    this.u8(octets.length);
    this.octets(octets);
  }

  longOctets(value: Uint8Array): void {
    this.u32(value.length);
    this.octets(value);
  }

  table(table: Table): void {
    const start = this.need(4);
    for (const [name, field] of table) {
      this.shortText(name);
      this.field(field);
    }
    this.patch(start);
  }

  private field({ type, value }: Field): void {
    this.u8(type.charCodeAt(0));
    switch (type) {
      case 't':
        this.u8(value === true ? 1 : 0);
        return;
      case 'b':
      case 'B':
        this.u8((value as number) & 0xff);
        return;
      case 's':
      case 'u':
        this.u16((value as number) & 0xffff);
        return;
      case 'I':
      case 'i':
        this.u32((value as number) >>> 0);
        return;
      case 'l': {
        const at = this.need(8);
        this.view.setBigInt64(at, BigInt(value as bigint));
        return;
      }
      case 'T': {
        const at = this.need(8);
        this.view.setBigUint64(at, BigInt(value as bigint));
        return;
      }
      case 'f': {
        const at = this.need(4);
        this.view.setFloat32(at, value as number);
        return;
      }
      case 'd': {
        const at = this.need(8);
        this.view.setFloat64(at, value as number);
        return;
      }
      case 'D':
        this.octets(value as Uint8Array);
        return;
      case 'S':
      case 'x':
        this.longOctets(typeof value === 'string' ? utf8.encode(value) : (value as Uint8Array));
        return;
      case 'A': {
        const start = this.need(4);
        for (const one of value as readonly Field[]) this.field(one);
        this.patch(start);
        return;
      }
      case 'F':
        this.table(value as Table);
        return;
      case 'V':
        return;
    }
  }

  finish(): Uint8Array {
    const done = copyOf(this.bytes.subarray(0, this.at));
    this.restart();
    return done;
  }

  leave(wire: Wire): void {
    const { at: length } = this;
    if (length > RESERVE_BYTES) {
      wire.write(this.finish());
      return;
    }
    const at = wire.reserve(length);
    wire.bytes.set(this.bytes.subarray(0, length), at);
    this.restart();
  }

  private restart(): void {
    this.at = 0;
    if (this.bytes.length > 1_048_576) {
      this.bytes = new Uint8Array(1_024);
      this.view = new DataView(this.bytes.buffer);
    }
  }
}

/** The last field of that name. */
export function fieldOf(table: Table, name: string): Field | undefined {
  return table.findLast(([known]) => known === name)?.[1];
}

export function text(value: string): Field {
  return { type: 'S', value };
}
