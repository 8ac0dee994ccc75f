// Publish-subscribe (XEP-0060, and XEP-0163 for users' own nodes): publish, retract, subscribe, items, and lists of what one has.

import type { Consumer } from '../../contract/mailbox.ts';
import { Message, NEVER } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { isTopicFilter, isTopicName } from '../../contract/topic.ts';
import { nodeOf, pepTopic } from './address.ts';
import { faultOf, pubsubFault, StanzaFault } from './fault.ts';
import { isTrue, submitted } from './forms.ts';
import type { Answer, Request } from './iq.ts';
import { bareOf, parseJid } from './jid.ts';
import { itemId, itemOf, messageOfItem } from './map.ts';
import { meets, type NodeConfig } from './nodes.ts';
import { notification } from './notification.ts';
import { createNode } from './owner.ts';
import { element, NS, type XmlElement } from './packet.ts';

const PUBLISH_OPTIONS = 'http://jabber.org/protocol/pubsub#publish-options';
const MAX_ITEMS = 1_000;

/** The topic of a node at the address that the request is for. Throws StanzaFault where there is no node. */
export function topicOf({ session, target }: Request, node: string | undefined): string {
  if (node === undefined || node === '') throw pubsubFault('bad-request', 'nodeid-required');
  if (target.kind === 'service') return node;
  return pepTopic(target.kind === 'account' ? session.jid.local : target.jid.local, node);
}

/** Only the owner changes what belongs to a user. */
export function needOwn({ target }: Request): void {
  if (target.kind === 'user')
    throw new StanzaFault('forbidden', 'the nodes of a user are for that user to write to');
}

/** Throws StanzaFault. */
export function takePubsubRequest(r: Request): Answer {
  const [action, ...rest] = r.child.elements();
  if (action === undefined) throw new StanzaFault('bad-request', 'what is to be done is missing');
  if (r.target.kind === 'service') r.session.service = bareOf(r.target.jid);
  switch (`${r.set ? 'set' : 'get'} ${action.name}`) {
    case 'set publish':
      return publish(r, action, rest);
    case 'set retract':
      return retract(r, action);
    case 'set subscribe':
      return subscribe(r, action, rest);
    case 'set unsubscribe':
      return unsubscribe(r, action);
    case 'set create':
      return createNode(r, action, rest[0]);
    case 'get items':
      return items(r, action);
    case 'get subscriptions':
      return subscriptions(r, action);
    case 'get affiliations':
      return affiliations(r, action);
    case 'get options':
    case 'set options':
    case 'get default':
      throw pubsubFault('feature-not-implemented', 'unsupported', '', 'subscription-options');
    default:
      throw new StanzaFault('bad-request', 'pubsub has no such request');
  }
}

function done(action: XmlElement): Answer {
  return { children: [element('pubsub', NS.pubsub, {}, [action])] };
}

/** Throws StanzaFault unless the outcome is a good one. */
export function expectOk(outcome: Outcome): void {
  if (outcome !== 'ok' && outcome !== 'unmatched') throw faultOf(outcome);
}

// --- publishing ---

function publish(r: Request, action: XmlElement, rest: readonly XmlElement[]): Answer {
  needOwn(r);
  const { session } = r;
  const node = action.attribute('node');
  const topic = topicOf(r, node);
  if (!isTopicName(topic, session.hub.limits)) throw faultOf('topic-invalid');
  const config = wanted(session.registry.nodes(session.access).configOf(topic), rest);
  const published: XmlElement[] = [];
  const given = action.elements('item');
  for (const item of given.length === 0 ? [element('item', NS.pubsub)] : given) {
    const id = item.attribute('id') || hexOf(session.hub.random(8));
    send(r, topic, item, id, config);
    published.push(element('item', NS.pubsub, { id }));
  }
  return done(element('publish', NS.pubsub, { node }, published));
}

/** The configuration with what the publisher asks for [XEP-0060-7.1.5]. */
function wanted(config: NodeConfig, rest: readonly XmlElement[]): NodeConfig {
  const options = rest.find((e) => e.is('publish-options', NS.pubsub));
  if (options === undefined) return config;
  const fields = submitted(options.child('x', NS.forms), PUBLISH_OPTIONS);
  if (fields === undefined) throw new StanzaFault('bad-request', 'the publish options are no form of theirs');
  if (!meets(config, fields)) throw pubsubFault('conflict', 'precondition-not-met');
  const persist = fields.get('pubsub#persist_items')?.[0];
  const expire = fields.get('pubsub#item_expire')?.[0] ?? '';
  return {
    ...config,
    persist: persist === undefined ? config.persist : isTrue(persist),
    expireMs: /^\d{1,9}$/.test(expire) ? Number(expire) * 1_000 : config.expireMs,
  };
}

function send(r: Request, topic: string, item: XmlElement, id: string, config: NodeConfig): void {
  const { session } = r;
  const now = session.hub.now();
  // A notification without a payload is nothing that could be kept.
  const retain = config.persist && item.elements().some((e) => !e.is('properties', NS.message));
  const expiresAt = config.expireMs === 0 ? NEVER : now + config.expireMs;
  const terms = { topic, origin: session.origin, now, qos: 1, retain, id, expiresAt } as const;
  const m = messageOfItem(item, terms);
  const counters = session.hub.counters.of('xmpp');
  counters.received[m.qos] = counters.received[m.qos]! + 1;
  expectOk(session.access.publish(m));
}

function retract(r: Request, action: XmlElement): Answer {
  needOwn(r);
  const topic = topicOf(r, action.attribute('node'));
  const ids = action.elements('item').map((item) => item.attribute('id'));
  if (ids.length === 0 || ids.includes(undefined)) throw pubsubFault('bad-request', 'item-required');
  const last = r.session.access.retained(topic);
  if (last === undefined || !ids.includes(itemId(last)))
    throw new StanzaFault('item-not-found', 'the node does not keep this item');
  clear(r, topic, last);
  return { children: [] };
}

/** Takes the retained message back: subscribers of every protocol learn that the topic is empty. */
export function clear({ session }: Request, topic: string, last: Message): void {
  const { messageId } = last.meta ?? {};
  const meta = messageId === undefined ? undefined : { messageId };
  const now = session.hub.now();
  const empty = new Message(topic, new Uint8Array(0), 1, true, session.origin, now, NEVER, meta);
  expectOk(session.access.publish(empty));
}

function hexOf(octets: Uint8Array): string {
  let hex = '';
  for (const octet of octets) hex += octet.toString(16).padStart(2, '0');
  return hex;
}

// --- subscribing ---

/** Whether the address is this connection's own full one; false: the user's bare one. Throws StanzaFault for others. */
function isFull({ session }: Request, action: XmlElement): boolean {
  const jid = parseJid(action.attribute('jid') ?? '');
  const { local, resource } = session.jid;
  if (jid === undefined || jid.local !== local || (jid.resource !== '' && jid.resource !== resource))
    throw pubsubFault('bad-request', 'invalid-jid', 'subscribe with your own address');
  return jid.resource !== '';
}

/** Groups and queues are taken from by a connection, whatever address it names. */
function isOfConnection(filter: string): boolean {
  return filter.startsWith('$share/') || filter.startsWith('$queue/');
}

function subscribe(r: Request, action: XmlElement, rest: readonly XmlElement[]): Answer {
  if (rest.some((e) => e.is('options', NS.pubsub)))
    throw pubsubFault('feature-not-implemented', 'unsupported', '', 'subscription-options');
  const { session } = r;
  const { feeds, access } = session;
  const [node, jid] = [action.attribute('node'), action.attribute('jid')];
  const topic = topicOf(r, node);
  const full = isFull(r, action) || isOfConnection(topic);
  if (!isTopicFilter(topic, session.hub.limits)) throw faultOf('filter-invalid');
  if (full) expectOk(feeds.subscribe(topic));
  else if (feeds.inbox === undefined) throw faultOf('not-authorized');
  else expectOk(feeds.inbox.bind(topic));
  const subscription = element('subscription', NS.pubsub, { node, jid, subscription: 'subscribed' });
  const { sendLast } = session.registry.nodes(access).configOf(topic);
  const after = (): void => {
    if (sendLast) sendLastItem(r, topic, full);
  };
  return { ...done(subscription), after };
}

function sendLastItem({ session }: Request, topic: string, full: boolean): void {
  const { feeds, access } = session;
  if (full) feeds.replay(topic);
  else if (isTopicName(topic, session.hub.limits)) {
    // To who asked, now: it need not wait for whoever is available.
    const last = access.retained(topic);
    if (last !== undefined) session.send(notification(session, last, true));
  } else feeds.inbox?.replay(topic);
}

function unsubscribe(r: Request, action: XmlElement): Answer {
  const { feeds } = r.session;
  const topic = topicOf(r, action.attribute('node'));
  const full = isFull(r, action) || isOfConnection(topic);
  const outcome = full ? feeds.unsubscribe(topic) : (feeds.inbox?.unbind(topic) ?? 'no-subscription');
  if (outcome === 'no-subscription') throw pubsubFault('unexpected-request', 'not-subscribed');
  expectOk(outcome);
  return { children: [] };
}

/** One's own subscriptions, of this connection and of the user. [XEP-0060-5.6] */
function subscriptions(r: Request, action: XmlElement): Answer {
  const { session, target } = r;
  const wantedNode = action.attribute('node');
  const whose =
    target.kind === 'service' ? '' : target.kind === 'account' ? session.jid.local : target.jid.local;
  const found: XmlElement[] = [];
  const tell = (filter: string, jid: string): void => {
    const { local, node } = nodeOf(filter);
    if (local !== whose || (wantedNode !== undefined && wantedNode !== node)) return;
    found.push(element('subscription', NS.pubsub, { node, jid, subscription: 'subscribed' }));
  };
  for (const filter of session.feeds.filters())
    if (!session.watched.has(filter)) tell(filter, session.address);
  for (const filter of session.feeds.inbox?.bindings() ?? []) tell(filter, session.bare);
  return done(element('subscriptions', NS.pubsub, { node: wantedNode }, found));
}

/** The nodes that one owns; whatever else one may do is said by the rules of the hub. [XEP-0060-5.7] */
function affiliations(r: Request, action: XmlElement): Answer {
  const { session } = r;
  const wantedNode = action.attribute('node');
  const found: XmlElement[] = [];
  for (const [topic, { owner }] of session.registry.nodes(session.access).all()) {
    const { node } = nodeOf(topic);
    if (owner === session.bare && (wantedNode === undefined || wantedNode === node))
      found.push(element('affiliation', NS.pubsub, { node, affiliation: 'owner' }));
  }
  return done(element('affiliations', NS.pubsub, { node: wantedNode }, found));
}

// --- items ---

/** The last items: of a topic one, of a filter one a topic, with the topic for an id. [XEP-0060-6.5] */
function items(r: Request, action: XmlElement): Answer {
  const { access, hub } = r.session;
  const node = action.attribute('node');
  const topic = topicOf(r, node);
  const max = maxOf(action.attribute('max_items'));
  if (!isTopicFilter(topic, hub.limits)) throw faultOf('filter-invalid');
  if (!access.may('subscribe', topic)) throw faultOf('not-authorized');
  const ids = action.elements('item').map((item) => item.attribute('id'));
  const wild = !isTopicName(topic, hub.limits);
  const last = wild ? undefined : access.retained(topic);
  const found = wild ? lastOf(r, topic, max) : last === undefined ? [] : [last];
  const inside: XmlElement[] = [];
  for (const m of found.slice(0, max)) {
    const id = wild ? nodeOf(m.topic).node : itemId(m);
    if (ids.length === 0 || ids.includes(id)) inside.push(itemOf(m, NS.pubsub, id));
  }
  return done(element('items', NS.pubsub, { node }, inside));
}

function maxOf(text: string | undefined): number {
  if (text === undefined) return MAX_ITEMS;
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    throw new StanzaFault('bad-request', 'max_items is no number of items');
  return Math.min(MAX_ITEMS, Number(text));
}

/** The retained messages that a filter matches, up to `max`. */
export function lastOf({ session }: Request, filter: string, max: number): Message[] {
  const found: Message[] = [];
  const reader: Consumer = {
    ready: () => found.length < max,
    deliver: (m) => void found.push(m),
    take: () => 0,
    evict: () => undefined,
  };
  const options = { fresh: true, keepMs: 0, capacity: max, overflow: 'drop-newest' } as const;
  const box = session.access.mailbox(`${session.address}\0items`, options);
  const s = { filter, qos: 0, noLocal: false, tag: 0 } as const;
  box.attach(reader);
  const { outcome } = box.subscribe(s);
  if (outcome === 'ok') box.replay(s);
  box.unsubscribe(filter);
  box.detach(reader);
  expectOk(outcome);
  return found;
}
