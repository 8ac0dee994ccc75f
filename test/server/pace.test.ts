// Clients that publish faster than they may, and proofs that run out: each protocol in its own way, on a virtual clock.

import { expect, test } from 'vitest';
import type { Auth, ExchangeStep, Identity } from '../../src/contract/auth.ts';
import { NEVER } from '../../src/contract/message.ts';
import {
  AUTH,
  CONNACK,
  DISCONNECT,
  type Packet,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBLISH,
} from '../../src/protocol/mqtt/packet.ts';
import { CoapTestClient } from '../coap-client.ts';
import { connectPacket, MqttClient, publishPacket } from '../mqtt-client.ts';
import { type Broker, OPEN, startBroker } from '../network.ts';
import { StompClient } from '../stomp-client.ts';

const RATES = { rates: { messagesPerSecond: 10, bytesPerSecond: NEVER } };

function count(packets: readonly Packet[], type: Packet['type']): number {
  return packets.filter((p) => p.type === type).length;
}

test.each([0, 1] as const)(
  'MQTT, QoS %i: it is read no faster, nothing is lost, and its silence is not its own',
  async (qos) => {
    const broker = await startBroker({ limits: RATES });
    const subscriber = new MqttClient(broker, 5);
    await subscriber.connect('s');
    await subscriber.subscribe('a');
    const publisher = new MqttClient(broker, 4);
    await publisher.connect('p', { keepAlive: 1 });
    const burst = Array.from({ length: 60 }, (_, i) =>
      publishPacket('a', `${i}`, { qos, id: qos === 0 ? 0 : i + 1 }),
    );
    publisher.send(...burst);
    const got: number[] = [];
    const answers: Packet[] = [];
    for (let ms = 0; ms <= 6_000; ms += 500) {
      answers.push(...(await publisher.settled(ms === 0 ? 0 : 500)));
      got.push(count(await subscriber.settled(), PUBLISH));
    }
    expect(got[0]).toBeGreaterThanOrEqual(10);
    expect(got[0]).toBeLessThanOrEqual(11);
    for (const later of got.slice(1, -2)) expect(later).toBeLessThanOrEqual(6);
    expect(got.reduce((sum, n) => sum + n)).toBe(60);
    if (qos === 1) expect(count(answers, PUBACK)).toBe(60);
    publisher.send({ type: PINGREQ });
    expect(count(await publisher.settled(), PINGRESP)).toBe(1);
  },
);

test('MQTT, of octets: a packet larger than a second’s worth passes, and what follows waits', async () => {
  const broker = await startBroker({
    limits: { rates: { messagesPerSecond: NEVER, bytesPerSecond: 1_000 } },
  });
  const client = new MqttClient(broker, 5);
  await client.connect('c');
  client.publish('a', new Uint8Array(3_000), { qos: 1, id: 1 });
  client.publish('a', 'x', { qos: 1, id: 2 });
  expect(count(await client.settled(), PUBACK)).toBe(1);
  expect(count(await client.settled(1_500), PUBACK)).toBe(0);
  expect(count(await client.settled(1_000), PUBACK)).toBe(1);
});

test('STOMP: it is read no faster', async () => {
  const broker = await startBroker({ limits: RATES });
  const client = await StompClient.connect(broker, { 'heart-beat': '1000,0' });
  for (let i = 0; i < 30; i++) client.say('SEND', { destination: '/topic/a', receipt: `${i}` }, 'x');
  await broker.clock.advance(0);
  const first = client.taken().length;
  expect(first).toBeLessThanOrEqual(11);
  await broker.clock.advance(2_500);
  expect(first + client.taken().length).toBe(30);
  expect(broker.hub.stats.clients).toBe(1);
  expect(broker.hub.counters.dropped.get('rate-exceeded')).toBeUndefined();
});

test('CoAP: it is told to slow down', async () => {
  const broker = await startBroker({ limits: RATES });
  const client = new CoapTestClient(broker);
  const codes: string[] = [];
  for (let i = 0; i < 15; i++) {
    client.request('PUT /t/a', { payload: 'x' });
    await broker.clock.advance(0);
    codes.push(...client.heard());
  }
  expect(codes.filter((line) => line.includes('4.29'))).toHaveLength(5);
});

/** Who shows `name:seconds` is that user for so long, by password and by exchange. */
function lasting(broker: () => Broker): Auth {
  const identityOf = (text: string): Identity | undefined => {
    const [principal = '', seconds] = text.split(':');
    if (seconds === undefined) return undefined;
    return { principal, unrestricted: true, validUntil: broker().clock.now + Number(seconds) * 1_000 };
  };
  return {
    ...OPEN,
    identify: async ({ password }) => identityOf(Buffer.from(password ?? []).toString()) ?? 'bad-credentials',
    exchange: () => ({
      step: async (data): Promise<ExchangeStep> => {
        const identity = identityOf(Buffer.from(data).toString());
        if (identity === undefined) return { kind: 'refused', why: 'bad-credentials' };
        return { kind: 'done', identity, reply: undefined };
      },
    }),
  };
}

const octets = (text: string) => new TextEncoder().encode(text);
const proof = (text: string) => ({ authenticationMethod: 'JWT', authenticationData: octets(text) });

test('MQTT: sent away with 0x87 when the proof runs out', async () => {
  const broker: Broker = await startBroker({ auth: lasting(() => broker) });
  const client = new MqttClient(broker, 5);
  await client.connect('c', { username: 'x', password: octets('alice:30') });
  expect(await client.settled(29_000)).toEqual([]);
  expect(await client.settled(2_000)).toMatchObject([{ type: DISCONNECT, code: 0x87 }]);
  expect(client.raw.closed).toBe(true);
});

test('MQTT 5: AUTH renews it, and only for the same user', async () => {
  const broker: Broker = await startBroker({ auth: lasting(() => broker) });
  const log_in = async (clientId: string) => {
    const client = new MqttClient(broker, 5);
    client.send(connectPacket(5, clientId, { properties: proof('alice:30') }));
    expect(await client.settled()).toMatchObject([{ type: CONNACK, code: 0 }]);
    return client;
  };
  const one = await log_in('one');
  await one.settled(20_000);
  one.send({ type: AUTH, code: 0x19, properties: proof('alice:60') });
  expect(await one.settled()).toMatchObject([{ type: AUTH, code: 0 }]);
  one.send({ type: PINGREQ });
  expect(await one.settled(30_000)).toMatchObject([{ type: PINGRESP }]);
  expect(await one.settled(31_000)).toMatchObject([{ type: DISCONNECT, code: 0x87 }]);

  for (const [text, code] of [
    ['bob:60', 0x87],
    ['nonsense', 0x87],
  ] as const) {
    const other = await log_in('other');
    other.send({ type: AUTH, code: 0x19, properties: proof(text) });
    expect(await other.settled()).toMatchObject([{ type: DISCONNECT, code }]);
  }
});

test('CoAP: another password for the same user renews it; it may come in parts', async () => {
  const broker: Broker = await startBroker({ auth: lasting(() => broker) });
  const client = new CoapTestClient(broker);
  const ask = async (line: string, parts = {}, ms = 0) => {
    client.request(line, parts);
    await broker.clock.advance(ms);
    return client.heard();
  };
  expect(await ask('PUT /t/a?c=d&u=x&p=alice:30', { payload: '1' })).toEqual([
    expect.stringContaining('2.04'),
  ]);
  await broker.clock.advance(20_000);
  expect(await ask('PUT /t/a?c=d&u=x&p=bob:60', { payload: '2' })).toEqual([expect.stringContaining('4.01')]);
  expect(await ask('PUT /t/a?c=d&u=x&p=ali&p=ce:60', { payload: '3' })).toEqual([
    expect.stringContaining('2.04'),
  ]);
  await broker.clock.advance(30_000);
  expect(broker.hub.stats.clients).toBe(1);
  await broker.clock.advance(31_000);
  expect(broker.hub.stats.clients).toBe(0);
});
