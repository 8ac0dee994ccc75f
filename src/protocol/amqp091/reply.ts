// Reply codes, and the fault that closes a channel alone. [AMQP091-1.1 constants]

export const NO_ROUTE = 312;
export const CONNECTION_FORCED = 320;
export const CONTENT_TOO_LARGE = 311;
export const INVALID_PATH = 402;
export const ACCESS_REFUSED = 403;
export const NOT_FOUND = 404;
export const RESOURCE_LOCKED = 405;
export const PRECONDITION_FAILED = 406;
export const FRAME_ERROR = 501;
export const SYNTAX_ERROR = 502;
export const COMMAND_INVALID = 503;
export const CHANNEL_ERROR = 504;
export const UNEXPECTED_FRAME = 505;
export const RESOURCE_ERROR = 506;
export const NOT_ALLOWED = 530;
export const NOT_IMPLEMENTED = 540;
export const INTERNAL_ERROR = 541;

const NAMES: Readonly<Record<number, string>> = {
  [CONTENT_TOO_LARGE]: 'CONTENT_TOO_LARGE',
  [CONNECTION_FORCED]: 'CONNECTION_FORCED',
  [NO_ROUTE]: 'NO_ROUTE',
  [INVALID_PATH]: 'INVALID_PATH',
  [ACCESS_REFUSED]: 'ACCESS_REFUSED',
  [NOT_FOUND]: 'NOT_FOUND',
  [RESOURCE_LOCKED]: 'RESOURCE_LOCKED',
  [PRECONDITION_FAILED]: 'PRECONDITION_FAILED',
  [FRAME_ERROR]: 'FRAME_ERROR',
  [SYNTAX_ERROR]: 'SYNTAX_ERROR',
  [COMMAND_INVALID]: 'COMMAND_INVALID',
  [CHANNEL_ERROR]: 'CHANNEL_ERROR',
  [UNEXPECTED_FRAME]: 'UNEXPECTED_FRAME',
  [RESOURCE_ERROR]: 'RESOURCE_ERROR',
  [NOT_ALLOWED]: 'NOT_ALLOWED',
  [NOT_IMPLEMENTED]: 'NOT_IMPLEMENTED',
  [INTERNAL_ERROR]: 'INTERNAL_ERROR',
};

/** `NOT_FOUND - no queue 'x'`: clients look at the first word. */
export function replyText(code: number, why: string): string {
  return `${NAMES[code] ?? code} - ${why}`;
}

/** Closes the channel that it happened on; the connection goes on. */
export class ChannelFault extends Error {
  readonly code: number;
  constructor(code: number, why: string) {
    super(why);
    this.name = 'ChannelFault';
    this.code = code;
  }
}
