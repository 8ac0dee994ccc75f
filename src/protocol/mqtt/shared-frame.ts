// PUBLISH frames towards clients: encoded once per version, then copied and patched for each receiver.

import { allocate } from '../../bytes/blocks.ts';
import { type Dialect, dialectSlot, type Message } from '../../contract/message.ts';
import type { Wire } from '../../contract/wire.ts';
import { byReference, PROPERTIES } from './frame.ts';
import { utf8Length, writeUtf8 } from './text.ts';
import { varintLength, writeVarint } from './writer.ts';

const NOTHING = new Uint8Array(0);

/**
 * A whole frame without anything that belongs to one receiver, up to the payload if that goes by reference:
 * `0x30 | length | topic | id, if acknowledged | properties, in 5 | payload`
 */
class FrameDialect implements Dialect {
  readonly slot = dialectSlot();
  private readonly level5: boolean;
  private readonly acknowledged: boolean;

  constructor(level5: boolean, acknowledged: boolean) {
    this.level5 = level5;
    this.acknowledged = acknowledged;
  }

  encode(m: Message): Uint8Array {
    const topic = utf8Length(m.topic);
    const properties = this.level5 ? m.frame(PROPERTIES) : NOTHING;
    const propertiesBytes = this.level5 ? varintLength(properties.length) + properties.length : 0;
    const headBytes = 2 + topic + (this.acknowledged ? 2 : 0) + propertiesBytes;
    const remaining = headBytes + m.payload.length;
    const inline = byReference(m) ? 0 : m.payload.length;
    const octets = allocate(1 + varintLength(remaining) + headBytes + inline);
    octets[0] = 0x30;
    let at = writeVarint(octets, 1, remaining);
    octets[at] = topic >> 8;
    octets[at + 1] = topic;
    at = writeUtf8(octets, at + 2, m.topic);
    if (this.acknowledged) at += 2;
    if (this.level5) {
      at = writeVarint(octets, at, properties.length);
      octets.set(properties, at);
      at += properties.length;
    }
    if (inline > 0) octets.set(m.payload, at);
    return octets;
  }
}

const PLAIN_3 = new FrameDialect(false, false);
const ACKNOWLEDGED_3 = new FrameDialect(false, true);
const PLAIN_5 = new FrameDialect(true, false);
const ACKNOWLEDGED_5 = new FrameDialect(true, true);

/** The cached frame of `m` for a version and kind of delivery: copy it, then patch the first octet and the packet id. */
export function sharedFrame(m: Message, level5: boolean, acknowledged: boolean): Uint8Array {
  if (level5) return m.frame(acknowledged ? ACKNOWLEDGED_5 : PLAIN_5);
  return m.frame(acknowledged ? ACKNOWLEDGED_3 : PLAIN_3);
}

/** Writes a shared frame with its receiver's first octet and packet id (0: none) and, by reference, the payload. */
export function writeShared(wire: Wire, frame: Uint8Array, first: number, id: number, m: Message): void {
  const at = wire.reserve(frame.length);
  const { bytes } = wire;
  bytes.set(frame, at);
  bytes[at] = first;
  if (id !== 0) {
    let topicAt = at + 1;
    while (bytes[topicAt]! >= 0x80) topicAt++;
    topicAt++;
    const idAt = topicAt + 2 + ((bytes[topicAt]! << 8) | bytes[topicAt + 1]!);
    bytes[idAt] = id >> 8;
    bytes[idAt + 1] = id;
  }
  if (byReference(m)) wire.write(m.payload);
}
