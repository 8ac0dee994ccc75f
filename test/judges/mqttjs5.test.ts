// What MQTT 5 adds, judged by MQTT.js.

import { once } from 'node:events';
import type { Packet } from 'mqtt';
import { describe, expect, test } from 'vitest';
import { addUser } from '../../src/auth/users.ts';
import { unique, useBroker } from './broker.ts';
import { PATIENCE_MS, within } from './inbox.ts';
import { connect, endClients, JsClient, texts } from './mqttjs.ts';
import { ScramClient } from './scram.ts';

const V5 = { protocolVersion: 5 } as const;

const broker = useBroker(async (b) => {
  await addUser(b.file('users'), 'anna', 'correct horse', { scramIterations: 4_096 });
  const tcp = (name: string, rest: object) => ({ name, type: 'tcp', host: '127.0.0.1', port: 0, ...rest });
  return {
    listeners: [
      tcp('tcp', { mqtt: { responseInformation: 'answers/%c' } }),
      { name: 'ws', type: 'ws', host: '127.0.0.1', port: 0 },
      tcp('users', { auth: { users: './users' } }),
      tcp('alive', { mqtt: { maxKeepAliveSeconds: 7 } }),
      tcp('small', { limits: { packet: 2_000 } }),
      tcp('moved', { mqtt: { serverReference: 'other.example:1883', serverMoved: true } }),
    ],
  };
});
endClients();

describe('properties of a message', () => {
  test('all of them arrive, user properties in order', async () => {
    const topic = unique('properties');
    const client = await connect(broker, V5);
    await client.subscribe(topic, { qos: 2 });
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 3_600,
      contentType: 'application/json',
      responseTopic: 'answers/here',
      correlationData: Buffer.from([0, 1, 255]),
      userProperties: { b: ['2', '1', '2'], a: '' },
    };
    await client.publish(topic, '{}', { qos: 2, properties });
    const { packet } = await client.next();
    expect(packet.properties).toEqual(properties);
    expect(Object.keys(packet.properties!.userProperties!)).toEqual(['b', 'a']);
  });

  test('they survive in a retained message', async () => {
    const topic = unique('retained');
    const client = await connect(broker, V5);
    const properties = { contentType: 'text/plain', userProperties: { from: 'here' } };
    await client.publish(topic, 'kept', { qos: 1, retain: true, properties });
    await client.subscribe(topic);
    expect((await client.next()).packet.properties).toEqual(properties);
  });

  test('request and response', async () => {
    const requests = unique('requests');
    const asker = await connect(broker, { ...V5, properties: { requestResponseInformation: true } });
    const answers = asker.connack.properties!.responseInformation!;
    expect(answers).toBe(`answers/${asker.mqtt.options.clientId}`);
    const answerer = await connect(broker, V5);
    await answerer.subscribe(requests, { qos: 1 });
    await asker.subscribe(`${answers}/#`, { qos: 1 });
    const correlationData = Buffer.from('7');
    const properties = { responseTopic: `${answers}/x`, correlationData };
    await asker.publish(requests, 'how much?', { qos: 1, properties });
    const { packet } = await answerer.next();
    await answerer.publish(packet.properties!.responseTopic!, '42', {
      qos: 1,
      properties: { correlationData: packet.properties!.correlationData! },
    });
    const answer = await asker.next();
    expect(answer).toMatchObject({
      topic: `${answers}/x`,
      text: '42',
      packet: { properties: { correlationData } },
    });
  });

  test('expiry: what waited too long is gone, the rest counts down', async () => {
    const topic = unique('expiry');
    const keep = { ...V5, clientId: unique('late'), clean: false, properties: { sessionExpiryInterval: 99 } };
    const sleeper = await connect(broker, keep);
    await sleeper.subscribe(topic, { qos: 1 });
    await sleeper.leave();
    const publisher = await connect(broker, V5);
    const expiring = (messageExpiryInterval: number) => ({
      qos: 1 as const,
      properties: { messageExpiryInterval },
    });
    await publisher.publish(topic, 'short', expiring(1));
    await publisher.publish(topic, 'long', expiring(600));
    await publisher.publish(topic, 'ever', { qos: 1 });
    await secondsOf(publisher, 1.5);
    const again = await connect(broker, keep);
    const [long, ever] = await again.take(2);
    expect([long!.text, ever!.text]).toEqual(['long', 'ever']);
    expect([598, 599]).toContain(long!.packet.properties!.messageExpiryInterval);
    expect(ever!.packet.properties).toBeUndefined();
  });
});

/** Waits by the broker's own clock: until a will that is delayed for so long was sent. */
async function secondsOf(watcher: JsClient, seconds: number): Promise<void> {
  const topic = unique('clock');
  await watcher.subscribe(topic);
  const properties = { willDelayInterval: Math.ceil(seconds) };
  const will = { topic, payload: Buffer.from('now'), properties };
  const lost = await connect(broker, { ...V5, will, properties: { sessionExpiryInterval: 60 } });
  await lost.cut();
  await watcher.inbox.find((m) => m.topic === topic);
}

describe('topic aliases', () => {
  test('from the client: MQTT.js names a topic once', async () => {
    const root = unique('alias');
    const client = await connect(broker, { ...V5, autoAssignTopicAlias: true });
    expect(client.connack.properties!.topicAliasMaximum).toBeGreaterThan(0);
    const sent: Packet[] = [];
    client.mqtt.on('packetsend', (p) => sent.push(p));
    await client.subscribe(`${root}/#`);
    const topics = Array.from({ length: 200 }, (_, i) => `${root}/${i % 3}`);
    for (const topic of topics) await client.publish(topic, 'x', { qos: 1 });
    expect((await client.take(200)).map((m) => m.topic)).toEqual(topics);
    const publishes = sent.filter((p) => p.cmd === 'publish');
    expect(publishes.filter((p) => p.topic !== '')).toHaveLength(3);
  });

  test('from the hub: a topic is named once, and MQTT.js knows it', async () => {
    const root = unique('alias');
    const client = await connect(broker, { ...V5, properties: { topicAliasMaximum: 5 } });
    await client.subscribe(`${root}/#`, { qos: 1 });
    const topics = Array.from({ length: 100 }, (_, i) => `${root}/a-rather-long-topic/${i % 4}`);
    const publisher = await connect(broker, V5);
    for (const topic of topics) await publisher.publish(topic, 'x', { qos: 1 });
    expect((await client.take(100)).map((m) => m.topic)).toEqual(topics);
    const aliases = client.packets
      .all()
      .flatMap((p) => (p.cmd === 'publish' ? [p.properties?.topicAlias ?? 0] : []));
    expect(Math.max(...aliases)).toBeGreaterThan(0);
    expect(Math.max(...aliases)).toBeLessThanOrEqual(5);
  });

  test('a client that allows none gets none', async () => {
    const topic = unique('alias');
    const client = await connect(broker, V5);
    await client.subscribe(topic);
    for (let i = 0; i < 5; i++) await client.publish(topic, '');
    for (const { packet } of await client.take(5)) expect(packet.properties?.topicAlias).toBeUndefined();
  });
});

describe('subscriptions', () => {
  test('identifiers: every one that matches, merged into one delivery', async () => {
    const root = unique('identifiers');
    const client = await connect(broker, V5);
    await client.subscribe(`${root}/+`, { qos: 1, properties: { subscriptionIdentifier: 3 } });
    await client.subscribe(`${root}/#`, { qos: 2, properties: { subscriptionIdentifier: 268_435_455 } });
    await client.subscribe(`${root}/a`, { qos: 0 });
    await client.publish(`${root}/a`, 'x', { qos: 2 });
    const [one, ...more] = await client.received();
    expect(more).toEqual([]);
    const ids = one!.packet.properties!.subscriptionIdentifier as number[];
    expect([...ids].sort((a, b) => a - b)).toEqual([3, 268_435_455]);
    expect(one!.packet.qos).toBe(2);
  });

  test('no local, retain as published and retain handling', async () => {
    const topic = unique('options');
    const client = await connect(broker, V5);
    const other = await connect(broker, V5);
    await client.subscribe(topic, { qos: 1, nl: true, rap: true });
    await client.publish(topic, 'mine', { qos: 1, retain: true });
    await other.publish(topic, 'retained', { qos: 1, retain: true });
    await other.publish(topic, 'plain', { qos: 1 });
    const got = await client.received();
    expect(got.map((m) => [m.text, m.packet.retain])).toEqual([
      ['retained', true],
      ['plain', false],
    ]);
    const late = await connect(broker, V5);
    await late.subscribe(topic, { qos: 1, rh: 2 });
    expect(await late.received()).toEqual([]);
    await late.subscribe(topic, { qos: 1, rh: 1 });
    expect(await late.received()).toEqual([]);
    await late.mqtt.unsubscribeAsync(topic);
    await late.subscribe(topic, { qos: 1, rh: 1 });
    expect(texts(await late.received())).toEqual(['retained']);
    await late.subscribe(topic, { qos: 1, rh: 0 });
    expect(texts(await late.received())).toEqual(['retained']);
  });

  test('a shared one: each message to one member, evenly, and none lost when a member dies', async () => {
    const topic = unique('shared');
    const members = await Promise.all([1, 2, 3].map(() => connect(broker, V5)));
    for (const m of members) await m.subscribe(`$share/group/${topic}`, { qos: 1 });
    const alone = await connect(broker, V5);
    await alone.subscribe(topic, { qos: 1 });
    const publisher = await connect(broker, V5);
    const sent = Array.from({ length: 300 }, (_, i) => `${i}`);
    for (const text of sent) await publisher.publish(topic, text, { qos: 1 });
    const shares = await Promise.all(members.map((m) => m.received()));
    expect(shares.flatMap(texts).sort()).toEqual([...sent].sort());
    for (const share of shares) expect(share.length).toBeGreaterThan(50);
    expect(texts(await alone.take(300))).toEqual(sent);

    // One that takes messages and never answers: what it holds goes to the others when it is gone.
    const deaf = await connect(broker, { ...V5, properties: { receiveMaximum: 10 } });
    deaf.mqtt.handleMessage = () => undefined;
    await deaf.subscribe(`$share/group/${topic}`, { qos: 1 });
    const more = sent.map((text) => `more ${text}`);
    for (const text of more) await publisher.publish(topic, text, { qos: 1 });
    await deaf.cut();
    const rest: string[] = [];
    await within(PATIENCE_MS, `${more.length} messages`, async () => {
      while (rest.length < more.length)
        rest.push(...(await Promise.all(members.map((m) => m.received()))).flatMap(texts));
    });
    expect(rest.sort()).toEqual([...more].sort());
  });

  test('unsubscribe: what was there, and what was not', async () => {
    const topic = unique('gone');
    const client = await connect(broker, V5);
    await client.subscribe(topic);
    await client.mqtt.unsubscribeAsync(topic);
    expect(await client.packets.find((p) => p.cmd === 'unsuback')).toMatchObject({ granted: [0] });
    await client.mqtt.unsubscribeAsync(topic).catch(() => undefined);
    expect(await client.packets.find((p) => p.cmd === 'unsuback')).toMatchObject({ granted: [0x11] });
    await client.publish(topic, '', { qos: 1 }).catch(() => undefined);
    expect(await client.received()).toEqual([]);
  });
});

describe('flow', () => {
  test('receive maximum of the client: never more unanswered', async () => {
    const topic = unique('window');
    const client = await connect(broker, { ...V5, properties: { receiveMaximum: 3 } });
    await client.subscribe(topic, { qos: 1 });
    // MQTT.js answers one after the other, so the socket tells what else has come.
    let octets = '';
    client.mqtt.stream.on('data', (chunk: Buffer) => {
      octets += chunk.toString('latin1');
    });
    let goOn = () => undefined as unknown;
    client.mqtt.handleMessage = (_packet, done) => {
      goOn = done;
    };
    const publisher = await connect(broker, V5);
    for (let i = 0; i < 30; i++) await publisher.publish(topic, `[${i}]`, { qos: 1 });
    client.mqtt.sendPing();
    await within(PATIENCE_MS, 'PINGRESP', async () => {
      while (!octets.endsWith('\xd0\x00')) await once(client.mqtt.stream, 'data');
    });
    expect(octets.match(/\[\d+\]/g)).toEqual(['[0]', '[1]', '[2]']);
    client.mqtt.handleMessage = (_packet, done) => done();
    goOn();
    await client.take(30);
  });

  test('a burst that ignores the usual receive maximum, as those of MQTT.js do, is taken', async () => {
    const topic = unique('burst');
    const client = await connect(broker, V5);
    await client.subscribe(topic, { qos: 2 });
    for (const qos of [1, 2] as const) {
      const sent = Array.from({ length: 3_000 }, (_, i) => `${i}`);
      await Promise.all(sent.map((text) => client.publish(topic, text, { qos })));
      expect(texts(await client.take(3_000))).toEqual(sent);
    }
  });

  test('maximum packet size of the client: what is larger is not sent, and what follows is', async () => {
    const topic = unique('size');
    const client = await connect(broker, { ...V5, properties: { maximumPacketSize: 200 } });
    const other = await connect(broker, V5);
    await client.subscribe(topic, { qos: 1 });
    await other.subscribe(topic, { qos: 1 });
    await other.publish(topic, 'x'.repeat(300), { qos: 1 });
    await other.publish(topic, 'small', { qos: 1 });
    expect(await client.next()).toMatchObject({ text: 'small' });
    expect((await other.take(2)).map((m) => m.text.length)).toEqual([300, 5]);
  });

  test('maximum packet size of the hub: announced, and enforced in words', async () => {
    const client = await connect(broker, V5, 'small');
    expect(client.connack.properties!.maximumPacketSize).toBe(2_000);
    client.mqtt.publish(unique('size'), 'x'.repeat(2_000));
    await client.closed;
    expect(await client.packets.find((p) => p.cmd === 'disconnect')).toMatchObject({ reasonCode: 0x95 });
  });
});

describe('connections and sessions', () => {
  test('an assigned client id, and its session by that name', async () => {
    const first = await connect(broker, { ...V5, clientId: '', properties: { sessionExpiryInterval: 60 } });
    const clientId = first.connack.properties!.assignedClientIdentifier!;
    expect(clientId).not.toBe('');
    await first.leave();
    const again = await connect(broker, { ...V5, clientId, clean: false });
    expect(again.connack.sessionPresent).toBe(true);
  });

  test('session expiry: 0 forgets, and a DISCONNECT may change it', async () => {
    const clientId = unique('expiring');
    const kept = { ...V5, clientId, clean: false, properties: { sessionExpiryInterval: 600 } };
    await (await connect(broker, kept)).leave({ sessionExpiryInterval: 0 });
    const second = await connect(broker, kept);
    expect(second.connack.sessionPresent).toBe(false);
    await second.leave({ sessionExpiryInterval: 1 });
    await secondsOf(await connect(broker, V5), 2);
    const third = await connect(broker, kept);
    expect(third.connack.sessionPresent).toBe(false);
    await third.cut();
    expect((await connect(broker, kept)).connack.sessionPresent).toBe(true);
  });

  test('server keep alive, which MQTT.js takes over', async () => {
    const client = await connect(broker, { ...V5, keepalive: 600 }, 'alive');
    expect(client.connack.properties!.serverKeepAlive).toBe(7);
    expect(client.mqtt.keepalive).toBe(7);
  });

  test('another server is named', async () => {
    const client = new JsClient(broker.url('moved'), V5);
    await expect(client.online()).rejects.toMatchObject({ code: 0x9d });
    expect(await client.packets.next()).toMatchObject({
      properties: { serverReference: 'other.example:1883' },
    });
  });

  test('a will: its delay, which a return ends; its properties', async () => {
    const topic = unique('will');
    const watcher = await connect(broker, V5);
    await watcher.subscribe(topic, { qos: 1 });
    const told = { contentType: 'text/plain', userProperties: { why: 'lost' }, responseTopic: 'r' };
    const options = {
      ...V5,
      clientId: unique('mortal'),
      clean: false,
      will: { topic, payload: Buffer.from('gone'), properties: { willDelayInterval: 1, ...told } },
      properties: { sessionExpiryInterval: 60 },
    };
    await (await connect(broker, options)).cut();
    const back = await connect(broker, options);
    await secondsOf(watcher, 2);
    expect(await watcher.received()).toEqual([]);
    await back.cut();
    expect(await watcher.next()).toMatchObject({ text: 'gone', packet: { properties: told } });
  });

  test('DISCONNECT with 0x04 sends the will', async () => {
    const topic = unique('will');
    const watcher = await connect(broker, V5);
    await watcher.subscribe(topic);
    const client = await connect(broker, { ...V5, will: { topic, payload: Buffer.from('bye') } });
    await client.mqtt.endAsync(false, { reasonCode: 4 });
    expect((await watcher.next()).text).toBe('bye');
  });
});

describe('enhanced authentication', () => {
  test('SCRAM-SHA-256 by hand: proved both ways, renewed while connected', async () => {
    const scram = new ScramClient('anna', 'correct horse');
    const properties = { authenticationMethod: 'SCRAM-SHA-256', authenticationData: scram.first() };
    const client = new JsClient(broker.url('users'), { ...V5, properties });
    let renew: (proof: Buffer) => void = () => undefined;
    const renewed = new Promise<Buffer>((resolve) => {
      renew = resolve;
    });
    client.mqtt.handleAuth = (packet, done) => {
      const authenticationData = packet.properties!.authenticationData!;
      if (packet.reasonCode === 0) renew(authenticationData);
      const again = {
        authenticationMethod: 'SCRAM-SHA-256',
        authenticationData: scram.answer(authenticationData),
      };
      done(undefined, { cmd: 'auth', reasonCode: 0x18, properties: again } as Packet);
    };
    await client.online();
    scram.check(client.connack.properties!.authenticationData!);
    await client.subscribe(unique('in'));

    client.prove({ ...properties, authenticationData: scram.first() });
    scram.check(await renewed);
    expect(client.mqtt.connected).toBe(true);
  });

  test.each([
    ['a wrong password', 'anna', 'wrong', 'SCRAM-SHA-256', 0x86],
    ['an unknown user', 'nobody', 'correct horse', 'SCRAM-SHA-256', 0x86],
    ['another method', 'anna', 'correct horse', 'GSSAPI', 0x8c],
  ])('%s is refused', async (_why, name, secret, authenticationMethod, code) => {
    const scram = new ScramClient(name, secret);
    const properties = { authenticationMethod, authenticationData: scram.first() };
    const client = new JsClient(broker.url('users'), { ...V5, properties });
    client.mqtt.handleAuth = (packet, done) => {
      const authenticationData = scram.answer(packet.properties!.authenticationData!);
      done(undefined, {
        cmd: 'auth',
        reasonCode: 0x18,
        properties: { authenticationMethod, authenticationData },
      } as Packet);
    };
    await expect(client.online()).rejects.toMatchObject({ code });
  });

  test('user name and password, right and wrong', async () => {
    const good = await connect(broker, { ...V5, username: 'anna', password: 'correct horse' }, 'users');
    expect(good.mqtt.connected).toBe(true);
    const bad = new JsClient(broker.url('users'), { ...V5, username: 'anna', password: 'wrong' });
    await expect(bad.online()).rejects.toMatchObject({ code: 0x86 });
    const old = new JsClient(broker.url('users'), {
      protocolVersion: 4,
      username: 'anna',
      password: 'wrong',
    });
    await expect(old.online()).rejects.toMatchObject({ code: 4 });
    const nobody = new JsClient(broker.url('users'), V5);
    await expect(nobody.online()).rejects.toMatchObject({ code: 0x87 });
  });
});
