// What the client's channels have in common: what they ask of their connection, and what the connection tells them.

import type { Message } from '../../contract/message.ts';
import type { Delivery, Refusal, SpeakerOptions } from '../../contract/speaker.ts';
import type { BasicProperties, Method, MethodOf } from './packet.ts';

export type Content = MethodOf<'basic.deliver'> | MethodOf<'basic.return'>;

export interface ClientHost {
  readonly options: SpeakerOptions;
  write(channel: number, method: Method): void;
  writeContent(channel: number, method: Method, m: Message): void;
  messageOf(topic: string, properties: BasicProperties, body: Uint8Array, acknowledged: boolean): Message;
  delivered(d: Delivery): void;
  /** A number for `settle`. */
  unsettled(by: ClientChannel, deliveryTag: number): number;
  gone(channel: ClientChannel): void;
  /** The connection cannot go on. */
  fail(why: Refusal): void;
}

export interface ClientChannel {
  readonly number: number;
  heard(method: Method): void;
  content(method: Content, p: BasicProperties, body: Uint8Array): void;
  settle(deliveryTag: number, verdict: 'take' | 'return' | 'refuse'): void;
  /** The connection is over: what waits gets `why`. */
  abandon(why: Refusal): void;
}
