// Direct messages: from one address to another, through the receiver's inbox, which keeps them while the receiver is away.

import { NEVER } from '../../contract/message.ts';
import { QUEUE_PREFIX } from '../../contract/queue.ts';
import { inboxName, targetOf } from './address.ts';
import { faultOf, StanzaFault } from './fault.ts';
import { messageOfStanza } from './map.ts';
import { NS, XmlElement } from './packet.ts';
import type { Session } from './session.ts';

/** Throws StanzaFault. */
export function takeMessage(session: Session, e: XmlElement): void {
  const type = e.attribute('type') ?? 'normal';
  const target = targetOf(session, e.attribute('to'));
  if (target.kind === 'service') {
    if (type === 'error') return; // a notification that was not liked
    throw new StanzaFault('service-unavailable', 'publish to a node: messages are for users');
  }
  if (type === 'groupchat') throw new StanzaFault('service-unavailable', 'there are no rooms here');
  const { local, resource } =
    target.kind === 'account' ? { local: session.jid.local, resource: '' } : target.jid;
  if (type === 'error' || type === 'headline') {
    passOn(session, e, local, resource, type);
    return;
  }
  const name = inboxName(local);
  const inbox = session.access.queue(name);
  // The same for who is unknown and who is not to be reached. [RFC6121-8.5.1]
  if (typeof inbox === 'string') throw new StanzaFault('service-unavailable', 'there is no such user');
  const now = session.hub.now();
  const m = messageOfStanza(e, resource, {
    topic: QUEUE_PREFIX + name,
    origin: session.origin,
    now,
    qos: 1,
    retain: false,
    id: e.attribute('id'),
    expiresAt: NEVER,
  });
  const counters = session.hub.counters.of('xmpp');
  counters.received[m.qos] = counters.received[m.qos]! + 1;
  const outcome = inbox.publish(m);
  if (outcome !== 'ok' && outcome !== 'unmatched') throw faultOf(outcome);
}

/** What is not kept for later: errors go to the resource that is named, headlines to all that are available. [RFC6121-8.5] */
function passOn(session: Session, e: XmlElement, local: string, resource: string, type: string): void {
  if (!session.access.may('publish', QUEUE_PREFIX + inboxName(local))) throw faultOf('not-authorized');
  for (const other of session.registry.of(local)) {
    const meant =
      resource === '' ? type === 'headline' && other.feeds.attending : other.jid.resource === resource;
    if (!meant) continue;
    const attributes = new Map([...e.attributes, ['from', session.address]]);
    other.push(new XmlElement('message', NS.client, attributes, e.children));
  }
}
