// The key schedule, against published vectors of the TLS 1.2 PRF and the formulas of the RFCs written out.

import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { keyBlock, masterSecret, preSharedPremaster, prf, verifyData } from './keys.ts';
import { suiteOf } from './suites.ts';

const bytes = (hex: string) => Buffer.from(hex.replace(/\s/g, ''), 'hex');

// The vectors that the TLS working group's list published for RFC 5246.
const PRF: [hash: 'sha256' | 'sha384', secret: string, seed: string, output: string][] = [
  [
    'sha256',
    '9b be 43 6b a9 40 f0 17 b1 76 52 84 9a 71 db 35',
    'a0 ba 9f 93 6c da 31 18 27 a6 f7 96 ff d5 19 8c',
    `e3 f2 29 ba 72 7b e1 7b 8d 12 26 20 55 7c d4 53 c2 aa b2 1d 07 c3 d4 95 32 9b 52 d4 e6 1e db 5a
     6b 30 17 91 e9 0d 35 c9 c9 a4 6b 4e 14 ba f9 af 0f a0 22 f7 07 7d ef 17 ab fd 37 97 c0 56 4b ab
     4f bc 91 66 6e 9d ef 9b 97 fc e3 4f 79 67 89 ba a4 80 82 d1 22 ee 42 c5 a7 2e 5a 51 10 ff f7 01
     87 34 7b 66`,
  ],
  [
    'sha384',
    'b8 0b 73 3d 6c ee fc dc 71 56 6e a4 8e 55 67 df',
    'cd 66 5c f6 a8 44 7d d6 ff 8b 27 55 5e db 74 65',
    `7b 0c 18 e9 ce d4 10 ed 18 04 f2 cf a3 4a 33 6a 1c 14 df fb 49 00 bb 5f d7 94 21 07 e8 1c 83 cd
     e9 ca 0f aa 60 be 9f e3 4f 82 b1 23 3c 91 46 a0 e5 34 cb 40 0f ed 27 00 88 4f 9d c2 36 f8 0e dd
     8b fa 96 11 44 c9 e8 d7 92 ec a7 22 a7 b3 2f c3 d4 16 d4 73 eb c2 c5 fd 4a bf da d0 5d 91 84 25
     9b 5b f8 cd 4d 90 fa 0d 31 e2 de c4 79 e4 f1 a2 60 66 f2 ee a9 a6 92 36 a3 e5 26 55 c9 e9 ae e6
     91 c8 f3 a2 68 54 30 8d 5e aa 3b e8 5e 09 90 70 3d 73 e5 6f`,
  ],
];

test.each(PRF)('[RFC5246-5] PRF with %s', (hash, secret, seed, output) => {
  const right = bytes(output);
  expect(Buffer.from(prf(hash, bytes(secret), 'test label', bytes(seed), right.length))).toEqual(right);
});

test('[RFC4279-2] a shared key alone: as many zeros as it is long, then the key', () => {
  expect(Buffer.from(preSharedPremaster(bytes('0a 0b 0c')))).toEqual(bytes('00 03 00 00 00 00 03 0a 0b 0c'));
});

test('[RFC5489-2] with ECDH: its secret, then the key', () => {
  expect(Buffer.from(preSharedPremaster(bytes('0a'), bytes('01 02')))).toEqual(bytes('00 02 01 02 00 01 0a'));
});

test('[RFC7627-4] the extended master secret is bound to the handshake, the other to the randoms', () => {
  const premaster = bytes('01 02 03');
  const hash = Buffer.alloc(32, 7);
  const one = (label: string) => {
    const seed = Buffer.concat([Buffer.from(label), hash]);
    const hmac = (...parts: Uint8Array[]) =>
      parts.reduce((h, p) => h.update(p), createHmac('sha256', premaster)).digest();
    const a1 = hmac(seed);
    return Buffer.concat([hmac(a1, seed), hmac(hmac(a1), seed)]).subarray(0, 48);
  };
  expect(Buffer.from(masterSecret('sha256', premaster, { session: hash }))).toEqual(
    one('extended master secret'),
  );
  expect(Buffer.from(masterSecret('sha256', premaster, { randoms: hash }))).toEqual(one('master secret'));
});

test('[RFC5246-6.3] the key block: client key, server key, client iv, server iv; the server random first', () => {
  const suite = suiteOf(0xc0a8)!;
  const master = Buffer.alloc(48, 1);
  const [client, server] = [Buffer.alloc(32, 2), Buffer.alloc(32, 3)];
  const block = prf('sha256', master, 'key expansion', Buffer.concat([server, client]), 40);
  const keys = keyBlock(suite, master, client, server);
  const parts = [keys.client.key, keys.server.key, keys.client.iv, keys.server.iv];
  expect(Buffer.concat(parts)).toEqual(Buffer.from(block));
  expect(parts.map((p) => p.length)).toEqual([16, 16, 4, 4]);
});

test('[RFC5246-7.4.9] verify_data: 12 octets, another for each role', () => {
  const suite = suiteOf(0xc0a8)!;
  const master = Buffer.alloc(48, 1);
  const hash = Buffer.alloc(32, 2);
  const [client, server] = (['client', 'server'] as const).map((r) => verifyData(suite, master, r, hash));
  expect(client).toEqual(prf('sha256', master, 'client finished', hash, 12));
  expect(server).toEqual(prf('sha256', master, 'server finished', hash, 12));
});
