// What an HTTP client may ask of the hub, and how it is answered, as values.

import type { Message, Meta, Origin, Qos } from '../../contract/message.ts';

/** A request as it came, body read to its end. Header names in lower case, repeated fields joined with `, `. */
export interface HttpRequest {
  readonly method: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

/** A message before it has an origin. Times in ms. */
export interface Content {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly expiryMs: number;
  readonly meta: Meta | undefined;
}

/** What the path and query of a publish say. */
export type PublishTarget = Pick<Content, 'topic' | 'qos' | 'retain' | 'expiryMs'>;

/** POST, PUT and DELETE /topics/{topic} */
export interface PublishOperation {
  readonly kind: 'publish';
  readonly content: Content;
  readonly idempotencyKey: string | undefined;
}

/** GET and HEAD /topics/{topic} */
export interface ReadOperation {
  readonly kind: 'read';
  readonly topic: string;
  /** The entity tags that the client knows (If-None-Match). */
  readonly known: readonly string[];
  /** How long to wait for another value than a known one, ms; 0: not at all. */
  readonly waitMs: number;
}

/** GET /subscribe */
export interface SubscribeOperation {
  readonly kind: 'subscribe';
  readonly filters: readonly string[];
  readonly qos: Qos;
  /** The place in an earlier stream after which to go on (Last-Event-ID). */
  readonly after: EventId | undefined;
}

/** POST /request/{topic} */
export interface RequestOperation {
  readonly kind: 'request';
  readonly content: Content;
  readonly timeoutMs: number;
}

/** POST /publish: a list of messages as `waymeet.v1` writes them. */
export interface BatchOperation {
  readonly kind: 'batch';
  readonly items: readonly unknown[];
  readonly idempotencyKey: string | undefined;
}

export type Operation =
  | PublishOperation
  | ReadOperation
  | SubscribeOperation
  | RequestOperation
  | BatchOperation;

/** `{mailbox}/{number}`: which message of which mailbox an event carried. */
export interface EventId {
  readonly mailbox: string;
  readonly number: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Where one request is answered: either with one Answer, or with a stream of events. */
export interface Reply {
  answer(a: Answer): void;
  begin(headers: Readonly<Record<string, string>>): void;
  write(text: string): void;
  end(): void;
  /** So much is unsent that the stream should hold back. */
  readonly full: boolean;
}

/** An idle stream of events says something this often, so that proxies keep it and a client that is gone is noticed. */
export const KEEP_ALIVE_MS = 15_000;
/** A client that has read nothing for so many of these is sent away: what waits for it waits in its mailbox, if it has one. */
export const MAX_DEAF = 4;

/** A request that is not answered at once. One of `expire` and `close` ends it; after an answer nothing needs to. */
export interface Pending {
  /** After so long `expire` must be called, ms; NEVER: not at all. */
  readonly waitMs: number;
  expire(): void;
  /** The reply, once full, has room again. */
  drained(): void;
  /** The client hung up. */
  close(now: number): void;
}

/** Messages as JSON, written and read as `waymeet.v1` does. `read` throws ProtocolError. */
export interface JsonWords {
  write(m: Message): object;
  read(item: unknown, origin: Origin, now: number): Message;
}

/** Reads the data of a server-sent event: a message as the hub writes it. Throws ProtocolError. */
export type EventWords = (
  data: string,
  now: number,
) => { readonly message: Message; readonly retained: boolean };

/** A request that cannot be carried out: an HTTP status, a word for programs and a sentence for people. [RFC9457] */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, code: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}
