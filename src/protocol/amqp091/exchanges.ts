// The exchanges of a hub: where a message that is published to one goes. What queues are bound with lives in the hub's topic index.

import { EXCHANGE_PREFIX, exchangePrefix, levelsOfKey, topicOfKey } from '../../contract/exchange.ts';
import type { Access, Hub } from '../../contract/hub.ts';
import { fieldOf, type Table } from './fields.ts';
import { canonical, tableFrom } from './map.ts';
import { ChannelFault, PRECONDITION_FAILED, RESOURCE_ERROR } from './reply.ts';

export type ExchangeType = 'direct' | 'fanout' | 'topic' | 'headers';

/** From one exchange to another. */
export interface ExchangeLink {
  readonly to: string;
  readonly key: string;
  readonly table: Table;
}

export interface ExchangeOptions {
  readonly type: ExchangeType;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  /** Gets what no binding matches; '' when there is none. */
  readonly alternate: string;
}

export interface AmqpExchange extends ExchangeOptions {
  readonly name: string;
  links: readonly ExchangeLink[];
  /** Of a headers exchange: the argument sets that anybody was bound with, by their canonical form. */
  readonly patterns: Map<string, Table>;
  /** It had a binding: an auto-delete exchange goes with the last one. */
  used: boolean;
}

const MAX_EXCHANGES = 10_000;
const MAX_LINKS = 1_000;
const MAX_PATTERNS = 1_000;

const BUILT_IN: readonly (readonly [string, ExchangeType])[] = [
  ['', 'direct'],
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
];

/** What a note of a durable exchange says. */
interface Kept extends Omit<ExchangeOptions, 'durable'> {
  readonly links: readonly (readonly [to: string, key: string, table: string])[];
  readonly patterns: readonly string[];
  readonly used: boolean;
}

export class Exchanges {
  private readonly byName = new Map<string, AmqpExchange>();
  private readonly hub: Hub;
  private loaded = false;

  constructor(hub: Hub) {
    this.hub = hub;
    for (const [name, type] of BUILT_IN) {
      this.byName.set(
        name,
        newExchange(name, { type, durable: true, autoDelete: false, internal: false, alternate: '' }),
      );
    }
  }

  /** What an earlier run kept; bindings to exchanges that were not durable are gone with them. */
  load(access: Access): void {
    if (this.loaded) return;
    this.loaded = true;
    for (const [name, text] of access.notes()) {
      const { links, patterns, used, ...options } = JSON.parse(text) as Kept;
      const exchange = newExchange(name, { ...options, durable: true });
      exchange.links = links.map(([to, key, table]) => ({ to, key, table: tableFrom(table) }));
      for (const pattern of patterns) exchange.patterns.set(pattern, tableFrom(pattern));
      exchange.used = used;
      this.byName.set(name, exchange);
    }
    const known = new Set([...this.byName.keys()].map((name) => exchangePrefix(name)));
    access.unbindAll((filter) => {
      const slash = filter.startsWith(EXCHANGE_PREFIX) ? filter.indexOf('/', EXCHANGE_PREFIX.length) : -1;
      return slash > 0 && !known.has(filter.slice(0, slash + 1));
    });
  }

  get(name: string, access: Access): AmqpExchange | undefined {
    const exchange = this.byName.get(name);
    if (exchange === undefined || !exchange.autoDelete || !exchange.used || this.inUse(exchange))
      return exchange;
    this.delete(exchange, access); // its last binding went with its queue
    return undefined;
  }

  /** Whether anything is bound to it. */
  inUse(exchange: AmqpExchange): boolean {
    return exchange.links.length > 0 || this.hub.bound(exchangePrefix(exchange.name).slice(0, -1));
  }

  declare(name: string, options: ExchangeOptions, access: Access): void {
    if (this.byName.size >= MAX_EXCHANGES)
      throw new ChannelFault(RESOURCE_ERROR, 'there are too many exchanges');
    const exchange = newExchange(name, options);
    this.byName.set(name, exchange);
    this.keep(exchange, access);
  }

  delete(exchange: AmqpExchange, access: Access): void {
    const { name } = exchange;
    this.byName.delete(name);
    if (exchange.durable) access.note(name, undefined);
    const prefix = exchangePrefix(name);
    access.unbindAll((filter) => filter.startsWith(prefix));
    for (const other of [...this.byName.values()]) {
      if (other.links.some((link) => link.to === name))
        this.relink(
          other,
          other.links.filter((link) => link.to !== name),
          access,
        );
    }
  }

  link(from: AmqpExchange, link: ExchangeLink, access: Access): void {
    if (from.links.some((known) => sameLink(known, link))) return;
    if (from.links.length >= MAX_LINKS)
      throw new ChannelFault(RESOURCE_ERROR, `exchange '${from.name}' has too many bindings`);
    from.used = true;
    this.relink(from, [...from.links, link], access);
  }

  unlink(from: AmqpExchange, link: ExchangeLink, access: Access): void {
    this.relink(
      from,
      from.links.filter((known) => !sameLink(known, link)),
      access,
    );
    this.get(from.name, access);
  }

  private relink(exchange: AmqpExchange, links: readonly ExchangeLink[], access: Access): void {
    exchange.links = links;
    this.keep(exchange, access);
  }

  /** The filter that a queue is bound with. */
  bindingOf(exchange: AmqpExchange, key: string, table: Table, access: Access): string {
    const prefix = exchangePrefix(exchange.name);
    switch (exchange.type) {
      case 'fanout':
        return `${prefix}#`;
      case 'direct':
        return prefix + levelsOfKey(key);
      case 'topic':
        return prefix + patternLevels(key);
      case 'headers': {
        const pattern = canonical(table);
        this.learn(exchange, pattern, table, access);
        return prefix + pattern;
      }
    }
  }

  private learn(exchange: AmqpExchange, pattern: string, table: Table, access: Access): void {
    const { patterns } = exchange;
    if (patterns.has(pattern)) return;
    if (patterns.size >= MAX_PATTERNS) {
      const prefix = exchangePrefix(exchange.name);
      for (const known of [...patterns.keys()]) if (!this.hub.bound(prefix + known)) patterns.delete(known);
    }
    if (patterns.size >= MAX_PATTERNS)
      throw new ChannelFault(RESOURCE_ERROR, `exchange '${exchange.name}' has too many different bindings`);
    patterns.set(pattern, table);
    this.keep(exchange, access);
  }

  /** A queue was bound to it. */
  bound(exchange: AmqpExchange, access: Access): void {
    if (exchange.used) return;
    exchange.used = true;
    if (exchange.autoDelete) this.keep(exchange, access);
  }

  private keep(exchange: AmqpExchange, access: Access): void {
    if (!exchange.durable) return;
    const { type, autoDelete, internal, alternate, used } = exchange;
    const links = exchange.links
      .filter(({ to }) => this.byName.get(to)?.durable === true)
      .map(({ to, key, table }) => [to, key, canonical(table)] as const);
    const kept: Kept = {
      type,
      autoDelete,
      internal,
      alternate,
      used,
      links,
      patterns: [...exchange.patterns.keys()],
    };
    if (access.note(exchange.name, JSON.stringify(kept)) !== 'ok')
      throw new ChannelFault(RESOURCE_ERROR, 'there are too many durable exchanges');
  }

  /** The topics whose subscribers and queues get what is published to `exchange` with any of `keys`. */
  topicsOf(exchange: AmqpExchange, keys: readonly string[], headers: Table): string[] {
    const topics = new Set<string>();
    const met = new Set<AmqpExchange>([exchange]);
    for (const one of met) {
      this.ownTopics(one, keys, headers, topics);
      for (const { to, key, table } of one.links) {
        if (!keys.some((published) => matches(one.type, key, table, published, headers))) continue;
        const next = this.byName.get(to);
        if (next !== undefined) met.add(next);
      }
    }
    return [...topics];
  }

  private ownTopics(one: AmqpExchange, keys: readonly string[], headers: Table, into: Set<string>): void {
    if (one.type !== 'headers') {
      for (const key of keys) into.add(topicOfKey(one.name, key));
      return;
    }
    const prefix = exchangePrefix(one.name);
    for (const [pattern, table] of one.patterns)
      if (matchesHeaders(table, headers)) into.add(prefix + pattern);
  }
}

function newExchange(name: string, options: ExchangeOptions): AmqpExchange {
  return { name, ...options, links: [], patterns: new Map(), used: false };
}

function sameLink(a: ExchangeLink, b: ExchangeLink): boolean {
  return a.to === b.to && a.key === b.key && canonical(a.table) === canonical(b.table);
}

/** `a.*.#` to `a/+/#`. Neighbouring `#` are one. */
function patternLevels(key: string): string {
  const levels: string[] = [];
  for (const word of key.split('.')) {
    if (word === '#' && levels.at(-1) === '#') continue;
    levels.push(word === '*' ? '+' : word === '#' ? '#' : levelsOfKey(word));
  }
  return levels.join('/');
}

function matches(type: ExchangeType, key: string, table: Table, published: string, headers: Table): boolean {
  switch (type) {
    case 'fanout':
      return true;
    case 'direct':
      return key === published;
    case 'topic':
      return matchesWords(key.split('.'), published.split('.'));
    case 'headers':
      return matchesHeaders(table, headers);
  }
}

/** `*` is one word, `#` any number; each place is looked at once. */
export function matchesWords(pattern: readonly string[], words: readonly string[]): boolean {
  // reach[i]: the pattern so far matches the first i words.
  let reach = Array.from({ length: words.length + 1 }, (_, i) => i === 0);
  for (const part of pattern) {
    const next = new Array<boolean>(words.length + 1).fill(false);
    for (let i = 0; i <= words.length; i++) {
      if (part === '#') next[i] = reach[i]! || (i > 0 && next[i - 1]!);
      else if (i > 0) next[i] = reach[i - 1]! && (part === '*' || part === words[i - 1]);
    }
    reach = next;
  }
  return reach[words.length]!;
}

/** `x-match`: all, any, all-with-x or any-with-x; arguments that start with `x-` count only in the latter two. [AMQP091-3.1.3.4] */
export function matchesHeaders(wanted: Table, headers: Table): boolean {
  const mode = fieldOf(wanted, 'x-match')?.value ?? 'all';
  const any = mode === 'any' || mode === 'any-with-x';
  const withX = mode === 'all-with-x' || mode === 'any-with-x';
  for (const [name, { type, value }] of wanted) {
    if (name === 'x-match' || (!withX && name.startsWith('x-'))) continue;
    const found = fieldOf(headers, name);
    const equal = found !== undefined && (type === 'V' || sameValue(found.value, value));
    if (equal === any) return any;
  }
  return !any;
}

function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a === 'object' || typeof b === 'object') {
    const table = (value: unknown): Table =>
      value instanceof Uint8Array ? [['', { type: 'x', value }]] : (value as Table);
    return typeof a === typeof b && a !== null && b !== null && canonical(table(a)) === canonical(table(b));
  }
  // biome-ignore lint/suspicious/noDoubleEquals: 1 and 1n are one number
  return typeof a === typeof b ? a === b : typeof a !== 'string' && typeof b !== 'string' && a == b;
}

const known = new WeakMap<Hub, Exchanges>();

/** The exchanges of a hub: all of its connections and listeners share them. */
export function exchangesOf(hub: Hub): Exchanges {
  let exchanges = known.get(hub);
  if (exchanges === undefined) {
    exchanges = new Exchanges(hub);
    known.set(hub, exchanges);
  }
  return exchanges;
}

/** Reads the type of a declaration. */
export function exchangeTypeOf(type: string): ExchangeType | undefined {
  return type === 'direct' || type === 'fanout' || type === 'topic' || type === 'headers' ? type : undefined;
}

/** Refuses what differs from an exchange that is there. [AMQP091-1.6.2.1] */
export function checkEquivalent(exchange: AmqpExchange, wanted: ExchangeOptions): void {
  for (const what of ['type', 'durable', 'autoDelete', 'internal', 'alternate'] as const) {
    if (exchange[what] === wanted[what]) continue;
    throw new ChannelFault(
      PRECONDITION_FAILED,
      `inequivalent arg '${what}' for exchange '${exchange.name}': received '${wanted[what]}' but current is '${exchange[what]}'`,
    );
  }
}
