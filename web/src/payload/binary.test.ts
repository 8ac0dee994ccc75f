// The two binary decoders: values of the standards' own examples, and what is no value.

import { describe, expect, test } from 'vitest';
import { octets as hex } from '../../../test/hex.ts';
import { decodeCbor, decodeMessagePack } from './binary.ts';

describe('[RFC8949-A] CBOR', () => {
  const VALUES: [octets: string, value: unknown][] = [
    ['00', 0],
    ['18 64', 100],
    ['1b 00 00 00 e8 d4 a5 10 00', 1_000_000_000_000],
    ['1b ff ff ff ff ff ff ff ff', 18_446_744_073_709_551_615n],
    ['39 03 e7', -1_000],
    ['f9 3e 00', 1.5],
    ['fb 3f f1 99 99 99 99 99 9a', 1.1],
    ['f4', false],
    ['f6', null],
    ['c1 1a 51 4b 67 b0', { tag: 1, value: 1_363_896_240 }],
    ['44 01 02 03 04', '01 02 03 04'],
    ['64 49 45 54 46', 'IETF'],
    ['83 01 82 02 03 82 04 05', [1, [2, 3], [4, 5]]],
    ['a2 61 61 01 61 62 82 02 03', { a: 1, b: [2, 3] }],
    ['7f 65 73 74 72 65 61 64 6d 69 6e 67 ff', 'streaming'],
    ['9f 01 02 ff', [1, 2]],
  ];
  test.each(VALUES)('%s', (octets, value) => expect(decodeCbor(hex(octets))).toEqual(value));
  test.each(['', '18', '64 49', '01 02', '1f', '5f', `${'81 '.repeat(70)}00`])('no value: %s', (octets) => {
    expect(() => decodeCbor(hex(octets))).toThrow();
  });
});

describe('MessagePack', () => {
  const VALUES: [octets: string, value: unknown][] = [
    ['07', 7],
    ['ff', -1],
    ['cd 03 e8', 1_000],
    ['d1 fc 18', -1_000],
    ['cb 3f f8 00 00 00 00 00 00', 1.5],
    ['82 a1 61 01 a1 62 92 c2 c0', { a: 1, b: [false, null] }],
    ['c4 02 01 ff', '01 ff'],
    ['d6 ff 00 00 00 01', { extension: -1, octets: '00 00 00 01' }],
    ['dc 00 01 d9 01 78', ['x']],
  ];
  test.each(VALUES)('%s', (octets, value) => expect(decodeMessagePack(hex(octets))).toEqual(value));
  test.each(['', 'c1', 'a3 61', '01 02', 'dd ff ff ff ff'])('no value: %s', (octets) => {
    expect(() => decodeMessagePack(hex(octets))).toThrow();
  });
});
