// The CoAP codec: examples in octets, malformed messages, and the laws of decode and encode.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeCoap, decodeUint } from './decode.ts';
import { encodeCoap, encodeUint } from './encode.ts';
import type { CoapMessage, CoapType } from './packet.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const text = (s: string): Uint8Array => new Uint8Array(Buffer.from(s));

function message(type: CoapType, code: number, id: number, parts: Partial<CoapMessage> = {}): CoapMessage {
  return { type, code, id, token: hex(''), options: [], payload: hex(''), ...parts };
}

const EXAMPLES: readonly [name: string, octets: string, message: CoapMessage][] = [
  [
    'GET /temperature, RFC 7252 figure 16',
    '40 01 7d 34 bb 74 65 6d 70 65 72 61 74 75 72 65',
    message(0, 0x01, 0x7d34, { options: [{ number: 11, value: text('temperature') }] }),
  ],
  [
    '2.05 "22.3 C", RFC 7252 figure 16',
    '60 45 7d 34 ff 32 32 2e 33 20 43',
    message(2, 0x45, 0x7d34, { payload: text('22.3 C') }),
  ],
  [
    'token',
    '41 01 7d 35 20 bb 74 65 6d 70 65 72 61 74 75 72 65',
    message(0, 0x01, 0x7d35, { token: hex('20'), options: [{ number: 11, value: text('temperature') }] }),
  ],
  ['empty acknowledgement', '60 00 00 01', message(2, 0, 1)],
  ['reset', '70 00 ff ff', message(3, 0, 0xffff)],
  [
    'token of 8',
    '58 02 00 00 01 02 03 04 05 06 07 08',
    message(1, 2, 0, { token: hex('01 02 03 04 05 06 07 08') }),
  ],
  [
    'extended token of 13 [RFC8974-2.1]',
    `4d 01 00 01 00 ${'ab '.repeat(13)}`,
    message(0, 1, 1, { token: new Uint8Array(13).fill(0xab) }),
  ],
  [
    'extended token of 300 [RFC8974-2.1]',
    `4e 01 00 01 00 1f ${'ab '.repeat(300)}`,
    message(0, 1, 1, { token: new Uint8Array(300).fill(0xab) }),
  ],
  [
    'equal numbers',
    '40 01 00 01 b1 61 01 62',
    message(0, 1, 1, {
      options: [
        { number: 11, value: text('a') },
        { number: 11, value: text('b') },
      ],
    }),
  ],
  [
    'delta 13: one more octet',
    '40 01 00 01 d0 00',
    message(0, 1, 1, { options: [{ number: 13, value: hex('') }] }),
  ],
  ['delta 268', '40 01 00 01 d0 ff', message(0, 1, 1, { options: [{ number: 268, value: hex('') }] })],
  [
    'delta 269: two more octets',
    '40 01 00 01 e0 00 00',
    message(0, 1, 1, { options: [{ number: 269, value: hex('') }] }),
  ],
  [
    'number 65535',
    '40 01 00 01 e0 fe f2',
    message(0, 1, 1, { options: [{ number: 65535, value: hex('') }] }),
  ],
  [
    'length 13',
    `40 01 00 01 1d 00 ${'aa '.repeat(13)}`,
    message(0, 1, 1, { options: [{ number: 1, value: new Uint8Array(13).fill(0xaa) }] }),
  ],
  [
    'length 269',
    `40 01 00 01 1e 00 00 ${'aa '.repeat(269)}`,
    message(0, 1, 1, { options: [{ number: 1, value: new Uint8Array(269).fill(0xaa) }] }),
  ],
];

describe('examples', () => {
  test.each(EXAMPLES)('%s', (_name, octets, value) => {
    const bytes = hex(octets);
    expect(decodeCoap(bytes, 0, bytes.length)).toEqual(value);
    expect(Buffer.from(encodeCoap(value)).toString('hex')).toBe(Buffer.from(bytes).toString('hex'));
  });
});

describe('not to be understood', () => {
  const MALFORMED: readonly [name: string, octets: string, why: string][] = [
    ['[RFC8974-2.1] token length 15', '4f 01 00 07 01 02 03 04 05 06 07 08 09', 'reserved token length'],
    ['[RFC8974-2.1] extended token length cut off', '4e 01 00 07 01', 'token cut off'],
    ['a token of 1025 octets', `4e 01 00 07 02 f4 ${'00 '.repeat(1025)}`, 'a token of more than 1024 octets'],
    ['[RFC7252-3] token cut off', '44 01 00 07 01 02', 'token cut off'],
    ['[RFC7252-4.1] empty with a token', '41 00 00 07 01', 'octets after an empty message'],
    ['[RFC7252-4.1] empty with an option', '40 00 00 07 b1 61', 'octets after an empty message'],
    ['[RFC7252-4.2] class 1', '40 21 00 07', 'reserved code class'],
    ['[RFC7252-4.2] class 6', '40 c1 00 07', 'reserved code class'],
    ['[RFC7252-4.2] class 7', '40 e1 00 07', 'reserved code class'],
    ['[RFC7252-3] marker without payload', '40 01 00 07 ff', 'payload marker without payload'],
    ['[RFC7252-3.1] delta 15', '40 01 00 07 f0', 'reserved option nibble'],
    ['[RFC7252-3.1] length 15', '40 01 00 07 0f', 'reserved option nibble'],
    ['delta cut off', '40 01 00 07 e0 00', 'option delta cut off'],
    ['length cut off', '40 01 00 07 0d', 'option length cut off'],
    ['value cut off', '40 01 00 07 b2 61', 'option value cut off'],
    ['number 65536', '40 01 00 07 e0 fe f2 10', 'option number beyond 65535'],
    ['too many options', `40 01 00 07 ${'00 '.repeat(129)}`, 'more than 128 options'],
  ];
  test.each(MALFORMED)('%s', (_name, octets, why) => {
    const bytes = hex(octets);
    expect(decodeCoap(bytes, 0, bytes.length)).toEqual({ malformed: why, type: 0, id: 7 });
  });

  test.each([
    ['version 0', '00 01 00 07'],
    ['version 2', '80 01 00 07'],
    ['three octets', '40 01 00'],
    ['nothing', ''],
  ])('[RFC7252-3] ignored: %s', (_name, octets) => {
    const bytes = hex(octets);
    expect(decodeCoap(bytes, 0, bytes.length)).toBeUndefined();
  });
});

const octets = (maxLength: number, minLength = 0): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength });

const anyMessage: fc.Arbitrary<CoapMessage> = fc.record({
  type: fc.constantFrom<CoapType>(0, 1, 2, 3),
  code: fc.constantFrom(0x01, 0x02, 0x03, 0x04, 0x1f, 0x41, 0x45, 0x80, 0xa5),
  id: fc.nat(0xffff),
  token: fc.oneof(octets(8), octets(400)),
  options: fc
    .array(fc.record({ number: fc.oneof(fc.nat(40), fc.nat(0xffff)), value: octets(300) }), { maxLength: 12 })
    .map((list) => list.toSorted((a, b) => a.number - b.number)),
  payload: octets(80),
});

describe('laws', () => {
  test('decode(encode(m)) is m, wherever it lies in memory', () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(5), (m, margin) => {
        const bytes = encodeCoap(m);
        const lent = Buffer.alloc(bytes.length + 2 * margin, 0xff); // as sockets lend it: its slice is a view
        lent.set(bytes, margin);
        const decoded = decodeCoap(lent, margin, margin + bytes.length);
        lent.fill(0); // nothing was kept without a copy
        expect(decoded).toEqual(m);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('noise gives a message, a malformed one or nothing; a message that was read is written the same', () => {
    fc.assert(
      fc.property(octets(60), fc.boolean(), (noise, versioned) => {
        if (versioned && noise.length > 0) noise[0] = 0x40 | (noise[0]! & 0x38);
        const decoded = decodeCoap(noise, 0, noise.length);
        if (decoded === undefined || 'malformed' in decoded) return;
        const again = encodeCoap(decoded);
        expect(decodeCoap(again, 0, again.length)).toEqual(decoded);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  test('a message cut short is never read beyond its end', () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), (m, cut) => {
        const bytes = encodeCoap(m);
        const end = cut % bytes.length;
        const whole = decodeCoap(bytes, 0, end);
        expect(whole).toEqual(decodeCoap(bytes.slice(0, end), 0, end));
      }),
      { seed: 3, numRuns: 100 },
    );
  });

  test('unsigned integers', () => {
    expect([...encodeUint(0)]).toEqual([]);
    expect([...encodeUint(256)]).toEqual([1, 0]);
    expect(decodeUint(hex('00 00 3c'))).toBe(60);
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), (n) => {
        expect(decodeUint(encodeUint(n))).toBe(n);
      }),
      { seed: 4, numRuns: 100 },
    );
  });
});
