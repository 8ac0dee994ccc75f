// What the owner of a hub can set of AMQP 0-9-1.

export interface Amqp091Options {
  /** The largest frame that is offered, octets with its overhead. */
  readonly frameMax: number;
  /** Channels of one connection. */
  readonly channelMax: number;
  /** The heartbeat that is proposed; 0: none. */
  readonly heartbeatSeconds: number;
}

export const DEFAULT_AMQP091_OPTIONS: Amqp091Options = {
  frameMax: 131_072,
  channelMax: 2_047,
  heartbeatSeconds: 60,
};
