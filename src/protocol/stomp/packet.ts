// STOMP frames as values, and what their headers are called.

/** The versions of the protocol, oldest first. They differ in escapes, heart-beats, NACK, and how a message is acknowledged. */
export const VERSIONS = ['1.0', '1.1', '1.2'] as const;
export type Version = (typeof VERSIONS)[number];

export const CLIENT_COMMANDS = [
  'CONNECT',
  'STOMP',
  'SEND',
  'SUBSCRIBE',
  'UNSUBSCRIBE',
  'ACK',
  'NACK',
  'BEGIN',
  'COMMIT',
  'ABORT',
  'DISCONNECT',
] as const;
export type ClientCommand = (typeof CLIENT_COMMANDS)[number];
export type HubCommand = 'CONNECTED' | 'MESSAGE' | 'RECEIPT' | 'ERROR';

/** Header names and values by turns, in order, repeated ones kept. */
export type Headers = readonly string[];

export interface Frame<C extends string = ClientCommand> {
  readonly command: C;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export const NO_BODY = new Uint8Array(0);

/** The first value of a header counts, later ones are history. [STOMP12-repeated-header-entries] */
export function headerOf(frame: Frame<string>, name: string): string | undefined {
  const { headers } = frame;
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** What a client may send. Counts and octets. */
export interface FrameLimits {
  /** Command and all header lines together; less than a transport keeps unread (32 kB). */
  readonly headBytes: number;
  readonly headers: number;
  readonly lineLength: number;
  readonly bodyBytes: number;
}
