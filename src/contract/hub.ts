// The Hub port: how a tower logs a client in, publishes for it and opens mailboxes.

import type { Action, Auth, Exchange, Identity, Login } from './auth.ts';
import type { Bans } from './bans.ts';
import type { Inspection } from './inspect.ts';
import type { Mailbox, MailboxOptions } from './mailbox.ts';
import type { Message } from './message.ts';
import type { Departure, Outcome } from './outcome.ts';
import type { QueueOptions, WorkQueue } from './queue.ts';
import type { Route, Run } from './run.ts';
import type { Store } from './store.ts';

/** Answers to a login, given later (the proof may take time). Exactly one of them is called, unless the login is withdrawn. */
export interface Guest {
  welcome(access: Access): void;
  refuse(why: Outcome): void;
  /** Everything up to this ticket is kept now (see Access.due). */
  kept(ticket: number): void;
  /** Another connection or an administrator ends this one. */
  evict(why: Outcome): void;
  /**
   * The client publishes faster than it may: its connection is read no further for `ms`. False or absent: it cannot be made to wait, and what
   * it publishes too soon is refused with 'rate-exceeded'.
   */
  slow?(ms: number): boolean;
}

/** What one logged-in client may do. */
export interface Access {
  /** The client id, assigned by the hub where the login had none. */
  readonly client: string;
  readonly identity: Identity;
  /**
   * The newest commit that anything this client did (publish, subscribe, release, inbound ids) still waits for: acknowledge
   * once `guest.kept(ticket >= due)`. 0: nothing to wait for.
   */
  readonly due: number;
  /** Publishes; 'unmatched' is a success. After it, see `due`. */
  publish(m: Message): Outcome;
  /**
   * Publishes to everybody whom one of `topics` leads to, once each; `m.topic` need not be among them. 'quota-exceeded': one of the
   * queues refused it. A `$queue/{name}` that there is not is not made.
   */
  spread(m: Message, topics: readonly string[]): Outcome;
  /** Whether the rules let this client publish to a topic, or subscribe to a filter. */
  may(action: Action, topicOrFilter: string): boolean;
  /** Takes the bindings away from every queue for which `gone` says so: what they were bound to is no more. */
  unbindAll(gone: (filter: string) => boolean): void;
  /** What the tower keeps for good, by name, for all of its clients. */
  notes(): Iterable<readonly [name: string, text: string]>;
  /** Keeps a text in place of an earlier one; undefined forgets it. After it, see `due`. */
  note(name: string, text: string | undefined): Outcome;
  /**
   * The route of the topic at `bytes[start..end)`, from the cache; undefined when it is no valid topic name: decode the packet
   * the long way, which says what is wrong with it.
   */
  route(bytes: Uint8Array, start: number, end: number): Route | undefined;
  /**
   * Whether frames on this route may go by the fast lane for this client: allowed, and no trace or rule asks for Messages.
   * When false, make a Message and publish it: the meaning is the same.
   */
  open(route: Route): boolean;
  /** Whether two routes lead to the same receivers, so that their frames may share a run. */
  same(a: Route, b: Route): boolean;
  /** Sends a run down a route. `message(i)` makes frame i a Message, for the receivers that need one. After it, see `due`. */
  relay(route: Route, run: Run, message: (i: number) => Message): Outcome;
  /** The retained message of a topic that this client may read. */
  retained(topic: string): Message | undefined;
  /** Opens, or resumes, the mailbox `name` of this client. */
  mailbox(name: string, options: MailboxOptions): Mailbox;
  /**
   * The work queue `name`. With options it is made when there is none, and one that nobody declared takes them; an existing one keeps its
   * own. Without options 'unmatched' says that there is none. The name '' makes one that the hub names. 'not-authorized', 'quota-exceeded';
   * 'busy': it is another client's alone.
   */
  queue(name: string, options?: QueueOptions): WorkQueue | Outcome;
  /** What to publish when the connection is lost without a goodbye; `undefined` takes it back. */
  will(m: Message | undefined, delayMs: number): void;
  /** The login's proof was renewed (re-authentication). 'not-authorized': it is somebody else's, and nothing has changed. */
  renewed(identity: Identity): Outcome;
  /** Why the hub is about to end it, for those who look on: what was said last counts; `undefined`: it stays after all. */
  blame(why: Departure | undefined): void;
  /** Ends the client's presence. `graceful`: the will is dropped. */
  leave(graceful: boolean, now: number): void;
}

export interface Hub {
  /** Proves who it is, then `guest.welcome` or `guest.refuse`. Returns a way to withdraw. */
  login(login: Login, guest: Guest): void;
  /** As login, with an identity that `prove` or an exchange has proved. */
  admit(login: Login, identity: Identity, guest: Guest): void;
  /** Who shows these credentials, and no more: for `admit`, or a client that renews its proof (`access.renewed`). */
  prove(login: Login): Promise<Identity | Outcome>;
  /** Starts a SASL exchange, or undefined when the mechanism is not offered. */
  exchange(mechanism: string, login: Login): Exchange | undefined;
  /** ms since 1970, the world's clock: for what a delivery caused by another peer must know, as a message's remaining life. */
  now(): number;
  /** Calls `run` once at `at` (ms) or soon after: for what outlives a wire. Returns how to take it back. */
  later(at: number, run: (now: number) => void): () => void;
  /** Whether some filter starts with these literal levels: whether anybody subscribes, or a queue is bound, below them. */
  bound(levels: string): boolean;
  /** More waits in memory than `limits.memoryBytes`: publishers should be held back. */
  readonly pressed: boolean;
  /** `length` octets that nobody can guess: a tower has no random source of its own. */
  random(length: number): Uint8Array;
  readonly limits: HubLimits;
  readonly counters: Counters;
}

/** How fast one client may publish; NEVER: as fast as it can. Octets are those of payloads and topics. */
export interface Rates {
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
}

/** Limits that the hub enforces and the towers announce. Counts, octets and ms. */
export interface HubLimits {
  readonly topicLevels: number;
  readonly topicBytes: number;
  readonly clientIdBytes: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly subscriptionsPerClient: number;
  readonly queueMessages: number;
  readonly queueBytes: number;
  readonly overflow: 'drop-oldest' | 'drop-newest' | 'evict';
  readonly inflight: number;
  readonly receiveMaximum: number;
  readonly retainedMessages: number;
  readonly sessionExpiryMs: number;
  readonly messageExpiryMs: number;
  readonly memoryBytes: number;
  /** Of one client; absent or NEVER: as fast as it can. */
  readonly rates?: Rates;
  /** At some listeners, by name. */
  readonly ratesAt?: ReadonlyMap<string, Rates>;
  /** Failed logins within `failuresWithinMs` that make a ban of `banMs`; absent: none. Addresses of this machine are not banned. */
  readonly failuresPerAddress?: number;
  readonly failuresPerUser?: number;
  readonly failuresWithinMs?: number;
  readonly banMs?: number;
}

/** What is counted per protocol; plain numbers, because a counter must cost no more than an addition. */
export class Counters {
  readonly protocols = new Map<string, ProtocolCounters>();
  readonly dropped = new Map<string, number>();

  of(protocol: string): ProtocolCounters {
    let c = this.protocols.get(protocol);
    if (c === undefined) {
      c = new ProtocolCounters();
      this.protocols.set(protocol, c);
    }
    return c;
  }

  drop(reason: string, count = 1): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
  }
}

export class ProtocolCounters {
  /** Logged-in clients, now and ever. */
  clients = 0;
  clientsTotal = 0;
  /** Sessions that ended because their client did not come back in time. */
  expired = 0;
  connections = 0;
  connectionsTotal = 0;
  refused = 0;
  broken = 0;
  /** Connections that a defect of ours closed. */
  faults = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Messages by QoS. */
  readonly received = [0, 0, 0];
  readonly delivered = [0, 0, 0];
}

/** Effects that the pure hub asks the world for. */
export interface World {
  readonly auth: Auth;
  /** Where what must survive is kept; undefined: nothing is. */
  readonly store: Store | undefined;
  /** ms since 1970, never going back. */
  now(): number;
  /** Asks for one `hub.wake` at `at` or soon after; a later call replaces an earlier one. */
  wake(at: number): void;
  /** Asks for one `hub.turn` when the work of this event-loop turn is done. */
  turn(): void;
  /** `length` octets that nobody can guess. */
  random(length: number): Uint8Array;
  /** The store failed: nothing may be acknowledged any more. The server logs it and ends the process. */
  failed(why: Error): void;
  log(level: 'debug' | 'info' | 'warn' | 'error', text: string, details?: Record<string, unknown>): void;
}

/** What the hub holds now. Counts, octets and ms. */
export interface HubStats {
  /** Logged in, the hub's own apart. */
  readonly clients: number;
  readonly sessions: number;
  readonly subscriptions: number;
  readonly groups: number;
  readonly retained: number;
  readonly retainedBytes: number;
  readonly queuedMessages: number;
  /** Delivered and not acknowledged. */
  readonly unsettled: number;
  readonly queuedBytes: number;
  readonly storeBytes: number;
  readonly commits: number;
  readonly lastCommitMs: number;
}

/** Whom to send away; an address is without its port. */
export interface Kicked {
  readonly client?: string | undefined;
  readonly user?: string | undefined;
  readonly address?: string | undefined;
}

/** The hub as its owner sees it: src/hub/hub.ts `createHub(world, limits)` makes one. */
export interface OwnedHub extends Hub {
  /** Restores what the store kept. Before it, nobody can log in. */
  start(): Promise<void>;
  turn(): void;
  wake(now: number): void;
  readonly stats: HubStats;
  readonly inspection: Inspection;
  /** Sends a client away with 'disconnected-by-admin'. False: nobody of that name is here. */
  disconnect(protocol: string, client: string): boolean;
  /** Sends away with 'disconnected-by-admin' everybody to whom all of it applies; returns how many. */
  kick(who: Kicked): number;
  readonly bans: Bans;
  /** Limits changed: clients that are here take up their new rates. */
  retune(): void;
  /** The rules changed: who holds a subscription that it may not have any more loses it, and is sent away with 'not-authorized'. */
  reauthorize(): void;
  /** Evicts everybody with 'shutting-down', commits and stops. Wills are not published. */
  stop(): Promise<void>;
}
