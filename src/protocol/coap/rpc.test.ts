// Request and response between CoAP and another protocol, and every way that a call can fail.

import { expect, test } from 'vitest';
import { CoapTestClient as Client } from '../../../test/coap-client.ts';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { type Broker, startBroker } from '../../../test/network.ts';
import { PUBLISH, type Publish } from '../mqtt/packet.ts';
import { coap } from './protocol.ts';

/** An MQTT client that answers requests to `topic` when it is told to. */
async function responder(broker: Broker, topic: string) {
  const mqtt = new MqttClient(broker, 5);
  await mqtt.connect('responder');
  await mqtt.subscribe(topic, { qos: 0 });
  return {
    async asked(): Promise<Publish[]> {
      return (await mqtt.settled()).filter((p) => p.type === PUBLISH);
    },
    async answer(request: Publish, text: string): Promise<void> {
      const { responseTopic, correlationData } = request.properties;
      mqtt.publish(responseTopic!, Buffer.from(text), {
        qos: 0,
        properties: { correlationData: correlationData!, contentType: 'application/json' },
      });
      await mqtt.settled();
    },
  };
}

test('the answer comes back, separate where it takes long; each call gets its own', async () => {
  const broker = await startBroker();
  const mqtt = await responder(broker, 'add');
  const c = new Client(broker);
  c.request('POST /rpc/add', { payload: '1', token: 'a', format: 0 });
  c.request('FETCH /rpc/add', { payload: '2', token: 'b' });
  const [first, second] = await mqtt.asked();
  expect(first!.properties.contentType).toBe('text/plain;charset=utf-8');
  await mqtt.answer(second!, '{"b":2}');
  expect(c.heard()).toEqual(['ACK 2.05 b ct=50 "{\\"b\\":2}"']);
  await broker.clock.advance(1_500);
  expect(c.heard()).toEqual(['ACK 0.00']);
  await mqtt.answer(first!, '{"a":1}');
  expect(c.heard()).toEqual(['CON 2.04 a ct=50 "{\\"a\\":1}"']);
});

test('nobody answers there: 5.04 at once; nobody answers in time: 5.04 then, and a late answer is nobody’s', async () => {
  const broker = await startBroker();
  const c = new Client(broker);
  c.request('POST /rpc/nobody', { payload: '1' });
  await broker.clock.run();
  expect(c.heard()).toEqual(['ACK 5.04 k "nobody answers there"']);
  const mqtt = await responder(broker, 'slow');
  c.request('POST /rpc/slow', { payload: '1', type: 1 });
  const [request] = await mqtt.asked();
  await broker.clock.advance(9_990);
  expect(c.heard()).toEqual([]);
  await broker.clock.advance(20);
  expect(c.heard()).toEqual(['NON 5.04 k "no answer in time"']);
  await mqtt.answer(request!, '{}');
  expect(c.heard()).toEqual([]);
});

test('limits: calls at a time, methods, topics', async () => {
  const broker = await startBroker();
  await responder(broker, '#');
  const c = new Client(broker);
  for (let i = 0; i < 17; i++) c.request('POST /rpc/x', { token: `${i}` });
  await broker.clock.run();
  expect(c.heard().filter((m) => m.startsWith('ACK 4'))).toEqual(['ACK 4.29 16 "quota-exceeded"']);
  const other = new Client(broker);
  for (const line of ['GET /rpc/x', 'POST /rpc/+', 'POST /rpc']) other.request(line);
  await broker.clock.run();
  expect(other.heard()).toEqual([
    'ACK 4.05 k "POST or FETCH"',
    'ACK 4.00 k "topic-invalid"',
    'ACK 4.00 k "topic-invalid"',
  ]);
});

test('an address that is not proved is asked for an Echo before anything is done', async () => {
  const broker = await startBroker();
  const mqtt = await responder(broker, 'x');
  const c = new Client(broker, {}, '192.0.2.9:1234');
  c.request('POST /rpc/x');
  expect(await mqtt.asked()).toEqual([]);
  expect(c.heard()).toEqual(['ACK 4.01 k echo']);
});

test('the hub stops: callers are told', async () => {
  const broker = await startBroker({ protocols: [coap()] });
  const watcher = new Client(broker);
  watcher.request('GET /t/x', { observe: 0 });
  const c = new Client(broker);
  await broker.clock.run();
  c.request('POST /rpc/x', { type: 1 });
  await broker.clock.run();
  await broker.stop();
  expect(c.heard()).toEqual(['NON 5.03 k "shutting-down"']);
});
