// The laws of the codec: what is written is read back, however it is cut, and noise is packets or ProtocolError.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz, packet } from '../../../test/arbitrary/mqtt.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { decodePacket, frameEnd } from './decode.ts';
import { encodePacket } from './encode.ts';
import type { Level, Packet } from './packet.ts';
import type { Role } from './reason.ts';

const sides: [Level, Role][] = [
  [3, 'client'],
  [3, 'server'],
  [4, 'client'],
  [4, 'server'],
  [5, 'client'],
  [5, 'server'],
];

function decode(bytes: Uint8Array, level: Level, from: Role): Packet {
  return decodePacket(bytes, 0, bytes.length, level, from);
}

/** Reads a stream that comes in chunks, as a peer does. */
function decodeChunks(chunks: Uint8Array[], level: Level, from: Role): Packet[] {
  const packets: Packet[] = [];
  let waiting = new Uint8Array(0);
  for (const chunk of chunks) {
    const bytes = join([waiting, chunk]);
    let at = 0;
    for (;;) {
      const end = frameEnd(bytes, at, bytes.length);
      if (end < 0 || end > bytes.length) break;
      packets.push(decodePacket(bytes, at, end, level, from));
      at = end;
    }
    waiting = bytes.slice(at);
  }
  expect(waiting.length).toBe(0);
  return packets;
}

function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Whether the decoder took the octets; anything but a packet or a ProtocolError with a clause and a code is thrown on. */
function accepts(bytes: Uint8Array, level: Level, from: Role): boolean {
  try {
    decode(bytes, level, from);
    return true;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    expect(error.clause).toMatch(/^MQTT(5|311)-\d/);
    expect(error.code).toBeGreaterThanOrEqual(0x81);
    return false;
  }
}

for (const [level, from] of sides)
  describe(`level ${level}, from the ${from}`, () => {
    test('what is written is read back', () => {
      fc.assert(
        fc.property(packet(level, from), (p) => {
          expect(decode(encodePacket(p, level), level, from)).toEqual(p);
        }),
        fuzz(300),
      );
    });

    test('any chunking gives the same packets', () => {
      fc.assert(
        fc.property(
          fc.array(packet(level, from), { minLength: 1, maxLength: 5 }),
          fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
          (packets, cuts) => {
            const bytes = join(packets.map((p) => encodePacket(p, level)));
            const at = cuts.map((cut) => Math.round(cut * bytes.length)).sort((a, b) => a - b);
            const chunks = [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
            expect(decodeChunks(chunks, level, from)).toEqual(packets);
          },
        ),
        fuzz(100),
      );
    });

    test('octet by octet gives the same packet', () => {
      fc.assert(
        fc.property(packet(level, from), (p) => {
          const octets = Array.from(encodePacket(p, level), (octet) => Uint8Array.of(octet));
          expect(decodeChunks(octets, level, from)).toEqual([p]);
        }),
        fuzz(50),
      );
    });

    test('a packet cut short, its length made to fit, gives a packet or ProtocolError', () => {
      let refused = 0;
      fc.assert(
        fc.property(packet(level, from), fc.nat(), (p, cut) => {
          const bytes = encodePacket(p, level);
          if (bytes.length < 3 || bytes.length > 129) return;
          const shorter = bytes.slice(0, 2 + (cut % (bytes.length - 2)));
          shorter[1] = shorter.length - 2;
          if (!accepts(shorter, level, from)) refused++;
        }),
        fuzz(200),
      );
      expect(refused).toBeGreaterThan(0);
    });

    test('noise in a valid packet gives a packet or ProtocolError', () => {
      let taken = 0;
      let refused = 0;
      const octet = fc.tuple(
        fc.nat(),
        fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 0x80, 0xff)),
      );
      fc.assert(
        fc.property(packet(level, from), fc.array(octet, { minLength: 1, maxLength: 4 }), (p, changes) => {
          const bytes = encodePacket(p, level);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          if (accepts(bytes, level, from)) taken++;
          else refused++;
        }),
        fuzz(400),
      );
      expect(taken).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(0);
    });

    test('noise in a frame gives a packet or ProtocolError', () => {
      let refused = 0;
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 60 }), (first, body) => {
          if (!accepts(join([Uint8Array.of(first, body.length), body]), level, from)) refused++;
        }),
        fuzz(400),
      );
      expect(refused).toBeGreaterThan(0);
    });

    test('noise without a frame gives a packet or ProtocolError', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
          accepts(bytes, level, from);
        }),
        fuzz(200),
      );
    });
  });

test('what is decoded is written to octets that decode to the same packet', () => {
  fc.assert(
    fc.property(packet(5, 'client'), fc.nat(), fc.integer({ min: 0, max: 255 }), (p, at, value) => {
      const bytes = encodePacket(p, 5);
      bytes[at % bytes.length] = value;
      if (!accepts(bytes, 5, 'client')) return;
      const seen = decode(bytes, 5, 'client');
      expect(decode(encodePacket(seen, 5), 5, 'client')).toEqual(seen);
    }),
    fuzz(300),
  );
});
