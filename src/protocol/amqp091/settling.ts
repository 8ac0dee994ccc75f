// What a channel answers to deliveries, and its transactions: publishes and answers that take effect together.

import { ProtocolError } from '../../contract/outcome.ts';
import type { AmqpChannel } from './channel.ts';
import type { Delivery } from './consumer.ts';
import type { MethodOf } from './packet.ts';
import type { Prepared } from './publishing.ts';
import { ChannelFault, NOT_IMPLEMENTED, PRECONDITION_FAILED, RESOURCE_ERROR } from './reply.ts';

type Handled =
  | MethodOf<'basic.ack'>
  | MethodOf<'basic.nack'>
  | MethodOf<'basic.reject'>
  | MethodOf<'basic.recover'>
  | MethodOf<'basic.recover-async'>
  | MethodOf<'tx.select'>
  | MethodOf<'tx.commit'>
  | MethodOf<'tx.rollback'>;

type Verdict = 'taken' | 'dead' | 'back';

interface Settled {
  readonly deliveries: readonly Delivery[];
  readonly verdict: Verdict;
}

/** What one transaction may hold. */
const MAX_HELD = 100_000;

export class Settling {
  transactional = false;
  private readonly channel: AmqpChannel;
  private publishes: Prepared[] = [];
  private settled: Settled[] = [];
  private bytes = 0;

  constructor(channel: AmqpChannel) {
    this.channel = channel;
  }

  perform(m: Handled): void {
    switch (m.name) {
      case 'basic.ack':
        this.settle(this.named(m.deliveryTag, m.multiple), 'taken');
        return;
      case 'basic.nack':
        this.settle(this.named(m.deliveryTag, m.multiple), m.requeue ? 'back' : 'dead');
        return;
      case 'basic.reject':
        this.settle(this.named(m.deliveryTag, false), m.requeue ? 'back' : 'dead');
        return;
      case 'basic.recover':
      case 'basic.recover-async':
        this.recover(m.requeue, m.name === 'basic.recover');
        return;
      case 'tx.select':
        this.channel.exclusiveMode('tx');
        this.transactional = true;
        this.channel.answer(m.name, 0, () => this.channel.write({ name: 'tx.select-ok' }));
        return;
      case 'tx.commit':
        this.commit();
        return;
      case 'tx.rollback':
        this.rollback();
        return;
    }
  }

  /** The deliveries that an answer names: one, or all up to it; 0 with `multiple` is all. [AMQP091-1.8.3.13] */
  private named(tag: number, multiple: boolean): Delivery[] {
    const { unacknowledged } = this.channel;
    if (!multiple) {
      const one = unacknowledged.get(tag);
      if (one === undefined) throw unknownTag(tag);
      return [one];
    }
    if (tag > this.channel.lastTag) throw unknownTag(tag);
    const found: Delivery[] = [];
    for (const delivery of unacknowledged.values()) {
      if (tag !== 0 && delivery.tag > tag) break;
      found.push(delivery);
    }
    if (found.length === 0 && tag !== 0) throw unknownTag(tag);
    return found;
  }

  private settle(deliveries: readonly Delivery[], verdict: Verdict): void {
    for (const { tag } of deliveries) this.channel.unacknowledged.delete(tag);
    if (this.transactional) {
      this.settled.push({ deliveries, verdict });
      return;
    }
    this.carryOut(deliveries, verdict);
    this.channel.pull();
  }

  private carryOut(deliveries: readonly Delivery[], verdict: Verdict): void {
    // Counted first: what goes back may be delivered again at once.
    for (const { from } of deliveries) from.unacknowledged--;
    for (const { from, id } of deliveries) {
      if (verdict === 'taken') from.consumption?.settle(id, 'ok');
      else if (verdict === 'dead') from.consumption?.settle(id, 'payload-invalid');
      else from.consumption?.putBack(id, true, false);
    }
    for (const { from } of deliveries) from.rest();
  }

  private recover(requeue: boolean, answered: boolean): void {
    if (!requeue)
      throw new ProtocolError('AMQP091-1.8.3.15', 'recover without requeue is not offered', NOT_IMPLEMENTED);
    const { channel } = this;
    const all = [...channel.unacknowledged.values()];
    channel.unacknowledged.clear();
    if (answered) channel.answer('basic.recover', 0, () => channel.write({ name: 'basic.recover-ok' }));
    this.carryOut(all, 'back');
    channel.pull();
  }

  // --- transactions ---

  hold(publish: Prepared): void {
    this.bytes += publish.payload.length;
    this.channel.host.weigh(publish.payload.length);
    if (this.publishes.push(publish) > MAX_HELD)
      throw new ChannelFault(RESOURCE_ERROR, 'the transaction is too large');
  }

  /** Answered within the transaction that is open. */
  *held(): Iterable<Delivery> {
    for (const { deliveries } of this.settled) yield* deliveries;
    this.letGo();
  }

  private letGo(): void {
    this.channel.host.weigh(-this.bytes);
    this.bytes = 0;
    this.publishes = [];
    this.settled = [];
  }

  private commit(): void {
    this.needsTransaction();
    const { publishes, settled, channel } = this;
    this.letGo();
    for (const publish of publishes) channel.publishing.perform(publish);
    for (const { deliveries, verdict } of settled) this.carryOut(deliveries, verdict);
    channel.answer('tx.commit', channel.access.due, () => channel.write({ name: 'tx.commit-ok' }));
    channel.pull();
  }

  private rollback(): void {
    this.needsTransaction();
    const { unacknowledged } = this.channel;
    const all = [...this.settled.flatMap(({ deliveries }) => deliveries), ...unacknowledged.values()];
    unacknowledged.clear();
    for (const delivery of all.toSorted((a, b) => a.tag - b.tag)) unacknowledged.set(delivery.tag, delivery);
    this.letGo();
    this.channel.answer('tx.rollback', 0, () => this.channel.write({ name: 'tx.rollback-ok' }));
  }

  private needsTransaction(): void {
    if (!this.transactional) throw new ChannelFault(PRECONDITION_FAILED, 'channel is not transactional');
  }
}

function unknownTag(tag: number): ChannelFault {
  return new ChannelFault(PRECONDITION_FAILED, `unknown delivery tag ${tag}`);
}
