// Last values, and presence: what is known of a topic now, and who is there.

/*
 *   put(a, t, 21) ──▶ [ t = 21, retained ] ──▶ get(b, t) = 21, whenever b asks
 *   announce(a)   ──▶ [ presence/a = online ]   a is lost ──▶ will ──▶ [ presence/a = offline ]
 */

import type { Client, PublishOptions } from '../client.ts';
import { WaymeetError } from '../error.ts';
import type { IncomingMessage, Payload } from '../message.ts';
import type { WillOptions } from '../options.ts';
import type { Subscription } from '../subscription.ts';
import { levelOf, nameOf } from './level.ts';

const PREFIX = 'presence/';
const ONLINE = 'online';
const OFFLINE = 'offline';
const DEFAULT_TIMEOUT_MS = 2_000;

/** Makes `payload` the topic's last value, and tells it to those who listen now. */
export function put(
  client: Client,
  topic: string,
  payload: Payload,
  options: PublishOptions = {},
): Promise<'ok' | 'unmatched'> {
  return client.publish(topic, payload, { ...options, retain: true });
}

/** The topic has no value any more. */
export function clear(
  client: Client,
  topic: string,
  options: PublishOptions = {},
): Promise<'ok' | 'unmatched'> {
  return put(client, topic, '', options);
}

export interface GetOptions {
  /** A topic without a value is silent: how long to wait for one. Default: 2 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The topic's last value, or the next one that comes; undefined: none came in time. */
export async function get(
  client: Client,
  topic: string,
  { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: GetOptions = {},
): Promise<IncomingMessage | undefined> {
  if (!client.ability.retain)
    throw new WaymeetError('not-supported', client.protocol, `${client.server} keeps no last values`);
  const values = await client.subscribe(topic, signal === undefined ? {} : { signal });
  const late = new AbortController();
  const cancel = client.world.timer(timeoutMs, () => late.abort(new DOMException('', 'TimeoutError')));
  try {
    return await values.next(late.signal);
  } catch (why) {
    if (why instanceof WaymeetError && why.code === 'timed-out') return undefined;
    throw why;
  } finally {
    cancel();
    await values.close();
  }
}

/** The option of `connect` that says for a client that it is gone, when it is lost. */
export function presenceWill(clientId: string): WillOptions {
  return { topic: PREFIX + levelOf(clientId), payload: OFFLINE, retain: true, qos: 1 };
}

/** Says that this client is there, now and after each reconnection. Returns how to say that it leaves. */
export async function announce(client: Client): Promise<() => Promise<void>> {
  const topic = PREFIX + levelOf(client.clientId);
  const options = { retain: true, qos: client.ability.publishQos.includes(1) ? 1 : 0 } as const;
  await client.publish(topic, ONLINE, options);
  const stop = client.watch((event) => {
    // Its will may have told otherwise meanwhile. What cannot be published is told by the event of the next loss.
    if (event.kind === 'connected') client.publish(topic, ONLINE, options).catch(() => {});
  });
  return async () => {
    stop();
    await client.publish(topic, OFFLINE, options);
  };
}

/** Who is there, kept up to date. */
export class Presence implements AsyncIterable<{ readonly id: string; readonly online: boolean }> {
  /** Ids of the clients that are there. */
  readonly online = new Set<string>();
  private readonly told: Subscription;

  constructor(told: Subscription) {
    this.told = told;
  }

  /** Comings and goings, those that are there already first. `online` is up to date while somebody iterates. */
  async *[Symbol.asyncIterator]() {
    for await (const m of this.told) {
      const id = nameOf(m.topic.slice(PREFIX.length));
      const online = m.payload.length > 0 && m.text() === ONLINE;
      if (online === this.online.has(id)) continue;
      if (online) this.online.add(id);
      else this.online.delete(id);
      yield { id, online };
    }
  }

  close(): Promise<void> {
    return this.told.close();
  }
}

/** Of all clients that announce themselves. */
export async function presence(client: Client): Promise<Presence> {
  return new Presence(await client.subscribe(`${PREFIX}+`));
}
