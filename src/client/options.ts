// What a client is made with, and what it takes from the world.

import { NEVER, type Qos } from '../contract/message.ts';
import type { LoginExtras, Sasl, SpeakerOptions, Speech } from '../contract/speaker.ts';
import type { Clock, DialledWire } from './carrier.ts';
import type { Backoff, Order } from './endpoint.ts';
import type { HealthEvent } from './health.ts';
import type { Link } from './link.ts';
import type { IncomingMessage, MessageOptions, Payload } from './message.ts';
import type { OutboxLimits } from './outbox.ts';
import type { OutboxStore } from './outbox-kept.ts';
import type { Tap } from './tap.ts';

export interface WillOptions extends MessageOptions {
  readonly topic: string;
  readonly payload: Payload;
  readonly qos?: Qos;
  /** How long after the loss it is published. */
  readonly delayMs?: number;
}

export interface OutboxOptions extends Partial<OutboxLimits> {
  /**
   * Where it is kept: a folder in Node, the name of a database in a browser. Absent: in memory. Only one client may use it at a time; it
   * remembers the client id too.
   */
  readonly at?: string;
}

export interface TlsOptions {
  /** Who vouches for the server, PEM. */
  readonly ca?: string | Uint8Array;
  /** Our own certificate and its key, PEM. */
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  /** Take any certificate: only for a look at something. */
  readonly insecure?: boolean;
  /** What both sides know, instead of certificates. */
  readonly psk?: { readonly identity: string; readonly key: Uint8Array };
}

/** What both sides of CoAP know beforehand, to seal requests end to end (RFC 8613). */
export interface OscoreOptions {
  readonly masterSecret: Uint8Array;
  readonly masterSalt?: Uint8Array;
  /** Ours, and the server's. */
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  /** 'derived': made up for each connection, with the server's help (appendix B.2). */
  readonly idContext?: Uint8Array | 'derived';
}

export interface ConnectOptions extends LoginExtras {
  /** Default: the outbox's, else one that is made up. */
  readonly clientId?: string;
  readonly username?: string;
  readonly password?: string | Uint8Array;
  /** Proves the password without showing it. */
  readonly sasl?: 'SCRAM-SHA-256' | Sasl;
  /** Forget an earlier session of this client id. Default: true, unless `sessionExpiryMs` or a kept outbox says that it is to last. */
  readonly clean?: boolean;
  /** How long the server keeps subscriptions and messages while we are away. Default: a day with a kept outbox, else 0. */
  readonly sessionExpiryMs?: number;
  /** Default: 30 s. */
  readonly keepAliveMs?: number;
  readonly will?: WillOptions;
  /** Deliveries that may wait to be acknowledged, all subscriptions together. Default: 1,024. */
  readonly receiveMaximum?: number;
  /** What one protocol alone has; the URL's query says the same: `mqtt://host?version=3.1.1`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly tls?: TlsOptions;
  /** CoAP: every request is sealed. */
  readonly oscore?: OscoreOptions;
  readonly outbox?: OutboxOptions;
  /** Which of several URLs is tried first. Default: ordered. */
  readonly order?: Order;
  /** Waits between rounds over all URLs. Default: up to 1 s, then 2, 4 … 60 s. */
  readonly backoff?: Partial<Backoff>;
  /** How long one address may take to let us in. Default: 10 s. */
  readonly connectMs?: number;
  /** After a loss. Default: true. */
  readonly reconnect?: boolean;
  /** `connect` rejects when each URL was tried once in vain; with true it tries on until `signal` aborts. */
  readonly patient?: boolean;
  /** Told what happens to the connection, from the first attempt on; later too `client.watch` does it. */
  readonly watch?: (event: HealthEvent) => void;
  /** Gets each packet that crosses the wire: for debuggers, and tests. */
  readonly tap?: Tap;
  /**
   * Gets what comes for no subscription of this client: those of an earlier program, say, whose session it resumed. Absent: it waits for
   * the subscription to be made.
   */
  readonly unclaimed?: (m: IncomingMessage) => void;
  /** Gives up connecting; later it closes the client. */
  readonly signal?: AbortSignal;
}

/** The options with every default filled in. */
export interface Settled extends ConnectOptions {
  readonly clean: boolean;
  readonly sessionExpiryMs: number;
  readonly keepAliveMs: number;
  readonly receiveMaximum: number;
  readonly limits: OutboxLimits;
  readonly order: Order;
  readonly waits: Backoff;
  readonly connectMs: number;
}

const DAY_MS = 86_400_000;

export function settled(o: ConnectOptions): Settled {
  const kept = o.outbox?.at !== undefined;
  const sessionExpiryMs = o.sessionExpiryMs ?? (kept ? DAY_MS : o.clean === false ? NEVER : 0);
  return {
    ...o,
    clean: o.clean ?? sessionExpiryMs === 0,
    sessionExpiryMs,
    keepAliveMs: o.keepAliveMs ?? 30_000,
    receiveMaximum: o.receiveMaximum ?? 1_024,
    limits: {
      maxMessages: o.outbox?.maxMessages ?? 100_000,
      maxBytes: o.outbox?.maxBytes ?? 64 * 1_048_576,
    },
    order: o.order ?? 'ordered',
    waits: { firstMs: o.backoff?.firstMs ?? 1_000, maxMs: o.backoff?.maxMs ?? 60_000 },
    connectMs: o.connectMs ?? 10_000,
  };
}

/** The world, as a client sees it: Node, a browser, or a test. */
export interface World extends Clock {
  /** `length` octets that nobody can guess. */
  random(length: number): Uint8Array;
  /** The way to speak to such a URL; rejects with WaymeetError 'not-supported'. Loaded when it is used. */
  speech(url: URL): Promise<Speech>;
  /** The port that is dialled, 0: none. */
  port(url: URL): number | Promise<number>;
  /** An open wire. Rejects with what the system says. */
  dial(url: URL, speech: Speech, o: Settled, signal: AbortSignal): Promise<DialledWire>;
  /** More wires for a link whose protocol needs several. Absent: there is one. */
  another?(link: Link, o: Settled): SpeakerOptions['another'];
  /** Where an outbox is kept. Rejects with WaymeetError 'storage'. */
  store(at: string): Promise<OutboxStore>;
  /** Rejects with WaymeetError 'not-supported' or 'usage'. */
  sasl(mechanism: string, username: string | undefined, password: Uint8Array | undefined): Promise<Sasl>;
}
