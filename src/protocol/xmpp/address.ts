// Whom a stanza is for: the service, oneself, or another user; and where nodes and users are in the hub's topic space.

import { StanzaFault } from './fault.ts';
import { type Jid, parseJid } from './jid.ts';
import type { Session } from './session.ts';

/** A user's inbox is the queue `jid/{local part}`; what a topic cannot hold is escaped. */
export function inboxName(local: string): string {
  return `jid/${escaped(local)}`;
}

/** The nodes of a user (XEP-0163) are the topics below `$pep/{local part}/`. */
const PEP_PREFIX = '$pep/';

export function pepTopic(local: string, node: string): string {
  return `${PEP_PREFIX}${escaped(local)}/${node}`;
}

export interface NodeAddress {
  /** Whose node it is; empty: the service's. */
  readonly local: string;
  readonly node: string;
}

/** The node that a topic or filter is. */
export function nodeOf(topic: string): NodeAddress {
  const slash = topic.startsWith(PEP_PREFIX) ? topic.indexOf('/', PEP_PREFIX.length) : -1;
  if (slash < 0) return { local: '', node: topic };
  return { local: unescaped(topic.slice(PEP_PREFIX.length, slash)), node: topic.slice(slash + 1) };
}

function escaped(local: string): string {
  return local.replace(/[%+#]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function unescaped(local: string): string {
  return local.replace(/%(25|2B|23)/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
}

export type Target =
  | { readonly kind: 'account' } // no address, or one's own bare one
  | { readonly kind: 'service'; readonly jid: Jid }
  | { readonly kind: 'user'; readonly jid: Jid };

/** Throws StanzaFault for what is no address, or elsewhere. */
export function targetOf(session: Session, to: string | undefined): Target {
  if (to === undefined || to === session.bare) return { kind: 'account' };
  const jid = parseJid(to);
  if (jid === undefined) throw new StanzaFault('jid-malformed', 'the address is none');
  const { domain } = session.jid;
  if (jid.local === '') {
    if (jid.domain !== domain && jid.domain !== `pubsub.${domain}`) throw elsewhere(jid);
    return { kind: 'service', jid };
  }
  if (jid.domain !== domain && !isHere(session, jid)) throw elsewhere(jid);
  return { kind: 'user', jid };
}

/** Somebody of that address is connected, under another name of this hub. */
function isHere(session: Session, jid: Jid): boolean {
  for (const other of session.registry.of(jid.local)) if (other.jid.domain === jid.domain) return true;
  return false;
}

function elsewhere(jid: Jid): StanzaFault {
  return new StanzaFault(
    'remote-server-not-found',
    `${jid.domain} is not this hub, which speaks to clients only`,
  );
}
