// Entity capabilities (XEP-0115): a client that lists `{node}+notify` wants its user's own nodes of that name [XEP-0163-4].

import { pepTopic } from './address.ts';
import { element, NS, type XmlElement } from './packet.ts';
import type { Session } from './session.ts';

const NOTIFY = '+notify';
const MAX_WANTED = 64;

/** Asks what the client is interested in, when its presence says that it has something to tell. */
export function watchCaps(session: Session, presence: XmlElement): void {
  const caps = presence.child('c', NS.caps);
  const [node, ver] = [caps?.attribute('node'), caps?.attribute('ver')];
  if (node === undefined || ver === undefined || session.caps === ver) return;
  session.caps = ver;
  session.request(element('query', NS.discoInfo, { node: `${node}#${ver}` }), (answer) => {
    const query = answer.attribute('type') === 'result' ? answer.child('query', NS.discoInfo) : undefined;
    if (query !== undefined) attend(session, query);
  });
}

function attend(session: Session, query: XmlElement): void {
  const wanted = new Set<string>();
  for (const feature of query.elements('feature')) {
    const name = feature.attribute('var') ?? '';
    if (name.endsWith(NOTIFY) && wanted.size < MAX_WANTED)
      wanted.add(pepTopic(session.jid.local, name.slice(0, -NOTIFY.length)));
  }
  for (const topic of session.watched) if (!wanted.has(topic)) session.feeds.unsubscribe(topic);
  for (const topic of wanted) {
    if (session.watched.has(topic) || session.feeds.subscribe(topic) !== 'ok') continue;
    session.feeds.replay(topic);
  }
  session.watched = wanted;
}
