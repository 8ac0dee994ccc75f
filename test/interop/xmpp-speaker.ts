// XMPP among the speakers: nodes for topics, items for messages, our element for properties.

import type { Qos } from '../../src/contract/message.ts';
import type { XmlElement } from '../../src/protocol/xmpp/packet.ts';
import { type Broker, hex, toHex } from '../network.ts';
import { XmppClient } from '../xmpp-client.ts';
import type { Heard, Said, Sent, Speaker } from './speakers.ts';

const OURS = 'urn:waymeet:message:0';
const OWNER = 'http://jabber.org/protocol/pubsub#owner';
const EVENT = 'http://jabber.org/protocol/pubsub#event';

export class XmppSpeaker implements Speaker {
  private readonly broker: Broker;
  private readonly client: XmppClient;

  private constructor(broker: Broker, client: XmppClient) {
    this.broker = broker;
    this.client = client;
  }

  static async open(broker: Broker, name: string): Promise<XmppSpeaker> {
    const user = name.replaceAll(' ', '-');
    return new XmppSpeaker(broker, await XmppClient.connect(broker, user, { presence: false }));
  }

  async publish(m: Sent): Promise<void> {
    const { client } = this;
    const persist =
      "<publish-options><x xmlns='jabber:x:data' type='submit'>" +
      "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>" +
      `<field var='pubsub#persist_items'><value>${m.retain ? 1 : 0}</value></field></x></publish-options>`;
    const clears = m.retain && m.payload.length === 0;
    const answer = clears
      ? await client.ask('set', `<pubsub xmlns='${OWNER}'><purge node='${m.topic}'/></pubsub>`, 'pubsub.h')
      : await client.pubsub('set', `<publish node='${m.topic}'>${itemOf(m)}</publish>${persist}`);
    if (answer.attribute('type') !== 'result') throw new Error(`not published: ${JSON.stringify(answer)}`);
  }

  async subscribe(filter: string, _qos: Qos): Promise<void> {
    const { client } = this;
    await client.pubsub('set', `<subscribe node='${filter}' jid='${client.jid}'/>`);
  }

  async heard(): Promise<Heard[]> {
    const all: Heard[] = [];
    for (const stanza of await this.client.heard()) {
      const items = stanza.child('event', EVENT)?.child('items');
      const item = items?.child('item');
      if (items === undefined || item === undefined) continue;
      const retained = stanza.child('delay', 'urn:xmpp:delay') !== undefined;
      const [payload, type] = payloadOf(item);
      const said = this.saidOf(item.child('properties', OURS), type);
      all.push({ topic: items.attribute('node'), payload: toHex(payload), qos: undefined, retained, said });
    }
    return all;
  }

  private saidOf(p: XmlElement | undefined, type: string | undefined): Said {
    const contentType = type ?? p?.attribute('content-type');
    const responseTopic = p?.attribute('response-topic');
    const correlation = p?.child('correlation');
    const expires = p?.attribute('expires');
    const user = (p?.elements('user') ?? []).map((u) => [u.attribute('name')!, u.text] as const);
    const base64 = correlation?.attribute('type') === 'octets';
    return {
      ...(contentType !== undefined && { contentType }),
      ...(responseTopic !== undefined && { responseTopic }),
      ...(correlation !== undefined && {
        correlation: toHex(Buffer.from(correlation.text, base64 ? 'base64' : 'utf8')),
      }),
      ...(user.length > 0 && { user }),
      ...(expires !== undefined && { expiryMs: Date.parse(expires) - this.broker.clock.now }),
    };
  }
}

const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

function itemOf({ payload, said, qos }: Sent): string {
  const { contentType, text, responseTopic, correlation, user = [], expiryMs } = said;
  const type = contentType === undefined ? '' : ` type='${contentType}'`;
  const words = Buffer.from(payload).toString();
  const json = text === true && contentType === 'application/json';
  const content = json
    ? `<json xmlns='urn:xmpp:json:0'>${words}</json>`
    : text === true
      ? `<text xmlns='${OURS}'${type}>${words}</text>`
      : `<data xmlns='${OURS}'${type}>${base64(payload)}</data>`;
  const answer = responseTopic === undefined ? '' : ` response-topic='${responseTopic}'`;
  const ttl = expiryMs === undefined ? '' : ` ttl='${expiryMs}'`;
  const inside = [
    ...(correlation === undefined
      ? []
      : [`<correlation type='octets'>${base64(hex(correlation))}</correlation>`]),
    ...user.map(([name, value]) => `<user name='${name}'>${value}</user>`),
  ];
  return `<item>${content}<properties xmlns='${OURS}' qos='${qos}'${answer}${ttl}>${inside.join('')}</properties></item>`;
}

function payloadOf(item: XmlElement): [payload: Uint8Array, type: string | undefined] {
  const e = item.elements().find((inside) => inside.name !== 'properties');
  if (e === undefined) return [new Uint8Array(0), undefined];
  if (e.name === 'json') return [Buffer.from(e.text), 'application/json'];
  return [Buffer.from(e.text, e.name === 'data' ? 'base64' : 'utf8'), e.attribute('type')];
}
