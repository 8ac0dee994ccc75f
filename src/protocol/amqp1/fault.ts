// What goes wrong, and how far it reaches: a link, a session or the connection, with the condition that the standard has for it.

import { ProtocolError } from '../../contract/outcome.ts';

/** Conditions of [AMQP1-2.8.15, 2.8.16, 2.8.17, 2.8.18]. */
export type Condition =
  | 'amqp:internal-error'
  | 'amqp:not-found'
  | 'amqp:unauthorized-access'
  | 'amqp:decode-error'
  | 'amqp:resource-limit-exceeded'
  | 'amqp:not-allowed'
  | 'amqp:invalid-field'
  | 'amqp:not-implemented'
  | 'amqp:resource-locked'
  | 'amqp:precondition-failed'
  | 'amqp:resource-deleted'
  | 'amqp:illegal-state'
  | 'amqp:frame-size-too-small'
  | 'amqp:connection:forced'
  | 'amqp:connection:framing-error'
  | 'amqp:connection:redirect'
  | 'amqp:session:window-violation'
  | 'amqp:session:errant-link'
  | 'amqp:session:handle-in-use'
  | 'amqp:session:unattached-handle'
  | 'amqp:link:detach-forced'
  | 'amqp:link:transfer-limit-exceeded'
  | 'amqp:link:message-size-exceeded'
  | 'amqp:link:stolen'
  | 'amqp:transaction:unknown-id';

/** An `error` as it is sent. [AMQP1-2.8.14] */
export interface AmqpError {
  readonly condition: string;
  readonly description?: string;
}

/** Ends the connection. */
export class ConnectionFault extends ProtocolError {
  readonly condition: Condition;
  constructor(clause: string, condition: Condition, why: string) {
    super(clause, why);
    this.condition = condition;
  }
}

/** Ends the session that it happened in; the connection goes on. */
export class SessionFault extends Error {
  readonly condition: Condition;
  constructor(condition: Condition, why: string) {
    super(why);
    this.name = 'SessionFault';
    this.condition = condition;
  }
}

/** Detaches the link that it happened on; the session goes on. */
export class LinkFault extends Error {
  readonly condition: Condition;
  constructor(condition: Condition, why: string) {
    super(why);
    this.name = 'LinkFault';
    this.condition = condition;
  }
}

export function decodeError(clause: string, why: string): ConnectionFault {
  return new ConnectionFault(clause, 'amqp:decode-error', why);
}
