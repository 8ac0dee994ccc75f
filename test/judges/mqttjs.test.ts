// MQTT.js at every version and over every plain transport: what each application does first.

import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { unique, useBroker } from './broker.ts';
import { connect, endClients, texts, VERSIONS, type Version } from './mqttjs.ts';

const broker = useBroker();
endClients();

/** Options that keep the session after the connection. */
function keeping(protocolVersion: Version, clientId: string) {
  const properties = protocolVersion === 5 ? { properties: { sessionExpiryInterval: 600 } } : {};
  return { protocolVersion, clientId, clean: false, ...properties };
}

describe.each(VERSIONS)('MQTT.js, protocol version %i', (protocolVersion) => {
  describe.each(['tcp', 'ws', 'unix'])('over %s', (listener) => {
    test.each([0, 1, 2] as const)('QoS %i there and back, in order', async (qos) => {
      const topic = unique('a/b');
      const client = await connect(broker, { protocolVersion }, listener);
      const [granted] = await client.subscribe(topic, { qos });
      expect(granted!.qos).toBe(qos);
      const sent = Array.from({ length: 100 }, (_, i) => `${i}`);
      await Promise.all(sent.map((text) => client.publish(topic, text, { qos })));
      const messages = await client.take(100);
      expect(texts(messages)).toEqual(sent);
      expect(new Set(messages.map((m) => m.packet.qos))).toEqual(new Set([qos]));
      expect(messages.some((m) => m.packet.dup || m.packet.retain)).toBe(false);
    });
  });

  test('the lower QoS of publisher and subscriber is delivered', async () => {
    const client = await connect(broker, { protocolVersion });
    for (const granted of [0, 1, 2] as const) {
      for (const qos of [0, 1, 2] as const) {
        const topic = unique('qos');
        await client.subscribe(topic, { qos: granted });
        await client.publish(topic, '', { qos });
        expect((await client.next()).packet.qos).toBe(Math.min(qos, granted));
      }
    }
  });

  test('wildcards match whole levels', async () => {
    const root = unique('w');
    const client = await connect(broker, { protocolVersion });
    await client.subscribe([`${root}/+/c`, `${root}/deep/#`]);
    const topics = ['a/c', '/c', 'a/b/c', 'deep', 'deep/', 'deep/x/y', 'deeper/x', 'a/cc'];
    for (const topic of topics) await client.publish(`${root}/${topic}`, '', { qos: 1 });
    const got = (await client.received()).map((m) => m.topic.slice(root.length + 1));
    expect(got).toEqual(['a/c', '/c', 'deep', 'deep/', 'deep/x/y']);
  });

  test('retained: told to those who come later, replaced, and removed by an empty one', async () => {
    const topic = unique('retained');
    const publisher = await connect(broker, { protocolVersion });
    await publisher.publish(topic, 'one', { qos: 1, retain: true });
    await publisher.publish(topic, 'two', { qos: 1, retain: true });
    const client = await connect(broker, { protocolVersion });
    await client.subscribe(`${topic}/#`, { qos: 1 });
    expect(await client.next()).toMatchObject({ text: 'two', packet: { retain: true, qos: 1 } });
    await publisher.publish(topic, 'three', { qos: 1, retain: true });
    expect(await client.next()).toMatchObject({ text: 'three', packet: { retain: false } });
    await publisher.publish(topic, '', { qos: 1, retain: true });
    const late = await connect(broker, { protocolVersion });
    await late.subscribe(topic);
    expect(await late.received()).toEqual([]);
  });

  test('the will is sent when the connection is lost, and not after a goodbye', async () => {
    const topic = unique('will');
    const watcher = await connect(broker, { protocolVersion });
    await watcher.subscribe(topic, { qos: 2 });
    const will = (text: string) => ({ topic, payload: Buffer.from(text), qos: 2 as const, retain: true });
    const polite = await connect(broker, { protocolVersion, will: will('never') });
    await polite.leave();
    const lost = await connect(broker, { protocolVersion, will: will('lost') });
    await lost.cut();
    expect(await watcher.next()).toMatchObject({ text: 'lost', packet: { qos: 2, retain: false } });
    const late = await connect(broker, { protocolVersion });
    await late.subscribe(topic);
    expect(await late.next()).toMatchObject({ text: 'lost', packet: { retain: true } });
  });

  test('a session waits for its client, QoS 1 and 2 in order, and a clean one starts anew', async () => {
    const topic = unique('session');
    const options = keeping(protocolVersion, unique('sleeper'));
    const first = await connect(broker, options);
    expect(first.connack.sessionPresent).toBe(false);
    await first.subscribe(topic, { qos: 2 });
    await first.leave();
    const publisher = await connect(broker, { protocolVersion });
    const sent = Array.from({ length: 50 }, (_, i) => `${i}`);
    for (const text of sent) await publisher.publish(topic, text, { qos: (1 + (Number(text) % 2)) as 1 | 2 });
    const second = await connect(broker, options);
    if (protocolVersion > 3) expect(second.connack.sessionPresent).toBe(true);
    // MQTT.js shows a message of QoS 2 when it is released: the order is that of the packets.
    expect(texts(await second.take(50)).sort()).toEqual([...sent].sort());
    const publishes = second.packets.all().filter((p) => p.cmd === 'publish');
    expect(publishes.map((p) => String(p.payload))).toEqual(sent);
    await second.leave();
    await (await connect(broker, { ...options, clean: true, properties: {} })).leave();
    const third = await connect(broker, options);
    expect(third.connack.sessionPresent).toBe(false);
  });

  test('MQTT.js reconnects by itself, and nothing at QoS 2 comes twice or is lost', async () => {
    const topic = unique('again');
    const options = { ...keeping(protocolVersion, unique('again')), reconnectPeriod: 1, resubscribe: false };
    const client = await connect(broker, options);
    await client.subscribe(topic, { qos: 2 });
    const sent = Array.from({ length: 300 }, (_, i) => `${i}`);
    const publishes = sent.map((text) => client.publish(topic, text, { qos: 2 }));
    for (const cut of [50, 150, 250]) {
      await publishes[cut];
      client.mqtt.stream.destroy();
    }
    await Promise.all(publishes);
    expect(texts(await client.take(300)).sort()).toEqual([...sent].sort());
    expect(await client.received()).toEqual([]);
  });

  test('a client id that comes twice: the first is sent away', async () => {
    const clientId = unique('twin');
    const first = await connect(broker, { protocolVersion, clientId });
    const second = await connect(broker, { protocolVersion, clientId });
    await first.closed;
    const goodbye = first.packets.all().find((p) => p.cmd === 'disconnect');
    expect(goodbye?.reasonCode).toBe(protocolVersion === 5 ? 0x8e : undefined);
    expect(second.mqtt.connected).toBe(true);
  });

  test.each([1, 16])('a payload of %i MiB comes whole', async (mebibytes) => {
    const topic = unique('large');
    const client = await connect(broker, { protocolVersion });
    await client.subscribe(topic, { qos: 1 });
    const payload = Buffer.alloc(mebibytes * 1_048_576, '0123456789abcdef-');
    await client.publish(topic, payload, { qos: 1 });
    const { packet } = await client.next();
    expect(payload.equals(packet.payload as Buffer)).toBe(true);
  });
});

test('pings keep a client with a short keep alive', async () => {
  const client = await connect(broker, { keepalive: 1 });
  for (let i = 0; i < 2; i++) await client.packets.find((p) => p.cmd === 'pingresp');
  expect(client.mqtt.connected).toBe(true);
});

test('a large packet over WebSocket, in many frames and in slices', async () => {
  const topic = unique('ws');
  const client = await connect(broker, { protocolVersion: 5 }, 'ws');
  await client.subscribe(topic, { qos: 2 });
  const payload = Buffer.alloc(4 * 1_048_576, 'way-meet');
  await client.publish(topic, payload, { qos: 2 });
  expect(payload.equals((await client.next()).packet.payload as Buffer)).toBe(true);
  expect(client.mqtt.stream).toBeInstanceOf(Duplex);
});

test('500 clients at once: each hears all, and its own', async () => {
  const root = unique('crowd');
  const clients = await Promise.all(
    Array.from({ length: 500 }, (_, i) => connect(broker, { protocolVersion: VERSIONS[i % 3]! })),
  );
  await Promise.all(clients.map((c, i) => c.subscribe([`${root}/all`, `${root}/${i}`], { qos: 1 })));
  await Promise.all(clients.map((c, i) => c.publish(`${root}/${(i + 1) % 500}`, `${i}`, { qos: 1 })));
  await clients[0]!.publish(`${root}/all`, 'all', { qos: 1 });
  const got = await Promise.all(clients.map((c) => c.take(2)));
  got.forEach((two, i) => {
    expect(texts(two)).toEqual([`${(i + 499) % 500}`, 'all']);
  });
});
