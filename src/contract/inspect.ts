// What an owner may see of a hub, and change by hand: clients, sessions, retained messages, and what happens as it happens.

import type { Subscription } from './mailbox.ts';
import type { Message, Qos } from './message.ts';
import type { Departure } from './outcome.ts';
import type { QueueOptions } from './queue.ts';

export interface ClientView {
  readonly protocol: string;
  readonly client: string;
  readonly principal: string;
  readonly remote: string;
  /** Logged in at, ms since 1970. */
  readonly since: number;
}

/** A message in a session or queue. */
export interface HeldMessage {
  readonly message: Message;
  /** What it will be, or was, delivered with. */
  readonly qos: Qos;
  /** Delivered and not acknowledged; else it waits. */
  readonly unsettled: boolean;
  /** It was delivered before. */
  readonly again: boolean;
}

/** A mailbox: an MQTT session, an event stream, a durable subscription. */
export interface SessionView {
  readonly protocol: string;
  readonly name: string;
  /** Somebody consumes it. */
  readonly attended: boolean;
  readonly stored: boolean;
  /** How long it outlives its consumer, ms. */
  readonly keepMs: number;
  /** Since when nobody consumes it, ms since 1970; 0 while somebody does. */
  readonly goneAt: number;
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Delivered and not acknowledged. */
  readonly unsettled: number;
  subscriptions(): Iterable<Subscription>;
  messages(): Iterable<HeldMessage>;
}

/** A work queue, `$queue/{name}`. */
export interface QueueView {
  readonly name: string;
  /** Somebody declared it; else it goes when it is empty and alone. */
  readonly declared: boolean;
  readonly options: QueueOptions;
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Delivered and not acknowledged. */
  readonly unsettled: number;
  readonly consumers: number;
  /** The filters of topics whose messages come into it. */
  readonly bound: ReadonlyMap<string, unknown>;
  messages(): Iterable<HeldMessage>;
}

export type HubEvent =
  | { readonly kind: 'connected'; readonly at: number; readonly client: ClientView }
  | {
      readonly kind: 'disconnected';
      readonly at: number;
      readonly client: ClientView;
      readonly graceful: boolean;
      /** Why the hub sent it away; absent: it went by itself, or its connection was lost. */
      readonly reason?: Departure;
    }
  | {
      readonly kind: 'subscribed' | 'unsubscribed';
      readonly at: number;
      readonly protocol: string;
      readonly session: string;
      readonly filter: string;
    };

export interface Inspection {
  /** Those of the hub's own process (protocol `hub`) are left out. */
  clients(): Iterable<ClientView>;
  client(protocol: string, client: string): ClientView | undefined;
  sessions(): Iterable<SessionView>;
  session(protocol: string, name: string): SessionView | undefined;
  /** Discards what waits in a session and was not sent. Returns how many; undefined: there is no such session. */
  purge(protocol: string, name: string): number | undefined;
  /** Ends a session that nobody consumes. False: there is none, or somebody does. */
  end(protocol: string, name: string): boolean;
  queues(): Iterable<QueueView>;
  queue(name: string): QueueView | undefined;
  /** Discards what waits in a queue. Returns how many; undefined: there is no such queue. */
  purgeQueue(name: string): number | undefined;
  /** Ends a queue, with what waits in it. False: there is none. */
  endQueue(name: string): boolean;
  /** Calls `visit` with every retained message that `filter` matches. */
  retained(filter: string, visit: (m: Message) => void): void;
  /** Forgets the retained message of a topic. False: there was none. */
  forget(topic: string): boolean;
  /** Calls `see` with what happens from now on; returns how to stop. */
  watch(see: (event: HubEvent) => void): () => void;
}
