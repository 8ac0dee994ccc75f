// rhea, the AMQP 1.0 client of Node.js applications, against a whole broker, over TCP and WebSocket.

import rhea, {
  type Connection,
  type ConnectionOptions,
  type EventContext,
  type Message,
  type Receiver,
  type Sender,
} from 'rhea';
import { afterEach, expect, test } from 'vitest';
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
