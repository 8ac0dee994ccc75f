// SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, with the platform's own cryptography: the same in Node and a browser.

import type { Sasl } from '../contract/speaker.ts';
import { WaymeetError } from './error.ts';

const SCRAM = 'SCRAM-SHA-256';
/** Fewer would make the password easy to guess for whoever listens [RFC7677-4]; more is a way to keep us busy. */
const LEAST_ITERATIONS = 4_096;
const MOST_ITERATIONS = 10_000_000;
const GS2 = 'n,,';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A login by `mechanism`. Throws WaymeetError 'not-supported' or 'usage'. */
export function saslOf(
  mechanism: string,
  username: string | undefined,
  password: Uint8Array | undefined,
  random: (length: number) => Uint8Array,
): Sasl {
  if (mechanism !== SCRAM) throw new WaymeetError('not-supported', '', `there is no SASL ${mechanism} here`);
  if (username === undefined || password === undefined)
    throw new WaymeetError('usage', '', `${SCRAM} proves a password, and there is none`, {
      fix: 'give username and password',
    });
  return new ScramClient(username, password, random(18));
}

/*
 * asked for      | gives
 * nothing        | n,,n=user,r=abc
 * r=abcXYZ,s=…,i=… | c=biws,r=abcXYZ,p=…
 * v=…            | nothing, once it is what only the server can know
 */
export class ScramClient implements Sasl {
  readonly mechanism = SCRAM;
  private readonly bare: string;
  private readonly nonce: string;
  private readonly password: Uint8Array;
  private serverSignature: string | undefined;

  /** `nonce`: octets that nobody can guess. Names and passwords beyond ASCII must be in their SASLprep form. */
  constructor(username: string, password: Uint8Array, nonce: Uint8Array) {
    this.nonce = base64(nonce).replaceAll(',', '');
    this.bare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${this.nonce}`;
    this.password = password;
  }

  async next(challenge: Uint8Array | undefined): Promise<Uint8Array> {
    if (challenge === undefined && this.serverSignature === undefined) return encoder.encode(GS2 + this.bare);
    const said = decoder.decode(challenge);
    if (this.serverSignature !== undefined) return this.verify(said);
    return encoder.encode(await this.prove(said));
  }

  private async prove(serverFirst: string): Promise<string> {
    const found = /^r=([^,]+),s=([\w+/=]+),i=(\d{1,8})(?:,|$)/.exec(serverFirst);
    const iterations = Number(found?.[3]);
    if (found === null || !found[1]!.startsWith(this.nonce) || found[1]!.length === this.nonce.length)
      throw refused('the server does not speak SCRAM as it should');
    if (iterations < LEAST_ITERATIONS || iterations > MOST_ITERATIONS)
      throw refused(`the server asks for ${iterations} iterations`);
    const withoutProof = `c=${base64(encoder.encode(GS2))},r=${found[1]}`;
    const authMessage = encoder.encode(`${this.bare},${serverFirst},${withoutProof}`);
    const salted = await saltedPassword(this.password, octetsOf(found[2]!), iterations);
    const clientKey = await hmac(salted, encoder.encode('Client Key'));
    const storedKey = new Uint8Array(await crypto.subtle.digest('SHA-256', clientKey));
    const signature = await hmac(storedKey, authMessage);
    const proof = clientKey.map((octet, i) => octet ^ signature[i]!);
    const serverKey = await hmac(salted, encoder.encode('Server Key'));
    this.serverSignature = base64(await hmac(serverKey, authMessage));
    return `${withoutProof},p=${base64(proof)}`;
  }

  /** Who does not know the password cannot say this [RFC5802-3]. */
  private verify(said: string): Uint8Array {
    if (said.split(',', 1)[0] !== `v=${this.serverSignature}`)
      throw refused('the server does not know the password itself: it may be an impostor');
    return new Uint8Array(0);
  }
}

function refused(reason: string): WaymeetError {
  return new WaymeetError('bad-credentials', '', reason, { fix: '' });
}

async function saltedPassword(
  password: Uint8Array,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey('raw', password.slice(), 'PBKDF2', false, ['deriveBits']);
  const derived = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(derived, key, 256));
}

async function hmac(key: Uint8Array, text: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', key.slice(), algorithm, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, text.slice()));
}

function base64(octets: Uint8Array): string {
  return btoa(String.fromCharCode(...octets));
}

function octetsOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
