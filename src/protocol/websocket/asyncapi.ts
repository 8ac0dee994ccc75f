// The AsyncAPI 3 document of `waymeet.v1`, made from the tables that check its frames.

import { type Fields, schemaOf } from './fields.ts';
import { CLIENT_FRAMES, HUB_FRAMES } from './frames.ts';

/** What each frame is for; the frames of both sides have different names but for `received` and `release`. */
const ABOUT: Readonly<Record<string, string>> = {
  connect: 'The first frame: who the client is, how long its session lasts, its will.',
  publish: 'Publishes a message.',
  request: 'Publishes a message and waits for the first answer to it.',
  subscribe: 'Asks for the messages of a topic filter.',
  unsubscribe: 'Ends a subscription.',
  ack: 'The client took a message for good.',
  reject: 'The client does not take a message.',
  received: 'Exactly once, second step: the message with this number is stored.',
  release: 'Exactly once, third step: the number will not be used for this message again.',
  renew: 'Shows another proof of the same user, before the first one runs out.',
  ping: 'Says that the client is here.',
  disconnect: 'Goodbye: the will is dropped.',
  connected: 'The login is through.',
  renewed: 'The new proof holds.',
  published: 'The message is kept, or for exactly once: is done with.',
  subscribed: 'The subscription holds; its retained messages follow.',
  unsubscribed: 'The subscription is over.',
  message: 'A message of a subscription.',
  response: 'The answer to a request.',
  pong: 'The answer to a ping.',
  error: 'A frame failed (its `id`), or the connection ends.',
};

/** Which frames of the hub answer a client's, an error apart. */
const REPLIES: Readonly<Record<string, readonly string[]>> = {
  connect: ['connected'],
  publish: ['published', 'received'],
  request: ['response'],
  release: ['published'],
  received: ['release'],
  subscribe: ['subscribed'],
  unsubscribe: ['unsubscribed'],
  renew: ['renewed'],
  ping: ['pong'],
};

/** `path` is where the WebSocket is served. */
export function asyncApi(version: string, path: string): object {
  const messages = { ...messagesOf(CLIENT_FRAMES, 'client'), ...messagesOf(HUB_FRAMES, 'hub') };
  const names = Object.keys(messages);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'waymeet.v1',
      version,
      description:
        'Messages over WebSocket, subprotocol `waymeet.v1`: JSON objects in text frames, or the same as CBOR maps in binary frames. The hub answers in the form that the client began with.',
    },
    defaultContentType: 'application/json',
    servers: { hub: { host: 'localhost:8080', pathname: path, protocol: 'ws' } },
    channels: {
      waymeet: {
        address: path,
        servers: [{ $ref: '#/servers/hub' }],
        messages: Object.fromEntries(names.map((name) => [name, ref(`components/messages/${name}`)])),
        bindings: {
          ws: {
            method: 'GET',
            headers: {
              type: 'object',
              properties: { 'Sec-WebSocket-Protocol': { const: 'waymeet.v1' } },
              required: ['Sec-WebSocket-Protocol'],
            },
            bindingVersion: '0.1.0',
          },
        },
      },
    },
    operations: { ...received(), ...sent() },
    components: { messages },
  };
}

function ref(to: string): object {
  return { $ref: `#/${to}` };
}

function messagesOf(
  frames: Readonly<Record<string, Fields>>,
  side: 'client' | 'hub',
): Record<string, object> {
  return Object.fromEntries(
    Object.entries(frames).map(([type, fields]) => [
      nameOf(type, side),
      { name: type, summary: ABOUT[type], payload: schemaOf(fields, type) },
    ]),
  );
}

/** Two frames have both sides; the others are one side's own. */
function nameOf(type: string, side: 'client' | 'hub'): string {
  const both = Object.hasOwn(CLIENT_FRAMES, type) && Object.hasOwn(HUB_FRAMES, type);
  return both ? `${side}-${type}` : type;
}

/** What the hub reads. */
function received(): Record<string, object> {
  const operations: Record<string, object> = {};
  for (const type of Object.keys(CLIENT_FRAMES)) {
    const answers = REPLIES[type];
    const reply =
      answers === undefined ? undefined : [...answers.map((name) => nameOf(name, 'hub')), 'error'];
    operations[`read-${type}`] = {
      action: 'receive',
      channel: ref('channels/waymeet'),
      summary: ABOUT[type],
      messages: [ref(`channels/waymeet/messages/${nameOf(type, 'client')}`)],
      ...(reply !== undefined && {
        reply: {
          channel: ref('channels/waymeet'),
          messages: reply.map((name) => ref(`channels/waymeet/messages/${name}`)),
        },
      }),
    };
  }
  return operations;
}

/** What the hub writes without being asked just then. */
function sent(): Record<string, object> {
  return Object.fromEntries(
    ['message', 'error'].map((type) => [
      `write-${type}`,
      {
        action: 'send',
        channel: ref('channels/waymeet'),
        summary: ABOUT[type],
        messages: [ref(`channels/waymeet/messages/${type}`)],
      },
    ]),
  );
}
