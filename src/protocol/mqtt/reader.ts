// A cursor over the octets of one packet: the data types of MQTT (1.5), bounds checked.

import type { ProtocolError } from '../../contract/outcome.ts';
import { fault } from './fault.ts';
import type { Level } from './packet.ts';
import { decodeString } from './text.ts';

/** Reads `bytes[at..end)`. Every method throws ProtocolError 0x81 when the packet ends inside the field. */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  end: number;
  readonly level: Level;

  constructor(bytes: Uint8Array, at: number, end: number, level: Level) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.level = level;
  }

  get rest(): number {
    return this.end - this.at;
  }

  u8(): number {
    const at = this.advance(1);
    return this.bytes[at]!;
  }

  u16(): number {
    const at = this.advance(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    const at = this.advance(4);
    const b = this.bytes;
    return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const octet = this.u8();
      value |= (octet & 0x7f) << shift;
      if (octet >= 0x80) continue;
      if (octet === 0 && shift > 0) throw notMinimal();
      return value;
    }
    throw tooManyOctets(this.level);
  }

  /** A view, not a copy. */
  binary(): Uint8Array {
    const length = this.u16();
    const at = this.advance(length);
    return this.bytes.subarray(at, at + length);
  }

  text(): string {
    const length = this.u16();
    const at = this.advance(length);
    return decodeString(this.bytes, at, at + length, this.level);
  }

  /** Throws when octets are left: the Remaining Length counts exactly what the packet holds. */
  finish(): void {
    if (this.at !== this.end)
      throw fault(this.level, 'MQTT5-2.1.4', 'MQTT311-2.2.3', `${this.rest} octets too many`);
  }

  private advance(length: number): number {
    const at = this.at;
    if (at + length > this.end) throw tooShort(this.level);
    this.at = at + length;
    return at;
  }
}

export function tooShort(level: Level): ProtocolError {
  return fault(level, 'MQTT5-2.1.4', 'MQTT311-2.2.3', 'packet ends inside a field');
}

/** Only MQTT 5 has the rule. */
export function notMinimal(): ProtocolError {
  return fault(5, 'MQTT5-1.5.5-1', 'MQTT311-2.2.3', 'variable byte integer is longer than needed');
}

export function tooManyOctets(level: Level): ProtocolError {
  return fault(level, 'MQTT5-1.5.5-1', 'MQTT311-2.2.3', 'variable byte integer has more than four octets');
}
