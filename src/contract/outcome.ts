// How an attempt ended, in words that every protocol can say its own way.

/** What became of a login, publish, subscribe or delivery. Each tower's map.ts answers every one of them. */
export type Outcome =
  | 'ok'
  | 'unmatched' // kept or delivered to nobody: no subscription matched
  | 'bad-credentials'
  | 'bad-authentication-method'
  | 'not-authorized'
  | 'identifier-invalid'
  | 'topic-invalid'
  | 'filter-invalid'
  | 'payload-invalid'
  | 'too-large'
  | 'quota-exceeded' // a limit of this hub: subscriptions, retained messages, connections, memory
  | 'rate-exceeded'
  | 'no-subscription'
  | 'not-supported'
  | 'taken-over' // another connection came with the same client id
  | 'slow-consumer'
  | 'idle' // the keep-alive time ran out
  | 'disconnected-by-admin'
  | 'busy'
  | 'unavailable' // the store or a dependency fails
  | 'use-another-server'
  | 'server-moved'
  | 'shutting-down';

/** Why a client was sent away. */
export type Departure = Outcome | 'protocol-error';

/**
 * The other side broke its protocol. `clause` names the rule (`MQTT5-2.1.3-1`), `code` is the protocol's own
 * reason code where it has one. Only the transport catches it: it closes that wire with the peer's `broken` answer.
 */
export class ProtocolError extends Error {
  readonly clause: string;
  readonly code: number;
  constructor(clause: string, message: string, code = 0) {
    super(`${message} [${clause}]`);
    this.name = 'ProtocolError';
    this.clause = clause;
    this.code = code;
  }
}
