// CONNECT and CONNACK: who is let in, in which words, and what is refused.

import { expect } from 'vitest';
import type { Auth, Identity } from '../../src/contract/auth.ts';
import { NEVER } from '../../src/contract/message.ts';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { type Broker, OPEN, toHex } from '../network.ts';
import { clause, type TestedLevel } from './clause.ts';
import { attempt, type ConnectFields, connect, connectPacket, keeping, TestClient, text } from './client.ts';
import { connectFrame, frame, join, type Part, props, publishFrame, str, subscribeFrame } from './octets.ts';

/** Sends octets as the first on a connection. */
function firstly(broker: Broker, level: TestedLevel, octets: Uint8Array): TestClient {
  const client = new TestClient(broker, level);
  client.send(octets);
  return client;
}

/** Keeps what each login showed, and lets everybody in but the user `stranger`. */
function watching(seen: unknown[]): Auth {
  const identity: Identity = { principal: 'somebody', unrestricted: true, validUntil: NEVER };
  return {
    ...OPEN,
    identify: (login) => {
      const password = login.password === undefined ? undefined : text(login.password);
      seen.push({ username: login.username, password });
      return Promise.resolve(login.username === 'stranger' ? ('bad-credentials' as const) : identity);
    },
  };
}

clause(
  'MQTT311-3.1.0-1 MQTT5-3.1.0-1',
  'any first packet but CONNECT closes without an answer',
  async (broker, level) => {
    const others: Uint8Array[] = [
      publishFrame(level, 0x00, str('t'), undefined),
      publishFrame(level, 0x02, str('t'), 1),
      subscribeFrame(level, 1, str('t')),
      frame(0x40, '00 01'),
      frame(0x62, '00 01'),
      frame(0xc0),
      frame(0xe0),
      frame(0xf0),
      frame(0x20, '00 00'),
    ];
    const watcher = await connect(broker, { level, clientId: 'watcher' });
    await watcher.subscribe('#');
    for (const octets of others) {
      const client = firstly(broker, level, octets);
      await client.settle();
      expect(client.raw.closed, toHex(octets)).toBe(true);
      expect(toHex(client.raw.take()), toHex(octets)).toBe('');
    }
    await watcher.expectNothing();
  },
);

clause(
  'MQTT311-3.1.0-2 MQTT5-3.1.0-2 MQTT5-3.2.0-2',
  'a second CONNECT closes and gets no second CONNACK',
  async (broker, level) => {
    const client = await connect(broker, { level });
    client.send(connectPacket({ level }));
    const goodbye = await client.expectClosed(0x82);
    expect(goodbye?.type).not.toBe(mqtt.CONNACK);
  },
);

clause('MQTT311-3.1.2-1 MQTT5-3.1.2-1', 'a wrong protocol name is not served', async (broker, level) => {
  for (const name of ['MQTt', 'mqtt', 'MQT', 'MQTTT', 'HTTP', '']) {
    const client = firstly(broker, level, connectFrame(level, { name }));
    const refusal = await client.expectClosed();
    expect(refusal === undefined || refusal.code !== 0, name).toBe(true);
  }
});

clause('MQTT311-3.1.2-2', 'an unknown level: CONNACK 0x01, then the close', async (broker) => {
  for (const level of [0, 1, 2, 6, 127]) {
    const client = firstly(broker, 4, connectFrame(4, { level }));
    await client.settle();
    // Whoever comes from beyond MQTT 5 is refused in the newest words that are known here.
    const refusal = level > 5 ? '20 03 00 84 00' : '20 02 00 01';
    expect(toHex(client.raw.take()), `level ${level}`).toBe(refusal);
    expect(client.raw.closed).toBe(true);
  }
});

clause(
  'MQTT5-3.1.2-2',
  'a version that is not served gets a refusal at most, and the close',
  async (broker) => {
    for (const level of [0, 1, 2, 6, 127]) {
      const client = firstly(broker, 5, connectFrame(5, { level }));
      await client.settle();
      expect(['', '20 02 00 01', '20 03 00 84 00']).toContain(toHex(client.raw.take()));
      expect(client.raw.closed).toBe(true);
    }
  },
);

clause('MQTT311-3.1.2-3 MQTT5-3.1.2-3', 'the reserved connect flag closes', async (broker, level) => {
  await firstly(broker, level, connectFrame(level, { flags: 0x03 })).expectClosed(0x81);
  await firstly(broker, level, connectFrame(level, { flags: 0x01 })).expectClosed(0x81);
});

/** Flags that contradict each other, and the payload that a client would send along with them. */
const BAD_FLAGS: readonly {
  readonly ids: string;
  readonly what: string;
  readonly flags: number;
  readonly payload?: (level: TestedLevel) => readonly Part[];
}[] = [
  { ids: 'MQTT311-3.1.2-13 MQTT311-3.1.2-11 MQTT5-3.1.2-11', what: 'will QoS 1 without will', flags: 0x0a },
  { ids: 'MQTT311-3.1.2-13 MQTT311-3.1.2-11 MQTT5-3.1.2-11', what: 'will QoS 2 without will', flags: 0x12 },
  { ids: 'MQTT311-3.1.2-15 MQTT311-3.1.2-11 MQTT5-3.1.2-13', what: 'will retain without will', flags: 0x22 },
  {
    ids: 'MQTT311-3.1.2-14 MQTT5-3.1.2-12',
    what: 'will QoS 3',
    flags: 0x1e,
    payload: (level) => [str('c'), props(level), str('w'), str('m')],
  },
  {
    ids: 'MQTT311-3.1.2-11',
    what: 'will fields without will flag',
    flags: 0x02,
    payload: () => [str('c'), str('w'), str('m')],
  },
  { ids: 'MQTT311-3.1.2-9 MQTT5-3.1.2-9', what: 'a will flag without will fields', flags: 0x06 },
  {
    ids: 'MQTT311-3.1.2-9 MQTT5-3.1.2-9',
    what: 'a will topic without will payload',
    flags: 0x06,
    payload: (level) => [str('c'), props(level), str('w')],
  },
  {
    ids: 'MQTT5-3.1.2-9',
    what: 'a will without will properties',
    flags: 0x06,
    payload: () => [str('c'), str('w'), str('m')],
  },
  {
    ids: 'MQTT311-3.1.2-18 MQTT5-3.1.2-16',
    what: 'a user name without its flag',
    flags: 0x02,
    payload: () => [str('c'), str('user')],
  },
  { ids: 'MQTT311-3.1.2-19 MQTT5-3.1.2-17', what: 'a user name flag without user name', flags: 0x82 },
  {
    ids: 'MQTT311-3.1.2-20 MQTT5-3.1.2-18',
    what: 'a password without its flag',
    flags: 0x82,
    payload: () => [str('c'), str('user'), str('password')],
  },
  {
    ids: 'MQTT311-3.1.2-21 MQTT5-3.1.2-19',
    what: 'a password flag without password',
    flags: 0xc2,
    payload: () => [str('c'), str('user')],
  },
  {
    ids: 'MQTT311-3.1.2-22',
    what: 'a password flag without user name flag',
    flags: 0x42,
    payload: () => [str('c'), str('password')],
  },
];

for (const bad of BAD_FLAGS) {
  clause(bad.ids, `${bad.what}: close`, async (broker, level) => {
    const payload = bad.payload?.(level);
    const octets = connectFrame(level, { flags: bad.flags, ...(payload === undefined ? {} : { payload }) });
    const answer = await firstly(broker, level, octets).expectClosed(0x81);
    if (level === 4) expect(answer, 'no CONNACK').toBeUndefined(); // [MQTT311-3.1.4-1]
  });
}

/** What the logins of the test below showed. */
const seen: unknown[] = [];

clause(
  'MQTT311-3.1.2-19 MQTT311-3.1.2-21 MQTT311-3.1.3-1 MQTT5-3.1.2-17 MQTT5-3.1.2-19 MQTT5-3.1.3-1',
  'will, user name and password are read in their order',
  async (broker, level) => {
    seen.length = 0;
    const watcher = await connect(broker, { level, clientId: 'watcher' });
    await watcher.subscribe('w');
    const payload = [str('me'), props(level), str('w'), str('gone'), str('user'), str('word')];
    const client = firstly(broker, level, connectFrame(level, { flags: 0xc6, payload }));
    await client.expect(mqtt.CONNACK);
    expect(seen.at(-1)).toEqual({ username: 'user', password: 'word' });
    await client.cut();
    await watcher.expectMessage('gone');
  },
  { auth: watching(seen) },
);

clause('MQTT5-3.1.2-19', 'a password alone is allowed', async (broker) => {
  const client = firstly(broker, 5, connectFrame(5, { flags: 0x42, payload: [str('c'), str('token')] }));
  expect((await client.expect(mqtt.CONNACK)).code).toBe(0);
});

clause('MQTT311-3.1.3-3 MQTT5-3.1.3-3', 'a CONNECT without client id closes', async (broker, level) => {
  await firstly(broker, level, connectFrame(level, { payload: [] })).expectClosed(0x81);
  await firstly(broker, level, connectFrame(level, { payload: ['00 05 61'] })).expectClosed(0x81);
});

clause(
  'MQTT311-3.1.3-5 MQTT5-3.1.3-5',
  'client ids of 1 to 23 letters and digits are served',
  async (broker, level) => {
    const ids = ['0', 'Z', 'a', '0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'KLMNOPQRSTUVWXYZ'];
    for (const clientId of ids) {
      const client = await connect(broker, { level, clientId });
      await client.expectAlive();
    }
  },
);

clause('MQTT311-3.1.3-6', 'an empty client id gets a session of its own', async (broker, level) => {
  const one = await connect(broker, { level, clientId: '' });
  const two = await connect(broker, { level, clientId: '' });
  await one.expectAlive();
  await two.expectAlive();
  await one.subscribe('a');
  await two.deliver('a', 'to one');
  await one.expectMessage('to one');
  await two.expectNothing();
});

clause(
  'MQTT5-3.1.3-6 MQTT5-3.1.3-7 MQTT5-3.2.2-16',
  'an empty client id is assigned one of its own, is told it and can come back with it',
  async (broker) => {
    const ids = new Set<string>();
    for (const clean of [true, false]) {
      for (let n = 0; n < 5; n++) {
        const client = await connect(broker, { clientId: '', clean });
        const assigned = client.connack.properties.assignedClientIdentifier;
        expect(assigned).toMatch(/./);
        ids.add(assigned!);
        await client.expectAlive();
      }
    }
    expect(ids.size).toBe(10);
    const first = await connect(broker, { clientId: '', properties: { sessionExpiryInterval: 60 } });
    await first.subscribe('a');
    first.disconnect();
    await first.expectClosed();
    const clientId = first.connack.properties.assignedClientIdentifier!;
    const again = await connect(broker, { clientId, clean: false });
    expect(again.connack.sessionPresent).toBe(true);
    // Nothing is assigned to those who bring one.
    expect(again.connack.properties.assignedClientIdentifier).toBeUndefined();
  },
);

clause(
  'MQTT311-3.1.3-7 MQTT311-3.1.3-8 MQTT311-3.1.3-9',
  'an empty client id with clean session 0: CONNACK 0x02, then the close',
  async (broker, level) => {
    const client = await attempt(broker, { level, clientId: '', clean: false });
    await client.settle();
    expect(toHex(client.raw.take())).toBe('20 02 00 02');
    expect(client.raw.closed).toBe(true);
  },
);

clause(
  'MQTT311-3.1.3-9 MQTT5-3.1.3-8',
  'a client id that this hub refuses: the close, after CONNACK 0x02 or 0x85',
  async (broker, level) => {
    await connect(broker, { level, clientId: 'x'.repeat(30) });
    const client = await attempt(broker, { level, clientId: 'x'.repeat(31) });
    const refusal = await client.expectClosed(0x85);
    if (level === 4) expect(refusal?.code).toBe(0x02);
  },
  { limits: { clientIdBytes: 30 } },
);

clause('MQTT311-3.1.4-1', 'a CONNECT that breaks the format is closed without CONNACK', async (broker) => {
  const bad = [
    connectFrame(4, { payload: [str('c'), '00'] }),
    connectFrame(4, { first: 0x11 }),
    connectFrame(4, { flags: 0x03 }),
    frame(0x10, str('MQTT'), 4),
    frame(0x10, str('MQTT'), 4, 2, 0),
    frame(0x10),
  ];
  for (const octets of bad) {
    const client = firstly(broker, 4, octets);
    await client.settle();
    expect(client.raw.closed, toHex(octets)).toBe(true);
    expect(toHex(client.raw.take()), toHex(octets)).toBe('');
  }
});

clause(
  'MQTT5-3.1.4-1 MQTT5-3.14.0-1 MQTT5-4.13.1-1',
  'a CONNECT that breaks the format is closed, never with DISCONNECT',
  async (broker) => {
    const bad = [
      connectFrame(5, { payload: [str('c'), '00'] }),
      connectFrame(5, { first: 0x11 }),
      connectFrame(5, { flags: 0x03 }),
      connectFrame(5, { properties: [0x01, 0x00] }), // payload format indicator belongs to a PUBLISH
      connectFrame(5, { properties: [0x21, '00 00'] }), // receive maximum 0
      connectFrame(5, { properties: [0x27, '00 00 00 00'] }), // maximum packet size 0
      connectFrame(5, { properties: [0x17, 2] }), // request problem information 2
      connectFrame(5, { properties: [0x19, 2] }), // request response information 2
      connectFrame(5, { properties: [0x11, '00 00 00 01', 0x11, '00 00 00 01'] }),
      connectFrame(5, { properties: [0x16, str('data')] }), // authentication data without method
      frame(0x10, str('MQTT'), 5),
      frame(0x10),
    ];
    for (const octets of bad) {
      const client = firstly(broker, 5, octets);
      const answer = await client.expectClosed();
      expect(answer?.type, toHex(octets)).not.toBe(mqtt.DISCONNECT);
      if (answer !== undefined) expect(answer.code, toHex(octets)).toBeGreaterThanOrEqual(0x80);
    }
  },
);

clause(
  'MQTT311-3.2.2-4 MQTT311-3.2.2-5 MQTT5-3.1.4-2 MQTT5-3.2.2-6 MQTT5-3.2.2-7 MQTT5-3.2.2-8 MQTT5-4.13.2-1',
  'a stranger: CONNACK with the reason and without session present, then the close',
  async (broker, level) => {
    // A session is there, and must not be told to a stranger.
    const owner = await connect(broker, { level, clean: false, ...keeping(level), username: 'owner' });
    owner.disconnect();
    await owner.expectClosed();
    const client = await attempt(broker, { level, clean: false, username: 'stranger' });
    await client.settle();
    const octets = client.raw.take();
    expect(octets[2], 'connect acknowledge flags').toBe(0);
    expect(octets[3]).toBe(level === 5 ? 0x86 : 0x04);
    expect(client.raw.closed).toBe(true);
  },
  { auth: watching([]) },
);

clause(
  'MQTT311-3.1.4-5 MQTT5-3.1.4-6 MQTT5-3.2.0-1',
  'what follows a refused CONNECT is not acted upon',
  async (broker, level) => {
    const watcher = await connect(broker, { level, clientId: 'watcher' });
    await watcher.subscribe('#');
    const client = new TestClient(broker, level);
    // One segment, so that it is all there before the refusal is known.
    const connectOctets = connectFrame(level, { flags: 0x82, payload: [str('c'), str('stranger')] });
    client.send(join(connectOctets, publishFrame(level, 0x00, str('t'), undefined), frame(0xc0)));
    const refusal = await client.expectClosed(0x86);
    expect(refusal?.type).toBe(mqtt.CONNACK);
    await watcher.expectNothing();
  },
  { auth: watching([]) },
);

clause(
  'MQTT311-3.1.4-4 MQTT311-3.2.0-1 MQTT311-7.0.0-2 MQTT5-3.1.4-5 MQTT5-3.2.0-1 MQTT5-3.2.2-8',
  'a good CONNECT gets CONNACK 0 first, also when more came along with it',
  async (broker, level) => {
    const client = new TestClient(broker, level);
    client.send(
      join(
        connectFrame(level),
        subscribeFrame(level, 1, str('t')),
        publishFrame(level, 0x00, str('t'), undefined),
      ),
    );
    expect((await client.expect(mqtt.CONNACK)).code).toBe(0);
    await client.expect(mqtt.SUBACK);
    await client.expectMessage('x');
    await client.expectNothing();
  },
);

clause(
  'MQTT311-3.2.0-1 MQTT5-3.2.0-1 MQTT5-3.2.2-1',
  'nothing leaves before CONNECT, and CONNACK is the first',
  async (broker, level) => {
    const client = new TestClient(broker, level);
    await client.expectNothing();
    client.send(connectFrame(level));
    const connack = await client.nextFrame();
    expect(connack?.[0]).toBe(0x20);
    expect(connack?.[2], 'connect acknowledge flags').toBe(0);
    expect(connack?.[3]).toBe(0);
    await client.expectNothing();
  },
);

clause(
  'MQTT311-3.1.4-2 MQTT5-3.1.4-3 MQTT5-3.14.4-2',
  'a second connection with the client id closes the first',
  async (broker, level) => {
    const first = await connect(broker, { level });
    const second = await connect(broker, { level });
    const goodbye = await first.expectClosed(0x8e);
    if (level === 5) expect(goodbye?.type).toBe(mqtt.DISCONNECT);
    await second.expectAlive();
  },
);

clause(
  'MQTT311-3.1.4-2 MQTT5-3.1.4-3 MQTT5-3.1.2-5 MQTT311-3.1.2-4',
  'a takeover goes on with the session',
  async (broker, level) => {
    const fields: ConnectFields = { level, clean: false, ...keeping(level) };
    const first = await connect(broker, fields);
    await first.subscribe('t');
    const second = await connect(broker, fields);
    expect(second.connack.sessionPresent).toBe(true);
    await first.expectClosed(0x8e);
    await second.deliver('t', 'still subscribed', { qos: 0 });
    await second.expectMessage('still subscribed');
  },
);

clause(
  'MQTT311-3.2.2-6 MQTT311-4.8.0-2',
  'an engine that fails is answered by the close, or by its return code',
  async (broker, level) => {
    const client = await attempt(broker, { level });
    const answer = await client.expectClosed();
    if (answer !== undefined) expect(answer.code).toBe(0x03); // server unavailable is the one that may fit
    // Only that connection was closed.
    expect(client.raw.closed).toBe(true);
  },
  { auth: { ...OPEN, identify: () => Promise.reject(new Error('the user database is gone')) } },
);

clause(
  'MQTT311-3.2.2-6',
  'a reason without a return code of its own is not sent as another number',
  async (broker, level) => {
    await connect(broker, { level, clientId: 'one' });
    const client = await attempt(broker, { level, clientId: 'two' });
    const answer = await client.expectClosed();
    if (answer !== undefined) expect([0x02, 0x03, 0x04, 0x05]).toContain(answer.code);
  },
  { limits: { connections: 1 } },
);

clause(
  'MQTT311-3.1.2-24 MQTT5-3.1.2-22 MQTT5-3.2.2-22',
  'one and a half keep alives of silence close, and publish the will',
  async (broker, level) => {
    const watcher = await connect(broker, { level, clientId: 'watcher' });
    await watcher.subscribe('w');
    const client = await connect(broker, { level, keepAlive: 10, will: { topic: 'w' } });
    expect(client.connack.properties.serverKeepAlive).toBeUndefined();
    await broker.clock.advance(14_900);
    await client.expectAlive(); // within the time, and the time begins anew
    await broker.clock.advance(14_900);
    expect(client.raw.closed).toBe(false);
    await watcher.expectNothing();
    await broker.clock.advance(200);
    await client.expectClosed(0x8d);
    await watcher.expectMessage('will');
  },
);

clause(
  'MQTT311-3.1.2-24 MQTT5-3.1.2-22',
  'every packet counts as a sign of life, and keep alive 0 waits for ever',
  async (broker, level) => {
    const patient = await connect(broker, { level, clientId: 'patient' });
    const client = await connect(broker, { level, keepAlive: 10 });
    for (let n = 0; n < 6; n++) {
      await broker.clock.advance(9_000);
      client.publish('t', 'alive');
      await client.expectNothing();
    }
    await broker.clock.advance(15_100);
    await client.expectClosed(0x8d);
    await broker.clock.advance(7 * 24 * 3_600_000);
    await patient.expectAlive();
  },
);

clause('MQTT5-3.1.2-28', 'no response information unless asked for', async (broker) => {
  for (const properties of [{}, { requestResponseInformation: 0 as const }]) {
    const client = await connect(broker, { properties });
    expect(client.connack.properties.responseInformation).toBeUndefined();
  }
});

clause(
  'MQTT5-3.2.2-22',
  'the keep alive of the client holds where the server does not set one',
  async (broker) => {
    const client = await connect(broker, { keepAlive: 65_535 });
    expect(client.connack.properties.serverKeepAlive).toBeUndefined();
    await broker.clock.advance(98_000_000);
    await client.expectAlive();
    await broker.clock.advance(99_000_000);
    await client.expectClosed(0x8d);
  },
);

clause(
  'MQTT311-7.1.1-1 MQTT5-4.2.0-1',
  'a stream cut anywhere carries the same packets',
  async (broker, level) => {
    const client = new TestClient(broker, level, { link: { chunk: 1 } });
    client.send(connectFrame(level));
    await client.expect(mqtt.CONNACK);
    await client.subscribe('t');
    const long = 'long '.repeat(100);
    client.publish('t', long, { qos: 1, id: 1 });
    const [a, b] = [await client.nextFrame(), await client.nextFrame()];
    const kinds = [a![0]! >> 4, b![0]! >> 4].sort();
    expect(kinds).toEqual([mqtt.PUBLISH, mqtt.PUBACK]);
    const publish = [a!, b!].find((f) => f[0]! >> 4 === mqtt.PUBLISH)!;
    expect(text(publish).endsWith(long)).toBe(true);
  },
);

clause(
  'MQTT311-3.1.2-24',
  'a keep alive limit of the hub, which 3.1.1 cannot be told of, leaves the keep alive as it is',
  async (broker, level) => {
    for (const keepAlive of [100, 0]) {
      const client = await connect(broker, { level, keepAlive });
      await broker.clock.advance(149_000);
      await client.expectAlive();
    }
  },
  { mqtt: { maxKeepAliveSeconds: 10 } },
);
