// Consuming from `$share/{group}/{filter}`: this channel takes part in a group that MQTT clients may share too.

import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Consumption } from '../../contract/queue.ts';
import type { AmqpChannel } from './channel.ts';
import type { ChannelConsumer } from './consumer.ts';

export const SHARE_PREFIX = '$share/';

/** A member of a group as a consumption. What is given back counts as taken: a group delivers again only when a member leaves. */
class SharedTake implements Consumption, Consumer {
  private readonly box: Mailbox;
  private readonly filter: string;
  private readonly consumer: ChannelConsumer;
  private readonly sent = new Map<number, { readonly id: number; readonly box: Settler }>();
  private next = 1;

  constructor(box: Mailbox, filter: string, consumer: ChannelConsumer) {
    this.box = box;
    this.filter = filter;
    this.consumer = consumer;
  }

  ready(qos: Qos): boolean {
    return this.consumer.ready(qos);
  }

  deliver(
    m: Message,
    qos: Qos,
    grant: Grant,
    replayed: boolean,
    id: number,
    again: boolean,
    box: Settler,
  ): void {
    const number = this.next++;
    if (id !== 0) this.sent.set(number, { id, box });
    this.consumer.deliver(m, qos, grant, replayed, number, again, this);
  }

  take(): number {
    return 0;
  }

  evict(): void {
    this.consumer.evict();
  }

  settle(id: number, outcome: Outcome): void {
    const sent = this.sent.get(id);
    this.sent.delete(id);
    sent?.box.settle(sent.id, outcome);
  }

  release(id: number): void {
    this.settle(id, 'ok');
  }

  putBack(id: number): void {
    this.settle(id, 'ok');
  }

  failures(): number {
    return 0;
  }

  pull(): void {
    this.box.pull();
  }

  cancel(): void {
    this.box.unsubscribe(this.filter);
  }

  close(): void {
    this.sent.clear();
    this.box.unsubscribe(this.filter);
    this.box.detach(this);
  }
}

export function consumeShared(
  channel: AmqpChannel,
  filter: string,
  consumer: ChannelConsumer,
): Consumption | Outcome {
  const { queueMessages: capacity, overflow } = channel.host.hub.limits;
  // A connection's own, since a channel and a tag are the same in many: two of them are two members.
  const name = `${channel.access.client}/${channel.number}/${consumer.tag}`;
  const box = channel.access.mailbox(name, { fresh: true, keepMs: 0, capacity, overflow });
  const take = new SharedTake(box, filter, consumer);
  box.attach(take);
  const { outcome } = box.subscribe({ filter, qos: consumer.noAck ? 0 : 1, noLocal: false, tag: 0 });
  if (outcome === 'ok') return take;
  box.detach(take);
  return outcome;
}
