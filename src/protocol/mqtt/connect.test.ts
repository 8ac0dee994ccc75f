// Logins: what each version is answered, what is agreed, and what breaks a connection before it began.

import { expect, test } from 'vitest';
import { connectPacket, MqttClient, message } from '../../../test/mqtt-client.ts';
import { OPEN, startBroker, toHex } from '../../../test/network.ts';
import type { Auth, ExchangeStep, Identity } from '../../contract/auth.ts';
import { NEVER } from '../../contract/message.ts';
import {
  AUTH,
  CONNACK,
  type Connect,
  DISCONNECT,
  type Level,
  type Packet,
  PINGREQ,
  SUBSCRIBE,
} from './packet.ts';

const utf8 = new TextEncoder();

/** Lets in who says `secret`; offers the mechanism `twice`, which wants the word `again` after `once`. */
const STRICT: Auth = {
  ...OPEN,
  identify: (login) =>
    Promise.resolve(
      login.password !== undefined && new TextDecoder().decode(login.password) === 'secret'
        ? identity(login.username ?? '')
        : 'bad-credentials',
    ),
  exchange: (mechanism) => (mechanism === 'twice' ? twice() : undefined),
};

function identity(principal: string): Identity {
  return { principal, unrestricted: true, validUntil: NEVER };
}

function twice(): { step(octets: Uint8Array): Promise<ExchangeStep> } {
  return {
    step: (octets) => {
      const word = new TextDecoder().decode(octets);
      if (word === 'once') return Promise.resolve({ kind: 'challenge', reply: utf8.encode('more') });
      if (word === 'again')
        return Promise.resolve({ kind: 'done', identity: identity('twice'), reply: utf8.encode('bye') });
      return Promise.resolve({ kind: 'refused', why: 'not-authorized' });
    },
  };
}

interface Refused {
  readonly name: string;
  readonly level: Level;
  readonly connect: Partial<Connect> & { clientId?: string };
  readonly code: number;
}

const REFUSED: Refused[] = [
  { name: '3.1: an empty client id', level: 3, connect: { clientId: '' }, code: 2 },
  {
    name: '[MQTT311-3.1.3-8] an empty client id that wants a session',
    level: 4,
    connect: { clientId: '', clean: false },
    code: 2,
  },
  {
    name: '3.1.1: bad credentials',
    level: 4,
    connect: { username: 'u', password: utf8.encode('no') },
    code: 4,
  },
  {
    name: '5: bad credentials',
    level: 5,
    connect: { username: 'u', password: utf8.encode('no') },
    code: 0x86,
  },
  {
    name: '[MQTT5-4.12.0-1] an authentication method that is not offered',
    level: 5,
    connect: { properties: { authenticationMethod: 'other' } },
    code: 0x8c,
  },
];

for (const { name, level, connect, code } of REFUSED) {
  test(`${name}: ${code.toString(16)}, closed`, async () => {
    const broker = await startBroker({ auth: STRICT });
    const client = new MqttClient(broker, level);
    const answer = await client.connect(connect.clientId ?? 'c', connect);
    expect([answer.code, answer.sessionPresent]).toEqual([code, false]);
    expect(client.raw.closed).toBe(true);
    expect(broker.hub.counters.of('mqtt').refused).toBe(1);
  });
}

test('[MQTT311-3.1.2-2] [MQTT5-3.1.2-2] a level that is not served is answered in words that it may know', async () => {
  const broker = await startBroker();
  for (const [level, answer] of [
    ['02', '20 02 00 01'],
    ['06', '20 03 00 84 00'],
  ]) {
    const client = broker.connect();
    client.send(`10 0d 00 04 4d 51 54 54 ${level} 02 00 3c 00 01 61`);
    await broker.clock.advance(0);
    expect(toHex(client.take())).toBe(answer);
    expect(client.closed).toBe(true);
  }
});

test('what comes before CONNECT, and a wrong protocol name, is closed without a word', async () => {
  const broker = await startBroker();
  for (const octets of ['c0 00', '30', '10 0d 00 04 4d 51 54 58 04 02 00 3c 00 01 61']) {
    const client = broker.connect();
    client.send(octets);
    await broker.clock.advance(0);
    expect([toHex(client.take()), client.closed]).toEqual(['', true]);
  }
});

test('a malformed CONNECT of 5.0 is told why, one of 3.1.1 is not', async () => {
  const broker = await startBroker();
  for (const [level, answer] of [
    ['04 03 00 3c', ''],
    ['05 03 00 3c 00', '20 03 00 81 00'],
  ]) {
    const client = broker.connect();
    const body = `00 04 4d 51 54 54 ${level} 00 01 61`.replaceAll(' ', '');
    client.send(`10 ${(body.length / 2).toString(16).padStart(2, '0')} ${body}`);
    await broker.clock.advance(0);
    expect([toHex(client.take()), client.closed]).toEqual([answer, true]);
  }
});

test('nobody logs in within the time for it: closed', async () => {
  const broker = await startBroker();
  const client = broker.connect({ limits: { loginMs: 5_000 } });
  client.send('10');
  await broker.clock.advance(4_999);
  expect(client.closed).toBe(false);
  await broker.clock.advance(1);
  expect(client.closed).toBe(true);
});

test('[MQTT5-3.1.3-7] 5.0: an empty client id is assigned and told', async () => {
  const broker = await startBroker();
  const answer = await new MqttClient(broker, 5).connect('');
  expect(answer.properties.assignedClientIdentifier).toMatch(/^[0-9A-Za-z-]+$/);
  expect((await new MqttClient(broker, 4).connect('')).code).toBe(0);
});

test('5.0: CONNACK tells what is limited, and what differs from the request', async () => {
  const broker = await startBroker({
    limits: { sessionExpiryMs: 60_000, receiveMaximum: 12 },
    mqtt: { maxKeepAliveSeconds: 30, topicAliasMaximum: 9, responseInformation: 'r/%c' },
  });
  const client = new MqttClient(broker, 5, { limits: { maxPacketBytes: 5_000 } });
  const answer = await client.connect('c', {
    keepAlive: 0,
    properties: { sessionExpiryInterval: 0xffffffff, requestResponseInformation: 1 },
  });
  expect(answer.properties).toEqual({
    sessionExpiryInterval: 60,
    receiveMaximum: 12,
    maximumPacketSize: 5_000,
    topicAliasMaximum: 9,
    serverKeepAlive: 30,
    responseInformation: 'r/c',
  });
  const modest = await new MqttClient(broker, 5).connect('d', { keepAlive: 20 });
  expect(modest.properties).toEqual({
    receiveMaximum: 12,
    topicAliasMaximum: 9,
  });
});

for (const [moved, code] of [
  [false, 0x9c],
  [true, 0x9d],
] as const) {
  test(`another server is named with ${code.toString(16)}`, async () => {
    const broker = await startBroker({ mqtt: { serverReference: 'b.example:1883', serverMoved: moved } });
    const answer = await new MqttClient(broker, 5).connect('c');
    expect([answer.code, answer.properties.serverReference]).toEqual([code, 'b.example:1883']);
    expect((await new MqttClient(broker, 4).connect('c')).code).toBe(3);
  });
}

test('what a client sends behind its CONNECT waits for the login, however it is cut', async () => {
  for (const chunk of [Number.POSITIVE_INFINITY, 3]) {
    const broker = await startBroker({ link: { chunk }, commitMs: 20 });
    const client = new MqttClient(broker, 5);
    const entry = {
      filter: 'a',
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    client.send(
      connectPacket(5, 'c', { clean: false, properties: { sessionExpiryInterval: 100 } }),
      { type: SUBSCRIBE, id: 3, entries: [entry], properties: {} },
      { type: PINGREQ },
    );
    const types = (await client.settled(19)).map((p) => p.type);
    expect(types).toEqual([]); // CONNACK promises a session: not before it is kept
    // The ping is not gated, the SUBACK is.
    expect((await client.settled(1)).map((p) => p.type)).toEqual([CONNACK, 13]);
    expect((await client.settled(20)).map((p) => p.type)).toEqual([9]);
  }
});

test('silence for one and a half times the keep alive: 8d, and the will is sent', async () => {
  const broker = await startBroker();
  const watcher = new MqttClient(broker, 5);
  await watcher.connect('w', { keepAlive: 0 });
  await watcher.subscribe('will');
  const client = new MqttClient(broker, 5);
  const will = {
    topic: 'will',
    payload: utf8.encode('gone'),
    qos: 0,
    retain: false,
    properties: {},
  } as const;
  await client.connect('c', { keepAlive: 10, will });
  await client.settled(14_000);
  client.send({ type: PINGREQ });
  expect((await client.settled(14_999)).map((p) => p.type)).toEqual([13]);
  const [last] = await client.settled(1);
  expect(last).toMatchObject({ type: DISCONNECT, code: 0x8d });
  expect(client.raw.closed).toBe(true);
  expect(message((await watcher.settled())[0]).text).toBe('gone');
});

for (const [name, end, sent] of [
  ['DISCONNECT', { type: DISCONNECT, code: 0, properties: {} }, 0],
  ['[MQTT5-3.1.2-8] DISCONNECT with will', { type: DISCONNECT, code: 4, properties: {} }, 1],
  ['a lost wire', undefined, 1],
] as const) {
  test(`${name}: ${sent} wills`, async () => {
    const broker = await startBroker();
    const watcher = new MqttClient(broker, 4);
    await watcher.connect('w');
    await watcher.subscribe('will');
    const client = new MqttClient(broker, 5);
    const will = {
      topic: 'will',
      payload: utf8.encode('gone'),
      qos: 1,
      retain: false,
      properties: {},
    } as const;
    await client.connect('c', { will });
    if (end === undefined) client.raw.cut();
    else client.send(end as Packet);
    expect((await watcher.settled()).length).toBe(sent);
  });
}

test('[MQTT5-3.1.4-3] the same client id again: the first is told 8e and closed', async () => {
  const broker = await startBroker();
  const first = new MqttClient(broker, 5);
  await first.connect('c');
  await new MqttClient(broker, 4).connect('c');
  expect(await first.settled()).toMatchObject([{ type: DISCONNECT, code: 0x8e }]);
  expect(first.raw.closed).toBe(true);
});

test('[MQTT5-3.1.0-2] a second CONNECT: 82; in 3.1.1 just closed', async () => {
  const broker = await startBroker();
  for (const level of [4, 5] as Level[]) {
    const client = new MqttClient(broker, level);
    await client.connect('c');
    client.send(connectPacket(level, 'c'));
    const got = await client.settled();
    expect(got).toMatchObject(level === 5 ? [{ type: DISCONNECT, code: 0x82 }] : []);
    expect(client.raw.closed).toBe(true);
  }
});

test('the hub stops: 8b', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  await broker.stop();
  expect(await client.settled()).toMatchObject([{ type: DISCONNECT, code: 0x8b }]);
});

test('a session that was to end with its connection cannot be kept by DISCONNECT', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  client.send({ type: DISCONNECT, code: 0, properties: { sessionExpiryInterval: 10 } });
  expect(await client.settled()).toMatchObject([{ type: DISCONNECT, code: 0x82 }]);
});

test('DISCONNECT shortens a session', async () => {
  const broker = await startBroker();
  const properties = { sessionExpiryInterval: 100 };
  const client = new MqttClient(broker, 5);
  await client.connect('c', { clean: false, properties });
  client.send({ type: DISCONNECT, code: 0, properties: { sessionExpiryInterval: 0 } });
  await client.settled();
  expect((await new MqttClient(broker, 5).connect('c', { clean: false, properties })).sessionPresent).toBe(
    false,
  );
});

test('an exchange of AUTH packets lets a client in, and later renews its proof', async () => {
  const broker = await startBroker({ auth: STRICT });
  const client = new MqttClient(broker, 5);
  const method = { authenticationMethod: 'twice' };
  const say = (word: string): { authenticationMethod: string; authenticationData: Uint8Array } => ({
    ...method,
    authenticationData: utf8.encode(word),
  });
  client.send(connectPacket(5, 'c', { properties: say('once') }));
  expect(await client.settled()).toMatchObject([{ type: AUTH, code: 0x18, properties: method }]);
  client.send({ type: AUTH, code: 0x18, properties: say('again') });
  const [connack] = await client.settled();
  expect(connack).toMatchObject({ type: CONNACK, code: 0, properties: method });
  client.send({ type: AUTH, code: 0x19, properties: say('once') });
  expect(await client.settled()).toMatchObject([{ type: AUTH, code: 0x18 }]);
  client.send({ type: AUTH, code: 0x18, properties: say('again') });
  expect(await client.settled()).toMatchObject([{ type: AUTH, code: 0, properties: method }]);
  client.send({ type: AUTH, code: 0x19, properties: say('wrong') });
  expect(await client.settled()).toMatchObject([{ type: DISCONNECT, code: 0x87 }]);
});

for (const [name, packet] of [
  ['a PINGREQ', { type: PINGREQ }],
  ['another method', { type: AUTH, code: 0x18, properties: { authenticationMethod: 'other' } }],
  ['a re-authentication', { type: AUTH, code: 0x19, properties: { authenticationMethod: 'twice' } }],
] as const) {
  test(`[MQTT5-3.1.2-30] ${name} instead of the answer to a challenge: 82`, async () => {
    const broker = await startBroker({ auth: STRICT });
    const client = new MqttClient(broker, 5);
    const properties = { authenticationMethod: 'twice', authenticationData: utf8.encode('once') };
    client.send(connectPacket(5, 'c', { properties }));
    await client.settled();
    client.send(packet as Packet);
    expect(await client.settled()).toMatchObject([{ type: CONNACK, code: 0x82 }]);
    expect(client.raw.closed).toBe(true);
  });
}

test('AUTH without an authentication method in CONNECT: 82', async () => {
  const broker = await startBroker();
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  client.send({ type: AUTH, code: 0x19, properties: { authenticationMethod: 'twice' } });
  expect(await client.settled()).toMatchObject([{ type: DISCONNECT, code: 0x82 }]);
});
