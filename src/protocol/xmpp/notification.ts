// Messages as stanzas: what a node published, and what came to the user.

import type { Message } from '../../contract/message.ts';
import { nodeOf } from './address.ts';
import { escapeAttribute, xmlText } from './encode.ts';
import { ITEM, itemId, moment, publisherOf, stanzaParts } from './map.ts';
import { element, NS, type XmlElement } from './packet.ts';
import type { Session } from './session.ts';

const encoder = new TextEncoder();

/** Older than this when it is delivered, a direct message says when it was sent. */
const LATE_MS = 1_000;

/** `<event/>` of an item [XEP-0060-7.1.2.1], or of one that was taken back [XEP-0060-7.2.2.1]: the item's octets are every receiver's. */
export function notification(session: Session, m: Message, replayed: boolean): Uint8Array {
  const { local, node } = nodeOf(m.topic);
  const from = local === '' ? session.service : `${local}@${session.jid.domain}`;
  const xmlns = session.place.ns === undefined ? ` xmlns='${NS.client}'` : '';
  const head =
    `<message${xmlns} from='${escapeAttribute(from)}' to='${escapeAttribute(session.address)}' type='headline'>` +
    `<event xmlns='${NS.pubsubEvent}'><items node='${escapeAttribute(xmlText(node))}'>`;
  const stamp = replayed ? `<delay xmlns='${NS.delay}' stamp='${moment(m.at)}'/>` : '';
  const tail = encoder.encode(`</items></event>${stamp}</message>`);
  const gone = m.retain && m.payload.length === 0;
  const item = gone ? encoder.encode(`<retract id='${escapeAttribute(itemId(m))}'/>`) : m.frame(ITEM);
  const front = encoder.encode(head);
  const whole = new Uint8Array(front.length + item.length + tail.length);
  whole.set(front, 0);
  whole.set(item, front.length);
  whole.set(tail, front.length + item.length);
  return whole;
}

export function directMessage(session: Session, m: Message): Uint8Array {
  const { type, lang, children } = stanzaParts(m);
  const id = m.meta?.messageId;
  const attributes = {
    from: xmlText(publisherOf(m.origin)),
    to: session.address,
    type: type === 'normal' ? undefined : type,
    id: typeof id === 'string' ? xmlText(id) : undefined,
    'xml:lang': lang === undefined ? undefined : xmlText(lang),
  };
  const late = session.hub.now() - m.at >= LATE_MS;
  const delay = late ? [delayOf(m, session.jid.domain)] : [];
  return session.encode(element('message', NS.client, attributes, [...children, ...delay]));
}

function delayOf(m: Message, from: string): XmlElement {
  return element('delay', NS.delay, { from, stamp: moment(m.at) });
}
