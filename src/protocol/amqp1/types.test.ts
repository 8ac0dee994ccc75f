// The type system: every type in every form that the standard has, there and back, and what is no value.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { hex, octets } from '../../../test/hex.ts';
import { decodeValue, ValueReader } from './decode.ts';
import { encodeValue } from './encode.ts';
import { ConnectionFault } from './fault.ts';
import { type AmqpValue, FORMAT, symbol, text } from './types.ts';

const uuid = Uint8Array.from({ length: 16 }, (_, i) => i);
const list = (...value: AmqpValue[]): AmqpValue => ({ type: 'list', value });

/** The clause, the octets, and the value; `again` where it is written in a shorter form. */
const ROWS: readonly [clause: string, octets: string, value: AmqpValue, again?: string][] = [
  ['1.6.1', '40', { type: 'null', value: null }],
  ['1.6.2', '41', { type: 'boolean', value: true }],
  ['1.6.2', '56 00', { type: 'boolean', value: false }, '42'],
  ['1.6.3', '50 ff', { type: 'ubyte', value: 255 }],
  ['1.6.4', '60 01 00', { type: 'ushort', value: 256 }],
  ['1.6.5', '43', { type: 'uint', value: 0 }],
  ['1.6.5', '52 ff', { type: 'uint', value: 255 }],
  ['1.6.5', '70 ff ff ff ff', { type: 'uint', value: 0xffff_ffff }],
  ['1.6.5', '70 00 00 00 01', { type: 'uint', value: 1 }, '52 01'],
  ['1.6.6', '44', { type: 'ulong', value: 0n }],
  ['1.6.6', '53 10', { type: 'ulong', value: 16n }],
  ['1.6.6', '80 ff ff ff ff ff ff ff ff', { type: 'ulong', value: 2n ** 64n - 1n }],
  ['1.6.7', '51 80', { type: 'byte', value: -128 }],
  ['1.6.8', '61 ff fe', { type: 'short', value: -2 }],
  ['1.6.9', '54 ff', { type: 'int', value: -1 }],
  ['1.6.9', '71 80 00 00 00', { type: 'int', value: -(2 ** 31) }],
  ['1.6.10', '55 80', { type: 'long', value: -128n }],
  ['1.6.10', '81 80 00 00 00 00 00 00 00', { type: 'long', value: -(2n ** 63n) }],
  ['1.6.11', '72 3f c0 00 00', { type: 'float', value: 1.5 }],
  ['1.6.12', '82 40 09 21 fb 54 44 2d 18', { type: 'double', value: Math.PI }],
  ['1.6.13', '74 22 50 00 01', { type: 'decimal32', value: Uint8Array.of(0x22, 0x50, 0, 1) }],
  ['1.6.16', '73 00 01 f3 21', { type: 'char', value: 0x1f321 }],
  ['1.6.17', '83 00 00 01 9b 78 a1 5c 00', { type: 'timestamp', value: 0x19b_78a1_5c00n }],
  ['1.6.18', `98 ${hex(uuid)}`, { type: 'uuid', value: uuid }],
  ['1.6.19', 'a0 02 00 ff', { type: 'binary', value: Uint8Array.of(0, 255) }],
  ['1.6.20', 'a1 06 57 c3 a4 72 6d 65', text('Wärme')],
  ['1.6.20', "b1 00 00 00 01 'a'", text('a'), "a1 01 'a'"],
  ['1.6.21', "a3 05 'amqp:'", symbol('amqp:')],
  ['1.6.22', '45', list()],
  ['1.6.22', 'c0 03 02 41 40', list({ type: 'boolean', value: true }, { type: 'null', value: null })],
  ['1.6.22', 'd0 00 00 00 05 00 00 00 01 43', list({ type: 'uint', value: 0 }), 'c0 02 01 43'],
  [
    '1.6.23',
    "c1 05 02 a3 01 'k' 41",
    { type: 'map', value: [[symbol('k'), { type: 'boolean', value: true }]] },
  ],
  [
    '1.6.24',
    "e0 06 02 a3 01 'a' 01 'b'",
    { type: 'array', of: FORMAT.sym8, value: [symbol('a'), symbol('b')] },
    "e0 0c 02 b3 00 00 00 01 'a' 00 00 00 01 'b'",
  ],
  [
    '1.6.24',
    'e0 06 01 00 53 10 52 07',
    {
      type: 'array',
      of: FORMAT.smalluint,
      value: [
        { type: 'described', descriptor: { type: 'ulong', value: 16n }, value: { type: 'uint', value: 7 } },
      ],
    },
    'e0 09 01 00 53 10 70 00 00 00 07',
  ],
  ['1.3', '00 53 24 45', { type: 'described', descriptor: { type: 'ulong', value: 0x24n }, value: list() }],
];

describe('values', () => {
  test.each(ROWS)('[AMQP1-%s] %s', (_clause, written, value, again) => {
    const bytes = octets(written);
    expect(decodeValue(bytes)).toEqual(value);
    expect(hex(encodeValue(value))).toBe(hex(octets(again ?? written)));
    const r = new ValueReader(bytes);
    r.skip();
    expect(r.at).toBe(bytes.length);
  });

  const WRONG: readonly [why: string, octets: string][] = [
    ['nothing', ''],
    ['no such constructor', '46'],
    ['no such constructor', '99'],
    ['cut short', '70 00 00'],
    ['a string of 4 GB', 'b1 ff ff ff ff'],
    ['no UTF-8', 'a1 01 ff'],
    ['no ASCII', 'a3 01 ff'],
    ['a boolean of 2', '56 02'],
    ['a char beyond Unicode', '73 00 11 00 00'],
    ['more elements than octets', 'c0 02 ff 40'],
    ['elements that do not fill the size', 'c0 03 01 40 40'],
    ['elements beyond the size', 'c0 02 01 50 07'],
    ['a key without a value', 'c1 02 01 40'],
    ['an array of 2^27 nulls', 'f0 00 00 00 05 08 00 00 00 40'],
    ['an array of 2^27 empty lists', 'f0 00 00 00 05 08 00 00 00 45'],
    ['an array of more numbers than octets', 'e0 04 ff 50 01 02'],
    ['descriptors without end', '00 '.repeat(10_000).trim()],
    ['lists without end', `${'c0 ff 01 '.repeat(80)}40`],
    ['octets left over', '40 40'],
  ];
  test.each(WRONG)('%s: decode error', (_why, written) => {
    expect(() => decodeValue(octets(written))).toThrow(ConnectionFault);
  });

  test('what nests too deep is refused, however wide it is', () => {
    let value: AmqpValue = list();
    for (let i = 0; i < 40; i++) value = list(value, value.type === 'list' ? text('x'.repeat(300)) : value);
    expect(() => decodeValue(encodeValue(value))).toThrow(/deep/);
  });

  test('values beyond a number are refused, in lists of one octet each', () => {
    const many = Buffer.alloc(70_009, 0x40);
    Buffer.from(octets('d0 00 01 11 70 00 01 11 6c')).copy(many);
    many.writeUInt32BE(many.length - 5, 1);
    many.writeUInt32BE(many.length - 9, 5);
    expect(() => decodeValue(many)).toThrow(/values/);
  });
});

const leaf: fc.Arbitrary<AmqpValue> = fc.oneof(
  fc.constant<AmqpValue>({ type: 'null', value: null }),
  fc.boolean().map((value): AmqpValue => ({ type: 'boolean', value })),
  fc.nat(255).map((value): AmqpValue => ({ type: 'ubyte', value })),
  fc.nat(0xffff).map((value): AmqpValue => ({ type: 'ushort', value })),
  fc.nat(0xffff_ffff).map((value): AmqpValue => ({ type: 'uint', value })),
  fc.bigInt(0n, 2n ** 64n - 1n).map((value): AmqpValue => ({ type: 'ulong', value })),
  fc.integer({ min: -128, max: 127 }).map((value): AmqpValue => ({ type: 'byte', value })),
  fc.integer({ min: -32_768, max: 32_767 }).map((value): AmqpValue => ({ type: 'short', value })),
  fc.integer().map((value): AmqpValue => ({ type: 'int', value })),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((value): AmqpValue => ({ type: 'long', value })),
  fc.float({ noNaN: true }).map((value): AmqpValue => ({ type: 'float', value })),
  fc.double({ noNaN: true }).map((value): AmqpValue => ({ type: 'double', value })),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((value): AmqpValue => ({ type: 'uuid', value })),
  fc.uint8Array({ maxLength: 300 }).map((value): AmqpValue => ({ type: 'binary', value })),
  fc.string({ unit: 'grapheme', maxLength: 300 }).map(text),
  fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map(symbol),
);
const { tree } = fc.letrec<{ tree: AmqpValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    leaf,
    fc.array(tie('tree'), { maxLength: 6 }).map((value): AmqpValue => ({ type: 'list', value })),
    fc
      .array(fc.tuple(leaf, tie('tree')), { maxLength: 4 })
      .map((value): AmqpValue => ({ type: 'map', value })),
    fc
      .tuple(leaf, tie('tree'))
      .map(([descriptor, value]): AmqpValue => ({ type: 'described', descriptor, value })),
  ),
}));

describe('laws', () => {
  test('what is written is read', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const bytes = encodeValue(value);
        expect(decodeValue(bytes)).toEqual(value);
        const r = new ValueReader(bytes);
        r.skip();
        expect(r.at).toBe(bytes.length);
      }),
      fuzz(300),
    );
  });

  test('noise is a value or a decode error, and what is a value is written as itself', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        let value: AmqpValue;
        try {
          value = decodeValue(noise);
        } catch (why) {
          expect(why).toBeInstanceOf(ConnectionFault);
          return;
        }
        expect(encodeValue(decodeValue(encodeValue(value)))).toEqual(encodeValue(value));
      }),
      fuzz(2_000),
    );
  });
});
