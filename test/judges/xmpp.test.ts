// XMPP as others speak it: @xmpp/client over TCP, TLS and WebSocket, and Debian's slixmpp.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { type Client, client as createClient, type Element, xml } from '@xmpp/client';
import mqtt from 'mqtt';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import { addUser } from '../../src/auth/users.ts';
import { Authority } from '../transport/certificates.ts';
import { unique, useBroker } from './broker.ts';
import { Inbox, PATIENCE_MS } from './inbox.ts';
import { isHere, judgedBy, run } from './tool.ts';

const PYTHON = '/usr/bin/python3';
const CASES = [
  'there_and_back',
  'nodes',
  'items',
  'personal',
  'direct',
  'offline',
  'resumption',
  'discovery',
  'scram256',
  'scram1',
  'wrong_password',
];

const CARRIERS = ['tcp', 'starttls', 'tls', 'websocket'] as const;
/** Nobody meets what another test left in an inbox. */
const USERS = [...CASES, ...CARRIERS].flatMap((what) =>
  ['anna', 'bert', 'cleo'].map((name) => `${name}.${what}`),
);

const authority = new Authority();
// Node 20 has no WebSocket of its own, and the client takes no authorities of certificates.
vi.stubGlobal('WebSocket', WebSocket);
vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
afterAll(() => {
  for (const name of ['xmpp', 'xmpp+ws']) expect(broker.server.hub.counters.of(name).faults).toBe(0);
  authority.remove();
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

const broker = useBroker(async (b) => {
  for (const user of USERS)
    await addUser(b.file('users'), user, `${user}-secret`, { scramIterations: 4_096 });
  const issued = authority.issue('localhost');
  const tls = { cert: b.write('c.pem', issued.cert), key: b.write('k.pem', issued.key) };
  const host = '127.0.0.1';
  return {
    listeners: [
      { name: 'tcp', type: 'tcp', host, port: 0, anonymous: true },
      { name: 'ws', type: 'ws', host, port: 0, anonymous: true },
      { name: 'xmpp', type: 'tcp', host, port: 0, protocols: ['xmpp'], tls, anonymous: true },
      { name: 'xmpps', type: 'tls', host, port: 0, protocols: ['xmpp'], tls, anonymous: true },
    ],
    auth: { users: './users' },
  };
});

function missing(): string[] {
  if (!isHere(PYTHON)) return ['python3'];
  const found = spawnSync(PYTHON, ['-c', 'import slixmpp']).status === 0;
  return [...(found ? [] : ['python3-slixmpp']), ...(isHere('stdbuf') ? [] : ['stdbuf'])];
}

judgedBy(
  [],
  'slixmpp, with STARTTLS',
  () => {
    test.concurrent.each(CASES)(
      '%s',
      async (name) => {
        const script = path.join(import.meta.dirname, 'xmpp-cases.py');
        const exit = await run([PYTHON, script, name, `${broker.port('xmpp')}`], '', 3 * PATIENCE_MS);
        expect(exit).toMatchObject({ code: 0, out: 'ok\n' });
      },
      4 * PATIENCE_MS,
    );
  },
  missing(),
);

/** The network fails: what is below says no goodbye. */
function cut({ socket }: Client): void {
  const below = socket?.socket ?? socket;
  if (below?.terminate !== undefined) below.terminate();
  else below?.destroy?.();
}

const PUBSUB = 'http://jabber.org/protocol/pubsub';

describe.each(CARRIERS)('@xmpp/client over %s', (how) => {
  const clients: Client[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((one) => one.stop()));
  });

  function serviceOf(): string {
    if (how === 'websocket') return `ws://localhost:${broker.port('ws')}/xmpp`;
    if (how === 'tls') return `xmpps://localhost:${broker.port('xmpps')}`;
    return `xmpp://localhost:${broker.port(how === 'tcp' ? 'tcp' : 'xmpp')}`;
  }

  interface Connected {
    readonly client: Client;
    readonly stanzas: Inbox<Element>;
    /** `<enabled/>` of stream management. */
    readonly enabled: Inbox<Element>;
  }

  async function connect(name?: string): Promise<Connected> {
    const username = `${name}.${how}`;
    const login = name === undefined ? {} : { username, password: `${username}-secret` };
    const client = createClient({
      service: serviceOf(),
      domain: 'localhost',
      resource: unique('r'),
      ...login,
    });
    const stanzas = new Inbox<Element>('stanzas');
    client.on('stanza', (stanza: Element) => stanzas.push(stanza));
    const enabled = new Inbox<Element>('<enabled/>');
    client.on('element', (e: Element) => e.is('enabled') && enabled.push(e));
    client.on('error', () => undefined); // a lost connection that a test wants
    client.reconnect.delay = 10;
    clients.push(client);
    await client.start();
    await client.send(xml('presence'));
    return { client, stanzas, enabled };
  }

  const isMessage = (stanza: Element): boolean => stanza.is('message');

  test('a login with SCRAM, a ping, presence', async () => {
    const { client, stanzas } = await connect('anna');
    expect(client.jid.bare().toString()).toBe(`anna.${how}@localhost`);
    const pong = await client.iqCaller.get(xml('ping', { xmlns: 'urn:xmpp:ping' }), 'localhost');
    expect(pong).toBeUndefined();
    const presence = await stanzas.find((stanza) => stanza.is('presence'));
    expect(presence.attrs.from).toBe(client.jid.toString());
  });

  test('nodes are topics: an item reaches MQTT, and a message of MQTT is an item', async () => {
    const { client, stanzas } = await connect('anna');
    const node = unique('room');
    const device = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port('tcp')}`, { protocolVersion: 5 });
    const arrived = new Inbox<string>('messages of MQTT');
    device.on('message', (_topic, payload) => arrived.push(payload.toString()));
    await device.subscribeAsync(node, { qos: 1 });
    const service = 'pubsub.localhost';
    const jid = client.jid.toString();
    await client.iqCaller.set(xml('pubsub', { xmlns: PUBSUB }, xml('subscribe', { node, jid })), service);
    const entry = xml('entry', { xmlns: 'http://www.w3.org/2005/Atom' }, xml('title', {}, 'Wärme'));
    const publish = xml('publish', { node }, xml('item', { id: '1' }, entry));
    const answer = await client.iqCaller.set(xml('pubsub', { xmlns: PUBSUB }, publish), service);
    expect(answer.getChild('publish')?.getChild('item')?.attrs.id).toBe('1');
    expect(await arrived.next()).toBe(
      "<entry xmlns='http://www.w3.org/2005/Atom'><title>Wärme</title></entry>",
    );
    const itemIn = (m: Element) =>
      m.getChild('event', `${PUBSUB}#event`)?.getChild('items')?.getChild('item') as Element;
    const own = itemIn(await stanzas.find(isMessage));
    expect([own.attrs.id, own.attrs.publisher]).toEqual(['1', jid]);
    expect(own.getChild('entry', 'http://www.w3.org/2005/Atom')?.getChildText('title')).toBe('Wärme');
    await device.publishAsync(node, '{"t":21}', { qos: 1, properties: { contentType: 'application/json' } });
    const item = itemIn(await stanzas.find(isMessage));
    expect(item.getChild('json', 'urn:xmpp:json:0')?.getText()).toBe('{"t":21}');
    await device.endAsync();
  });

  test('direct messages', async () => {
    const anna = await connect('anna');
    const bert = await connect('bert');
    const to = bert.client.jid.toString();
    await anna.client.send(xml('message', { to, type: 'chat', id: 'm1' }, xml('body', {}, 'Grüße <&>')));
    const got = await bert.stanzas.find(isMessage);
    expect([got.attrs.from, got.attrs.type, got.attrs.id]).toEqual([
      anna.client.jid.toString(),
      'chat',
      'm1',
    ]);
    expect(got.getChildText('body')).toBe('Grüße <&>');
  });

  test('stream management: what was sent while the connection was lost comes after it is resumed', async () => {
    const anna = await connect('anna');
    const bert = await connect('bert');
    const resumed = new Inbox<string>('resumptions');
    bert.client.streamManagement.on('resumed', () => resumed.push('resumed'));
    await bert.enabled.next();
    const before = bert.client.jid.toString();
    cut(bert.client);
    await anna.client.send(xml('message', { to: before, type: 'chat' }, xml('body', {}, 'meanwhile')));
    await resumed.next();
    await bert.stanzas.find((m) => isMessage(m) && m.getChildText('body') === 'meanwhile');
    expect(bert.client.jid.toString()).toBe(before);
  });

  test('anonymous', async () => {
    const { client } = await connect();
    expect(client.jid.toString()).toMatch(/^[0-9a-f]{16}@localhost\//);
  });
});
