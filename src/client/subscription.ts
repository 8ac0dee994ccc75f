// A subscription: messages as an async iterable, acknowledged as they are taken or by hand, and held back when nobody takes them.

import type { Qos } from '../contract/message.ts';
import type { SubscribeHow } from '../contract/speaker.ts';
import { aborted, onAbort } from './error.ts';
import type { IncomingMessage } from './message.ts';

export interface SubscribeOptions extends SubscribeHow {
  /** The highest level that is wanted. Default: 1. */
  readonly qos?: Qos;
  /**
   * 'auto': a message is acknowledged when the next one is asked for, so never one whose loop was left by `break` or an error.
   * 'explicit': when the caller says so. Default: auto.
   */
  readonly acknowledge?: 'auto' | 'explicit';
  /** So many messages wait here at most before the connection is no longer read, or, where it cannot wait, the oldest are dropped. */
  readonly buffer?: number;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

export const DEFAULT_BUFFER = 1_024;

/** What a subscription needs of its client. */
export interface SubscriptionHost {
  readonly protocol: string;
  /** It is too full, or no longer. */
  pressed(subscription: Subscription, full: boolean): void;
  unsubscribe(subscription: Subscription, signal?: AbortSignal): Promise<void>;
}

interface Taker {
  resolve(result: IteratorResult<IncomingMessage, undefined>): void;
  reject(why: Error): void;
}

const DONE = { done: true, value: undefined } as const;

/** Several loops over one subscription share its messages. */
export class Subscription implements AsyncIterable<IncomingMessage> {
  readonly filter: string;
  readonly options: SubscribeOptions;
  /** The level that the other side granted; undefined until it did. */
  granted: Qos | undefined;
  /** Messages of QoS 0 that were dropped because nobody took them and the protocol cannot wait. */
  dropped = 0;
  private readonly host: SubscriptionHost;
  private readonly buffer: number;
  private queue: IncomingMessage[] = [];
  private head = 0;
  private readonly takers: Taker[] = [];
  private full = false;
  private over: { why: Error | undefined } | undefined;

  constructor(filter: string, options: SubscribeOptions, host: SubscriptionHost) {
    this.filter = filter;
    this.options = options;
    this.host = host;
    this.buffer = options.buffer ?? DEFAULT_BUFFER;
  }

  /** Messages that wait here. */
  get waiting(): number {
    return this.queue.length - this.head;
  }

  /** @internal A message came. */
  push(m: IncomingMessage, drops: boolean): void {
    if (this.over !== undefined) return;
    const taker = this.takers.shift();
    if (taker !== undefined) {
      taker.resolve({ done: false, value: m });
      return;
    }
    this.queue.push(m);
    if (this.waiting <= this.buffer) return;
    if (!drops) this.press(true);
    else if (this.shift()?.settled === true) this.dropped++;
  }

  private press(full: boolean): void {
    if (this.full === full) return;
    this.full = full;
    this.host.pressed(this, full);
  }

  private shift(): IncomingMessage | undefined {
    const m = this.queue[this.head];
    if (m === undefined) return undefined;
    this.head++;
    if (this.head >= 256 && this.head * 2 >= this.queue.length) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
    if (this.full && this.waiting <= this.buffer / 2) this.press(false);
    return m;
  }

  /** The next message; undefined: the subscription is over. Rejects when the client failed, or `signal` aborts. */
  async next(signal?: AbortSignal): Promise<IncomingMessage | undefined> {
    const { value } = await this.take(signal);
    if (value !== undefined && this.options.acknowledge !== 'explicit') value.acknowledge();
    return value;
  }

  private take(signal?: AbortSignal): Promise<IteratorResult<IncomingMessage, undefined>> {
    const m = this.shift();
    if (m !== undefined) return Promise.resolve({ done: false, value: m });
    if (this.over !== undefined)
      return this.over.why === undefined ? Promise.resolve(DONE) : Promise.reject(this.over.why);
    if (signal?.aborted) return Promise.reject(aborted(signal, this.host.protocol));
    return new Promise((resolve, reject) => {
      const gaveUp = () => {
        const at = this.takers.indexOf(taker);
        if (at >= 0) this.takers.splice(at, 1);
        reject(aborted(signal!, this.host.protocol));
      };
      const settled = onAbort(signal, gaveUp);
      const taker: Taker = {
        resolve: (result) => {
          settled();
          resolve(result);
        },
        reject: (why) => {
          settled();
          reject(why);
        },
      };
      this.takers.push(taker);
    });
  }

  /** Leaving the loop early ends the subscription. */
  [Symbol.asyncIterator](): AsyncIterator<IncomingMessage, undefined> {
    const auto = this.options.acknowledge !== 'explicit';
    let last: IncomingMessage | undefined;
    return {
      next: async () => {
        if (auto) last?.acknowledge();
        const result = await this.take();
        last = result.value;
        return result;
      },
      // A loop is left by `break` or by an error, and nobody tells which: the last message is not acknowledged.
      return: async () => {
        await this.close();
        return DONE;
      },
    };
  }

  /** Ends it at the other side too. Loops over it end. */
  async close(signal?: AbortSignal): Promise<void> {
    if (this.over !== undefined) return;
    this.end(undefined);
    this.press(false);
    const left = this.queue.slice(this.head);
    this.queue = [];
    this.head = 0;
    // Others may want what a group or a queue gave to us; what a topic gave was ours alone.
    const common = /^\$(?:share|queue)\//.test(this.filter);
    for (const m of left)
      if (common) m.giveBack();
      else m.acknowledge();
    await this.host.unsubscribe(this, signal);
  }

  /** @internal It is over; what waits may still be taken, unless the client failed. */
  end(why: Error | undefined): void {
    if (this.over !== undefined) return;
    this.over = { why };
    for (const taker of this.takers.splice(0)) {
      if (why === undefined) taker.resolve(DONE);
      else taker.reject(why);
    }
  }
}
