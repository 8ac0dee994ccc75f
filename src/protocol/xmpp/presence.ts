// Presence, as much as clients need: whether a resource takes messages, told to the user's other resources and to whom it names.

import { targetOf } from './address.ts';
import { watchCaps } from './caps.ts';
import { StanzaFault } from './fault.ts';
import { NS, XmlElement } from './packet.ts';
import type { Session } from './session.ts';

/** What a resource said of itself. */
export interface Presence {
  readonly stanza: XmlElement;
  readonly priority: number;
}

/** Throws StanzaFault. */
export function takePresence(session: Session, e: XmlElement): void {
  const type = e.attribute('type');
  const to = e.attribute('to');
  if (to !== undefined) {
    direct(session, e, to);
    return;
  }
  if (type === 'unavailable') withdrawPresence(session, e);
  else if (type === undefined) announce(session, e);
  // Subscriptions between users and probes: rosters are empty here, and stay so.
}

function announce(session: Session, e: XmlElement): void {
  const before = session.presence;
  const text = e.child('priority')?.text.trim() ?? '0';
  const priority = Number(text);
  if (!/^-?\d{1,3}$/.test(text) || priority < -128 || priority > 127)
    throw new StanzaFault('bad-request', 'the priority is not a number from -128 to 127'); // [RFC6121-4.7.2.3]
  session.presence = { stanza: stamped(session, e), priority };
  // To all resources, this one too [RFC6121-4.2.2]; those that were here before are shown to a new one.
  for (const other of session.registry.of(session.jid.local)) {
    if (other !== session && other.presence === undefined) continue;
    other.push(addressed(session.presence.stanza, other));
    if (before === undefined && other !== session) session.push(addressed(other.presence!.stanza, session));
  }
  watchCaps(session, e);
  session.feeds.attend(priority >= 0);
  session.feeds.moved();
}

/** The resource is available no more, be it that it says so or that it is gone. */
export function withdrawPresence(session: Session, said?: XmlElement): void {
  if (session.presence === undefined) return;
  session.presence = undefined;
  const stanza = said ?? new XmlElement('presence', NS.client, new Map([['type', 'unavailable']]));
  const gone = stamped(session, stanza);
  for (const other of session.registry.of(session.jid.local))
    if (other !== session && other.presence !== undefined) other.push(addressed(gone, other));
  if (!session.present) return;
  session.push(addressed(gone, session));
  session.feeds.attend(false);
  session.feeds.moved();
}

/** To somebody by address: those that are connected get it, others do not exist. */
function direct(session: Session, e: XmlElement, to: string): void {
  const target = targetOf(session, to);
  if (target.kind !== 'user') return;
  const { local, resource } = target.jid;
  for (const other of session.registry.of(local))
    if (resource === '' || other.jid.resource === resource) other.push(addressed(stamped(session, e), other));
}

function stamped(session: Session, e: XmlElement): XmlElement {
  return new XmlElement(
    'presence',
    NS.client,
    new Map([...e.attributes, ['from', session.address]]),
    e.children,
  );
}

function addressed(e: XmlElement, to: Session): XmlElement {
  return new XmlElement('presence', NS.client, new Map([...e.attributes, ['to', to.address]]), e.children);
}
