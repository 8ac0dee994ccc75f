// SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, RFC 7677), the server's side: neither the wire nor the users file holds a password.

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import type { Exchange, ExchangeStep, Identity } from '../contract/auth.ts';
import type { Outcome } from '../contract/outcome.ts';

/** Strongest first; the other one is for clients of XMPP that know no better. */
export const MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-1'] as const;
export type ScramMechanism = (typeof MECHANISMS)[number];

interface Hash {
  readonly name: 'sha256' | 'sha1';
  readonly bytes: number;
}

const HASH: Readonly<Record<ScramMechanism, Hash>> = {
  'SCRAM-SHA-256': { name: 'sha256', bytes: 32 },
  'SCRAM-SHA-1': { name: 'sha1', bytes: 20 },
};

export function isMechanism(name: string): name is ScramMechanism {
  return name === 'SCRAM-SHA-256' || name === 'SCRAM-SHA-1';
}

/** [RFC7677-4] asks for at least so many. */
export const MIN_ITERATIONS = 4_096;
const MAX_ITERATIONS = 10_000_000;
/** What a device computes at each login: 15,000 is some ms on a phone, about a second on a small microcontroller. */
export const DEFAULT_ITERATIONS = 15_000;
const MAX_STEP_BYTES = 4_096;

/** What is kept of a password: enough to check a proof, not to make one. */
export interface ScramCredential {
  readonly mechanism: ScramMechanism;
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

export async function scramCredential(
  password: string,
  iterations = DEFAULT_ITERATIONS,
  salt: Uint8Array = randomBytes(16),
  mechanism: ScramMechanism = 'SCRAM-SHA-256',
): Promise<ScramCredential> {
  if (!Number.isInteger(iterations) || iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
    throw new RangeError(
      `SCRAM iterations must be ${MIN_ITERATIONS} to ${MAX_ITERATIONS}, not ${iterations}`,
    );
  }
  const hash = HASH[mechanism];
  const salted = await promisify(pbkdf2)(prepare(password), salt, iterations, hash.bytes, hash.name);
  return {
    mechanism,
    iterations,
    salt,
    storedKey: digest(hash, hmac(hash, salted, 'Client Key')),
    serverKey: hmac(hash, salted, 'Server Key'),
  };
}

/** `SCRAM-SHA-256$15000:salt$StoredKey:ServerKey`, base64. */
export function formatScram(c: ScramCredential): string {
  return `${c.mechanism}$${c.iterations}:${base64(c.salt)}$${base64(c.storedKey)}:${base64(c.serverKey)}`;
}

/** undefined when the text is not such a credential, or weaker than the standard allows. */
export function parseScram(text: string): ScramCredential | undefined {
  const found = /^(SCRAM-SHA-(?:256|1))\$(\d{1,8}):([\w+/=]+)\$([\w+/=]+):([\w+/=]+)$/.exec(text);
  if (found === null) return undefined;
  const mechanism = found[1] as ScramMechanism;
  const iterations = Number(found[2]);
  const [salt, storedKey, serverKey] = found.slice(3).map((part) => Buffer.from(part, 'base64'));
  const { bytes } = HASH[mechanism];
  if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS || salt!.length === 0) return undefined;
  if (storedKey!.length !== bytes || serverKey!.length !== bytes) return undefined;
  return { mechanism, iterations, salt: salt!, storedKey: storedKey!, serverKey: serverKey! };
}

export interface ScramServer {
  /** The credential of a normalised name. */
  find(name: string): ScramCredential | undefined;
  /** Who has proved to be `name`. */
  proved(name: string): Identity | Outcome;
  /** At least 16 secret octets, the same for the life of the process: they make the salts of unknown names. */
  readonly secret: Uint8Array;
  /** What unknown names are told: what most users have, so that they look like one. */
  readonly usualIterations: number;
  /** The server's part of the nonce: printable ASCII without a comma. */
  nonce?(): string;
}

/*
 * state   | takes                                | gives                           | next
 * first   | client-first  n,,n=user,r=abc        | challenge r=abcXYZ,s=…,i=…      | final
 * final   | client-final  c=biws,r=abcXYZ,p=…    | done v=…                        | over
 * any     | anything else                        | refused                         | over
 */
export class ScramExchange implements Exchange {
  private state: 'first' | 'final' | 'over' = 'first';
  private readonly server: ScramServer;
  private readonly mechanism: ScramMechanism;
  private readonly hash: Hash;
  private header = '';
  private name = '';
  private nonce = '';
  private known = false;
  private credential: ScramCredential | undefined;
  private clientFirstBare = '';
  private serverFirst = '';

  constructor(server: ScramServer, mechanism: ScramMechanism = 'SCRAM-SHA-256') {
    this.server = server;
    this.mechanism = mechanism;
    this.hash = HASH[mechanism];
  }

  async step(fromClient: Uint8Array): Promise<ExchangeStep> {
    const state = this.state;
    this.state = 'over';
    const text = decodeStep(fromClient);
    if (text === undefined || state === 'over') return refused('bad-credentials');
    return state === 'first' ? this.first(text) : this.final(text);
  }

  private first(text: string): ExchangeStep {
    // gs2-cbind-flag "," [a=authzid] "," [m=…] n=name "," r=nonce ["," extensions] [RFC5802-7]
    const found =
      /^((?:n|y|p=[^,]*),(?:a=([^,]*))?,)((m=[^,]*,)?n=([^,]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/.exec(
        text,
      );
    if (found === null) return refused('bad-credentials');
    const [, header, authzid, bare, mandatory, saslname, clientNonce] = found;
    // `p`: channel binding, which only a -PLUS mechanism has, and that is not offered. `y`: the client could, and sees rightly that
    // we do not offer it [RFC5802-6]. `m=`: an extension that must be understood, and we know none [RFC5802-5.1].
    if (header!.startsWith('p') || mandatory !== undefined) return refused('bad-authentication-method');
    const name = decodeName(saslname!);
    if (name === undefined) return refused('bad-credentials');
    // To act for somebody else is nobody's right here.
    if (authzid !== undefined && decodeName(authzid) !== name) return refused('not-authorized');
    this.header = header!;
    this.name = name;
    this.clientFirstBare = bare!;
    const credential = this.server.find(name);
    this.known = credential !== undefined;
    this.credential = credential ?? unknownCredential(this.server, name, this.mechanism);
    this.nonce = clientNonce! + (this.server.nonce?.() ?? randomBytes(18).toString('base64'));
    this.serverFirst = `r=${this.nonce},s=${base64(this.credential.salt)},i=${this.credential.iterations}`;
    this.state = 'final';
    return { kind: 'challenge', reply: Buffer.from(this.serverFirst) };
  }

  private final(text: string): ExchangeStep {
    const found = /^(c=([\w+/=]+),r=([^,]+)(?:,.*)?),p=([\w+/=]+)$/.exec(text);
    if (found === null) return refused('bad-credentials');
    const [, withoutProof, binding, nonce, proof64] = found;
    // The same header again, so that nobody between us can have changed it [RFC5802-6].
    if (binding !== base64(Buffer.from(this.header)) || nonce !== this.nonce)
      return refused('bad-credentials');
    const proof = Buffer.from(proof64!, 'base64');
    const { storedKey, serverKey } = this.credential!;
    if (proof.length !== this.hash.bytes) return refused('bad-credentials');
    const authMessage = `${this.clientFirstBare},${this.serverFirst},${withoutProof}`;
    const signature = hmac(this.hash, storedKey, authMessage);
    const clientKey = proof.map((octet, i) => octet ^ signature[i]!);
    if (!timingSafeEqual(digest(this.hash, clientKey), storedKey) || !this.known)
      return refused('bad-credentials');
    const identity = this.server.proved(this.name);
    if (typeof identity === 'string') return refused(identity);
    return {
      kind: 'done',
      identity,
      reply: Buffer.from(`v=${base64(hmac(this.hash, serverKey, authMessage))}`),
    };
  }
}

/** Unknown names get a challenge too, always the same, so that it cannot be told who exists. */
function unknownCredential(
  { secret, usualIterations }: ScramServer,
  name: string,
  mechanism: ScramMechanism,
): ScramCredential {
  const hash = HASH[mechanism];
  const salt = hmac(HASH['SCRAM-SHA-256'], secret, `salt ${mechanism} ${name}`).subarray(0, 16);
  const key = hmac(hash, secret, `key ${name}`);
  return { mechanism, iterations: usualIterations, salt, storedKey: key, serverKey: key };
}

function decodeStep(bytes: Uint8Array): string | undefined {
  if (bytes.length > MAX_STEP_BYTES) return undefined;
  const text = Buffer.from(bytes).toString('utf8');
  return text.includes('\0') || !Buffer.from(text).equals(bytes) ? undefined : text;
}

/** saslname: `=2C` is a comma, `=3D` an equals sign, and no other `=` may occur [RFC5802-5.1]; then SASLprep. */
function decodeName(saslname: string): string | undefined {
  if (/=(?!2C|3D)/.test(saslname)) return undefined;
  return normaliseName(saslname.replaceAll('=2C', ',').replaceAll('=3D', '='));
}

/** SASLprep leaves printable ASCII alone [RFC4013-2]; its tables, 5 MB of resident memory, are loaded for the first text that needs them. */
function prepare(text: string): string {
  if (/^[ -~]*$/.test(text)) return text;
  const saslprep: (text: string) => string = createRequire(import.meta.url)('@mongodb-js/saslprep');
  return saslprep(text);
}

/** The SASLprep form of a name, or undefined when it has none or is empty [RFC4013]. */
export function normaliseName(name: string): string | undefined {
  try {
    return prepare(name) || undefined;
  } catch {
    return undefined; // a prohibited or unassigned code point: no user has such a name
  }
}

function refused(why: Outcome): ExchangeStep {
  return { kind: 'refused', why };
}

function hmac(hash: Hash, key: Uint8Array, text: string): Buffer {
  return createHmac(hash.name, key).update(text).digest();
}

function digest(hash: Hash, bytes: Uint8Array): Buffer {
  return createHash(hash.name).update(bytes).digest();
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
