// Service discovery (XEP-0030): what the hub and its users' accounts can do, and which nodes there are.

import { nodeOf, pepTopic, type Target } from './address.ts';
import { form } from './forms.ts';
import type { Answer, Request } from './iq.ts';
import { bareOf } from './jid.ts';
import { itemId } from './map.ts';
import { element, NS, type XmlElement } from './packet.ts';
import { lastOf, topicOf } from './pubsub.ts';

const META_DATA = 'http://jabber.org/protocol/pubsub#meta-data';
/** So many nodes are listed. */
const MAX_LISTED = 1_000;

/** What XEP-0060 calls the things that work here. */
const PUBSUB = [
  'auto-create',
  'config-node',
  'create-and-configure',
  'create-nodes',
  'delete-items',
  'delete-nodes',
  'instant-nodes',
  'item-ids',
  'last-published',
  'meta-data',
  'persistent-items',
  'publish',
  'publish-options',
  'purge-nodes',
  'retract-items',
  'retrieve-affiliations',
  'retrieve-default',
  'retrieve-items',
  'retrieve-subscriptions',
  'subscribe',
];

const HUB = [NS.discoInfo, NS.discoItems, NS.ping, NS.version, NS.pubsub, NS.json];
const ACCOUNT = [NS.discoInfo, NS.discoItems, NS.pubsub];

export function discoInfo(r: Request): Answer {
  const { target, child } = r;
  const node = child.attribute('node');
  if (node !== undefined) return nodeInfo(r, node);
  const pubsub = PUBSUB.map((name) => `${NS.pubsub}#${name}`);
  if (target.kind !== 'service') {
    const identities = [identity('account', 'registered'), identity('pubsub', 'pep')];
    return described(undefined, identities, [...ACCOUNT, ...pubsub, `${NS.pubsub}#auto-subscribe`]);
  }
  const identities = [identity('pubsub', 'service', 'Waymeet')];
  if (!target.jid.domain.startsWith('pubsub.')) identities.push(identity('server', 'im', 'Waymeet'));
  return described(undefined, identities, [...HUB, ...pubsub]);
}

function nodeInfo(r: Request, node: string): Answer {
  const topic = topicOf(r, node);
  const config = r.session.registry.nodes(r.session.access).configOf(topic);
  const metaData = form('result', META_DATA, [
    { name: 'pubsub#title', type: 'text-single', values: [config.title] },
    { name: 'pubsub#description', type: 'text-single', values: [config.description] },
    { name: 'pubsub#owner', type: 'jid-multi', values: config.owner === '' ? [] : [config.owner] },
  ]);
  return described(node, [identity('pubsub', 'leaf')], [NS.pubsub, META_DATA], [metaData]);
}

function identity(category: string, type: string, name?: string): XmlElement {
  return element('identity', NS.discoInfo, { category, type, name });
}

function described(
  node: string | undefined,
  identities: readonly XmlElement[],
  features: readonly string[],
  more: readonly XmlElement[] = [],
): Answer {
  const said = features.map((name) => element('feature', NS.discoInfo, { var: name }));
  return { children: [element('query', NS.discoInfo, { node }, [...identities, ...said, ...more])] };
}

export function discoItems(r: Request): Answer {
  const node = r.child.attribute('node');
  const inside = node === undefined ? topItems(r) : lastItem(r, node);
  return { children: [element('query', NS.discoItems, { node }, inside)] };
}

function topItems(r: Request): XmlElement[] {
  const { session, target } = r;
  const { domain } = session.jid;
  const items: XmlElement[] = [];
  if (target.kind === 'service' && target.jid.domain === domain) {
    items.push(element('item', NS.discoItems, { jid: `pubsub.${domain}`, name: 'Topics of the hub' }));
    return items;
  }
  const whose =
    target.kind === 'service' ? '' : target.kind === 'account' ? session.jid.local : target.jid.local;
  const jid = addressOf(target, session.bare);
  for (const [topic, title] of nodesOf(r, whose)) {
    items.push(element('item', NS.discoItems, { jid, node: nodeOf(topic).node, name: title || undefined }));
    if (items.length >= MAX_LISTED) break;
  }
  return items;
}

/** The nodes that somebody created, with their titles, then those that keep an item. [XEP-0060-5.2] */
function nodesOf(r: Request, whose: string): ReadonlyMap<string, string> {
  const { access, registry } = r.session;
  const titles = new Map<string, string>();
  for (const [topic, config] of registry.nodes(access).all())
    if (nodeOf(topic).local === whose && access.may('subscribe', topic)) titles.set(topic, config.title);
  const filter = whose === '' ? '#' : pepTopic(whose, '#');
  if (!access.may('subscribe', filter)) return titles;
  for (const { topic } of lastOf(r, filter, MAX_LISTED)) if (!titles.has(topic)) titles.set(topic, '');
  return titles;
}

/** [XEP-0060-5.5] */
function lastItem(r: Request, node: string): XmlElement[] {
  const m = r.session.access.retained(topicOf(r, node));
  if (m === undefined) return [];
  return [element('item', NS.discoItems, { jid: addressOf(r.target, r.session.bare), name: itemId(m) })];
}

function addressOf(target: Target, own: string): string {
  return target.kind === 'account' ? own : bareOf(target.jid);
}
