// Nodes and messages over the broker in memory: what is published, subscribed, kept for who is away, and refused.

import { describe, expect, test } from 'vitest';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { type Broker, OPEN, startBroker } from '../../../test/network.ts';
import { conditionOf, XmppClient } from '../../../test/xmpp-client.ts';
import type { Auth } from '../../contract/auth.ts';
import { NEVER } from '../../contract/message.ts';
import { PUBLISH } from '../mqtt/packet.ts';
import { NS, type XmlElement } from './packet.ts';

const EVENT = 'http://jabber.org/protocol/pubsub#event';
const OWNER = 'http://jabber.org/protocol/pubsub#owner';
const CONFIG = 'http://jabber.org/protocol/pubsub#node_config';
const OPTIONS = 'http://jabber.org/protocol/pubsub#publish-options';

const itemsIn = (stanza: XmlElement | undefined): XmlElement | undefined =>
  stanza?.child('event', EVENT)?.child('items');

/** What each notification says: its node, and the item's id or what was done. */
const told = (stanzas: readonly XmlElement[]): string[] =>
  stanzas.flatMap((stanza) => {
    const items = itemsIn(stanza);
    const inside = items?.elements()[0];
    return inside === undefined
      ? []
      : [`${items?.attribute('node')} ${inside.name} ${inside.attribute('id')}`];
  });

const bodies = (stanzas: readonly XmlElement[]): string[] =>
  stanzas.flatMap((e) => (e.name === 'message' ? [e.child('body')?.text ?? '–'] : []));

function formOf(type: string, values: Readonly<Record<string, string>>): string {
  const fields = Object.entries({ FORM_TYPE: type, ...values });
  const inside = fields.map(([name, value]) => `<field var='${name}'><value>${value}</value></field>`);
  return `<x xmlns='jabber:x:data' type='submit'>${inside.join('')}</x>`;
}

const publish = (node: string, id: string, payload = "<x xmlns='u'/>"): string =>
  `<publish node='${node}'><item id='${id}'>${payload}</item></publish>`;

async function owner(
  client: XmppClient,
  type: 'get' | 'set',
  inside: string,
  to?: string,
): Promise<XmlElement> {
  return client.ask(type, `<pubsub xmlns='${OWNER}'>${inside}</pubsub>`, to ?? 'pubsub.h');
}

async function two(broker: Broker): Promise<[XmppClient, XmppClient]> {
  return [await XmppClient.connect(broker, 'anna'), await XmppClient.connect(broker, 'bert')];
}

describe('publish and subscribe', () => {
  test('last item, publisher, delay; then live ones; unsubscribed', async () => {
    const [anna, bert] = await two(await startBroker());
    await anna.pubsub('set', publish('room/1', '7'));
    const answer = await bert.pubsub('set', "<subscribe node='room/1' jid='bert@h/r'/>");
    expect(answer.elements()[0]?.elements()[0]?.attribute('subscription')).toBe('subscribed');
    const [last] = await bert.heard();
    expect(itemsIn(last)?.elements()[0]?.attribute('publisher')).toBe('anna@h/r');
    expect(last?.child('delay', 'urn:xmpp:delay')).toBeDefined();
    await anna.pubsub('set', publish('room/1', '8'));
    const live = await bert.heard();
    expect([told(live), live[0]?.child('delay', 'urn:xmpp:delay')]).toEqual([['room/1 item 8'], undefined]);
    await bert.pubsub('set', "<unsubscribe node='room/1' jid='bert@h/r'/>");
    await anna.pubsub('set', publish('room/1', '9'));
    expect(await bert.heard()).toEqual([]);
    const again = await bert.pubsub('set', "<unsubscribe node='room/1' jid='bert@h/r'/>");
    expect(conditionOf(again)).toBe('unexpected-request');
  });

  test('the bare address is the user: it is remembered, for any resource, over a crash', async () => {
    const broker = await startBroker();
    const [anna, bert] = await two(broker);
    await bert.pubsub('set', "<subscribe node='room/+' jid='bert@h'/>");
    const other = await XmppClient.connect(broker, 'bert', { resource: 'other' });
    await bert.heard();
    await anna.pubsub('set', publish('room/1', '1'));
    expect([told(await bert.heard()), told(await other.heard())]).toEqual([
      ['room/1 item 1'],
      ['room/1 item 1'],
    ]);
    bert.raw.cut();
    other.raw.cut();
    await broker.clock.advance(0);
    await anna.pubsub('set', publish('room/2', '2'));
    await broker.crash();
    const back = await XmppClient.connect(broker, 'bert', { presence: false });
    expect(await back.heard()).toEqual([]);
    back.say('<presence/>');
    expect(told(await back.heard())).toEqual(['room/2 item 2']);
    const list = await back.pubsub('get', '<subscriptions/>');
    expect(
      list
        .elements()[0]
        ?.elements()[0]
        ?.elements()
        .map((s) => [s.attribute('node'), s.attribute('jid')]),
    ).toEqual([['room/+', 'bert@h']]);
  });

  test('to and from MQTT: XML, JSON, text, octets', async () => {
    const broker = await startBroker();
    const anna = await XmppClient.connect(broker, 'anna');
    await anna.pubsub('set', "<subscribe node='a' jid='anna@h/r'/>");
    const mqtt = new MqttClient(broker, 5);
    await mqtt.connect('m');
    await mqtt.subscribe('a', { qos: 1 });
    mqtt.publish('a', Buffer.from('21.5'), { qos: 0 });
    mqtt.publish('a', Buffer.from([0, 255]), { qos: 0 });
    mqtt.publish('a', Buffer.from('{}'), { qos: 0, properties: { contentType: 'application/json' } });
    await mqtt.settled();
    const payloads = (await anna.heard()).map((e) => itemsIn(e)?.elements()[0]?.elements()[0]);
    expect(payloads.map((e) => [e?.name, e?.text])).toEqual([
      ['text', '21.5'],
      ['data', 'AP8='],
      ['json', '{}'],
    ]);
    await anna.pubsub('set', publish('a', '1', "<p:x xmlns:p='u' b='1'><p:y/></p:x>"));
    await anna.pubsub('set', publish('a', '2', '<json xmlns=\'urn:xmpp:json:0\'>{"a":1}</json>'));
    const came = (await mqtt.settled()).flatMap((p) =>
      p.type === PUBLISH ? [[Buffer.from(p.payload).toString(), p.properties.contentType]] : [],
    );
    expect(came).toEqual([
      ["<x xmlns='u' b='1'><y/></x>", 'application/xml'],
      ['{"a":1}', 'application/json'],
    ]);
  });

  test('items: the last one, by id, of many topics; retracted, purged', async () => {
    const [anna, bert] = await two(await startBroker());
    for (const n of ['1', '2', '3']) await anna.pubsub('set', publish(`room/${n}`, `i${n}`));
    const ids = async (inside: string): Promise<(string | undefined)[]> =>
      (await bert.pubsub('get', inside))
        .elements()[0]!
        .elements()[0]!
        .elements()
        .map((e) => e.attribute('id'));
    expect(await ids("<items node='room/1'/>")).toEqual(['i1']);
    expect(await ids("<items node='room/1'><item id='other'/></items>")).toEqual([]);
    expect((await ids("<items node='room/+'/>")).toSorted()).toEqual(['room/1', 'room/2', 'room/3']);
    expect((await ids("<items node='room/+' max_items='2'/>")).length).toBe(2);
    expect(conditionOf(await bert.pubsub('get', "<items node='room/1' max_items='x'/>"))).toBe('bad-request');
    await bert.pubsub('set', "<subscribe node='room/+' jid='bert@h/r'/>");
    await bert.heard();
    expect(conditionOf(await anna.pubsub('set', "<retract node='room/1'><item id='no'/></retract>"))).toBe(
      'item-not-found',
    );
    await anna.pubsub('set', "<retract node='room/1'><item id='i1'/></retract>");
    await owner(anna, 'set', "<purge node='room/2'/>");
    expect(told(await bert.heard())).toEqual(['room/1 retract i1', 'room/2 retract i2']);
    expect(await ids("<items node='room/+'/>")).toEqual(['room/3']);
  });

  test('a notification without a payload clears nothing', async () => {
    const [anna, bert] = await two(await startBroker());
    await anna.pubsub('set', publish('a', '1'));
    await bert.pubsub('set', "<subscribe node='a' jid='bert@h/r'/>");
    await bert.heard();
    await anna.pubsub('set', "<publish node='a'/>");
    expect(told(await bert.heard())).toMatchObject([expect.stringMatching(/^a item [0-9a-f]{16}$/)]);
    expect(
      (await bert.pubsub('get', "<items node='a'/>")).elements()[0]?.elements()[0]?.elements().length,
    ).toBe(1);
  });

  test('publish options: for this item, or what the node must be', async () => {
    const broker = await startBroker();
    const [anna, bert] = await two(broker);
    const options = (values: Readonly<Record<string, string>>): string =>
      `<publish-options>${formOf(OPTIONS, values)}</publish-options>`;
    await anna.pubsub('set', publish('a', '1') + options({ 'pubsub#persist_items': '0' }));
    await anna.pubsub('set', publish('b', '1') + options({ 'pubsub#item_expire': '60' }));
    const privately = await anna.pubsub(
      'set',
      publish('c', '1') + options({ 'pubsub#access_model': 'whitelist' }),
    );
    expect(conditionOf(privately)).toBe('conflict');
    await bert.pubsub('set', "<subscribe node='#' jid='bert@h/r'/>");
    expect(told(await bert.heard())).toEqual(['b item 1']);
    await broker.clock.advance(60_001);
    const gone = await bert.pubsub('get', "<items node='b'/>");
    expect(gone.elements()[0]?.elements()[0]?.elements()).toEqual([]);
  });

  const REFUSED: [inside: string, condition: string][] = [
    ['<publish/>', 'bad-request'],
    ["<publish node='a/+'/>", 'not-acceptable'],
    ["<publish node='a'><item><x xmlns='u'/><y xmlns='u'/></item></publish>", 'bad-request'],
    ["<publish node='a'><item><data xmlns='urn:waymeet:message:0'>!</data></item></publish>", 'bad-request'],
    ["<subscribe node='a#' jid='anna@h'/>", 'not-acceptable'],
    ["<subscribe node='a' jid='bert@h'/>", 'bad-request'],
    ["<subscribe node='a' jid='anna@h/other'/>", 'bad-request'],
    ["<subscribe node='a'/>", 'bad-request'],
    ["<subscribe node='a' jid='anna@h'/><options/>", 'feature-not-implemented'],
    ["<retract node='a'/>", 'bad-request'],
    ['<dance/>', 'bad-request'],
    ['', 'bad-request'],
  ];
  test.each(REFUSED)('refused: %s', async (inside, condition) => {
    const anna = await XmppClient.connect(await startBroker(), 'anna');
    expect(conditionOf(await anna.pubsub('set', inside))).toBe(condition);
  });

  test('the rules of the hub say who may', async () => {
    const auth: Auth = {
      ...OPEN,
      identify: async ({ username }) => ({
        principal: username ?? '',
        unrestricted: false,
        validUntil: NEVER,
      }),
      allows: (who, _client, _action, topic) =>
        !topic.startsWith('secret') && topic !== `$queue/jid/${who.principal}`,
    };
    const [anna, bert] = await two(await startBroker({ auth }));
    const refusals = [
      await anna.pubsub('set', publish('secret/1', '1')),
      await anna.pubsub('set', "<subscribe node='secret/#' jid='anna@h/r'/>"),
      await anna.pubsub('get', "<items node='secret/1'/>"),
      await anna.pubsub('set', "<create node='secret/1'/>"),
      await anna.pubsub('set', "<subscribe node='a' jid='anna@h'/>"), // without a right to the own inbox there is none
    ];
    expect(refusals.map(conditionOf)).toEqual(refusals.map(() => 'forbidden'));
    anna.say("<message to='bert@h'><body>x</body></message>");
    expect(conditionOf((await anna.heard())[0])).toBe('service-unavailable');
    expect(await bert.heard()).toEqual([]);
  });
});

describe('nodes', () => {
  test('created, configured, kept over a crash, deleted', async () => {
    const broker = await startBroker();
    const [anna, bert] = await two(broker);
    const configure = `<configure>${formOf(CONFIG, { 'pubsub#title': 'T', 'pubsub#persist_items': '0' })}</configure>`;
    expect((await anna.pubsub('set', `<create node='n'/>${configure}`)).attribute('type')).toBe('result');
    expect(conditionOf(await bert.pubsub('set', "<create node='n'/>"))).toBe('conflict');
    expect(conditionOf(await owner(bert, 'get', "<configure node='n'/>"))).toBe('forbidden');
    await anna.pubsub('set', publish('n', '1'));
    await bert.pubsub('set', "<subscribe node='n' jid='bert@h'/>");
    expect(await bert.heard()).toEqual([]); // nothing persists
    await broker.crash();
    const [again, other] = await two(broker);
    const x = (await owner(again, 'get', "<configure node='n'/>"))
      .elements()[0]
      ?.elements()[0]
      ?.elements()[0];
    const title = x?.elements('field').find((field) => field.attribute('var') === 'pubsub#title');
    expect(title?.child('value')?.text).toBe('T');
    const refused = formOf(CONFIG, { 'pubsub#access_model': 'whitelist' });
    expect(conditionOf(await owner(again, 'set', `<configure node='n'>${refused}</configure>`))).toBe(
      'not-acceptable',
    );
    await owner(
      again,
      'set',
      `<configure node='n'>${formOf(CONFIG, { 'pubsub#persist_items': '1' })}</configure>`,
    );
    await again.pubsub('set', publish('n', '2'));
    expect(told(await other.heard())).toEqual(['n item 2']);
    await owner(again, 'set', "<delete node='n'/>");
    const gone = (await other.heard()).map((e) => e.child('event', EVENT)?.elements()[0]?.name);
    expect(gone).toContain('delete');
    await again.pubsub('set', publish('n', '3'));
    expect(await other.heard()).toEqual([]);
  });

  test('an instant node has a name of its own; lists of what one has', async () => {
    const anna = await XmppClient.connect(await startBroker(), 'anna');
    const made = await anna.pubsub('set', '<create/>');
    const node = made.elements()[0]?.elements()[0]?.attribute('node');
    expect(node).toMatch(/^instant-[0-9a-f]{16}$/);
    const mine = await anna.pubsub('get', '<affiliations/>');
    expect(mine.elements()[0]?.elements()[0]?.elements()[0]?.attribute('node')).toBe(node);
    const disco = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    const listed = await anna.ask('get', disco, 'pubsub.h');
    expect(
      listed
        .elements()[0]
        ?.elements()
        .map((e) => e.attribute('node')),
    ).toEqual([node]);
  });

  test('[XEP-0060-5.2] nodes are found that were created, and those that keep an item', async () => {
    const broker = await startBroker();
    const [anna, bert] = await two(broker);
    await anna.pubsub('set', "<create node='made'/>");
    for (const node of ['made', 'room/1']) await anna.pubsub('set', publish(node, '1'));
    await anna.ask('set', `<pubsub xmlns='${NS.pubsub}'>${publish('mood', '1')}</pubsub>`, 'anna@h');
    const nodesAt = async (address: string): Promise<unknown> => {
      const list = await bert.ask('get', "<query xmlns='http://jabber.org/protocol/disco#items'/>", address);
      return list
        .elements()[0]
        ?.elements()
        .map((e) => e.attribute('node'));
    };
    expect([await nodesAt('pubsub.h'), await nodesAt('anna@h')]).toEqual([['made', 'room/1'], ['mood']]);
  });

  test('[XEP-0163] users have nodes of their own, which only they write, and follow by their capabilities', async () => {
    const broker = await startBroker();
    const [anna, bert] = await two(broker);
    anna.say(
      "<presence><c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='sha-1'/></presence>",
    );
    const asked = (await anna.heard()).find((e) => e.name === 'iq');
    const query = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='mood+notify'/></query>";
    anna.say(`<iq type='result' id='${asked?.attribute('id')}' to='h'>${query}</iq>`);
    await anna.heard();
    await anna.ask(
      'set',
      `<pubsub xmlns='http://jabber.org/protocol/pubsub'>${publish('mood', '1')}</pubsub>`,
    );
    const [event] = await anna.heard();
    expect([event?.attribute('from'), told([event!])]).toEqual(['anna@h', ['mood item 1']]);
    expect(conditionOf(await bert.pubsub('set', publish('mood', '2'), 'anna@h'))).toBe('forbidden');
    await bert.pubsub('set', "<subscribe node='mood' jid='bert@h/r'/>", 'anna@h');
    const [theirs] = await bert.heard();
    expect([theirs?.attribute('from'), told([theirs!])]).toEqual(['anna@h', ['mood item 1']]);
  });
});

describe('from user to user', () => {
  test('to a resource, to the most available one, to whoever comes', async () => {
    const broker = await startBroker();
    const anna = await XmppClient.connect(broker, 'anna');
    const phone = await XmppClient.connect(broker, 'bert', { resource: 'phone', presence: false });
    const desk = await XmppClient.connect(broker, 'bert', { resource: 'desk', presence: false });
    const say = async (to: string, body: string, type = 'chat'): Promise<void> => {
      anna.say(`<message to='${to}' type='${type}' id='${body}'><body>${body}</body></message>`);
      await anna.heard();
    };
    await say('bert@h', 'early');
    expect(bodies(await phone.heard())).toEqual([]);
    phone.say('<presence><priority>1</priority></presence>');
    expect(bodies(await phone.heard())).toEqual(['early']);
    desk.say('<presence><priority>5</priority></presence>');
    await desk.heard();
    await say('bert@h', 'best');
    await say('bert@h/phone', 'named');
    await say('bert@h/gone', 'fallback');
    await say('bert@h', 'all', 'headline');
    expect(bodies(await desk.heard())).toEqual(['best', 'fallback', 'all']);
    expect(bodies(await phone.heard())).toEqual(['named', 'all']);
    desk.say("<presence type='unavailable'/>");
    await say('bert@h', 'next');
    expect(bodies(await phone.heard())).toEqual(['next']);
    phone.say('<presence><priority>-1</priority></presence>');
    await say('bert@h', 'waits');
    expect(bodies(await phone.heard())).toEqual([]);
  });

  test('everything in it arrives, late ones say when they were sent', async () => {
    const broker = await startBroker();
    const [anna, bert] = await two(broker);
    bert.say("<presence type='unavailable'/>");
    await bert.heard();
    const inside = "<subject>s</subject><body>b</body><x xmlns='u' a='&lt;'><y/></x><active xmlns='v'/>";
    anna.say(`<message to='bert@h' type='chat' id='m' xml:lang='de'>${inside}</message>`);
    await broker.clock.advance(5_000);
    bert.say('<presence/>');
    const got = (await bert.heard()).find((e) => e.name === 'message')!;
    expect([...got.attributes]).toEqual([
      ['from', 'anna@h/r'],
      ['to', 'bert@h/r'],
      ['type', 'chat'],
      ['id', 'm'],
      ['xml:lang', 'de'],
    ]);
    expect(got.elements().map((e) => `${e.name} ${e.ns}`)).toEqual([
      'body jabber:client',
      'subject jabber:client',
      'x u',
      'active v',
      'delay urn:xmpp:delay',
    ]);
  });

  test('MQTT writes to a user, and reads what is written to a queue', async () => {
    const broker = await startBroker();
    const anna = await XmppClient.connect(broker, 'anna');
    const mqtt = new MqttClient(broker, 5);
    await mqtt.connect('m');
    mqtt.publish('$queue/jid/anna', Buffer.from('door open'), { qos: 0 });
    mqtt.publish('$queue/jid/anna', Buffer.from([0, 1]), { qos: 0 });
    await mqtt.settled();
    const [text, octets] = await anna.heard();
    expect([text?.child('body')?.text, octets?.child('data', 'urn:waymeet:message:0')?.text]).toEqual([
      'door open',
      'AAE=',
    ]);
    expect(text?.attribute('from')).toBe('mqtt/m');
  });

  test('nobody of that name, rooms, the service', async () => {
    const anna = await XmppClient.connect(await startBroker(), 'anna');
    for (const message of ["to='nobody@h' type='chat'", "to='anna@h' type='groupchat'", "to='pubsub.h'"]) {
      anna.say(`<message ${message}><body>x</body></message>`);
      expect(conditionOf((await anna.heard())[0])).toBe('service-unavailable');
    }
    anna.say("<message to='@@'><body>x</body></message>");
    expect(conditionOf((await anna.heard())[0])).toBe('jid-malformed');
    anna.say("<message to='nobody@h' type='error'/>");
    expect(await anna.heard()).toEqual([]);
  });

  test('requests and presence pass between resources', async () => {
    const [anna, bert] = await two(await startBroker());
    anna.say("<iq type='get' id='1' to='bert@h/r'><q xmlns='u'/></iq>");
    const [request] = await bert.heard();
    expect([request?.attribute('from'), request?.elements()[0]?.ns]).toEqual(['anna@h/r', 'u']);
    bert.say("<iq type='result' id='1' to='anna@h/r'/>");
    expect((await anna.heard())[0]?.attribute('from')).toBe('bert@h/r');
    anna.say("<iq type='get' id='2' to='bert@h/gone'><q xmlns='u'/></iq>");
    expect(conditionOf((await anna.heard())[0])).toBe('service-unavailable');
    anna.say("<presence to='bert@h/r'><status>x</status></presence>");
    expect((await bert.heard())[0]?.attribute('from')).toBe('anna@h/r');
  });
});
