// Maximum packet size of MQTT 5, both ways, and the explanations that must fit into it.

import { expect } from 'vitest';
import { decodePacket } from '../../src/protocol/mqtt/decode.ts';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { type Broker, OPEN, toHex } from '../network.ts';
import { clause } from './clause.ts';
import { attempt, connect, nameOf, type TestClient, text } from './client.ts';
import { guardAgainst } from './guard.ts';
import { publishFrame, str } from './octets.ts';

clause(
  'MQTT5-3.1.2-24 MQTT5-3.1.2-25',
  'a message above the maximum packet size of the client is dropped as if delivered',
  async (broker) => {
    const maximumPacketSize = 60;
    const properties = { maximumPacketSize, receiveMaximum: 1, sessionExpiryInterval: 60 };
    const client = await connect(broker, { clean: false, properties });
    await client.subscribe('t');
    const publisher = await connect(broker, { clientId: 'publisher' });
    const other = await connect(broker, { clientId: 'other' });
    await other.subscribe('t');
    for (const qos of [0, 1, 2] as const) {
      // first octet | length | topic 't' | packet id | property length | payload
      const fits = 'y'.repeat(maximumPacketSize - 2 - 3 - (qos > 0 ? 2 : 0) - 1);
      await publisher.deliver('t', `${fits}z`, { qos });
      await client.expectNothing();
      await publisher.deliver('t', 'z'.repeat(5_000), { qos });
      await publisher.deliver('t', 'z'.repeat(100_000), { qos });
      await client.expectNothing();
      await publisher.deliver('t', fits, { qos });
      const octets = await client.nextFrame();
      expect(octets?.length).toBe(maximumPacketSize);
      const id = octets![5]! * 256 + octets![6]!;
      if (qos === 1) client.acknowledge(mqtt.PUBACK, id);
      if (qos === 2) {
        client.acknowledge(mqtt.PUBREC, id);
        await client.expect(mqtt.PUBREL);
        client.acknowledge(mqtt.PUBCOMP, id);
      }
    }
    // Nothing of it is left for the next connection either, which could take it.
    await client.cut();
    const again = await connect(broker, { clean: false, properties: { sessionExpiryInterval: 60 } });
    await again.expectNothing();
    for (const m of await other.messages()) other.acknowledge(mqtt.PUBACK, m.id);
  },
);

clause(
  'MQTT5-3.1.2-24 MQTT5-3.1.2-25',
  'a topic alias does not make a message too large that fits without it',
  async (broker) => {
    const maximumPacketSize = 40;
    const client = await connect(broker, { properties: { maximumPacketSize, topicAliasMaximum: 10 } });
    await client.subscribe('topic');
    const publisher = await connect(broker, { clientId: 'publisher' });
    // first octet | length | topic | property length | payload
    const fits = 'y'.repeat(maximumPacketSize - 2 - 7 - 1);
    for (let n = 0; n < 4; n++) {
      await publisher.deliver('topic', fits);
      const octets = await client.nextFrame();
      expect(octets, `message ${n}`).toBeDefined();
      expect(octets!.length).toBeLessThanOrEqual(maximumPacketSize);
      expect(text(octets!).endsWith(fits)).toBe(true);
    }
  },
);

clause('MQTT5-3.2.2-15', 'a packet above the maximum packet size of the server closes', async (broker) => {
  const client = await attempt(broker, {}, { limits: { maxPacketBytes: 1_000 } });
  const connack = await client.expect(mqtt.CONNACK);
  expect(connack.properties.maximumPacketSize).toBe(1_000);
  // first octet | two of length | topic 't' | property length | payload
  client.publish('t', 'x'.repeat(1_000 - 3 - 3 - 1));
  await client.expectAlive();
  client.publish('t', 'x'.repeat(1_000 - 3 - 3));
  await client.expectClosed(0x95);
});

clause(
  'MQTT5-3.1.2-24',
  'answers above the maximum packet size of the client are not sent either',
  async (broker) => {
    for (const maximumPacketSize of [5, 8, 12, 20, 60]) {
      const client = await attempt(broker, {
        clientId: '',
        properties: { maximumPacketSize, requestResponseInformation: 1 },
      });
      const frames = await framesOf(client);
      client.sendSubscribe(
        1,
        Array.from({ length: 100 }, (_, n) => `t/${n}`),
      );
      frames.push(...(await framesOf(client)));
      client.sendUnsubscribe(
        2,
        Array.from({ length: 100 }, (_, n) => `t/${n}`),
      );
      frames.push(...(await framesOf(client)));
      for (const f of frames) expect(f.length, toHex(f)).toBeLessThanOrEqual(maximumPacketSize);
      // Who cannot be answered is told so, as far as that fits, rather than left waiting.
      expect(client.raw.closed).toBe(true);
      expect(codeOf(decodePacket(frames.at(-1)!, 0, frames.at(-1)!.length, 5, 'server'))[1]).toBe(0x95);
    }
  },
  { mqtt: { responseInformation: 'answers/%c' }, limits: { receiveMaximum: 100 } },
);

/** Whole frames until nothing more comes. */
async function framesOf(client: TestClient): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for (let f = await client.nextFrame(); f; f = await client.nextFrame()) frames.push(f);
  return frames;
}

/** Makes the broker answer with every kind of failure that it may explain; returns the frames, the last being DISCONNECT. */
async function provoke(broker: Broker, properties: mqtt.Properties): Promise<Uint8Array[]> {
  const client = await connect(broker, { properties });
  client.publish('forbidden/a', 'x', { qos: 1, id: 1 });
  client.publish('forbidden/a', 'x', { qos: 2, id: 2 });
  client.acknowledge(mqtt.PUBREL, 3);
  client.acknowledge(mqtt.PUBREC, 4);
  client.sendSubscribe(5, ['forbidden/#']);
  client.sendUnsubscribe(6, ['unknown']);
  client.send(publishFrame(5, 0x06, str('t'), 1)); // QoS 3
  const frames = await framesOf(client);
  expect(client.raw.closed).toBe(true);
  return frames;
}

const EXPLAINED = [
  [mqtt.PUBACK, 0x87],
  [mqtt.PUBREC, 0x87],
  [mqtt.PUBCOMP, 0x92],
  [mqtt.PUBREL, 0x92],
  [mqtt.SUBACK, 0x87],
  [mqtt.UNSUBACK, 0x11],
  [mqtt.DISCONNECT, 0x81],
];

function decoded(frames: readonly Uint8Array[]): mqtt.Packet[] {
  return frames.map((f) => decodePacket(f, 0, f.length, 5, 'server'));
}

clause(
  [
    'MQTT5-3.4.2-2 MQTT5-3.4.2-3 MQTT5-3.5.2-2 MQTT5-3.5.2-3 MQTT5-3.6.2-2 MQTT5-3.6.2-3 MQTT5-3.7.2-2 MQTT5-3.7.2-3',
    'MQTT5-3.9.2-1 MQTT5-3.9.2-2 MQTT5-3.11.2-1 MQTT5-3.11.2-2 MQTT5-3.14.2-3 MQTT5-3.14.2-4 MQTT5-3.1.2-24',
  ].join(' '),
  'explanations stay away from packets that they would make too large, and the packets still come',
  async (broker) => {
    for (const maximumPacketSize of [16, 20, 40, 60, 80, 100, 255, 256, 300, 400]) {
      const frames = await provoke(broker, { maximumPacketSize });
      for (const f of frames) expect(f.length, toHex(f)).toBeLessThanOrEqual(maximumPacketSize);
      expect(decoded(frames).map(codeOf)).toEqual(EXPLAINED);
    }
  },
  { auth: guardAgainst('publish', 'subscribe') },
);

clause(
  'MQTT5-3.1.2-29',
  'without problem information only CONNACK and DISCONNECT may explain; with it, something does',
  async (broker) => {
    const silent = decoded(await provoke(broker, { requestProblemInformation: 0 }));
    expect(silent.map(codeOf)).toEqual(EXPLAINED);
    for (const p of silent) {
      if (p.type === mqtt.DISCONNECT || !('properties' in p)) continue;
      expect(p.properties, nameOf(p.type)).toEqual({});
    }
    const explained = decoded(await provoke(broker, { requestProblemInformation: 1 }));
    const reasons = explained.filter((p) => 'properties' in p && p.properties.reasonString !== undefined);
    expect(reasons.length).toBeGreaterThan(1); // so that the silence above is one
  },
  { auth: guardAgainst('publish', 'subscribe') },
);

clause(
  'MQTT5-3.2.2-19 MQTT5-3.2.2-20',
  'a refusing CONNACK is cut to the maximum packet size of the client',
  async (broker) => {
    for (const maximumPacketSize of [5, 8, 20, 40, 50, 60, 100, 1_000]) {
      const client = await attempt(broker, { properties: { maximumPacketSize } });
      const connack = await client.nextFrame();
      expect(connack!.length).toBeLessThanOrEqual(maximumPacketSize);
      expect(connack![3]).toBe(0x87);
    }
    const unbounded = await attempt(broker);
    expect((await unbounded.expectClosed(0x87))?.properties.reasonString).toMatch(/./);
  },
  { auth: { ...OPEN, identify: () => Promise.resolve('not-authorized' as const) } },
);

function codeOf(p: mqtt.Packet): [number, number | undefined] {
  if ('codes' in p) return [p.type, p.codes[0]];
  return [p.type, 'code' in p ? p.code : undefined];
}
