// OSCORE's contexts from their file, and the cryptography that the CoAP tower asks for.

import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  OscoreContexts,
  type OscoreCrypto,
  type OscoreSecret,
  parseSecrets,
} from '../protocol/coap/oscore.ts';

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

/** The files of contexts: one set of contexts a file, so that a sequence number is taken once, at whichever listener it arrives. */
export class OscoreFiles {
  private readonly files = new Map<string, OscoreContexts>();

  /** The contexts of a file, read when it is asked for first. Throws an Error that says which line is wrong, or the system's. */
  at(path: string): OscoreContexts {
    const found = this.files.get(path) ?? new OscoreContexts(readSecrets(path), oscoreCrypto);
    this.files.set(path, found);
    return found;
  }

  get some(): boolean {
    return this.files.size > 0;
  }

  /** Reads all of them again. Throws as `at` does; then those after the one that is wrong stay as they were, and that one too. */
  reload(): void {
    for (const [path, contexts] of this.files) contexts.replace(readSecrets(path));
  }
}

/** The contexts in a file. Throws as `OscoreFiles.at`. */
export function readSecrets(path: string): OscoreSecret[] {
  const hex = (digits: string): Uint8Array => {
    if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) throw new RangeError(`'${digits}' is not hex`);
    return new Uint8Array(Buffer.from(digits, 'hex'));
  };
  try {
    return parseSecrets(readFileSync(path, 'utf8'), hex);
  } catch (error) {
    if (error instanceof RangeError) throw new Error(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}
