// Frames put together by hand, so that a test can break any rule of the format.

import { hex } from '../network.ts';
import { bytes } from './client.ts';

export type Part = Uint8Array | string | number;

/** Joins parts: octets as they are, text as hex, a number as one octet. */
export function join(...parts: Part[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map(octetsOf)));
}

function octetsOf(part: Part): Uint8Array {
  if (typeof part === 'number') return Uint8Array.of(part);
  return typeof part === 'string' ? hex(part) : part;
}

export function u16(n: number): Uint8Array {
  return Uint8Array.of(n >> 8, n & 0xff);
}

/** Length in two octets, then the octets. */
export function binary(octets: Uint8Array): Uint8Array {
  return join(u16(octets.length), octets);
}

export function str(s: string): Uint8Array {
  return binary(bytes(s));
}

export function varint(n: number): Uint8Array {
  const out: number[] = [];
  do {
    const low = n % 128;
    n = Math.floor(n / 128);
    out.push(n > 0 ? low | 0x80 : low);
  } while (n > 0);
  return Uint8Array.from(out);
}

/** A frame: first octet, remaining length, body. */
export function frame(first: number, ...body: Part[]): Uint8Array {
  const octets = join(...body);
  return join(first, varint(octets.length), octets);
}

/** The properties of a packet with their length in front; nothing at all before MQTT 5. */
export function props(level: number, ...parts: Part[]): Uint8Array {
  if (level < 5) return new Uint8Array(0);
  const octets = join(...parts);
  return join(varint(octets.length), octets);
}

export interface RawConnect {
  readonly first?: number;
  readonly name?: string;
  readonly level?: number;
  readonly flags?: number;
  readonly keepAlive?: number;
  readonly properties?: readonly Part[];
  /** What follows the properties; the client id `c` unless told. */
  readonly payload?: readonly Part[];
}

/** A CONNECT, right for `level` but for what `fields` says. */
export function connectFrame(level: number, fields: RawConnect = {}): Uint8Array {
  return frame(
    fields.first ?? 0x10,
    str(fields.name ?? 'MQTT'),
    fields.level ?? level,
    fields.flags ?? 0x02,
    u16(fields.keepAlive ?? 0),
    props(level, ...(fields.properties ?? [])),
    ...(fields.payload ?? [str('c')]),
  );
}

/** A PUBLISH with these flags; `id` is left out at QoS 0. */
export function publishFrame(
  level: number,
  flags: number,
  topic: Uint8Array,
  id: number | undefined,
  properties: readonly Part[] = [],
  payload: Uint8Array = bytes('x'),
): Uint8Array {
  const number = id === undefined ? new Uint8Array(0) : u16(id);
  return frame(0x30 | flags, topic, number, props(level, ...properties), payload);
}

/** A SUBSCRIBE of one filter. */
export function subscribeFrame(
  level: number,
  id: number,
  filter: Uint8Array,
  options = 0,
  first = 0x82,
): Uint8Array {
  return frame(first, u16(id), props(level), filter, options);
}

export function unsubscribeFrame(level: number, id: number, filter: Uint8Array, first = 0xa2): Uint8Array {
  return frame(first, u16(id), props(level), filter);
}
