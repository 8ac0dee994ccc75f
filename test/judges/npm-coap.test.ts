// The npm package `coap` judges CoAP over UDP, as a client: requests, options, observations, and large answers.

import { Agent, type IncomingMessage, type ObserveReadStream, request } from 'coap';
import { expect, test } from 'vitest';
import { unique, useBroker } from './broker.ts';
import { Inbox } from './inbox.ts';
import { connect, endClients } from './mqttjs.ts';

const broker = useBroker(() => ({
  listeners: [
    { name: 'udp', type: 'udp', host: '127.0.0.1', port: 0 },
    { name: 'tcp', type: 'tcp', host: '127.0.0.1', port: 0 },
  ],
}));
endClients();

interface Asked {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly query?: string;
  readonly payload?: string;
  readonly observe?: boolean;
  readonly options?: Record<string, string>;
}

function ask(pathname: string, asked: Asked = {}): Promise<IncomingMessage> {
  const { payload = '', ...parts } = asked;
  // One for each: an agent closes its socket with its last request.
  const agent = new Agent({ type: 'udp4' });
  return new Promise((resolve, reject) => {
    const sent = request({ hostname: '127.0.0.1', port: broker.port('udp'), pathname, agent, ...parts });
    sent.on('response', resolve);
    sent.on('error', reject);
    sent.end(payload);
  });
}

test('PUT, GET, DELETE with a content format', async () => {
  const path = `/t/${unique('npm')}`;
  const options = { 'Content-Format': 'application/json' };
  expect((await ask(path, { method: 'PUT', query: 'retain=1', payload: '{}', options })).code).toBe('2.04');
  const got = await ask(path);
  expect([got.code, got.payload.toString(), got.headers['Content-Format']]).toEqual([
    '2.05',
    '{}',
    'application/json',
  ]);
  expect((await ask(path, { method: 'DELETE' })).code).toBe('2.02');
  expect((await ask(path)).code).toBe('4.04');
});

test('a large value is put together from its blocks', async () => {
  const topic = unique('large');
  const mqtt = await connect(broker, { protocolVersion: 5 });
  await mqtt.publish(topic, 'x'.repeat(10_000), { qos: 1, retain: true });
  expect((await ask(`/t/${topic}`)).payload.toString()).toBe('x'.repeat(10_000));
});

test('an observer hears MQTT until it closes', async () => {
  const topic = unique('observed');
  const mqtt = await connect(broker, { protocolVersion: 5 });
  await mqtt.publish(topic, 'first', { qos: 1, retain: true });
  const inbox = new Inbox<string>('notifications');
  const stream = (await ask(`/t/${topic}`, { observe: true })) as ObserveReadStream;
  stream.on('data', (octets: Buffer) => inbox.push(octets.toString()));
  expect(await inbox.next()).toBe('first');
  for (const [i, text] of ['second', 'third'].entries()) {
    await mqtt.publish(topic, text, { qos: i === 0 ? 0 : 1 });
    expect(await inbox.next()).toBe(text);
  }
  stream.close();
  expect((await ask(`/t/${topic}`)).payload.toString()).toBe('first');
});
