// The client's side of SCRAM-SHA-256, by hand from RFC 5802 and RFC 7677, apart from the hub's own.

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest();

export class ScramClient {
  private readonly name: string;
  private readonly password: string;
  private bare = '';
  private signature = '';

  constructor(name: string, password: string) {
    this.name = name;
    this.password = password;
  }

  /** Begins an exchange. */
  first(): Buffer {
    this.bare = `n=${this.name},r=${randomBytes(18).toString('base64')}`;
    return Buffer.from(`n,,${this.bare}`);
  }

  /** Proves to know the password [RFC5802-3]. */
  answer(challenge: Buffer): Buffer {
    const text = challenge.toString();
    const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(text) ?? [];
    if (nonce === undefined) return Buffer.from('');
    const salted = pbkdf2Sync(this.password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const last = `c=biws,r=${nonce}`;
    const said = `${this.bare},${text},${last}`;
    const proof = hmac(storedKey, said).map((octet, i) => octet ^ clientKey[i]!);
    this.signature = hmac(hmac(salted, 'Server Key'), said).toString('base64');
    return Buffer.from(`${last},p=${Buffer.from(proof).toString('base64')}`);
  }

  /** Throws unless the server knows the password too. */
  check(verdict: Buffer): void {
    if (verdict.toString() !== `v=${this.signature}`)
      throw new Error(`the server proved nothing: ${verdict}`);
  }
}
