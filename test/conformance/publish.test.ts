// PUBLISH: topics, QoS, retained messages, and what a subscriber gets of it.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { toHex } from '../network.ts';
import { clause } from './clause.ts';
import { bytes, connect, text } from './client.ts';
import { guardAgainst } from './guard.ts';
import { binary, connectFrame, props, publishFrame, str } from './octets.ts';

clause(
  'MQTT311-3.3.2-2 MQTT311-4.7.1-1 MQTT5-3.3.2-2 MQTT5-4.7.0-1',
  'a topic name with a wildcard closes',
  async (broker, level) => {
    const watcher = await connect(broker, { level, clientId: 'watcher' });
    await watcher.subscribe('#');
    for (const topic of ['#', '+', 'a/#', 'a/+/b', '+/a', 'a+', 'a#b']) {
      for (const qos of [0, 1, 2] as const) {
        const client = await connect(broker, { level });
        client.send(publishFrame(level, qos << 1, str(topic), qos === 0 ? undefined : 1));
        const goodbye = await client.expectClosed();
        if (level === 5) expect([0x81, 0x82, 0x90], topic).toContain(goodbye?.code);
      }
      const payload = [str('c'), props(level), str(topic), str('m')];
      const testator = broker.connect();
      testator.send(connectFrame(level, { flags: 0x06, payload }));
      await broker.clock.run();
      expect(testator.closed, `will topic ${topic}`).toBe(true);
    }
    await watcher.expectNothing();
  },
);

clause('MQTT311-4.7.3-1 MQTT5-4.7.3-1', 'an empty topic name closes', async (broker, level) => {
  for (const qos of [0, 1, 2] as const) {
    const client = await connect(broker, { level });
    client.send(publishFrame(level, qos << 1, str(''), qos === 0 ? undefined : 1));
    const goodbye = await client.expectClosed();
    if (level === 5) expect([0x81, 0x82, 0x90]).toContain(goodbye?.code);
  }
});

clause('MQTT311-4.7.3-3 MQTT5-4.7.3-3', 'a topic of 65,535 octets is served', async (broker, level) => {
  const topic = 'long/'.repeat(20).padEnd(65_535, 'x');
  const client = await connect(broker, { level });
  expect((await client.subscribe(topic))[0]).toBe(2);
  await client.deliver('another', 'no');
  client.publish(topic, 'x');
  expect((await client.expectMessage('x')).topic).toBe(topic);
});

clause(
  'MQTT311-3.3.2-3 MQTT5-3.3.2-3',
  'a subscriber gets topics that its filter matches, under their own name',
  async (broker, level) => {
    const filters = ['a', 'a/b', 'a/+', '+/b', 'a/#', '+', '/+', '#'];
    const topics = ['a', 'b', 'a/b', 'a/c', '/b', 'c/b', 'a/b/c', '/', 'a/'];
    const matched: Record<string, string[]> = {
      a: ['a'],
      'a/b': ['a/b'],
      'a/+': ['a/b', 'a/c', 'a/'],
      '+/b': ['a/b', '/b', 'c/b'],
      'a/#': ['a', 'a/b', 'a/c', 'a/b/c', 'a/'],
      '+': ['a', 'b'],
      '/+': ['/b', '/'],
      '#': topics,
    };
    for (const filter of filters) {
      const client = await connect(broker, { level });
      await client.subscribe(filter);
      for (const topic of topics) client.publish(topic, topic);
      const got = await client.messages();
      expect(
        got.map((m) => m.topic),
        filter,
      ).toEqual(matched[filter]);
      expect(
        got.map((m) => text(m.payload)),
        filter,
      ).toEqual(matched[filter]);
    }
  },
);

clause(
  'MQTT311-3.3.1-5 MQTT311-3.3.1-6 MQTT311-3.3.1-8 MQTT5-3.3.1-5',
  'a retained message is kept with its QoS for those who come later',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    for (const qos of [0, 1, 2] as const) {
      await publisher.deliver(`r/${qos}`, 'old', { qos, retain: true });
      await publisher.deliver(`r/${qos}`, `kept ${qos}`, { qos, retain: true });
    }
    const late = await connect(broker, { level, clientId: 'late' });
    await late.subscribe('r/+');
    const got = await late.messages();
    expect(got.map((m) => [m.topic, text(m.payload), m.qos, m.retain, m.dup]).sort()).toEqual([
      ['r/0', 'kept 0', 0, true, false],
      ['r/1', 'kept 1', 1, true, false],
      ['r/2', 'kept 2', 2, true, false],
    ]);
  },
);

clause(
  'MQTT311-3.3.1-5 MQTT5-3.3.1-5',
  'a retained message that was acknowledged survives a crash',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'kept', { qos: 1, retain: true });
    await broker.crash();
    const late = await connect(broker, { level, clientId: 'late' });
    await late.subscribe('t');
    expect((await late.expectMessage('kept')).retain).toBe(true);
  },
);

clause(
  'MQTT311-3.3.1-7 MQTT5-3.3.1-5',
  'a retained QoS 0 message replaces one of QoS 2',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'old', { qos: 2, retain: true });
    await publisher.deliver('t', 'new', { qos: 0, retain: true });
    const late = await connect(broker, { level, clientId: 'late' });
    await late.subscribe('t');
    for (const m of await late.messages()) expect(text(m.payload)).toBe('new');
  },
);

clause(
  'MQTT311-3.3.1-9 MQTT5-3.3.1-12',
  'RETAIN is 0 on what an established subscription gets',
  async (broker, level) => {
    const subscriber = await connect(broker, { level, clientId: 'subscriber' });
    await subscriber.subscribe('t');
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    for (const qos of [0, 1, 2] as const) {
      await publisher.deliver('t', `${qos}`, { qos, retain: true });
      expect((await subscriber.expectMessage(`${qos}`)).retain).toBe(false);
    }
  },
);

clause(
  'MQTT311-3.3.1-10 MQTT311-3.3.1-11 MQTT5-3.3.1-6 MQTT5-3.3.1-7',
  'an empty retained message is delivered, clears, and is not kept',
  async (broker, level) => {
    const subscriber = await connect(broker, { level, clientId: 'subscriber' });
    await subscriber.subscribe('t');
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    for (const qos of [0, 1, 2] as const) {
      await publisher.deliver('t', 'kept', { qos, retain: true });
      await subscriber.expectMessage('kept');
      await publisher.deliver('t', '', { qos, retain: true });
      const cleared = await subscriber.expectMessage('');
      expect(cleared.retain).toBe(false);
      const late = await connect(broker, { level, clientId: 'late' });
      await late.subscribe('t');
      await late.expectNothing();
    }
    await broker.crash();
    const later = await connect(broker, { level, clientId: 'later' });
    await later.subscribe('t');
    await later.expectNothing();
  },
);

clause(
  'MQTT311-3.3.1-12 MQTT5-3.3.1-8',
  'RETAIN 0 neither keeps, replaces nor clears',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('empty', 'passing', { qos: 1 });
    await publisher.deliver('t', 'kept', { qos: 1, retain: true });
    await publisher.deliver('t', 'passing', { qos: 1 });
    await publisher.deliver('t', '', { qos: 1 });
    const late = await connect(broker, { level, clientId: 'late' });
    await late.subscribe('empty', 't');
    await late.expectMessage('kept');
    await late.expectNothing();
  },
);

clause(
  'MQTT311-3.3.1-3 MQTT5-3.3.1-3',
  'DUP of a PUBLISH that came in does not go out',
  async (broker, level) => {
    const subscriber = await connect(broker, { level, clientId: 'subscriber' });
    await subscriber.subscribe('t');
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    publisher.publish('t', 'one', { qos: 1, id: 1, dup: true });
    expect((await subscriber.expectMessage('one')).dup).toBe(false);
    publisher.publish('t', 'two', { qos: 2, id: 2, dup: true });
    expect((await subscriber.expectMessage('two')).dup).toBe(false);
    // Nor with what is replayed from the retained store.
    publisher.publish('r', 'three', { qos: 1, id: 3, dup: true, retain: true });
    await publisher.settle();
    await subscriber.subscribe('r');
    expect((await subscriber.expectMessage('three')).dup).toBe(false);
  },
);

clause(
  'MQTT311-3.3.4-1 MQTT5-3.3.4-1 MQTT5-3.4.2-1 MQTT5-3.5.2-1',
  'PUBLISH is answered by nothing, PUBACK or PUBREC, with the id and a listed code',
  async (broker, level) => {
    const watcher = await connect(broker, { level, clientId: 'watcher' });
    await watcher.subscribe('heard/#');
    const client = await connect(broker, { level });
    for (const topic of ['heard/a', 'unheard']) {
      client.publish(topic, 'x', { qos: 0 });
      await client.expectNothing();
      client.publish(topic, 'x', { qos: 1, id: 500 });
      const puback = await client.expect(mqtt.PUBACK);
      expect(puback.id).toBe(500);
      expect([0x00, topic === 'unheard' ? 0x10 : 0x00]).toContain(puback.code);
      client.publish(topic, 'x', { qos: 2, id: 501 });
      const pubrec = await client.expect(mqtt.PUBREC);
      expect(pubrec.id).toBe(501);
      expect([0x00, topic === 'unheard' ? 0x10 : 0x00]).toContain(pubrec.code);
      client.acknowledge(mqtt.PUBREL, 501);
      expect((await client.expect(mqtt.PUBCOMP)).id).toBe(501);
      await client.expectNothing();
    }
  },
);

clause(
  'MQTT311-3.3.5-2',
  'a PUBLISH that is not allowed is acknowledged as usual or closes, and goes nowhere',
  async (broker, level) => {
    const watcher = await connect(broker, { level, clientId: 'watcher' });
    await watcher.subscribe('#');
    for (const qos of [0, 1, 2] as const) {
      const client = await connect(broker, { level });
      client.publish('forbidden/t', 'x', { qos, id: qos, retain: true });
      await client.settle();
      if (client.raw.closed) continue;
      if (qos === 1) expect((await client.expect(mqtt.PUBACK)).id).toBe(1);
      if (qos === 2) {
        expect((await client.expect(mqtt.PUBREC)).id).toBe(2);
        client.acknowledge(mqtt.PUBREL, 2);
        await client.expect(mqtt.PUBCOMP);
      }
      await client.expectAlive();
    }
    await watcher.expectNothing();
    const late = await connect(broker, { level, clientId: 'late' });
    await late.subscribe('#');
    await late.expectNothing();
  },
  { auth: guardAgainst('publish') },
);

clause(
  'MQTT5-3.4.2-1 MQTT5-3.5.2-1',
  'a PUBLISH that is not allowed gets 0x87 and goes nowhere',
  async (broker) => {
    const watcher = await connect(broker, { clientId: 'watcher' });
    await watcher.subscribe('#');
    const client = await connect(broker);
    client.publish('forbidden/t', 'x', { qos: 1, id: 1 });
    expect((await client.expect(mqtt.PUBACK)).code).toBe(0x87);
    client.publish('forbidden/t', 'x', { qos: 2, id: 2 });
    expect((await client.expect(mqtt.PUBREC)).code).toBe(0x87);
    await client.expectNothing();
    await watcher.expectNothing();
  },
  { auth: guardAgainst('publish') },
);

clause('MQTT5-3.3.1-13', 'with retain as published RETAIN goes out as it came', async (broker) => {
  const subscriber = await connect(broker, { clientId: 'subscriber' });
  await subscriber.subscribe({ filter: 't', retainAsPublished: true });
  const plain = await connect(broker, { clientId: 'plain' });
  await plain.subscribe({ filter: 't', retainAsPublished: false });
  const publisher = await connect(broker, { clientId: 'publisher' });
  for (const qos of [0, 1, 2] as const) {
    for (const retain of [true, false]) {
      await publisher.deliver('t', 'x', { qos, retain });
      expect((await subscriber.expectMessage('x')).retain).toBe(retain);
      expect((await plain.expectMessage('x')).retain).toBe(false); // [MQTT5-3.3.1-12]
    }
  }
});

clause('MQTT311-4.7.3-4 MQTT5-4.7.3-4', 'topics that look alike are not alike', async (broker, level) => {
  const pairs: readonly (readonly [filter: string, topic: string])[] = [
    ['é', 'e\u0301'], // composed and decomposed
    ['A', 'a'],
    ['a/b', 'a//b'],
    ['a/b', '/a/b'],
    ['a/b', 'a/b/'],
    ['a/b', 'a/./b'],
    ['a b', 'a%20b'],
    ['a', 'a '],
    ['ﬀ', 'ff'],
    ['\ufffd', '\ufffe'],
    ['a/*', 'a/b'],
  ];
  for (const [filter, topic] of pairs) {
    const client = await connect(broker, { level });
    await client.subscribe(filter);
    client.publish(topic, 'no');
    await client.expectNothing();
    client.publish(filter, 'yes');
    expect((await client.expectMessage('yes')).topic).toBe(filter);
  }
});

clause(
  'MQTT311-4.7.2-1 MQTT5-4.7.2-1',
  'a leading wildcard does not match a topic that begins with $',
  async (broker, level) => {
    const subscriber = await connect(broker, { level, clientId: 'subscriber' });
    await subscriber.subscribe('#', '+/a', '+/#', '+');
    const exact = await connect(broker, { level, clientId: 'exact' });
    await exact.subscribe('$own/#');
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    publisher.publish('$own/a', 'x', { retain: true });
    publisher.publish('$own', 'x');
    expect((await exact.messages()).map((m) => m.topic)).toEqual(['$own/a', '$own']);
    await subscriber.expectNothing();
    // Nor from the retained store.
    const late = await connect(broker, { level, clientId: 'late' });
    await late.subscribe('#', '+/a');
    expect((await late.messages()).map((m) => m.topic)).toEqual([]);
    // A $ that is not the first character is a character.
    publisher.publish('a/$b', 'x');
    expect((await subscriber.messages()).map((m) => m.topic)).toEqual(['a/$b']);
  },
);

clause(
  'MQTT311-3.3.2-1 MQTT5-3.3.2-1',
  'the topic is the first field of what goes out',
  async (broker, level) => {
    const client = await connect(broker, { level });
    await client.subscribe('ä/b');
    client.publish('ä/b', 'x', { qos: 1, id: 1 });
    const frames = [await client.nextFrame(), await client.nextFrame()].filter(
      (f) => f![0]! >> 4 === mqtt.PUBLISH,
    );
    expect(toHex(frames[0]!.subarray(2, 8))).toBe(toHex(binary(bytes('ä/b'))));
  },
);
