// amqplib, the AMQP 0-9-1 client of Node.js applications, against a whole broker.

import amqp, {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  type GetMessage,
} from 'amqplib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { unique, useBroker } from './broker.ts';
import { Inbox } from './inbox.ts';

const SETTINGS = {
  listeners: [{ name: 'amqp', type: 'tcp', host: '127.0.0.1', port: 0, protocols: ['amqp091'] }],
};

const broker = useBroker(() => SETTINGS);
let connection: ChannelModel;
let channel: ConfirmChannel;

beforeEach(async () => {
  connection = await open();
  channel = await connection.createConfirmChannel();
});

afterEach(async () => {
  await connection.close();
});

async function open(): Promise<ChannelModel> {
  const opened = await amqp.connect(`amqp://guest:guest@127.0.0.1:${broker.port('amqp')}?heartbeat=5`);
  opened.on('error', () => undefined);
  return opened;
}

/** A channel that may be closed by a fault, and what closed it. */
async function faulty(): Promise<{ channel: Channel; fault: Promise<Error & { code?: number }> }> {
  const channel = await connection.createChannel();
  const fault = new Promise<Error & { code?: number }>((resolve) => channel.once('error', resolve));
  return { channel, fault };
}

async function listen(
  queue: string,
  options: object = {},
  on: Channel = channel,
): Promise<Inbox<ConsumeMessage>> {
  const inbox = new Inbox<ConsumeMessage>(queue);
  await on.consume(queue, (m) => m !== null && inbox.push(m), options);
  return inbox;
}

const text = (m: { readonly content: Buffer } | false): string | undefined =>
  m === false ? undefined : m.content.toString();

test('a queue: put in, got, acknowledged, given back, dead', async () => {
  const dead = (await channel.assertQueue('', { exclusive: true })).queue;
  const { queue } = await channel.assertQueue(unique('jobs'), {
    deadLetterExchange: '',
    deadLetterRoutingKey: dead,
  });
  for (const body of ['1', '2', '3']) channel.sendToQueue(queue, Buffer.from(body), { persistent: true });
  await channel.waitForConfirms();
  expect(await channel.checkQueue(queue)).toEqual({ queue, messageCount: 3, consumerCount: 0 });
  const first = (await channel.get(queue)) as GetMessage;
  expect([text(first), first.fields.messageCount]).toEqual(['1', 2]);
  channel.nack(first, false, true);
  const again = (await channel.get(queue)) as GetMessage;
  expect([text(again), again.fields.redelivered]).toEqual(['1', true]);
  channel.ack(again);
  channel.reject((await channel.get(queue)) as GetMessage, false);
  const third = await channel.get(queue, { noAck: true });
  expect([text(third), await channel.get(queue)]).toEqual(['3', false]);
  expect(text(await channel.get(dead, { noAck: true }))).toBe('2');
  expect(await channel.deleteQueue(queue)).toEqual({ messageCount: 0 });
});

test('properties and header types there and back', async () => {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const headers = {
    text: 'Wärme',
    int: 7,
    big: 5_000_000_000,
    real: 1.5,
    yes: true,
    nothing: null,
    octets: Buffer.from([0, 255]),
    list: [1, 'two', { three: 3 }],
    table: { nested: { deep: 'x' } },
    when: { '!': 'timestamp', value: 1_700_000_000 },
    short: { '!': 'short', value: 3 },
  };
  const properties = {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    correlationId: 'c-1',
    replyTo: 'answers',
    expiration: '60000',
    messageId: 'm-1',
    timestamp: 1_700_000_000,
    type: 'reading',
    appId: 'app',
    userId: 'guest',
    priority: 3,
  };
  channel.sendToQueue(queue, Buffer.from('{}'), { ...properties, headers, persistent: true });
  const inbox = await listen(queue, { noAck: true });
  const m = await inbox.next();
  expect(m.properties).toMatchObject({
    ...properties,
    expiration: expect.stringMatching(/^(60000|599\d\d)$/),
  });
  expect(m.properties.deliveryMode).toBe(2);
  expect(m.properties.headers).toEqual({
    ...headers,
    short: 3,
    when: expect.objectContaining({ value: 1_700_000_000 }),
  });
});

describe('exchanges', () => {
  const ROUTES: readonly [type: string, key: string, args: object, taken: string[], missed: string[]][] = [
    ['direct', 'a.b', {}, ['a.b'], ['a', 'a.b.c']],
    ['fanout', '', {}, ['', 'a', 'a.b'], []],
    ['topic', 'a.*.c', {}, ['a.b.c', 'a..c'], ['a.c', 'a.b.b.c']],
    ['topic', '#.c', {}, ['c', 'a.c', 'a.b.c'], ['c.a']],
    ['topic', 'a.#.c', {}, ['a.c', 'a.b.c', 'a.b.b.c'], ['a.b', 'b.a.c']],
    ['topic', 'a.#', {}, ['a', 'a.b', 'a.b.c'], ['b']],
    ['topic', '#.x.#.y.#', {}, ['x.y', 'a.x.b.y.c', 'x.x.y.y'], ['y.x']],
  ];
  test.each(ROUTES)('%s %s', async (type, key, args, taken, missed) => {
    const { exchange } = await channel.assertExchange(unique('x'), type, { autoDelete: true });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, exchange, key, args);
    const inbox = await listen(queue, { noAck: true });
    for (const k of [...missed, ...taken]) channel.publish(exchange, k, Buffer.from(k));
    await channel.waitForConfirms();
    for (const k of taken) {
      const m = await inbox.next();
      expect([m.fields.exchange, m.fields.routingKey, text(m)]).toEqual([exchange, k, k]);
    }
  });

  test('headers: all, any', async () => {
    const { exchange } = await channel.assertExchange(unique('x'), 'headers');
    const inboxes: Inbox<ConsumeMessage>[] = [];
    for (const match of ['all', 'any']) {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, exchange, '', { 'x-match': match, a: 1, b: 'x' });
      inboxes.push(await listen(queue, { noAck: true }));
    }
    channel.publish(exchange, 'k', Buffer.from('one'), { headers: { a: 1 } });
    channel.publish(exchange, 'k', Buffer.from('none'), { headers: { a: 2 } });
    channel.publish(exchange, 'k', Buffer.from('both'), { headers: { a: 1, b: 'x' } });
    expect(text(await inboxes[0]!.next())).toBe('both');
    expect([text(await inboxes[1]!.next()), text(await inboxes[1]!.next())]).toEqual(['one', 'both']);
  });

  test('exchange to exchange, each queue once, and an alternate for the rest', async () => {
    const rest = (await channel.assertExchange(unique('rest'), 'fanout')).exchange;
    const from = (await channel.assertExchange(unique('from'), 'topic', { alternateExchange: rest }))
      .exchange;
    const to = (await channel.assertExchange(unique('to'), 'fanout')).exchange;
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const lost = (await channel.assertQueue('', { exclusive: true })).queue;
    await channel.bindQueue(lost, rest, '');
    await channel.bindExchange(to, from, 'a.#');
    await channel.bindQueue(queue, to, '');
    await channel.bindQueue(queue, from, 'a.b');
    for (const key of ['a.b', 'b', 'a.c']) channel.publish(from, key, Buffer.from(key));
    await channel.waitForConfirms();
    const inbox = await listen(queue, { noAck: true });
    expect([text(await inbox.next()), text(await inbox.next())]).toEqual(['a.b', 'a.c']);
    expect(text(await channel.get(lost, { noAck: true }))).toBe('b');
    expect((await channel.checkQueue(queue)).messageCount).toBe(0);
    await channel.unbindExchange(to, from, 'a.#');
    channel.publish(from, 'a.c', Buffer.from('later'));
    await channel.waitForConfirms();
    expect(text(await channel.get(lost, { noAck: true }))).toBe('later');
  });

  test('what nobody gets comes back when it is mandatory', async () => {
    const back = new Inbox<{ fields: { replyCode?: number; replyText?: string }; content: Buffer }>(
      'returned',
    );
    channel.on('return', (m) => back.push(m as never));
    channel.publish('amq.direct', unique('nobody'), Buffer.from('x'), { mandatory: true });
    await channel.waitForConfirms();
    const m = await back.next();
    expect([m.content.toString(), m.fields.replyCode, m.fields.replyText]).toEqual(['x', 312, 'NO_ROUTE']);
  });
});

test('prefetch holds deliveries back until they are acknowledged', async () => {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.prefetch(2);
  const inbox = await listen(queue);
  for (const body of ['1', '2', '3', '4']) channel.sendToQueue(queue, Buffer.from(body));
  await channel.waitForConfirms();
  const [one, two] = [await inbox.next(), await inbox.next()];
  expect((await channel.checkQueue(queue)).messageCount).toBe(2);
  channel.ack(two, true);
  expect([text(one), text(await inbox.next()), text(await inbox.next())]).toEqual(['1', '3', '4']);
});

test('recover gives everything back', async () => {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const inbox = await listen(queue);
  for (const body of ['1', '2']) channel.sendToQueue(queue, Buffer.from(body));
  await inbox.next();
  await inbox.next();
  await channel.recover();
  const again = [await inbox.next(), await inbox.next()];
  expect(again.map((m) => [text(m), m.fields.redelivered])).toEqual([
    ['1', true],
    ['2', true],
  ]);
});

test('a call by direct reply-to', async () => {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const answers = await listen('amq.rabbitmq.reply-to', { noAck: true });
  const server = await connection.createChannel();
  const calls = await listen(queue, { noAck: true }, server);
  channel.sendToQueue(queue, Buffer.from('6*7'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: '1' });
  const call = await calls.next();
  server.sendToQueue(call.properties.replyTo, Buffer.from('42'), {
    correlationId: call.properties.correlationId,
  });
  const answer = await answers.next();
  expect([text(answer), answer.properties.correlationId]).toEqual(['42', '1']);
});

test('a large message goes in many frames', async () => {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const body = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i & 255));
  channel.sendToQueue(queue, body);
  const inbox = await listen(queue, { noAck: true });
  expect((await inbox.next()).content.equals(body)).toBe(true);
});

test('a full queue refuses what it is confirmed for', async () => {
  const { queue } = await channel.assertQueue('', {
    exclusive: true,
    maxLength: 1,
    arguments: { 'x-overflow': 'reject-publish' },
  });
  channel.sendToQueue(queue, Buffer.from('1'));
  await channel.waitForConfirms();
  channel.sendToQueue(queue, Buffer.from('2'));
  await expect(channel.waitForConfirms()).rejects.toThrow();
});

test('a deleted queue cancels its consumers', async () => {
  const { queue } = await channel.assertQueue(unique('gone'));
  const cancelled = new Promise((resolve) => {
    void channel.consume(queue, (m) => m === null && resolve(true));
  });
  await channel.checkQueue(queue);
  await channel.deleteQueue(queue);
  expect(await cancelled).toBe(true);
});

describe('faults close the channel alone', () => {
  const FAULTS: Readonly<Record<string, readonly [code: number, act: (c: Channel) => Promise<unknown>]>> = {
    'no queue': [404, (c) => c.checkQueue('not-there')],
    'no exchange': [404, (c) => c.checkExchange('not-there')],
    'another type': [406, (c) => c.assertExchange('amq.direct', 'fanout')],
    'a reserved name': [403, (c) => c.assertQueue('amq.mine')],
    'the default exchange': [403, (c) => c.bindExchange('', 'amq.direct', 'x')],
    'wrong arguments': [406, (c) => c.assertQueue('w', { expires: -1 } as never)],
  };
  test.each(Object.entries(FAULTS))('%s', async (_name, [code, act]) => {
    const { channel: c, fault } = await faulty();
    await expect(act(c)).rejects.toThrow();
    expect((await fault).code).toBe(code);
    await channel.checkExchange('amq.direct');
  });

  test('another connection has the queue for itself', async () => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const other = await open();
    const c = await other.createChannel();
    const fault = new Promise<Error & { code?: number }>((resolve) => c.once('error', resolve));
    await expect(c.checkQueue(queue)).rejects.toThrow();
    expect((await fault).code).toBe(405);
    await other.close();
  });

  test('an unknown delivery tag', async () => {
    const { channel: c, fault } = await faulty();
    c.ack({ fields: { deliveryTag: 9 } } as never);
    expect((await fault).code).toBe(406);
  });
});
