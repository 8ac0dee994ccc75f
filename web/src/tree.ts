// The live topic tree: counts, rates and last values, from a connection of its own that subscribes to everything.

import { signal } from '@preact/signals';
import { hub } from './api.ts';
import { connections, freshClientId } from './client/connections.ts';
import { HubLink } from './links/hub-link.ts';
import { type Arrived, PLAIN_OPTIONS, PLAIN_SUBSCRIPTION } from './links/link.ts';
import { urlOf } from './links/login.ts';

export class TopicNode {
  readonly name: string;
  readonly topic: string;
  readonly children = new Map<string, TopicNode>();
  /** Messages of this very topic, and of everything below. */
  own = 0;
  all = 0;
  last: Arrived | undefined = undefined;
  lastAt = 0;
  retained = false;
  rate = 0;
  counted = 0;
  /** Payloads lately, oldest first: what a chart is drawn from. */
  readonly recent: {
    readonly at: number;
    readonly payload: Uint8Array;
    readonly contentType: string | undefined;
  }[] = [];

  constructor(name: string, topic: string) {
    this.name = name;
    this.topic = topic;
  }
}

const MAX_TOPICS = 20_000;
const MAX_RECENT = 200;
const MAX_RECENT_BYTES = 4_096;
const REFRESH_MS = 500;

export const root = new TopicNode('', '');
/** Grows with every refresh: the tree itself is changed in place. */
export const version = signal(0);
export const state = signal('');
/** The hub let nobody in as who watches, or not to all topics: somebody has to say who, and what. */
export const refused = signal(false);
export const topicCount = signal(0);
/** Topics beyond the most that are kept. */
export const left = signal(0);

/** What is watched beside the hub's own figures, and by whom. */
export interface Watch {
  readonly username: string;
  readonly password: string;
  readonly filter: string;
}

let link: HubLink | undefined;
let said: Watch | undefined;
let changed = false;
let refreshing = false;

/** Watches as somebody else, or something else. */
export function watchAs(watch: Watch): void {
  said = watch;
  link?.close();
  link = undefined;
  watchTopics();
}

/** Starts to watch; the tree grows until the page is closed. */
export function watchTopics(): void {
  if (link !== undefined) return;
  state.value = 'connecting';
  refused.value = false;
  const like = said ?? connections.value.find((c) => c.phase.value === 'up' && c.o.dialect !== 'http')?.o;
  const { username = '', password = '' } = like ?? {};
  const login = {
    ...PLAIN_OPTIONS,
    clientId: freshClientId().replace('browser', 'dashboard'),
    username,
    password,
  };
  const mine = new HubLink(urlOf('mqtt5', hub.value?.paths ?? {}), login, {
    up() {
      state.value = '';
      void subscribe(mine, said?.filter ?? '#');
    },
    away(why) {
      state.value = `${why}; trying again`;
    },
    down(why) {
      link = undefined;
      state.value = why;
      refused.value = true; // with the same password it would be refused again, and counted
    },
    message(m, _filter, again) {
      if (!again) take(m);
    },
    refused(filter, why) {
      state.value = `${filter}: ${why}`;
    },
  });
  link = mine;
  if (refreshing) return;
  refreshing = true;
  setInterval(refresh, REFRESH_MS);
}

async function subscribe(mine: HubLink, filter: string): Promise<void> {
  try {
    await mine.subscribe(filter, PLAIN_SUBSCRIPTION);
  } catch (error) {
    state.value = `${filter}: ${(error as Error).message}`;
    refused.value = true;
  }
  // Who may not see these sees the topics of devices all the same.
  await mine.subscribe('$SYS/#', PLAIN_SUBSCRIPTION).catch(() => undefined);
}

function take(m: Arrived): void {
  changed = true;
  const node = nodeOf(m.topic);
  if (node === undefined) {
    left.value++;
    return;
  }
  node.own++;
  node.last = m;
  node.lastAt = Date.now();
  node.retained = m.retain || node.retained;
  if (m.payload.length > MAX_RECENT_BYTES) return;
  node.recent.push({ at: node.lastAt, payload: m.payload, contentType: m.contentType });
  if (node.recent.length > MAX_RECENT) node.recent.shift();
}

/** The node of a topic that was seen. */
export function nodeAt(topic: string): TopicNode | undefined {
  let node: TopicNode | undefined = root;
  for (const level of topic.split('/')) node = node?.children.get(level);
  return node;
}

/** The topic's node, made on the way; every node on it counts one message more. */
function nodeOf(topic: string): TopicNode | undefined {
  let node = root;
  const path = [root];
  let prefix = '';
  for (const level of topic.split('/')) {
    prefix = node === root ? level : `${prefix}/${level}`;
    let next = node.children.get(level);
    if (next === undefined) {
      if (topicCount.value >= MAX_TOPICS) return undefined;
      next = new TopicNode(level, prefix);
      node.children.set(level, next);
      topicCount.value++;
    }
    node = next;
    path.push(node);
  }
  for (const one of path) one.all++;
  return node;
}

function refresh(): void {
  const busy = countRates(root);
  if (!changed && !busy) return;
  changed = false;
  version.value++;
}

function countRates(node: TopicNode): boolean {
  let busy = false;
  for (const child of node.children.values()) if (countRates(child)) busy = true;
  const fresh = ((node.all - node.counted) * 1_000) / REFRESH_MS;
  node.counted = node.all;
  const before = node.rate;
  node.rate = before * 0.8 + fresh * 0.2;
  if (node.rate < 0.05) node.rate = 0;
  return busy || node.rate !== before;
}

/** The nodes in sight: children of those that are open, in the order of their names. */
export function flatten(open: ReadonlySet<string>, search: string): { node: TopicNode; depth: number }[] {
  const found: { node: TopicNode; depth: number }[] = [];
  const visit = (node: TopicNode, depth: number) => {
    const children = [...node.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const child of children) {
      if (search !== '') {
        if (child.own > 0 && child.topic.includes(search)) found.push({ node: child, depth: 0 });
        visit(child, 0);
        continue;
      }
      found.push({ node: child, depth });
      if (open.has(child.topic)) visit(child, depth + 1);
    }
  };
  visit(root, 0);
  return found;
}
