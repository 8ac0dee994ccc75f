// UTF-8 at its edges: what is well-formed, on the short path and on the long one.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz, text } from '../../../test/arbitrary/mqtt.ts';
import { octets } from '../../../test/hex.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { decodeString, isUtf8, utf8Length, writeUtf8 } from './text.ts';

/** Octets and the text that they are; without one they are ill-formed. */
const rows: [written: string, text?: string][] = [
  ['', ''],
  ["'a'", 'a'],
  ['7f', '\u{7f}'],
  ['c2 80', '\u{80}'],
  ['df bf', '\u{7ff}'],
  ['e0 a0 80', '\u{800}'],
  ['ed 9f bf', '\u{d7ff}'],
  ['ee 80 80', '\u{e000}'],
  ['ef bb bf', '\u{feff}'],
  ["ef bb bf 'a' ef bb bf", '\u{feff}a\u{feff}'],
  ['ef bf bf', '\u{ffff}'],
  ['ef b7 90', '\u{fdd0}'],
  ['f0 90 80 80', '\u{10000}'],
  ['f4 8f bf bf', '\u{10ffff}'],
  ['80'],
  ['bf'],
  ['c0 80'],
  ['c1 bf'],
  ['c2'],
  ["c2 'a'"],
  ['c2 c0'],
  ['e0 9f bf'],
  ['e0 a0'],
  ["e0 a0 'a'"],
  ['ed a0 80'],
  ['ed bf bf'],
  ['ed a0 bd ed b8 80'],
  ['f0 8f bf bf'],
  ['f0 90 80'],
  ["f0 90 80 'a'"],
  ['f4 90 80 80'],
  ['f5 80 80 80'],
  ['f8 88 80 80 80'],
  ['fe'],
  ['ff'],
];

function clauseOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ProtocolError) return error.clause;
    throw error;
  }
  return '';
}

describe('decodeString', () => {
  // Alone, behind eight characters, and in a text longer than the short path.
  for (const pad of ['', 'sensors/', 'x'.repeat(60)])
    for (const [written, expected] of rows)
      test(`${written || 'nothing'} behind ${pad.length} characters`, () => {
        const bytes = octets(`ff '${pad}' ${written} ff`);
        const read = () => decodeString(bytes, 1, bytes.length - 1);
        if (expected === undefined) expect(clauseOf(read)).toBe('MQTT5-1.5.4-1');
        else expect(read()).toBe(pad + expected);
      });

  test('[MQTT5-1.5.4-2] U+0000 at every place of a text of any length', () => {
    for (let length = 1; length <= 50; length++)
      for (let at = 0; at < length; at++) {
        const bytes = new Uint8Array(length).fill(0x61);
        bytes[at] = 0;
        expect(
          clauseOf(() => decodeString(bytes, 0, length)),
          `${at} of ${length}`,
        ).toBe('MQTT5-1.5.4-2');
        expect(clauseOf(() => decodeString(bytes, 0, length, 4))).toBe('MQTT311-1.5.3-2');
      }
  });
});

describe('isUtf8', () => {
  for (const [written, expected] of rows)
    test(written || 'nothing', () => {
      const bytes = octets(`ff ${written} 80`);
      expect(isUtf8(bytes, 1, bytes.length - 1)).toBe(expected !== undefined);
    });

  test('U+0000 is well-formed', () => {
    expect(isUtf8(octets('00'), 0, 1)).toBe(true);
  });

  test('agrees with the platform', () => {
    const judge = new TextDecoder('utf-8', { fatal: true });
    const edge = fc.constantFrom(
      0x00,
      0x7f,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc2,
      0xe0,
      0xed,
      0xef,
      0xf0,
      0xf4,
    );
    fc.assert(
      fc.property(fc.array(edge, { maxLength: 8 }), (list) => {
        const bytes = Uint8Array.from(list);
        let expected = true;
        try {
          judge.decode(bytes);
        } catch {
          expected = false;
        }
        expect(isUtf8(bytes, 0, bytes.length)).toBe(expected);
      }),
      fuzz(2_000),
    );
  });
});

describe('writing', () => {
  test('what is written is read back, and as long as was said', () => {
    fc.assert(
      fc.property(text(), (t) => {
        const bytes = new Uint8Array(utf8Length(t) + 2);
        expect(writeUtf8(bytes, 1, t)).toBe(bytes.length - 1);
        expect(decodeString(bytes, 1, bytes.length - 1)).toBe(t);
      }),
      fuzz(500),
    );
  });

  test('a lone surrogate is written as U+FFFD, as long as was said', () => {
    for (const t of [
      '\ud800',
      '\udc00',
      'a\ud800b',
      '\udc00\ud800',
      '\ud800\ud800\udc00',
      '\udc00\udc00',
      '\ufffd\udc00',
    ]) {
      const bytes = new Uint8Array(utf8Length(t));
      expect(writeUtf8(bytes, 0, t)).toBe(bytes.length);
      expect(decodeString(bytes, 0, bytes.length)).toContain('\ufffd');
    }
  });
});
