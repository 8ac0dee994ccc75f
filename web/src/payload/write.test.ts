// What is typed becomes the octets that the reader of the same format gives back.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { decodeCbor, decodeMessagePack } from './binary.ts';
import { type PayloadFormat, writePayload } from './write.ts';

const GOOD: readonly [format: PayloadFormat, text: string, hex: string][] = [
  ['text', 'hé', '68 c3 a9'],
  ['json', '{"a":1}', '7b 22 61 22 3a 31 7d'],
  ['hex', '00 FF\n0a', '00 ff 0a'],
  ['base64', 'AP8K', '00 ff 0a'],
  ['cbor', '{"a":[-1,24,null,true]}', 'a1 61 61 84 20 18 18 f6 f5'],
  ['msgpack', '{"a":[-1,200,null,true]}', '81 a1 61 94 ff cc c8 c0 c3'],
];

test.each(GOOD)('%s: %s', (format, text, hex) => {
  expect(Buffer.from(writePayload(text, format)).toString('hex')).toBe(hex.replaceAll(' ', ''));
});

const BAD: readonly [format: PayloadFormat, text: string, why: RegExp][] = [
  ['json', '{', /no JSON/],
  ['hex', '0', /pairs/],
  ['base64', '?', /no Base64/],
  ['cbor', 'x', /no JSON/],
];

test.each(BAD)('%s: %s is refused with a sentence', (format, text, why) => {
  expect(() => writePayload(text, format)).toThrow(why);
});

test('whatever JSON can say comes back from CBOR and MessagePack', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = JSON.stringify(value);
      const wanted = JSON.parse(text);
      expect(decodeCbor(writePayload(text, 'cbor'))).toEqual(wanted);
      expect(decodeMessagePack(writePayload(text, 'msgpack'))).toEqual(wanted);
    }),
    fuzz(200),
  );
});
