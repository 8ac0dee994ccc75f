// Handshake messages: round trips, noise, and fragments in any order.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { octets } from '../../../test/hex.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { decodeFragments, encodeFragment, encodeWhole, Reassembly } from './fragments.ts';
import {
  decodeClientHello,
  decodeHelloVerifyRequest,
  decodeServerHello,
  encodeClientHello,
  encodeHelloVerifyRequest,
  encodeServerHello,
} from './hello.ts';
import {
  decodeCertificate,
  decodeCertificateRequest,
  decodeCertificateVerify,
  decodeClientKeyExchange,
  decodeServerKeyExchange,
  encodeCertificate,
  encodeCertificateRequest,
  encodeCertificateVerify,
  encodeClientKeyExchange,
  encodeServerKeyExchange,
} from './messages.ts';
import type { KeyExchange } from './suites.ts';

const some = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const number = fc.integer({ min: 0, max: 0xffff });
const numbers = fc.array(number, { minLength: 1, maxLength: 20 });
const exchange = fc.constantFrom<KeyExchange>('psk', 'ecdhe-psk', 'ecdhe-ecdsa', 'ecdhe-rsa');

const clientHello = fc.record({
  version: number,
  random: some(32, 32),
  sessionId: some(0, 32),
  cookie: some(0, 255),
  suites: numbers,
  compressions: some(1, 3),
  extensions: fc.record(
    {
      serverName: fc.stringMatching(/^[a-z0-9.-]{1,60}$/),
      maxFragmentLength: fc.integer({ min: 1, max: 4 }),
      groups: numbers,
      pointFormats: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 3 }),
      signatureAlgorithms: numbers,
      extendedMasterSecret: fc.constant(true),
      connectionId: some(0, 20),
      renegotiationInfo: some(0, 24),
    },
    { requiredKeys: [] },
  ),
});

const serverHello = fc.record({
  version: number,
  random: some(32, 32),
  sessionId: some(0, 32),
  suite: number,
  compression: fc.constant(0),
  extensions: fc.record(
    { serverName: fc.constant(''), extendedMasterSecret: fc.constant(true), connectionId: some(0, 20) },
    { requiredKeys: [] },
  ),
});

describe('decode(encode(m)) is m', () => {
  test('hellos', () => {
    fc.assert(
      fc.property(clientHello, serverHello, some(0, 255), (client, server, cookie) => {
        expect(decodeClientHello(encodeClientHello(client))).toEqual(client);
        expect(decodeServerHello(encodeServerHello(server))).toMatchObject(server);
        expect(decodeHelloVerifyRequest(encodeHelloVerifyRequest(cookie))).toEqual(cookie);
      }),
      fuzz(200),
    );
  });

  test('key exchange', () => {
    const signed = fc.record({ algorithm: number, signature: some(0, 80) });
    fc.assert(
      fc.property(
        exchange,
        some(0, 40),
        number,
        some(1, 97),
        signed,
        (how, identity, group, point, proof) => {
          const preShared = how.endsWith('psk');
          const share = how === 'psk' ? {} : { group, point };
          const server = {
            ...share,
            ...(preShared ? { hint: identity } : {}),
            ...(!preShared ? { signed: proof } : {}),
          };
          expect(decodeServerKeyExchange(how, encodeServerKeyExchange(server))).toEqual(server);
          const client = { ...(preShared ? { identity } : {}), ...(how === 'psk' ? {} : { point }) };
          expect(decodeClientKeyExchange(how, encodeClientKeyExchange(client))).toEqual(client);
          expect(decodeCertificateVerify(encodeCertificateVerify(proof))).toEqual(proof);
        },
      ),
      fuzz(200),
    );
  });

  test('certificates and the request for them', () => {
    fc.assert(
      fc.property(fc.array(some(1, 50), { maxLength: 10 }), numbers, (chain, algorithms) => {
        expect(decodeCertificate(encodeCertificate(chain))).toEqual(chain);
        const request = { types: [64], algorithms };
        expect(decodeCertificateRequest(encodeCertificateRequest(request))).toEqual(request);
      }),
      fuzz(100),
    );
  });
});

const DECODERS: [string, (body: Uint8Array) => unknown][] = [
  ['ClientHello', decodeClientHello],
  ['ServerHello', decodeServerHello],
  ['HelloVerifyRequest', decodeHelloVerifyRequest],
  ['Certificate', decodeCertificate],
  ['CertificateRequest', decodeCertificateRequest],
  ['CertificateVerify', decodeCertificateVerify],
  ['ServerKeyExchange', (body) => decodeServerKeyExchange('ecdhe-ecdsa', body)],
  ['ClientKeyExchange', (body) => decodeClientKeyExchange('ecdhe-psk', body)],
];

test.each(DECODERS)('noise: %s decodes or is a ProtocolError', (_, decode) => {
  // Noise alone dies early: damage what was whole, too.
  const damaged = fc
    .tuple(clientHello, serverHello, some(1, 4), fc.nat(400), fc.boolean())
    .map(([client, server, bytes, at, first]) => {
      const whole = first ? encodeClientHello(client) : encodeServerHello(server);
      whole.set(bytes.subarray(0, Math.max(0, whole.length - at)), Math.min(at, whole.length));
      return whole;
    });
  fc.assert(
    fc.property(fc.oneof(some(0, 200), damaged), (noise) => {
      try {
        decode(noise);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
    fuzz(500),
  );
});

test.each([
  ['an extension twice', '00 17 00 00 00 17 00 00'],
  ['two host names', '00 00 00 0c 00 0a 00 00 02 61 61 00 00 02 62 62'],
  ['a host name with a space', "00 00 00 08 00 06 00 00 03 'a b'"],
  ['octets behind an extension', '00 17 00 01 00'],
])('refused: %s', (_, written) => {
  const bare = encodeClientHello({
    ...{ version: 0xfefd, random: new Uint8Array(32), sessionId: new Uint8Array(0) },
    ...{ cookie: new Uint8Array(0), suites: [1], compressions: Uint8Array.of(0), extensions: {} },
  });
  const list = octets(written);
  const hello = Uint8Array.from([...bare, 0, list.length, ...list]);
  expect(() => decodeClientHello(hello)).toThrow(ProtocolError);
});

describe('fragments', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 30 });

  test('any cut, order, overlap and repetition gives the same message', () => {
    fc.assert(
      fc.property(some(0, 2_000), cuts, fc.infiniteStream(fc.nat()), (body, lengths, random) => {
        const message = { type: 11, sequence: 3, body };
        const pieces: Uint8Array[] = [];
        let at = 0;
        let next = 0;
        do {
          const length = lengths[next++ % lengths.length]!;
          pieces.push(encodeFragment(message, Math.max(0, at - (next % 3)), length));
          at += length - (next % 3);
        } while (at < body.length);
        // To the end, whatever the overlaps have left.
        pieces.push(encodeFragment(message, Math.max(0, body.length - 300), 300));
        const order = pieces.flatMap((p) => [p, p]).map((p) => ({ p, key: random.next().value }));
        order.sort((a, b) => a.key - b.key);
        const reassembly = new Reassembly(3);
        for (const { p } of order) for (const f of decodeFragments(p) ?? []) reassembly.add(f);
        expect(reassembly.take([11])).toEqual(message);
        expect(reassembly.add(decodeFragments(pieces[0]!)![0]!)).toBe(false);
      }),
      fuzz(200),
    );
  });

  test('one that is not expected makes room for the true one', () => {
    const reassembly = new Reassembly();
    const forged = { type: 20, sequence: 0, body: octets('01') };
    const right = { type: 1, sequence: 0, body: octets('02 03') };
    reassembly.add(decodeFragments(encodeWhole(forged))![0]!);
    expect(reassembly.take([1])).toBeUndefined();
    reassembly.add(decodeFragments(encodeWhole(right))![0]!);
    expect(reassembly.take([1])).toEqual(right);
  });

  test('what is announced takes no memory beyond the limit, and none far ahead', () => {
    const reassembly = new Reassembly();
    const piece = (sequence: number, total: number) => ({
      type: 11,
      sequence,
      total,
      offset: 0,
      bytes: octets('00'),
    });
    for (let sequence = 0; sequence < 1_000; sequence++) reassembly.add(piece(sequence, 4_000));
    expect(reassembly.reserved).toBe(16_000);
    reassembly.add(piece(5, 0xffffff));
    expect(reassembly.reserved).toBe(16_000);
  });

  test.each([
    ['more than was announced', '01 00 00 01 00 00 00 00 00 00 00 02 aa bb'],
    ['an end behind the end', '01 00 00 04 00 00 00 00 03 00 00 02 aa bb'],
    ['a header cut short', '01 00 00 01 00'],
    ['an empty piece', '01 00 00 04 00 00 00 00 00 00 00 00'],
  ])('dropped: %s', (_, written) => {
    expect(decodeFragments(octets(written))).toBeUndefined();
  });
});
