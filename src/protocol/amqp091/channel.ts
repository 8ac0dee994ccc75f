// One channel: its methods in order, answers that wait for a commit, and the content that is arriving.

import { copyOf } from '../../bytes/blocks.ts';
import { joined } from '../../bytes/joined.ts';
import type { Access, Hub } from '../../contract/hub.ts';
import type { Message, Origin } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { ChannelConsumer, Delivery } from './consumer.ts';
import { consume, get } from './consuming.ts';
import type { Repetition } from './decode.ts';
import type { Exchanges } from './exchanges.ts';
import { BODY, type ContentHeader, HEADER, type Method, type MethodName, type MethodOf } from './packet.ts';
import { Publishing } from './publishing.ts';
import {
  CHANNEL_ERROR,
  ChannelFault,
  CONTENT_TOO_LARGE,
  NOT_ALLOWED,
  NOT_IMPLEMENTED,
  PRECONDITION_FAILED,
  UNEXPECTED_FRAME,
} from './reply.ts';
import { Settling } from './settling.ts';
import { Topology } from './topology.ts';

/** What a channel asks of its connection. */
export interface ChannelHost {
  readonly hub: Hub;
  readonly access: Access;
  readonly origin: Origin;
  readonly exchanges: Exchanges;
  readonly repetition: Repetition;
  /** The user name that logged in. */
  readonly username: string | undefined;
  readonly keptTicket: number;
  readonly maxBodyBytes: number;
  /** The wire has room. */
  readonly writable: boolean;
  /** Understands that a consumer is cancelled from here. */
  readonly hearsCancel: boolean;
  write(channel: number, method: Method): void;
  writeContent(channel: number, method: Method, m: Message): void;
  /** So many octets of unfinished content more, or fewer. Throws ProtocolError when they are too many. */
  weigh(bytes: number): void;
  /** Runs what may throw a ChannelFault. */
  guard(channel: AmqpChannel, method: MethodName, work: () => void): void;
}

interface Answer {
  readonly due: number;
  readonly method: MethodName;
  readonly say: () => void;
}

interface Content {
  readonly method: MethodOf<'basic.publish'>;
  header: ContentHeader | undefined;
  parts: Uint8Array[];
  received: number;
}

/** States: open —fault→ closing —close-ok→ gone; open —close→ gone. What comes while closing is ignored. */
export class AmqpChannel {
  readonly number: number;
  readonly host: ChannelHost;
  state: 'open' | 'closing' | 'gone' = 'open';
  readonly consumers = new Map<string, ChannelConsumer>();
  /** By delivery tag, in order. */
  readonly unacknowledged = new Map<number, Delivery>();
  /** Of the queue that was declared last. */
  lastQueue: string | undefined = undefined;
  /** Of consumers to come, and of all together; 0: any number. */
  prefetch = 0;
  globalPrefetch = 0;
  readonly publishing: Publishing;
  readonly settling: Settling;
  private readonly topology: Topology;
  private tags = 0;
  private content: Content | undefined = undefined;
  private answers: Answer[] = [];

  constructor(host: ChannelHost, number: number) {
    this.host = host;
    this.number = number;
    this.publishing = new Publishing(this);
    this.settling = new Settling(this);
    this.topology = new Topology(this);
  }

  get access(): Access {
    return this.host.access;
  }

  // --- in ---

  method(method: Method): void {
    if (this.content !== undefined)
      throw new ProtocolError('AMQP091-4.2.6', `${method.name} instead of content`, UNEXPECTED_FRAME);
    if (method.name === 'basic.publish') {
      this.publishing.check(method);
      this.content = { method, header: undefined, parts: [], received: 0 };
    } else this.perform(method);
  }

  private perform(method: Method): void {
    switch (method.name) {
      case 'channel.flow':
        // As RabbitMQ: prefetch is what slows consumers down, and its clients' own tests want this refusal.
        if (!method.active)
          throw new ProtocolError(
            'AMQP091-1.5.2.3',
            'active=false is not offered: set a prefetch',
            NOT_IMPLEMENTED,
          );
        this.answer(method.name, 0, () => this.write({ name: 'channel.flow-ok', active: true }));
        return;
      case 'channel.flow-ok':
        return;
      case 'basic.qos':
        if (method.prefetchSize !== 0)
          throw new ProtocolError('AMQP091-1.8.3.1', 'prefetch by size is not offered', NOT_IMPLEMENTED);
        if (method.global) this.globalPrefetch = method.prefetchCount;
        else this.prefetch = method.prefetchCount;
        this.answer(method.name, 0, () => this.write({ name: 'basic.qos-ok' }));
        this.pull();
        return;
      case 'basic.consume':
        consume(this, method);
        return;
      case 'basic.cancel':
        this.cancel(method);
        return;
      case 'basic.get':
        this.answer(method.name, 0, () => get(this, method));
        return;
      case 'basic.ack':
      case 'basic.nack':
      case 'basic.reject':
      case 'basic.recover':
      case 'basic.recover-async':
      case 'tx.select':
      case 'tx.commit':
      case 'tx.rollback':
        this.settling.perform(method);
        return;
      case 'confirm.select':
        this.publishing.confirm(method.noWait);
        return;
      default:
        if (!this.topology.perform(method))
          throw new ProtocolError('AMQP091-1.1', `${method.name} is not for a server's channel`, NOT_ALLOWED);
    }
  }

  contentFrame(type: number, bytes: Uint8Array, start: number, end: number): void {
    const { content } = this;
    if (content === undefined)
      throw new ProtocolError('AMQP091-4.2.6', 'content without a method', UNEXPECTED_FRAME);
    if (type === HEADER) {
      if (content.header !== undefined)
        throw new ProtocolError('AMQP091-4.2.6', 'two content headers', UNEXPECTED_FRAME);
      content.header = this.host.repetition.contentHeader(bytes, start, end);
      if (content.header.bodySize > this.host.maxBodyBytes) {
        this.content = undefined;
        throw new ChannelFault(
          CONTENT_TOO_LARGE,
          `${content.header.bodySize} octets, ${this.host.maxBodyBytes} are allowed`,
        );
      }
    } else if (type === BODY) this.body(content, bytes, start, end);
    if (content.header !== undefined && content.received === content.header.bodySize) this.publish(content);
  }

  private body(content: Content, bytes: Uint8Array, start: number, end: number): void {
    const { header } = content;
    if (header === undefined)
      throw new ProtocolError('AMQP091-4.2.6', 'a body without its header', UNEXPECTED_FRAME);
    if (content.received + end - start > header.bodySize)
      throw new ProtocolError('AMQP091-4.2.6.3', 'the body is longer than its header says', CHANNEL_ERROR);
    if (end === start) return;
    this.host.weigh(end - start);
    content.parts.push(copyOf(bytes.subarray(start, end)));
    content.received += end - start;
  }

  private publish(content: Content): void {
    this.content = undefined;
    this.host.weigh(-content.received);
    const payload = joined(content.parts);
    this.publishing.publish(content.method, content.header!.properties, payload);
  }

  private cancel({ consumerTag, noWait }: MethodOf<'basic.cancel'>): void {
    this.answer('basic.cancel', 0, () => {
      const consumer = this.consumers.get(consumerTag);
      this.consumers.delete(consumerTag);
      consumer?.cancel();
      if (!noWait) this.write({ name: 'basic.cancel-ok', consumerTag });
    });
  }

  cancelledByServer(consumer: ChannelConsumer): void {
    if (this.consumers.get(consumer.tag) !== consumer) return;
    this.consumers.delete(consumer.tag);
    if (this.host.hearsCancel) this.write({ name: 'basic.cancel', consumerTag: consumer.tag, noWait: true });
  }

  // --- out ---

  nextTag(): number {
    return ++this.tags;
  }

  get lastTag(): number {
    return this.tags;
  }

  get flowing(): boolean {
    return this.state === 'open' && this.host.writable;
  }

  /** The channel as a whole may have one more unacknowledged. */
  get window(): boolean {
    return this.globalPrefetch === 0 || this.unacknowledged.size < this.globalPrefetch;
  }

  pull(): void {
    for (const consumer of [...this.consumers.values()]) consumer.pull();
  }

  write(method: Method): void {
    if (this.state === 'open') this.host.write(this.number, method);
  }

  send(method: Method, m: Message, qos: 0 | 1): void {
    this.host.writeContent(this.number, method, m);
    const { delivered } = this.host.hub.counters.of('amqp091');
    delivered[qos] = delivered[qos]! + 1;
  }

  /** Acknowledged means kept: what is said waits for commit `due`, and never overtakes what was to be said before. */
  answer(method: MethodName, due: number, say: () => void): void {
    if (this.answers.length > 0 || due > this.host.keptTicket) this.answers.push({ due, method, say });
    else say();
  }

  /** What waits for a commit. */
  get waiting(): number {
    return this.answers.length + this.publishing.waiting;
  }

  kept(): void {
    while (this.state === 'open' && this.answers.length > 0 && this.answers[0]!.due <= this.host.keptTicket) {
      const { method, say } = this.answers.shift()!;
      this.host.guard(this, method, say);
    }
    if (this.state === 'open') this.publishing.flush();
  }

  /** Everything that it held is given back. */
  release(): void {
    this.answers = [];
    if (this.content !== undefined) this.host.weigh(-this.content.received);
    this.content = undefined;
    const consumers = new Set(this.consumers.values());
    for (const { from } of this.unacknowledged.values()) consumers.add(from);
    for (const { from } of this.settling.held()) consumers.add(from);
    this.consumers.clear();
    this.unacknowledged.clear();
    for (const consumer of consumers) consumer.close();
  }

  /** The queue that a method means: '' is the one declared last. [AMQP091-1.7.2.1] */
  queueName(named: string): string {
    if (named !== '') return named;
    if (this.lastQueue === undefined)
      throw new ProtocolError('AMQP091-1.7.2.3', 'no queue was declared on this channel', NOT_ALLOWED);
    return this.lastQueue;
  }

  /** Neither transactions nor confirms, when it is to become the other. */
  exclusiveMode(wanted: 'tx' | 'confirm'): void {
    if (wanted === 'tx' ? this.publishing.confirming : this.settling.transactional)
      throw new ChannelFault(
        PRECONDITION_FAILED,
        `cannot switch from ${wanted === 'tx' ? 'confirm to tx' : 'tx to confirm'} mode`,
      );
  }
}
