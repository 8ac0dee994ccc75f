// Object security (RFC 8613): contexts, their keys and numbers, and what is sealed with them.

import { CborError, decodeCbor, encodeCbor } from '../../bytes/cbor.ts';
import { decodeRest } from './decode.ts';
import { encodeOptions, encodeUint } from './encode.ts';
import { sameOctets } from './exchange.ts';
import { CODE, type CoapOption, NOTHING, OPTION } from './packet.ts';

/** AES-CCM-16-64-128 and HKDF with SHA-256, which every implementation has [RFC8613-3.2]. A tower computes neither. */
export interface OscoreCrypto {
  derive(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** The ciphertext with its tag of 8 octets. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Undefined: it is not what was sealed. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
}

/** What both sides know beforehand. */
export interface OscoreSecret {
  /** Who the other side is, to the hub. */
  readonly user: string;
  readonly masterSecret: Uint8Array;
  readonly masterSalt: Uint8Array;
  /** Ours, and the other side's, which its requests name as `kid`. */
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly idContext: Uint8Array | undefined;
  /** The client makes an id context up for each start, in place of one that both know [RFC8613-B.2]. */
  readonly derives?: boolean;
}

const ALGORITHM = 10; // AES-CCM-16-64-128
const KEY_BYTES = 16;
const NONCE_BYTES = 13;
const PIV_BYTES = 5;
const MAX_ID_BYTES = NONCE_BYTES - 6;
const REPLAY_WINDOW = 32; // [RFC8613-3.2.2]
/** Sender sequence numbers go on from the ms since 2020: they grow over restarts without being stored, and fit 40 bits until 2054. */
const SEQUENCE_EPOCH_MS = Date.UTC(2020, 0, 1);

/** The fields of an OSCORE option [RFC8613-6.1]. */
export interface OscoreOption {
  readonly piv: Uint8Array;
  readonly kidContext: Uint8Array | undefined;
  readonly kid: Uint8Array | undefined;
}

/** Undefined: malformed. */
export function decodeOscoreOption(value: Uint8Array): OscoreOption | undefined {
  if (value.length === 0) return { piv: NOTHING, kidContext: undefined, kid: undefined };
  // 000 h k n(3) | piv(n) | s, context(s) if h | kid if k
  const flags = value[0]!;
  const n = flags & 7;
  if (flags > 0x1f || n > PIV_BYTES || (flags === 0 && value.length > 0)) return undefined;
  let at = 1 + n;
  if (at > value.length) return undefined;
  const piv = value.slice(1, at);
  let kidContext: Uint8Array | undefined;
  if ((flags & 0x10) !== 0) {
    const s = value[at];
    if (s === undefined || at + 1 + s > value.length) return undefined;
    kidContext = value.slice(at + 1, at + 1 + s);
    at += 1 + s;
  }
  if ((flags & 8) !== 0) return { piv, kidContext, kid: value.slice(at) };
  return at === value.length ? { piv, kidContext, kid: undefined } : undefined;
}

export function encodeOscoreOption({ piv, kid, kidContext }: OscoreOption): Uint8Array {
  const flags = piv.length | (kid === undefined ? 0 : 8) | (kidContext === undefined ? 0 : 0x10);
  if (flags === 0) return NOTHING;
  const context = kidContext === undefined ? [] : [kidContext.length, ...kidContext];
  return Uint8Array.from([flags, ...piv, ...context, ...(kid ?? [])]);
}

/** A sequence number in as few octets as it takes, at least one [RFC8613-6.1]. */
export function pivOf(sequence: number): Uint8Array {
  return sequence === 0 ? Uint8Array.of(0) : encodeUint(sequence);
}

/** The id contexts that a derivation tells are wrapped as CBOR byte strings, so that they are not taken for others [RFC8613-B.2]. */
export function wrapped(octets: Uint8Array): Uint8Array {
  return encodeCbor(octets);
}

/** Undefined: it is nothing that was wrapped. */
export function unwrapped(octets: Uint8Array): Uint8Array | undefined {
  try {
    const inner = decodeCbor(octets);
    return inner instanceof Uint8Array ? inner : undefined;
  } catch (why) {
    if (why instanceof CborError) return undefined;
    throw why;
  }
}

export function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** A message in clear: code, options and payload. */
export interface Plain {
  readonly code: number;
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

/** Derived keys, our sequence number and the other side's replay window [RFC8613-3.1]. */
export class OscoreContext {
  readonly secret: OscoreSecret;
  private readonly cipher: OscoreCrypto;
  private readonly senderKey: Uint8Array;
  private readonly recipientKey: Uint8Array;
  private readonly commonIv: Uint8Array;
  private sequence = -1;
  /** The highest number that came, and those below it that did; undefined until the other side proved that it is there [RFC8613-B.1.2]. */
  private highest: number | undefined;
  private recent: number[] = [];
  private echo: Uint8Array | undefined;

  constructor(secret: OscoreSecret, cipher: OscoreCrypto) {
    if (secret.senderId.length > MAX_ID_BYTES || secret.recipientId.length > MAX_ID_BYTES)
      throw new RangeError(`an OSCORE id of more than ${MAX_ID_BYTES} octets`);
    this.secret = secret;
    this.cipher = cipher;
    this.senderKey = this.deriveKey(secret.senderId, 'Key', KEY_BYTES);
    this.recipientKey = this.deriveKey(secret.recipientId, 'Key', KEY_BYTES);
    this.commonIv = this.deriveKey(NOTHING, 'IV', NONCE_BYTES);
  }

  /** [RFC8613-3.2.1] */
  private deriveKey(id: Uint8Array, type: string, length: number): Uint8Array {
    const { masterSecret, masterSalt, idContext } = this.secret;
    const info = encodeCbor([id, idContext ?? null, ALGORITHM, type, length]);
    return this.cipher.derive(masterSecret, masterSalt, info, length);
  }

  /** The same secret with another id context, which makes other keys of it. */
  derived(idContext: Uint8Array): OscoreContext {
    return new OscoreContext({ ...this.secret, idContext }, this.cipher);
  }

  /** [RFC8613-5.2] */
  private nonce(id: Uint8Array, piv: Uint8Array): Uint8Array {
    // size of id | id, padded on the left | piv, padded on the left
    const nonce = new Uint8Array(NONCE_BYTES);
    nonce[0] = id.length;
    nonce.set(id, 1 + MAX_ID_BYTES - id.length);
    nonce.set(piv, NONCE_BYTES - piv.length);
    return nonce.map((octet, i) => octet ^ this.commonIv[i]!);
  }

  /** [RFC8613-5.4] */
  private aad(kid: Uint8Array, piv: Uint8Array): Uint8Array {
    const external = encodeCbor([1, [ALGORITHM], kid, piv, NOTHING]);
    return encodeCbor(['Encrypt0', NOTHING, external]);
  }

  /** The request in clear; undefined: it is not the other side's, or was changed on its way. */
  open(piv: Uint8Array, ciphertext: Uint8Array): Plain | undefined {
    const { recipientId } = this.secret;
    const nonce = this.nonce(recipientId, piv);
    return this.opened(nonce, this.aad(recipientId, piv), ciphertext);
  }

  /**
   * An answer to our request `piv`, sealed under its nonce or, with `ownPiv`, its sender's own: for a client. `asked` is the context of the
   * request, where the answer has another one.
   */
  openAnswer(
    piv: Uint8Array,
    ownPiv: Uint8Array,
    ciphertext: Uint8Array,
    asked: OscoreContext = this,
  ): Plain | undefined {
    const { senderId, recipientId } = this.secret;
    const nonce = ownPiv.length === 0 ? asked.nonce(senderId, piv) : this.nonce(recipientId, ownPiv);
    return this.opened(nonce, this.aad(senderId, piv), ciphertext);
  }

  private opened(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Plain | undefined {
    const plaintext = this.cipher.open(this.recipientKey, nonce, aad, ciphertext);
    if (plaintext === undefined || plaintext.length === 0) return undefined;
    const rest = decodeRest(plaintext, 1, plaintext.length);
    return typeof rest === 'string' ? undefined : { code: plaintext[0]!, ...rest };
  }

  /** A request of ours: for a client. */
  sealRequest(piv: Uint8Array, plain: Plain): Uint8Array {
    const { senderId } = this.secret;
    return this.sealed(this.nonce(senderId, piv), this.aad(senderId, piv), plain);
  }

  /** An answer to request `piv`: under the request's nonce, which only one answer may use, or with a number of its own. */
  sealAnswer(piv: Uint8Array, ownPiv: Uint8Array | undefined, plain: Plain): Uint8Array {
    const { senderId, recipientId } = this.secret;
    const nonce = ownPiv === undefined ? this.nonce(recipientId, piv) : this.nonce(senderId, ownPiv);
    return this.sealed(nonce, this.aad(recipientId, piv), plain);
  }

  private sealed(nonce: Uint8Array, aad: Uint8Array, plain: Plain): Uint8Array {
    const rest = encodeOptions(plain.options, 0, plain.payload);
    const plaintext = new Uint8Array(1 + rest.length);
    plaintext[0] = plain.code;
    plaintext.set(rest, 1);
    return this.cipher.seal(this.senderKey, nonce, aad, plaintext);
  }

  /** A fresh number of ours. */
  nextPiv(now: number): Uint8Array {
    this.sequence = Math.max(this.sequence + 1, now - SEQUENCE_EPOCH_MS);
    return pivOf(this.sequence);
  }

  /** Nobody can have used it before: nothing is stale yet. */
  begin(): void {
    this.highest = -1;
  }

  /** 'stale': replayed; 'unsure': nobody knows since we started, so an Echo must tell. */
  judge(sequence: number): 'fresh' | 'stale' | 'unsure' {
    if (this.highest === undefined) return 'unsure';
    if (sequence > this.highest) return 'fresh';
    return sequence <= this.highest - REPLAY_WINDOW || this.recent.includes(sequence) ? 'stale' : 'fresh';
  }

  /** Request number `sequence` was taken. */
  took(sequence: number): void {
    this.highest = Math.max(this.highest ?? sequence, sequence);
    const lowest = this.highest - REPLAY_WINDOW;
    this.recent = [...this.recent.filter((n) => n > lowest), sequence];
  }

  /** Whether the request carries the Echo that `challenge` asked for. */
  echoed(options: readonly CoapOption[]): boolean {
    const echo = options.find((o) => o.number === OPTION.echo);
    return echo !== undefined && this.echo !== undefined && sameOctets(echo.value, this.echo);
  }

  challenge(random: (length: number) => Uint8Array): CoapOption {
    this.echo ??= random(8);
    return { number: OPTION.echo, value: this.echo };
  }
}

/** One request's protection: its answers are sealed with it. */
export class Protection {
  readonly context: OscoreContext;
  private readonly piv: Uint8Array;
  private readonly now: () => number;
  /** What the client needs to derive the context of the answer. */
  private readonly kidContext: Uint8Array | undefined;
  /** The request's own nonce was used, by the one answer that may. */
  private spent = false;

  constructor(context: OscoreContext, piv: Uint8Array, now: () => number, kidContext?: Uint8Array) {
    this.context = context;
    this.piv = piv;
    this.now = now;
    this.kidContext = kidContext;
  }

  get user(): string {
    return this.context.secret.user;
  }

  /** From now on answers have numbers of their own. */
  spend(): void {
    this.spent = true;
  }

  /** The answer as it goes out: the outer code says no more than whether it is a notification [RFC8613-4.2]. */
  seal(code: number, options: readonly CoapOption[], payload: Uint8Array): Plain {
    const observe = options.find((o) => o.number === OPTION.observe);
    const own = this.spent || observe !== undefined ? this.context.nextPiv(this.now()) : undefined;
    this.spent = true;
    // Inside, Observe is empty: the order is told by the number that nobody can change [RFC8613-4.1.3.5.2].
    const inner = options.map((o) => (o.number === OPTION.observe ? { ...o, value: NOTHING } : o));
    const ciphertext = this.context.sealAnswer(this.piv, own, { code, options: inner, payload });
    const value = encodeOscoreOption({ piv: own ?? NOTHING, kid: undefined, kidContext: this.kidContext });
    const outer = { number: OPTION.oscore, value };
    return {
      code: observe === undefined ? CODE.changed : CODE.content,
      options: observe === undefined ? [outer] : [observe, outer],
      payload: ciphertext,
    };
  }
}

/**
 * A context's lines in a file, `user:their id:our id:secret[:salt[:context]]`, all but the user in hex; a context of `*` is made up by the
 * client at each start. Throws RangeError.
 */
export function parseSecrets(text: string, hex: (digits: string) => Uint8Array): OscoreSecret[] {
  const found: OscoreSecret[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [user, recipient, sender, secret, salt = '', context] = line.trim().split(':');
    if (!user || recipient === undefined || sender === undefined || !secret)
      throw new RangeError(
        `line ${i + 1}: write user:their id:our id:secret[:salt[:context]], in hex but the user`,
      );
    const derives = context === '*';
    const idContext = context === undefined || derives ? undefined : hex(context);
    found.push({
      user,
      recipientId: hex(recipient),
      senderId: hex(sender),
      masterSecret: hex(secret),
      masterSalt: hex(salt),
      idContext,
      derives,
    });
  }
  return found;
}
