// XMPP over the broker in memory: streams, logins, publishing and subscribing, messages, resumption.

import { expect, test } from 'vitest';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { startBroker } from '../../../test/network.ts';
import { conditionOf, XmppClient } from '../../../test/xmpp-client.ts';

test('a stream, a login, a resource, a ping', async () => {
  const broker = await startBroker();
  const client = new XmppClient(broker);
  const features = await client.open();
  expect(
    features
      .elements()[0]
      ?.elements()
      .map((m) => m.text),
  ).toEqual(['PLAIN', 'ANONYMOUS']);
  await client.login('alice', 'x');
  await client.bind('laptop');
  expect(client.jid).toBe('alice@h/laptop');
  expect((await client.ask('get', "<ping xmlns='urn:xmpp:ping'/>")).attribute('type')).toBe('result');
  expect((await client.ask('get', "<query xmlns='jabber:iq:roster'/>")).attribute('type')).toBe('result');
  client.say('</stream:stream>');
  await client.heard();
  expect([client.over, client.raw.closed]).toEqual([true, true]);
});

test('publish, subscribe, last item, publisher', async () => {
  const broker = await startBroker();
  const alice = await XmppClient.connect(broker, 'alice');
  const bob = await XmppClient.connect(broker, 'bob');
  await alice.pubsub('set', "<publish node='room/1'><item id='7'><a xmlns='urn:a'>1</a></item></publish>");
  const answer = await bob.pubsub('set', `<subscribe node='room/1' jid='bob@h'/>`);
  expect(answer.attribute('type')).toBe('result');
  const [last] = await bob.heard();
  const item = last?.child('event', 'http://jabber.org/protocol/pubsub#event')?.elements()[0]?.elements()[0];
  expect([item?.attribute('id'), item?.attribute('publisher'), item?.elements()[0]?.ns]).toEqual([
    '7',
    'alice@h/r',
    'urn:a',
  ]);
  expect(last?.child('delay', 'urn:xmpp:delay')).toBeDefined();
  const mqtt = new MqttClient(broker, 5);
  await mqtt.connect('m');
  mqtt.publish('room/1', Buffer.from('21.5'), { qos: 0 });
  await mqtt.settled();
  const [event] = await bob.heard();
  expect(event?.elements()[0]?.elements()[0]?.elements()[0]?.elements()[0]?.text).toBe('21.5');
});

test('a user without such a name gets nothing', async () => {
  const broker = await startBroker();
  const alice = await XmppClient.connect(broker, 'alice');
  alice.say("<message to='nobody@h' type='chat'><body>x</body></message>");
  const [error] = await alice.heard();
  expect(conditionOf(error)).toBe('service-unavailable');
});
