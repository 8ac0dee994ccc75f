// One work queue for every protocol: each message goes to one consumer, whatever it speaks.

import { expect, test } from 'vitest';
import { startBroker } from '../network.ts';
import { StompClient } from '../stomp-client.ts';
import { PROTOCOLS, type Speaker } from './speakers.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const hex = (s: string): string =>
  Buffer.from(s)
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');

/** STOMP has a form of its own for queues; here it says the topic, like everybody. */
const NAMES = Object.keys(PROTOCOLS);
const PAIRS = NAMES.flatMap((from) => NAMES.map((to) => [from, to] as const));

async function open(
  broker: Awaited<ReturnType<typeof startBroker>>,
  name: string,
  client: string,
): Promise<Speaker> {
  return PROTOCOLS[name]!.open(broker, client);
}

test.each(PAIRS)('%s puts in, %s takes out', async (from, to) => {
  const broker = await startBroker();
  const source = await open(broker, from, 'source');
  const jobs = ['1', '2', '3', '4'];
  const [early, late] = [jobs.slice(0, 2), jobs.slice(2)];
  const put = async (job: string): Promise<void> => {
    await source.publish({ topic: '$queue/jobs', payload: text(job), qos: 1, retain: false, said: {} });
  };
  for (const job of early) await put(job);
  const one = await open(broker, to, 'one');
  await one.subscribe('$queue/jobs', 1);
  const waited = (await one.heard()).map((h) => h.payload);
  const two = await open(broker, to, 'two');
  await two.subscribe('$queue/jobs', 1);
  for (const job of late) await put(job);
  const shares = [(await one.heard()).map((h) => h.payload), (await two.heard()).map((h) => h.payload)];
  expect(waited).toEqual(early.map(hex));
  expect(shares.flat().toSorted()).toEqual(late.map(hex));
  expect(shares.map((share) => share.length)).toEqual([1, 1]);
});

test('a STOMP queue is the same one, and what its consumer does not answer goes to an MQTT client', async () => {
  const broker = await startBroker();
  const stomp = await StompClient.connect(broker);
  stomp.say('SUBSCRIBE', { id: '0', destination: '/queue/jobs', ack: 'client-individual' });
  await stomp.heard();
  const mqtt = await open(broker, 'mqtt 5', 'm');
  await mqtt.publish({ topic: '$queue/jobs', payload: text('x'), qos: 0, retain: false, said: {} });
  expect(await stomp.heard()).toMatchObject([{ headers: { destination: '/queue/jobs' } }]);
  await mqtt.subscribe('$queue/jobs', 1);
  expect(await mqtt.heard()).toEqual([]);
  stomp.raw.cut();
  await broker.clock.run();
  expect(await mqtt.heard()).toMatchObject([{ topic: '$queue/jobs', payload: hex('x'), qos: 1 }]);
});

test('a STOMP client asks, an MQTT 5 client answers, and the other way round', async () => {
  const broker = await startBroker();
  const stomp = await StompClient.connect(broker);
  const mqtt = await open(broker, 'mqtt 5', 'm');
  await mqtt.subscribe('calls', 1);
  stomp.say('SEND', { destination: '/topic/calls', 'reply-to': '/temp-queue/r', 'correlation-id': '7' }, '?');
  await broker.clock.run();
  const [call] = await mqtt.heard();
  const { responseTopic, correlation } = call!.said;
  const said = { correlation: correlation! };
  await mqtt.publish({ topic: responseTopic!, payload: text('!'), qos: 1, retain: false, said });
  const [answer] = await stomp.heard();
  expect([answer!.body.toString(), answer!.headers.subscription]).toEqual(['!', '/temp-queue/r']);

  stomp.say('SUBSCRIBE', { id: '1', destination: '/queue/calls' });
  await stomp.heard();
  await mqtt.subscribe('answers', 1);
  const asked = { responseTopic: 'answers', correlation: '00 ff' };
  await mqtt.publish({ topic: '$queue/calls', payload: text('?'), qos: 1, retain: false, said: asked });
  const [asking] = await stomp.heard();
  const { 'reply-to': destination, 'correlation-id': id } = asking!.headers;
  stomp.say('SEND', { destination: destination!, 'correlation-id': id!.replace(':', '\\c') }, '!');
  await broker.clock.run();
  expect(await mqtt.heard()).toMatchObject([{ topic: 'answers', said: { correlation: '00 ff' } }]);
});
