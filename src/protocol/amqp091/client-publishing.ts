// A channel that publishes: one without confirms for QoS 0, one with them for QoS 1.

import { addressOfTopic, topicOfKey } from '../../contract/exchange.ts';
import type { Message } from '../../contract/message.ts';
import type { Answer, Refusal } from '../../contract/speaker.ts';
import type { ClientChannel, ClientHost, Content } from './client-channels.ts';
import { fitsName, refusalOf } from './client-terms.ts';
import { EMPTY_TABLE } from './fields.ts';
import type { BasicProperties, Method, MethodOf } from './packet.ts';

const WINDOW = 512;
const NACKED: Refusal = {
  outcome: 'quota-exceeded',
  reason: 'the server did not take the message (basic.nack)',
  code: 0,
};

interface Publishing {
  readonly m: Message;
  readonly answer: Answer;
  returned: boolean;
  /** Its queue was made since: it is returned for good if it comes back once more. */
  declared: boolean;
}

/**
 *     open       publishes are numbered as they are written. channel.close: reopening
 *     reopening  channel.open is sent, and all that has no answer waits. open-ok: alone, or open when nothing waits
 *     alone      one message at a time, until nothing waits: a fault now is that message's own
 */
export class PublishChannel implements ClientChannel {
  readonly number: number;
  private readonly host: ClientHost;
  private readonly confirming: boolean;
  private state: 'open' | 'reopening' | 'alone' = 'open';
  private sequence = 0;
  private unconfirmed = new Map<number, Publishing>();
  private waiting: Publishing[] = [];
  private active = true;

  constructor(host: ClientHost, number: number, confirming: boolean) {
    this.host = host;
    this.number = number;
    this.confirming = confirming;
    this.begin();
  }

  private begin(): void {
    this.sequence = 0;
    this.active = true;
    this.host.write(this.number, { name: 'channel.open' });
    if (this.confirming) this.host.write(this.number, { name: 'confirm.select', noWait: false });
  }

  get room(): number {
    return this.state === 'open' && this.active ? WINDOW - this.unconfirmed.size - this.waiting.length : 0;
  }

  publish(m: Message, answer: Answer): void {
    const { key } = addressOfTopic(m.topic);
    if (!fitsName(key)) {
      answer({ outcome: 'topic-invalid', reason: 'a routing key has at most 255 octets', code: 0 });
      return;
    }
    const one: Publishing = { m, answer, returned: false, declared: false };
    if (!this.confirming) {
      this.write(m);
      answer(undefined);
    } else if (this.state === 'open') this.send(one);
    else this.waiting.push(one);
  }

  private send(one: Publishing): void {
    this.unconfirmed.set(++this.sequence, one);
    this.write(one.m);
  }

  private write(m: Message): void {
    const { exchange, key: routingKey } = addressOfTopic(m.topic);
    // What no queue gets comes back, so that it can be told; at QoS 0 only a missing queue matters.
    const mandatory = this.confirming || exchange === '';
    this.host.writeContent(
      this.number,
      { name: 'basic.publish', exchange, routingKey, mandatory, immediate: false },
      m,
    );
  }

  heard(method: Method): void {
    switch (method.name) {
      case 'basic.ack':
      case 'basic.nack':
        this.confirmed(method.deliveryTag, method.multiple, method.name === 'basic.ack');
        return;
      case 'channel.open-ok':
        if (!this.confirming) this.state = 'open';
        return;
      case 'confirm.select-ok':
        if (this.state === 'reopening') this.state = 'alone';
        this.next();
        return;
      case 'channel.flow':
        this.active = method.active;
        this.host.write(this.number, { name: 'channel.flow-ok', active: method.active });
        return;
      case 'channel.close':
        this.faulted(method);
        return;
      default:
    }
  }

  private confirmed(upTo: number, multiple: boolean, taken: boolean): void {
    if (!multiple) this.answered(upTo, taken);
    else
      for (const sequence of [...this.unconfirmed.keys()]) {
        if (upTo !== 0 && sequence > upTo) break; // they are in order
        this.answered(sequence, taken);
      }
    this.next();
  }

  private answered(sequence: number, taken: boolean): void {
    const one = this.unconfirmed.get(sequence);
    if (one === undefined) return;
    this.unconfirmed.delete(sequence);
    if (!taken) one.answer(NACKED);
    else if (!one.returned) one.answer(undefined);
    else if (addressOfTopic(one.m.topic).exchange !== '' || one.declared) one.answer(undefined, true);
    else {
      this.declare(one.m.topic);
      one.returned = false;
      one.declared = true;
      this.send(one);
    }
  }

  /** A work queue comes with its first message, as in every protocol. */
  private declare(topic: string): void {
    const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: true };
    const { key: queue } = addressOfTopic(topic);
    this.host.write(this.number, { name: 'queue.declare', queue, ...flags, table: EMPTY_TABLE });
  }

  /** One that was returned; its confirm follows. */
  content(method: Content, p: BasicProperties, body: Uint8Array): void {
    const { exchange, routingKey } = method;
    const topic = topicOfKey(exchange, routingKey);
    if (this.confirming) {
      for (const one of this.unconfirmed.values()) {
        if (one.returned || one.m.payload.length !== body.length || one.m.topic !== topic) continue;
        one.returned = true;
        return;
      }
    } else if (exchange === '') {
      this.declare(topic);
      const m = this.host.messageOf(topic, p, body, false);
      const again = {
        name: 'basic.publish',
        exchange,
        routingKey,
        mandatory: false,
        immediate: false,
      } as const;
      this.host.writeContent(this.number, again, m);
    }
  }

  /** Nobody says which message a channel ended for, so all that have no answer are tried again, one by one. */
  private faulted({ replyCode, replyText }: MethodOf<'channel.close'>): void {
    const pending = [...this.unconfirmed.values()];
    this.unconfirmed.clear();
    this.host.write(this.number, { name: 'channel.close-ok' });
    this.state = 'reopening';
    if (pending.length === 1) pending[0]!.answer(refusalOf(replyCode, replyText, 'topic-invalid'));
    else this.waiting.unshift(...pending);
    for (const one of this.waiting) one.returned = false;
    this.begin();
  }

  private next(): void {
    if (this.state !== 'alone' || this.unconfirmed.size > 0) return;
    const one = this.waiting.shift();
    if (one === undefined) this.state = 'open';
    else this.send(one);
  }

  settle(): void {}

  abandon(why: Refusal): void {
    const pending = [...this.unconfirmed.values(), ...this.waiting];
    this.unconfirmed.clear();
    this.waiting = [];
    for (const { answer } of pending) answer(why);
  }
}
