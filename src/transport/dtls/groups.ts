// Ephemeral Diffie-Hellman over the curves that IoT profiles name: P-256, X25519, P-384.

import { createECDH, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { ProtocolError } from '../../contract/outcome.ts';
import { ALERT } from './codes.ts';

export const X25519 = 29;
export const P256 = 23;
export const P384 = 24;

/** In the order that we prefer. P-256 is mandatory for devices [RFC7925-4.4]. */
export const GROUPS: readonly number[] = [X25519, P256, P384];
/** Only whole points; the others are deprecated [RFC8422-5.1.2]. */
export const UNCOMPRESSED = 0;

const NIST: Readonly<Record<number, string>> = { [P256]: 'prime256v1', [P384]: 'secp384r1' };
/** A SubjectPublicKeyInfo for X25519 is these octets and the key [RFC8410-4]. */
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const X25519_BYTES = 32;

/** One side's key, for one handshake. */
export interface EphemeralKey {
  readonly group: number;
  /** What the other side is told. */
  readonly point: Uint8Array;
  /** The common secret. Throws ProtocolError when the other side's point is none. */
  secret(point: Uint8Array): Uint8Array;
}

/** Throws RangeError for a group that is not in GROUPS. */
export function ephemeralKey(group: number): EphemeralKey {
  if (group === X25519) return x25519Key();
  const curve = NIST[group];
  if (curve === undefined) throw new RangeError(`no curve ${group}`);
  const ecdh = createECDH(curve);
  return {
    group,
    point: ecdh.generateKeys(),
    secret: (point) => {
      if (point[0] !== 4) throw badPoint();
      return guarded(() => ecdh.computeSecret(point));
    },
  };
}

function x25519Key(): EphemeralKey {
  const pair = generateKeyPairSync('x25519');
  const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
  return {
    group: X25519,
    point: spki.subarray(X25519_SPKI.length),
    secret: (point) => {
      if (point.length !== X25519_BYTES) throw badPoint();
      return guarded(() => {
        const der = Buffer.concat([X25519_SPKI, point]);
        const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' });
        return diffieHellman({ privateKey: pair.privateKey, publicKey });
      });
    },
  };
}

/** A point beside the curve and an all-zero secret are errors of the library's [RFC8422-5.10, 5.11]. */
function guarded(agree: () => Uint8Array): Uint8Array {
  try {
    return agree();
  } catch {
    throw badPoint();
  }
}

function badPoint(): ProtocolError {
  return new ProtocolError('RFC8422-5.10', 'not a point of the curve', ALERT.illegalParameter);
}
