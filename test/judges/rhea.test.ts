// rhea, the AMQP 1.0 client of Node.js applications, against a whole broker, over TCP and WebSocket.

import rhea, {
  type Connection,
  type ConnectionOptions,
  type EventContext,
  type Message,
  type Receiver,
  type Sender,
} from 'rhea';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { connect as connectClient } from '../../src/client/index.ts';
import { unique, useBroker } from './broker.ts';
import { Inbox, PATIENCE_MS, within } from './inbox.ts';

const broker = useBroker(() => ({
  listeners: [
    { name: 'amqp', type: 'tcp', host: '127.0.0.1', port: 0, protocols: ['amqp091', 'amqp1'] },
    { name: 'ws', type: 'ws', host: '127.0.0.1', port: 0 },
  ],
}));

const open: Connection[] = [];

afterEach(async () => {
  for (const connection of open.splice(0)) {
    if (!connection.is_open()) continue;
    const closed = heard(connection, 'connection_close');
    connection.close();
    await closed;
  }
});

function heard(who: Connection | Sender | Receiver, event: string): Promise<EventContext> {
  return within(
    PATIENCE_MS,
    event,
    () => new Promise((resolve) => (who as Connection).once(event as never, resolve as never)),
  );
}

async function connect(options: Partial<ConnectionOptions> = {}): Promise<Connection> {
  const container = rhea.create_container();
  const connection = container.connect({
    host: '127.0.0.1',
    port: broker.port('amqp'),
    reconnect: false,
    ...options,
  } as ConnectionOptions);
  connection.on('disconnected', () => undefined);
  open.push(connection);
  await heard(connection, 'connection_open');
  return connection;
}

async function sender(connection: Connection, target: unknown, options: object = {}): Promise<Sender> {
  const link = connection.open_sender({ target, ...options } as never);
  await heard(link, 'sendable');
  return link;
}

interface Listening {
  readonly link: Receiver;
  readonly inbox: Inbox<EventContext>;
}

async function listen(connection: Connection, source: unknown, options: object = {}): Promise<Listening> {
  const link = connection.open_receiver({ source, ...options } as never);
  const inbox = new Inbox<EventContext>(JSON.stringify(source));
  link.on('message', (context) => inbox.push(context));
  await heard(link, 'receiver_open');
  return { link, inbox };
}

async function accepted(link: Sender, m: Message): Promise<void> {
  const answer = heard(link, 'accepted');
  link.send(m);
  await answer;
}

const body = (context: EventContext): unknown => context.message!.body;

test('a topic: what is sent is heard, with the wildcards of MQTT', async () => {
  const connection = await connect();
  const place = unique('room');
  const { inbox } = await listen(connection, `${place}/+/heat`);
  const out = await sender(connection, `${place}/1/heat`);
  await accepted(out, { body: 'warm', subject: 's', application_properties: { a: 1, b: 'x' } });
  const context = await inbox.next();
  expect(body(context)).toBe('warm');
  expect(context.message!.application_properties).toEqual({ a: 1, b: 'x' });
  expect(context.message!.message_annotations).toEqual({ 'x-opt-topic': `${place}/1/heat` });
});

describe('sending', () => {
  test('to a topic, a queue, an exchange, and where each message says', async () => {
    const connection = await connect();
    const [topic, queue] = [unique('t'), unique('q')];
    const onTopic = await listen(connection, `topic://${topic}`);
    const onExchange = await listen(connection, `/exchanges/amq.topic/${topic}.*`);
    const onQueue = await listen(connection, `/queues/${queue}`);
    const anonymous = await sender(connection, { address: undefined });
    for (const to of [topic, `queue://${queue}`, `/exchanges/amq.topic/${topic}.x`])
      await accepted(anonymous, { to, body: to });
    expect(body(await onTopic.inbox.next())).toBe(topic);
    expect(body(await onQueue.inbox.next())).toBe(`queue://${queue}`);
    expect(body(await onExchange.inbox.next())).toBe(`/exchanges/amq.topic/${topic}.x`);
    const rejected = heard(anonymous, 'rejected');
    anonymous.send({ body: 'nowhere' });
    expect((await rejected).delivery!.remote_state!.error.condition).toBe('amqp:invalid-field');
  });

  test('what is wrong is said: wildcards and a missing name in a target', async () => {
    const connection = await connect();
    for (const [target, condition] of [
      ['a/#', 'amqp:invalid-field'],
      ['queue://', 'amqp:invalid-field'],
    ]) {
      const link = connection.open_sender({ target: target! });
      const context = await heard(link, 'sender_error');
      expect((context.sender as unknown as { error: { condition: string } }).error.condition).toBe(condition);
    }
  });

  test('settled, in the two modes, and credit that comes again', async () => {
    const connection = await connect();
    const topic = unique('modes');
    const { inbox } = await listen(connection, topic, { credit_window: 10 });
    for (const options of [{ snd_settle_mode: 1 }, { snd_settle_mode: 0 }, { rcv_settle_mode: 1 }]) {
      const link = await sender(connection, topic, options);
      // Exactly once: the receiver keeps it in mind until the sender has settled.
      link.on('accepted', (context) => context.delivery!.update(true));
      for (const round of [1, 2]) {
        for (let i = 0; i < 800; ) {
          for (; i < 800 && link.sendable(); i++) link.send({ body: round * i });
          if (i < 800) await heard(link, 'sendable');
        }
        const all = await inbox.take(800);
        expect(all.map(body)).toEqual(Array.from({ length: 800 }, (_, i) => round * i));
      }
    }
  });

  test('a large message goes in many frames, both ways', async () => {
    const connection = await connect({ max_frame_size: 4_096 });
    const topic = unique('large');
    const { inbox } = await listen(connection, topic);
    const content = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i & 255));
    await accepted(await sender(connection, topic), { body: rhea.message.data_section(content) });
    const m = (await inbox.next()).message!;
    expect(Buffer.compare((m.body as { content: Buffer }).content, content)).toBe(0);
  });
});

describe('receiving', () => {
  test('types, properties and annotations there and back', async () => {
    const connection = await connect();
    const topic = unique('types');
    const { inbox } = await listen(connection, topic);
    const { types } = rhea;
    const sent = {
      durable: true,
      priority: 7,
      ttl: 60_000,
      message_id: rhea.generate_uuid(),
      user_id: '',
      subject: 'subject',
      reply_to: 'answers',
      correlation_id: 12,
      content_type: 'application/json',
      content_encoding: 'utf-8',
      absolute_expiry_time: new Date(4_000_000_000_000),
      creation_time: new Date(1_700_000_000_000),
      group_id: 'group',
      group_sequence: 3,
      reply_to_group_id: 'back',
      application_properties: { text: 'Wärme', small: types.wrap_ubyte(3), yes: true, real: 1.5 },
      message_annotations: { mine: 'kept', 'x-opt-topic': 'forged' },
      footer: { sum: 7 },
      body: types.wrap_map({ deep: types.wrap_list([1, 'two', types.wrap_uint(3)]) }),
    };
    await accepted(await sender(connection, topic), sent as never);
    const m = (await inbox.next()).message!;
    expect(m).toMatchObject({
      ...sent,
      body: { deep: [1, 'two', 3] },
      message_id: sent.message_id,
      user_id: expect.anything(),
      ttl: expect.any(Number),
      message_annotations: { mine: 'kept', 'x-opt-topic': topic },
      application_properties: { text: 'Wärme', small: 3, yes: true, real: 1.5 },
    });
  });

  test('credit by hand, and draining what is left', async () => {
    const connection = await connect();
    const queue = unique('drain');
    const out = await sender(connection, `queue://${queue}`);
    for (const n of [1, 2, 3]) await accepted(out, { body: n });
    const { link, inbox } = await listen(connection, `queue://${queue}`, { credit_window: 0 });
    link.add_credit(2);
    expect((await inbox.take(2)).map(body)).toEqual([1, 2]);
    const drained = heard(link, 'receiver_drained');
    link.drain = true;
    link.add_credit(10);
    await drained;
    expect((await inbox.take(1)).map(body)).toEqual([3]);
    expect((link as unknown as { credit: number }).credit).toBe(0);
  });

  test('accepted, released, modified, rejected', async () => {
    const connection = await connect();
    const queue = unique('outcomes');
    const out = await sender(connection, `queue://${queue}`);
    await accepted(out, { body: 'x' });
    const one = await listen(connection, `queue://${queue}`, { autoaccept: false, credit_window: 1 });
    const first = await one.inbox.next();
    first.delivery!.release({ delivery_failed: true } as never);
    const second = await one.inbox.next();
    expect([second.message!.delivery_count, second.message!.first_acquirer]).toEqual([1, false]);
    const other = await listen(connection, `queue://${queue}`, { autoaccept: false, credit_window: 1 });
    second.delivery!.release({ delivery_failed: true, undeliverable_here: true } as never);
    const third = await other.inbox.next();
    expect(third.message!.delivery_count).toBe(2);
    third.delivery!.reject({ condition: 'app:bad', description: 'no' });
    await accepted(out, { body: 'y' });
    const answers = await Promise.race([one.inbox.next(), other.inbox.next()]);
    expect(body(answers)).toBe('y');
    answers.delivery!.accept();
  });

  test('a selector chooses, and is told back', async () => {
    const connection = await connect();
    const queue = unique('select');
    const filter = rhea.filter.selector("colour = 'red' AND weight > 3");
    const { link, inbox } = await listen(connection, { address: `queue://${queue}`, filter });
    expect(
      Object.keys(
        (link as unknown as { remote: { attach: { source: { filter: object } } } }).remote.attach.source
          .filter,
      ),
    ).toEqual(['jms-selector']);
    const out = await sender(connection, `queue://${queue}`);
    for (const [colour, weight] of [
      ['red', 1],
      ['blue', 9],
      ['red', 4],
    ] as const)
      await accepted(out, { body: `${colour} ${weight}`, application_properties: { colour, weight } });
    expect(body(await inbox.next())).toBe('red 4');
    const wrong = connection.open_receiver({
      source: { address: queue, filter: rhea.filter.selector('colour = = 1') },
    } as never);
    const context = await heard(wrong, 'receiver_error');
    expect((context.receiver as unknown as { error: { condition: string } }).error.condition).toBe(
      'amqp:invalid-field',
    );
  });

  test('a call: the reply goes to a dynamic node', async () => {
    const [client, server] = [await connect(), await connect()];
    const queue = unique('calls');
    const calls = await listen(server, `queue://${queue}`);
    const answering = await sender(server, {});
    const answers = await listen(client, { dynamic: true });
    const address = (answers.link as unknown as { source: { address: string } }).source.address;
    await accepted(await sender(client, `queue://${queue}`), {
      body: '6*7',
      reply_to: address,
      correlation_id: 'c',
    });
    const call = (await calls.inbox.next()).message!;
    await accepted(answering, { to: call.reply_to!, body: '42', correlation_id: call.correlation_id! });
    expect((await answers.inbox.next()).message).toMatchObject({ body: '42', correlation_id: 'c' });
  });
});

test('a durable subscription waits for its client, until it is closed', async () => {
  const topic = unique('durable');
  const source = { address: topic, durable: 2, expiry_policy: 'never' };
  const options = { name: 'mine', autoaccept: true };
  const id = unique('container');
  const one = await connect({ container_id: id });
  await listen(one, source, options);
  const gone = heard(one, 'connection_close');
  one.close();
  await gone;
  const publisher = await connect();
  const out = await sender(publisher, topic);
  await accepted(out, { body: 'while away', durable: true });
  const two = await connect({ container_id: id });
  const again = await listen(two, source, options);
  expect(body(await again.inbox.next())).toBe('while away');
  const closed = heard(again.link, 'receiver_close');
  again.link.close();
  await closed;
  await accepted(out, { body: 'nobody waits' });
  const three = await listen(two, source, options);
  await accepted(out, { body: 'anew' });
  expect(body(await three.inbox.next())).toBe('anew');
});

test('a retained message comes to whoever subscribes, and says so', async () => {
  const connection = await connect();
  const topic = unique('retained');
  await accepted(await sender(connection, topic), {
    body: '21',
    message_annotations: { 'x-opt-retain': true },
  });
  const { inbox } = await listen(connection, topic);
  const { message } = await inbox.next();
  expect([message!.body, message!.delivery_annotations]).toEqual(['21', { 'x-opt-retained': true }]);
});

test.each(['amqp', 'AMQPWSB10'])('over WebSocket, subprotocol %s', async (subprotocol) => {
  const ws = rhea.websocket_connect(WebSocket as never);
  const details = ws(`ws://127.0.0.1:${broker.port('ws')}/amqp`, [subprotocol], {});
  const connection = await connect({ connection_details: details } as never);
  const topic = unique('web');
  const { inbox } = await listen(connection, topic);
  await accepted(await sender(connection, topic), { body: 'there' });
  expect(body(await inbox.next())).toBe('there');
});

test("the package's own client speaks to a broker that is not ours: rhea as one", async () => {
  const container = rhea.create_container({ id: 'theirs' });
  const takers = new Map<string, Sender>();
  container.on('sender_open', ({ sender: link }) => {
    const { address } = (link as unknown as { source: { address: string } }).source;
    link!.set_source({ address } as never);
    takers.set(address, link!);
  });
  container.on('receiver_open', ({ receiver: link }) =>
    link!.set_target((link as unknown as { remote: { attach: { target: never } } }).remote.attach.target),
  );
  container.on('message', ({ message, receiver: link }) => {
    const { address } = (link as unknown as { target: { address: string } }).target;
    takers.get(address)?.send(message!);
  });
  container.on('connection_error', () => undefined);
  const server = container.listen({ port: 0, host: '127.0.0.1' });
  await within(PATIENCE_MS, 'a port', () => new Promise((resolve) => server.once('listening', resolve)));
  const { port } = server.address() as { port: number };
  const client = await connectClient(`amqp://127.0.0.1:${port}`);
  const s = await client.subscribe('a/b', { qos: 1 });
  for (const qos of [0, 1] as const) {
    await client.publish('a/b', `level ${qos}`, { qos, contentType: 'text/plain' });
    const m = await within(PATIENCE_MS, 'a message', () => s.next());
    expect([m!.topic, m!.text(), m!.meta?.contentType]).toEqual(['a/b', `level ${qos}`, 'text/plain']);
  }
  await client.close();
  server.close();
});

test("the package's own client over TCP and WebSocket", async () => {
  for (const url of [`amqp://127.0.0.1:${broker.port('amqp')}`, `amqp+ws://127.0.0.1:${broker.port('ws')}`]) {
    const client = await connectClient(url);
    const topic = unique('own');
    const s = await client.subscribe(`${topic}/#`, { qos: 2 });
    await client.publish(`${topic}/x`, 'there', { qos: 2 });
    const m = await within(PATIENCE_MS, 'a message', () => s.next());
    expect([m!.topic, m!.text(), m!.qos]).toEqual([`${topic}/x`, 'there', 2]);
    await client.close();
  }
});
