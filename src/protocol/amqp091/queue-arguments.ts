// What a queue is declared with, as the hub's options, and whether two declarations mean the same.

import { exchangePrefix, topicOfKey } from '../../contract/exchange.ts';
import { NEVER } from '../../contract/message.ts';
import type { QueueOptions } from '../../contract/queue.ts';
import { fieldOf, type Table } from './fields.ts';
import { ChannelFault, NOT_IMPLEMENTED, PRECONDITION_FAILED } from './reply.ts';

export interface QueueFlags {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
}

/** Other arguments change nothing here: they say where and how a cluster keeps a queue. Throws ChannelFault for a value without meaning. */
export function optionsOf(flags: QueueFlags, table: Table): QueueOptions {
  const type = textOf(table, 'x-queue-type', 'classic');
  if (type !== 'classic' && type !== 'quorum')
    throw new ChannelFault(NOT_IMPLEMENTED, `invalid arg 'x-queue-type': '${type}' is not offered`);
  const overflow = textOf(table, 'x-overflow', 'drop-head');
  if (overflow !== 'drop-head' && overflow !== 'reject-publish' && overflow !== 'reject-publish-dlx')
    throw invalid('x-overflow', overflow);
  const single = fieldOf(table, 'x-single-active-consumer')?.value ?? false;
  if (typeof single !== 'boolean') throw invalid('x-single-active-consumer', single);
  const limit = numberOf(table, 'x-delivery-limit', NEVER);
  const expiresMs = numberOf(table, 'x-expires', NEVER);
  if (expiresMs === 0) throw invalid('x-expires', 0);
  const maxPriority = numberOf(table, 'x-max-priority', 0);
  if (maxPriority > 255) throw invalid('x-max-priority', maxPriority);
  return {
    // An exclusive queue ends with its connection, so there is nothing to keep.
    durable: flags.durable && !flags.exclusive,
    exclusive: flags.exclusive,
    autoDelete: flags.autoDelete,
    expiresMs,
    messageTtlMs: numberOf(table, 'x-message-ttl', NEVER),
    maxMessages: numberOf(table, 'x-max-length', NEVER),
    maxBytes: numberOf(table, 'x-max-length-bytes', NEVER),
    overflow: overflow === 'drop-head' ? 'drop-oldest' : 'drop-newest',
    deadLetter: deadLetterOf(table),
    maxDeliveries: limit === NEVER ? NEVER : limit + 1,
    maxPriority,
    singleActive: single,
    note: 'amqp091',
  };
}

function deadLetterOf(table: Table): string {
  const exchange = fieldOf(table, 'x-dead-letter-exchange')?.value;
  const key = fieldOf(table, 'x-dead-letter-routing-key')?.value;
  if (exchange === undefined) {
    if (key !== undefined) throw invalid('x-dead-letter-routing-key', 'there is no x-dead-letter-exchange');
    return '';
  }
  if (typeof exchange !== 'string') throw invalid('x-dead-letter-exchange', exchange);
  if (key === undefined) return `${exchangePrefix(exchange)}#`;
  if (typeof key !== 'string') throw invalid('x-dead-letter-routing-key', key);
  return topicOfKey(exchange, key);
}

function textOf(table: Table, name: string, otherwise: string): string {
  const value = fieldOf(table, name)?.value ?? otherwise;
  if (typeof value !== 'string') throw invalid(name, value);
  return value;
}

function numberOf(table: Table, name: string, otherwise: number): number {
  const value = fieldOf(table, name)?.value;
  if (value === undefined) return otherwise;
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0) throw invalid(name, value);
  return number;
}

function invalid(name: string, value: unknown): ChannelFault {
  return new ChannelFault(PRECONDITION_FAILED, `invalid arg '${name}': ${String(value)}`);
}

const ARGUMENT_OF: Readonly<Partial<Record<keyof QueueOptions, string>>> = {
  durable: 'durable',
  exclusive: 'exclusive',
  autoDelete: 'auto_delete',
  expiresMs: 'x-expires',
  messageTtlMs: 'x-message-ttl',
  maxMessages: 'x-max-length',
  maxBytes: 'x-max-length-bytes',
  overflow: 'x-overflow',
  deadLetter: 'x-dead-letter-exchange',
  maxDeliveries: 'x-delivery-limit',
  maxPriority: 'x-max-priority',
  singleActive: 'x-single-active-consumer',
};

/** Refuses a declaration that differs from the queue that is there. [AMQP091-1.7.2.1] */
export function checkSame(queue: string, current: QueueOptions, wanted: QueueOptions): void {
  for (const what of Object.keys(ARGUMENT_OF) as (keyof QueueOptions)[]) {
    if (current[what] === wanted[what]) continue;
    throw new ChannelFault(
      PRECONDITION_FAILED,
      `inequivalent arg '${ARGUMENT_OF[what]}' for queue '${queue}': received '${wanted[what]}' but current is '${current[what]}'`,
    );
  }
}
