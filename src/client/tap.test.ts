// What a client tells of its wire: packets both ways, what was agreed at the login, whose message is whose; against brokers in memory.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { fuzz } from '../../test/arbitrary/mqtt.ts';
import { ClientWorld } from '../../test/client-world.ts';
import { octets } from '../../test/hex.ts';
import { startBroker } from '../../test/network.ts';
import type { Message } from '../contract/message.ts';
import type { Protocol } from '../contract/wire.ts';
import { decodePacket } from '../protocol/mqtt/decode.ts';
import {
  CONNACK,
  CONNECT,
  DISCONNECT,
  type Packet,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBLISH,
  SUBACK,
  SUBSCRIBE,
} from '../protocol/mqtt/packet.ts';
import type { HealthEvent } from './health.ts';
import { reasonName } from './reasons.ts';
import { SCHEMES } from './scheme.ts';
import type { Tap } from './tap.ts';

// Loading it takes real time, which no virtual time-out should see.
beforeAll(() =>
  Promise.all([
    ...['mqtt:', 'coap:', 'json+ws:', 'http:'].map((s) => SCHEMES[s]!.load()),
    import('./tap.ts'),
  ]),
);

interface Seen {
  readonly direction: 'in' | 'out';
  readonly packet: Uint8Array;
  readonly message: Message | undefined;
}

function lookout(): { seen: Seen[]; tap: Tap } {
  const seen: Seen[] = [];
  return { seen, tap: (direction, packet, message) => seen.push({ direction, packet, message }) };
}

const read = ({ direction, packet }: Seen, level: 4 | 5 = 5): Packet =>
  decodePacket(packet, 0, packet.length, level, direction === 'in' ? 'server' : 'client');

/** A server that says `greeting` to a CONNECT, and what `answers` give to each packet after it. */
function scripted(greeting: string, answers: (packet: Packet) => string = () => ''): Protocol {
  return {
    name: 'mqtt',
    carrier: 'stream',
    open: (wire) => ({
      receive(bytes, start, end) {
        const packet = decodePacket(bytes, start, end, 5, 'client');
        wire.write(octets(packet.type === CONNECT ? greeting : answers(packet)));
        return end;
      },
      drained() {},
      wake() {},
      broken() {},
      lost() {},
    }),
  };
}

/** CONNACK, accepted: type | length | flags | code | no properties. */
const WELCOME = '20 03 00 00 00';

describe('a tap', () => {
  test('[law] gets every packet whole and in order, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 400 }), fc.nat(100), async (chunk, size) => {
        const w = new ClientWorld(await startBroker(), { link: { chunk } });
        const { seen, tap } = lookout();
        const client = await w.connect('mqtt://hub', { tap });
        const s = await w.until(client.subscribe('a', { qos: 1 }));
        const payload = new Uint8Array(size * chunk).fill(7);
        await w.until(client.publish('a', payload, { qos: 1 }));
        const m = await w.until(s.next());
        await w.until(client.close());
        const types = (direction: string) =>
          seen.filter((one) => one.direction === direction).map((one) => read(one).type);
        expect(types('out')).toEqual([CONNECT, SUBSCRIBE, PUBLISH, PUBACK, DISCONNECT]);
        expect(types('in').sort()).toEqual([CONNACK, PUBLISH, PUBACK, SUBACK]);
        const came = seen.find((one) => one.packet === m!.packet)!;
        expect(read(came)).toMatchObject({ type: PUBLISH, topic: 'a', payload });
        const left = seen.filter((one) => one.message !== undefined);
        expect(left.map((one) => [one.message!.payload, read(one).type])).toEqual([[payload, PUBLISH]]);
      }),
      fuzz(15),
    );
  });

  test.each([
    ['coap', 'coap'],
    ['json+ws', 'waymeet.v1'],
    ['http', 'http'],
  ])('%s: what came and what left, and with which message', async (scheme, protocol) => {
    const w = new ClientWorld(await startBroker(), { protocol: () => protocol });
    const { seen, tap } = lookout();
    const client = await w.connect(`${scheme}://hub`, { tap });
    const payload = new TextEncoder().encode('twenty-one');
    if (scheme !== 'http') {
      const s = await w.until(client.subscribe('a', { qos: 1 }));
      await w.until(client.publish('a', payload, { qos: 1 }));
      const m = await w.until(s.next());
      expect(new TextDecoder().decode(m!.packet)).toContain('twenty-one');
    } else await w.until(client.publish('a', payload, { qos: 1 }));
    const left = seen.filter((one) => one.message?.payload === payload);
    expect(left.length).toBe(1);
    expect(new TextDecoder().decode(left[0]!.packet)).toContain('twenty-one');
    expect(seen.some((one) => one.direction === 'in')).toBe(true);
    await w.until(client.close());
  });

  test('[MQTT5-2.1.4] a length that does not end closes the connection, and the next one works', async () => {
    const w = new ClientWorld(await startBroker({ protocols: [scripted(`${WELCOME} 30 ff ff ff ff`)] }));
    const events: HealthEvent[] = [];
    const { seen, tap } = lookout();
    await w.connect('mqtt://hub', { tap, watch: (event) => events.push(event), reconnect: false });
    await w.settle();
    expect(events.map((event) => event.kind)).toEqual(['connected', 'lost', 'closed']);
    expect(seen.map((one) => one.direction)).toEqual(['out', 'in', 'out']);
    expect(read(seen[2]!)).toMatchObject({ type: DISCONNECT, code: 0x81 });
  });
});

describe('the login', () => {
  test('says properties, limits and aliases, and tells what was agreed', async () => {
    const w = new ClientWorld(await startBroker());
    const { seen, tap } = lookout();
    const events: HealthEvent[] = [];
    const client = await w.connect('mqtt://hub', {
      tap,
      clientId: 'me',
      user: [{ name: 'site', value: 'north' }],
      maxPacketBytes: 200,
      topicAliases: 3,
      keepAliveMs: 40_000,
      sessionExpiryMs: 60_000,
      watch: (event) => events.push(event),
    });
    expect(read(seen[0]!)).toMatchObject({
      properties: {
        maximumPacketSize: 200,
        topicAliasMaximum: 3,
        userProperty: [
          ['waymeet', '?'],
          ['site', 'north'],
        ],
      },
    });
    const { opened } = client;
    expect(opened).toMatchObject({
      clientId: 'me',
      resumed: false,
      receiveMaximum: 1_024,
      topicAliases: 64,
      keepAliveMs: 40_000,
      sessionExpiryMs: 60_000,
      user: [{ name: 'waymeet', value: 'queues' }],
    });
    expect(events).toEqual([
      { kind: 'connected', url: 'mqtt://hub', server: 'MQTT 5', resumed: false, opened },
    ]);
    const s = await w.until(client.subscribe('big', { qos: 1 }));
    await w.until(client.publish('big', 'x'.repeat(500), { qos: 1 })); // more than we take: it is not sent to us
    await w.until(client.publish('big', 'small', { qos: 1 }));
    expect((await w.until(s.next()))!.text()).toBe('small');
    await w.until(client.close());
    expect(client.opened).toBeUndefined();
  });

  test('[MQTT5-3.2.2] what a server changes counts', async () => {
    // session expiry 5 s | receive maximum 7 | server keep alive 9 s | reason string
    const greeting = '20 17 00 00 14 11 00 00 00 05 21 00 07 13 00 09 1f 00 06 77 65 6c 63 6f 6d';
    const w = new ClientWorld(await startBroker({ protocols: [scripted(greeting)] }));
    const { opened } = await w.connect('mqtt://hub', { sessionExpiryMs: 60_000 });
    expect(opened).toMatchObject({
      sessionExpiryMs: 5_000,
      receiveMaximum: 7,
      keepAliveMs: 9_000,
      reason: 'welcom',
      topicAliases: 0,
    });
  });

  test.each([
    ['mqtt://hub?version=3.1.1', { user: [{ name: 'a', value: 'b' }] }],
    ['mqtt://hub?version=3.1', { maxPacketBytes: 100 }],
    ['coap://hub', { topicAliases: 1 }],
  ])('%s: what it has no place for is refused', async (url, more) => {
    const w = new ClientWorld(await startBroker());
    await expect(w.connect(url, more)).rejects.toMatchObject({ code: 'not-supported' });
  });

  test('[MQTT5-3.1.2-24] a packet that is larger than we take ends the connection', async () => {
    const large = `${WELCOME} 30 65 00 01 61 00 ${'78 '.repeat(97)}`;
    const w = new ClientWorld(await startBroker({ protocols: [scripted(large)] }));
    for (const tap of [undefined, lookout().tap]) {
      const ended: HealthEvent[] = [];
      await w.connect('mqtt://hub', {
        maxPacketBytes: 100,
        reconnect: false,
        watch: (event) => ended.push(event),
        ...(tap !== undefined && { tap }),
      });
      await w.settle();
      expect(ended.at(-1)).toMatchObject({ kind: 'closed', error: { status: 0x95 } });
    }
  });
});

describe('subscriptions', () => {
  test('[MQTT5-3.8.2.1.2] an identifier by hand, others around it, and each knows its messages', async () => {
    const w = new ClientWorld(await startBroker());
    const { seen, tap } = lookout();
    const client = await w.connect('mqtt://hub', { tap });
    const two = await w.until(client.subscribe('a/#', { identifier: 2 }));
    const one = await w.until(client.subscribe('a/b'));
    const three = await w.until(client.subscribe('+/b'));
    const said = seen.map((one) => read(one)).filter((p) => p.type === SUBSCRIBE);
    expect(said.map((p) => p.properties.subscriptionIdentifier)).toEqual([[2], [1], [3]]);
    await w.until(client.publish('a/b', 'x'));
    await w.settle();
    expect([one, two, three].map((s) => s.waiting)).toEqual([1, 1, 1]);
  });

  test.each([
    ['identifier', { identifier: 1 }],
    ['retainAsPublished', { retainAsPublished: true }],
    ['noLocal', { noLocal: true }],
  ])('%s is refused where the protocol has none', async (name, how) => {
    const w = new ClientWorld(await startBroker());
    const client = await w.connect('mqtt://hub?version=3.1.1');
    const why = await client.subscribe('a', how).catch((error: unknown) => error);
    expect(why).toMatchObject({ code: 'not-supported', reason: `MQTT 3.1.1 has no ${name}` });
  });

  test('one identifier for several: then topics are compared', async () => {
    const w = new ClientWorld(await startBroker());
    const client = await w.connect('mqtt://hub');
    const a = await w.until(client.subscribe('a', { identifier: 9 }));
    const b = await w.until(client.subscribe('b', { identifier: 9 }));
    await w.until(client.publish('a', 'x'));
    await w.settle();
    expect([a.waiting, b.waiting]).toEqual([1, 0]);
  });

  test("an earlier program's identifier is not taken for one of ours", async () => {
    const w = new ClientWorld(await startBroker());
    const session = { clientId: 'me', sessionExpiryMs: 60_000 };
    const before = await w.connect('mqtt://hub', session);
    await w.until(before.subscribe('x', { qos: 1 }));
    await w.until(before.subscribe('y', { qos: 1 }));
    before.drop();
    const now = await w.connect('mqtt://hub', session);
    const y = await w.until(now.subscribe('y', { qos: 1 }));
    const other = await w.connect('mqtt://hub');
    await w.until(other.publish('x', 'for x', { qos: 1 }));
    await w.until(other.publish('y', 'for y', { qos: 1 }));
    const x = await w.until(now.subscribe('x', { qos: 1 }));
    expect([(await w.until(x.next()))!.text(), (await w.until(y.next()))!.text()]).toEqual([
      'for x',
      'for y',
    ]);
  });

  test("an earlier program's messages go to nobody's subscription, and are acknowledged by hand", async () => {
    const w = new ClientWorld(await startBroker());
    const session = { clientId: 'me', sessionExpiryMs: 60_000 };
    const before = await w.connect('mqtt://hub', session);
    await w.until(before.subscribe('a/+', { qos: 2 }));
    before.drop();
    const other = await w.connect('mqtt://hub');
    for (const qos of [1, 2] as const) await w.until(other.publish(`a/${qos}`, 'x', { qos }));
    const got: string[] = [];
    const now = await w.connect('mqtt://hub', {
      ...session,
      unclaimed: (m) => {
        got.push(m.topic);
        m.acknowledge();
      },
    });
    await w.settle(10);
    expect(now.opened!.resumed).toBe(true);
    expect(got).toEqual(['a/1', 'a/2']);
    expect(w.broker.hub.stats.unsettled).toBe(0);
  });
});

describe('topic aliases', () => {
  test('[MQTT5-3.3.2-12] a topic that comes again gets a number, and then only that is sent, until the connection is another', async () => {
    const w = new ClientWorld(await startBroker());
    const { seen, tap } = lookout();
    const client = await w.connect('mqtt://hub', { tap, topicAliases: 8 });
    const said = () =>
      seen
        .filter((one) => one.direction === 'out')
        .map((one) => read(one))
        .filter((p) => p.type === PUBLISH)
        .map((p) => [p.topic, p.properties.topicAlias]);
    for (const qos of [0, 1, 2] as const) await w.until(client.publish('a/long/topic', 'x', { qos }));
    await w.until(client.publish('a/long/topic', 'x', { contentType: 'text/plain', expiryMs: 5_000 }));
    expect(said()).toEqual([
      ['a/long/topic', undefined],
      ['a/long/topic', 1],
      ['', 1],
      ['', 1],
    ]);
    w.wires[0]!.cut();
    await w.until(client.publish('a/long/topic', 'x', { qos: 1 }));
    expect(said().at(-1)).toEqual(['a/long/topic', undefined]);
  });

  test('[law] whatever is published, at any maximum, its topic arrives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(5), fc.constantFrom(0, 1, 2) as fc.Arbitrary<0 | 1 | 2>), { maxLength: 60 }),
        fc.nat(4),
        async (sent, topicAliases) => {
          const w = new ClientWorld(await startBroker());
          const from = await w.connect('mqtt://hub', { topicAliases });
          const to = await w.connect('mqtt://hub');
          const s = await w.until(to.subscribe('t/+', { qos: 2 }));
          await w.until(Promise.all(sent.map(([topic, qos]) => from.publish(`t/${topic}`, 'x', { qos }))));
          await w.settle();
          const got: string[] = [];
          while (s.waiting > 0) got.push((await s.next())!.topic);
          expect(got).toEqual(sent.map(([topic]) => `t/${topic}`));
        },
      ),
      fuzz(20),
    );
  });

  test('[MQTT5-3.2.2-15] no number is introduced by a packet that the server would not take', async () => {
    // Maximum Packet Size 20 | Topic Alias Maximum 5
    const greeting = '20 0b 00 00 08 27 00 00 00 14 22 00 05';
    const w = new ClientWorld(await startBroker({ protocols: [scripted(greeting)] }));
    const { seen, tap } = lookout();
    const client = await w.connect('mqtt://hub', { tap, topicAliases: 5 });
    await client.publish('topic', 'x');
    const why = await client.publish('topic', 'x'.repeat(20)).catch((error: unknown) => error);
    expect(why).toMatchObject({ code: 'too-large', status: 0x95 });
    await client.publish('topic', 'x'.repeat(9)); // it fits without a number, and not with one
    await client.publish('topic', 'x');
    await w.settle();
    const said = seen.map((one) => read(one)).filter((p) => p.type === PUBLISH);
    expect(said.map((p) => [p.topic, p.properties.topicAlias])).toEqual([
      ['topic', undefined],
      ['topic', undefined],
      ['topic', 1],
    ]);
  });
});

describe('keep alive', () => {
  const pings = (seen: readonly Seen[]) => seen.filter((one) => read(one).type === PINGREQ).length;

  test('[MQTT5-3.1.2-20] an idle client pings before each keep-alive time is over', async () => {
    const w = new ClientWorld(await startBroker());
    const { seen, tap } = lookout();
    await w.connect('mqtt://hub', { tap, keepAliveMs: 8_000 });
    for (let i = 0; i < 100; i++) await w.settle(800);
    expect(pings(seen)).toBeGreaterThanOrEqual(10);
    expect(pings(seen)).toBeLessThanOrEqual(14);
    expect(w.wires.length).toBe(1);
  });

  test('who publishes at QoS 1 pings never, at QoS 0 only to hear whether the server is there', async () => {
    for (const qos of [0, 1] as const) {
      const w = new ClientWorld(await startBroker());
      const { seen, tap } = lookout();
      const client = await w.connect('mqtt://hub', { tap, keepAliveMs: 8_000 });
      for (let i = 0; i < 100; i++) {
        await client.publish('a', 'x', { qos: 0 });
        if (qos === 1) await w.until(client.publish('a', 'x', { qos }), 1);
        await w.settle(800);
      }
      const expected = qos === 1 ? 0 : 8;
      expect(pings(seen)).toBeGreaterThanOrEqual(expected);
      expect(pings(seen)).toBeLessThanOrEqual(expected * 1.5);
      expect(seen.filter((one) => read(one).type === PINGRESP).length).toBe(pings(seen));
    }
  });

  test('a server that answers no PINGREQ is lost within one and a half times the keep-alive time', async () => {
    const w = new ClientWorld(await startBroker({ protocols: [scripted(WELCOME)] }));
    const events: HealthEvent[] = [];
    await w.connect('mqtt://hub', { keepAliveMs: 8_000, watch: (event) => events.push(event) });
    await w.settle(12_000);
    expect(events[1]).toMatchObject({ kind: 'lost', error: { code: 'idle' } });
  });
});

describe('attempts', () => {
  test('are told from the first one on, and hurried', async () => {
    const place: { broker: Awaited<ReturnType<typeof startBroker>> | undefined } = { broker: undefined };
    const broker = await startBroker();
    const w = new ClientWorld(broker, { brokerOf: () => place.broker });
    const events: string[] = [];
    const connecting = w.connect('mqtt://hub', {
      patient: true,
      backoff: { firstMs: 1_000, maxMs: 1_000 },
      watch: (event) => events.push(event.kind),
    });
    await w.settle(0);
    await w.settle(0);
    expect(events.slice(0, 2)).toEqual(['failed', 'waiting']);
    place.broker = broker;
    const client = await connecting;
    place.broker = undefined;
    w.wires.at(-1)!.cut();
    await w.settle(20_000);
    expect(client.connected).toBe(false);
    place.broker = broker;
    client.hurry();
    await w.settle(0);
    await w.settle(0);
    expect(client.connected).toBe(true);
  });
});

test.each([
  ['bad-credentials', 'mqtt', 0x86, 'Bad User Name or Password'],
  ['taken-over', 'mqtt', 0x8e, 'Session taken over'],
  ['not-supported', 'mqtt', 0xa2, 'Wildcard Subscriptions not supported'],
  ['bad-credentials', 'mqtt', 4, 'bad user name or password'],
  ['shutting-down', 'mqtt', 4, 'Disconnect with Will Message'],
  ['connection-lost', 'mqtt', 0, ''],
  ['not-authorized', 'coap+ws', 0x83, '4.03 Forbidden'],
  ['unavailable', 'stomp', 0x83, ''],
] as const)('%s %s %i is called %s', (code, protocol, status, name) => {
  expect(reasonName({ code, protocol, status })).toBe(name);
});
