// What a channel takes out of queues: consumers, single gets, and deliveries that wait for their acknowledgement.

import { addressOfTopic } from '../../contract/exchange.ts';
import type { Consumer, Grant, Settler } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Consumption } from '../../contract/queue.ts';
import type { AmqpChannel } from './channel.ts';
import type { Method } from './packet.ts';

/** A delivery that is not acknowledged. */
export interface Delivery {
  readonly tag: number;
  readonly id: number;
  readonly from: ChannelConsumer;
}

/** One consumer of a channel, or the one message of a basic.get. */
export class ChannelConsumer implements Consumer {
  readonly tag: string;
  readonly noAck: boolean;
  /** At most so many of its own unacknowledged; 0: any number. */
  readonly prefetch: number;
  consumption: Consumption | undefined = undefined;
  unacknowledged = 0;
  /** No more deliveries. */
  cancelled = false;
  private readonly channel: AmqpChannel;

  constructor(channel: AmqpChannel, tag: string, noAck: boolean, prefetch: number) {
    this.channel = channel;
    this.tag = tag;
    this.noAck = noAck;
    this.prefetch = prefetch;
  }

  ready(_qos: Qos): boolean {
    if (this.cancelled || !this.channel.flowing) return false;
    if (this.noAck) return true;
    if (this.prefetch > 0 && this.unacknowledged >= this.prefetch) return false;
    return this.channel.window;
  }

  deliver(
    m: Message,
    _qos: Qos,
    _grant: Grant,
    _replayed: boolean,
    id: number,
    again: boolean,
    _box: Settler,
  ): void {
    const deliveryTag = this.expect(id);
    const { exchange, key } = addressOfTopic(m.topic);
    this.channel.send(this.method(deliveryTag, again, exchange, key), m, this.noAck ? 0 : 1);
  }

  protected method(deliveryTag: number, redelivered: boolean, exchange: string, routingKey: string): Method {
    return { name: 'basic.deliver', consumerTag: this.tag, deliveryTag, redelivered, exchange, routingKey };
  }

  private expect(id: number): number {
    const tag = this.channel.nextTag();
    if (!this.noAck) {
      this.unacknowledged++;
      this.channel.unacknowledged.set(tag, { tag, id, from: this });
    }
    return tag;
  }

  /** Runs are MQTT's. */
  take(): number {
    return 0;
  }

  /** The queue is no more. */
  evict(): void {
    if (!this.cancelled) this.channel.cancelledByServer(this);
    this.close();
  }

  pull(): void {
    if (!this.cancelled) this.consumption?.pull();
  }

  /** No more deliveries; those that were sent can still be acknowledged. */
  cancel(): void {
    this.cancelled = true;
    this.consumption?.cancel();
    this.rest();
  }

  /** What was not acknowledged goes back. */
  close(): void {
    this.cancelled = true;
    const { consumption } = this;
    this.consumption = undefined;
    consumption?.close();
  }

  /** It lets go of the queue when it gets nothing more and has nothing to answer. */
  rest(): void {
    if (this.cancelled && this.unacknowledged === 0) this.close();
  }
}

/** Takes one message. */
export class Getter extends ChannelConsumer {
  /** Messages that stay in the queue. */
  left = 0;
  got = false;

  override ready(): boolean {
    return !this.got;
  }

  protected override method(
    deliveryTag: number,
    redelivered: boolean,
    exchange: string,
    routingKey: string,
  ): Method {
    this.got = true;
    return { name: 'basic.get-ok', deliveryTag, redelivered, exchange, routingKey, messageCount: this.left };
  }
}
