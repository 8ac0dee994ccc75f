// What a packet looks like once it is taken apart, and how its octets are shown or hidden.

import { hexOf } from './part.ts';

export interface Field {
  readonly name: string;
  readonly value: string;
  /** Offsets in the octets, where it has a place of its own. */
  readonly from?: number;
  readonly to?: number;
}

export interface Dissected {
  readonly name: string;
  readonly topic?: string;
  /** Of a packet with several messages. */
  readonly topics?: readonly string[];
  readonly fields: readonly Field[];
  /** The packet, with `*` in the place of secrets. */
  readonly octets: Uint8Array;
}

/** One connection's eye: it may learn from what it saw. */
export interface Dissector {
  /** The length of the packet at `start`: undefined, it cannot be told yet. */
  length(bytes: Uint8Array, start: number, end: number): number | undefined;
  /** `packet` is a copy, and may be the beginning of a longer one. Throws nothing. */
  dissect(packet: Uint8Array, direction: 'in' | 'out'): Dissected;
}

export const SHOWN_CHARS = 256;
const STAR = 0x2a;
const lossyUtf8 = new TextDecoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** Text if the octets are that, else hex; not all of it. */
export function shown(octets: Uint8Array): string {
  const some = octets.subarray(0, SHOWN_CHARS);
  let value: string;
  try {
    value = octets.length > some.length ? lossyUtf8.decode(some) : strictUtf8.decode(some);
  } catch {
    value = hexOf(some);
  }
  return octets.length > some.length ? `${value}…` : value;
}

/** A copy with `*` from `from` to `to`. */
export function starred(packet: Uint8Array, from: number, to: number): Uint8Array {
  const copy = packet.slice();
  copy.fill(STAR, from, to);
  return copy;
}
