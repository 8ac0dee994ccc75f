// The frames of `waymeet.v1`, JSON objects in WebSocket text messages, as values.

/** An identifier keeps its type: a string, or an object that names another one. */
export type JsonId =
  | string
  | { readonly base64: string }
  | { readonly ulong: string }
  | { readonly uuid: string };

export interface JsonProperty {
  readonly name: string;
  readonly value: string | number | boolean | { readonly base64: string } | { readonly long: string };
  readonly section?: string;
}

/** What a message says besides its payload and delivery. Times in ms. */
export interface JsonMeta {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly responseTopic?: string;
  readonly correlation?: JsonId;
  readonly messageId?: JsonId;
  readonly priority?: number;
  readonly createdAt?: number;
  readonly groupId?: string;
  readonly groupSequence?: number;
  readonly user?: readonly JsonProperty[];
}

/** A message as a client gives it: text in `payload`, or octets in `payloadBase64`; neither is an empty payload. */
export interface JsonContent extends JsonMeta {
  readonly topic: string;
  readonly payload?: string;
  readonly payloadBase64?: string;
  readonly qos?: 0 | 1;
  readonly retain?: boolean;
  readonly expiryMs?: number;
}

export interface JsonWill extends JsonContent {
  readonly delayMs?: number;
}

export interface ConnectFrame {
  readonly type: 'connect';
  readonly client?: string;
  readonly username?: string;
  readonly password?: string;
  /** How long the session outlives the connection; absent: not at all. */
  readonly keepMs?: number;
  /** Forget what an earlier session of this client held. */
  readonly fresh?: boolean;
  /** The client is heard from at least this often; the hub waits half as long again. */
  readonly keepAliveMs?: number;
  readonly will?: JsonWill;
}

export interface PublishFrame extends JsonContent {
  readonly type: 'publish';
  /** Asks for `published` once the message is kept. */
  readonly id?: number;
}

export interface SubscribeFrame {
  readonly type: 'subscribe';
  readonly filter: string;
  readonly qos?: 0 | 1;
  readonly noLocal?: boolean;
  readonly id?: number;
}

export interface UnsubscribeFrame {
  readonly type: 'unsubscribe';
  readonly filter: string;
  readonly id?: number;
}

export interface AckFrame {
  readonly type: 'ack';
  readonly id: number;
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
  | SubscribeFrame
  | UnsubscribeFrame
  | AckFrame
  | PingFrame
  | DisconnectFrame;

/** What the hub says, `message` apart, which encode.ts lays down by itself. */
export type HubFrame =
  | { readonly type: 'connected'; readonly client: string; readonly resumed: boolean }
  | { readonly type: 'published'; readonly id: number }
  | { readonly type: 'subscribed'; readonly filter: string; readonly qos: number; readonly id?: number }
  | { readonly type: 'unsubscribed'; readonly filter: string; readonly id?: number }
  | { readonly type: 'pong' }
  | { readonly type: 'error'; readonly code: string; readonly reason: string; readonly id?: number };
