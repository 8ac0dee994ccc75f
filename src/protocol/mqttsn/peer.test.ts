// MQTT-SN against a whole broker: an independent device on one side, MQTT 3.1.1 and 5 on the other.

import { describe, expect, test } from 'vitest';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { FLAG, qosFlag, SnDevice, shortId } from '../../../test/mqttsn-device.ts';
import { type Broker, type ConnectOptions, startBroker } from '../../../test/network.ts';
import { PUBACK, PUBLISH } from '../mqtt/packet.ts';
import { mqtt } from '../mqtt/protocol.ts';
import type { SnOptions } from './options.ts';
import { mqttsn } from './protocol.ts';

const MINUTE = 60_000;

function broker(options: Partial<SnOptions> = {}): Promise<Broker> {
  return startBroker({ protocols: [mqtt(), mqttsn(options)] });
}

async function listener(b: Broker, filter = '#'): Promise<() => Promise<string[]>> {
  const client = new MqttClient(b, 5);
  await client.connect(`listener ${filter}`, { keepAlive: 0 });
  await client.subscribe(filter, { qos: 2 });
  return async () => {
    const heard: string[] = [];
    for (const p of await client.settled()) {
      if (p.type !== PUBLISH) continue;
      if (p.qos === 1) client.send({ type: PUBACK, id: p.id, code: 0, properties: {} });
      heard.push(`${p.topic} ${Buffer.from(p.payload)} q${p.qos}${p.retain ? ' retained' : ''}`);
    }
    return heard;
  };
}

async function say(
  b: Broker,
  topic: string,
  payload: string,
  qos: 0 | 1 | 2 = 0,
  retain = false,
): Promise<void> {
  const client = new MqttClient(b, 4);
  await client.connect(`speaker ${topic}`);
  client.publish(topic, Buffer.from(payload), { qos, retain, id: qos === 0 ? 0 : 9 });
  await client.settled();
  client.raw.end();
  await b.clock.advance(0);
}

describe('gateway discovery', () => {
  test('[MQTTSN12-6.1] SEARCHGW is answered by GWINFO', async () => {
    const b = await broker({ gatewayId: 7 });
    const d = new SnDevice(b);
    expect(await d.ask('SEARCHGW', [0])).toEqual([{ type: 'GWINFO', gateway: 7 }]);
  });
});

describe('connecting', () => {
  test('[MQTTSN12-6.2] CONNECT is answered by CONNACK', async () => {
    const d = new SnDevice(await broker());
    expect(await d.connect('d')).toEqual([{ type: 'CONNACK', code: 0 }]);
    expect(await d.ask('PINGREQ')).toEqual([{ type: 'PINGRESP' }]);
  });

  test.each([
    ['another protocol id', [FLAG.clean, 2, 60], 'd'],
    ['no client id', [FLAG.clean, 1, 60], ''],
  ])('%s: not supported', async (_name, fields, client) => {
    const d = new SnDevice(await broker());
    expect(await d.ask('CONNECT', fields, client)).toEqual([{ type: 'CONNACK', code: 3 }]);
    expect(await d.ask('PINGREQ')).toEqual([{ type: 'DISCONNECT' }]);
  });

  test('a repeated CONNECT, because CONNACK was lost, changes nothing', async () => {
    const b = await broker();
    const hears = await listener(b);
    const d = new SnDevice(b);
    await d.connect('d', { will: true });
    await d.ask('WILLTOPIC', [0], 'will');
    expect(await d.ask('WILLMSG', [], 'gone')).toEqual([{ type: 'CONNACK', code: 0 }]);
    expect(await d.ask('WILLMSG', [], 'gone')).toEqual([{ type: 'CONNACK', code: 0 }]);
    expect(await d.connect('d', { will: true })).toEqual([{ type: 'CONNACK', code: 0 }]);
    expect(b.hub.counters.of('mqttsn').clientsTotal).toBe(1);
    expect(await hears()).toEqual([]);
  });

  test('[MQTTSN12-5.4.21] who is not connected is told so, once a second', async () => {
    const b = await broker();
    const d = new SnDevice(b);
    expect(await d.ask('REGISTER', [0, 1], 'a')).toEqual([{ type: 'DISCONNECT' }]);
    expect(await d.ask('SUBSCRIBE', [0, 1], 'a')).toEqual([]);
    await b.clock.advance(1_000);
    expect(await d.ask('SUBSCRIBE', [0, 1], 'a')).toEqual([{ type: 'DISCONNECT' }]);
    expect(await d.ask('PUBACK', [1, 1, 0])).toEqual([]);
  });

  test('DISCONNECT is answered, and the will dropped', async () => {
    const b = await broker();
    const hears = await listener(b);
    const d = new SnDevice(b);
    await d.connect('d', { will: true });
    await d.ask('WILLTOPIC', [0], 'will');
    await d.ask('WILLMSG', [], 'gone');
    expect(await d.ask('DISCONNECT')).toEqual([{ type: 'DISCONNECT' }]);
    await b.clock.advance(5 * MINUTE);
    expect(await hears()).toEqual([]);
    expect(b.hub.stats.clients).toBe(1);
  });

  test('another connection with the same client id, of MQTT even, takes over', async () => {
    const b = await broker();
    const d = new SnDevice(b);
    await d.connect('same');
    const other = new MqttClient(b, 5);
    await other.connect('same');
    expect(await d.heard()).toEqual([{ type: 'DISCONNECT' }]);
  });
});

describe('the will', () => {
  async function willed(b: Broker, clean = true): Promise<SnDevice> {
    const d = new SnDevice(b);
    expect(await d.connect('d', { will: true, clean })).toEqual([{ type: 'WILLTOPICREQ' }]);
    expect(await d.ask('WILLTOPIC', [qosFlag(1) | FLAG.retain], 'wills/d')).toEqual([{ type: 'WILLMSGREQ' }]);
    expect(await d.ask('WILLMSG', [], 'gone')).toEqual([{ type: 'CONNACK', code: 0 }]);
    return d;
  }

  test.each([
    [60, 90_000],
    [100, 110_000],
  ])('[MQTTSN12-7.2] a keep alive of %d s is missed after %d ms', async (seconds, ms) => {
    const b = await broker();
    const hears = await listener(b, 'wills/#');
    const d = new SnDevice(b);
    await d.connect('d', { will: true, seconds });
    await d.ask('WILLTOPIC', [qosFlag(1)], 'wills/d');
    await d.ask('WILLMSG', [], 'gone');
    await b.clock.advance(ms - 1);
    expect(await hears()).toEqual([]);
    await b.clock.advance(1);
    expect(await hears()).toEqual(['wills/d gone q1']);
  });

  test('an empty WILLTOPIC: no will after all', async () => {
    const d = new SnDevice(await broker());
    await d.connect('d', { will: true });
    expect(await d.ask('WILLTOPIC')).toEqual([{ type: 'CONNACK', code: 0 }]);
  });

  test('questions are repeated, and given up', async () => {
    const b = await startBroker({ protocols: [mqttsn({ retryMs: 1_000, retries: 2 })] });
    const d = new SnDevice(b);
    await d.connect('d', { will: true });
    expect(await d.heard(1_000)).toEqual([{ type: 'WILLTOPICREQ' }]);
    expect(await d.heard(1_000)).toEqual([{ type: 'WILLTOPICREQ' }]);
    expect(await d.heard(7_000)).toEqual([]);
    expect(await d.ask('WILLTOPIC', [0], 'a')).toEqual([]);
  });

  test('[MQTTSN12-6.4] it can be changed', async () => {
    const b = await broker();
    const hears = await listener(b, 'wills/#');
    const d = await willed(b);
    expect(await d.ask('WILLMSGUPD', [], 'changed')).toEqual([{ type: 'WILLMSGRESP', code: 0 }]);
    expect(await d.ask('WILLTOPICUPD', [0], 'wills/other')).toEqual([{ type: 'WILLTOPICRESP', code: 0 }]);
    await b.clock.advance(2 * MINUTE);
    expect(await hears()).toEqual(['wills/other changed q0']);
  });

  test('[MQTTSN12-6.4] it can be taken back, and then has no message to change', async () => {
    const b = await broker();
    const hears = await listener(b, 'wills/#');
    const d = await willed(b);
    expect(await d.ask('WILLTOPICUPD')).toEqual([{ type: 'WILLTOPICRESP', code: 0 }]);
    expect(await d.ask('WILLMSGUPD', [], 'x')).toEqual([{ type: 'WILLMSGRESP', code: 3 }]);
    expect(await d.ask('WILLTOPICUPD', [0], 'a/#')).toEqual([{ type: 'WILLTOPICRESP', code: 3 }]);
    await b.clock.advance(2 * MINUTE);
    expect(await hears()).toEqual([]);
  });

  test('[MQTTSN12-6.3] a kept session keeps its will; a clean one has none', async () => {
    const b = await broker();
    const hears = await listener(b, 'wills/#');
    const d = await willed(b, false);
    await d.ask('DISCONNECT');
    await d.connect('d', { clean: false });
    await b.clock.advance(2 * MINUTE);
    expect(await hears()).toEqual(['wills/d gone q1']);
    await d.connect('d', { clean: true });
    await d.ask('DISCONNECT');
    await d.connect('d', { clean: false });
    await b.clock.advance(2 * MINUTE);
    expect(await hears()).toEqual([]);
  });
});

test('[MQTTSN12-6.3] the will of a kept session survives a restart of the hub', async () => {
  const b = await broker();
  const d = new SnDevice(b);
  await d.connect('d', { will: true, clean: false });
  await d.ask('WILLTOPIC', [qosFlag(1)], 'wills/d');
  await d.ask('WILLMSG', [], 'gone');
  await d.ask('DISCONNECT');
  await b.crash();
  const hears = await listener(b, 'wills/#');
  const again = new SnDevice(b);
  await again.connect('d', { clean: false });
  await b.clock.advance(2 * MINUTE);
  expect(await hears()).toEqual(['wills/d gone q1']);
});

describe('publishing', () => {
  test('QoS 0, 1 and 2 under a registered id', async () => {
    const b = await broker();
    const hears = await listener(b);
    const d = new SnDevice(b);
    await d.connect('d');
    const id = await d.register('room/1/heat');
    expect(await d.register('room/1/heat')).toBe(id);
    expect(await d.ask('PUBLISH', [0, id, 0], '20')).toEqual([]);
    expect(await d.ask('PUBLISH', [qosFlag(1), id, 5], '21')).toEqual([
      { type: 'PUBACK', topicId: id, id: 5, code: 0 },
    ]);
    expect(await d.ask('PUBLISH', [qosFlag(2) | FLAG.retain, id, 6], '22')).toEqual([
      { type: 'PUBREC', id: 6 },
    ]);
    expect(await d.ask('PUBLISH', [qosFlag(2) | FLAG.retain | FLAG.dup, id, 6], '22')).toEqual([
      { type: 'PUBREC', id: 6 },
    ]);
    expect(await d.ask('PUBREL', [6])).toEqual([{ type: 'PUBCOMP', id: 6 }]);
    expect(await d.ask('PUBREL', [6])).toEqual([{ type: 'PUBCOMP', id: 6 }]);
    expect(await hears()).toEqual(['room/1/heat 20 q0', 'room/1/heat 21 q1', 'room/1/heat 22 q2']);
  });

  test('short and predefined topics', async () => {
    const b = await broker({ predefined: new Map([[12, 'known/beforehand']]) });
    const hears = await listener(b);
    const d = new SnDevice(b);
    await d.connect('d');
    expect(await d.ask('PUBLISH', [qosFlag(1) | FLAG.short, shortId('ab'), 1], 'x')).toEqual([
      { type: 'PUBACK', topicId: shortId('ab'), id: 1, code: 0 },
    ]);
    await d.ask('PUBLISH', [FLAG.predefined, 12, 0], 'y');
    expect(await hears()).toEqual(['ab x q1', 'known/beforehand y q0']);
  });

  test('predefined topics of one client go before those of all', async () => {
    const predefined = new Map([
      [12, 'of/all'],
      [13, 'of/everybody'],
    ]);
    const b = await broker({ predefined, clients: new Map([['d', new Map([[12, 'of/d']])]]) });
    const hears = await listener(b);
    for (const client of ['d', 'e']) {
      const d = new SnDevice(b);
      await d.connect(client);
      await d.ask('PUBLISH', [FLAG.predefined, 12, 0], client);
      await d.ask('PUBLISH', [FLAG.predefined, 13, 0], client);
    }
    expect(await hears()).toEqual(['of/d d q0', 'of/everybody d q0', 'of/all e q0', 'of/everybody e q0']);
  });

  test.each([
    ['an id that is not registered', [qosFlag(1), 99, 4]],
    ['an id that is not known beforehand', [qosFlag(1) | FLAG.predefined, 99, 4]],
    ['even at QoS 0', [0, 99, 4]],
    ['a wildcard as a short topic', [qosFlag(1) | FLAG.short, shortId('a#'), 4]],
  ])('%s: invalid topic id', async (_name, fields) => {
    const d = new SnDevice(await broker());
    await d.connect('d');
    expect(await d.ask('PUBLISH', fields, 'x')).toEqual([
      { type: 'PUBACK', topicId: fields[1], id: 4, code: 2 },
    ]);
  });

  test('REGISTER of no topic name, and of one too many', async () => {
    const d = new SnDevice(await broker({ registrations: 1 }));
    await d.connect('d');
    expect(await d.ask('REGISTER', [0, 1], 'a/#')).toEqual([{ type: 'REGACK', topicId: 0, id: 1, code: 2 }]);
    expect(await d.register('a')).toBe(1);
    expect(await d.ask('REGISTER', [0, 2], 'b')).toEqual([{ type: 'REGACK', topicId: 0, id: 2, code: 1 }]);
  });

  test('[MQTTSN12-6.8] QoS −1 needs no connection', async () => {
    const b = await broker({ predefined: new Map([[12, 'known']]) });
    const hears = await listener(b);
    const d = new SnDevice(b);
    d.send('PUBLISH', [FLAG.minusOne | FLAG.short, shortId('ab'), 0], '1');
    d.send('PUBLISH', [FLAG.minusOne | FLAG.predefined, 12, 0], '2');
    d.send('PUBLISH', [FLAG.minusOne, 12, 0], '3');
    expect(await d.heard()).toEqual([]);
    expect(await hears()).toEqual(['ab 1 q0', 'known 2 q0']);
    await b.clock.advance(MINUTE);
    expect(b.hub.stats.clients).toBe(1);
  });

  test('QoS −1 can be switched off', async () => {
    const b = await broker({ qosMinusOne: false });
    const hears = await listener(b);
    const d = new SnDevice(b);
    await d.ask('PUBLISH', [FLAG.minusOne | FLAG.short, shortId('ab'), 0], '1');
    expect(await hears()).toEqual([]);
  });
});

describe('subscribing', () => {
  test('a name gets an id; a wildcard is registered topic by topic', async () => {
    const b = await broker();
    const d = new SnDevice(b);
    await d.connect('d');
    const [answer] = await d.ask('SUBSCRIBE', [qosFlag(1), 3], 'room/1');
    expect(answer).toEqual({ type: 'SUBACK', flags: qosFlag(1), topicId: 1, id: 3, code: 0 });
    expect(await d.ask('SUBSCRIBE', [0, 4], 'hall/+')).toEqual([
      { type: 'SUBACK', flags: 0, topicId: 0, id: 4, code: 0 },
    ]);
    await say(b, 'room/1', 'a');
    expect(await d.heard()).toEqual([{ type: 'PUBLISH', flags: 0, topicId: 1, id: 0, rest: 'a' }]);

    await say(b, 'hall/x', 'b');
    const [register] = await d.heard();
    expect(register).toMatchObject({ type: 'REGISTER', topicId: 2, rest: 'hall/x' });
    await say(b, 'hall/x', 'c');
    expect(await d.heard()).toEqual([]);
    expect(await d.ask('REGACK', [2, register!.id!, 0])).toEqual([
      { type: 'PUBLISH', flags: 0, topicId: 2, id: 0, rest: 'b' },
      { type: 'PUBLISH', flags: 0, topicId: 2, id: 0, rest: 'c' },
    ]);
  });

  test('short and predefined topics come under what they were subscribed by', async () => {
    const b = await broker({ predefined: new Map([[12, 'known']]) });
    const d = new SnDevice(b);
    await d.connect('d');
    expect(await d.ask('SUBSCRIBE', [FLAG.predefined, 1], Uint8Array.of(0, 12))).toEqual([
      { type: 'SUBACK', flags: 0, topicId: 12, id: 1, code: 0 },
    ]);
    expect(await d.ask('SUBSCRIBE', [FLAG.short, 2], 'ab')).toEqual([
      { type: 'SUBACK', flags: 0, topicId: 0, id: 2, code: 0 },
    ]);
    await say(b, 'known', '1');
    await say(b, 'ab', '2');
    expect(await d.heard()).toEqual([
      { type: 'PUBLISH', flags: FLAG.predefined, topicId: 12, id: 0, rest: '1' },
      { type: 'PUBLISH', flags: FLAG.short, topicId: shortId('ab'), id: 0, rest: '2' },
    ]);
    expect(await d.ask('UNSUBSCRIBE', [FLAG.short, 3], 'ab')).toEqual([{ type: 'UNSUBACK', id: 3 }]);
    await say(b, 'ab', '3');
    expect(await d.heard()).toEqual([]);
  });

  test('retained messages follow SUBACK, marked', async () => {
    const b = await broker();
    await say(b, 'room/1', 'kept', 1, true);
    const d = new SnDevice(b);
    await d.connect('d');
    expect(await d.ask('SUBSCRIBE', [0, 1], 'room/1')).toEqual([
      { type: 'SUBACK', flags: 0, topicId: 1, id: 1, code: 0 },
      { type: 'PUBLISH', flags: FLAG.retain, topicId: 1, id: 0, rest: 'kept' },
    ]);
  });

  test.each([
    ['no filter', [0, 1], 'a#', 0, 3],
    ['QoS −1', [FLAG.minusOne, 1], 'a', 0, 3],
    ['an id that is not known', [FLAG.predefined, 1], Uint8Array.of(0, 9), 9, 2],
  ])('%s is refused', async (_name, fields, topic, topicId, code) => {
    const d = new SnDevice(await broker());
    await d.connect('d');
    expect(await d.ask('SUBSCRIBE', fields, topic)).toEqual([
      { type: 'SUBACK', flags: 0, topicId, id: 1, code },
    ]);
  });
});

describe('delivering', () => {
  async function subscribed(qos: number, options: Partial<SnOptions> = {}): Promise<[Broker, SnDevice]> {
    const b = await broker(options);
    const d = new SnDevice(b);
    await d.connect('d', { seconds: 0 });
    await d.ask('SUBSCRIBE', [qosFlag(qos), 1], 't/1');
    return [b, d];
  }

  test('QoS 1: one at a time, repeated with DUP until PUBACK', async () => {
    const [b, d] = await subscribed(1);
    await say(b, 't/1', 'a', 1);
    await say(b, 't/1', 'b', 1);
    const first = await d.heard();
    expect(first).toEqual([{ type: 'PUBLISH', flags: qosFlag(1), topicId: 1, id: first[0]!.id, rest: 'a' }]);
    expect(await d.heard(9_999)).toEqual([]);
    expect(await d.heard(1)).toEqual([{ ...first[0], flags: qosFlag(1) | FLAG.dup }]);
    const [second] = await d.ask('PUBACK', [1, first[0]!.id!, 0]);
    expect(second).toMatchObject({ type: 'PUBLISH', rest: 'b' });
    await d.ask('PUBACK', [1, second!.id!, 0]);
    expect(await d.heard(MINUTE)).toEqual([]);
  });

  test('QoS 2: PUBREC, PUBREL, PUBCOMP, each repeated', async () => {
    const [b, d] = await subscribed(2);
    await say(b, 't/1', 'a', 2);
    // Published at once; the speaker's own handshake stays open.
    const [first] = await d.heard();
    expect(first).toMatchObject({ type: 'PUBLISH', flags: qosFlag(2), rest: 'a' });
    const id = first!.id!;
    expect(await d.ask('PUBREC', [id])).toEqual([{ type: 'PUBREL', id }]);
    expect(await d.ask('PUBREC', [id])).toEqual([{ type: 'PUBREL', id }]);
    expect(await d.heard(10_000)).toEqual([{ type: 'PUBREL', id }]);
    expect(await d.ask('PUBCOMP', [id])).toEqual([]);
    expect(await d.heard(MINUTE)).toEqual([]);
  });

  test('[MQTTSN12-6.13] who never answers is lost', async () => {
    const [b, d] = await subscribed(1, { retries: 2 });
    await say(b, 't/1', 'a', 1);
    expect((await d.heard(29_999)).map((m) => m.type)).toEqual(['PUBLISH', 'PUBLISH', 'PUBLISH']);
    expect(await d.heard(1)).toEqual([{ type: 'DISCONNECT' }]);
    expect(b.hub.stats.clients).toBe(0);
  });

  test('a client that does not know the id is told it again', async () => {
    const [b, d] = await subscribed(1);
    await say(b, 't/1', 'a', 1);
    const [first] = await d.heard();
    const [register] = await d.ask('PUBACK', [1, first!.id!, 2]);
    expect(register).toMatchObject({ type: 'REGISTER', topicId: 2, rest: 't/1' });
    expect(await d.ask('REGACK', [2, register!.id!, 0])).toMatchObject([
      { type: 'PUBLISH', topicId: 2, id: first!.id, rest: 'a' },
    ]);
  });

  test.each([0, 1])(
    '[MQTTSN12-6.7] who never used a predefined id is told the topic, QoS %d',
    async (qos) => {
      const b = await broker({ predefined: new Map([[12, 'known']]) });
      const d = new SnDevice(b);
      await d.connect('d');
      await d.ask('SUBSCRIBE', [qosFlag(qos), 1], '#');
      await say(b, 'known', 'a', 1);
      const [register] = await d.heard();
      expect(register).toMatchObject({ type: 'REGISTER', topicId: 1, rest: 'known' });
      expect(await d.ask('REGACK', [1, register!.id!, 0])).toMatchObject([
        { type: 'PUBLISH', flags: qosFlag(qos), topicId: 1, rest: 'a' },
      ]);
    },
  );

  test.each([
    ['has it of its own', 'named', undefined],
    ['published with it', 'd', 'PUBLISH'],
    ['subscribed with it before', 'd', 'SUBSCRIBE'],
  ])('who %s hears under the predefined id', async (_name, client, by) => {
    const own = new Map([['named', new Map([[12, 'known']])]]);
    const b = await broker({ predefined: new Map([[12, 'known']]), clients: own });
    const d = new SnDevice(b);
    await d.connect(client);
    if (by === 'PUBLISH') await d.ask('PUBLISH', [FLAG.predefined, 12, 0], 'mine');
    if (by === 'SUBSCRIBE') await d.ask('SUBSCRIBE', [FLAG.predefined, 1], Uint8Array.of(0, 12));
    await d.ask('SUBSCRIBE', [0, 2], '#');
    await say(b, 'known', 'a');
    expect(await d.heard()).toEqual([
      { type: 'PUBLISH', flags: FLAG.predefined, topicId: 12, id: 0, rest: 'a' },
    ]);
  });

  test.each([0, 1])('who refuses a predefined id that it used is told the topic, QoS %d', async (qos) => {
    const b = await broker({ predefined: new Map([[12, 'known']]) });
    const d = new SnDevice(b);
    await d.connect('d');
    await d.ask('SUBSCRIBE', [FLAG.predefined, 1], Uint8Array.of(0, 12));
    await d.ask('SUBSCRIBE', [qosFlag(qos), 2], '#');
    await say(b, 'known', 'a', 1);
    const [first] = await d.heard();
    expect(first).toMatchObject({ type: 'PUBLISH', topicId: 12 });
    const told = await d.ask('PUBACK', [12, first!.id!, 2]);
    if (qos === 0) {
      expect(told).toEqual([]); // it is lost, as QoS 0 may be; the next one is not
      await say(b, 'known', 'b');
      told.push(...(await d.heard()));
    }
    expect(told).toMatchObject([{ type: 'REGISTER', rest: 'known' }]);
  });

  test('a client that is congested is left alone for T_WAIT', async () => {
    const [b, d] = await subscribed(1);
    await say(b, 't/1', 'a', 1);
    const [first] = await d.heard();
    d.send('PUBACK', [1, first!.id!, 1]);
    expect(await d.heard(299_999)).toEqual([]);
    expect(await d.heard(1)).toMatchObject([{ type: 'PUBLISH', flags: qosFlag(1) | FLAG.dup, rest: 'a' }]);
  });

  test('a client that refuses a topic does not get its message', async () => {
    const b = await broker();
    const d = new SnDevice(b);
    await d.connect('d');
    await d.ask('SUBSCRIBE', [qosFlag(1), 1], 'x/#');
    await say(b, 'x/1', 'a', 1);
    const [register] = await d.heard();
    expect(await d.ask('REGACK', [register!.topicId!, register!.id!, 3])).toEqual([]);
    await say(b, 'x/2', 'b');
    expect(await d.heard()).toMatchObject([{ type: 'REGISTER', rest: 'x/2' }]);
  });
});

test('a third of the answers is lost: each QoS 2 message arrives exactly once', async () => {
  const b = await broker({ retries: 30 });
  const d = new SnDevice(b);
  await d.connect('d', { seconds: 0 });
  await d.ask('SUBSCRIBE', [qosFlag(2) | FLAG.short, 1], 'ab');
  for (let i = 0; i < 10; i++) await say(b, 'ab', String(i), 2);
  let sent = 0;
  const lossy = (type: string, id: number): void => {
    if (sent++ % 3 !== 0) d.send(type, [id]);
  };
  const open = new Set<number>();
  const payloads: string[] = [];
  let repeated = 0;
  for (let round = 0; payloads.length < 10 || open.size > 0; round++) {
    expect(round).toBeLessThan(200);
    for (const m of await d.heard(10_000)) {
      if (m.type === 'PUBLISH') {
        if (open.has(m.id!)) repeated++;
        else payloads.push(m.rest!);
        open.add(m.id!);
        lossy('PUBREC', m.id!);
      } else if (m.type === 'PUBREL') {
        open.delete(m.id!);
        lossy('PUBCOMP', m.id!);
      }
    }
  }
  expect(payloads).toEqual(Array.from({ length: 10 }, (_, i) => String(i)));
  expect(repeated).toBeGreaterThan(0);
});

test('an administrator sends a device away by its protocol and id', async () => {
  const b = await broker();
  const d = new SnDevice(b);
  await d.connect('d');
  expect(b.hub.disconnect('mqttsn', 'e')).toBe(false);
  expect(b.hub.disconnect('mqttsn', 'd')).toBe(true);
  expect(await d.heard()).toEqual([{ type: 'DISCONNECT' }]);
});

describe('sessions', () => {
  test('a kept session has its subscriptions and messages, and registers their topics anew', async () => {
    const b = await broker();
    const d = new SnDevice(b);
    await d.connect('d', { clean: false });
    await d.ask('SUBSCRIBE', [qosFlag(1), 1], 't/1');
    await d.ask('DISCONNECT');
    await say(b, 't/1', 'a', 1);
    const later = new SnDevice(b);
    const [connack, register] = await later.connect('d', { clean: false });
    expect(connack).toEqual({ type: 'CONNACK', code: 0 });
    expect(register).toMatchObject({ type: 'REGISTER', rest: 't/1' });
    expect(await later.ask('REGACK', [register!.topicId!, register!.id!, 0])).toMatchObject([
      { type: 'PUBLISH', flags: qosFlag(1), rest: 'a' },
    ]);
  });

  test('it is the session of an MQTT client of that id too', async () => {
    const b = await broker();
    const before = new MqttClient(b, 4);
    await before.connect('same', { clean: false });
    await before.subscribe('t1', { qos: 1 });
    before.raw.end();
    await b.clock.advance(0);
    await say(b, 't1', 'a', 1);
    const d = new SnDevice(b);
    const [, message] = await d.connect('same', { clean: false });
    expect(message).toMatchObject({ type: 'PUBLISH', flags: qosFlag(1) | FLAG.short, rest: 'a' });
    await d.ask('PUBACK', [0, message!.id!, 0]);
    await d.ask('DISCONNECT');
    const after = new MqttClient(b, 4);
    expect(await after.connect('same', { clean: false })).toMatchObject({ sessionPresent: true });
  });

  test('what the client did not acknowledge before a crash comes again, with DUP', async () => {
    const b = await broker();
    const d = new SnDevice(b);
    await d.connect('d', { clean: false });
    await d.ask('SUBSCRIBE', [qosFlag(2) | FLAG.short, 1], 'ab');
    await say(b, 'ab', 'x', 2);
    const [message] = await d.heard();
    await b.crash();
    const later = new SnDevice(b);
    const [, again] = await later.connect('d', { clean: false });
    expect(again).toEqual({ ...message, flags: qosFlag(2) | FLAG.dup | FLAG.short });
    expect(await later.ask('PUBREC', [message!.id!])).toEqual([{ type: 'PUBREL', id: message!.id }]);
    await b.crash();
    const last = new SnDevice(b);
    expect(await last.connect('d', { clean: false })).toEqual([
      { type: 'CONNACK', code: 0 },
      { type: 'PUBREL', id: message!.id },
    ]);
  });
});

describe('sleep', () => {
  async function asleep(b: Broker, seconds: number, node?: Uint8Array): Promise<SnDevice> {
    const d = new SnDevice(b, {}, node);
    await d.connect('d');
    await d.ask('SUBSCRIBE', [qosFlag(1), 1], 't/1');
    expect(await d.ask('DISCONNECT', [], Uint8Array.of(seconds >> 8, seconds & 0xff))).toEqual([
      { type: 'DISCONNECT' },
    ]);
    return d;
  }

  test('[MQTTSN12-6.14] messages of every QoS wait for PINGREQ, and PINGRESP ends them', async () => {
    const b = await broker();
    const d = await asleep(b, 300);
    await say(b, 't/1', 'a');
    await say(b, 't/1', 'b', 1);
    await say(b, 't/1', 'c', 1);
    expect(await d.heard(MINUTE)).toEqual([]);
    const [first, second] = await d.ask('PINGREQ', [], 'd');
    expect([first, second]).toMatchObject([{ rest: 'a' }, { rest: 'b' }]);
    const [third] = await d.ask('PUBACK', [1, second!.id!, 0]);
    expect(third).toMatchObject({ type: 'PUBLISH', rest: 'c' });
    expect(await d.ask('PUBACK', [1, third!.id!, 0])).toEqual([{ type: 'PINGRESP' }]);
    await say(b, 't/1', 'd');
    expect(await d.heard()).toEqual([]);
  });

  test('nothing waits: PINGRESP at once', async () => {
    const d = await asleep(await broker(), 300);
    expect(await d.ask('PINGREQ', [], 'd')).toEqual([{ type: 'PINGRESP' }]);
  });

  test('who does not answer falls asleep again, and gets the rest next time', async () => {
    const b = await broker({ retries: 1 });
    const d = await asleep(b, 300);
    await say(b, 't/1', 'a', 1);
    await d.ask('PINGREQ', [], 'd');
    expect((await d.heard(2 * MINUTE)).map((m) => m.flags)).toEqual([qosFlag(1) | FLAG.dup]);
    expect(await d.ask('PINGREQ', [], 'd')).toMatchObject([{ flags: qosFlag(1) | FLAG.dup, rest: 'a' }]);
  });

  test('CONNECT wakes it fully, with its topic ids', async () => {
    const b = await broker();
    const d = await asleep(b, 300);
    await say(b, 't/1', 'a');
    expect(await d.connect('d', { clean: false })).toEqual([
      { type: 'CONNACK', code: 0 },
      { type: 'PUBLISH', flags: 0, topicId: 1, id: 0, rest: 'a' },
    ]);
    await say(b, 't/1', 'b');
    expect(await d.heard()).toMatchObject([{ rest: 'b' }]);
  });

  test('silence for longer than it said, with the tolerance, fires the will', async () => {
    const b = await broker();
    const hears = await listener(b, 'wills/#');
    const d = new SnDevice(b);
    await d.connect('d', { will: true });
    await d.ask('WILLTOPIC', [0], 'wills/d');
    await d.ask('WILLMSG', [], 'gone');
    await d.ask('DISCONNECT', [], Uint8Array.of(0x02, 0x58)); // 600 s
    await b.clock.advance(400_000);
    await d.ask('PINGREQ', [], 'd');
    await b.clock.advance(659_999);
    expect(await hears()).toEqual([]);
    await b.clock.advance(1);
    expect(await hears()).toEqual(['wills/d gone q0']);
  });

  test('it wakes up at another address', async () => {
    const b = await broker();
    await asleep(b, 300);
    await say(b, 't/1', 'a', 1);
    const moved = new SnDevice(b);
    const [message] = await moved.ask('PINGREQ', [], 'd');
    expect(message).toMatchObject({ type: 'PUBLISH', rest: 'a' });
    expect(await moved.ask('PUBACK', [1, message!.id!, 0])).toEqual([{ type: 'PINGRESP' }]);
    expect(b.hub.stats.clients).toBe(1);
    await b.clock.advance(10 * MINUTE);
    expect(b.hub.stats.clients).toBe(0);
  });

  test.each([
    ['roaming is off', { roaming: false }, {}],
    ['it proves to be somebody else', {}, { identity: { pskIdentity: 'other' } }],
  ])('%s: it is not known there', async (_name, options, connect) => {
    const b = await broker(options);
    await asleep(b, 300);
    const moved = new SnDevice(b, connect);
    expect(await moved.ask('PINGREQ', [], 'd')).toEqual([{ type: 'DISCONNECT' }]);
  });
});

describe('forwarders', () => {
  test('[MQTTSN12-5.5] several clients behind one address', async () => {
    const b = await broker();
    const forwarder = b.connect({ protocol: 'mqttsn' });
    const one = new SnDevice(b, {}, Uint8Array.of(1), forwarder);
    const two = new SnDevice(b, {}, Uint8Array.of(2, 2), forwarder);
    expect(await one.ask('SEARCHGW', [0])).toEqual([{ type: 'GWINFO', gateway: 1 }]);
    expect(await one.connect('one')).toEqual([{ type: 'CONNACK', code: 0 }]);
    expect(await two.connect('two')).toEqual([{ type: 'CONNACK', code: 0 }]);
    await one.ask('SUBSCRIBE', [0, 1], 't/1');
    await say(b, 't/1', 'a');
    expect(await one.heard()).toMatchObject([{ type: 'PUBLISH', rest: 'a' }]);
    expect(b.hub.stats.clients).toBe(2);
    await two.ask('DISCONNECT');
    await b.clock.advance(80_000);
    expect(await one.ask('PINGREQ')).toEqual([{ type: 'PINGRESP' }]);
    forwarder.cut();
    await b.clock.advance(2 * MINUTE);
    expect(b.hub.stats.clients).toBe(0);
  });

  test('no more nodes than allowed', async () => {
    const b = await broker({ nodesPerForwarder: 1 });
    const forwarder = b.connect({ protocol: 'mqttsn' });
    const one = new SnDevice(b, {}, Uint8Array.of(1), forwarder);
    const two = new SnDevice(b, {}, Uint8Array.of(2), forwarder);
    await one.connect('one');
    expect(await two.connect('two')).toEqual([]);
    await one.ask('DISCONNECT');
    expect(await two.connect('two')).toEqual([{ type: 'CONNACK', code: 0 }]);
  });
});

describe('limits', () => {
  test('too many messages a second: congestion', async () => {
    const b = await broker({ messagesPerSecond: 4 });
    const d = new SnDevice(b);
    await d.connect('d');
    for (let id = 1; id <= 5; id++) d.send('PUBLISH', [qosFlag(1) | FLAG.short, shortId('ab'), id], 'x');
    expect((await d.heard()).map((m) => m.code)).toEqual([0, 0, 0, 1, 1]);
    await b.clock.advance(1_000);
    expect(await d.ask('PINGREQ')).toEqual([{ type: 'PINGRESP' }]);
  });

  test('an address that only asks is soon forgotten', async () => {
    const b = await broker();
    const d = new SnDevice(b);
    await d.ask('SEARCHGW', [0]);
    const { other } = d.raw.wire;
    await b.clock.advance(9_999);
    expect(other.closed).toBe(false);
    await b.clock.advance(1);
    expect(other.closed).toBe(true);
  });
});

describe('addresses that are to be proved', () => {
  const proved = { verifyAddresses: true };

  async function subscriber(options: ConnectOptions = {}) {
    const b = await broker(proved);
    const d = new SnDevice(b, options);
    await d.connect('d');
    await d.ask('SUBSCRIBE', [qosFlag(1), 1], 't/1');
    await say(b, 't/1', 'a');
    await say(b, 't/1', 'b', 1);
    return { b, d, heard: await d.heard() };
  }

  test('get nothing before they have answered what nobody else can know', async () => {
    const { d, heard } = await subscriber();
    expect(heard).toEqual([{ type: 'REGISTER', topicId: 2, id: expect.any(Number), rest: '$' }]);
    const id = heard[0]!.id!;
    for (const guess of [0, 1, 0xffff, id ^ 1]) expect(await d.ask('REGACK', [2, guess, 0])).toEqual([]);
    expect(await d.ask('REGACK', [2, id, 0])).toMatchObject([
      { type: 'PUBLISH', topicId: 1, rest: 'a' },
      { type: 'PUBLISH', topicId: 1, rest: 'b' },
    ]);
  });

  test('who does not answer is asked again, and lost', async () => {
    const { b, d, heard } = await subscriber();
    expect((await d.heard(30_000)).map((one) => one.type)).toEqual(['REGISTER', 'REGISTER', 'REGISTER']);
    expect(heard[0]!.type).toBe('REGISTER');
    expect(await d.heard(10_000)).toEqual([{ type: 'DISCONNECT' }]);
    expect(b.hub.stats.clients).toBe(0);
  });

  test('whoever wakes a sleeper up from another address gets nothing without that', async () => {
    const { b, d, heard } = await subscriber();
    const told = await d.ask('REGACK', [2, heard[0]!.id!, 0]);
    await d.ask('PUBACK', [1, told[1]!.id!, 0]);
    await d.ask('DISCONNECT', [], Uint8Array.of(0, 60));
    await say(b, 't/1', 'secret', 1);
    const other = new SnDevice(b, { remote: '198.51.100.9:7' });
    const [ask, ...more] = await other.ask('PINGREQ', [], 'd');
    expect([ask, more]).toEqual([{ type: 'REGISTER', topicId: 2, id: expect.any(Number), rest: '$' }, []]);
    expect(await other.ask('REGACK', [2, ask!.id!, 0])).toMatchObject([{ type: 'PUBLISH', rest: 'secret' }]);
  });

  test.each<[string, ConnectOptions]>([
    ['this machine', { remote: '127.0.0.1:5' }],
    ['DTLS', { secure: true }],
  ])('those of %s need not', async (_name, options) => {
    const { heard } = await subscriber(options);
    expect(heard.map((one) => one.type)).toEqual(['PUBLISH', 'PUBLISH']);
  });
});
