// Request and response, the side that answers: one payload, or a stream of them; stops when nobody waits any more.

import type { Qos } from '../../contract/message.ts';
import type { Client } from '../client.ts';
import { WaymeetError } from '../error.ts';
import { plainFilter } from '../match.ts';
import type { IncomingMessage, Payload } from '../message.ts';
import type { SubscribeOptions, Subscription } from '../subscription.ts';
import { CANCEL_PREFIX, correlationOf, END, FAILED, FROM, PART, STREAM, userProperty } from './words.ts';

/**
 * Makes the answer to a request: a payload, or several as they come. What it throws is the answer too, as an error. `signal` aborts when
 * nobody waits any more.
 */
export type Responder = (
  request: IncomingMessage,
  signal: AbortSignal,
) => Payload | AsyncIterable<Payload> | Promise<Payload | AsyncIterable<Payload>>;

export interface RespondOptions extends SubscribeOptions {
  /** Stops after so many requests. */
  readonly most?: number;
}

export interface Responding {
  /** Requests that were answered, an error being an answer too. */
  readonly answered: number;
  /** Takes no more requests; resolves when those in hand are answered. Rejects when the client failed. */
  stop(): Promise<void>;
  /** As `stop`, without asking for it. */
  readonly over: Promise<void>;
}

/** Requests are answered side by side, as many as the subscription's buffer lets in. */
export async function respond(
  client: Client,
  filter: string,
  answer: Responder,
  options: RespondOptions = {},
): Promise<Responding> {
  const requests = await client.subscribe(filter, { ...options, acknowledge: 'explicit' });
  const cancels = await cancelsOf(client, filter);
  return new Desk(client, answer, requests, cancels, options.most ?? Number.POSITIVE_INFINITY);
}

/** Taking a request back is a service: where it cannot be heard, the answer is made in vain. */
async function cancelsOf(client: Client, filter: string): Promise<Subscription | undefined> {
  const plain = plainFilter(filter);
  if (plain.startsWith('$')) return undefined;
  try {
    return await client.subscribe(CANCEL_PREFIX + plain, { qos: 0 });
  } catch {
    return undefined; // the rules may not allow it, or another responder of this client listens there
  }
}

class Desk implements Responding {
  answered = 0;
  readonly over: Promise<void>;
  private readonly client: Client;
  private readonly answer: Responder;
  private readonly requests: Subscription;
  private readonly working = new Map<string, AbortController>();
  private readonly inHand = new Set<Promise<void>>();

  constructor(
    client: Client,
    answer: Responder,
    requests: Subscription,
    cancels: Subscription | undefined,
    most: number,
  ) {
    this.client = client;
    this.answer = answer;
    this.requests = requests;
    this.over = this.take(most).finally(() => cancels?.close());
    // Who does not wait for it learns of a failure when he uses the client.
    this.over.catch(() => {});
    if (cancels !== undefined) void this.heed(cancels);
  }

  async stop(): Promise<void> {
    await this.requests.close();
    await this.over;
  }

  private async take(most: number): Promise<void> {
    let left = most;
    for await (const request of this.requests) {
      const work: Promise<void> = this.work(request).finally(() => this.inHand.delete(work));
      this.inHand.add(work);
      if (--left === 0) break;
    }
    await Promise.all(this.inHand);
  }

  private async heed(cancels: Subscription): Promise<void> {
    try {
      for await (const m of cancels) this.working.get(correlationOf(m.meta.correlation) ?? '')?.abort();
    } catch {
      // The client failed: `over` tells.
    }
  }

  private async work(request: IncomingMessage): Promise<void> {
    const key = correlationOf(request.meta.correlation);
    const stop = new AbortController();
    if (key !== undefined) this.working.set(key, stop);
    try {
      await this.reply(request, stop.signal);
      request.acknowledge();
    } catch (why) {
      // Who cannot be told waits until his time is over.
      await this.send(request, (why as Error).message, FAILED).catch(() => {});
      request.refuse('unavailable');
    } finally {
      this.answered++;
      if (key !== undefined && this.working.get(key) === stop) this.working.delete(key);
    }
  }

  private async reply(request: IncomingMessage, signal: AbortSignal): Promise<void> {
    const made = await this.answer(request, signal);
    if (!isStream(made)) {
      if (!signal.aborted) await this.send(request, made, undefined);
      return;
    }
    for await (const part of made) {
      if (signal.aborted) return;
      // 'unmatched': nobody listens at that address any more.
      if ((await this.send(request, part, PART)) === 'unmatched') return;
    }
    if (!signal.aborted) await this.send(request, '', END);
  }

  private async send(
    request: IncomingMessage,
    payload: Payload,
    kind: string | undefined,
  ): Promise<'ok' | 'unmatched'> {
    const { responseTopic, correlation } = request.meta;
    if (responseTopic === undefined) return 'ok';
    const { ability, clientId, protocol } = this.client;
    const named = ability.meta.includes('user');
    if (kind !== undefined && !named)
      throw new WaymeetError('not-supported', protocol, `${protocol} has no user properties, so no streams`);
    const user = [userProperty(FROM, clientId)];
    if (kind !== undefined) user.push(userProperty(STREAM, kind));
    const qos = Math.min(1, ability.publishQos.at(-1) ?? 0) as Qos;
    return this.client.publish(responseTopic, payload, {
      qos,
      ...(correlation === undefined ? {} : { correlation }),
      ...(named ? { user } : {}),
    });
  }
}

function isStream(made: Payload | AsyncIterable<Payload>): made is AsyncIterable<Payload> {
  return typeof made === 'object' && made !== null && Symbol.asyncIterator in made;
}
