// What a client says and hears of messages: items of nodes, and stanzas between users, which are the queues `$queue/jid/{local part}`.

import { Message, NEVER, type Origin } from '../../contract/message.ts';
import { QUEUE_PREFIX } from '../../contract/queue.ts';
import { inboxName } from './address.ts';
import { form } from './forms.ts';
import { parseJid } from './jid.ts';
import { messageOfItem, messageOfStanza, publishedContents } from './map.ts';
import { element, NS, type XmlElement } from './packet.ts';

const DIRECT = `${QUEUE_PREFIX}jid/`;
const PUBLISH_OPTIONS = 'http://jabber.org/protocol/pubsub#publish-options';

/** The topic of a user's own inbox. */
export function inboxTopicOf(jid: string): string {
  return QUEUE_PREFIX + inboxName(jid.slice(0, jid.indexOf('@')));
}

/** The request that publishes a message; an empty retained one purges the node. */
export function publication(m: Message, now: number): XmlElement {
  const node = m.topic;
  if (m.retain && m.payload.length === 0)
    return element('pubsub', NS.pubsubOwner, {}, [element('purge', NS.pubsubOwner, { node })]);
  const id = typeof m.meta?.messageId === 'string' ? m.meta.messageId : undefined;
  const item = element('item', NS.pubsub, { id }, publishedContents(m, now));
  const persist = form('submit', PUBLISH_OPTIONS, [
    { name: 'pubsub#persist_items', type: 'boolean', values: [m.retain ? '1' : '0'] },
  ]);
  return element('pubsub', NS.pubsub, {}, [
    element('publish', NS.pubsub, { node }, [item]),
    element('publish-options', NS.pubsub, {}, [persist]),
  ]);
}

/** A message for a user, if the topic is a user's inbox; `id` unless it has one. */
export function messageStanza(m: Message, domain: string, id: string): XmlElement | undefined {
  if (!m.topic.startsWith(DIRECT)) return undefined;
  const local = m.topic
    .slice(DIRECT.length)
    .replace(/%(25|2B|23)/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
  const to = `${local}@${domain}`;
  if (parseJid(to) === undefined) return undefined;
  const own = typeof m.meta?.messageId === 'string' ? m.meta.messageId : id;
  return element('message', NS.client, { to, id: own }, publishedContents(m, m.at));
}

export interface Heard {
  readonly message: Message;
  readonly retained: boolean;
}

/** The message that a stanza brings; undefined: none. Throws StanzaFault when it is not what it says. */
export function messageOfEvent(e: XmlElement, own: string, now: number): Heard | undefined {
  if (e.attribute('type') === 'error') return undefined;
  const retained = e.child('delay', NS.delay) !== undefined;
  const event = e.child('event', NS.pubsubEvent);
  if (event === undefined) {
    const origin = originOf(e.attribute('from'));
    const terms = { topic: inboxTopicOf(own), origin, now, qos: 1, retain: false, expiresAt: NEVER } as const;
    const message = messageOfStanza(e, '', { ...terms, id: e.attribute('id') });
    return { message: plain(message), retained: false };
  }
  const items = event.child('items');
  const topic = items?.attribute('node');
  if (items === undefined || topic === undefined) return undefined;
  const item = items.child('item');
  const gone = items.child('retract');
  if (item === undefined && gone === undefined) return undefined;
  const terms = { topic, now, qos: 1, expiresAt: NEVER } as const;
  if (item === undefined) {
    const message = messageOfItem(gone!, { ...terms, origin: NOBODY, retain: true, id: undefined });
    return { message, retained: false };
  }
  const origin = originOf(item.attribute('publisher'));
  const id = item.attribute('id');
  const message = messageOfItem(item, { ...terms, origin, retain: retained, id });
  return { message: plain(message), retained };
}

const NOBODY: Origin = { protocol: 'xmpp', client: '', principal: '' };

function originOf(jid: string | undefined): Origin {
  return jid === undefined ? NOBODY : { ...NOBODY, client: jid };
}

/** Without what was not said: whether a payload is text, is a matter of how the hub wrote it. */
function plain(m: Message): Message {
  if (m.meta?.text === undefined) return m;
  const { text: _text, ...meta } = m.meta;
  return new Message(m.topic, m.payload, m.qos, m.retain, m.origin, m.at, m.expiresAt, meta);
}
