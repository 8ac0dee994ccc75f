// What owners of nodes do (XEP-0060, section 8): create, configure, purge, delete, and see who subscribes.

import { isTopicName } from '../../contract/topic.ts';
import { nodeOf } from './address.ts';
import { faultOf, pubsubFault, StanzaFault } from './fault.ts';
import { form, submitted } from './forms.ts';
import type { Answer, Request } from './iq.ts';
import { configFields, configured, NODE_CONFIG, type NodeConfig, type Nodes } from './nodes.ts';
import { element, NS, type XmlElement } from './packet.ts';
import { clear, needOwn, topicOf } from './pubsub.ts';
import type { Session } from './session.ts';

function nodesOf({ session }: Request): Nodes {
  return session.registry.nodes(session.access);
}

/** `<create/>` with an optional `<configure/>`; without a name the hub makes one. [XEP-0060-8.1] */
export function createNode(r: Request, action: XmlElement, configure: XmlElement | undefined): Answer {
  needOwn(r);
  const { session } = r;
  let node = action.attribute('node');
  if (node === undefined || node === '') {
    node = 'instant-';
    for (const octet of session.hub.random(8)) node += octet.toString(16).padStart(2, '0');
  }
  const topic = topicOf(r, node);
  if (!isTopicName(topic, session.hub.limits)) throw faultOf('topic-invalid');
  if (!session.access.may('publish', topic)) throw faultOf('not-authorized');
  const nodes = nodesOf(r);
  if (nodes.get(topic) !== undefined) throw new StanzaFault('conflict', 'somebody created this node');
  const fields = configure?.is('configure', NS.pubsub) ? fieldsOf(configure) : undefined;
  const config = { ...nodes.configOf(topic), owner: session.bare };
  nodes.put(session.access, topic, fields === undefined ? config : configured(config, fields));
  return { children: [element('pubsub', NS.pubsub, {}, [element('create', NS.pubsub, { node })])] };
}

/** Undefined: an empty form, which is the default. Throws StanzaFault. */
function fieldsOf(configure: XmlElement): ReadonlyMap<string, readonly string[]> | undefined {
  const x = configure.child('x', NS.forms);
  if (x === undefined) return undefined;
  const fields = submitted(x, NODE_CONFIG);
  if (fields === undefined) throw new StanzaFault('bad-request', 'this is no form of a node configuration');
  return fields;
}

/** Throws StanzaFault. */
export function takeOwnerRequest(r: Request): Answer {
  needOwn(r);
  const action = r.child.elements()[0];
  if (action === undefined) throw new StanzaFault('bad-request', 'what is to be done is missing');
  if (!r.set && action.name === 'default') return asked(action, configFields(nodesOf(r).configOf('')));
  const topic = topicOf(r, action.attribute('node'));
  const config = owned(r, topic);
  switch (`${r.set ? 'set' : 'get'} ${action.name}`) {
    case 'get configure':
      return asked(action, configFields(config));
    case 'set configure':
      return configure(r, topic, config, action);
    case 'set delete':
      return remove(r, topic);
    case 'set purge':
      return purge(r, topic);
    case 'get subscriptions':
      return subscribers(r, topic, action);
    case 'get affiliations':
      return affiliated(action, config);
    case 'set affiliations':
    case 'set subscriptions':
      throw pubsubFault(
        'feature-not-implemented',
        'unsupported',
        'who may do what is said by the rules of the hub',
        `modify-${action.name}`,
      );
    default:
      throw new StanzaFault('bad-request', 'owners have no such request');
  }
}

/** The configuration of a node that this user owns, or that nobody owns and this user may publish to. */
function owned({ session }: Request, topic: string): NodeConfig {
  const config = session.registry.nodes(session.access).configOf(topic);
  const own = config.owner === session.bare || (config.owner === '' && session.access.may('publish', topic));
  if (!own) throw new StanzaFault('forbidden', 'somebody else owns this node');
  return config;
}

function asked(action: XmlElement, fields: ReturnType<typeof configFields>): Answer {
  const inside = element(action.name, NS.pubsubOwner, { node: action.attribute('node') }, [
    form('form', NODE_CONFIG, fields),
  ]);
  return { children: [element('pubsub', NS.pubsubOwner, {}, [inside])] };
}

function configure(r: Request, topic: string, config: NodeConfig, action: XmlElement): Answer {
  const x = action.child('x', NS.forms);
  if (x?.attribute('type') === 'cancel') return { children: [] };
  const fields = fieldsOf(action);
  if (fields === undefined) throw new StanzaFault('bad-request', 'the form is missing');
  if (!isTopicName(topic, r.session.hub.limits)) throw faultOf('topic-invalid');
  nodesOf(r).put(r.session.access, topic, configured({ ...config, owner: r.session.bare }, fields));
  return { children: [] };
}

/** Forgets what was said of the node and what it keeps, and ends the subscriptions of who is here. The topic itself stays one. */
function remove(r: Request, topic: string): Answer {
  const { session } = r;
  const nodes = nodesOf(r);
  const last = session.access.retained(topic);
  if (nodes.get(topic) === undefined && last === undefined)
    throw new StanzaFault('item-not-found', 'nobody created this node, and it keeps nothing');
  const gone: Session[] = [];
  for (const other of session.registry.everybody()) {
    const held = other.feeds.unsubscribe(topic) === 'ok';
    const bound = [...(other.feeds.inbox?.bindings() ?? [])].includes(topic);
    if (bound) other.feeds.inbox!.unbind(topic);
    if (held || bound) gone.push(other);
  }
  if (last !== undefined) clear(r, topic, last);
  if (nodes.get(topic) !== undefined) nodes.put(session.access, topic, undefined);
  return { children: [], after: () => tellGone(gone, topic) };
}

/** [XEP-0060-8.4.2] */
function tellGone(sessions: readonly Session[], topic: string): void {
  const { local, node } = nodeOf(topic);
  for (const session of sessions) {
    const from = local === '' ? session.service : `${local}@${session.jid.domain}`;
    const event = element('event', NS.pubsubEvent, {}, [element('delete', NS.pubsubEvent, { node })]);
    if (session.present)
      session.push(element('message', NS.client, { from, to: session.address, type: 'headline' }, [event]));
  }
}

function purge(r: Request, topic: string): Answer {
  const last = r.session.access.retained(topic);
  if (last !== undefined) clear(r, topic, last);
  return { children: [] };
}

/** Those that are here; subscriptions of users who are away are theirs to know. */
function subscribers(r: Request, topic: string, action: XmlElement): Answer {
  const found = new Set<string>();
  for (const other of r.session.registry.everybody()) {
    if (other.feeds.has(topic)) found.add(other.address);
    if ([...(other.feeds.inbox?.bindings() ?? [])].includes(topic)) found.add(other.bare);
  }
  const inside = [...found].map((jid) =>
    element('subscription', NS.pubsubOwner, { jid, subscription: 'subscribed' }),
  );
  return list(action, inside);
}

function affiliated(action: XmlElement, { owner }: NodeConfig): Answer {
  const inside =
    owner === '' ? [] : [element('affiliation', NS.pubsubOwner, { jid: owner, affiliation: 'owner' })];
  return list(action, inside);
}

function list(action: XmlElement, inside: readonly XmlElement[]): Answer {
  const found = element(action.name, NS.pubsubOwner, { node: action.attribute('node') }, inside);
  return { children: [element('pubsub', NS.pubsubOwner, {}, [found])] };
}
