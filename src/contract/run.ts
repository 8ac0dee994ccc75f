// The fast lane: neighbouring frames of one dialect with one route, handed on as the octets they are.

import type { Qos } from './message.ts';

/**
 * `count` frames at `bytes[start..end)`, all of one lane and QoS, none retained, none with state that belongs to one connection (a topic
 * alias). Valid only during the call. One Run is reused for all: read it, never keep it.
 */
export interface Run {
  /** Equal numbers mean that frames may go out as they came in (protocol version and framing). */
  readonly lane: number;
  readonly qos: Qos;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly count: number;
  /** Where each frame ends, relative to `start`: `ends[0..count)`. */
  readonly ends: Int32Array;
  /** Where each frame's packet id stands, relative to `start` (QoS 1 and 2 only). */
  readonly idAt: Int32Array;
  /** Set by the hub: how many mailboxes it is offered to. Worth sharing one copy from two on. */
  takers: number;
  /** A copy of the octets that receivers may share; made once, by the first taker, and kept here for the others. The hub releases it. */
  shared: SharedRun | undefined;
}

/** The tower's own shared copy of a run, opaque to the hub. */
export interface SharedRun {
  readonly release: () => void;
}

/** Where a topic leads: the matched mailboxes, cached by the topic's octets. Opaque to the towers. */
export interface Route {
  readonly topic: string;
}
