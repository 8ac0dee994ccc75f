// Gets a client connected: round after round over its addresses, with waits between, following servers that send it on.

import type { Refusal } from '../contract/speaker.ts';
import { type Endpoint, Endpoints, isFinal, jitter, shown } from './endpoint.ts';
import { onAbort, WaymeetError } from './error.ts';
import type { HealthEvent } from './health.ts';
import { failureOf, Link, type LinkEvents, type LinkLogin, LoginRefused } from './link.ts';
import type { Settled, World } from './options.ts';

/** How to log in at an address. */
export interface Login extends LinkLogin {
  readonly url: URL;
  readonly events: LinkEvents;
}

export class Connector {
  private readonly endpoints: Endpoints;
  private readonly options: Settled;
  private readonly world: World;
  private readonly tell: (event: HealthEvent) => void;
  private readonly ending = new AbortController();
  private over: WaymeetError | undefined;
  /** Ends the wait between two rounds. */
  private awake: () => void = () => {};

  constructor(urls: readonly string[], options: Settled, world: World, tell: (event: HealthEvent) => void) {
    this.endpoints = new Endpoints(urls, options.order, () => this.fraction());
    this.options = options;
    this.world = world;
    this.tell = tell;
  }

  private fraction(): number {
    const [a, b, c] = this.world.random(3);
    return ((a! << 16) | (b! << 8) | c!) / 0x1000000;
  }

  /** No more attempts: what is under way rejects with `why`. */
  end(why: WaymeetError): void {
    this.over ??= why;
    this.ending.abort(why);
    this.hurry();
  }

  /** Rejects with WaymeetError when `rounds` over all addresses were in vain, no server will ever have us, or it was ended. */
  async connect(rounds: number, login: (url: URL) => Login): Promise<Link> {
    for (let round = 0; ; round++) {
      const failures: WaymeetError[] = [];
      do {
        if (this.over !== undefined) throw this.over;
        const found = await this.tryOne(this.endpoints.next(), login);
        if (found instanceof Link) return found;
        if (found !== undefined) failures.push(found);
      } while (!this.endpoints.roundOver);
      if (this.over !== undefined) throw this.over;
      const hopeless = failures.length > 0 && failures.every((f) => isFinal(f.code));
      if (hopeless || round + 1 >= rounds) throw failures.length === 1 ? failures[0]! : together(failures);
      await this.wait(round);
    }
  }

  /** Until round `round` is due: 0 is the first after a loss. */
  async wait(round: number): Promise<void> {
    const ms = jitter(round, this.options.waits, () => this.fraction());
    this.tell({ kind: 'waiting', ms });
    await new Promise<void>((resolve) => {
      const cancel = this.world.timer(ms, resolve);
      this.awake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Waits no longer. */
  hurry(): void {
    this.awake();
  }

  /** undefined: sent on to another server. */
  private async tryOne(
    endpoint: Endpoint,
    login: (url: URL) => Login,
  ): Promise<Link | WaymeetError | undefined> {
    const { url } = endpoint;
    const { world, options } = this;
    const { connectMs } = options;
    const late = new AbortController();
    const cancel = world.timer(connectMs, () =>
      late.abort(new WaymeetError('timed-out', '', `${shown(url)} did not let us in within ${connectMs} ms`)),
    );
    const decided = onAbort(this.ending.signal, () => late.abort(this.over));
    const began = world.now();
    try {
      const { events, ...how } = login(url);
      const link = await Link.open(url, world, options, how, events, late.signal);
      this.endpoints.reached(endpoint, world.now() - began);
      return link;
    } catch (cause) {
      if (cause instanceof LoginRefused && (await this.redirected(url, cause.why))) return undefined;
      const { reason } = late.signal as { reason: unknown };
      const why = failureOf(reason instanceof WaymeetError ? reason : cause, url);
      this.endpoints.failed(endpoint);
      this.tell({ kind: 'failed', url: shown(url), error: why });
      return why;
    } finally {
      cancel();
      decided();
    }
  }

  /** Whether the server at `from` sent us on, to somewhere that is now tried next. */
  async redirected(from: URL, why: Refusal | undefined): Promise<boolean> {
    if (why?.reference === undefined) return false;
    const moved = why.outcome === 'server-moved';
    if (!moved && why.outcome !== 'use-another-server') return false;
    const { placesIn } = await import('./redirect.ts');
    if (!this.endpoints.redirect(from, placesIn(why.reference, from), moved)) return false;
    this.tell({ kind: 'redirected', from: shown(from), to: why.reference });
    return true;
  }
}

function together(failures: readonly WaymeetError[]): WaymeetError {
  const lines = failures.map((f) => f.reason).join('; ');
  const cause = new AggregateError(failures, lines);
  return new WaymeetError('unreachable', '', lines === '' ? 'sent from server to server' : lines, { cause });
}
