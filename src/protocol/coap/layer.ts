// What the requests' side of the tower needs of the messages' side: the same over datagrams (RFC 7252) and streams (RFC 8323).

import type { Protection } from './oscore.ts';
import { type CoapOption, type CoapType, OPTION } from './packet.ts';

/** One request and what is known of its answer. */
export interface Exchange {
  readonly type: CoapType;
  readonly id: number;
  readonly token: Uint8Array;
  readonly at: number;
  /** The request was sent to a group: errors and empty answers are not wanted [RFC7252-8.2]. */
  readonly multicast: boolean;
  /** Classes of response that the client does not want [RFC7967-2.1]. */
  silent: number;
  /** A GET without Observe: doing it again does no harm, so that it need not be remembered [RFC7252-4.5]. */
  readonly repeatable: boolean;
  /** An empty acknowledgement went out: the answer follows as a message of its own. */
  promised: boolean;
  /** The request came sealed, and so its answers go. */
  protection: Protection | undefined;
}

export interface Layer {
  /** A stream: nothing is lost, repeated or acknowledged one by one. */
  readonly reliable: boolean;
  /** The largest block: 6 is 1024 octets, 7 several times that (BERT). */
  readonly maxSzx: number;
  /** The largest payload that fits a message without being cut. */
  readonly maxPayloadBytes: number;
  /** The address is known to be the sender's own, so that answers may be large [RFC9175-2.4]. */
  readonly verified: boolean;
  /** Confirmable messages that wait for an acknowledgement. */
  readonly unacknowledged: number;
  /** The request carries this Echo value: it proves the address if it is the one that was asked for. */
  echoed(value: Uint8Array): void;
  /** Answers a request, once. */
  respond(exchange: Exchange, code: number, options?: readonly CoapOption[], payload?: Uint8Array): void;
  /** Asks for the request again, with an Echo value [RFC9175-2.3]. */
  challenge(exchange: Exchange): void;
  /** Leaves a request without an answer, as multicast and rejected ones are. */
  abandon(exchange: Exchange): void;
  /**
   * Sends 2.05 with ETag, Observe and `tail`, the rest of it; returns its message id, or -1. With `ended` it is confirmable, which tells
   * whether it was acknowledged; a stream needs none.
   */
  notify(
    token: Uint8Array,
    sequence: number,
    eTag: Uint8Array | undefined,
    tail: Uint8Array,
    ended: ((acknowledged: boolean) => void) | undefined,
  ): number;
  /** Sends a response that is not piggybacked, as it is; as `notify` else. */
  push(
    code: number,
    token: Uint8Array,
    options: readonly CoapOption[],
    payload: Uint8Array,
    ended: ((acknowledged: boolean) => void) | undefined,
  ): number;
  /** A confirmable message is not repeated any more, and nobody is told. */
  forgo(id: number): void;
  /** Message `id` takes the place of `before` among the retransmissions. */
  inherit(before: number, id: number): void;
  /** An error notification: the observation ends on this side [RFC7641-4.2]. */
  farewell(token: Uint8Array, code: number): void;
}

/** Whether an answer of this code is among those that the client does not want [RFC7967-2.1]. */
export function unwanted(silent: number, code: number): boolean {
  return ((1 << ((code >> 5) - 1)) & silent) !== 0;
}

/** Octets of ETag and Observe, the options in front of a notification's tail. */
export function observeBytes(eTag: Uint8Array | undefined, sequence: number): number {
  return (eTag === undefined ? 0 : 1 + eTag.length) + 1 + uintBytes(sequence);
}

/** Octets of a number of 24 bits as an option. */
function uintBytes(n: number): number {
  return n === 0 ? 0 : n < 0x100 ? 1 : n < 0x1_0000 ? 2 : 3;
}

/** Writes them; returns the offset behind them. */
export function writeObserve(
  bytes: Uint8Array,
  start: number,
  eTag: Uint8Array | undefined,
  sequence: number,
): number {
  let at = start;
  if (eTag !== undefined) {
    bytes[at++] = (OPTION.eTag << 4) | eTag.length;
    bytes.set(eTag, at);
    at += eTag.length;
  }
  const delta = OPTION.observe - (eTag === undefined ? 0 : OPTION.eTag);
  const octets = uintBytes(sequence);
  bytes[at++] = (delta << 4) | octets;
  for (let shift = (octets - 1) * 8; shift >= 0; shift -= 8) bytes[at++] = (sequence >> shift) & 0xff;
  return at;
}
