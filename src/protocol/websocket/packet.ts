// The frames of `waymeet.v1` as values: JSON objects in text messages, or the same as CBOR maps in binary ones.

/** How a frame is written down. */
export type Form = 'json' | 'cbor';

/** An identifier keeps its type: text, octets (`{base64}` in JSON, a byte string in CBOR), or an object that names another one. */
export type FrameId =
  | string
  | Uint8Array
  | { readonly base64: string }
  | { readonly ulong: string }
  | { readonly uuid: string };

export interface FrameProperty {
  readonly name: string;
  readonly value:
    | string
    | number
    | boolean
    | Uint8Array
    | { readonly base64: string }
    | { readonly long: string };
  readonly section?: string;
}

/** What a message says besides its payload and delivery. Times in ms. */
export interface FrameMeta {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly responseTopic?: string;
  readonly correlation?: FrameId;
  readonly messageId?: FrameId;
  readonly priority?: number;
  readonly createdAt?: number;
  readonly groupId?: string;
  readonly groupSequence?: number;
  readonly user?: readonly FrameProperty[];
}

/** A payload is text or octets: in CBOR as they are, in JSON octets are `payloadBase64`. Neither is an empty payload. */
export interface FramePayload {
  readonly payload?: string | Uint8Array;
  readonly payloadBase64?: string;
}

/** A message as a client gives it. */
export interface FrameContent extends FrameMeta, FramePayload {
  readonly topic: string;
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly expiryMs?: number;
}

export interface FrameWill extends FrameContent {
  readonly delayMs?: number;
}

export interface ConnectFrame {
  readonly type: 'connect';
  readonly client?: string;
  readonly username?: string;
  readonly password?: string | Uint8Array;
  /** How long the session outlives the connection; absent: not at all. */
  readonly keepMs?: number;
  /** Forget what an earlier session of this client held. */
  readonly fresh?: boolean;
  /** The client is heard from at least this often; the hub waits half as long again. */
  readonly keepAliveMs?: number;
  /** At most so many messages of QoS 1 and 2 may wait for the client's ack. */
  readonly window?: number;
  readonly will?: FrameWill;
}

export interface PublishFrame extends FrameContent {
  readonly type: 'publish';
  /** Asks for `published` once the message is kept; QoS 2 needs it. */
  readonly id?: number;
}

/** Publishes with a response topic of the hub's, and gets the first message that comes there as `response`. */
export interface RequestFrame extends FrameContent {
  readonly type: 'request';
  readonly id: number;
  readonly timeoutMs?: number;
}

export interface SubscribeFrame {
  readonly type: 'subscribe';
  readonly filter: string;
  readonly qos?: 0 | 1 | 2;
  readonly noLocal?: boolean;
  /** Which retained messages come first: all, all if the subscription is new, or none. */
  readonly retained?: 'all' | 'new' | 'none';
  readonly id?: number;
}

export interface UnsubscribeFrame {
  readonly type: 'unsubscribe';
  readonly filter: string;
  readonly id?: number;
}

/** The client took a message for good. */
export interface AckFrame {
  readonly type: 'ack';
  readonly id: number;
}

/** The client does not take a message: back to its queue, or nobody is to get it (a queue's dead letter). */
export interface RejectFrame {
  readonly type: 'reject';
  readonly id: number;
  readonly requeue?: boolean;
}

/** Exactly once, second step, from whoever got the message: it is stored, and known by its id until `release`. */
export interface ReceivedFrame {
  readonly type: 'received';
  readonly id: number;
}

/** Exactly once, third step, from whoever sent the message: it will not be sent again, so its id may be forgotten. */
export interface ReleaseFrame {
  readonly type: 'release';
  readonly id: number;
}

/** Another proof of the same user, such as a token in place of one that runs out. */
export interface RenewFrame {
  readonly type: 'renew';
  readonly username?: string;
  readonly password: string | Uint8Array;
  readonly id?: number;
}

export interface PingFrame {
  readonly type: 'ping';
}

/** Goodbye: the will is dropped. */
export interface DisconnectFrame {
  readonly type: 'disconnect';
}

export type ClientFrame =
  | ConnectFrame
  | PublishFrame
  | RequestFrame
  | SubscribeFrame
  | UnsubscribeFrame
  | AckFrame
  | RejectFrame
  | ReceivedFrame
  | ReleaseFrame
  | RenewFrame
  | PingFrame
  | DisconnectFrame;

export interface ConnectedFrame {
  readonly type: 'connected';
  readonly client: string;
  /** The session was there: subscriptions, and what waits, are there still. */
  readonly resumed: boolean;
  /** So many publishes and requests with an id may wait for their answer. */
  readonly window: number;
  /** The longest frame that the hub reads, octets. */
  readonly maxBytes: number;
}

/** The new proof holds. `validUntil`: ms since 1970; absent: it has no end. */
export interface RenewedFrame {
  readonly type: 'renewed';
  readonly validUntil?: number;
  readonly id?: number;
}

/** What comes of a subscription. `expiresAt`: ms since 1970. */
export interface MessageFrame extends FrameMeta, FramePayload {
  readonly type: 'message';
  readonly topic: string;
  readonly expiresAt?: number;
  readonly qos: 0 | 1 | 2;
  /** It comes from the retained messages. */
  readonly retain: boolean;
  /** The number that `ack`, `reject` and `received` name; absent at QoS 0. */
  readonly ack?: number;
  /** The client may have seen it before; at QoS 2 it then comes with the same number. */
  readonly again?: boolean;
}

export interface ResponseFrame extends FrameMeta, FramePayload {
  readonly type: 'response';
  readonly id: number;
  readonly expiresAt?: number;
}

export interface ErrorFrame {
  readonly type: 'error';
  readonly code: string;
  readonly reason: string;
  /** Of the frame that failed; without it, and if the connection ends, it is about the connection. */
  readonly id?: number;
}

export type HubFrame =
  | ConnectedFrame
  | RenewedFrame
  | { readonly type: 'published'; readonly id: number; readonly unmatched?: boolean }
  | ReceivedFrame
  | ReleaseFrame
  | {
      readonly type: 'subscribed';
      readonly filter: string;
      readonly qos: 0 | 1 | 2;
      readonly id?: number;
    }
  | { readonly type: 'unsubscribed'; readonly filter: string; readonly id?: number }
  | MessageFrame
  | ResponseFrame
  | { readonly type: 'pong' }
  | ErrorFrame;
