// The calling side of OSCORE (RFC 8613): requests are sealed, and answers opened with what their request was sealed with.

import { sameOctets } from './exchange.ts';
import {
  decodeOscoreOption,
  encodeOscoreOption,
  joined,
  OscoreContext,
  type OscoreCrypto,
  type OscoreOption,
  type OscoreSecret,
  unwrapped,
  wrapped,
} from './oscore.ts';
import { CODE, type CoapMessage, type CoapOption, NOTHING, OPTION } from './packet.ts';

/** Options that stay outside, because those on the way need them [RFC8613-4.1.2]. */
const OUTER: ReadonlySet<number> = new Set([OPTION.uriHost, OPTION.uriPort, OPTION.proxyScheme]);
/** Octets that are our part of an id context. */
const NONCE_BYTES = 8;

/** What the answers of a request are bound to: its keys and its number. */
export interface Binding {
  readonly context: OscoreContext;
  readonly piv: Uint8Array;
}

export interface SealedRequest {
  readonly code: number;
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
  readonly binding: Binding;
}

export interface OpenedAnswer {
  readonly message: CoapMessage;
  /** The keys are others from now on: it is no answer yet, and the request is to be sealed and sent again. */
  readonly renewed: boolean;
}

/** One context in the role of the client. Its numbers grow with the clock, so that a new start never uses one twice. */
export class Sealing {
  private readonly base: OscoreContext;
  private readonly now: () => number;
  private readonly random: (length: number) => Uint8Array;
  private context: OscoreContext;
  /** The id context as requests tell it; undefined: the other side knows it. */
  private told: Uint8Array | undefined;

  constructor(
    secret: OscoreSecret,
    cipher: OscoreCrypto,
    now: () => number,
    random: (length: number) => Uint8Array,
  ) {
    this.base = new OscoreContext(secret, cipher);
    this.now = now;
    this.random = random;
    this.context = this.base;
    this.told = secret.idContext;
    if (secret.derives === true) this.derive(NOTHING);
  }

  /** From now on the id context is the other side's part, if there is one yet, and one of ours [RFC8613-B.2]. */
  private derive(theirs: Uint8Array): void {
    const idContext = joined(theirs, this.random(NONCE_BYTES));
    this.context = this.base.derived(idContext);
    this.told = wrapped(idContext);
  }

  /** The request as it goes out: POST, or FETCH where notifications are to come [RFC8613-4.2]. */
  seal(code: number, options: readonly CoapOption[], payload: Uint8Array): SealedRequest {
    const { context } = this;
    const piv = context.nextPiv(this.now());
    const inner = options.filter((o) => !OUTER.has(o.number));
    const observe = options.filter((o) => o.number === OPTION.observe);
    const value = encodeOscoreOption({ piv, kid: context.secret.senderId, kidContext: this.told });
    const outer = [
      ...options.filter((o) => OUTER.has(o.number)),
      ...observe,
      { number: OPTION.oscore, value },
    ];
    return {
      code: observe.length > 0 ? CODE.fetch : CODE.post,
      options: outer.toSorted((a, b) => a.number - b.number),
      payload: context.sealRequest(piv, { code, options: inner, payload }),
      binding: { context, piv },
    };
  }

  /**
   * The answer to the request of that binding, in clear. Undefined: it is not the other side's. What is not sealed can be an error about the
   * sealing, and nothing else [RFC8613-8.4].
   */
  open(m: CoapMessage, binding: Binding): OpenedAnswer | undefined {
    const option = m.options.find((o) => o.number === OPTION.oscore);
    if (option === undefined) return m.code >> 5 === 4 ? this.complained(m, binding) : undefined;
    const own = decodeOscoreOption(option.value);
    if (own === undefined) return undefined;
    const { context, piv } = binding;
    const offer = own.kidContext === undefined ? undefined : this.offered(m, own, own.kidContext, binding);
    if (offer !== undefined) return offer;
    const plain = context.openAnswer(piv, own.piv, m.payload);
    if (plain === undefined) return undefined;
    // Who answers under a derived context has derived it too.
    if (context === this.context && context !== this.base) this.told = undefined;
    // The order of notifications is told by the number that nobody can change, as far as Observe has room for it [RFC8613-4.1.3.5.2].
    const options = plain.options.map((o) =>
      o.number === OPTION.observe ? { number: o.number, value: own.piv.slice(-3) } : o,
    );
    return { message: { ...m, code: plain.code, options, payload: plain.payload }, renewed: false };
  }

  /** An answer with the other side's part of an id context, sealed with that and the request's own [RFC8613-B.2]. */
  private offered(
    m: CoapMessage,
    own: OscoreOption,
    kidContext: Uint8Array,
    { context, piv }: Binding,
  ): OpenedAnswer | undefined {
    const { idContext = NOTHING } = context.secret;
    const theirs = unwrapped(kidContext);
    if (theirs === undefined || sameOctets(theirs, idContext)) return undefined;
    const next = context.derived(joined(theirs, idContext));
    const plain = next.openAnswer(piv, own.piv, m.payload, context);
    if (plain === undefined) return undefined;
    if (context === this.context) this.derive(theirs);
    return { message: { ...m, ...plain }, renewed: true };
  }

  /** Who has forgotten what was derived says that it cannot open it: then it is derived anew. */
  private complained(message: CoapMessage, { context }: Binding): OpenedAnswer {
    const forgot = this.base.secret.derives === true && this.told === undefined && context === this.context;
    if (forgot) this.derive(NOTHING);
    return { message, renewed: forgot };
  }
}
