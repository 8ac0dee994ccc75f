// The Speaker port: the client's side of a protocol, which the client library, the command line and the lab drive.

import type { InboundIds } from './mailbox.ts';
import { type Message, type Meta, NEVER, type Qos, type UserProperty } from './message.ts';
import type { Outcome } from './outcome.ts';
import type { Peer, Wire } from './wire.ts';

/** What a protocol's clients can do. What is not in here is refused with 'not-supported', never done in a weaker way unasked. */
export interface Ability {
  /** The levels that `publish` and `subscribe` offer. */
  readonly publishQos: readonly Qos[];
  readonly subscribeQos: readonly Qos[];
  readonly retain: boolean;
  readonly wildcards: boolean;
  /** `$share/{group}/{filter}`. */
  readonly shared: boolean;
  /** `$queue/{name}`. */
  readonly queues: boolean;
  /** The other side remembers subscriptions, and what was not settled, for a client that comes back. */
  readonly sessions: boolean;
  /** It takes up where it was after a loss, as long as the program runs. */
  readonly resumes?: boolean;
  readonly wills: boolean;
  readonly expiry: boolean;
  /** The fields of SubscribeHow that it has; `retainedChoice`: `retained`. */
  readonly noLocal?: boolean;
  readonly retainedChoice?: boolean;
  readonly retainAsPublished?: boolean;
  readonly identifier?: boolean;
  /** What it can say at the login; absent: nothing of it. */
  readonly login?: readonly (keyof LoginExtras)[];
  /** `settle(id, 'busy')` gives a delivery back to a queue or group. */
  readonly returns?: boolean;
  /** What of a message's properties crosses; `user` with string values only where the protocol has no others. */
  readonly meta: readonly (keyof Meta)[];
}

/** The properties of a protocol that has a place for all of them; whether the payload is text, its content type says. */
export const EVERY_META: readonly (keyof Meta)[] = [
  'contentType',
  'contentEncoding',
  'responseTopic',
  'correlation',
  'messageId',
  'priority',
  'createdAt',
  'groupId',
  'groupSequence',
  'user',
];

/** What few protocols have a place for at the login. */
export interface LoginExtras {
  /** Properties of the connection itself. */
  readonly user?: readonly UserProperty[] | undefined;
  /** Octets that we take in one packet: what is larger is not sent to us. Default: 256 MiB. */
  readonly maxPacketBytes?: number | undefined;
  /**
   * Topics that may have a number, to save octets: so many of the other side's, and as many of ours as it allows. Default: 64 of the other
   * side's, and none of ours, as numbers cost more time than they save.
   */
  readonly topicAliases?: number | undefined;
}

export interface Will {
  readonly message: Message;
  readonly delayMs: number;
}

/** Whether a will says more than older protocols have a place for: properties, an end, or a delay. */
export function saysMore(will: Will | undefined): boolean {
  if (will === undefined) return false;
  const { message, delayMs } = will;
  return delayMs > 0 || message.meta !== undefined || message.expiresAt !== NEVER;
}

/** How a subscription is made, where it is not the usual way. */
export interface SubscribeHow {
  /** Not what this client published. */
  readonly noLocal?: boolean;
  /** 'all': the last values come first, the usual way; 'new': only if the subscription is new; 'none': not at all. */
  readonly retained?: 'all' | 'new' | 'none';
  /** Deliveries carry the retain flag that they were published with. */
  readonly retainAsPublished?: boolean;
  /** The number that deliveries of this subscription carry on the wire, from 1 on. Default: one that is free. */
  readonly identifier?: number;
}

/**
 * What guarantees need to outlive a connection and, where it is kept in a file, the program. A publish is known by its tag: a number from
 * 1 to MAX_TAG that the caller gives, the same when it publishes the message again after a loss.
 */
export interface SessionMemory {
  /** The other side has the exactly-once message `tag`: from now on only its release is to be said. */
  released(tag: number): void;
  /** Exactly-once arrivals, by the other side's ids, that were taken and are not released. */
  readonly inbound: InboundIds;
  /** What the speaker leaves for the next connection of this program; never in a file. */
  carried?: unknown;
  /** Calls `then` when all that was said so far is kept: at once, when nothing waits. */
  kept(then: () => void): void;
}

/** Ids above it are the speaker's own, for what needs no tag. */
export const MAX_TAG = 32_767;

/** A publish that may be repeated after a loss. */
export interface Tag {
  readonly tag: number;
  /**
   * 'new': it was never sent. 'again': it may have been sent before, in this session. 'released': `SessionMemory.released` was told of it
   * in this session.
   */
  readonly stage: 'new' | 'again' | 'released';
}

/** The client's side of a challenge-response login (SASL), of which a speaker only carries the words. */
export interface Sasl {
  /** `SCRAM-SHA-256`. */
  readonly mechanism: string;
  /**
   * The next word; the first time without a challenge. What the server adds to its welcome is asked too, and the answer is not sent.
   * Rejects when the server does not prove what it must.
   */
  next(challenge: Uint8Array | undefined): Promise<Uint8Array>;
}

/** What every speaker is opened with. Times in ms. */
export interface SpeakerOptions extends LoginExtras {
  /** The host that was dialled, without a port: virtual host, `Host` field, XMPP domain. */
  readonly host: string;
  /** The port, or 0 where there is none. */
  readonly port: number;
  /** The URL's path, `/` where it has none: virtual host, `Host-Path`, the resource that topics are below. */
  readonly path: string;
  /** What one protocol alone has, by name, from the URL's query or the caller: MQTT's `version`, say. */
  readonly settings: Readonly<Record<string, string>>;
  /** Empty: the other side or the speaker makes one. */
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  /** Absent: the password is shown as it is. */
  readonly sasl?: Sasl;
  /** Forgets an earlier session of this client id. */
  readonly clean: boolean;
  /** How long the session is kept after the connection; 0: not at all. */
  readonly sessionExpiryMs: number;
  /** 0: none. */
  readonly keepAliveMs: number;
  readonly will: Will | undefined;
  /** Deliveries that may wait to be settled. */
  readonly receiveMaximum: number;
  /**
   * Opens one more wire to the same place, for protocols that need several: `open` is called when it is there, before anything passes, and
   * gives its peer; `failed` when it cannot be had. Absent: the protocol makes do with one.
   */
  readonly another?: (open: (wire: Wire) => Peer, failed: (why: Refusal) => void) => void;
  /** Absent: nothing is to outlive the connection. */
  readonly memory?: SessionMemory;
  /** `length` octets that nobody can guess. */
  random(length: number): Uint8Array;
  now(): number;
}

/** Why something did not happen: in our words, and in those of the other side. */
export interface Refusal {
  readonly outcome: Outcome;
  /** A sentence for a person. */
  readonly reason: string;
  /** The protocol's own code: an MQTT reason code, a CoAP or HTTP status, an AMQP reply code; 0: there is none. */
  readonly code: number;
  /** Where the other side says to go instead. */
  readonly reference?: string;
}

/** What the other side said when it let us in. */
export interface Opened {
  readonly clientId: string;
  /** It remembered the session: the subscriptions are there still. */
  readonly resumed: boolean;
  /** What it can do, where that is less than the protocol can. */
  readonly ability: Ability;
  /** The protocol's own greeting, for a person: `MQTT 5`, `RabbitMQ 3.10`. */
  readonly server: string;
  /** Octets that a message may have, or NEVER. */
  readonly maxPacketBytes?: number;
  /** Publishes at QoS 1 and 2 that may wait for their acknowledgement. */
  readonly receiveMaximum?: number;
  /** Topics that we may give a number to. */
  readonly topicAliases?: number;
  /** What is agreed, be it not what was asked for. */
  readonly keepAliveMs?: number;
  readonly sessionExpiryMs?: number;
  /** What it said besides: a sentence, and properties. */
  readonly reason?: string;
  readonly user?: readonly UserProperty[];
}

/** One message as it came. */
export interface Delivery {
  readonly message: Message;
  /** Not 0: it waits for `settle`. */
  readonly id: number;
  /** It comes from the topic's last value, not from a publisher just now. */
  readonly retained: boolean;
  /** The other side says that it may have sent it before. */
  readonly duplicate: boolean;
  /** The filters that it came by, where the other side tells; else whoever gets it compares topics. */
  readonly filters?: readonly string[];
  /** The octets that it came in, while somebody looks at the wire. */
  readonly packet?: Uint8Array;
}

/** What a speaker tells. Nothing comes after `ended`, which comes once. */
export interface SpeakerEvents {
  opened(how: Opened): void;
  delivered(d: Delivery): void;
  /** The connection is over; undefined: we ended it. Calls that have no answer yet get the refusal first. */
  ended(why: Refusal | undefined): void;
}

/** `unmatched`: it was taken, and the other side says that nobody has subscribed. */
export type Answer = (why: Refusal | undefined, unmatched?: boolean) => void;

/**
 * The client's side of one connection: pure, like a Peer. Answers come from within `receive`, `wake` or `lost`, or at once.
 * Calls before `opened` wait for it.
 */
export interface Speaker extends Peer {
  /** How much may be published now without queueing here: the other side's window, and 0 while the wire is full. */
  readonly room: number;
  /**
   * Answers once the level's guarantee holds: for QoS 0 when it is written. With a tag the same message may be published again after a
   * loss; a speaker whose protocol has no such thing ignores it.
   */
  publish(m: Message, answer: Answer, tag?: Tag): void;
  /** `answer` gets the level that was granted. Deliveries of `$share/…` and `$queue/…` come like others. */
  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void, how?: SubscribeHow): void;
  unsubscribe(filter: string, answer: Answer): void;
  /** Answers a delivery: 'ok' took it; 'busy' gives it back; any other outcome refuses it for good. */
  settle(id: number, outcome: Outcome): void;
  /** Says goodbye as the protocol does; `ended` follows. */
  close(): void;
}

/** One way to speak a protocol: what the towers' client.ts export. */
export interface Speech {
  readonly name: string;
  readonly carrier: 'stream' | 'datagram' | 'message';
  /** Messages of WebSocket are text. */
  readonly text?: boolean;
  /** Asked for when the carrier is WebSocket, in this order. */
  readonly subprotocols?: readonly string[];
  /** Asked for in a TLS handshake. */
  readonly alpn?: readonly string[];
  readonly ability: Ability;
  /**
   * Carrier 'stream': the offset behind the packet that begins at `start`, which may be beyond `end`; -1: not known yet. Throws
   * ProtocolError. Absent: only the speaker can tell packets apart.
   */
  packetEnd?(bytes: Uint8Array, start: number, end: number): number;
  /** Logs in over `wire`, which is open. */
  open(wire: Wire, options: SpeakerOptions, events: SpeakerEvents): Speaker;
}
