// Records: protection octet by octet, with and without a connection id; every changed bit is noticed; each record counts once.

import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { octets } from '../../../test/hex.ts';
import { HEADER_BYTES, NO_CID, Opener, plainRecord, ReplayWindow, Sealer, splitDatagram } from './record.ts';
import { SUITES, suiteOf } from './suites.ts';

const KEYS = { key: Buffer.alloc(16, 0x11), iv: Buffer.from('a0a1a2a3', 'hex') };
const CID = octets('c1 c2 c3');

/** CCM-8 by hand: what the RFCs say goes in, written out. */
function ccm8(nonce: string, aad: string, plain: string): Buffer {
  const cipher = createCipheriv('aes-128-ccm', KEYS.key, octets(nonce), { authTagLength: 8 });
  const content = octets(plain);
  cipher.setAAD(octets(aad), { plaintextLength: content.length });
  return Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

describe('as the RFCs draw it', () => {
  const suite = suiteOf(0xc0a8)!;

  test('[RFC6347-4.1.2.1, RFC6655-3] the second record of epoch 1', () => {
    const sealer = new Sealer(suite, KEYS, NO_CID);
    sealer.seal(22, octets('00'));
    const nonce = 'a0 a1 a2 a3 00 01 00 00 00 00 00 01';
    const sealed = ccm8(nonce, '00 01 00 00 00 00 00 01 17 fe fd 00 02', "'hi'");
    const header = octets('17 fe fd 00 01 00 00 00 00 00 01 00 12 00 01 00 00 00 00 00 01');
    expect(Buffer.from(sealer.seal(23, octets("'hi'")))).toEqual(Buffer.concat([header, sealed]));
  });

  test('[RFC9146-5.3] with a connection id: the type is inside, and the id is proven', () => {
    const aad = 'ff ff ff ff ff ff ff ff 19 03 19 fe fd 00 01 00 00 00 00 00 00 c1 c2 c3 00 03';
    const sealed = ccm8('a0 a1 a2 a3 00 01 00 00 00 00 00 00', aad, "'hi' 17");
    const header = octets('19 fe fd 00 01 00 00 00 00 00 00 c1 c2 c3 00 13 00 01 00 00 00 00 00 00');
    const record = Buffer.concat([header, sealed]);
    expect(Buffer.from(new Sealer(suite, KEYS, CID).seal(23, octets("'hi'")))).toEqual(record);
    const opened = new Opener(suite, KEYS, CID).open(splitDatagram(record, 3)[0]!);
    expect(opened).toEqual({ type: 23, content: Buffer.from('hi') });
  });

  test('[RFC9146-4] zeros behind the type are padding', () => {
    const aad = 'ff ff ff ff ff ff ff ff 19 03 19 fe fd 00 01 00 00 00 00 00 00 c1 c2 c3 00 06';
    const sealed = ccm8('a0 a1 a2 a3 00 01 00 00 00 00 00 00', aad, "'hi' 17 00 00 00");
    const header = octets('19 fe fd 00 01 00 00 00 00 00 00 c1 c2 c3 00 16 00 01 00 00 00 00 00 00');
    const record = splitDatagram(Buffer.concat([header, sealed]), 3)[0]!;
    expect(new Opener(suite, KEYS, CID).open(record)).toEqual({ type: 23, content: Buffer.from('hi') });
  });
});

describe.each(SUITES)('$name', (suite) => {
  const keys = { key: Buffer.alloc(suite.keyBytes, 5), iv: Buffer.alloc(suite.ivBytes, 6) };

  test.each([NO_CID, CID])('what is sealed opens once; every other bit closes it', (cid) => {
    const sealer = new Sealer(suite, keys, cid);
    const opener = new Opener(suite, keys, cid);
    const datagram = sealer.seal(23, Buffer.from('content'));
    expect(datagram.length).toBe('content'.length + sealer.overhead);
    for (let bit = 0; bit < 8 * datagram.length; bit++) {
      const other = datagram.slice();
      other[bit >> 3]! ^= 1 << (bit & 7);
      for (const record of splitDatagram(other, cid.length)) expect(opener.open(record)).toBeUndefined();
    }
    const record = splitDatagram(datagram, cid.length)[0]!;
    expect(opener.open(record)).toEqual({ type: 23, content: Buffer.from('content') });
    expect(opener.isNewest(record)).toBe(true);
    expect(opener.open(record)).toBeUndefined();
  });
});

test('[RFC6347-4.1.2.6] the window against replay takes each number once, and none that is too old', () => {
  const numbers = fc.array(fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 2 ** 40 })), {
    maxLength: 300,
  });
  fc.assert(
    fc.property(numbers, (sequences) => {
      const window = new ReplayWindow();
      const marked = new Set<number>();
      let newest = -1;
      for (const sequence of sequences) {
        expect(window.seen(sequence)).toBe(marked.has(sequence) || sequence <= newest - 64);
        if (window.seen(sequence)) continue;
        window.mark(sequence);
        marked.add(sequence);
        newest = Math.max(newest, sequence);
      }
    }),
    fuzz(200),
  );
});

test('a datagram of several records comes apart; noise behind them is dropped', () => {
  const records = [plainRecord(22, 5, octets('01 02')), plainRecord(20, 6, octets('01'))];
  const datagram = Buffer.concat([...records, octets('16 fe fd 00 00')]);
  const found = splitDatagram(datagram, 8);
  expect(found.map((r) => [r.type, r.epoch, r.sequence, r.fragment.length])).toEqual([
    [22, 0, 5, 2],
    [20, 0, 6, 1],
  ]);
});

test('noise: any octets come apart or do not, and every record lies within them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 20 }), (noise, cidBytes) => {
      if (noise.length > 3) noise.set([22 + (noise[0]! % 4), 0xfe, 0xfd]);
      let used = 0;
      for (const record of splitDatagram(noise, cidBytes)) {
        used += HEADER_BYTES + record.cid.length + record.fragment.length;
      }
      expect(used).toBeLessThanOrEqual(noise.length);
    }),
    fuzz(500),
  );
});
