// Composites by their table: described lists to objects and back. [AMQP1-1.4]

import type { ValueReader } from './decode.ts';
import { ValueWriter } from './encode.ts';
import { decodeError } from './fault.ts';
import {
  CODE_OF_NAME,
  COMPOSITES,
  type Composite,
  ERROR,
  type FieldKind,
  type Performative,
  type SaslFrame,
} from './packet.ts';
import { codeOf, FORMAT } from './types.ts';

const BY_CODE: (Composite | undefined)[] = [];
for (const composite of COMPOSITES) BY_CODE[composite.code] = composite;

type Fields = Record<string, unknown>;

/** The descriptor of what follows. */
export function descriptorOf(r: ValueReader): number {
  if (r.u8() !== FORMAT.described) throw decodeError('AMQP1-1.4', 'a composite without a descriptor');
  // 00 53 code, as everybody writes it
  if (r.end - r.at >= 2 && r.bytes[r.at] === FORMAT.smallulong) {
    r.at++;
    return r.u8();
  }
  const code = codeOf(r.value(), CODE_OF_NAME);
  if (code === undefined) throw decodeError('AMQP1-1.4', 'a composite that nobody knows');
  return code;
}

/** A composite whose descriptor is to be one of `codes`; its code becomes `kind`. Null is undefined. */
export function readComposite(r: ValueReader, codes: readonly number[]): Fields | undefined {
  if (r.at < r.end && r.bytes[r.at] === FORMAT.null) {
    r.at++;
    return undefined;
  }
  const code = descriptorOf(r);
  if (!codes.includes(code)) throw decodeError('AMQP1-1.4', `0x${code.toString(16)} has no place here`);
  return readFields(r, BY_CODE[code]!);
}

/** The list of a composite, whose descriptor was read. */
export function readFields(r: ValueReader, composite: Composite): Fields {
  const found: Fields = { kind: composite.code };
  const { fields } = composite;
  const { count, end } = listHeader(r);
  if (count > fields.length) throw decodeError('AMQP1-1.4', `${composite.name} has ${count} fields`);
  for (let i = 0; i < fields.length; i++) {
    const [name, kind, mandatory] = fields[i]!;
    const value = i < count ? readField(r, kind, name) : undefined;
    if (value !== undefined) found[name] = value;
    else if (mandatory) throw decodeError('AMQP1-1.4', `${composite.name} lacks ${name}`);
  }
  r.ended(end);
  return found;
}

function listHeader(r: ValueReader): { readonly count: number; readonly end: number } {
  const code = r.u8();
  if (code === FORMAT.list0) return { count: 0, end: r.at };
  if (code !== FORMAT.list8 && code !== FORMAT.list32)
    throw decodeError('AMQP1-1.4', 'a composite that is no list');
  return r.header(code);
}

const STATES = [0x23, 0x24, 0x25, 0x26, 0x27, 0x33, 0x34];
const TERMINI = [0x28, 0x29, 0x30];
const ERRORS = [ERROR];

function readField(r: ValueReader, kind: FieldKind, name: string): unknown {
  const code = r.at < r.end ? r.bytes[r.at]! : -1;
  if (code === FORMAT.null) {
    r.at++;
    return undefined;
  }
  switch (kind) {
    case 'uint':
      // The two forms that nearly all have.
      if (code === FORMAT.smalluint && r.end - r.at >= 2) {
        r.at += 2;
        return r.bytes[r.at - 1];
      }
      if (code === FORMAT.uint0) {
        r.at++;
        return 0;
      }
      break;
    case 'boolean':
      if (code === FORMAT.true || code === FORMAT.false) {
        r.at++;
        return code === FORMAT.true;
      }
      break;
    case 'state':
      return readComposite(r, STATES);
    case 'terminus':
      return readComposite(r, TERMINI);
    case 'error':
      return readComposite(r, ERRORS);
    default:
  }
  const value = r.value();
  if (kind === 'any' || kind === 'id') return value;
  if (kind === 'symbols') {
    if (value.type === 'symbol') return [value.value];
    if (value.type === 'array' && value.value.every((one) => one.type === 'symbol'))
      return value.value.map((one) => one.value);
  } else if (kind === 'address') {
    if (value.type === 'string') return value.value;
    throw decodeError('AMQP1-3.5.1', `${name} is a ${value.type}: addresses are strings here`);
  } else if (value.type === kind) return kind === 'timestamp' ? Number(value.value) : value.value;
  throw decodeError('AMQP1-1.4', `${name} is a ${value.type} and no ${kind}`);
}

/** The performative at the head of a frame's body; the reader stands behind it. */
export function readPerformative(r: ValueReader): Performative {
  const code = descriptorOf(r);
  if (code < 0x10 || code > 0x18)
    throw decodeError('AMQP1-2.3.2', `0x${code.toString(16)} is no performative`);
  return readFields(r, BY_CODE[code]!) as unknown as Performative;
}

export function readSasl(r: ValueReader): SaslFrame {
  const code = descriptorOf(r);
  if (code < 0x40 || code > 0x44) throw decodeError('AMQP1-5.3.3', `0x${code.toString(16)} is no SASL frame`);
  return readFields(r, BY_CODE[code]!) as unknown as SaslFrame;
}

/** A section that is a composite: header or properties, from its descriptor on. */
export function readSection(r: ValueReader, code: number): object {
  return readComposite(r, [code]) ?? {};
}

export function writeComposite(w: ValueWriter, code: number, value: object): void {
  const composite = BY_CODE[code]!;
  const { fields } = composite;
  const given = value as Fields;
  let count = fields.length;
  while (count > 0 && given[fields[count - 1]![0]] === undefined) count--;
  w.descriptor(code);
  w.list(count, () => {
    for (let i = 0; i < count; i++) {
      const [name, kind] = fields[i]!;
      writeField(w, kind, given[name]);
    }
  });
}

function writeField(w: ValueWriter, kind: FieldKind, value: unknown): void {
  if (value === undefined) {
    w.null();
    return;
  }
  switch (kind) {
    case 'boolean':
      w.boolean(value as boolean);
      return;
    case 'ubyte':
      w.ubyte(value as number);
      return;
    case 'ushort':
      w.ushort(value as number);
      return;
    case 'uint':
      w.uint(value as number);
      return;
    case 'ulong':
      w.ulong(value as bigint);
      return;
    case 'string':
    case 'address':
      w.string(value as string);
      return;
    case 'symbol':
      w.symbol(value as string);
      return;
    case 'symbols':
      w.symbols(value as readonly string[]);
      return;
    case 'binary':
      w.binary(value as Uint8Array);
      return;
    case 'timestamp':
      w.timestamp(value as number);
      return;
    case 'map':
      w.map(value as Parameters<ValueWriter['map']>[0]);
      return;
    case 'any':
    case 'id':
      w.value(value as Parameters<ValueWriter['value']>[0]);
      return;
    case 'error':
      writeComposite(w, ERROR, value as object);
      return;
    case 'state':
    case 'terminus':
      writeComposite(w, (value as { readonly kind: number }).kind, value as object);
  }
}

const writer = new ValueWriter();

/** A composite's octets. */
export function encodeComposite(code: number, value: object): Uint8Array {
  writeComposite(writer, code, value);
  return writer.finish();
}
