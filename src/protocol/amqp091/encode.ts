// Methods, content headers and whole frames to octets.

import type { Wire } from '../../contract/wire.ts';
import { FieldWriter } from './fields.ts';
import {
  type ArgumentType,
  BASIC_CLASS,
  type BasicProperties,
  BODY,
  FRAME_END,
  FRAME_OVERHEAD,
  HEADER,
  HEARTBEAT,
  METHOD,
  METHODS,
  type Method,
  PROPERTIES,
} from './packet.ts';

/** One for all: nothing is kept in it between calls. */
const scratch = new FieldWriter();

function beginFrame(w: FieldWriter, type: number, channel: number): number {
  w.u8(type);
  w.u16(channel);
  return w.need(4);
}

function endFrame(w: FieldWriter, size: number): void {
  w.patch(size);
  w.u8(FRAME_END);
}

/** A method frame. */
export function encodeMethod(channel: number, method: Method): Uint8Array {
  writeMethod(scratch, channel, method);
  return scratch.finish();
}

/** Writes a method frame to `wire`. */
export function sendMethod(wire: Wire, channel: number, method: Method): void {
  writeMethod(scratch, channel, method);
  scratch.leave(wire);
}

function writeMethod(w: FieldWriter, channel: number, method: Method): void {
  const size = beginFrame(w, METHOD, channel);
  const { id, args } = METHODS[method.name];
  w.u16(id[0]);
  w.u16(id[1]);
  const values = method as unknown as Readonly<Record<string, unknown>>;
  let bitsAt = -1;
  let bit = 0;
  for (const [name, type] of args as readonly (readonly [string, ArgumentType])[]) {
    if (type !== 'bit') {
      bitsAt = -1;
      writeArgument(w, type, values[name]);
      continue;
    }
    if (bitsAt < 0) {
      bitsAt = w.need(1);
      w.bytes[bitsAt] = 0;
      bit = 0;
    }
    if (values[name] === true) w.bytes[bitsAt]! |= 1 << bit;
    bit++;
  }
  endFrame(w, size);
}

/** `value` undefined: reserved. */
function writeArgument(w: FieldWriter, type: Exclude<ArgumentType, 'bit'>, value: unknown): void {
  switch (type) {
    case 'octet':
      w.u8((value as number | undefined) ?? 0);
      return;
    case 'short':
      w.u16((value as number | undefined) ?? 0);
      return;
    case 'long':
      w.u32((value as number | undefined) ?? 0);
      return;
    case 'longlong':
      w.u64((value as number | undefined) ?? 0);
      return;
    case 'shortstr':
      w.shortText((value as string | undefined) ?? '');
      return;
    case 'id':
      w.shortId((value as string | Uint8Array | undefined) ?? '');
      return;
    case 'longstr':
      w.longOctets((value as Uint8Array | undefined) ?? new Uint8Array());
      return;
    case 'table':
      w.table((value as Parameters<FieldWriter['table']>[0] | undefined) ?? []);
      return;
  }
}

/** The payload of a content header frame: it fits every channel. */
export function encodeContentHeader(bodySize: number, properties: BasicProperties): Uint8Array {
  const w = scratch;
  w.u16(BASIC_CLASS);
  w.u16(0);
  w.u64(bodySize);
  let flags = 0;
  const flagsAt = w.need(2);
  for (let i = 0; i < PROPERTIES.length; i++) {
    const [name, type] = PROPERTIES[i]!;
    const value = properties[name];
    if (value === undefined) continue;
    flags |= 0x8000 >> i;
    writeArgument(w, type, value);
  }
  w.bytes[flagsAt] = flags >> 8;
  w.bytes[flagsAt + 1] = flags;
  return w.finish();
}

/** A body up to this size goes into one buffer with the method and header in front of it. */
const TOGETHER_BYTES = 4_096;

/** A method with content to `wire`: the frames in order, each at most `frameMax` octets. */
export function sendContent(
  wire: Wire,
  channel: number,
  method: Method,
  header: Uint8Array,
  body: Uint8Array,
  frameMax: number,
): void {
  const w = scratch;
  writeMethod(w, channel, method);
  const size = beginFrame(w, HEADER, channel);
  w.octets(header);
  endFrame(w, size);
  const together = body.length > 0 && body.length <= Math.min(TOGETHER_BYTES, frameMax - FRAME_OVERHEAD);
  if (together) {
    const at = beginFrame(w, BODY, channel);
    w.octets(body);
    endFrame(w, at);
  }
  w.leave(wire);
  if (together) return;
  for (let at = 0; at < body.length; at += frameMax - FRAME_OVERHEAD) {
    const part = body.subarray(at, at + frameMax - FRAME_OVERHEAD);
    w.u8(BODY);
    w.u16(channel);
    w.u32(part.length);
    w.leave(wire);
    wire.write(part);
    wire.write(END);
  }
}

const END = Uint8Array.of(FRAME_END);

export const HEARTBEAT_FRAME = Uint8Array.of(HEARTBEAT, 0, 0, 0, 0, 0, 0, FRAME_END);
