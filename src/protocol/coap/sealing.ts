// The calling side of OSCORE (RFC 8613): requests are sealed, and answers opened with what their request was sealed with.

import {
  decodeOscoreOption,
  encodeOscoreOption,
  OscoreContext,
  type OscoreCrypto,
  type OscoreSecret,
} from './oscore.ts';
import { CODE, type CoapMessage, type CoapOption, OPTION } from './packet.ts';

/** Options that stay outside, because those on the way need them [RFC8613-4.1.2]. */
const OUTER: ReadonlySet<number> = new Set([OPTION.uriHost, OPTION.uriPort]);

export interface SealedRequest {
  readonly code: number;
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
  /** The number that its answers are bound to. */
  readonly piv: Uint8Array;
}

/** One context in the role of the client. Its numbers grow with the clock, so that a new start never uses one twice. */
export class Sealing {
  private readonly context: OscoreContext;
  private readonly now: () => number;

  constructor(secret: OscoreSecret, cipher: OscoreCrypto, now: () => number) {
    this.context = new OscoreContext(secret, cipher);
    this.now = now;
  }

  /** The request as it goes out: POST, or FETCH where notifications are to come [RFC8613-4.2]. */
  seal(code: number, options: readonly CoapOption[], payload: Uint8Array): SealedRequest {
    const { context } = this;
    const { senderId, idContext } = context.secret;
    const piv = context.nextPiv(this.now());
    const inner = options.filter((o) => !OUTER.has(o.number));
    const observe = options.filter((o) => o.number === OPTION.observe);
    const value = encodeOscoreOption({ piv, kid: senderId, kidContext: idContext });
    const outer = [
      ...options.filter((o) => OUTER.has(o.number)),
      ...observe,
      { number: OPTION.oscore, value },
    ];
    return {
      code: observe.length > 0 ? CODE.fetch : CODE.post,
      options: outer.toSorted((a, b) => a.number - b.number),
      payload: context.sealRequest(piv, { code, options: inner, payload }),
      piv,
    };
  }

  /**
   * The answer to the request of that number, in clear. Undefined: it is not the other side's. What is not sealed can be an error about the
   * sealing, and nothing else [RFC8613-8.4].
   */
  open(m: CoapMessage, piv: Uint8Array): CoapMessage | undefined {
    const option = m.options.find((o) => o.number === OPTION.oscore);
    if (option === undefined) return m.code >> 5 === 4 ? m : undefined;
    const own = decodeOscoreOption(option.value);
    const plain = own === undefined ? undefined : this.context.openAnswer(piv, own.piv, m.payload);
    if (plain === undefined) return undefined;
    // The order of notifications is told by the number that nobody can change, as far as Observe has room for it [RFC8613-4.1.3.5.2].
    const options = plain.options.map((o) =>
      o.number === OPTION.observe ? { number: o.number, value: own!.piv.slice(-3) } : o,
    );
    return { ...m, code: plain.code, options, payload: plain.payload };
  }
}
