// Point to point: one client addresses another by its id.

/*
 *   sendTo(a, 'b', …)  ──▶  to/b/a  ──▶  inbox(b)
 */

import type { Client, PublishOptions } from '../client.ts';
import type { IncomingMessage, Payload } from '../message.ts';
import type { SubscribeOptions, Subscription } from '../subscription.ts';
import { levelOf, nameOf } from './level.ts';

const PREFIX = 'to';

/** Resolves as `publish` does: 'unmatched' where the other side tells that no such client listens or has listened. */
export function sendTo(
  client: Client,
  id: string,
  payload: Payload,
  options: PublishOptions = {},
): Promise<'ok' | 'unmatched'> {
  return client.publish(`${PREFIX}/${levelOf(id)}/${levelOf(client.clientId)}`, payload, options);
}

/** What is sent to this client. With a session that is kept, also what came while it was away. */
export function inbox(client: Client, options?: SubscribeOptions): Promise<Subscription> {
  return client.subscribe(`${PREFIX}/${levelOf(client.clientId)}/+`, options);
}

/** Whom a message of an inbox is from: what the sender says, which only the rules of the hub can make sure. */
export function senderOf(m: IncomingMessage): string {
  return nameOf(m.topic.slice(m.topic.lastIndexOf('/') + 1));
}
