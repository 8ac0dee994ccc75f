// Signatures of handshakes: which algorithms a key can sign with, signing and verifying.

import { constants, type KeyObject, sign, verify } from 'node:crypto';

interface Algorithm {
  readonly id: number;
  readonly hash: 'sha256' | 'sha384' | 'sha512' | undefined;
  readonly keyType: 'ec' | 'rsa' | 'ed25519';
  readonly pss: boolean;
}

/** In the order that we prefer; SHA-1 is not among them. */
const ALGORITHMS: readonly Algorithm[] = [
  { id: 0x0403, hash: 'sha256', keyType: 'ec', pss: false },
  { id: 0x0503, hash: 'sha384', keyType: 'ec', pss: false },
  { id: 0x0603, hash: 'sha512', keyType: 'ec', pss: false },
  { id: 0x0807, hash: undefined, keyType: 'ed25519', pss: false },
  { id: 0x0804, hash: 'sha256', keyType: 'rsa', pss: true },
  { id: 0x0805, hash: 'sha384', keyType: 'rsa', pss: true },
  { id: 0x0401, hash: 'sha256', keyType: 'rsa', pss: false },
  { id: 0x0501, hash: 'sha384', keyType: 'rsa', pss: false },
];

export const SIGNATURE_ALGORITHMS: readonly number[] = ALGORITHMS.map((a) => a.id);

/** The kinds of certificates that a server may ask for [RFC8422-5.5, RFC5246-7.4.4]. */
export const CERTIFICATE_TYPES: readonly number[] = [64, 1];

/** The best algorithm that the other side offers and this key can do. */
export function algorithmFor(key: KeyObject, offered: readonly number[]): number | undefined {
  return ALGORITHMS.find((a) => a.keyType === key.asymmetricKeyType && offered.includes(a.id))?.id;
}

export function signWith(key: KeyObject, algorithm: number, octets: Uint8Array): Uint8Array {
  const a = ALGORITHMS.find((one) => one.id === algorithm)!;
  return sign(a.hash, octets, { key, ...padding(a) });
}

/** False for a wrong signature, an unknown algorithm and one that does not fit the key. */
export function verifies(
  key: KeyObject,
  algorithm: number,
  octets: Uint8Array,
  signature: Uint8Array,
): boolean {
  const a = ALGORITHMS.find((one) => one.id === algorithm);
  if (a === undefined || a.keyType !== key.asymmetricKeyType) return false;
  try {
    return verify(a.hash, octets, { key, ...padding(a) }, signature);
  } catch {
    // Octets that are no signature at all.
    return false;
  }
}

function padding(a: Algorithm) {
  return a.pss
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {};
}
