// SUBSCRIBE and UNSUBSCRIBE: filters, granted QoS, options, replacing and removing, and the answers to them.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { toHex } from '../network.ts';
import { clause } from './clause.ts';
import { connect, keeping, text } from './client.ts';
import { guardAgainst } from './guard.ts';
import { binary, frame, props, str, subscribeFrame, u16, unsubscribeFrame } from './octets.ts';

const BAD_FILTERS: readonly (readonly [ids: string, filters: readonly string[]])[] = [
  ['MQTT311-4.7.1-2 MQTT5-4.7.1-1', ['a#', '#a', 'a/#/b', '#/a', 'a/b#', '##', 'a/##', '/#/']],
  ['MQTT311-4.7.1-3 MQTT5-4.7.1-2', ['a+', '+a', 'a/b+', 'a/+b/c', '++', 'a/++', '+#']],
  ['MQTT311-4.7.3-1 MQTT5-4.7.3-1', ['']],
];

for (const [ids, filters] of BAD_FILTERS) {
  clause(
    ids,
    `${filters.map((f) => `'${f}'`).join(' ')}: refused or closed, and matches nothing`,
    async (broker, level) => {
      for (const filter of filters) {
        const client = await connect(broker, { level });
        client.send(subscribeFrame(level, 1, str(filter)));
        await client.settle();
        if (!client.raw.closed) {
          const [code] = (await client.expect(mqtt.SUBACK)).codes;
          expect(code, filter).toBeGreaterThanOrEqual(0x80);
          client.publish('a', 'x');
          client.publish('a/b', 'x');
          client.publish('#', 'x');
          await client.settle();
        }
      }
    },
  );
}

clause(
  'MQTT311-4.7.1-2 MQTT311-4.7.1-3 MQTT311-3.8.3-2 MQTT5-4.7.1-1 MQTT5-4.7.1-2',
  'wildcards in their places are served',
  async (broker, level) => {
    const client = await connect(broker, { level });
    for (const filter of ['#', '+', '/#', 'a/#', '+/#', '+/+', '/+', '+/', 'a/+/b', 'a//+', '+/a/+/#']) {
      expect(await client.subscribe(filter), filter).toEqual([2]);
    }
    client.publish('a/x/b', 'once');
    expect((await client.messages()).map((m) => m.topic)).toContain('a/x/b');
  },
);

clause('MQTT311-3.8.3-3 MQTT5-3.8.3-2', 'SUBSCRIBE without a filter closes', async (broker, level) => {
  const client = await connect(broker, { level });
  client.send(frame(0x82, u16(1), props(level)));
  const goodbye = await client.expectClosed();
  if (level === 5) expect([0x81, 0x82]).toContain(goodbye?.code);
});

clause('MQTT311-3.10.3-2 MQTT5-3.10.3-2', 'UNSUBSCRIBE without a filter closes', async (broker, level) => {
  const client = await connect(broker, { level });
  client.send(frame(0xa2, u16(1), props(level)));
  const goodbye = await client.expectClosed();
  if (level === 5) expect([0x81, 0x82]).toContain(goodbye?.code);
});

clause('MQTT311-3.8.3-4', 'reserved bits of the requested QoS, and QoS 3, close', async (broker) => {
  for (const qos of [0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff]) {
    const client = await connect(broker, { level: 4 });
    client.send(subscribeFrame(4, 1, str('t'), qos));
    await client.expectClosed();
  }
});

clause('MQTT5-3.8.3-5', 'reserved bits of the options, QoS 3 and retain handling 3 close', async (broker) => {
  for (const options of [0x03, 0x30, 0x40, 0x80, 0xc0, 0xff]) {
    const client = await connect(broker);
    client.send(subscribeFrame(5, 1, str('t'), options));
    const goodbye = await client.expectClosed();
    expect([0x81, 0x82]).toContain(goodbye?.code);
  }
});

clause(
  'MQTT311-2.3.1-7 MQTT311-3.8.4-1 MQTT311-3.8.4-2 MQTT311-3.8.4-5 MQTT5-2.2.1-6 MQTT5-3.8.4-1 MQTT5-3.8.4-2 MQTT5-3.8.4-7',
  'SUBSCRIBE is answered by SUBACK with its id and the granted QoS',
  async (broker, level) => {
    const client = await connect(broker, { level });
    for (const [id, qos] of [
      [1, 0],
      [300, 1],
      [65_535, 2],
    ] as const) {
      client.sendSubscribe(id, [{ filter: `t/${qos}`, qos }]);
      const suback = await client.expect(mqtt.SUBACK);
      expect(suback.id).toBe(id);
      expect(suback.codes).toEqual([qos]);
      await client.expectNothing();
    }
  },
);

clause(
  'MQTT311-3.8.4-4 MQTT311-3.8.4-5 MQTT311-3.9.3-1 MQTT311-3.9.3-2 MQTT5-3.8.4-5 MQTT5-3.8.4-6 MQTT5-3.8.4-7 MQTT5-3.9.3-1 MQTT5-3.9.3-2',
  'several filters: each subscribed, one SUBACK, one code each in their order',
  async (broker, level) => {
    const client = await connect(broker, { level });
    const codes = await client.subscribe(
      { filter: 'a', qos: 1 },
      { filter: 'forbidden/x', qos: 1 },
      { filter: 'b', qos: 0 },
      { filter: 'c/#', qos: 2 },
      { filter: 'b', qos: 2 }, // again: as a later SUBSCRIBE would, it replaces
    );
    expect(codes).toEqual([1, level === 5 ? 0x87 : 0x80, 0, 2, 2]);
    await client.expectNothing();
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    for (const topic of ['a', 'forbidden/x', 'b', 'c/d']) await publisher.deliver(topic, topic, { qos: 2 });
    expect((await client.messages()).map((m) => [m.topic, m.qos])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c/d', 2],
    ]);
  },
  { auth: guardAgainst('subscribe') },
);

clause(
  'MQTT311-3.8.4-6 MQTT5-3.8.4-8',
  'a message arrives at the lower of its own QoS and the granted one',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    for (const granted of [0, 1, 2] as const) {
      const client = await connect(broker, { level });
      await client.subscribe({ filter: 't', qos: granted });
      for (const published of [0, 1, 2] as const) {
        await publisher.deliver('t', 'x', { qos: published });
        const message = await client.expectMessage('x');
        expect(message.qos).toBe(Math.min(granted, published));
        await client.expectNothing();
        if (message.qos === 1) client.acknowledge(mqtt.PUBACK, message.id);
        if (message.qos === 2) {
          client.acknowledge(mqtt.PUBREC, message.id);
          await client.expect(mqtt.PUBREL);
          client.acknowledge(mqtt.PUBCOMP, message.id);
        }
      }
    }
  },
);

clause(
  'MQTT311-3.8.4-6 MQTT5-3.8.4-8',
  'a retained message is replayed at the lower of its own QoS and the granted one',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    for (const published of [0, 1, 2] as const) {
      await publisher.deliver('t', 'x', { qos: published, retain: true });
      for (const granted of [0, 1, 2] as const) {
        const client = await connect(broker, { level });
        await client.subscribe({ filter: 't', qos: granted });
        expect((await client.expectMessage('x')).qos).toBe(Math.min(granted, published));
      }
    }
  },
);

clause(
  'MQTT311-3.3.5-1 MQTT5-3.3.4-2',
  'overlapping subscriptions deliver at the highest of their QoS',
  async (broker, level) => {
    const client = await connect(broker, { level });
    await client.subscribe({ filter: 'a/+', qos: 0 }, { filter: 'a/b', qos: 1 }, { filter: '#', qos: 2 });
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('a/b', 'x', { qos: 2 });
    const got = await client.messages();
    expect(Math.max(...got.map((m) => m.qos))).toBe(2);
    // One copy at the highest, or one for each subscription.
    expect([1, 3]).toContain(got.length);
    await publisher.deliver('a/c', 'x', { qos: 1 });
    expect(Math.max(...(await client.messages()).map((m) => m.qos))).toBe(1);
  },
);

clause(
  'MQTT311-3.8.4-3 MQTT5-3.8.4-3 MQTT5-3.8.4-4',
  'the same filter again replaces: new QoS, one copy, retained again, nothing lost',
  async (broker, level) => {
    const client = await connect(broker, { level });
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'kept', { qos: 1, retain: true });
    expect(await client.subscribe({ filter: 't', qos: 2 })).toEqual([2]);
    const first = await client.expectMessage('kept');
    client.acknowledge(mqtt.PUBACK, first.id);
    // Messages before, between and after, all in one go with the SUBSCRIBE that replaces.
    client.publish('t', 'before', { qos: 1, id: 1 });
    client.sendSubscribe(2, [{ filter: 't', qos: 1 }]);
    client.publish('t', 'after', { qos: 2, id: 3 });
    const seen: string[] = [];
    const qos = new Map<string, number>();
    for (let frameOctets = await client.nextFrame(); frameOctets; frameOctets = await client.nextFrame()) {
      if (frameOctets[0]! >> 4 !== mqtt.PUBLISH) continue;
      const payload = text(frameOctets).match(/(before|after|kept)$/)![1]!;
      seen.push(payload);
      qos.set(payload, (frameOctets[0]! >> 1) & 3);
    }
    expect(seen.sort()).toEqual(['after', 'before', 'kept']);
    expect(qos.get('after')).toBe(1);
    expect(qos.get('kept')).toBe(1);
  },
);

clause('MQTT5-3.8.4-3', 'a replacing subscription brings its own options and identifier', async (broker) => {
  const client = await connect(broker);
  client.sendSubscribe(1, [{ filter: 't', noLocal: true }], { subscriptionIdentifier: [7] });
  await client.expect(mqtt.SUBACK);
  client.publish('t', 'own');
  await client.expectNothing();
  client.sendSubscribe(2, [{ filter: 't', noLocal: false, retainAsPublished: true }]);
  await client.expect(mqtt.SUBACK);
  client.publish('t', 'own', { retain: true });
  const message = await client.expectMessage('own');
  expect(message.properties.subscriptionIdentifier).toBeUndefined();
  expect(message.retain).toBe(true);
  await client.expectNothing();
});

clause(
  'MQTT311-3.3.1-6 MQTT5-3.3.1-9',
  'a subscription gets what is retained on every topic that it matches',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    for (const topic of ['a', 'a/b', 'a/b/c', 'x/b', '/', 'a/c']) {
      await publisher.deliver(topic, 'old', { retain: true });
      await publisher.deliver(topic, topic, { retain: true });
    }
    const cases: readonly (readonly [filter: string, topics: readonly string[]])[] = [
      ['a/b', ['a/b']],
      ['a/#', ['a', 'a/b', 'a/b/c', 'a/c']],
      ['+/b', ['a/b', 'x/b']],
      ['#', ['/', 'a', 'a/b', 'a/b/c', 'a/c', 'x/b']],
      ['+/+', ['/', 'a/b', 'a/c', 'x/b']],
      ['nothing/+', []],
    ];
    for (const [filter, topics] of cases) {
      const client = await connect(broker, { level });
      for (const time of ['first', 'again']) {
        await client.subscribe(filter);
        const got = await client.messages();
        expect(got.map((m) => m.topic).sort(), `${filter} ${time}`).toEqual(topics);
        expect(got.map((m) => text(m.payload)).sort(), `${filter} ${time}`).toEqual(topics);
        for (const m of got) expect(m.retain).toBe(true);
      }
    }
  },
);

clause(
  'MQTT5-3.3.1-9 MQTT5-3.3.1-10 MQTT5-3.3.1-11',
  'retain handling: 0 always, 1 for a new subscription, 2 never',
  async (broker) => {
    const publisher = await connect(broker, { clientId: 'publisher' });
    await publisher.deliver('t', 'kept', { retain: true });
    const counts: Record<number, number[]> = {};
    for (const retainHandling of [0, 1, 2] as const) {
      const client = await connect(broker);
      counts[retainHandling] = [];
      for (let n = 0; n < 2; n++) {
        await client.subscribe({ filter: 't', retainHandling });
        counts[retainHandling].push((await client.messages()).length);
      }
      // New again after UNSUBSCRIBE.
      client.sendUnsubscribe(3, ['t']);
      await client.expect(mqtt.UNSUBACK);
      await client.subscribe({ filter: 't', retainHandling });
      counts[retainHandling].push((await client.messages()).length);
    }
    expect(counts).toEqual({ 0: [1, 1, 1], 1: [1, 0, 1], 2: [0, 0, 0] });
  },
);

clause(
  'MQTT5-3.3.1-10',
  'retain handling 1: a subscription of a resumed session is not new',
  async (broker) => {
    const publisher = await connect(broker, { clientId: 'publisher' });
    await publisher.deliver('t', 'kept', { retain: true });
    const client = await connect(broker, { ...keeping(5) });
    await client.subscribe({ filter: 't', retainHandling: 1 });
    await client.expectMessage('kept');
    client.disconnect();
    await client.expectClosed();
    const again = await connect(broker, { ...keeping(5) });
    await again.subscribe({ filter: 't', retainHandling: 1 });
    await again.expectNothing();
  },
);

clause(
  'MQTT5-3.8.3-3',
  'no local: not what the same client id published, also after it came back',
  async (broker) => {
    const client = await connect(broker, { ...keeping(5) });
    await client.subscribe({ filter: 't', noLocal: true });
    const other = await connect(broker, { clientId: 'other' });
    for (const qos of [0, 1, 2] as const) {
      await client.deliver('t', 'own', { qos });
      await client.expectNothing();
      await other.deliver('t', `from other ${qos}`, { qos });
      await client.expectMessage(`from other ${qos}`);
    }
    // A session that waits does not collect what its client publishes on another connection before it resumes.
    const subscribed = await connect(broker, { clientId: 'two', ...keeping(5) });
    await subscribed.subscribe({ filter: 't', noLocal: true });
    subscribed.disconnect();
    await subscribed.expectClosed();
    const again = await connect(broker, { clientId: 'two', ...keeping(5) });
    await again.deliver('t', 'own', { qos: 1 });
    await again.expectNothing();
  },
);

clause(
  'MQTT311-3.10.4-1 MQTT5-3.10.4-1',
  'UNSUBSCRIBE removes the filter with exactly these characters',
  async (broker, level) => {
    const client = await connect(broker, { level });
    await client.subscribe('a/+', 'a/#', 'A/b');
    client.sendUnsubscribe(1, ['a/b', '#', '+/+', 'a/+/', 'a/*', 'A/B']);
    await client.expect(mqtt.UNSUBACK);
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    publisher.publish('a/b', 'x');
    expect((await client.messages()).length).toBeGreaterThan(0);
    client.sendUnsubscribe(2, ['a/+']);
    await client.expect(mqtt.UNSUBACK);
    publisher.publish('a/b', 'x');
    await client.expectMessage('x');
    await client.expectNothing();
    client.sendUnsubscribe(3, ['a/#']);
    await client.expect(mqtt.UNSUBACK);
    publisher.publish('a/b', 'x');
    await client.expectNothing();
    publisher.publish('A/b', 'x');
    await client.expectMessage('x');
  },
);

clause(
  'MQTT311-3.10.4-2 MQTT5-3.10.4-2',
  'after UNSUBSCRIBE nothing new is queued, here or away',
  async (broker, level) => {
    const client = await connect(broker, { level, ...keeping(level) });
    await client.subscribe('t');
    // In one go: what follows the UNSUBSCRIBE is not delivered any more.
    client.sendUnsubscribe(1, ['t']);
    client.publish('t', 'late', { qos: 0 });
    await client.expect(mqtt.UNSUBACK);
    await client.expectNothing();
    client.disconnect();
    await client.expectClosed();
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'away', { qos: 1 });
    const again = await connect(broker, { level, ...keeping(level) });
    await again.expectNothing();
  },
);

clause(
  'MQTT311-3.10.4-3 MQTT5-3.10.4-3',
  'after UNSUBSCRIBE deliveries under way are completed',
  async (broker, level) => {
    const client = await connect(broker, { level, ...keeping(level) });
    await client.subscribe('t');
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    await publisher.deliver('t', 'one', { qos: 1 });
    await publisher.deliver('t', 'two', { qos: 2 });
    const one = await client.expectMessage('one');
    const two = await client.expectMessage('two');
    client.sendUnsubscribe(1, ['t']);
    await client.expect(mqtt.UNSUBACK);
    // QoS 2 goes through its steps; QoS 1 comes again with the next connection.
    client.acknowledge(mqtt.PUBREC, two.id);
    expect((await client.expect(mqtt.PUBREL)).id).toBe(two.id);
    client.acknowledge(mqtt.PUBCOMP, two.id);
    await client.cut();
    const again = await connect(broker, { level, ...keeping(level) });
    const resent = await again.expectMessage('one');
    expect(resent.id).toBe(one.id);
    expect(resent.dup).toBe(true);
    again.acknowledge(mqtt.PUBACK, resent.id);
    await again.expectNothing();
  },
);

clause(
  'MQTT311-3.10.4-4 MQTT311-3.10.4-5 MQTT311-2.3.1-7 MQTT5-3.10.4-4 MQTT5-3.10.4-5 MQTT5-2.2.1-6',
  'UNSUBSCRIBE is answered by UNSUBACK with its id, also where nothing was subscribed',
  async (broker, level) => {
    const client = await connect(broker, { level });
    await client.subscribe('t');
    for (const id of [1, 300, 65_535]) {
      client.sendUnsubscribe(id, ['t']);
      expect((await client.expect(mqtt.UNSUBACK)).id).toBe(id);
      await client.expectNothing();
    }
    client.send(unsubscribeFrame(level, 5, binary(new Uint8Array([0x78]))));
    const octets = await client.nextFrame();
    expect(toHex(octets!)).toBe(level === 5 ? 'b0 04 00 05 00 11' : 'b0 02 00 05');
  },
);

clause(
  'MQTT311-3.10.4-6 MQTT5-3.10.4-6 MQTT5-3.11.3-1 MQTT5-3.11.3-2',
  'several filters: each removed, one UNSUBACK, one code each in their order',
  async (broker, level) => {
    const client = await connect(broker, { level });
    await client.subscribe('a', 'b', 'c');
    client.sendUnsubscribe(1, ['a', 'unknown', 'c', 'a']);
    const unsuback = await client.expect(mqtt.UNSUBACK);
    expect(unsuback.codes).toEqual(level === 5 ? [0x00, 0x11, 0x00, 0x11] : []);
    await client.expectNothing();
    for (const topic of ['a', 'b', 'c']) client.publish(topic, topic);
    expect((await client.messages()).map((m) => m.topic)).toEqual(['b']);
  },
);

clause('MQTT311-4.7.3-3 MQTT5-4.7.3-3', 'a filter of 65,535 octets is served', async (broker, level) => {
  const filter = 'x'.repeat(65_533).concat('/#');
  const client = await connect(broker, { level });
  expect(await client.subscribe(filter)).toEqual([2]);
  client.publish(`${'x'.repeat(65_533)}/a`, 'x');
  await client.expectMessage('x');
});

clause(
  'MQTT5-3.3.4-3 MQTT5-3.3.4-4 MQTT5-3.3.4-5',
  'a message carries the identifiers of the subscriptions that match',
  async (broker) => {
    const client = await connect(broker);
    const identifiers: readonly (readonly [filter: string, identifier: number | undefined])[] = [
      ['a/b', 1],
      ['a/+', 268_435_455],
      ['#', undefined],
      ['x', 3],
    ];
    for (const [filter, identifier] of identifiers) {
      const properties = identifier === undefined ? {} : { subscriptionIdentifier: [identifier] };
      client.sendSubscribe(1, [filter], properties);
      await client.expect(mqtt.SUBACK);
    }
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (const qos of [0, 1, 2] as const) {
      await publisher.deliver('a/b', 'x', { qos });
      const got = await client.messages();
      const each = got.map((m) => [...(m.properties.subscriptionIdentifier ?? [])].sort((a, b) => a - b));
      // One copy with all identifiers, or one copy a subscription with its own.
      if (got.length === 1) expect(each).toEqual([[1, 268_435_455]]);
      else expect(each.sort()).toEqual([[], [1], [268_435_455]]);
    }
    await publisher.deliver('z', 'x');
    expect((await client.expectMessage('x')).properties.subscriptionIdentifier).toBeUndefined();
    // Also on what is replayed from the retained store.
    await publisher.deliver('x', 'kept', { retain: true });
    await client.messages();
    client.sendSubscribe(2, ['x'], { subscriptionIdentifier: [4] });
    await client.expect(mqtt.SUBACK);
    const [replayed] = await client.messages();
    expect(replayed!.properties.subscriptionIdentifier).toContain(4);
  },
);
