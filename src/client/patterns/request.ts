// Request and response, the side that asks: one inbox for all answers, told apart by correlation.

import type { Client } from '../client.ts';
import { aborted, WaymeetError } from '../error.ts';
import type { IncomingMessage, MessageOptions, Payload } from '../message.ts';
import type { Subscription } from '../subscription.ts';
import { levelOf } from './level.ts';
import { CANCEL_PREFIX, correlationOf, END, FAILED, PART, STREAM } from './words.ts';

export interface RequestOptions extends Omit<MessageOptions, 'responseTopic' | 'correlation' | 'retain'> {
  /** How long to wait: for the answer, or with several for the last one. Default: 10 s. */
  readonly timeoutMs?: number;
  /** Gives up, and tells who answers. */
  readonly signal?: AbortSignal;
}

export const DEFAULT_TIMEOUT_MS = 10_000;

/** One request that waits. */
interface Waiting {
  arrived(m: IncomingMessage): void;
  failed(why: Error): void;
}

export interface Requests {
  one(topic: string, payload: Payload, o: RequestOptions): Promise<IncomingMessage>;
  /** Ends with the last part; leaving the loop takes the request back. */
  many(topic: string, payload: Payload, o: RequestOptions): AsyncGenerator<IncomingMessage, void, undefined>;
  /** All answers of whoever answers, until the time is over: that is no failure. */
  all(topic: string, payload: Payload, o: RequestOptions): AsyncGenerator<IncomingMessage, void, undefined>;
  end(why: Error): void;
}

/** The requests of one client, which share an inbox. */
export function requestsOf(client: Client): Requests {
  return new Asking(client);
}

class Asking implements Requests {
  private readonly client: Client;
  private readonly waiting = new Map<string, Waiting>();
  private inbox: Promise<Subscription> | undefined;
  private readonly prefix: string;
  private count = 0;

  constructor(client: Client) {
    this.client = client;
    const octets = client.world.random(6);
    this.prefix = Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('');
  }

  private get address(): string {
    return `reply/${levelOf(this.client.clientId)}`;
  }

  private listen(): Promise<Subscription> {
    if (this.inbox !== undefined) return this.inbox;
    const inbox = this.client.subscribe(this.address, { acknowledge: 'auto' });
    this.inbox = inbox;
    inbox.then(
      (s) => this.read(s),
      () => {
        this.inbox = undefined; // the next request tries again
      },
    );
    return inbox;
  }

  private async read(s: Subscription): Promise<void> {
    try {
      for await (const m of s) this.waiting.get(correlationOf(m.meta.correlation) ?? '')?.arrived(m);
    } catch (why) {
      this.end(why as Error);
    }
    this.inbox = undefined;
  }

  async one(topic: string, payload: Payload, o: RequestOptions): Promise<IncomingMessage> {
    for await (const m of this.many(topic, payload, o)) return m;
    throw new WaymeetError('answered-with-error', this.client.protocol, `'${topic}' answered nothing`);
  }

  many(topic: string, payload: Payload, o: RequestOptions) {
    return this.ask(topic, payload, o, false);
  }

  all(topic: string, payload: Payload, o: RequestOptions) {
    return this.ask(topic, payload, o, true);
  }

  private async *ask(
    topic: string,
    payload: Payload,
    o: RequestOptions,
    everybody: boolean,
  ): AsyncGenerator<IncomingMessage, void, undefined> {
    const { client } = this;
    const answers = new Answers(client, topic, o, everybody);
    const correlation = `${this.prefix}-${++this.count}`;
    this.check();
    await this.listen();
    this.waiting.set(correlation, answers);
    try {
      const { timeoutMs = DEFAULT_TIMEOUT_MS, signal, ...rest } = o;
      const expiry = client.ability.expiry && o.expiryMs === undefined ? { expiryMs: timeoutMs } : {};
      const qos = o.qos ?? (client.ability.publishQos.includes(1) ? 1 : 0);
      const question = { ...rest, ...expiry, qos, responseTopic: this.address, correlation };
      const sent = await client.publish(topic, payload, { ...question, ...(signal ? { signal } : {}) });
      if (sent === 'unmatched' && !everybody)
        throw new WaymeetError('unavailable', client.protocol, `nobody answers at '${topic}'`);
      for (;;) {
        const m = await answers.next();
        if (m === undefined) return;
        yield m;
      }
    } finally {
      this.waiting.delete(correlation);
      answers.close();
      if (!answers.complete && !everybody) this.cancel(topic, correlation);
    }
  }

  private check(): void {
    const { meta } = this.client.ability;
    if (meta.includes('responseTopic') && meta.includes('correlation')) return;
    const { protocol, server } = this.client;
    throw new WaymeetError(
      'not-supported',
      protocol,
      `${server || protocol} has no place for the address of an answer`,
      {
        fix: protocol === 'mqtt' ? 'use MQTT 5' : 'use a protocol that has it: docs/client.md has the table',
      },
    );
  }

  /** Best effort: who answers stops when it hears it. */
  private cancel(topic: string, correlation: string): void {
    if (!this.client.connected) return;
    this.client.publish(CANCEL_PREFIX + topic, '', { correlation }).catch(() => {
      // Nobody waits for it any more, and the answer would be dropped.
    });
  }

  end(why: Error): void {
    for (const waiting of this.waiting.values()) waiting.failed(why);
  }
}

/** The answers to one request, until the last one, the deadline, or the caller's end. */
class Answers implements Waiting {
  /** Nothing more is to come. */
  complete = false;
  private readonly client: Client;
  private readonly topic: string;
  private readonly everybody: boolean;
  private readonly queue: IncomingMessage[] = [];
  private failure: Error | undefined;
  private over = false;
  private wake: () => void = () => {};
  private readonly cancel: () => void;
  private readonly signal: AbortSignal | undefined;

  constructor(client: Client, topic: string, o: RequestOptions, everybody: boolean) {
    this.client = client;
    this.topic = topic;
    this.everybody = everybody;
    this.signal = o.signal;
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = o;
    this.cancel = client.world.timer(timeoutMs, () => this.late(timeoutMs));
    this.signal?.addEventListener('abort', this.gaveUp, { once: true });
    if (this.signal?.aborted) this.gaveUp();
  }

  private readonly gaveUp = () => this.failed(aborted(this.signal!, this.client.protocol));

  private late(ms: number): void {
    if (this.everybody) this.finish();
    else
      this.failed(
        new WaymeetError('timed-out', this.client.protocol, `no answer from '${this.topic}' within ${ms} ms`),
      );
  }

  arrived(m: IncomingMessage): void {
    if (this.over) return;
    const kind = m.property(STREAM);
    if (kind === FAILED && !this.everybody) {
      this.complete = true;
      const said = `'${this.topic}' failed: ${m.text()}`;
      this.failed(new WaymeetError('answered-with-error', this.client.protocol, said));
      return;
    }
    if (kind !== END) this.queue.push(m);
    if (kind === PART || this.everybody) this.wake();
    else {
      this.complete = true;
      this.finish();
    }
  }

  failed(why: Error): void {
    this.failure ??= why;
    this.finish();
  }

  private finish(): void {
    this.over = true;
    this.wake();
  }

  async next(): Promise<IncomingMessage | undefined> {
    for (;;) {
      const m = this.queue.shift();
      if (m !== undefined) return m;
      if (this.failure !== undefined) throw this.failure;
      if (this.over) return undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  close(): void {
    this.over = true;
    this.cancel();
    this.signal?.removeEventListener('abort', this.gaveUp);
  }
}
