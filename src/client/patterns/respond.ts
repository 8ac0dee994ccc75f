// Request and response, the side that answers: one payload, or a stream of them; stops when nobody waits any more.

import type { Qos } from '../../contract/message.ts';
import type { Client } from '../client.ts';
import { WaymeetError } from '../error.ts';
import { plainFilter } from '../match.ts';
import type { IncomingMessage, Payload } from '../message.ts';
import type { SubscribeOptions, Subscription } from '../subscription.ts';
import { CANCEL_PREFIX, correlationOf, END, FAILED, FROM, PART, STREAM, userProperty } from './request.ts';

/**
 * Makes the answer to a request: a payload, or several as they come. What it throws is the answer too, as an error. `signal` aborts when
 * nobody waits any more.
 */
export type Responder = (
  request: IncomingMessage,
  signal: AbortSignal,
) => Payload | AsyncIterable<Payload> | Promise<Payload | AsyncIterable<Payload>>;

/** Requests are answered side by side, as many as the subscription's buffer lets in. */
export async function respond(
  client: Client,
  filter: string,
  answer: Responder,
  options: SubscribeOptions = {},
): Promise<Subscription> {
  const desk = new Desk(client, answer);
  const requests = await client.subscribe(filter, { ...options, acknowledge: 'explicit' });
  const cancels = await cancelsOf(client, filter);
  void desk.take(requests, cancels);
  void desk.heed(cancels);
  return requests;
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

class Desk {
  private readonly client: Client;
  private readonly answer: Responder;
  private readonly working = new Map<string, AbortController>();

  constructor(client: Client, answer: Responder) {
    this.client = client;
    this.answer = answer;
  }

  /** Until the subscription ends; a client that failed has told so. */
  async take(requests: Subscription, cancels: Subscription | undefined): Promise<void> {
    try {
      for await (const request of requests) void this.work(request);
    } catch {
      // The client failed, and tells so wherever it is used.
    }
    for (const stop of this.working.values()) stop.abort();
    await cancels?.close().catch(() => {});
  }

  async heed(cancels: Subscription | undefined): Promise<void> {
    if (cancels === undefined) return;
    try {
      for await (const m of cancels) this.working.get(correlationOf(m.meta.correlation) ?? '')?.abort();
    } catch {
      // As above.
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
