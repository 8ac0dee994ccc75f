// The answering side of OSCORE (RFC 8613): which context opens a request, and contexts that clients derive anew (appendix B.2).

import { decodeUint } from './decode.ts';
import { sameOctets } from './exchange.ts';
import type { Refusal } from './options.ts';
import {
  decodeOscoreOption,
  joined,
  OscoreContext,
  type OscoreCrypto,
  type OscoreOption,
  type OscoreSecret,
  type Plain,
  Protection,
  unwrapped,
  wrapped,
} from './oscore.ts';
import { CODE, type CoapMessage, type CoapOption, NOTHING, OPTION } from './packet.ts';

/** Octets that are our part of an id context. */
const NONCE_BYTES = 8;
const MAX_ID_CONTEXT_BYTES = 64;
/** Derivations of one device that may be under way: a replayed first request starts one too, and must not stop the device's own. */
const MAX_OFFERS = 4;

/** What a device's requests may be sealed with: what the file says, and what it derived last. */
interface Held {
  readonly context: OscoreContext;
  derived: OscoreContext | undefined;
  /** Our parts of id contexts (R2) that were offered and not taken yet. Each is taken once, so that nothing can be replayed. */
  readonly offers: Uint8Array[];
}

/** All contexts of a hub, by what requests name. */
export class OscoreContexts {
  private readonly cipher: OscoreCrypto;
  private held: readonly Held[];

  constructor(secrets: readonly OscoreSecret[], cipher: OscoreCrypto) {
    this.cipher = cipher;
    this.held = secrets.map((secret) => this.hold(secret));
  }

  private hold(secret: OscoreSecret): Held {
    return { context: new OscoreContext(secret, this.cipher), derived: undefined, offers: [] };
  }

  /** From now on these. Those that stay keep their numbers: a nonce is never used twice, and nothing can be replayed. */
  replace(secrets: readonly OscoreSecret[]): void {
    const before = new Map(this.held.map((held) => [textOf(held.context.secret), held]));
    this.held = secrets.map((secret) => before.get(textOf(secret)) ?? this.hold(secret));
  }

  /** The contexts that a request may be sealed with, what was derived last before the others. */
  find(option: OscoreOption): OscoreContext[] {
    return this.of(option).flatMap(({ context, derived }) =>
      (derived === undefined ? [context] : [derived, context]).filter((one) => isNamed(one, option)),
    );
  }

  private of({ kid }: OscoreOption): readonly Held[] {
    if (kid === undefined) return [];
    return this.held.filter(({ context }) => sameOctets(context.secret.recipientId, kid));
  }

  /**
   * A request under an id context that nobody here knows: the first of a derivation, which gets our part of the next id context, or the
   * second, with the context that it derived from that [RFC8613-B.2]. Undefined: neither.
   *
   *     client → ID1            sealed with ID1
   *            ← R2             sealed with R2 ‖ ID1
   *            → R2 ‖ R3        sealed with R2 ‖ R3, as all that follows
   */
  derive(
    option: OscoreOption,
    ciphertext: Uint8Array,
    random: (length: number) => Uint8Array,
  ): Derivation | undefined {
    const { kidContext } = option;
    const inner = kidContext === undefined ? undefined : unwrapped(kidContext);
    if (inner === undefined || inner.length === 0 || inner.length > MAX_ID_CONTEXT_BYTES) return undefined;
    for (const held of this.of(option)) {
      if (held.context.secret.idContext !== undefined) continue; // it has one of its own
      const named = held.context.derived(inner);
      const plain = named.open(option.piv, ciphertext);
      if (plain === undefined) continue;
      const taken = held.offers.findIndex((r2) => sameOctets(r2, inner.subarray(0, NONCE_BYTES)));
      if (taken >= 0 && inner.length > NONCE_BYTES) {
        held.offers.splice(taken, 1);
        named.begin();
        held.derived = named;
        return { context: named, plain, offer: undefined };
      }
      const r2 = random(NONCE_BYTES);
      held.offers.push(r2);
      if (held.offers.length > MAX_OFFERS) held.offers.shift();
      return { context: held.context.derived(joined(r2, inner)), plain, offer: r2 };
    }
    return undefined;
  }
}

interface Derivation {
  readonly context: OscoreContext;
  readonly plain: Plain;
  /** Our part, which the answer tells; undefined: the derivation is complete. */
  readonly offer: Uint8Array | undefined;
}

/** Without an id context in the request, the key id alone names it. */
function isNamed({ secret: { idContext = NOTHING } }: OscoreContext, { kidContext }: OscoreOption): boolean {
  if (kidContext === undefined || sameOctets(idContext, kidContext)) return true;
  return idContext.length > 0 && sameOctets(wrapped(idContext), kidContext);
}

function textOf({ user, derives, ...octets }: OscoreSecret): string {
  const parts = Object.values(octets).map((one) => (one === undefined ? null : [...one]));
  return JSON.stringify([user, derives === true, ...parts]);
}

/** What came of a protected request: the request in clear, a challenge to be sealed, or a refusal in clear [RFC8613-8.2]. */
export type Opened =
  | { readonly kind: 'request'; readonly message: CoapMessage; readonly protection: Protection }
  | { readonly kind: 'challenge'; readonly echo: CoapOption; readonly protection: Protection }
  | ({ readonly kind: 'refused' } & Refusal);

/** Options that stay outside, because those on the way need them [RFC8613-4.1.2]. */
const OUTER: ReadonlySet<number> = new Set([OPTION.uriHost, OPTION.uriPort, OPTION.proxyScheme]);

export function openRequest(
  m: CoapMessage,
  contexts: OscoreContexts,
  random: (length: number) => Uint8Array,
  now: () => number,
): Opened {
  const option = decodeOscoreOption(m.options.find((o) => o.number === OPTION.oscore)!.value);
  if (option === undefined || option.kid === undefined || option.piv.length === 0)
    return refused(CODE.badOption, 'Failed to decode COSE');
  const { piv } = option;
  const found = contexts.find(option);
  if (found.length === 0) return derived(m, option, contexts, random, now);
  const sequence = decodeUint(piv);
  let stale = false;
  for (const context of found) {
    const verdict = context.judge(sequence);
    stale ||= verdict === 'stale';
    const plain = verdict === 'stale' ? undefined : context.open(piv, m.payload);
    if (plain === undefined) continue;
    const protection = new Protection(context, piv, now);
    if (verdict === 'unsure' && !context.echoed(plain.options)) {
      protection.spend(); // a replayed request must not make us seal two answers under one nonce
      return { kind: 'challenge', echo: context.challenge(random), protection };
    }
    context.took(sequence);
    return { kind: 'request', message: inClear(m, plain), protection };
  }
  return stale
    ? refused(CODE.unauthorized, 'Replay detected')
    : refused(CODE.badRequest, 'Decryption failed');
}

function derived(
  m: CoapMessage,
  option: OscoreOption,
  contexts: OscoreContexts,
  random: (length: number) => Uint8Array,
  now: () => number,
): Opened {
  const { piv } = option;
  const derivation = contexts.derive(option, m.payload, random);
  if (derivation === undefined) return refused(CODE.unauthorized, 'Security context not found');
  const { context, plain, offer } = derivation;
  if (offer === undefined) {
    context.took(decodeUint(piv));
    return { kind: 'request', message: inClear(m, plain), protection: new Protection(context, piv, now) };
  }
  // The Echo makes clients ask again that know it and not the derivation's own rule.
  const protection = new Protection(context, piv, now, wrapped(offer));
  protection.spend();
  return { kind: 'challenge', echo: context.challenge(random), protection };
}

function refused(code: number, why: string): Opened {
  return { kind: 'refused', code, why };
}

function inClear(m: CoapMessage, plain: Plain): CoapMessage {
  const observed = m.options.some((o) => o.number === OPTION.observe);
  const options = [
    ...m.options.filter((o) => OUTER.has(o.number)),
    // Without Observe outside, nobody on the way would let notifications through.
    ...plain.options.filter((o) => !OUTER.has(o.number) && (observed || o.number !== OPTION.observe)),
  ].toSorted((a, b) => a.number - b.number);
  return { ...m, code: plain.code, options, payload: plain.payload };
}
