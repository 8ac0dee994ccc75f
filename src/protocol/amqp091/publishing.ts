// What a channel publishes: routing, returns, and confirms that wait for their commit.

import { topicOfKey } from '../../contract/exchange.ts';
import type { Message } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import { QUEUE_PREFIX } from '../../contract/queue.ts';
import { isTopicName } from '../../contract/topic.ts';
import type { AmqpChannel } from './channel.ts';
import { isDirectReply, REPLY_QUEUE } from './consuming.ts';
import type { AmqpExchange } from './exchanges.ts';
import { EMPTY_TABLE, fieldOf, type Table } from './fields.ts';
import { CODE_OF, messageOf, TOPIC_SCHEME } from './map.ts';
import type { BasicProperties, MethodOf } from './packet.ts';
import {
  ACCESS_REFUSED,
  ChannelFault,
  NO_ROUTE,
  NOT_FOUND,
  NOT_IMPLEMENTED,
  PRECONDITION_FAILED,
  replyText,
} from './reply.ts';

type Publish = MethodOf<'basic.publish'>;

/** Confirms up to `upTo` that wait for one commit. */
interface Unconfirmed {
  upTo: number;
  count: number;
  readonly due: number;
  readonly taken: boolean;
}

/** A message and where it goes, while a transaction is open. */
export interface Prepared {
  readonly method: Publish;
  readonly properties: BasicProperties;
  readonly payload: Uint8Array;
}

export class Publishing {
  confirming = false;
  private readonly channel: AmqpChannel;
  private sequence = 0;
  private unconfirmed: Unconfirmed[] = [];

  constructor(channel: AmqpChannel) {
    this.channel = channel;
  }

  confirm(noWait: boolean): void {
    this.channel.exclusiveMode('confirm');
    this.confirming = true;
    if (!noWait)
      this.channel.answer('confirm.select', 0, () => this.channel.write({ name: 'confirm.select-ok' }));
  }

  /** Before the content comes. */
  check({ immediate }: Publish): void {
    if (immediate)
      throw new ProtocolError(
        'AMQP091-1.8.3.7',
        'immediate is not offered: RabbitMQ has not had it since 3.0',
        NOT_IMPLEMENTED,
      );
  }

  publish(method: Publish, properties: BasicProperties, payload: Uint8Array): void {
    const { settling } = this.channel;
    if (settling.transactional) {
      this.refuseWrong(method, properties);
      settling.hold({ method, properties, payload });
    } else this.perform({ method, properties, payload });
  }

  /** What can be said of a publish before it is done. */
  private refuseWrong(method: Publish, { userId }: BasicProperties): AmqpExchange {
    const { host } = this.channel;
    const exchange = host.exchanges.get(method.exchange, host.access);
    if (exchange === undefined)
      throw new ChannelFault(NOT_FOUND, `no exchange '${method.exchange}' in vhost '/'`);
    if (exchange.internal)
      throw new ChannelFault(ACCESS_REFUSED, `cannot publish to internal exchange '${exchange.name}'`);
    if (userId !== undefined && userId !== host.username && userId !== host.origin.principal) {
      throw new ChannelFault(
        PRECONDITION_FAILED,
        `user_id property set to '${userId}' but authenticated user was '${host.username ?? host.origin.principal}'`,
      );
    }
    return exchange;
  }

  perform({ method, properties, payload }: Prepared): void {
    const { host } = this.channel;
    const exchange = this.refuseWrong(method, properties);
    const headers = properties.headers ?? EMPTY_TABLE;
    const keys = keysOf(method.routingKey, headers);
    const topic = this.topicOf(method);
    const qos = properties.deliveryMode === 2 || this.confirming ? 1 : 0;
    const m = messageOf(
      topic,
      this.answerable(withoutBcc(properties)),
      payload,
      qos,
      host.origin,
      host.hub.now(),
    );
    const { received } = host.hub.counters.of('amqp091');
    received[qos] = received[qos]! + 1;
    const outcome = this.route(m, exchange, keys, headers);
    if (outcome === 'not-authorized')
      throw new ChannelFault(CODE_OF[outcome], `no permission to publish to '${m.topic}'`);
    if (outcome === 'unmatched' && method.mandatory) this.giveBack(method, m);
    if (this.confirming) this.expect(outcome === 'ok' || outcome === 'unmatched');
  }

  /** Where the message says that it was published to. */
  private topicOf({ exchange, routingKey }: Publish): string {
    const toTopic = exchange === '' && routingKey.startsWith(TOPIC_SCHEME);
    const topic = toTopic ? routingKey.slice(TOPIC_SCHEME.length) : topicOfKey(exchange, routingKey);
    if (exchange === '' && routingKey === '') return QUEUE_PREFIX;
    if (!isTopicName(topic, this.channel.host.hub.limits) && exchange !== '')
      throw new ChannelFault(PRECONDITION_FAILED, `routing key '${routingKey}' is no topic`);
    return topic;
  }

  private route(m: Message, exchange: AmqpExchange, keys: readonly string[], headers: Table): Outcome {
    const { access, exchanges } = this.channel.host;
    // An answer to a request that came by another protocol goes to the topic that it asks for.
    if (exchange.name === '' && !m.topic.startsWith(QUEUE_PREFIX)) return access.spread(m, [m.topic]);
    let outcome = access.spread(m, exchanges.topicsOf(exchange, keys, headers));
    const met = new Set([exchange]);
    for (let last = exchange; outcome === 'unmatched' && last.alternate !== ''; ) {
      const next = exchanges.get(last.alternate, access);
      if (next === undefined || met.has(next)) break;
      met.add(next);
      outcome = access.spread(m, exchanges.topicsOf(next, keys, headers));
      last = next;
    }
    return outcome;
  }

  /** Direct reply-to: the pseudo-queue becomes the one that this channel listens at. */
  private answerable(p: BasicProperties): BasicProperties {
    if (p.replyTo !== REPLY_QUEUE) return p;
    for (const consumer of this.channel.consumers.values()) {
      if (isDirectReply(consumer)) return { ...p, replyTo: consumer.replyQueue };
    }
    throw new ChannelFault(PRECONDITION_FAILED, 'fast reply consumer does not exist');
  }

  private giveBack({ exchange, routingKey }: Publish, m: Message): void {
    this.channel.host.writeContent(
      this.channel.number,
      {
        name: 'basic.return',
        replyCode: NO_ROUTE,
        replyText: replyText(NO_ROUTE, 'no queue is bound').slice(0, 8),
        exchange,
        routingKey,
      },
      m,
    );
  }

  private expect(taken: boolean): void {
    const upTo = ++this.sequence;
    const { due } = this.channel.access;
    const last = this.unconfirmed.at(-1);
    if (last !== undefined && last.due === due && last.taken === taken) {
      last.upTo = upTo;
      last.count++;
    } else this.unconfirmed.push({ upTo, count: 1, due, taken });
  }

  get waiting(): number {
    return this.unconfirmed.reduce((sum, { count }) => sum + count, 0);
  }

  /** Says what is kept by now, many at a time. */
  flush(): void {
    const { unconfirmed, channel } = this;
    while (unconfirmed.length > 0 && unconfirmed[0]!.due <= channel.host.keptTicket) {
      const { upTo, count, taken } = unconfirmed.shift()!;
      const multiple = count > 1;
      if (taken) channel.write({ name: 'basic.ack', deliveryTag: upTo, multiple });
      else channel.write({ name: 'basic.nack', deliveryTag: upTo, multiple, requeue: false });
    }
  }
}

/** The routing key, and those in the CC and BCC headers. */
function keysOf(key: string, headers: Table): readonly string[] {
  let keys: string[] | undefined;
  for (const name of ['CC', 'BCC']) {
    const field = fieldOf(headers, name);
    if (field === undefined) continue;
    if (field.type !== 'A') throw new ChannelFault(PRECONDITION_FAILED, `header '${name}' is no array`);
    keys ??= [key];
    for (const { value } of field.value as readonly { readonly value: unknown }[]) {
      if (typeof value === 'string') keys.push(value);
    }
  }
  return keys ?? [key];
}

function withoutBcc(p: BasicProperties): BasicProperties {
  if (p.headers === undefined || fieldOf(p.headers, 'BCC') === undefined) return p;
  return { ...p, headers: p.headers.filter(([name]) => name !== 'BCC') };
}
