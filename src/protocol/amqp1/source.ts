// Where a link that sends takes its messages from: a topic's mailbox, or a queue, as the client's source says.

import type { Consumer, Mailbox, Settler, Subscription } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { type Consumption, QUEUE_DEFAULTS, type WorkQueue } from '../../contract/queue.ts';
import { isTopicFilter } from '../../contract/topic.ts';
import { fieldOf } from '../../selector/fields.ts';
import { SelectorError } from '../../selector/parse.ts';
import { compileSelector } from '../../selector/selector.ts';
import { filterOf, parseAddress, QUEUE_SCHEME, TOPIC_SCHEME } from './address.ts';
import { BrowsedQueue } from './browse.ts';
import { LinkFault } from './fault.ts';
import type { ConnectionHost } from './link.ts';
import { CONDITION, SENTENCE } from './map.ts';
import { RCV_SECOND, SND_SETTLED, type Terminus } from './packet.ts';
import { keepMsOf } from './termini.ts';
import { type AmqpMap, type AmqpValue, codeOf } from './types.ts';
import { hexOf } from './values.ts';

/** What a delivery's answer does to where it came from. */
export interface Source {
  /** The terminus as it is now: what the client is told. */
  readonly terminus: Terminus;
  /** Deliveries that an earlier link of the same terminus had in hand. */
  readonly unsettled: readonly number[];
  start(consumer: Consumer): void;
  pull(): void;
  /** `settler` is what delivered it. */
  accept(id: number, settler: Settler): void;
  /** For good. */
  reject(id: number, settler: Settler): void;
  /** Back to be delivered again; false: the link itself is to do that. */
  putBack(id: number, failed: boolean, elsewhere: boolean): boolean;
  failures(id: number): number;
  /** `closed`: the terminus is given up. */
  close(closed: boolean): void;
}

export interface SourceTerms {
  readonly sndSettleMode: number;
  readonly rcvSettleMode: number;
  /** Under which the terminus is found again. */
  readonly key: string;
  /** Unique on this connection. */
  readonly name: string;
  /** A new subscription gets the topics' last values. */
  readonly replay: boolean;
}

export interface Filters {
  readonly accepts: ((m: Message) => boolean) | undefined;
  readonly noLocal: boolean;
  /** Those that are in force, as the client wrote them. */
  readonly map: AmqpMap;
}

const SELECTOR = 0x0000_468c_0000_0004;
const NO_LOCAL = 0x0000_468c_0000_0003;
const FILTER_CODES: ReadonlyMap<string, number> = new Map([
  ['apache.org:selector-filter:string', SELECTOR],
  ['apache.org:no-local-filter:list', NO_LOCAL],
  ['jms-selector', SELECTOR],
]);

/** Throws LinkFault when a selector is none. Filters that are not known are left out of `map`: so the client learns. [AMQP1-3.5.8] */
export function filtersOf(map: AmqpMap | undefined): Filters {
  const inForce: [AmqpValue, AmqpValue][] = [];
  let accepts: Filters['accepts'];
  let noLocal = false;
  for (const [key, filter] of map ?? []) {
    const described = filter.type === 'described';
    const named = key.type === 'symbol' || key.type === 'string' ? FILTER_CODES.get(key.value) : undefined;
    const code = described ? codeOf(filter.descriptor, FILTER_CODES) : named;
    const value = described ? filter.value : filter;
    if (code === SELECTOR && value.type === 'string') {
      const before = accepts;
      const selects = selectorOf(value.value);
      accepts = before === undefined ? selects : (m) => before(m) && selects(m);
    } else if (code === NO_LOCAL) noLocal = true;
    else continue;
    inForce.push([key, filter]);
  }
  return { accepts, noLocal, map: inForce };
}

function selectorOf(text: string): (m: Message) => boolean {
  try {
    const selector = compileSelector(text, { spelled: true });
    return (m) => selector.matches((name) => valueIn(m, name));
  } catch (why) {
    if (why instanceof SelectorError) throw new LinkFault('amqp:invalid-field', `selector: ${why.message}`);
    throw why;
  }
}

/** `amqp.` names sections as Qpid and Artemis do; other names are those of JMS. */
function valueIn(m: Message, name: string): ReturnType<typeof fieldOf> {
  switch (name) {
    case 'amqp.priority':
    case 'amqp.header.priority':
      return fieldOf(m, 'JMSPriority');
    case 'amqp.message_id':
      return fieldOf(m, 'JMSMessageID');
    case 'amqp.correlation_id':
      return fieldOf(m, 'JMSCorrelationID');
    case 'amqp.to':
      return m.topic;
    case 'amqp.reply_to':
      return fieldOf(m, 'JMSReplyTo');
    case 'amqp.subject':
    case 'JMSType':
      return fieldOf(m, 'subject');
    default:
      return fieldOf(m, name);
  }
}

/** Opens what `named` names, or makes it when it is dynamic. Throws LinkFault. */
export function openSource(host: ConnectionHost, named: Terminus, terms: SourceTerms): Source {
  const passing = named.dynamic === true && says(named, 'temporary-topic');
  if (named.dynamic === true && !passing) return dynamicQueue(host, named, terms);
  const wanted = passing ? { ...named, address: passingTopic(host) } : named;
  if (wanted.address === undefined || wanted.address === '')
    throw new LinkFault('amqp:invalid-field', 'the source has no address');
  const queues = says(wanted, 'queue') || says(wanted, 'temporary-queue');
  const address = parseAddress(wanted.address, queues);
  if (address === undefined)
    throw new LinkFault('amqp:invalid-field', `no address: ${wanted.address.slice(0, 200)}`);
  const filters = filtersOf(wanted.filter);
  const terminus = { ...wanted, filter: filters.map.length === 0 ? undefined : filters.map };
  const kept = keepMsOf(wanted, host.hub) > 0;
  // A queue forgets who had what in hand; a mailbox that takes from it does not.
  const exactly = kept && terms.rcvSettleMode === RCV_SECOND && filters.accepts === undefined;
  const browsed = wanted.distributionMode === 'copy';
  if (address.kind === 'queue' && (browsed || !exactly)) {
    const queue = opened(host.access.queue(address.name, QUEUE_DEFAULTS), wanted.address);
    if (browsed) {
      opened(queue.browse(0), wanted.address);
      return new BrowsedQueue(terminus, queue, terms.sndSettleMode === SND_SETTLED ? 0 : 1, () =>
        host.hub.now(),
      );
    }
    return new QueueSource(terminus, queue, terms, filters, false);
  }
  const plain = filterOf(address);
  const filter = address.kind === 'topic' && says(wanted, 'shared') ? shared(terms.name, plain) : plain;
  if (!isTopicFilter(filter, host.hub.limits)) throw fault('filter-invalid', wanted.address);
  return new TopicSource(host, terminus, filter, filters, terms);
}

function says({ capabilities }: Terminus, word: string): boolean {
  return capabilities?.includes(word) === true;
}

/** Subscriptions of JMS 2.0 that are shared have their name in front of a `|`, which tells several of one client apart. */
function shared(name: string, filter: string): string {
  const group = name.replace(/\|.*$/s, '').replace(/[/+#]/g, '-');
  return filter.startsWith('$share/') ? filter : `$share/${group}/${filter}`;
}

export function fault(outcome: Outcome, what: string): LinkFault {
  return new LinkFault(CONDITION[outcome], `${what.slice(0, 200)}: ${SENTENCE[outcome]}`);
}

function opened<T extends object>(result: T | Outcome, what: string): T {
  if (typeof result === 'string') throw fault(result, what);
  return result;
}

/** A queue of this connection alone, which ends with its link. [AMQP1-3.5.10] */
function dynamicQueue(host: ConnectionHost, wanted: Terminus, terms: SourceTerms): Source {
  const queue = openDynamic(host);
  const terminus = { ...wanted, dynamic: true, address: QUEUE_SCHEME + queue.name };
  return new QueueSource(terminus, queue, terms, filtersOf(wanted.filter), true);
}

/** A topic that nobody else knows. */
export function passingTopic({ hub }: ConnectionHost): string {
  return `${TOPIC_SCHEME}wm-${hexOf(hub.random(16))}`;
}

export function openDynamic(host: ConnectionHost): WorkQueue {
  const options = { ...QUEUE_DEFAULTS, durable: false, exclusive: true };
  return opened(host.access.queue('', options), 'a dynamic node');
}

class QueueSource implements Source {
  readonly terminus: Terminus;
  readonly unsettled: readonly number[] = [];
  private readonly queue: WorkQueue;
  private readonly qos: Qos;
  private readonly filters: Filters;
  private readonly dynamic: boolean;
  private take: Consumption | undefined = undefined;

  constructor(
    terminus: Terminus,
    queue: WorkQueue,
    { sndSettleMode }: SourceTerms,
    filters: Filters,
    dynamic: boolean,
  ) {
    this.terminus = terminus;
    this.queue = queue;
    this.qos = sndSettleMode === SND_SETTLED ? 0 : 1;
    this.filters = filters;
    this.dynamic = dynamic;
  }

  start(consumer: Consumer): void {
    const { accepts } = this.filters;
    const exclusive = this.terminus.capabilities?.includes('exclusive') === true;
    this.take = opened(this.queue.consume(consumer, { qos: this.qos, accepts, exclusive }), this.queue.name);
  }

  pull(): void {
    this.take?.pull();
  }

  accept(id: number): void {
    this.take?.settle(id, 'ok');
  }

  reject(id: number): void {
    this.take?.settle(id, 'payload-invalid');
  }

  putBack(id: number, failed: boolean, elsewhere: boolean): boolean {
    this.take?.putBack(id, failed, elsewhere);
    return true;
  }

  failures(id: number): number {
    return id === 0 ? 0 : (this.take?.failures(id) ?? 0);
  }

  close(closed: boolean): void {
    this.take?.close();
    this.take = undefined;
    if (closed && this.dynamic) this.queue.delete();
  }
}

class TopicSource implements Source {
  readonly terminus: Terminus;
  readonly unsettled: readonly number[];
  private readonly host: ConnectionHost;
  private readonly box: Mailbox;
  private readonly subscription: Subscription;
  private readonly added: boolean;
  private readonly key: string | undefined;
  private consumer: Consumer | undefined = undefined;

  constructor(
    host: ConnectionHost,
    terminus: Terminus,
    filter: string,
    filters: Filters,
    { key, name, sndSettleMode, rcvSettleMode, replay }: SourceTerms,
  ) {
    const { access, hub, termini } = host;
    const { limits } = hub;
    const keepMs = keepMsOf(terminus, hub);
    const kept = keepMs > 0;
    const earlier = kept ? termini.source(key) : undefined;
    this.host = host;
    this.terminus = terminus;
    this.key = kept ? key : undefined;
    this.box = access.mailbox(kept ? mailboxName(key) : `${access.client}\0${name}`, {
      // Another source under the same name is another subscription. [AMQP1-2.6.3]
      fresh: !kept || earlier === undefined || !sameSource(earlier, terminus),
      keepMs,
      capacity: limits.queueMessages,
      overflow: limits.overflow,
    });
    const qos = sndSettleMode === SND_SETTLED ? 0 : rcvSettleMode === RCV_SECOND ? 2 : 1;
    this.subscription = { filter, qos, noLocal: filters.noLocal, tag: 0 };
    this.unsettled = [...this.box.unsettledIds()];
    for (const old of [...this.box.subscriptions()])
      if (old.filter !== filter) this.box.unsubscribe(old.filter);
    const { outcome, added } = this.box.subscribe(this.subscription);
    if (outcome !== 'ok') {
      this.box.keep(0);
      this.box.attach(NOBODY);
      this.box.detach(NOBODY);
      throw fault(outcome, terminus.address ?? '');
    }
    this.added = added && replay;
    if (kept && !termini.keepSource(key, terminus, access)) throw fault('quota-exceeded', 'durable termini');
  }

  start(consumer: Consumer): void {
    this.consumer = consumer;
    this.box.attach(consumer);
    if (this.added) this.box.replay(this.subscription);
  }

  pull(): void {
    this.box.pull();
  }

  accept(id: number, settler: Settler): void {
    if (id !== 0) settler.settle(id, 'ok');
  }

  reject(id: number, settler: Settler): void {
    if (id !== 0) settler.settle(id, 'payload-invalid');
  }

  putBack(): boolean {
    return false;
  }

  failures(): number {
    return 0;
  }

  close(closed: boolean): void {
    const { box, consumer, key, host } = this;
    if (consumer === undefined) return;
    this.consumer = undefined;
    if (closed || key === undefined) {
      box.keep(0);
      box.unsubscribe(this.subscription.filter);
    }
    if (closed && key !== undefined) host.termini.forget(key, host.access);
    box.detach(consumer);
  }
}

/** Stands in where a mailbox is given up before anybody consumed it. */
const NOBODY: Consumer = {
  ready: () => false,
  deliver: () => undefined,
  take: () => 0,
  evict: () => undefined,
};

/** Without the direction: there is one mailbox of that name. */
function mailboxName(key: string): string {
  const [, principal, container, link] = key.split('\0');
  return `${container}\0${link}\0${principal}`;
}

function sameSource(a: Terminus, b: Terminus): boolean {
  return a.address === b.address && filterText(a.filter) === filterText(b.filter);
}

function filterText(map: AmqpMap | undefined): string {
  return JSON.stringify(map ?? [], (_key, value) => (typeof value === 'bigint' ? `${value}n` : value));
}
