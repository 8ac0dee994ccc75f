// CoAP messages as values (RFC 7252), with the numbers of their types, codes and options.

export const CONFIRMABLE = 0;
export const NON_CONFIRMABLE = 1;
export const ACKNOWLEDGEMENT = 2;
export const RESET = 3;
export type CoapType = 0 | 1 | 2 | 3;

/** `class.detail` as one octet: 2.05 is 0x45. */
export const CODE = {
  empty: 0x00,
  get: 0x01,
  post: 0x02,
  put: 0x03,
  delete: 0x04,
  fetch: 0x05, // [RFC8132-2]
  patch: 0x06,
  iPatch: 0x07,
  created: 0x41,
  deleted: 0x42,
  valid: 0x43,
  changed: 0x44,
  content: 0x45,
  continue: 0x5f, // [RFC7959-2.9.1]
  badRequest: 0x80,
  unauthorized: 0x81,
  badOption: 0x82,
  forbidden: 0x83,
  notFound: 0x84,
  methodNotAllowed: 0x85,
  notAcceptable: 0x86,
  requestIncomplete: 0x88, // [RFC7959-2.9.2]
  conflict: 0x89, // [RFC8132-5]
  preconditionFailed: 0x8c,
  requestTooLarge: 0x8d,
  unsupportedFormat: 0x8f,
  unprocessable: 0x96, // [RFC8132-5]
  tooManyRequests: 0x9d, // [RFC8516-4]
  internalError: 0xa0,
  notImplemented: 0xa1,
  badGateway: 0xa2,
  unavailable: 0xa3,
  gatewayTimeout: 0xa4,
  proxyingNotSupported: 0xa5,
} as const;

/** Signalling messages of streams [RFC8323-5]. */
export const SIGNAL = { csm: 0xe1, ping: 0xe2, pong: 0xe3, release: 0xe4, abort: 0xe5 } as const;

export const OPTION = {
  ifMatch: 1,
  uriHost: 3,
  eTag: 4,
  ifNoneMatch: 5,
  observe: 6,
  uriPort: 7,
  locationPath: 8,
  oscore: 9,
  uriPath: 11,
  contentFormat: 12,
  maxAge: 14,
  uriQuery: 15,
  hopLimit: 16,
  accept: 17,
  locationQuery: 20,
  block2: 23,
  block1: 27,
  size2: 28,
  proxyUri: 35,
  proxyScheme: 39,
  size1: 60,
  echo: 252,
  noResponse: 258,
  requestTag: 292,
  /** Of the hub's own surface: the message is the topic's last value, not one that was published just now. Elective, safe to forward. */
  retained: 65_024,
} as const;

/** The Content-Format of an envelope where plain messages come too; from the range for experiments. */
export const ENVELOPE_FORMAT = 65_060;

export interface CoapOption {
  readonly number: number;
  readonly value: Uint8Array;
}

export interface CoapMessage {
  readonly type: CoapType;
  readonly code: number;
  readonly id: number;
  /** 0 to 8 octets; more where both sides know extended tokens [RFC8974]. */
  readonly token: Uint8Array;
  /** In ascending order of number; the order of equal numbers is kept. */
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

/** A message whose header can be read and the rest not: a confirmable one is reset, others are ignored [RFC7252-4.2, 4.3]. */
export interface MalformedMessage {
  readonly malformed: string;
  readonly type: CoapType;
  readonly id: number;
}

export const NOTHING: Uint8Array = new Uint8Array(0);

/** `2.05`, for people. */
export function codeText(code: number): string {
  return `${code >> 5}.${String(code & 0x1f).padStart(2, '0')}`;
}
