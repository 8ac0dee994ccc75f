// Octets to methods and content headers. Everything that is announced is checked before it is used.

import { ProtocolError } from '../../contract/outcome.ts';
import { FieldReader } from './fields.ts';
import {
  type ArgumentType,
  BASIC_CLASS,
  type BasicProperties,
  type ContentHeader,
  METHODS,
  type Method,
  type MethodName,
  PROPERTIES,
} from './packet.ts';
import { COMMAND_INVALID, FRAME_ERROR, SYNTAX_ERROR, UNEXPECTED_FRAME } from './reply.ts';

interface Known {
  readonly name: MethodName;
  readonly args: readonly (readonly [name: string, type: ArgumentType])[];
}

const BY_ID = new Map<number, Known>(
  Object.entries(METHODS).map(([name, { id, args }]) => [
    id[0] * 0x1_0000 + id[1],
    { name: name as MethodName, args },
  ]),
);

/** The method in the payload `bytes[start..end)` of a method frame. Octets in it are views. */
export function decodeMethod(bytes: Uint8Array, start: number, end: number): Method {
  const r = new FieldReader(bytes, start, end);
  const id = r.u32();
  const known = BY_ID.get(id);
  if (known === undefined) {
    throw new ProtocolError('AMQP091-1.1', `there is no method ${id >>> 16}.${id & 0xffff}`, COMMAND_INVALID);
  }
  const method: Record<string, unknown> = { name: known.name };
  let bits = 0;
  let bit = 8;
  for (const [name, type] of known.args) {
    if (type !== 'bit') {
      bit = 8;
      const value = readArgument(r, type);
      if (name !== '') method[name] = value;
      continue;
    }
    if (bit === 8) {
      bits = r.u8(); // neighbouring bits share an octet, lowest first [AMQP091-4.2.5.2]
      bit = 0;
    }
    if (name !== '') method[name] = ((bits >> bit) & 1) === 1;
    bit++;
  }
  if (r.at !== end) {
    throw new ProtocolError('AMQP091-4.2.4', `${known.name} is followed by more octets`, SYNTAX_ERROR);
  }
  return method as unknown as Method;
}

function readArgument(r: FieldReader, type: Exclude<ArgumentType, 'bit'>): unknown {
  switch (type) {
    case 'octet':
      return r.u8();
    case 'short':
      return r.u16();
    case 'long':
      return r.u32();
    case 'longlong':
      return r.u64();
    case 'shortstr':
      return r.shortText();
    case 'id':
      return r.shortId();
    case 'longstr':
      return r.longOctets();
    case 'table':
      return r.table();
  }
}

/** class | weight | body size | flags | properties [AMQP091-2.3.5.2] */
export function decodeContentHeader(bytes: Uint8Array, start: number, end: number): ContentHeader {
  const r = new FieldReader(bytes, start, end);
  if (r.u16() !== BASIC_CLASS) {
    throw new ProtocolError('AMQP091-4.2.6.1', 'the content header is of another class', UNEXPECTED_FRAME);
  }
  r.u16(); // weight, unused
  const bodySize = r.u64();
  const properties = readProperties(r);
  if (r.at !== end) {
    throw new ProtocolError('AMQP091-4.2.6.1', 'the content header is followed by more octets', FRAME_ERROR);
  }
  return { bodySize, properties };
}

/**
 * Remembers the last publish and the last content header of a connection: most publishers say the same of each message, and what is the same
 * by its octets is the same object.
 */
export class Repetition {
  private readonly publish = new Last<Method>();
  private readonly header = new Last<ContentHeader>();

  method(bytes: Uint8Array, start: number, end: number): Method {
    const known = this.publish.find(bytes, start, end);
    if (known !== undefined) return known;
    const method = decodeMethod(bytes, start, end);
    if (method.name === 'basic.publish') this.publish.remember(bytes, start, end, method);
    return method;
  }

  contentHeader(bytes: Uint8Array, start: number, end: number): ContentHeader {
    const known = this.header.find(bytes, start, end);
    if (known !== undefined) return known;
    const header = decodeContentHeader(bytes, start, end);
    this.header.remember(bytes, start, end, header);
    return header;
  }
}

/** Longer ones are not worth comparing. */
const REMEMBERED_BYTES = 256;

/** The last thing that was decoded, and its octets. */
class Last<T> {
  private octets: Uint8Array | undefined = undefined;
  private length = -1;
  private value: T | undefined = undefined;

  find(bytes: Uint8Array, start: number, end: number): T | undefined {
    const { octets, length } = this;
    if (end - start !== length) return undefined;
    for (let i = 0; i < length; i++) if (octets![i] !== bytes[start + i]) return undefined;
    return this.value;
  }

  remember(bytes: Uint8Array, start: number, end: number, value: T): void {
    if (end - start > REMEMBERED_BYTES) return;
    this.octets ??= new Uint8Array(REMEMBERED_BYTES);
    this.octets.set(bytes.subarray(start, end));
    this.length = end - start;
    this.value = value;
  }
}

function readProperties(r: FieldReader): BasicProperties {
  const flags = r.u16();
  if ((flags & 3) !== 0) {
    throw new ProtocolError('AMQP091-4.2.6.1', 'properties that there are not', SYNTAX_ERROR);
  }
  const properties: Record<string, unknown> = {};
  for (let i = 0; i < PROPERTIES.length; i++) {
    if ((flags & (0x8000 >> i)) === 0) continue;
    const [name, type] = PROPERTIES[i]!;
    properties[name] = readArgument(r, type);
  }
  return properties;
}
