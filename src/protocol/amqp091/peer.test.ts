// An AMQP 0-9-1 connection in memory: restarts, heartbeats, hostile frames, and what waits for a commit.

import { expect, test } from 'vitest';
import { Amqp091Client } from '../../../test/amqp091-client.ts';
import { startBroker } from '../../../test/network.ts';
import type { Method } from './packet.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const NO = { passive: false, autoDelete: false, internal: false, exclusive: false, noWait: false };

const exchange = (name: string, type: string): Method => ({
  name: 'exchange.declare',
  exchange: name,
  type,
  ...NO,
  durable: true,
  table: [],
});
const queue = (name: string): Method => ({
  name: 'queue.declare',
  queue: name,
  ...NO,
  durable: true,
  table: [],
});
const bind = (name: string, to: string, key: string): Method => ({
  name: 'queue.bind',
  queue: name,
  exchange: to,
  routingKey: key,
  noWait: false,
  table: [],
});
const get = (name: string): Method => ({ name: 'basic.get', queue: name, noAck: true });

test('what is durable outlives the process: exchange, queue, bindings, persistent messages', async () => {
  const broker = await startBroker();
  const c = await new Amqp091Client(broker).open();
  await c.ask(exchange('logs', 'topic'));
  await c.ask({ ...exchange('loose', 'fanout'), durable: false } as Method);
  await c.ask(queue('keep'));
  await c.ask(bind('keep', 'logs', 'a.#'));
  await c.ask(bind('keep', 'loose', ''));
  await c.ask({ name: 'confirm.select', noWait: false });
  c.publish('logs', 'a.b', text('1'), { deliveryMode: 2 });
  expect((await c.hear()).map((h) => h.method.name)).toEqual(['basic.ack']);
  await broker.crash();
  const d = await new Amqp091Client(broker).open();
  expect(await d.ask(get('keep'))).toMatchObject({
    name: 'basic.get-ok',
    exchange: 'logs',
    routingKey: 'a.b',
  });
  d.publish('logs', 'a.c', text('2'));
  expect((await d.ask(get('keep'))).name).toBe('basic.get-ok');
  await d.ask({ ...exchange('loose', 'fanout'), durable: false } as Method);
  d.publish('loose', 'x', text('3'));
  expect((await d.ask(get('keep'))).name).toBe('basic.get-empty');
});

test('a confirm waits for the commit', async () => {
  const broker = await startBroker({ commitMs: 50 });
  const c = await new Amqp091Client(broker).open();
  c.say(1, queue('q'));
  await broker.clock.advance(200);
  await c.hear();
  await c.ask({ name: 'confirm.select', noWait: false });
  c.publish('', 'q', text('1'), { deliveryMode: 2 });
  c.publish('', 'q', text('2'), { deliveryMode: 2 });
  expect(await c.hear()).toEqual([]);
  await broker.clock.advance(200);
  const confirmed = (await c.hear()).map((h) => h.method);
  expect(confirmed.at(-1)).toMatchObject({ name: 'basic.ack', deliveryTag: 2 });
});

test('heartbeats leave in silence, and two silent times end the connection', async () => {
  const broker = await startBroker();
  const c = await new Amqp091Client(broker).open(10);
  await broker.clock.advance(11_000);
  expect(c.raw.closed).toBe(false);
  expect(c.raw.take().length).toBeGreaterThan(0);
  await broker.clock.advance(15_000);
  expect(c.raw.closed).toBe(true);
});

const HOSTILE: readonly [title: string, methods: readonly Method[], code: number][] = [
  ['a method of the server', [{ name: 'basic.get-empty' }], 530],
  ['a second channel.open', [{ name: 'channel.open' }], 504],
  ['start-ok again', [{ name: 'connection.secure-ok', response: new Uint8Array() }], 504],
];

test.each(HOSTILE)('%s closes the connection with its code', async (_title, methods, code) => {
  const broker = await startBroker();
  const c = await new Amqp091Client(broker).open();
  for (const m of methods) c.say(m.name === 'connection.secure-ok' ? 7 : 1, m);
  const heard = (await c.hear()).map((h) => h.method);
  expect(heard).toMatchObject([{ name: 'connection.close', replyCode: code }]);
  await broker.clock.advance(6_000); // close-ok never comes
  expect(c.raw.closed).toBe(true);
});

test('[AMQP091-1.4.2.10] close is answered as often as it is said, and it is the client that closes the socket', async () => {
  const broker = await startBroker();
  const c = await new Amqp091Client(broker).open();
  await c.ask({ ...queue('mine'), exclusive: true } as Method);
  const close = { name: 'connection.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 } as const;
  c.say(0, close);
  c.say(0, close);
  const heard = (await c.hear()).map((h) => h.method.name);
  expect([heard, c.raw.closed]).toEqual([['connection.close-ok', 'connection.close-ok'], false]);
  const other = await new Amqp091Client(broker).open();
  await other.ask(queue('mine')); // what was exclusive went with close-ok, not with the socket
  await broker.clock.advance(1_000);
  expect(c.raw.closed).toBe(true);
});

test('[AMQP091-1.5.2.3] flow: on is no news, off is refused, as by RabbitMQ', async () => {
  const c = await new Amqp091Client(await startBroker()).open();
  c.say(1, { name: 'channel.flow', active: true });
  expect((await c.hear()).map((h) => h.method)).toEqual([{ name: 'channel.flow-ok', active: true }]);
  c.say(1, { name: 'channel.flow', active: false });
  expect((await c.hear()).map((h) => h.method)).toMatchObject([{ name: 'connection.close', replyCode: 540 }]);
});

test('another protocol header is answered with the one that is spoken', async () => {
  const broker = await startBroker();
  const raw = broker.connect({ protocol: 'amqp091' });
  raw.send('41 4d 51 50 00 00 08 00');
  await broker.clock.advance(0);
  expect([Buffer.from(raw.take()).toString('hex'), raw.closed]).toEqual(['414d515000000901', true]);
});

test('a frame that announces more than was agreed on ends the connection before memory is taken', async () => {
  const broker = await startBroker();
  const c = await new Amqp091Client(broker).open();
  c.raw.send('03 00 01 7f ff ff ff');
  expect((await c.hear()).map((h) => h.method)).toMatchObject([{ name: 'connection.close', replyCode: 501 }]);
  expect(c.raw.closed).toBe(true);
});

test('who never logs in is sent away', async () => {
  const broker = await startBroker();
  const raw = broker.connect({ protocol: 'amqp091' });
  raw.send('41 4d 51 50 00 00 09 01');
  await broker.clock.advance(120_000);
  expect(raw.closed).toBe(true);
});

test('x-death counts: a message that is rejected, waits, and comes back, again and again', async () => {
  const broker = await startBroker();
  const c = await new Amqp091Client(broker).open();
  const words = (of: Readonly<Record<string, string | bigint>>) =>
    Object.entries(of).map(
      ([name, value]) => [name, { type: typeof value === 'string' ? 'S' : 'l', value }] as const,
    );
  const back = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'jobs', 'x-message-ttl': 1_000n };
  const wait = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'wait' };
  await c.ask({ ...queue('wait'), table: words(back) } as Method);
  await c.ask({ ...queue('jobs'), table: words(wait) } as Method);
  c.publish('', 'jobs', text('1'));
  for (let round = 0; round < 3; round++) {
    c.say(1, { name: 'basic.get', queue: 'jobs', noAck: false });
    const [got] = await c.hear();
    const deliveryTag = (got!.method as { deliveryTag: number }).deliveryTag;
    c.say(1, { name: 'basic.reject', deliveryTag, requeue: false });
    await broker.clock.advance(1_100);
  }
  c.say(1, { name: 'basic.get', queue: 'jobs', noAck: true });
  const headers = new Map((await c.hear())[0]!.properties!.headers);
  const deaths = (
    headers.get('x-death')!.value as unknown as { value: [string, { value: unknown }][] }[]
  ).map(({ value }) => new Map(value.map(([name, entry]) => [name, entry.value])));
  expect(deaths.map((d) => [d.get('queue'), d.get('reason'), d.get('count'), d.get('exchange')])).toEqual([
    ['wait', 'expired', 3n, ''],
    ['jobs', 'rejected', 3n, ''],
  ]);
  expect(deaths[0]!.get('routing-keys')).toMatchObject([{ value: 'wait' }]);
  expect([headers.get('x-first-death-reason')!.value, headers.get('x-last-death-queue')!.value]).toEqual([
    'rejected',
    'wait',
  ]);
});
