// The PROXY protocol's headers, well formed and not, in any pieces.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../contract/outcome.ts';
import { decodeProxyHeader } from './proxy.ts';

const ascii = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const hex = (text: string) =>
  Uint8Array.from(text.split(/\s+/).filter(Boolean), (h) => Number.parseInt(h, 16));
const decode = (bytes: Uint8Array) => decodeProxyHeader(bytes, 0, bytes.length);

const SIGNATURE = '0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a';
const TCP4 = 'c0 00 02 01 c6 33 64 01 c4 88 07 5b';
const TCP6 =
  '20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 07 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 08 c4 88 07 5b';
const SSL_CN = '20 00 0e 03 00 00 00 00 22 00 06 73 65 6e 73 6f 72'; // client 3, verified, CN "sensor"

function v2(command: string, family: string, body: string): Uint8Array {
  const octets = hex(body);
  const length = `${(octets.length >> 8).toString(16)} ${(octets.length & 0xff).toString(16)}`;
  return hex(`${SIGNATURE} ${command} ${family} ${length} ${body}`);
}

const nothing = { source: undefined, commonName: undefined, serverName: undefined };
const from = (address: string, port: number) => ({ ...nothing, source: { address, port } });

const VALID: [string, Uint8Array, object][] = [
  ['v1 TCP4', ascii('PROXY TCP4 192.0.2.1 198.51.100.1 50312 1883\r\n'), from('192.0.2.1', 50_312)],
  ['v1 TCP6', ascii('PROXY TCP6 2001:db8::7 2001:db8::8 1 65535\r\n'), from('2001:db8::7', 1)],
  ['v1 UNKNOWN', ascii('PROXY UNKNOWN\r\n'), nothing],
  ['v1 UNKNOWN with more', ascii('PROXY UNKNOWN ffff::1 whatever 1 2\r\n'), nothing],
  ['v1 of 107 octets', ascii(`PROXY UNKNOWN ${'f'.repeat(107 - 16)}\r\n`), nothing],
  ['v2 TCP4', v2('21', '11', TCP4), from('192.0.2.1', 50_312)],
  ['v2 UDP4', v2('21', '12', TCP4), from('192.0.2.1', 50_312)],
  ['v2 TCP6', v2('21', '21', TCP6), from('2001:db8::7', 50_312)],
  ['v2 LOCAL', v2('20', '00', ''), nothing],
  ['v2 LOCAL with addresses, which do not count', v2('20', '11', TCP4), nothing],
  ['v2 unspecified', v2('21', '00', '01 02 03'), nothing],
  ['v2 unix socket', v2('21', '31', '2f '.repeat(216)), nothing],
  [
    'v2 with SSL',
    v2('21', '11', `${TCP4} ${SSL_CN}`),
    { ...from('192.0.2.1', 50_312), commonName: 'sensor' },
  ],
  [
    'v2 with SSL, certificate not verified',
    v2('21', '11', `${TCP4} ${SSL_CN.replace('03 00 00 00 00', '03 00 00 00 01')}`),
    from('192.0.2.1', 50_312),
  ],
  [
    'v2 with SSL, no certificate',
    v2('21', '11', `${TCP4} ${SSL_CN.replace('03 00 00 00 00', '01 00 00 00 00')}`),
    from('192.0.2.1', 50_312),
  ],
  [
    'v2 with authority and a TLV that nobody knows',
    v2('21', '11', `${TCP4} ee 00 01 ff 02 00 03 61 2e 62`),
    { ...from('192.0.2.1', 50_312), serverName: 'a.b' },
  ],
];

describe('valid', () => {
  test.each(VALID)('%s', (_name, bytes, expected) => {
    expect(decode(bytes)).toEqual({ end: bytes.length, ...expected });
    // At an offset, with the connection's own octets behind.
    const longer = new Uint8Array(bytes.length + 10).fill(0x10);
    longer.set(bytes, 5);
    expect(decodeProxyHeader(longer, 5, longer.length)).toEqual({ end: 5 + bytes.length, ...expected });
  });

  test.each(VALID)('%s: every beginning of it is incomplete', (_name, bytes) => {
    for (let end = 0; end < bytes.length; end++) expect(decodeProxyHeader(bytes, 0, end)).toBeUndefined();
  });
});

describe('[RFC5952-4] addresses are written the short way', () => {
  test.each([
    ['00 '.repeat(16), '::'],
    [`${'00 '.repeat(15)} 01`, '::1'],
    ['20 01 0d b8 00 00 00 01 00 00 00 00 00 00 00 01', '2001:db8:0:1::1'],
    ['20 01 0d b8 00 00 00 00 00 01 00 00 00 00 00 01', '2001:db8::1:0:0:1'],
    ['00 01 00 00 00 02 00 03 00 04 00 05 00 06 00 07', '1:0:2:3:4:5:6:7'],
    [`${'00 '.repeat(10)} ff ff c0 00 02 01`, '::ffff:192.0.2.1'],
  ])('%s', (address, written) => {
    expect(decode(v2('21', '21', `${address} ${'00 '.repeat(16)} 00 01 00 02`))!.source).toEqual({
      address: written,
      port: 1,
    });
  });
});

describe('[PROXY-2.2.3] the checksum', () => {
  // CRC-32C of the whole header with the field as zero, worked out bit by bit apart from the decoder.
  const crc32c = (bytes: Uint8Array) => {
    let crc = 0xffffffffn;
    for (const octet of bytes) {
      crc ^= BigInt(octet);
      for (let i = 0; i < 8; i++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
    }
    return Number(crc ^ 0xffffffffn);
  };

  test('the check value of the algorithm', () => {
    expect(crc32c(ascii('123456789'))).toBe(0xe3069283);
  });

  test('right: taken; wrong: refused', () => {
    const bytes = v2('21', '11', `${TCP4} 03 00 04 00 00 00 00 ${SSL_CN}`);
    expect(() => decode(bytes)).toThrow('PROXY-2.2.3');
    new DataView(bytes.buffer).setUint32(16 + 12 + 3, crc32c(bytes));
    expect(decode(bytes)).toMatchObject({ commonName: 'sensor' });
    bytes[17]!++;
    expect(() => decode(bytes)).toThrow('PROXY-2.2.3');
  });
});

describe('malformed', () => {
  test.each<[string, Uint8Array, string]>([
    ['something else', ascii('GET / HTTP/1.1\r\n'), 'PROXY-2'],
    ['MQTT at once', hex('10 0c 00 04 4d 51 54 54'), 'PROXY-2'],
    ['lower case', ascii('proxy TCP4'), 'PROXY-2'],
    ['no end', ascii(`PROXY TCP4 ${'1'.repeat(200)}`), 'PROXY-2.1'],
    ['108 octets', ascii(`PROXY UNKNOWN ${'f'.repeat(108 - 16)}\r\n`), 'PROXY-2.1'],
    ['CR alone', ascii('PROXY UNKNOWN\rx'), 'PROXY-2.1'],
    ['a word too few', ascii('PROXY TCP4 192.0.2.1 198.51.100.1 50312\r\n'), 'PROXY-2.1'],
    ['two spaces', ascii('PROXY TCP4  192.0.2.1 198.51.100.1 50312 1883\r\n'), 'PROXY-2.1'],
    ['unknown family', ascii('PROXY UDP4 192.0.2.1 198.51.100.1 50312 1883\r\n'), 'PROXY-2.1'],
    ['the other family', ascii('PROXY TCP6 192.0.2.1 198.51.100.1 50312 1883\r\n'), 'PROXY-2.1'],
    ['not an address', ascii('PROXY TCP4 192.0.2.256 198.51.100.1 50312 1883\r\n'), 'PROXY-2.1'],
    ['port 65536', ascii('PROXY TCP4 192.0.2.1 198.51.100.1 65536 1883\r\n'), 'PROXY-2.1'],
    ['port 01', ascii('PROXY TCP4 192.0.2.1 198.51.100.1 01 1883\r\n'), 'PROXY-2.1'],
    ['port -1', ascii('PROXY TCP4 192.0.2.1 198.51.100.1 1 -1\r\n'), 'PROXY-2.1'],
    ['version 1 in binary', v2('11', '11', TCP4), 'PROXY-2.2'],
    ['unknown command', v2('22', '11', TCP4), 'PROXY-2.2'],
    ['unknown family', v2('21', '41', TCP4), 'PROXY-2.2'],
    ['unknown transport', v2('21', '13', TCP4), 'PROXY-2.2'],
    ['addresses cut off', v2('21', '21', TCP4), 'PROXY-2.2'],
    ['longer than anybody needs', hex(`${SIGNATURE} 21 11 ff ff`), 'PROXY-2.2'],
    ['TLV cut off', v2('21', '11', `${TCP4} 02 00`), 'PROXY-2.2'],
    ['TLV too long', v2('21', '11', `${TCP4} 02 00 05 61`), 'PROXY-2.2'],
    ['SSL TLV too short', v2('21', '11', `${TCP4} 20 00 04 03 00 00 00`), 'PROXY-2.2.6'],
    ['SSL sub-TLV too long', v2('21', '11', `${TCP4} 20 00 09 03 00 00 00 00 22 00 09 61`), 'PROXY-2.2.6'],
    ['name not UTF-8', v2('21', '11', `${TCP4} 02 00 01 ff`), 'PROXY-2.2'],
    ['checksum of three octets', v2('21', '11', `${TCP4} 03 00 03 00 00 00`), 'PROXY-2.2.3'],
  ])('%s', (_name, bytes, clause) => {
    let thrown: unknown;
    try {
      decode(bytes);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ProtocolError);
    expect((thrown as ProtocolError).clause).toBe(clause);
  });

  test('noise gives a header, a wait or a ProtocolError, nothing else', () => {
    const starts = [SIGNATURE, `${SIGNATURE} 21 11 00 20`, `${SIGNATURE} 21 21`]
      .map(hex)
      .concat(ascii('PROXY TCP4 1'));
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 200 }), (start, noise) => {
        const bytes = new Uint8Array([...start, ...noise]);
        try {
          const header = decode(bytes);
          if (header !== undefined) expect(header.end).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { seed: 1, numRuns: 2_000 },
    );
  });
});
