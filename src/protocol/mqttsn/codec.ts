// The codec of each version of MQTT-SN: all that the state machines know of octets.

import { decodeEnvelope, decodeSn } from './decode.ts';
import { again, encodeEnvelope, encodeSn, publishBytes } from './encode.ts';
import type { SnVersion } from './options.ts';
import type { Envelope, SnPacket } from './packet.ts';

export interface SnCodec {
  /** Throws ProtocolError. */
  decode(bytes: Uint8Array, start: number, end: number): SnPacket;
  encode(p: SnPacket): Uint8Array;
  /** A PUBLISH or SUBSCRIBE, marked as sent before. */
  again(datagram: Uint8Array): Uint8Array;
  /** Octets of a PUBLISH with so many of payload. */
  publishBytes(payload: number): number;
  decodeEnvelope(bytes: Uint8Array, start: number, end: number): Envelope | undefined;
  encodeEnvelope(radius: number, node: Uint8Array, message: Uint8Array): Uint8Array;
}

export const CODECS: Readonly<Record<SnVersion, SnCodec>> = {
  '1.2': { decode: decodeSn, encode: encodeSn, again, publishBytes, decodeEnvelope, encodeEnvelope },
};
