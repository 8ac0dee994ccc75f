// The cryptography of OSCORE that the CoAP tower asks for.

import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { OscoreCrypto } from '../protocol/coap/oscore.ts';

const TAG_BYTES = 8;
const CCM = 'aes-128-ccm';

/** AES-CCM-16-64-128 and HKDF-SHA-256 of node:crypto. */
export const oscoreCrypto: OscoreCrypto = {
  derive: (secret, salt, info, length) => new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
  seal(key, nonce, aad, plaintext) {
    const cipher = createCipheriv(CCM, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    const body = cipher.update(plaintext);
    cipher.final();
    return new Uint8Array(Buffer.concat([body, cipher.getAuthTag()]));
  },
  open(key, nonce, aad, ciphertext) {
    const length = ciphertext.length - TAG_BYTES;
    if (length < 0) return undefined;
    const decipher = createDecipheriv(CCM, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(ciphertext.subarray(length));
    decipher.setAAD(aad, { plaintextLength: length });
    try {
      const plaintext = decipher.update(ciphertext.subarray(0, length));
      decipher.final();
      return new Uint8Array(plaintext);
    } catch {
      return undefined; // forged, or of another context
    }
  },
};
