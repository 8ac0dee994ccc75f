// A channel that consumes: one for each subscription, so that what fails there ends nothing else.

import { TOPIC_EXCHANGE, topicOfKey } from '../../contract/exchange.ts';
import { NEVER, type Qos } from '../../contract/message.ts';
import { QUEUE_PREFIX } from '../../contract/queue.ts';
import type { Answer, Refusal } from '../../contract/speaker.ts';
import type { ClientChannel, ClientHost, Content } from './client-channels.ts';
import { bindingOf, fitsName, refusalOf } from './client-terms.ts';
import { EMPTY_TABLE, type Table } from './fields.ts';
import type { BasicProperties, Method, MethodOf } from './packet.ts';
import { NOT_FOUND } from './reply.ts';
import { SHARE_PREFIX } from './shared.ts';

const MAX_PREFETCH = 65_535;
/** What RabbitMQ takes for `x-expires`. */
const MAX_EXPIRES_MS = 0xffff_ffff;
const KEPT_PREFIX = 'waymeet.';
const TAG = 's';

/**
 *     looking   a work queue: is it there? declare-ok: starting; 404: declared, on the channel opened anew
 *     starting  all is said at once. consume-ok: open; channel.close: over, and the answer says why
 *     open      deliveries come. leave: leaving; cancelled or closed from there: the connection is given up
 *     leaving   cancel-ok: answered; the channel is closed when everything is settled
 */
export class SubscriptionChannel implements ClientChannel {
  readonly number: number;
  readonly filter: string;
  private readonly host: ClientHost;
  private readonly qos: Qos;
  private readonly fresh: boolean;
  private readonly answer: (granted: Qos | Refusal) => void;
  private state: 'looking' | 'starting' | 'open' | 'leaving' | 'over' = 'starting';
  private queue = '';
  private readonly unsettled = new Set<number>();
  private left: Answer | undefined = undefined;
  private forgetting = false;

  /** `fresh`: what was kept of an earlier session is forgotten. */
  constructor(
    host: ClientHost,
    number: number,
    filter: string,
    qos: Qos,
    fresh: boolean,
    answer: (granted: Qos | Refusal) => void,
  ) {
    this.host = host;
    this.number = number;
    this.filter = filter;
    this.qos = qos;
    this.fresh = fresh;
    this.answer = answer;
  }

  /** Undefined: it cannot be asked for; why is in the answer. */
  static refusal(filter: string, kept: string | undefined): Refusal | undefined {
    if (filter.startsWith(SHARE_PREFIX) || filter.startsWith(QUEUE_PREFIX)) {
      const name = filter.startsWith(QUEUE_PREFIX) ? filter.slice(QUEUE_PREFIX.length) : filter;
      return fitsName(name) ? undefined : TOO_LONG;
    }
    const binding = bindingOf(filter);
    if (binding === undefined)
      return { outcome: 'not-supported', reason: "a level '*' is a wildcard in AMQP 0-9-1", code: 0 };
    return fitsName(binding.key) && (kept === undefined || fitsName(kept)) ? undefined : TOO_LONG;
  }

  start(): void {
    const { filter } = this;
    this.open();
    if (filter.startsWith(SHARE_PREFIX)) this.consume(filter);
    else if (filter.startsWith(QUEUE_PREFIX)) {
      this.state = 'looking';
      this.declare(filter.slice(QUEUE_PREFIX.length), 'passive', EMPTY_TABLE);
    } else this.startTopics();
  }

  private open(): void {
    this.host.write(this.number, { name: 'channel.open' });
    if (this.qos === 0) return;
    const prefetchCount = Math.min(MAX_PREFETCH, this.host.options.receiveMaximum);
    this.host.write(this.number, { name: 'basic.qos', prefetchSize: 0, prefetchCount, global: false });
  }

  private declare(queue: string, kind: 'passive' | 'durable' | 'exclusive', table: Table): void {
    this.queue = queue;
    this.host.write(this.number, {
      name: 'queue.declare',
      queue,
      passive: kind === 'passive',
      durable: kind === 'durable',
      exclusive: kind === 'exclusive',
      autoDelete: kind === 'exclusive',
      noWait: false,
      table,
    });
  }

  /** '' is the queue that the channel declared last [AMQP091-1.7.2.3], so nothing waits for the name that the server makes. */
  private startTopics(): void {
    const kept = keptQueue(this.host, this.filter);
    if (kept === undefined) this.declare('', 'exclusive', EMPTY_TABLE);
    else {
      if (this.fresh) this.delete(kept);
      const ms = this.host.options.sessionExpiryMs;
      const expires = ms === NEVER ? [] : [expiresOf(ms)];
      this.declare(kept, 'durable', expires);
    }
    const { exchange, key: routingKey } = bindingOf(this.filter)!;
    const bind = { name: 'queue.bind', queue: this.queue, exchange: exchange || TOPIC_EXCHANGE } as const;
    this.host.write(this.number, { ...bind, routingKey, noWait: false, table: EMPTY_TABLE });
    this.consume(this.queue);
  }

  private delete(queue: string): void {
    this.host.write(this.number, {
      name: 'queue.delete',
      queue,
      ifUnused: false,
      ifEmpty: false,
      noWait: false,
    });
  }

  private consume(queue: string): void {
    this.state = 'starting';
    this.queue = queue;
    this.host.write(this.number, {
      name: 'basic.consume',
      queue,
      consumerTag: TAG,
      noLocal: false,
      noAck: this.qos === 0,
      exclusive: false,
      noWait: false,
      table: EMPTY_TABLE,
    });
  }

  heard(method: Method): void {
    switch (method.name) {
      case 'queue.declare-ok':
        if (this.state === 'looking') this.consume(this.queue);
        else if (this.queue === '') this.queue = method.queue;
        return;
      case 'basic.consume-ok':
        if (this.state !== 'starting') return;
        this.state = 'open';
        this.answer(this.qos);
        return;
      case 'basic.cancel-ok':
        this.cancelled();
        return;
      case 'basic.cancel':
        this.broken({ outcome: 'unavailable', reason: `the server ended '${this.filter}'`, code: 0 });
        return;
      case 'channel.flow':
        this.host.write(this.number, { name: 'channel.flow-ok', active: method.active });
        return;
      case 'channel.close':
        this.closed(method);
        return;
      case 'channel.close-ok':
        this.over();
        return;
      default:
    }
  }

  /** Nobody hears of a subscription that ends, so the connection does: whoever connects again subscribes again. */
  private broken(why: Refusal): void {
    if (this.state === 'open') this.host.fail(why);
  }

  private closed({ replyCode, replyText }: MethodOf<'channel.close'>): void {
    this.host.write(this.number, { name: 'channel.close-ok' });
    const why = refusalOf(replyCode, replyText, 'filter-invalid');
    if (this.state === 'looking' && replyCode === NOT_FOUND) {
      this.open();
      this.declare(this.queue, 'durable', EMPTY_TABLE);
      this.consume(this.queue);
    } else if (this.state === 'open') this.broken({ ...why, outcome: 'unavailable' });
    else {
      const starting = this.state === 'starting' || this.state === 'looking';
      this.over();
      if (starting) this.answer(why);
      this.left?.(why);
      this.left = undefined;
    }
  }

  private over(): void {
    this.state = 'over';
    this.host.gone(this);
  }

  content(method: Content, p: BasicProperties, body: Uint8Array): void {
    if (method.name !== 'basic.deliver') return;
    const { deliveryTag, exchange, routingKey, redelivered } = method;
    if (this.state === 'leaving') {
      if (this.qos > 0) this.host.write(this.number, { name: 'basic.reject', deliveryTag, requeue: true });
      return;
    }
    const message = this.host.messageOf(topicOfKey(exchange, routingKey), p, body, this.qos > 0);
    let id = 0;
    if (this.qos > 0) {
      this.unsettled.add(deliveryTag);
      id = this.host.unsettled(this, deliveryTag);
    }
    const filters = [this.filter];
    this.host.delivered({ message, id, retained: message.retain, duplicate: redelivered, filters });
  }

  settle(deliveryTag: number, verdict: 'take' | 'return' | 'refuse'): void {
    if (!this.unsettled.delete(deliveryTag)) return;
    const { number } = this;
    if (verdict === 'take') this.host.write(number, { name: 'basic.ack', deliveryTag, multiple: false });
    else this.host.write(number, { name: 'basic.reject', deliveryTag, requeue: verdict === 'return' });
    this.rest();
  }

  /** `forget`: what is kept for it goes too. */
  leave(forget: boolean, answer: Answer): void {
    if (this.state !== 'open')
      this.answer({ outcome: 'no-subscription', reason: 'it was ended before it began', code: 0 });
    this.left = answer;
    this.forgetting = forget;
    this.state = 'leaving';
    this.host.write(this.number, { name: 'basic.cancel', consumerTag: TAG, noWait: false });
  }

  private cancelled(): void {
    const own = !this.filter.startsWith(SHARE_PREFIX) && !this.filter.startsWith(QUEUE_PREFIX);
    if (this.forgetting && own) this.delete(this.queue);
    const { left } = this;
    this.left = undefined;
    this.forgetting = false;
    this.rest();
    left?.(undefined);
  }

  private rest(): void {
    if (this.state !== 'leaving' || this.left !== undefined || this.unsettled.size > 0) return;
    const reason = { replyCode: 200, replyText: '', classId: 0, methodId: 0 };
    this.host.write(this.number, { name: 'channel.close', ...reason });
  }

  abandon(why: Refusal): void {
    const starting = this.state === 'starting' || this.state === 'looking';
    this.state = 'over';
    if (starting) this.answer(why);
    this.left?.(why);
    this.left = undefined;
  }
}

const TOO_LONG: Refusal = {
  outcome: 'filter-invalid',
  reason: 'a name or key has at most 255 octets',
  code: 0,
};

/** The queue that outlives the connection. */
export function keptQueue({ options }: Pick<ClientHost, 'options'>, filter: string): string | undefined {
  const { clientId, sessionExpiryMs } = options;
  return clientId === '' || sessionExpiryMs <= 0 ? undefined : `${KEPT_PREFIX}${clientId}.${filter}`;
}

function expiresOf(ms: number): Table[number] {
  return ['x-expires', { type: 'l', value: BigInt(Math.min(MAX_EXPIRES_MS, Math.ceil(ms))) }];
}
