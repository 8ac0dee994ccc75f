// A channel's exchanges, queues and bindings: declared, bound, purged and deleted.

import { exchangePrefix, TOPIC_EXCHANGE } from '../../contract/exchange.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { WorkQueue } from '../../contract/queue.ts';
import type { AmqpChannel } from './channel.ts';
import { existing, madeName, refused } from './consuming.ts';
import { type AmqpExchange, checkEquivalent, type ExchangeOptions, exchangeTypeOf } from './exchanges.ts';
import { fieldOf, type Table } from './fields.ts';
import type { Method, MethodName, MethodOf } from './packet.ts';
import { checkSame, optionsOf } from './queue-arguments.ts';
import { ACCESS_REFUSED, ChannelFault, COMMAND_INVALID, NOT_FOUND, PRECONDITION_FAILED } from './reply.ts';

export class Topology {
  private readonly channel: AmqpChannel;

  constructor(channel: AmqpChannel) {
    this.channel = channel;
  }

  /** False: the method is not about topology. */
  perform(method: Method): boolean {
    switch (method.name) {
      case 'exchange.declare':
        this.declareExchange(method);
        return true;
      case 'exchange.delete':
        this.deleteExchange(method);
        return true;
      case 'exchange.bind':
      case 'exchange.unbind':
        this.link(method);
        return true;
      case 'queue.declare':
        this.declareQueue(method);
        return true;
      case 'queue.bind':
      case 'queue.unbind':
        this.bind(method);
        return true;
      case 'queue.purge':
        this.purge(method);
        return true;
      case 'queue.delete':
        this.deleteQueue(method);
        return true;
      default:
        return false;
    }
  }

  private answer(method: MethodName, noWait: boolean, reply: Method): void {
    const { channel } = this;
    if (!noWait) channel.answer(method, channel.access.due, () => channel.write(reply));
  }

  // --- exchanges ---

  private exchange(name: string): AmqpExchange {
    const { exchanges, access } = this.channel.host;
    const found = exchanges.get(name, access);
    if (found === undefined) throw new ChannelFault(NOT_FOUND, `no exchange '${name}' in vhost '/'`);
    return found;
  }

  private declareExchange(method: MethodOf<'exchange.declare'>): void {
    const { exchange: name, passive, noWait } = method;
    const { exchanges, access } = this.channel.host;
    if (passive) this.exchange(name);
    else {
      if (name === '') this.allowedName('exchange', name);
      const wanted = this.exchangeOptions(method);
      const known = exchanges.get(name, access);
      if (known !== undefined) checkEquivalent(known, wanted);
      else {
        this.allowedName('exchange', name);
        this.mayConfigure(name);
        exchanges.declare(name, wanted, access);
      }
    }
    this.answer(method.name, noWait, { name: 'exchange.declare-ok' });
  }

  private exchangeOptions(method: MethodOf<'exchange.declare'>): ExchangeOptions {
    const type = exchangeTypeOf(method.type);
    if (type === undefined)
      throw new ProtocolError(
        'AMQP091-1.6.2.1',
        `there is no exchange type '${method.type}'`,
        COMMAND_INVALID,
      );
    const alternate = fieldOf(method.table, 'alternate-exchange')?.value ?? '';
    if (typeof alternate !== 'string')
      throw new ChannelFault(PRECONDITION_FAILED, "invalid arg 'alternate-exchange': no name");
    const { durable, autoDelete, internal } = method;
    return { type, durable, autoDelete, internal, alternate };
  }

  /** Names that start with `amq.` are the server's. [AMQP091-1.6.2.1, 1.7.2.1] */
  private allowedName(what: string, name: string): void {
    if (name === '')
      throw new ChannelFault(ACCESS_REFUSED, 'operation not permitted on the default exchange');
    if (name.startsWith('amq.'))
      throw new ChannelFault(ACCESS_REFUSED, `${what} name '${name}' contains reserved prefix 'amq.*'`);
  }

  /** Who may publish to an exchange, or listen to all of it, may declare, link and delete it. */
  private mayConfigure(name: string): void {
    const { access } = this.channel;
    const filter = `${exchangePrefix(name)}#`;
    if (access.may('publish', `${exchangePrefix(name)}any`) || access.may('subscribe', filter)) return;
    throw new ChannelFault(ACCESS_REFUSED, `access to exchange '${name}' in vhost '/' refused`);
  }

  private deleteExchange({
    name: method,
    exchange: name,
    ifUnused,
    noWait,
  }: MethodOf<'exchange.delete'>): void {
    const { exchanges, access } = this.channel.host;
    this.allowedName('exchange', name);
    const known = exchanges.get(name, access);
    if (known !== undefined) {
      this.mayConfigure(name);
      if (ifUnused && exchanges.inUse(known))
        throw new ChannelFault(PRECONDITION_FAILED, `exchange '${name}' in vhost '/' in use`);
      exchanges.delete(known, access);
    }
    this.answer(method, noWait, { name: 'exchange.delete-ok' });
  }

  private link(method: MethodOf<'exchange.bind'> | MethodOf<'exchange.unbind'>): void {
    const { destination, source, routingKey: key, table, noWait } = method;
    const { exchanges, access } = this.channel.host;
    if (destination === '' || source === '')
      throw new ChannelFault(ACCESS_REFUSED, 'operation not permitted on the default exchange');
    const link = { to: destination, key, table };
    if (method.name === 'exchange.bind') {
      const [from, to] = [this.exchange(source), this.exchange(destination)];
      this.mayConfigure(to.name);
      this.mayListen(from, key, table);
      exchanges.link(from, link, access);
    } else {
      const from = exchanges.get(source, access);
      if (from !== undefined) exchanges.unlink(from, link, access);
    }
    this.answer(method.name, noWait, {
      name: method.name === 'exchange.bind' ? 'exchange.bind-ok' : 'exchange.unbind-ok',
    });
  }

  private mayListen(from: AmqpExchange, key: string, table: Table): void {
    const { access, exchanges } = this.channel.host;
    if (!access.may('subscribe', exchanges.bindingOf(from, key, table, access)))
      throw new ChannelFault(ACCESS_REFUSED, `access to exchange '${from.name}' in vhost '/' refused`);
  }

  // --- queues ---

  private declareQueue(method: MethodOf<'queue.declare'>): void {
    const { channel } = this;
    const { passive, noWait } = method;
    let queue: WorkQueue;
    if (passive) {
      queue = existing(channel, channel.queueName(method.queue));
      if (this.locked(queue)) throw refused('busy', queue.name);
    } else queue = this.declared(method);
    channel.lastQueue = queue.name;
    this.answer(method.name, noWait, {
      name: 'queue.declare-ok',
      queue: queue.name,
      messageCount: queue.waiting,
      consumerCount: queue.consumers,
    });
  }

  private declared(method: MethodOf<'queue.declare'>): WorkQueue {
    const { access } = this.channel;
    const options = optionsOf(method, method.table);
    const name = method.queue === '' ? madeName(this.channel, 'amq.gen-') : method.queue;
    if (method.queue.startsWith('amq.') && access.queue(name) === 'unmatched')
      this.allowedName('queue', name);
    const queue = access.queue(name, options);
    if (typeof queue === 'string') throw refused(queue, name);
    checkSame(name, queue.options, options);
    return queue;
  }

  /** Another connection's exclusive queue. */
  private locked(queue: WorkQueue): boolean {
    return (
      queue.options.exclusive && typeof this.channel.access.queue(queue.name, queue.options) === 'string'
    );
  }

  private own(name: string): WorkQueue {
    const queue = existing(this.channel, name);
    if (this.locked(queue)) throw refused('busy', name);
    return queue;
  }

  private bind(method: MethodOf<'queue.bind'> | MethodOf<'queue.unbind'>): void {
    const { channel } = this;
    const { exchanges, access } = channel.host;
    const name = channel.queueName(method.queue);
    // Without a queue and key, both are the queue that was declared last. [AMQP091-1.7.2.3]
    const key = method.queue === '' && method.routingKey === '' ? name : method.routingKey;
    if (method.name === 'queue.unbind') this.unbind(name, method, key);
    else {
      const queue = this.own(name);
      const exchange = this.exchange(method.exchange);
      if (exchange.name === '')
        throw new ChannelFault(ACCESS_REFUSED, 'operation not permitted on the default exchange');
      const filter = exchanges.bindingOf(exchange, key, method.table, access);
      const isNew = ![...queue.bindings()].includes(filter);
      const outcome = queue.bind(filter);
      if (outcome !== 'ok') throw refused(outcome, name);
      exchanges.bound(exchange, access);
      const wanted = fieldOf(method.table, 'x-retained')?.value !== false;
      if (isNew && wanted && exchange.name === TOPIC_EXCHANGE) queue.replay(filter);
      this.answer(method.name, method.noWait, { name: 'queue.bind-ok' });
    }
  }

  private unbind(name: string, method: MethodOf<'queue.unbind'>, key: string): void {
    const { exchanges, access } = this.channel.host;
    if (method.exchange === '')
      throw new ChannelFault(ACCESS_REFUSED, 'operation not permitted on the default exchange');
    const queue = access.queue(name);
    const exchange = exchanges.get(method.exchange, access);
    if (typeof queue !== 'string' && exchange !== undefined) {
      if (this.locked(queue)) throw refused('busy', name);
      queue.unbind(exchanges.bindingOf(exchange, key, method.table, access));
      exchanges.get(exchange.name, access);
    }
    this.answer(method.name, false, { name: 'queue.unbind-ok' });
  }

  private purge(method: MethodOf<'queue.purge'>): void {
    const name = this.channel.queueName(method.queue);
    const messageCount = this.own(name).purge();
    if (typeof messageCount === 'string') throw refused(messageCount, name);
    this.answer(method.name, method.noWait, { name: 'queue.purge-ok', messageCount });
  }

  private deleteQueue(method: MethodOf<'queue.delete'>): void {
    const { channel } = this;
    const name = channel.queueName(method.queue);
    const queue = channel.access.queue(name);
    let messageCount = 0;
    if (queue !== 'unmatched') {
      if (typeof queue === 'string') throw refused(queue, name);
      if (this.locked(queue)) throw refused('busy', name);
      messageCount = queue.waiting;
      if (method.ifUnused && queue.consumers > 0)
        throw new ChannelFault(PRECONDITION_FAILED, `queue '${name}' in vhost '/' in use`);
      if (method.ifEmpty && messageCount > 0)
        throw new ChannelFault(PRECONDITION_FAILED, `queue '${name}' in vhost '/' is not empty`);
      const outcome = queue.delete();
      if (outcome !== 'ok') throw refused(outcome, name);
    }
    this.answer(method.name, method.noWait, { name: 'queue.delete-ok', messageCount });
  }
}
