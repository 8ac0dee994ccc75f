// From a premaster secret to the keys of both directions and the proof that both sides saw the same handshake [RFC5246-5, 6.3, 8.1].

import { createHmac } from 'node:crypto';
import { join, uint } from './octets.ts';
import type { Suite } from './suites.ts';

const MASTER_BYTES = 48;
const VERIFY_BYTES = 12;

/** The pseudo-random function [RFC5246-5]. */
export function prf(
  hash: Suite['hash'],
  secret: Uint8Array,
  label: string,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  const labelled = join(Buffer.from(label, 'latin1'), seed);
  const out = new Uint8Array(length);
  let a = labelled;
  for (let at = 0; at < length; ) {
    a = createHmac(hash, secret).update(a).digest();
    const block = createHmac(hash, secret).update(a).update(labelled).digest();
    out.set(block.subarray(0, length - at), at);
    at += block.length;
  }
  return out;
}

/** The premaster secret of a pre-shared key [RFC4279-2, RFC5489-2]; `other` is the ECDH secret, or as many zeros as the key is long. */
export function preSharedPremaster(
  key: Uint8Array,
  other: Uint8Array = new Uint8Array(key.length),
): Uint8Array {
  return join(uint(2, other.length), other, uint(2, key.length), key);
}

/** Bound to both randoms [RFC5246-8.1], or to all of the handshake so far [RFC7627-4]. */
export function masterSecret(
  hash: Suite['hash'],
  premaster: Uint8Array,
  seed: { readonly randoms: Uint8Array } | { readonly session: Uint8Array },
): Uint8Array {
  return 'session' in seed
    ? prf(hash, premaster, 'extended master secret', seed.session, MASTER_BYTES)
    : prf(hash, premaster, 'master secret', seed.randoms, MASTER_BYTES);
}

/** A key and the fixed part of the nonce, for one direction. */
export interface DirectionKeys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
}

export interface KeyBlock {
  readonly client: DirectionKeys;
  readonly server: DirectionKeys;
}

/** [RFC5246-6.3]; AEAD suites have no MAC keys. */
export function keyBlock(
  suite: Suite,
  master: Uint8Array,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
): KeyBlock {
  const { keyBytes, ivBytes } = suite;
  const seed = join(serverRandom, clientRandom);
  const block = prf(suite.hash, master, 'key expansion', seed, 2 * (keyBytes + ivBytes));
  const ivs = 2 * keyBytes;
  return {
    client: { key: block.slice(0, keyBytes), iv: block.slice(ivs, ivs + ivBytes) },
    server: { key: block.slice(keyBytes, ivs), iv: block.slice(ivs + ivBytes) },
  };
}

/** The body of Finished [RFC5246-7.4.9]. */
export function verifyData(
  suite: Suite,
  master: Uint8Array,
  role: 'client' | 'server',
  transcript: Uint8Array,
): Uint8Array {
  return prf(suite.hash, master, `${role} finished`, transcript, VERIFY_BYTES);
}
