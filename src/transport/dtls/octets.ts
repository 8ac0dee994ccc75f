// Reading and writing the vectors of TLS: lengths of one, two or three octets in front of what they count [RFC5246-4.3].

import { joined } from '../../bytes/joined.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { ALERT } from './codes.ts';

/** Walks through a message. Throws ProtocolError (decode_error) when it ends early. */
export class OctetReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get ended(): boolean {
    return this.at === this.bytes.length;
  }

  /** A view of the next octets. */
  take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.bytes.length) throw malformed('a message ends early');
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  /** An unsigned integer of 1 to 6 octets. */
  uint(octets: number): number {
    let value = 0;
    for (const octet of this.take(octets)) value = value * 256 + octet;
    return value;
  }

  /** What a length of `lengthOctets` counts; at least `min` octets. */
  vector(lengthOctets: number, min = 0): Uint8Array {
    const length = this.uint(lengthOctets);
    if (length < min) throw malformed('a vector is too short');
    return this.take(length);
  }

  rest(): Uint8Array {
    return this.take(this.bytes.length - this.at);
  }

  end(): void {
    if (!this.ended) throw malformed('octets behind the end of a message');
  }
}

export function malformed(what: string): ProtocolError {
  return new ProtocolError('RFC5246-7.2.2', what, ALERT.decodeError);
}

/** `value` in so many octets, the highest first. */
export function uint(octets: number, value: number): Uint8Array {
  const bytes = new Uint8Array(octets);
  let rest = value;
  for (let i = octets - 1; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** The parts one after the other, behind their common length. */
export function vector(lengthOctets: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = join(...parts);
  return join(uint(lengthOctets, body.length), body);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return joined(parts);
}

/** A list of 16-bit numbers, as most extensions are. */
export function numbers(list: readonly number[]): Uint8Array {
  return join(...list.map((n) => uint(2, n)));
}

/** What `numbers` wrote. */
export function readNumbers(bytes: Uint8Array): number[] {
  if (bytes.length % 2 !== 0) throw malformed('a list of numbers has an odd octet');
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes[2 * i]! * 256 + bytes[2 * i + 1]!);
}
