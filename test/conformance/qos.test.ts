// Quality of service: the exchanges of QoS 1 and 2 both ways, what is resent on reconnect, and the order of it all.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import type { Broker } from '../network.ts';
import { clause, type TestedLevel } from './clause.ts';
import { connect, connectPacket, keeping, TestClient, text } from './client.ts';
import { guardAgainst } from './guard.ts';

/** A subscriber to `#` with a kept session, and a publisher. */
async function pair(
  broker: Broker,
  level: TestedLevel,
): Promise<[subscriber: TestClient, publisher: TestClient]> {
  const subscriber = await connect(broker, { level, clientId: 'subscriber', ...keeping(level) });
  await subscriber.subscribe('#');
  return [subscriber, await connect(broker, { level, clientId: 'publisher', ...keeping(level) })];
}

/** The client loses its connection and comes back to its session. */
async function reconnect(client: TestClient, clientId: string): Promise<TestClient> {
  await client.cut();
  const again = await connect(client.broker, { level: client.level, clientId, ...keeping(client.level) });
  expect(again.connack.sessionPresent).toBe(true);
  return again;
}

function payloads(messages: readonly mqtt.Publish[]): string[] {
  return messages.map((m) => text(m.payload));
}

clause(
  'MQTT311-4.3.1-1 MQTT5-4.3.1-1 MQTT311-3.3.1-2 MQTT5-3.3.1-2',
  'QoS 0 goes out with QoS 0, DUP 0, once',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    publisher.publish('t', 'x');
    const octets = await subscriber.nextFrame();
    expect(octets![0]).toBe(0x30);
    await subscriber.expectNothing();
    // Unacknowledged, as QoS 0 is; it does not come again.
    const again = await reconnect(subscriber, 'subscriber');
    await again.expectNothing();
  },
);

clause(
  'MQTT311-4.3.2-1 MQTT311-2.3.1-4 MQTT5-4.3.2-1 MQTT5-4.3.2-2 MQTT5-2.2.1-4',
  'QoS 1 goes out with DUP 0 under ids that are not in use',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    for (let n = 0; n < 50; n++) await publisher.deliver('t', `${n}`, { qos: 1 });
    const first = await subscriber.messages();
    expect(first.map((m) => [m.qos, m.dup])).toEqual(first.map(() => [1, false]));
    expect(first.every((m) => m.id > 0)).toBe(true);
    expect(new Set(first.map((m) => m.id)).size).toBe(50);
    // Half of them are acknowledged, out of order; the ids of the others stay taken.
    const open = first.filter((_, n) => n % 2 === 1);
    for (const m of first.filter((_, n) => n % 2 === 0).reverse()) subscriber.acknowledge(mqtt.PUBACK, m.id);
    for (let n = 0; n < 50; n++) await publisher.deliver('t', `more ${n}`, { qos: 1 });
    const more = await subscriber.messages();
    expect(more.length).toBe(50);
    expect(new Set([...open, ...more].map((m) => m.id)).size).toBe(75);
  },
);

clause(
  'MQTT311-4.3.3-1 MQTT311-2.3.1-4 MQTT5-4.3.3-1 MQTT5-4.3.3-2 MQTT5-2.2.1-4',
  'QoS 2 goes out with DUP 0 under ids that are not in use, also between PUBREC and PUBCOMP',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    for (let n = 0; n < 20; n++) await publisher.deliver('t', `${n}`, { qos: 2 });
    const first = await subscriber.messages();
    expect(first.map((m) => [m.qos, m.dup])).toEqual(first.map(() => [2, false]));
    for (const m of first) subscriber.acknowledge(mqtt.PUBREC, m.id);
    for (const m of first) expect((await subscriber.expect(mqtt.PUBREL)).id).toBe(m.id);
    for (let n = 0; n < 20; n++) await publisher.deliver('t', `more ${n}`, { qos: n % 2 === 0 ? 1 : 2 });
    const more = await subscriber.messages();
    expect(new Set([...first, ...more].map((m) => m.id)).size).toBe(40);
    expect(more.every((m) => m.id > 0)).toBe(true);
  },
);

clause(
  'MQTT311-4.3.2-1 MQTT311-4.4.0-1 MQTT311-3.3.1-1 MQTT311-2.3.1-4 MQTT5-4.3.2-3 MQTT5-4.4.0-1 MQTT5-3.3.1-1',
  'QoS 1 without PUBACK is resent on reconnect, DUP 1 under its id, and at no other time',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    await publisher.deliver('t', 'acknowledged', { qos: 1 });
    await publisher.deliver('t', 'open', { qos: 1 });
    const done = await subscriber.expectMessage('acknowledged');
    const open = await subscriber.expectMessage('open');
    subscriber.acknowledge(mqtt.PUBACK, done.id);
    await broker.clock.advance(3_000_000); // an hour is the expiry
    await subscriber.expectNothing();
    const again = await reconnect(subscriber, 'subscriber');
    const resent = await again.expectMessage('open');
    expect([resent.id, resent.dup, resent.qos]).toEqual([open.id, true, 1]);
    await again.expectNothing();
    again.acknowledge(mqtt.PUBACK, resent.id);
    const third = await reconnect(again, 'subscriber');
    await third.expectNothing();
  },
);

clause(
  'MQTT311-4.3.3-1 MQTT311-4.4.0-1 MQTT311-3.3.1-1 MQTT5-4.3.3-3 MQTT5-4.4.0-1 MQTT5-3.3.1-1',
  'QoS 2 without PUBREC is resent on reconnect, DUP 1 under its id, and at no other time',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    await publisher.deliver('t', 'x', { qos: 2 });
    const open = await subscriber.expectMessage('x');
    await broker.clock.advance(3_000_000);
    await subscriber.expectNothing();
    const again = await reconnect(subscriber, 'subscriber');
    const resent = await again.expectMessage('x');
    expect([resent.id, resent.dup, resent.qos]).toEqual([open.id, true, 2]);
    again.acknowledge(mqtt.PUBREC, resent.id);
    expect((await again.expect(mqtt.PUBREL)).id).toBe(resent.id);
    again.acknowledge(mqtt.PUBCOMP, resent.id);
    const third = await reconnect(again, 'subscriber');
    await third.expectNothing();
  },
);

clause(
  'MQTT311-4.3.3-1 MQTT311-4.4.0-1 MQTT311-2.3.1-6 MQTT5-4.3.3-4 MQTT5-4.3.3-5 MQTT5-4.3.3-6 MQTT5-4.4.0-1 MQTT5-2.2.1-5 MQTT5-3.6.2-1',
  'PUBREC is answered by PUBREL with its id; on reconnect PUBREL is resent and never the PUBLISH',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    await publisher.deliver('t', 'x', { qos: 2 });
    const { id } = await subscriber.expectMessage('x');
    subscriber.acknowledge(mqtt.PUBREC, id);
    const pubrel = await subscriber.nextFrame();
    expect([pubrel![0], pubrel![2]! * 256 + pubrel![3]!]).toEqual([0x62, id]);
    await broker.clock.advance(3_000_000);
    await subscriber.expectNothing();
    const again = await reconnect(subscriber, 'subscriber');
    const resent = await again.expect(mqtt.PUBREL);
    expect([resent.id, resent.code]).toEqual([id, 0]);
    await again.expectNothing();
    again.acknowledge(mqtt.PUBCOMP, id);
    const third = await reconnect(again, 'subscriber');
    await third.expectNothing();
  },
);

clause(
  'MQTT311-4.3.3-1 MQTT311-4.4.0-1 MQTT5-4.3.3-3 MQTT5-4.3.3-6 MQTT5-4.4.0-1',
  'after a crash, too, open deliveries are resent under their ids and released ones only released',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    for (const payload of ['one', 'two', 'three'])
      await publisher.deliver('t', payload, { qos: payload === 'one' ? 1 : 2 });
    const [one, two, three] = await subscriber.messages();
    subscriber.acknowledge(mqtt.PUBREC, two!.id);
    await subscriber.expect(mqtt.PUBREL);
    await broker.crash();
    const again = await connect(broker, { level, clientId: 'subscriber', ...keeping(level) });
    const resent = new Map<string, number>();
    for (let f = await again.nextFrame(); f; f = await again.nextFrame()) {
      const type = f[0]! >> 4;
      if (type === mqtt.PUBREL) resent.set('PUBREL', f[2]! * 256 + f[3]!);
      else {
        expect(f[0]! & 0x08, 'DUP').toBe(0x08);
        resent.set(text(f).match(/(one|two|three)$/)![1]!, f[5]! * 256 + f[6]!);
      }
    }
    expect(Object.fromEntries(resent)).toEqual({ one: one!.id, PUBREL: two!.id, three: three!.id });
  },
);

clause('MQTT5-4.4.0-1', 'nothing is resent to a session that is not the same', async (broker) => {
  const [subscriber, publisher] = await pair(broker, 5);
  await publisher.deliver('t', 'x', { qos: 1 });
  await publisher.deliver('t', 'x', { qos: 2 });
  await subscriber.messages();
  await subscriber.cut();
  const fresh = await connect(broker, { clientId: 'subscriber', clean: true });
  await fresh.expectNothing();
});

clause(
  'MQTT5-4.4.0-2 MQTT5-4.3.3-4',
  'PUBACK or PUBREC of 0x80 or more settles: no PUBREL, and nothing is resent',
  async (broker) => {
    const [subscriber, publisher] = await pair(broker, 5);
    await publisher.deliver('t', 'one', { qos: 1 });
    await publisher.deliver('t', 'two', { qos: 2 });
    const one = await subscriber.expectMessage('one');
    const two = await subscriber.expectMessage('two');
    subscriber.acknowledge(mqtt.PUBACK, one.id, 0x80);
    subscriber.acknowledge(mqtt.PUBREC, two.id, 0x83);
    await subscriber.expectNothing(); // [MQTT5-4.3.3-4]
    const again = await reconnect(subscriber, 'subscriber');
    await again.expectNothing();
  },
);

clause(
  'MQTT311-4.3.2-2 MQTT311-2.3.1-6 MQTT5-4.3.2-4 MQTT5-4.3.2-5 MQTT5-2.2.1-5',
  'QoS 1 in: PUBACK with the id, and the id then means a new message, whatever DUP says',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    for (const [payload, dup] of [
      ['one', false],
      ['two', false],
      ['three', true],
    ] as const) {
      publisher.publish('t', payload, { qos: 1, id: 7, dup });
      expect((await publisher.expect(mqtt.PUBACK)).id).toBe(7);
      const { id } = await subscriber.expectMessage(payload);
      subscriber.acknowledge(mqtt.PUBACK, id);
    }
  },
);

clause(
  'MQTT311-4.3.3-2 MQTT311-2.3.1-6 MQTT5-4.3.3-8 MQTT5-4.3.3-10 MQTT5-4.3.3-11 MQTT5-4.3.3-12 MQTT5-2.2.1-5 MQTT5-3.7.2-1',
  'QoS 2 in: PUBREC until PUBREL and one delivery, then PUBCOMP, and the id means a new message',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    publisher.publish('t', 'once', { qos: 2, id: 7 });
    expect((await publisher.expect(mqtt.PUBREC)).id).toBe(7);
    for (const dup of [true, false]) {
      publisher.publish('t', 'once', { qos: 2, id: 7, dup });
      const again = await publisher.expect(mqtt.PUBREC);
      expect([again.id, again.code < 0x80]).toEqual([7, true]);
    }
    await subscriber.expectMessage('once');
    await subscriber.expectNothing();
    publisher.acknowledge(mqtt.PUBREL, 7);
    const pubcomp = await publisher.expect(mqtt.PUBCOMP);
    expect([pubcomp.id, pubcomp.code]).toEqual([7, 0]);
    publisher.publish('t', 'new', { qos: 2, id: 7, dup: true });
    expect((await publisher.expect(mqtt.PUBREC)).id).toBe(7);
    await subscriber.expectMessage('new');
  },
);

clause(
  'MQTT311-4.3.3-2 MQTT5-4.3.3-10',
  'QoS 2 in, across reconnects and a crash: a repeated PUBLISH is not delivered twice',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    publisher.publish('t', 'once', { qos: 2, id: 7 });
    await publisher.expect(mqtt.PUBREC);
    const { id } = await subscriber.expectMessage('once');
    subscriber.acknowledge(mqtt.PUBREC, id);
    await subscriber.expect(mqtt.PUBREL);
    subscriber.acknowledge(mqtt.PUBCOMP, id);
    const back = await reconnect(publisher, 'publisher');
    back.publish('t', 'once', { qos: 2, id: 7, dup: true });
    expect((await back.expect(mqtt.PUBREC)).id).toBe(7);
    await subscriber.expectNothing();
    await broker.crash();
    const listener = await connect(broker, { level, clientId: 'subscriber', ...keeping(level) });
    const later = await connect(broker, { level, clientId: 'publisher', ...keeping(level) });
    expect(later.connack.sessionPresent).toBe(true);
    later.publish('t', 'once', { qos: 2, id: 7, dup: true });
    expect((await later.expect(mqtt.PUBREC)).id).toBe(7);
    await listener.expectNothing();
    later.acknowledge(mqtt.PUBREL, 7);
    expect((await later.expect(mqtt.PUBCOMP)).id).toBe(7);
    await listener.expectNothing();
  },
);

clause(
  'MQTT5-4.3.3-9',
  'QoS 2 in: after a PUBREC that refuses the id means a new message',
  async (broker) => {
    const [subscriber, publisher] = await pair(broker, 5);
    publisher.publish('forbidden', 'x', { qos: 2, id: 7 });
    expect((await publisher.expect(mqtt.PUBREC)).code).toBe(0x87);
    publisher.publish('t', 'new', { qos: 2, id: 7 });
    const pubrec = await publisher.expect(mqtt.PUBREC);
    expect([pubrec.id, pubrec.code]).toEqual([7, 0x00]);
    await subscriber.expectMessage('new');
    await subscriber.expectNothing();
  },
  { auth: guardAgainst('publish') },
);

clause(
  'MQTT311-4.3.3-2 MQTT5-4.3.3-11 MQTT5-3.7.2-1',
  'a PUBREL for nothing is answered by PUBCOMP',
  async (broker, level) => {
    const client = await connect(broker, { level });
    client.acknowledge(mqtt.PUBREL, 99);
    const pubcomp = await client.expect(mqtt.PUBCOMP);
    expect(pubcomp.id).toBe(99);
    expect(pubcomp.code).toBe(level === 5 ? 0x92 : 0);
    await client.expectAlive();
  },
);

clause('MQTT5-3.6.2-1 MQTT5-4.3.3-4', 'a PUBREC for nothing is answered by PUBREL 0x92', async (broker) => {
  const client = await connect(broker);
  client.acknowledge(mqtt.PUBREC, 99);
  const pubrel = await client.expect(mqtt.PUBREL);
  expect([pubrel.id, pubrel.code]).toEqual([99, 0x92]);
  await client.expectAlive();
});

clause(
  'MQTT311-4.6.0-1 MQTT5-4.6.0-1',
  'what is resent comes in its first order, before what is new',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    const sent: string[] = [];
    for (let n = 0; n < 12; n++) {
      sent.push(`${n}`);
      await publisher.deliver('t', `${n}`, { qos: n % 2 === 0 ? 1 : 2 });
    }
    const first = await subscriber.messages();
    expect(payloads(first)).toEqual(sent);
    // Some in the middle are settled.
    subscriber.acknowledge(mqtt.PUBACK, first[4]!.id);
    subscriber.acknowledge(mqtt.PUBACK, first[8]!.id);
    await subscriber.cut();
    await publisher.deliver('t', 'new', { qos: 1 });
    const again = await connect(broker, { level, clientId: 'subscriber', ...keeping(level) });
    const resent = await again.messages();
    expect(payloads(resent)).toEqual([...sent.filter((p) => p !== '4' && p !== '8'), 'new']);
    expect(resent.map((m) => m.dup)).toEqual(resent.map((m) => text(m.payload) !== 'new'));
  },
);

clause(
  'MQTT311-4.6.0-2 MQTT311-4.6.0-3 MQTT5-4.6.0-2 MQTT5-4.6.0-3',
  'PUBACKs and PUBRECs leave in the order of the PUBLISH packets',
  async (broker, level) => {
    const client = await connect(broker, { level, ...keeping(level) });
    await client.subscribe('heard');
    const sent = { [mqtt.PUBACK]: [] as number[], [mqtt.PUBREC]: [] as number[] };
    for (let n = 1; n <= 40; n++) {
      const qos = n % 3 === 0 ? 2 : 1;
      // Some must wait for the disk (retained, or for a kept session), some need not: these do not overtake.
      client.publish(n % 4 === 0 ? 'heard' : `nobody/${n}`, 'x', { qos, id: n, retain: n % 5 === 0 });
      sent[qos === 1 ? mqtt.PUBACK : mqtt.PUBREC].push(n);
    }
    const answered = { [mqtt.PUBACK]: [] as number[], [mqtt.PUBREC]: [] as number[] };
    for (let p = await client.next(); p; p = await client.next()) {
      if (p.type === mqtt.PUBACK || p.type === mqtt.PUBREC) answered[p.type].push(p.id);
    }
    expect(answered).toEqual(sent);
  },
  { commitMs: 5 },
);

clause(
  'MQTT311-4.6.0-4 MQTT5-4.6.0-4',
  'PUBRELs leave in the order of the PUBREC packets',
  async (broker, level) => {
    const [subscriber, publisher] = await pair(broker, level);
    for (let n = 0; n < 6; n++) await publisher.deliver('t', `${n}`, { qos: 2 });
    const ids = (await subscriber.messages()).map((m) => m.id);
    const order = [3, 0, 5, 1, 2, 4].map((n) => ids[n]!);
    for (const id of order) subscriber.acknowledge(mqtt.PUBREC, id);
    for (const id of order) expect((await subscriber.expect(mqtt.PUBREL)).id).toBe(id);
  },
  { commitMs: 5 },
);

clause(
  'MQTT311-4.6.0-5 MQTT311-4.6.0-6 MQTT5-4.6.0-5 MQTT5-4.6.0-6',
  'one publisher, one topic and QoS: delivered in the order received, however small the window',
  async (broker, level) => {
    const window = level === 5 ? { properties: { receiveMaximum: 3 } } : {};
    const subscribers: TestClient[] = [];
    for (const [n, filter] of ['t', '+', '#'].entries()) {
      const client = await connect(broker, { level, clientId: `s${n}`, ...window });
      await client.subscribe(filter);
      subscribers.push(client);
    }
    const publishers = [
      await connect(broker, { level, clientId: 'p0' }),
      await connect(broker, { level, clientId: 'p1' }),
    ];
    for (let n = 0; n < 30; n++) {
      for (const [p, publisher] of publishers.entries()) {
        const qos = (n % 3) as 0 | 1 | 2;
        publisher.publish('t', `${p} ${qos} ${n}`, { qos, id: qos === 0 ? 0 : n + 1 });
      }
    }
    for (const client of subscribers) {
      const got: string[] = [];
      for (let f = await client.next(); f; f = await client.next()) {
        if (f.type === mqtt.PUBREL) client.acknowledge(mqtt.PUBCOMP, f.id);
        if (f.type !== mqtt.PUBLISH) continue;
        got.push(text(f.payload));
        if (f.qos === 1) client.acknowledge(mqtt.PUBACK, f.id);
        if (f.qos === 2) client.acknowledge(mqtt.PUBREC, f.id);
      }
      expect(got.length).toBe(60);
      for (const p of [0, 1]) {
        for (const qos of [0, 1, 2]) {
          const numbers = got.filter((s) => s.startsWith(`${p} ${qos} `)).map((s) => Number(s.split(' ')[2]));
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
          expect(numbers.length).toBe(10);
        }
      }
    }
  },
);

clause(
  'MQTT5-3.3.4-9 MQTT5-3.3.4-10 MQTT5-4.9.0-1 MQTT5-4.9.0-2 MQTT5-4.9.0-3',
  'the receive maximum of the client bounds what is open, and nothing but PUBLISH waits for it',
  async (broker) => {
    const client = await connect(broker, { properties: { receiveMaximum: 4 } });
    await client.subscribe('#');
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (let n = 0; n < 10; n++) await publisher.deliver('t', `${n}`, { qos: n % 2 === 0 ? 1 : 2 });
    const first = await client.messages();
    expect(payloads(first)).toEqual(['0', '1', '2', '3']);
    // QoS 0, answers and pings go on.
    await client.expectAlive();
    client.publish('own', 'x', { qos: 1, id: 1 });
    await client.expect(mqtt.PUBACK);
    await client.subscribe('other');
    await publisher.deliver('free', 'QoS 0', { qos: 0 });
    await client.expectMessage('QoS 0');
    // PUBREC alone does not open the window, PUBCOMP does; PUBREL does not wait for it.
    client.acknowledge(mqtt.PUBREC, first[1]!.id);
    await client.expect(mqtt.PUBREL);
    await client.expectNothing();
    client.acknowledge(mqtt.PUBCOMP, first[1]!.id);
    await client.expectMessage('4');
    await client.expectNothing();
    client.acknowledge(mqtt.PUBACK, first[0]!.id);
    await client.expectMessage('5');
    await client.expectNothing();
    // A PUBREC that refuses opens it at once.
    client.acknowledge(mqtt.PUBREC, first[3]!.id, 0x80);
    await client.expectMessage('6');
    await client.expectNothing();
  },
);

clause(
  'MQTT5-3.3.4-9 MQTT5-4.9.0-1',
  'the window begins anew with the connection, what is resent counted',
  async (broker) => {
    const fields = { clientId: 'subscriber', clean: false };
    const wide = await connect(broker, {
      ...fields,
      properties: { sessionExpiryInterval: 60, receiveMaximum: 10 },
    });
    await wide.subscribe('#');
    const publisher = await connect(broker, { clientId: 'publisher' });
    for (let n = 0; n < 8; n++) await publisher.deliver('t', `${n}`, { qos: 1 });
    expect((await wide.messages()).length).toBe(8);
    await wide.cut();
    const narrow = await connect(broker, {
      ...fields,
      properties: { sessionExpiryInterval: 60, receiveMaximum: 3 },
    });
    const got = await narrow.messages();
    expect(payloads(got)).toEqual(['0', '1', '2']);
    narrow.acknowledge(mqtt.PUBACK, got[0]!.id);
    await narrow.expectMessage('3');
    await narrow.expectNothing();
  },
);

clause(
  'MQTT5-3.3.4-7',
  'more than the receive maximum of the server in flight: DISCONNECT 0x93',
  async (broker) => {
    const client = await connect(broker);
    const maximum = client.connack.properties.receiveMaximum ?? 65_535;
    expect(maximum).toBe(5);
    for (let id = 1; id <= 5; id++) client.publish('t', 'x', { qos: 2, id });
    for (let id = 1; id <= 5; id++) await client.expect(mqtt.PUBREC);
    // A repeated PUBLISH is not one more.
    client.publish('t', 'x', { qos: 2, id: 5, dup: true });
    await client.expect(mqtt.PUBREC);
    client.publish('t', 'x', { qos: 2, id: 6 });
    await client.expectClosed(0x93);
  },
  { limits: { receiveMaximum: 5 } },
);

clause(
  'MQTT5-3.3.4-7',
  'what is acknowledged or refused does not count towards the receive maximum, what waits for the disk does',
  async (broker) => {
    const client = await connect(broker);
    for (let id = 1; id <= 20; id++) await client.deliver('t', 'x', { qos: id % 2 === 0 ? 1 : 2, id });
    for (let id = 1; id <= 20; id++) {
      client.publish('forbidden', 'x', { qos: 2, id });
      expect((await client.expect(mqtt.PUBREC)).code).toBe(0x87);
    }
    for (let id = 1; id <= 5; id++) client.publish('t', 'x', { qos: 1, id, retain: true });
    for (let id = 1; id <= 5; id++) await client.expect(mqtt.PUBACK);
    for (let id = 1; id <= 6; id++) client.publish('t', 'x', { qos: 1, id, retain: true });
    await client.expectClosed(0x93);
  },
  { auth: guardAgainst('publish'), limits: { receiveMaximum: 5 }, commitMs: 50 },
);

clause(
  'MQTT311-4.6.0-6 MQTT5-4.6.0-5 MQTT5-4.6.0-6',
  'the order holds however the messages differ: in size, RETAIN and properties',
  async (broker, level) => {
    const sizes = [1, 100, 9_000, 20_000, 70_000];
    const some: readonly mqtt.Properties[] = [
      {},
      { userProperty: [['k', 'v']] },
      { messageExpiryInterval: 60 },
      { topicAlias: 1 },
    ];
    for (const qos of [0, 1, 2] as const) {
      const subscriber = await connect(broker, { level, clientId: 'subscriber' });
      await subscriber.subscribe('t');
      const publisher = await connect(broker, { level, clientId: 'publisher' });
      const sent: string[] = [];
      for (let n = 0; n < 60; n++) {
        const payload = `${n} `.padEnd(sizes[(n * 7) % 5]!, 'x');
        sent.push(payload);
        const properties = level === 5 ? some[(n * 3) % 4]! : {};
        publisher.publish('t', payload, { qos, id: qos === 0 ? 0 : n + 1, retain: n % 11 === 0, properties });
      }
      // All of it is on its way at once: the one path must not overtake the other.
      const got = await subscriber.messages();
      expect(got.map((m) => text(m.payload).slice(0, 3))).toEqual(sent.map((p) => p.slice(0, 3)));
      expect(got.map((m) => m.payload.length)).toEqual(sent.map((p) => p.length));
      publisher.publish('t', '', { retain: true });
      await publisher.settle();
    }
  },
);

clause(
  'MQTT311-4.3.2-2 MQTT311-4.3.3-2 MQTT311-3.1.2-4 MQTT5-4.3.2-4 MQTT5-4.3.3-8 MQTT5-3.1.2-23',
  'ownership is acknowledged when it is kept, and not before',
  async (broker, level) => {
    const client = new TestClient(broker, level);
    /** Sends, and sees the answer come after the commit of 100 ms only. */
    const answered = async (send: () => void, type: mqtt.Packet['type']): Promise<void> => {
      send();
      await broker.clock.advance(90);
      expect(client.raw.take().length, `${type} before the commit`).toBe(0);
      await broker.clock.advance(110);
      await client.expect(type);
    };
    const retained = { retain: true, id: 7 };
    await answered(() => client.send(connectPacket({ level, ...keeping(level) })), mqtt.CONNACK);
    await answered(() => client.sendSubscribe(1, ['other']), mqtt.SUBACK);
    await answered(() => client.publish('t', 'x', { ...retained, qos: 1 }), mqtt.PUBACK);
    await answered(() => client.publish('t', 'x', { ...retained, qos: 2 }), mqtt.PUBREC);
    await answered(() => client.acknowledge(mqtt.PUBREL, 7), mqtt.PUBCOMP);
    await answered(() => client.sendUnsubscribe(2, ['other']), mqtt.UNSUBACK);
  },
  { commitMs: 100 },
);

clause(
  'MQTT311-4.3.2-2 MQTT5-4.3.2-4',
  'what was lost with a crash was not acknowledged',
  async (broker, level) => {
    const [, publisher] = await pair(broker, level);
    publisher.publish('t', 'lost', { qos: 1, id: 1 });
    await broker.clock.advance(20);
    expect(publisher.raw.take().length).toBe(0);
    await broker.crash();
    const again = await connect(broker, { level, clientId: 'subscriber', ...keeping(level) });
    expect(again.connack.sessionPresent).toBe(true);
    await again.expectNothing();
    const back = await connect(broker, { level, clientId: 'publisher', ...keeping(level) });
    back.publish('t', 'kept', { qos: 1, id: 1, dup: true });
    await back.expect(mqtt.PUBACK);
    await broker.crash();
    const later = await connect(broker, { level, clientId: 'subscriber', ...keeping(level) });
    await later.expectMessage('kept');
  },
  { commitMs: 50 },
);
