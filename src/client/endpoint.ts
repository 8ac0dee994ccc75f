// Where to connect to: URLs, in which order they are tried, and how long to wait between.

import type { ErrorCode } from './error.ts';
import { WaymeetError } from './error.ts';

export type Order = 'ordered' | 'random' | 'latency';

/** Waits between attempts, ms. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** No server sends a client on more often in a row, unless they send it in a circle. */
const MOST_REDIRECTS = 8;

/** One address, and what is known of it. */
export interface Endpoint {
  readonly url: URL;
  /** How long the last login took, ms; undefined: not known. */
  latencyMs: number | undefined;
}

/** What nobody but a person can mend, so that trying again at the same server is no use. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'bad-credentials',
  'bad-authentication-method',
  'not-authorized',
  'identifier-invalid',
  'not-supported',
  'taken-over',
  'disconnected-by-admin',
  'usage',
]);

export function isFinal(code: ErrorCode): boolean {
  return FINAL.has(code);
}

export function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw new WaymeetError('usage', '', `'${text}' is no URL`, {
      fix: 'write it as mqtt://host:1883',
      cause,
    });
  }
}

/** The URL without its password. */
export function shown(url: URL): string {
  const copy = new URL(url);
  copy.username = '';
  copy.password = '';
  return copy.href;
}

/** The addresses of one client, and the next of them to try. */
export class Endpoints {
  private all: Endpoint[];
  private readonly order: Order;
  private readonly random: () => number;
  /** What is left of this round. */
  private round: Endpoint[] = [];
  private redirects = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(urls: readonly string[], order: Order, random: () => number) {
    this.all = urls.map((url) => ({ url: parseUrl(url), latencyMs: undefined }));
    this.order = order;
    this.random = random;
  }

  get roundOver(): boolean {
    return this.round.length === 0;
  }

  /** The next to try; a new round begins when all have been. */
  next(): Endpoint {
    if (this.round.length === 0) this.round = this.ordered();
    return this.round.shift()!;
  }

  private ordered(): Endpoint[] {
    const places: Record<Order, (endpoint: Endpoint) => number> = {
      ordered: () => 0,
      random: this.random,
      // What is not known comes first: it is measured by being tried.
      latency: ({ latencyMs }) => latencyMs ?? 0,
    };
    const round = this.all.map((endpoint) => ({ endpoint, place: places[this.order](endpoint) }));
    return round.sort((a, b) => a.place - b.place).map(({ endpoint }) => endpoint);
  }

  /** A login succeeded after `ms`: the next loss starts a new round. */
  reached(endpoint: Endpoint, ms: number): void {
    endpoint.latencyMs = ms;
    this.redirects = 0;
    this.round = [];
  }

  /** It cannot be used: those that were not tried come first, it last. */
  failed(endpoint: Endpoint): void {
    endpoint.latencyMs = Number.POSITIVE_INFINITY;
  }

  /**
   * The server at `from` names others: they are tried next, and if it `moved` for good they take its place. False: it names none, or has
   * sent us on too often.
   */
  redirect(from: URL, urls: readonly URL[], moved: boolean): boolean {
    if (urls.length === 0 || ++this.redirects > MOST_REDIRECTS) return false;
    const others = urls.map((url) => ({ url, latencyMs: undefined }));
    this.round.unshift(...others);
    if (moved) {
      const known = this.all.findIndex((endpoint) => endpoint.url.href === from.href);
      if (known >= 0) this.all.splice(known, 1, ...others);
    }
    return true;
  }
}

/** How long to wait before round `attempt`, 0 being the first again: anything up to a bound that doubles, so that clients spread out. */
export function jitter(attempt: number, { firstMs, maxMs }: Backoff, random: () => number): number {
  return Math.floor(random() * Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30)));
}
