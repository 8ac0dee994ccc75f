// The properties of MQTT 5: what must arrive as sent, what may stand where, and what CONNACK tells.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { type Broker, toHex } from '../network.ts';
import { clause } from './clause.ts';
import { connect, keeping, nameOf, TestClient } from './client.ts';
import { connectFrame, frame, type Part, props, publishFrame, str, u16 } from './octets.ts';

/** Everything that a publisher may say about a message and a subscriber must be told. */
const FULL: mqtt.Properties = {
  payloadFormatIndicator: 1,
  contentType: 'application/json; charset="ü"',
  responseTopic: '/answers//to me/',
  correlationData: Uint8Array.of(0, 255, 1, 254),
  userProperty: [
    ['b', '1'],
    ['a', ''],
    ['b', '1'],
    ['', '𐍈'],
    ['a', '2'],
  ],
};

function plain(p: mqtt.Properties): unknown {
  const { correlationData, ...rest } = p;
  return { ...rest, ...(correlationData && { correlationData: toHex(correlationData) }) };
}

clause(
  'MQTT5-3.3.2-4 MQTT5-3.3.2-15 MQTT5-3.3.2-16 MQTT5-3.3.2-17 MQTT5-3.3.2-18 MQTT5-3.3.2-20',
  'what the publisher says of a message arrives as said: at once, later, retained and after a crash',
  async (broker) => {
    const subscriber = await connect(broker, { clientId: 'subscriber' });
    await subscriber.subscribe('#');
    const away = await connect(broker, { clientId: 'away', ...keeping(5) });
    await away.subscribe('#');
    away.disconnect();
    await away.expectClosed();
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (const qos of [0, 1, 2] as const) {
      await publisher.deliver('t', 'x', { qos, properties: FULL, retain: qos === 1 });
      expect(plain((await subscriber.expectMessage('x')).properties)).toEqual(plain(FULL));
    }
    const late = await connect(broker, { clientId: 'late' });
    await late.subscribe('t');
    expect(plain((await late.expectMessage('x')).properties)).toEqual(plain(FULL));
    await broker.crash();
    const back = await connect(broker, { clientId: 'away', ...keeping(5) });
    const queued = await back.messages();
    expect(queued.length).toBeGreaterThanOrEqual(2);
    for (const m of queued) expect(plain(m.properties)).toEqual(plain(FULL));
    const later = await connect(broker, { clientId: 'late' });
    await later.subscribe('t');
    expect(plain((await later.expectMessage('x')).properties)).toEqual(plain(FULL));
  },
);

clause(
  'MQTT5-3.3.2-4 MQTT5-3.3.2-16 MQTT5-3.3.2-20 MQTT5-2.2.2-1',
  'each property alone, and none, arrive as sent',
  async (broker) => {
    const client = await connect(broker);
    await client.subscribe('t');
    const alone: mqtt.Properties[] = [
      {},
      { payloadFormatIndicator: 0 },
      { payloadFormatIndicator: 1 },
      { contentType: '' },
      { responseTopic: 'r' },
      { correlationData: new Uint8Array(0) },
      { correlationData: Uint8Array.from({ length: 1_000 }, (_, i) => i) },
      { userProperty: [['', '']] },
    ];
    for (const properties of alone) {
      client.publish('t', 'x', { properties });
      expect(plain((await client.expectMessage('x')).properties)).toEqual(plain(properties));
    }
  },
);

clause('MQTT5-3.3.2-14', 'a response topic with a wildcard closes', async (broker) => {
  for (const responseTopic of ['#', 'a/+', 'a/#', '+']) {
    const client = await connect(broker);
    client.send(publishFrame(5, 0x00, str('t'), undefined, [0x08, str(responseTopic)]));
    const goodbye = await client.expectClosed();
    expect([0x81, 0x82, 0x90], responseTopic).toContain(goodbye?.code);
  }
});

clause('MQTT5-3.3.4-6', 'a subscription identifier in a PUBLISH from a client closes', async (broker) => {
  const watcher = await connect(broker, { clientId: 'watcher' });
  await watcher.subscribe('t');
  const client = await connect(broker);
  client.send(publishFrame(5, 0x00, str('t'), undefined, [0x0b, 1]));
  const goodbye = await client.expectClosed();
  expect([0x81, 0x82]).toContain(goodbye?.code);
  await watcher.expectNothing();
});

/** Every property: its octets with a value that is right, and the packets from a client that may carry it ('w': the will). */
const PROPERTIES: readonly (readonly [
  id: number,
  name: string,
  value: readonly Part[],
  where: readonly (number | 'w')[],
])[] = [
  [0x01, 'Payload Format Indicator', [0], [mqtt.PUBLISH, 'w']],
  [0x02, 'Message Expiry Interval', ['00 00 00 01'], [mqtt.PUBLISH, 'w']],
  [0x03, 'Content Type', [str('x')], [mqtt.PUBLISH, 'w']],
  [0x08, 'Response Topic', [str('x')], [mqtt.PUBLISH, 'w']],
  [0x09, 'Correlation Data', [str('x')], [mqtt.PUBLISH, 'w']],
  [0x0b, 'Subscription Identifier', [1], [mqtt.SUBSCRIBE]],
  [0x11, 'Session Expiry Interval', ['00 00 00 00'], [mqtt.CONNECT, mqtt.DISCONNECT]],
  [0x12, 'Assigned Client Identifier', [str('x')], []],
  [0x13, 'Server Keep Alive', ['00 01'], []],
  [0x17, 'Request Problem Information', [1], [mqtt.CONNECT]],
  [0x18, 'Will Delay Interval', ['00 00 00 01'], ['w']],
  [0x19, 'Request Response Information', [1], [mqtt.CONNECT]],
  [0x1a, 'Response Information', [str('x')], []],
  // The standard allows it in DISCONNECT without saying whose.
  [0x1c, 'Server Reference', [str('x')], [mqtt.DISCONNECT]],
  [
    0x1f,
    'Reason String',
    [str('x')],
    [mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP, mqtt.DISCONNECT, mqtt.AUTH],
  ],
  [0x21, 'Receive Maximum', ['00 01'], [mqtt.CONNECT]],
  [0x22, 'Topic Alias Maximum', ['00 01'], [mqtt.CONNECT]],
  [0x23, 'Topic Alias', ['00 01'], [mqtt.PUBLISH]],
  [0x24, 'Maximum QoS', [1], []],
  [0x25, 'Retain Available', [1], []],
  [0x27, 'Maximum Packet Size', ['00 01 00 00'], [mqtt.CONNECT]],
  [0x28, 'Wildcard Subscription Available', [1], []],
  [0x29, 'Subscription Identifier Available', [1], []],
  [0x2a, 'Shared Subscription Available', [1], []],
  [0x00, 'no property at all', [0], []],
  [0x04, 'an unknown property', [0], []],
  [0x2b, 'an unknown property', [0], []],
  [0x7f, 'an unknown property', [0], []],
];

/** Packets from a client, with these properties. */
const CARRIERS: readonly (readonly [where: number | 'w', carry: (...p: Part[]) => Uint8Array])[] = [
  [mqtt.CONNECT, (...p) => connectFrame(5, { properties: p })],
  ['w', (...p) => connectFrame(5, { flags: 0x06, payload: [str('c'), props(5, ...p), str('w'), str('m')] })],
  [mqtt.PUBLISH, (...p) => publishFrame(5, 0x00, str('t'), undefined, p)],
  [mqtt.PUBACK, (...p) => frame(0x40, u16(1), 0, props(5, ...p))],
  [mqtt.PUBREC, (...p) => frame(0x50, u16(1), 0, props(5, ...p))],
  [mqtt.PUBREL, (...p) => frame(0x62, u16(1), 0, props(5, ...p))],
  [mqtt.PUBCOMP, (...p) => frame(0x70, u16(1), 0, props(5, ...p))],
  [mqtt.SUBSCRIBE, (...p) => frame(0x82, u16(1), props(5, ...p), str('t'), 0)],
  [mqtt.UNSUBSCRIBE, (...p) => frame(0xa2, u16(1), props(5, ...p), str('t'))],
  [mqtt.DISCONNECT, (...p) => frame(0xe0, 0, props(5, ...p))],
];

async function carried(broker: Broker, where: number | 'w', octets: Uint8Array): Promise<TestClient> {
  const login = where === mqtt.CONNECT || where === 'w';
  const client = login ? new TestClient(broker, 5) : await connect(broker);
  client.send(octets);
  await client.settle();
  return client;
}

for (const [where, carry] of CARRIERS) {
  const name = where === 'w' ? 'the will' : nameOf(where);
  clause(
    'MQTT5-4.13.1-1',
    `${name}: each of its properties is taken once, every other closes`,
    async (broker) => {
      for (const [id, property, value, allowed] of PROPERTIES) {
        const client = await carried(broker, where, carry(id, ...value));
        // DISCONNECT closes either way, with a word if it was wrong.
        const refused = await refusal(client);
        expect(refused === undefined, `${property} (${refused})`).toBe(allowed.includes(where));
        if (!allowed.includes(where)) continue;
        const twice = await carried(broker, where, carry(id, ...value, id, ...value));
        const why = await refusal(twice);
        expect(why, `${property} twice`).toBeDefined();
      }
      // User properties may come as often as they like, everywhere.
      const user = [0x26, str('k'), str('v'), 0x26, str('k'), str('v')];
      expect(await refusal(await carried(broker, where, carry(...user)))).toBeUndefined();
    },
  );
}

/** The code that a client was refused with, if it was. */
async function refusal(client: TestClient): Promise<number | undefined> {
  for (let packet = await client.next(); packet !== undefined; packet = await client.next()) {
    if (packet.type === mqtt.DISCONNECT || packet.type === mqtt.CONNACK) {
      if (packet.code >= 0x80) return packet.code;
    }
  }
  return undefined;
}

clause('MQTT5-4.13.1-1', 'property values out of range close', async (broker) => {
  const bad: readonly (readonly [string, number | 'w', readonly Part[]])[] = [
    ['Payload Format Indicator 2', mqtt.PUBLISH, [0x01, 2]],
    ['Topic Alias 0', mqtt.PUBLISH, [0x23, '00 00']],
    ['Subscription Identifier 0', mqtt.SUBSCRIBE, [0x0b, 0]],
    ['Subscription Identifier too long', mqtt.SUBSCRIBE, [0x0b, 'ff ff ff ff 01']],
    ['Receive Maximum 0', mqtt.CONNECT, [0x21, '00 00']],
    ['Maximum Packet Size 0', mqtt.CONNECT, [0x27, '00 00 00 00']],
    ['Request Problem Information 2', mqtt.CONNECT, [0x17, 2]],
    ['Request Response Information 2', mqtt.CONNECT, [0x19, 2]],
    ['half a property', mqtt.PUBLISH, [0x02, '00 00']],
    ['half a text', mqtt.PUBLISH, [0x03, '00 05 61']],
  ];
  for (const [what, where, value] of bad) {
    const carry = CARRIERS.find(([w]) => w === where)![1];
    const client = await carried(broker, where, carry(...value));
    expect(client.raw.closed, what).toBe(true);
    expect(await refusal(client), what).toBeGreaterThanOrEqual(0x80);
  }
});

clause(
  'MQTT5-3.1.2-21 MQTT5-3.2.2-21',
  'a server keep alive is told, and is the one that counts',
  async (broker) => {
    for (const keepAlive of [0, 100]) {
      const client = await connect(broker, { keepAlive });
      expect(client.connack.properties.serverKeepAlive).toBe(10);
      await broker.clock.advance(14_000);
      await client.expectAlive();
      await broker.clock.advance(16_000);
      await client.expectClosed(0x8d);
    }
    const shorter = await connect(broker, { keepAlive: 4 });
    await broker.clock.advance(7_000);
    await shorter.expectClosed(0x8d);
  },
  { mqtt: { maxKeepAliveSeconds: 10 } },
);

clause(
  'MQTT5-3.1.2-28',
  'response information comes to those who ask, only',
  async (broker) => {
    const asked = await connect(broker, { properties: { requestResponseInformation: 1 } });
    expect(asked.connack.properties.responseInformation).toBe('answers/c');
    for (const properties of [{}, { requestResponseInformation: 0 as const }]) {
      const client = await connect(broker, { properties });
      expect(client.connack.properties.responseInformation).toBeUndefined();
    }
  },
  { mqtt: { responseInformation: 'answers/%c' } },
);

clause(
  'MQTT5-3.2.2-9 MQTT5-3.2.2-10 MQTT5-3.2.2-11 MQTT5-3.2.2-12 MQTT5-3.2.2-13 MQTT5-3.2.2-14',
  'QoS 2 and retain are served in full, in wills too, so nothing less is announced',
  async (broker) => {
    const will = { topic: 'w', qos: 2 as const, retain: true };
    const client = await connect(broker, { will });
    expect(client.connack.properties.maximumQos).toBeUndefined();
    expect(client.connack.properties.retainAvailable ?? 1).toBe(1);
    expect(client.connack.properties.wildcardSubscriptionAvailable ?? 1).toBe(1);
    expect(client.connack.properties.subscriptionIdentifierAvailable ?? 1).toBe(1);
    expect(client.connack.properties.sharedSubscriptionAvailable ?? 1).toBe(1);
    await client.deliver('t', 'kept', { qos: 2, retain: true });
    await client.cut();
    const late = await connect(broker, { clientId: 'late' });
    expect(await late.subscribe({ filter: '#', qos: 2 })).toEqual([2]);
    const got = await late.messages();
    expect(got.map((m) => [m.topic, m.qos, m.retain]).sort()).toEqual([
      ['t', 2, true],
      ['w', 2, true],
    ]);
  },
);
