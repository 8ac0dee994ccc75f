// The route cache: from a topic's octets to the mailboxes that get its messages, without making a string.

import type { Grant } from '../contract/mailbox.ts';
import type { Route } from '../contract/run.ts';
import type { Box, Entry } from './box.ts';
import { FilterTree } from './filters.ts';
import { TopicTree } from './topics.ts';

/** One mailbox that a topic leads to. */
export interface Target {
  readonly box: Box;
  readonly grant: Grant;
  /** All of its matching subscriptions, or undefined when there is just one. */
  readonly entries: readonly Entry[] | undefined;
  /** Some matching subscription has No Local: what the mailbox's own client publishes needs another look. */
  readonly noLocal: boolean;
}

/** A set of targets. Equal sets are one object, so that routes can be compared by it. */
export class Fanout {
  readonly targets: readonly Target[];
  constructor(targets: readonly Target[]) {
    this.targets = targets;
  }
}

const NOBODY = new Fanout([]);

/** A cached topic. `fanout` is undefined when a subscription changed that it may match. */
export class TopicRoute implements Route {
  readonly topic: string;
  /** How it is found in a packet; undefined until a packet was to be looked up: a third of what a route takes. */
  octets: Uint8Array | undefined = undefined;
  hash = 0;
  fanout: Fanout | undefined = undefined;
  /** Dropped from the cache: whoever still holds it goes by its name. */
  forgotten = false;
  constructor(topic: string) {
    this.topic = topic;
  }
}

/** Half of the cache: open addressing by topic hash, and the same routes by name and by level for invalidation. */
class Generation {
  readonly names = new Map<string, TopicRoute>();
  readonly tree = new TopicTree<TopicRoute>();
  private slots: (TopicRoute | undefined)[] = new Array(256).fill(undefined);
  /** Routes in `slots`: those with octets. */
  private placed = 0;

  find(bytes: Uint8Array, start: number, end: number, hash: number): TopicRoute | undefined {
    const mask = this.slots.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const route = this.slots[i];
      if (route === undefined) return undefined;
      if (route.hash === hash && sameOctets(route.octets!, bytes, start, end)) return route;
    }
  }

  add(route: TopicRoute): void {
    this.names.set(route.topic, route);
    this.tree.set(route.topic, route);
    if (route.octets !== undefined) this.place(route);
  }

  /** From now on it is found by its octets too. */
  place(route: TopicRoute): void {
    this.placed++;
    if (this.placed * 2 > this.slots.length) this.grow();
    else place(this.slots, route);
  }

  /** At most half of the slots are taken. */
  private grow(): void {
    this.slots = new Array(this.slots.length * 4).fill(undefined);
    for (const route of this.names.values()) if (route.octets !== undefined) place(this.slots, route);
  }
}

function place(slots: (TopicRoute | undefined)[], route: TopicRoute): void {
  const mask = slots.length - 1;
  let i = route.hash & mask;
  while (slots[i] !== undefined) i = (i + 1) & mask;
  slots[i] = route;
}

function sameOctets(a: Uint8Array, b: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (a.length !== length) return false;
  for (let i = 0; i < length; i++) if (a[i] !== b[start + i]) return false;
  return true;
}

/** FNV-1a, 32 bits. 27 ns for a topic of 20 octets, where a string and a Map take 141. */
function hashOctets(bytes: Uint8Array, start: number, end: number): number {
  let h = 0x811c9dc5;
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  return h ^ (h >>> 15);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A topic name anybody may publish to: UTF-8, not empty, no wildcard, no U+0000. [MQTT5-3.3.2-2] [MQTT5-4.7.3-1,2] */
function topicName(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end <= start) return undefined;
  for (let i = start; i < end; i++) {
    const b = bytes[i]!;
    if (b === 0x23 || b === 0x2b || b === 0) return undefined;
  }
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch (_notUtf8) {
    return undefined;
  }
}

/** The subscription index with its cache. A subscribe touches only the cached topics that its filter matches. */
export class RouteTable {
  readonly filters = new FilterTree<Entry>();
  private readonly maxRoutes: number;
  private readonly maxLevels: number;
  // Two generations bound the cache: what was not used while the young one filled is forgotten with the old one.
  private young = new Generation();
  private old = new Generation();
  private sets = new Map<string, Fanout>();

  constructor(maxRoutes: number, maxLevels: number) {
    this.maxRoutes = maxRoutes;
    this.maxLevels = maxLevels;
  }

  byOctets(bytes: Uint8Array, start: number, end: number): TopicRoute | undefined {
    const hash = hashOctets(bytes, start, end);
    const young = this.young.find(bytes, start, end, hash);
    if (young !== undefined) return young;
    const old = this.old.find(bytes, start, end, hash);
    if (old !== undefined) return this.add(old);
    const topic = topicName(bytes, start, end);
    if (topic === undefined || levelsOf(topic) > this.maxLevels) return undefined;
    const route = this.byTopic(topic);
    route.octets = bytes.slice(start, end);
    route.hash = hash;
    this.young.place(route);
    return route;
  }

  byTopic(topic: string): TopicRoute {
    const young = this.young.names.get(topic);
    if (young !== undefined) return young;
    const old = this.old.names.get(topic);
    if (old !== undefined) return this.add(old);
    return this.add(new TopicRoute(topic));
  }

  private add(route: TopicRoute): TopicRoute {
    if (this.young.names.size * 2 >= this.maxRoutes) {
      for (const gone of this.old.names.values()) {
        if (this.young.names.get(gone.topic) !== gone) gone.forgotten = true;
      }
      this.old = this.young;
      this.young = new Generation();
    }
    this.young.add(route);
    return route;
  }

  /** The targets of a route, matched anew if a subscription changed. */
  fanout(route: TopicRoute): Fanout {
    const current = route.forgotten ? this.byTopic(route.topic) : route;
    current.fanout ??= this.intern(this.filters.match(current.topic));
    return current.fanout;
  }

  private intern(entries: Entry[]): Fanout {
    if (entries.length === 0) return NOBODY;
    if (entries.length === 1) {
      const entry = entries[0]!;
      entry.alone ??= new Fanout(targetsOf(entries));
      return entry.alone;
    }
    entries.sort((a, b) => a.number - b.number);
    let key = '';
    for (const entry of entries) key += `${entry.number} `;
    let fanout = this.sets.get(key);
    if (fanout === undefined) {
      if (this.sets.size >= 4096) this.sets.clear();
      fanout = new Fanout(targetsOf(entries));
      this.sets.set(key, fanout);
    }
    return fanout;
  }

  insert(entry: Entry): void {
    this.filters.add(entry.filter, entry);
    this.invalidate(entry.filter);
  }

  remove(entry: Entry): void {
    this.filters.remove(entry.filter, entry);
    this.invalidate(entry.filter);
  }

  private invalidate(filter: string): void {
    this.young.tree.select(filter, forget);
    this.old.tree.select(filter, forget);
  }
}

function forget(route: TopicRoute): void {
  route.fanout = undefined;
}

function levelsOf(topic: string): number {
  let levels = 1;
  for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) levels++;
  return levels;
}

/** One target a mailbox: overlapping subscriptions merge into the highest QoS with all tags. [MQTT5-3.3.4-2] */
function targetsOf(entries: readonly Entry[]): Target[] {
  const byBox = new Map<Box, Entry[]>();
  for (const entry of entries) {
    const known = byBox.get(entry.box);
    if (known === undefined) byBox.set(entry.box, [entry]);
    else known.push(entry);
  }
  const targets: Target[] = [];
  for (const [box, own] of byBox) targets.push(targetOf(box, own));
  return targets;
}

function targetOf(box: Box, entries: readonly Entry[]): Target {
  return {
    box,
    grant: mergedGrant(entries),
    entries: entries.length > 1 ? entries : undefined,
    noLocal: entries.some((entry) => entry.noLocal),
  };
}

export function mergedGrant(entries: readonly Entry[]): Grant {
  if (entries.length === 1) return entries[0]!.grant;
  let qos: Grant['qos'] = 0;
  for (const entry of entries) if (entry.qos > qos) qos = entry.qos;
  return { qos, tags: entries.map((entry) => entry.tag) };
}
