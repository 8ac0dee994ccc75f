// The keys that tokens are checked with: a shared secret, a public key, or a set of keys (JWKS) that changes while we run.

import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose';
import { Requests } from './requests.ts';
import { isUrl, secretFault, secretOctets } from './token.ts';

export interface KeyOptions {
  /** For HMAC; `base64:` in front of octets that are no text. */
  readonly secret?: string | undefined;
  readonly secretFile?: string | undefined;
  /** A public key or a certificate, PEM. */
  readonly keyFile?: string | undefined;
  /** A file, or an http(s) URL. */
  readonly jwks?: string | undefined;
  /** Authorities for that URL, PEM. */
  readonly caFile?: string | undefined;
  /** How old a fetched set may be before it is fetched again. */
  readonly refreshMs: number;
  readonly timeoutMs: number;
  now(): number;
  log(level: 'info' | 'warn', text: string): void;
}

/** The keys could not be had: nobody's token can be told right or wrong. */
export class KeysUnavailable extends Error {}

const MAX_SET_BYTES = 1_048_576;
const MAX_KEYS = 1_000;
/** Tokens that name a key which nobody has make us fetch no more often than this. */
const COOLDOWN_MS = 10_000;
/** Without news, a fetched set is trusted for so many times its refresh interval: a key that was withdrawn must not live for ever. */
const STALE = 6;

type KeySet = ReturnType<typeof createLocalJWKSet>;

interface Held {
  readonly secret: KeyObject | undefined;
  readonly key: KeyObject | undefined;
  /** Of a file. */
  readonly set: KeySet | undefined;
}

export class Keys {
  private readonly o: KeyOptions;
  private held: Held;
  private readonly requests: Requests | undefined;
  private fetched: KeySet | undefined;
  private fetchedAt = Number.NEGATIVE_INFINITY;
  private triedAt = Number.NEGATIVE_INFINITY;
  private fetching: Promise<void> | undefined;

  private constructor(o: KeyOptions, held: Held) {
    this.o = o;
    this.held = held;
    this.requests = isUrl(o.jwks) ? new Requests(o.jwks!, { caFile: o.caFile }) : undefined;
  }

  /** Reads the files. Rejects with what is wrong in them; a URL that does not answer is only logged: it may come up later. */
  static async open(o: KeyOptions): Promise<Keys> {
    const keys = new Keys(o, await readKeys(o));
    await keys.fetch();
    return keys;
  }

  /** Reads and fetches again. */
  async reload(): Promise<void> {
    this.held = await readKeys(this.o);
    await this.fetch();
  }

  close(): void {
    this.requests?.close();
  }

  /** The key for a token's header. Rejects with a jose error when there is none, with KeysUnavailable when it cannot be told. */
  readonly find = async (
    header: JWSHeaderParameters,
    token: FlattenedJWSInput,
  ): Promise<KeyObject | Awaited<ReturnType<KeySet>>> => {
    const { secret, key, set } = this.held;
    if (header.alg?.startsWith('HS')) {
      if (secret === undefined) throw new errors.JWKSNoMatchingKey();
      return secret;
    }
    if (set !== undefined) return orKey(() => set(header, token), key);
    if (this.requests === undefined) {
      if (key === undefined) throw new errors.JWKSNoMatchingKey();
      return key;
    }
    return orKey(() => this.findFetched(header, token), key);
  };

  private async findFetched(header: JWSHeaderParameters, token: FlattenedJWSInput) {
    const age = this.o.now() - this.fetchedAt;
    if (age > this.o.refreshMs * STALE) await this.fetchSoon();
    else if (age > this.o.refreshMs) void this.fetchSoon();
    if (this.fetched === undefined || this.o.now() - this.fetchedAt > this.o.refreshMs * STALE)
      throw new KeysUnavailable('the key set cannot be fetched');
    const known = this.fetchedAt;
    try {
      return await this.fetched(header, token);
    } catch (why) {
      if (!(why instanceof errors.JWKSNoMatchingKey)) throw why;
      // The issuer may have begun to sign with a new key.
      await this.fetchSoon();
      if (this.fetchedAt === known) throw why;
      return this.fetched(header, token);
    }
  }

  /** Fetches, unless that was tried a moment ago. */
  private async fetchSoon(): Promise<void> {
    if (this.fetching === undefined && this.o.now() - this.triedAt < COOLDOWN_MS) return;
    await this.fetch();
  }

  private fetch(): Promise<void> {
    if (this.requests === undefined) return Promise.resolve();
    this.fetching ??= this.fetchNow(this.requests).finally(() => {
      this.fetching = undefined;
    });
    return this.fetching;
  }

  private async fetchNow(requests: Requests): Promise<void> {
    const { timeoutMs, now, log, jwks } = this.o;
    this.triedAt = now();
    try {
      const { status, body } = await requests.ask({ method: 'GET', timeoutMs, maxBytes: MAX_SET_BYTES });
      if (status !== 200) throw new Error(`it answers ${status}`);
      this.fetched = keySetOf(body.toString('utf8'));
      this.fetchedAt = now();
    } catch (why) {
      log('warn', `cannot fetch the key set ${bare(jwks!)}: ${(why as Error).message}`);
    }
  }
}

/** What `find` gives, or `key` when the set has none that fits. */
async function orKey<T>(find: () => Promise<T>, key: KeyObject | undefined): Promise<T | KeyObject> {
  if (key === undefined) return find();
  return find().catch((why: unknown) => {
    if (why instanceof errors.JWKSNoMatchingKey) return key;
    throw why;
  });
}

async function readKeys({ secret, secretFile, keyFile, jwks }: KeyOptions): Promise<Held> {
  const text = secret ?? (secretFile === undefined ? undefined : (await read(secretFile, 'secret')).trim());
  return {
    secret: text === undefined ? undefined : secretOf(text),
    key: keyFile === undefined ? undefined : publicKeyOf(await read(keyFile, 'key'), keyFile),
    set: jwks === undefined || isUrl(jwks) ? undefined : setOfFile(await read(jwks, 'key set'), jwks),
  };
}

async function read(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (why) {
    throw new Error(`cannot read the ${what} of tokens (${(why as Error).message}): correct the path`, {
      cause: why,
    });
  }
}

function secretOf(text: string): KeyObject {
  const fault = secretFault(text);
  if (fault !== undefined) throw new Error(`the secret of tokens ${fault}`);
  return createSecretKey(secretOctets(text));
}

function publicKeyOf(pem: string, file: string): KeyObject {
  // From a private key Node makes the public one, and the file would lie about where it should not.
  if (pem.includes('PRIVATE KEY')) throw new Error(`${file} is a private key: give the hub the public one`);
  try {
    return createPublicKey(pem);
  } catch (why) {
    throw new Error(`${file} is neither a public key nor a certificate, PEM`, { cause: why });
  }
}

function setOfFile(text: string, file: string): KeySet {
  try {
    return keySetOf(text);
  } catch (why) {
    throw new Error(`${file}: ${(why as Error).message}`, { cause: why });
  }
}

function keySetOf(text: string): KeySet {
  let set: Partial<JSONWebKeySet>;
  try {
    set = JSON.parse(text) as Partial<JSONWebKeySet>;
  } catch {
    throw new Error('the key set is not JSON');
  }
  if (!Array.isArray(set?.keys) || set.keys.length > MAX_KEYS)
    throw new Error(`a key set is {"keys": […]} with at most ${MAX_KEYS} keys`);
  return createLocalJWKSet(set as JSONWebKeySet);
}

/** Without what may be a password in it. */
function bare(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
