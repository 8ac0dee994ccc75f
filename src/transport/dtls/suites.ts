// The cipher suites: how the keys are agreed on, which cipher protects records, which hash makes the keys.

import type { CipherCCMTypes, CipherChaCha20Poly1305Types, CipherGCMTypes } from 'node:crypto';

/** How both sides come to a premaster secret. The last two end with a signature of the server's certificate. */
export type KeyExchange = 'psk' | 'ecdhe-psk' | 'ecdhe-ecdsa' | 'ecdhe-rsa';

export interface Suite {
  readonly id: number;
  /** As OpenSSL calls it. */
  readonly name: string;
  readonly exchange: KeyExchange;
  readonly cipher: CipherCCMTypes | CipherGCMTypes | CipherChaCha20Poly1305Types;
  readonly keyBytes: number;
  /** Of the part of the nonce that is derived, not sent. */
  readonly ivBytes: 4 | 12;
  readonly tagBytes: 8 | 16;
  readonly hash: 'sha256' | 'sha384';
}

type Protection = Pick<Suite, 'cipher' | 'keyBytes' | 'ivBytes' | 'tagBytes' | 'hash'>;

const CCM8: Protection = { cipher: 'aes-128-ccm', keyBytes: 16, ivBytes: 4, tagBytes: 8, hash: 'sha256' };
const CCM: Protection = { ...CCM8, tagBytes: 16 };
const GCM: Protection = { ...CCM, cipher: 'aes-128-gcm' };
const GCM256: Protection = { ...GCM, cipher: 'aes-256-gcm', keyBytes: 32, hash: 'sha384' };
const CHACHA: Protection = { ...CCM, cipher: 'chacha20-poly1305', keyBytes: 32, ivBytes: 12 };

/** In the order that the server prefers: forward secrecy before none, long tags before short ones. */
export const SUITES: readonly Suite[] = [
  { id: 0xc02b, name: 'ECDHE-ECDSA-AES128-GCM-SHA256', exchange: 'ecdhe-ecdsa', ...GCM },
  { id: 0xc02c, name: 'ECDHE-ECDSA-AES256-GCM-SHA384', exchange: 'ecdhe-ecdsa', ...GCM256 },
  { id: 0xcca9, name: 'ECDHE-ECDSA-CHACHA20-POLY1305', exchange: 'ecdhe-ecdsa', ...CHACHA },
  { id: 0xc0ac, name: 'ECDHE-ECDSA-AES128-CCM', exchange: 'ecdhe-ecdsa', ...CCM },
  { id: 0xc0ae, name: 'ECDHE-ECDSA-AES128-CCM8', exchange: 'ecdhe-ecdsa', ...CCM8 },
  { id: 0xc02f, name: 'ECDHE-RSA-AES128-GCM-SHA256', exchange: 'ecdhe-rsa', ...GCM },
  { id: 0xc030, name: 'ECDHE-RSA-AES256-GCM-SHA384', exchange: 'ecdhe-rsa', ...GCM256 },
  { id: 0xd001, name: 'ECDHE-PSK-AES128-GCM-SHA256', exchange: 'ecdhe-psk', ...GCM },
  { id: 0xccac, name: 'ECDHE-PSK-CHACHA20-POLY1305', exchange: 'ecdhe-psk', ...CHACHA },
  { id: 0xd005, name: 'ECDHE-PSK-AES128-CCM-SHA256', exchange: 'ecdhe-psk', ...CCM },
  { id: 0xd003, name: 'ECDHE-PSK-AES128-CCM8-SHA256', exchange: 'ecdhe-psk', ...CCM8 },
  { id: 0x00a8, name: 'PSK-AES128-GCM-SHA256', exchange: 'psk', ...GCM },
  { id: 0x00a9, name: 'PSK-AES256-GCM-SHA384', exchange: 'psk', ...GCM256 },
  { id: 0xccab, name: 'PSK-CHACHA20-POLY1305', exchange: 'psk', ...CHACHA },
  { id: 0xc0a4, name: 'PSK-AES128-CCM', exchange: 'psk', ...CCM },
  { id: 0xc0a8, name: 'PSK-AES128-CCM8', exchange: 'psk', ...CCM8 },
];

export function suiteOf(id: number): Suite | undefined {
  return SUITES.find((s) => s.id === id);
}

/** Whether the server shows a certificate and signs its share of the key with it. */
export function isSigned(exchange: KeyExchange): boolean {
  return exchange === 'ecdhe-ecdsa' || exchange === 'ecdhe-rsa';
}

export function isPreShared(exchange: KeyExchange): boolean {
  return exchange === 'psk' || exchange === 'ecdhe-psk';
}

/** Whether an ephemeral key of an elliptic curve is part of it. */
export function isEphemeral(exchange: KeyExchange): boolean {
  return exchange !== 'psk';
}
