// OSCORE's contexts from their file.

import { readFileSync } from 'node:fs';
import { type OscoreSecret, parseSecrets } from '../protocol/coap/oscore.ts';
import { OscoreContexts } from '../protocol/coap/unsealing.ts';
import { oscoreCrypto } from '../transport/oscore-crypto.ts';

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
