// The cases of Paho's interoperability suite that no other file here has, played by MQTT.js on a real socket.

import { describe, expect, test } from 'vitest';
import { unique, useBroker } from './broker.ts';
import { connect, endClients, texts, VERSIONS, type Version } from './mqttjs.ts';

const broker = useBroker();
endClients();

function keeping(protocolVersion: Version, clientId: string) {
  const properties = protocolVersion === 5 ? { properties: { sessionExpiryInterval: 600 } } : {};
  return { protocolVersion, clientId, clean: false, ...properties };
}

describe.each(VERSIONS)('version %i', (protocolVersion) => {
  test('basic: three messages at three QoS', async () => {
    const topic = unique('TopicA');
    const client = await connect(broker, { protocolVersion });
    await client.subscribe(topic, { qos: 2 });
    for (const qos of [0, 1, 2] as const) await client.publish(topic, `qos ${qos}`, { qos });
    const got = await client.take(3);
    expect(got.map((m) => [m.text, m.packet.qos])).toEqual([
      ['qos 0', 0],
      ['qos 1', 1],
      ['qos 2', 2],
    ]);
  });

  test('retained messages: three QoS, by wildcard, removed by an empty payload', async () => {
    const root = unique('fromb');
    const client = await connect(broker, { protocolVersion });
    for (const qos of [0, 1, 2] as const)
      await client.publish(`${root}/qos ${qos}`, `${qos}`, { qos, retain: true });
    await client.publish(`${root}/qos 0`, 'again', { qos: 1, retain: true });
    const reader = await connect(broker, { protocolVersion });
    await reader.subscribe(`${root}/+`, { qos: 2 });
    const got = (await reader.received()).map(
      (m) => `${m.topic} ${m.text} ${m.packet.qos} ${m.packet.retain}`,
    );
    const expected = [`${root}/qos 0 again 1 true`, `${root}/qos 1 1 1 true`, `${root}/qos 2 2 2 true`];
    expect(got.sort()).toEqual(expected);
    for (const qos of [0, 1, 2] as const)
      await client.publish(`${root}/qos ${qos}`, '', { qos: 1, retain: true });
    const late = await connect(broker, { protocolVersion });
    await late.subscribe(`${root}/+`, { qos: 2 });
    expect(await late.received()).toEqual([]);
  });

  test('offline queueing: QoS 1 and 2 wait, QoS 0 may', async () => {
    const root = unique('offline');
    const options = keeping(protocolVersion, unique('offline'));
    const sleeper = await connect(broker, options);
    await sleeper.subscribe(`${root}/+`, { qos: 2 });
    await sleeper.leave();
    const publisher = await connect(broker, { protocolVersion });
    for (const qos of [0, 1, 2] as const) await publisher.publish(`${root}/${qos}`, `qos ${qos}`, { qos });
    const again = await connect(broker, options);
    const got = texts(await again.received());
    expect(got.filter((text) => text !== 'qos 0')).toEqual(['qos 1', 'qos 2']);
  });

  test('overlapping subscriptions: one message, the highest QoS', async () => {
    const root = unique('overlap');
    const client = await connect(broker, { protocolVersion });
    await client.subscribe(`${root}/#`, { qos: 2 });
    await client.subscribe(`${root}/+`, { qos: 1 });
    await client.publish(`${root}/a`, 'overlapping', { qos: 2 });
    const got = await client.received();
    expect(got.map((m) => m.packet.qos)).toEqual([2]);
  });

  test('a subscription again: its QoS is replaced, retained messages come again', async () => {
    const topic = unique('again');
    const client = await connect(broker, { protocolVersion });
    await client.publish(topic, 'retained', { qos: 2, retain: true });
    await client.subscribe(topic, { qos: 2 });
    expect((await client.next()).packet.qos).toBe(2);
    await client.subscribe(topic, { qos: 0 });
    expect(await client.next()).toMatchObject({ text: 'retained', packet: { qos: 0, retain: true } });
    await client.publish(topic, 'live', { qos: 2 });
    const got = await client.received();
    expect(got.map((m) => m.packet.qos)).toEqual([0]);
  });

  // At 3.1 it is that of 3.1.1.
  if (protocolVersion > 3)
    test('keep alive timeout: the silent one is gone, its will is sent', async () => {
      const topic = unique('silent');
      const watcher = await connect(broker, { protocolVersion });
      await watcher.subscribe(topic, { qos: 2 });
      const will = { topic, payload: Buffer.from('keepalive expiry'), qos: 2 as const };
      const silent = await connect(broker, { protocolVersion, keepalive: 1, will });
      silent.mqtt.sendPing = () => undefined;
      const began = Date.now();
      await silent.closed;
      expect(Date.now() - began).toBeGreaterThan(900);
      expect((await watcher.next()).text).toBe('keepalive expiry');
    });

  test('redelivery on reconnect: what was not answered comes again, marked as such', async () => {
    const topic = unique('redelivery');
    const options = keeping(protocolVersion, unique('deaf'));
    const deaf = await connect(broker, options);
    await deaf.subscribe(topic, { qos: 1 });
    deaf.mqtt.handleMessage = () => undefined; // no PUBACK ever
    const publisher = await connect(broker, { protocolVersion });
    for (const text of ['one', 'two', 'three']) await publisher.publish(topic, text, { qos: 1 });
    await deaf.packets.find((p) => p.cmd === 'publish');
    await deaf.cut();
    const again = await connect(broker, options);
    const got = await again.take(3);
    expect(texts(got)).toEqual(['one', 'two', 'three']);
    expect(got[0]!.packet.dup).toBe(true);
  });

  // MQTT.js refuses to send one at 3.1, and one that wants a session.
  if (protocolVersion > 3)
    test('a client id of no length', async () => {
      const one = await connect(broker, { protocolVersion, clientId: '' });
      const other = await connect(broker, { protocolVersion, clientId: '' });
      await other.publish(unique('nameless'), '', { qos: 1 });
      expect([one.mqtt.connected, other.mqtt.connected]).toEqual([true, true]);
    });

  test('$ topics: not matched by wildcards at the first level, and readable by name', async () => {
    const client = await connect(broker, { protocolVersion });
    await client.subscribe(['#', '+/#', '+/+']);
    const all = await client.received();
    expect(all.filter((m) => m.topic.startsWith('$'))).toEqual([]);
    await client.subscribe('$SYS/#');
    expect((await client.next()).topic).toMatch(/^\$SYS\//);
  });

  test('unsubscribe: of three, one', async () => {
    const root = unique('unsubscribe');
    const client = await connect(broker, { protocolVersion });
    await client.subscribe([`${root}/a`, `${root}/b`, `${root}/c`], { qos: 2 });
    await client.mqtt.unsubscribeAsync(`${root}/a`);
    for (const level of ['a', 'b', 'c'])
      await client.publish(`${root}/${level}`, level, { qos: 1 }).catch(() => undefined);
    expect(texts(await client.received())).toEqual(['b', 'c']);
  });

  test('empty levels are levels', async () => {
    const root = unique('empty');
    const client = await connect(broker, { protocolVersion });
    await client.subscribe([`/${root}`, `${root}/`, `${root}//+`], { qos: 1 });
    for (const topic of [`/${root}`, root, `${root}/`, `${root}//`, `${root}//a`, `${root}/a`])
      await client.publish(topic, '', { qos: 1 });
    const got = (await client.received()).map((m) => m.topic);
    expect(got).toEqual([`/${root}`, `${root}/`, `${root}//`, `${root}//a`]);
  });
});

describe('version 5', () => {
  const V5 = { protocolVersion: 5 } as const;

  test('payload format and content type come as they were', async () => {
    const topic = unique('format');
    const client = await connect(broker, V5);
    await client.subscribe(topic, { qos: 2 });
    for (const payloadFormatIndicator of [true, false])
      await client.publish(topic, '', {
        qos: 2,
        properties: { payloadFormatIndicator, contentType: 'My name' },
      });
    const got = await client.take(2);
    expect(got.map((m) => m.packet.properties)).toEqual([
      { payloadFormatIndicator: true, contentType: 'My name' },
      { payloadFormatIndicator: false, contentType: 'My name' },
    ]);
  });

  test('a lower client alias may change its meaning', async () => {
    const root = unique('alias');
    const client = await connect(broker, V5);
    await client.subscribe(`${root}/#`);
    const aliased = (topic: string, text: string) =>
      client.publish(topic, text, { properties: { topicAlias: 1 } });
    await aliased(`${root}/a`, 'named');
    await aliased('', 'by alias');
    await aliased(`${root}/b`, 'renamed');
    await aliased('', 'by alias');
    expect((await client.take(4)).map((m) => `${m.topic} ${m.text}`)).toEqual([
      `${root}/a named`,
      `${root}/a by alias`,
      `${root}/b renamed`,
      `${root}/b by alias`,
    ]);
  });

  test('an alias above the maximum ends the connection with 0x94', async () => {
    const client = await connect(broker, V5);
    const { topicAliasMaximum } = client.connack.properties!;
    expect(topicAliasMaximum).toBeGreaterThan(0);
    // MQTT.js would not send it: PUBLISH, topic x, alias 65,535.
    client.mqtt.stream.write(Buffer.from('30070001780323ffff', 'hex'));
    await client.closed;
    expect(await client.packets.find((p) => p.cmd === 'disconnect')).toMatchObject({ reasonCode: 0x94 });
  });

  test('an unsubscribed or absent filter, and a publish that nobody hears', async () => {
    const client = await connect(broker, V5);
    await client.publish(unique('nobody'), '', { qos: 1 });
    expect(await client.packets.find((p) => p.cmd === 'puback')).toMatchObject({ reasonCode: 0x10 });
    await client.publish(unique('nobody'), '', { qos: 2 });
    expect(await client.packets.find((p) => p.cmd === 'pubrec')).toMatchObject({ reasonCode: 0x10 });
  });
});
