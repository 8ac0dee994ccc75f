// Requests (iq): to the hub itself, to one's own account, to the nodes of another user, or passed on to another resource.

import { QUEUE_PREFIX } from '../../contract/queue.ts';
import { inboxName, type Target, targetOf } from './address.ts';
import { discoInfo, discoItems } from './disco.ts';
import { faultOf, StanzaFault } from './fault.ts';
import { takeOwnerRequest } from './owner.ts';
import { element, NS, XmlElement } from './packet.ts';
import { takePubsubRequest } from './pubsub.ts';
import type { Session } from './session.ts';

/** One request with its only child. */
export interface Request {
  readonly session: Session;
  readonly stanza: XmlElement;
  readonly child: XmlElement;
  readonly set: boolean;
  readonly target: Target;
}

export interface Answer {
  readonly children: readonly XmlElement[];
  /** What follows the answer. */
  readonly after?: () => void;
}

const DONE: Answer = { children: [] };

/** Throws StanzaFault. */
export function takeIq(session: Session, e: XmlElement): void {
  const type = e.attribute('type');
  if (e.attribute('id') === undefined) throw new StanzaFault('bad-request', 'a request has an id'); // [RFC6120-8.2.3]
  if (type === 'result' || type === 'error') {
    if (!session.answered(e)) passAnswer(session, e);
    return;
  }
  const inside = e.elements();
  if ((type !== 'get' && type !== 'set') || inside.length !== 1)
    throw new StanzaFault('bad-request', 'a request is get or set and has one element inside');
  const target = targetOf(session, e.attribute('to'));
  if (target.kind === 'user' && target.jid.resource !== '') {
    if (!passOn(session, e, target.jid.local, target.jid.resource))
      throw new StanzaFault('service-unavailable', 'there is no such resource');
    return;
  }
  const { children, after } = perform({ session, stanza: e, child: inside[0]!, set: type === 'set', target });
  session.answer(e, 'result', children, after);
}

function perform(r: Request): Answer {
  const { child, set, target } = r;
  switch (child.ns) {
    case NS.pubsub:
      return takePubsubRequest(r);
    case NS.pubsubOwner:
      return takeOwnerRequest(r);
    case NS.discoInfo:
      if (!set) return discoInfo(r);
      break;
    case NS.discoItems:
      if (!set) return discoItems(r);
  }
  if (target.kind === 'user')
    throw new StanzaFault('service-unavailable', 'users answer this by their resources');
  switch (child.ns) {
    case NS.ping:
      if (!set) return DONE;
      break;
    case NS.session: // [RFC6120] has no use for it, older clients have
      if (set) return DONE;
      break;
    case NS.bind:
      throw new StanzaFault('not-allowed', 'this stream has its resource');
    case NS.roster:
      if (set) throw new StanzaFault('not-allowed', 'rosters are empty here, and stay so');
      return { children: [element('query', NS.roster)] };
    case NS.version:
      if (!set)
        return {
          children: [element('query', NS.version, {}, [element('name', NS.version, {}, ['Waymeet'])])],
        };
  }
  throw new StanzaFault('service-unavailable', 'the hub does not know this request');
}

/** The answer to another resource's request. */
function passAnswer(session: Session, e: XmlElement): void {
  const to = e.attribute('to');
  const target = to === undefined ? undefined : targetOf(session, to);
  if (target?.kind === 'user') passOn(session, e, target.jid.local, target.jid.resource);
}

/** False: the resource is not here. */
function passOn(session: Session, e: XmlElement, local: string, resource: string): boolean {
  const other = session.registry.find(local, resource);
  if (other === undefined) return false;
  const own = local === session.jid.local;
  if (!own && !session.access.may('publish', QUEUE_PREFIX + inboxName(local)))
    throw faultOf('not-authorized');
  other.push(
    new XmlElement('iq', NS.client, new Map([...e.attributes, ['from', session.address]]), e.children),
  );
  return true;
}
