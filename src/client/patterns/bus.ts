// A bus: what a member says reaches every other member, and not itself.

/*
 *   a ──▶ bus/name/a ──▶ b, c       b ──▶ bus/name/b ──▶ a, c
 */

import type { Client, PublishOptions } from '../client.ts';
import type { IncomingMessage, Payload } from '../message.ts';
import type { SubscribeOptions } from '../subscription.ts';
import { levelOf, nameOf } from './level.ts';

const PREFIX = 'bus';

export interface BusMessage {
  readonly from: string;
  readonly message: IncomingMessage;
}

/** Iterate over it for what the others say. */
export interface Bus extends AsyncIterable<BusMessage> {
  send(payload: Payload, options?: PublishOptions): Promise<'ok' | 'unmatched'>;
  leave(): Promise<void>;
}

/** Resolves when the client is a member. Every protocol with wildcards can: the topic tells who speaks. */
export async function joinBus(client: Client, name: string, options?: SubscribeOptions): Promise<Bus> {
  const prefix = `${PREFIX}/${levelOf(name)}/`;
  const own = prefix + levelOf(client.clientId);
  const heard = await client.subscribe(`${prefix}+`, options);
  return {
    send: (payload, o) => client.publish(own, payload, o),
    leave: () => heard.close(),
    async *[Symbol.asyncIterator]() {
      for await (const message of heard) {
        if (message.topic === own) message.acknowledge();
        else yield { from: nameOf(message.topic.slice(prefix.length)), message };
      }
    },
  };
}
