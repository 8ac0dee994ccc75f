// MQTT's words for the hub's: which properties of other protocols' messages a client can be sent.

import { expect, test } from 'vitest';
import type { Meta } from '../../contract/message.ts';
import { propertiesOf, TAG_IDENTIFIER, TAG_RETAIN_AS_PUBLISHED, tagOf } from './map.ts';
import type { Properties } from './packet.ts';

const ROWS: { name: string; meta: Meta; sent: Properties }[] = [
  { name: 'text', meta: { text: true }, sent: { payloadFormatIndicator: 1 } },
  { name: 'octets', meta: { text: false }, sent: { payloadFormatIndicator: 0 } },
  {
    name: 'a number correlates',
    meta: { correlation: 258n },
    sent: { correlationData: Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2) },
  },
  {
    name: 'a text correlates',
    meta: { correlation: 'ä' },
    sent: { correlationData: Uint8Array.of(0xc3, 0xa4) },
  },
  {
    name: 'a UUID correlates',
    meta: { correlation: { uuid: '00112233-4455-6677-8899-aabbccddeeff' } },
    sent: { correlationData: Uint8Array.from({ length: 16 }, (_, i) => i * 17) },
  },
  {
    name: 'user properties keep order, duplicates and what of their types text can say',
    meta: {
      user: [
        { name: 'b', value: 1.5 },
        { name: 'a', value: true },
        { name: 'b', value: Uint8Array.of(1, 255) },
        { name: 'c', value: 2n ** 64n },
      ],
    },
    sent: {
      userProperty: [
        ['b', '1.5'],
        ['a', 'true'],
        ['b', '01ff'],
        ['c', '18446744073709551616'],
      ],
    },
  },
  { name: 'an address that is no topic name', meta: { responseTopic: 'a/#' }, sent: {} },
  {
    name: 'U+0000',
    meta: { contentType: 'a\0', user: [{ name: 'n', value: '\0' }] },
    sent: { userProperty: [] },
  },
  {
    name: 'what is too long',
    meta: { contentType: 'ä'.repeat(32_768), correlation: 'x'.repeat(65_536) },
    sent: {},
  },
  {
    name: 'what just fits',
    meta: { contentType: 'x'.repeat(65_535) },
    sent: { contentType: 'x'.repeat(65_535) },
  },
];

for (const { name, meta, sent } of ROWS) {
  test(name, () => expect(propertiesOf(meta)).toEqual(sent));
}

test('a tag holds the largest identifier and the flag', () => {
  const tag = tagOf(268_435_455, true);
  expect([tag & TAG_IDENTIFIER, (tag & TAG_RETAIN_AS_PUBLISHED) !== 0]).toEqual([268_435_455, true]);
  expect(tagOf(0, false)).toBe(0);
});
