// Certificates of strangers: whatever octets they are, they are refused with an alert, and nothing else is thrown.

import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { Authority } from '../../../test/transport/certificates.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import {
  certificateIdentity,
  publicKeyOf,
  readCertificates,
  readCertified,
  verifyChain,
} from './certificates.ts';
import { ALERT } from './codes.ts';

const authority = new Authority('Certificates');
afterAll(() => authority.remove());
const authorities = [new X509Certificate(authority.ca)];
const { leaf, chain } = authority.issueBelow('branch', 'deep.example', true);
const ders = readCertificates(chain).map((c) => Uint8Array.from(c.raw));
const NOW = Date.now() + 60_000;
const DAY = 86_400_000;

function alertOf(act: () => unknown): number | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return undefined;
}

test('a chain is good up to its dates', () => {
  expect(certificateIdentity(verifyChain(ders, authorities, 'server', NOW)).commonName).toBe('deep.example');
  expect(alertOf(() => verifyChain(ders, authorities, 'server', NOW + 3 * DAY))).toBe(
    ALERT.certificateExpired,
  );
  expect(alertOf(() => verifyChain(ders, authorities, 'server', NOW - 3 * DAY))).toBe(
    ALERT.certificateExpired,
  );
  expect(alertOf(() => verifyChain(ders, [], 'server', NOW))).toBe(ALERT.unknownCa);
  expect(alertOf(() => verifyChain([], authorities, 'client', NOW))).toBe(ALERT.badCertificate);
});

test('noise: a damaged chain is good, or refused with an alert', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(damage, fc.nat(1), (changes, which) => {
      const other = ders.map((der) => der.slice());
      for (const [at, octet] of changes) other[which]![at % other[which]!.length] = octet;
      const alert = alertOf(() => {
        const found = verifyChain(other, authorities, 'server', NOW);
        publicKeyOf(found);
        // Nothing but what was signed is believed.
        expect(certificateIdentity(found).commonName).toBe('deep.example');
      });
      if (alert !== undefined) expect(Object.values(ALERT)).toContain(alert);
    }),
    fuzz(400),
  );
});

test('a certificate without its key, and a file without a certificate, are told', () => {
  const stranger = authority.issue('else');
  expect(() => readCertified({ cert: leaf.cert, key: stranger.key })).toThrow(/private key is not that/);
  expect(() => readCertified({ cert: 'nothing', key: leaf.key })).toThrow(/no certificate/);
});
