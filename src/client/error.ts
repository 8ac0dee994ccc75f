// What goes wrong, as one kind of error: a code to act on, the protocol, a sentence, and the fix.

import type { Outcome } from '../contract/outcome.ts';
import type { Refusal } from '../contract/speaker.ts';

/** An Outcome that the other side said, or what only a client meets. */
export type ErrorCode =
  | Exclude<Outcome, 'ok' | 'unmatched'>
  | 'usage' // the call itself makes no sense
  | 'unreachable' // nobody answers at any of the addresses
  | 'untrusted' // the server's certificate does not show that it is the one
  | 'connection-lost'
  | 'closed' // the client was closed
  | 'timed-out'
  | 'aborted'
  | 'answered-with-error' // who was asked failed
  | 'expired' // the message was no longer worth sending
  | 'outbox-full'
  | 'storage'; // the outbox cannot be read or written

const FIXES: Partial<Record<ErrorCode, string>> = {
  'bad-credentials': 'check the user name and the password',
  'bad-authentication-method': 'choose another SASL mechanism',
  'not-authorized': 'ask for the permission',
  'too-large': 'send less at once, or raise the limit of the server',
  'quota-exceeded': 'wait, or raise the limit of the server',
  'not-supported': 'see the table in docs/client.md',
  'taken-over': 'give each program a client id of its own',
  'slow-consumer': 'take messages faster, or fewer at a time',
  idle: 'look at the network, or shorten keepAliveMs',
  unreachable: 'does the server run, at this address?',
  'timed-out': 'allow more time; does anybody answer?',
  'outbox-full': 'await publish(), or raise its limits',
  storage: 'can it be written to, and does nobody else use it?',
};

/** Every promise of the client rejects with one. */
export class WaymeetError extends Error {
  readonly code: ErrorCode;
  /** `mqtt`, `coap`, …; empty when no protocol was chosen yet. */
  readonly protocol: string;
  /** What happened, without the rest of the sentence. */
  readonly reason: string;
  /** What to do about it; empty when there is nothing to say. */
  readonly fix: string;
  /** The protocol's own code, 0: none. */
  readonly status: number;

  constructor(
    code: ErrorCode,
    protocol: string,
    reason: string,
    more: { readonly fix?: string; readonly status?: number; readonly cause?: unknown } = {},
  ) {
    const fix = more.fix ?? FIXES[code] ?? '';
    super(fix === '' ? reason : `${reason}: ${fix}`, more.cause === undefined ? {} : { cause: more.cause });
    this.name = 'WaymeetError';
    this.code = code;
    this.protocol = protocol;
    this.reason = reason;
    this.fix = fix;
    this.status = more.status ?? 0;
  }
}

/** What the other side said, as an error. */
export function errorOf(why: Refusal, protocol: string, cause?: unknown): WaymeetError {
  const code = why.outcome === 'ok' || why.outcome === 'unmatched' ? 'unavailable' : why.outcome;
  return new WaymeetError(code, protocol, why.reason, { status: why.code, cause });
}

/** Calls `gaveUp` when `signal` aborts. Returns how to stop that. */
export function onAbort(signal: AbortSignal | undefined, gaveUp: () => void): () => void {
  signal?.addEventListener('abort', gaveUp, { once: true });
  return () => signal?.removeEventListener('abort', gaveUp);
}

/** Rejects with it when `signal` aborts. */
export function aborted(signal: AbortSignal, protocol: string): WaymeetError {
  const { reason } = signal as { reason: { name?: string } | undefined };
  if (reason?.name === 'TimeoutError') return new WaymeetError('timed-out', protocol, 'the time is over');
  return new WaymeetError('aborted', protocol, 'the caller gave up', { fix: '', cause: reason });
}
