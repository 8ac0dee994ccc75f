// `kill -9` under real clients: MQTT.js and Paho come back by themselves, and nothing at QoS 2 is lost or comes twice.

import { expect, test } from 'vitest';
import { useServers } from '../fault/server.ts';
import { unique } from './broker.ts';
import { endClients, JsClient, texts } from './mqttjs.ts';
import { missingPaho, PAHO } from './paho.ts';
import { endTools, judgedBy, OPEN, Tool } from './tool.ts';

const servers = useServers();
endClients();
endTools();

test.each([4, 5] as const)('MQTT.js at version %i', async (protocolVersion) => {
  const keep = {
    ...{ protocolVersion, clean: false, reconnectPeriod: 20, resubscribe: false },
    ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 600 } } : {}),
  };
  const broken = servers.launch();
  const port = await broken.ready;
  const url = `mqtt://127.0.0.1:${port}`;
  const topic = unique('crash');
  const taker = await new JsClient(url, keep).online();
  const giver = await new JsClient(url, keep).online();
  const watcher = await new JsClient(url, { ...keep, clientId: unique('away') }).online();
  await Promise.all([taker, watcher].map((c) => c.subscribe(topic, { qos: 2 })));
  await giver.publish(`${topic}/kept`, 'retained', { qos: 1, retain: true });
  await watcher.leave();

  const sent = Array.from({ length: 1_000 }, (_, i) => `${i}`);
  const publishes = sent.map((text) => giver.publish(topic, text, { qos: 2 }));
  await publishes[300];
  await broken.kill();
  await servers.launch({ flags: ['--ports-mqtt', `${port}`] }).ready;
  await Promise.all(publishes);
  await giver.publish(topic, 'end', { qos: 2 });
  const got = texts(await taker.take(1_001));
  expect([...got].sort()).toEqual([...sent, 'end'].sort());
  expect(await taker.received()).toEqual([]);

  const late = await new JsClient(url, { ...keep, clientId: watcher.mqtt.options.clientId! }).online();
  expect(late.connack.sessionPresent).toBe(true);
  expect(texts(await late.take(1_001)).sort()).toEqual([...sent, 'end'].sort());
  await late.subscribe(`${topic}/kept`);
  expect(await late.next()).toMatchObject({ text: 'retained', packet: { retain: true } });
});

judgedBy(
  [],
  'Paho for Python',
  () => {
    test('at version 5', async () => {
      const broken = servers.launch();
      const port = await broken.ready;
      const judge = new Tool([...PAHO, 'survive', `${port}`, '5'], OPEN);
      const ask = async (command: string) => {
        judge.write(command);
        const line = await judge.lines.find((l) => /^done|Error/.test(l));
        expect(line).toBe(`done ${command.split(' ')[0]}`);
      };
      await ask('start');
      await ask('send 0 500');
      await broken.kill();
      await servers.launch({ flags: ['--ports-mqtt', `${port}`] }).ready;
      await ask('send 500 700');
      await ask('take 700');
    });
  },
  missingPaho(),
);

test('a work queue keeps what was acknowledged to its publisher, and forgets what its consumers acknowledged', async () => {
  const broken = servers.launch();
  const port = await broken.ready;
  const url = `mqtt://127.0.0.1:${port}`;
  const queue = `$queue/${unique('jobs')}`;
  const giver = await new JsClient(url, { reconnectPeriod: 20 }).online();
  const sent = Array.from({ length: 600 }, (_, i) => `${i}`);
  await Promise.all(sent.slice(0, 300).map((text) => giver.publish(queue, text, { qos: 1 })));
  const taker = await new JsClient(url, {}).online();
  await taker.subscribe(queue, { qos: 1 });
  const first = texts(await taker.take(300));
  await taker.leave();
  await Promise.all(sent.slice(300).map((text) => giver.publish(queue, text, { qos: 1 })));
  await broken.kill();
  await servers.launch({ flags: ['--ports-mqtt', `${port}`] }).ready;
  const [one, two] = [await new JsClient(url, {}).online(), await new JsClient(url, {}).online()];
  await one.subscribe(queue, { qos: 1 });
  await two.subscribe(queue, { qos: 1 });
  await giver.publish(queue, 'end', { qos: 1 });
  const rest = [...texts(await one.received()), ...texts(await two.received())];
  expect(first).toEqual(sent.slice(0, 300));
  expect(rest.sort()).toEqual([...sent.slice(300), 'end'].sort());
});
