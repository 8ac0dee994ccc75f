// How a channel begins to take messages: basic.consume, basic.get, and the pseudo-queue of direct replies.

import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import { QUEUE_DEFAULTS, type WorkQueue } from '../../contract/queue.ts';
import type { AmqpChannel } from './channel.ts';
import { ChannelConsumer, Getter } from './consumer.ts';
import { CODE_OF, canonical } from './map.ts';
import type { MethodOf } from './packet.ts';
import {
  ACCESS_REFUSED,
  ChannelFault,
  NOT_ALLOWED,
  NOT_FOUND,
  PRECONDITION_FAILED,
  RESOURCE_LOCKED,
} from './reply.ts';
import { consumeShared, SHARE_PREFIX } from './shared.ts';

/** Consuming from it makes a queue that only the requests of this channel name in reply-to. */
export const REPLY_QUEUE = 'amq.rabbitmq.reply-to';

class ReplyConsumer extends ChannelConsumer {
  replyQueue = '';
}

export function isDirectReply(consumer: ChannelConsumer): consumer is ReplyConsumer {
  return consumer instanceof ReplyConsumer;
}

/** A name that nobody guesses. */
export function madeName(channel: AmqpChannel, prefix: string): string {
  const value = channel.host.hub.random(16);
  return prefix + canonical([['', { type: 'x', value }]]).slice(-32);
}

export function consume(channel: AmqpChannel, method: MethodOf<'basic.consume'>): void {
  const name = channel.queueName(method.queue);
  const tag = method.consumerTag === '' ? madeName(channel, 'amq.ctag-') : method.consumerTag;
  if (channel.consumers.has(tag))
    throw new ProtocolError('AMQP091-1.8.3.3', `consumer tag '${tag}' is in use`, NOT_ALLOWED);
  const { noAck, exclusive, noWait } = method;
  let consumer = new ChannelConsumer(channel, tag, noAck, channel.prefetch);
  let queue: WorkQueue | undefined;
  if (name === REPLY_QUEUE) {
    if (!noAck) throw new ChannelFault(PRECONDITION_FAILED, 'reply consumer cannot acknowledge');
    const reply = new ReplyConsumer(channel, tag, noAck, 0);
    queue = replyQueue(channel);
    reply.replyQueue = queue.name;
    consumer = reply;
  } else if (!name.startsWith(SHARE_PREFIX)) queue = existing(channel, name);
  consumer.cancelled = true; // nothing may come before consume-ok
  channel.consumers.set(tag, consumer);
  const taken =
    queue === undefined
      ? consumeShared(channel, name, consumer)
      : queue.consume(consumer, { qos: noAck ? 0 : 1, exclusive });
  if (typeof taken === 'string') {
    channel.consumers.delete(tag);
    if (taken === 'busy' && queue?.options.exclusive === false)
      throw new ChannelFault(ACCESS_REFUSED, `queue '${name}' in vhost '/' in exclusive use`);
    throw refused(taken, name);
  }
  consumer.consumption = taken;
  channel.answer('basic.consume', 0, () => {
    if (!noWait) channel.write({ name: 'basic.consume-ok', consumerTag: tag });
    if (channel.consumers.get(tag) !== consumer) return;
    consumer.cancelled = false;
    consumer.pull();
  });
}

function replyQueue(channel: AmqpChannel): WorkQueue {
  const options = { ...QUEUE_DEFAULTS, durable: false, exclusive: true, autoDelete: true };
  const made = channel.access.queue(madeName(channel, `${REPLY_QUEUE}.`), options);
  if (typeof made === 'string') throw refused(made, REPLY_QUEUE);
  return made;
}

export function get(channel: AmqpChannel, method: MethodOf<'basic.get'>): void {
  const name = channel.queueName(method.queue);
  const queue = existing(channel, name);
  const getter = new Getter(channel, '', method.noAck, 0);
  getter.left = Math.max(0, queue.waiting - 1);
  const taken = queue.consume(getter, { qos: method.noAck ? 0 : 1, passing: true });
  if (typeof taken === 'string') throw refused(taken, name);
  getter.consumption = taken;
  getter.cancel();
  if (!getter.got) channel.write({ name: 'basic.get-empty' });
}

/** The queue of that name. Throws ChannelFault when there is none. */
export function existing(channel: AmqpChannel, name: string): WorkQueue {
  const queue = channel.access.queue(name);
  if (typeof queue === 'string') throw refused(queue, name);
  return queue;
}

export function refused(why: Outcome, name: string): ChannelFault {
  switch (why) {
    case 'unmatched':
      return new ChannelFault(NOT_FOUND, `no queue '${name}' in vhost '/'`);
    case 'busy':
      return new ChannelFault(
        RESOURCE_LOCKED,
        `cannot obtain exclusive access to locked queue '${name}' in vhost '/'`,
      );
    case 'not-authorized':
      return new ChannelFault(ACCESS_REFUSED, `access to queue '${name}' in vhost '/' refused`);
    default:
      return new ChannelFault(CODE_OF[why] || PRECONDITION_FAILED, `queue '${name}': ${why}`);
  }
}
