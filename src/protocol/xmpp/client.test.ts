// The client's room against the hub in memory: logins, topics, queues, messages to users, and what is refused.

import { describe, expect, test } from 'vitest';
import { type Broker, OPEN, startBroker, toHex } from '../../../test/network.ts';
import { speakerOptions } from '../../../test/speaker-options.ts';
import type { Auth } from '../../contract/auth.ts';
import { Message, type Meta, NEVER, type Qos } from '../../contract/message.ts';
import type { Delivery, Refusal, Sasl, Speaker } from '../../contract/speaker.ts';
import { xmppMessageSpeech, xmppSpeech } from './client.ts';

const NOBODY = { protocol: '', client: '', principal: '' };
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

interface Login {
  readonly user?: string;
  readonly sasl?: Sasl;
  readonly settles?: boolean;
  readonly keepAliveMs?: number;
}

class Client {
  readonly broker: Broker;
  readonly speaker: Speaker;
  readonly deliveries: Delivery[] = [];
  readonly told: string[] = [];
  clientId = '';

  constructor(broker: Broker, protocol: 'xmpp' | 'xmpp+ws', clientId: string, login: Login = {}) {
    this.broker = broker;
    const { wire } = broker.connect({ protocol });
    const speech = protocol === 'xmpp' ? xmppSpeech : xmppMessageSpeech;
    const options = speakerOptions(broker.clock, {
      clientId,
      username: login.user,
      password: login.user === undefined ? undefined : text('p'),
      keepAliveMs: login.keepAliveMs ?? 0,
      receiveMaximum: 100,
      ...(login.sasl !== undefined && { sasl: login.sasl }),
    });
    this.speaker = speech.open(wire, options, {
      opened: (how) => {
        this.clientId = how.clientId;
        this.told.push('opened');
      },
      delivered: (d) => {
        this.deliveries.push(d);
        if (login.settles !== false && d.id !== 0) this.speaker.settle(d.id, 'ok');
      },
      ended: (why) => this.told.push(why === undefined ? 'ended' : `ended ${why.outcome}`),
    });
    wire.peer = this.speaker;
  }

  async publish(
    topic: string,
    payload: Uint8Array,
    qos: Qos = 1,
    retain = false,
    meta?: Meta,
  ): Promise<unknown> {
    let answer: Refusal | undefined | 'none' = 'none';
    const m = new Message(topic, payload, qos, retain, NOBODY, this.broker.clock.now, NEVER, meta);
    this.speaker.publish(m, (why) => {
      answer = why;
    });
    await this.broker.clock.advance(0);
    return answer;
  }

  async subscribe(filter: string): Promise<unknown> {
    let answer: unknown;
    this.speaker.subscribe(filter, 1, (granted) => {
      answer = granted;
    });
    await this.broker.clock.advance(0);
    return answer;
  }

  async heard(): Promise<Delivery[]> {
    await this.broker.clock.advance(0);
    return this.deliveries.splice(0);
  }
}

describe.each(['xmpp', 'xmpp+ws'] as const)('%s', (protocol) => {
  test('in, a message there and back with all it has, and out', async () => {
    const broker = await startBroker();
    const client = new Client(broker, protocol, 'mine', { user: 'anna' });
    expect(await client.subscribe('room/+')).toBe(1);
    expect([client.clientId, client.told]).toEqual(['mine', ['opened']]);
    const meta: Meta = {
      contentType: 'application/cbor',
      responseTopic: 'answers',
      correlation: Uint8Array.of(0, 255),
      messageId: 'm1',
      priority: 7,
      user: [
        { name: 'b', value: '<2>' },
        { name: 'a', value: 1 },
        { name: 'b', value: true },
      ],
    };
    const payload = Uint8Array.of(0, 0xff, 0x80, 0x0d);
    expect(await client.publish('room/1', payload, 1, false, meta)).toBeUndefined();
    const [d] = await client.heard();
    expect(d).toMatchObject({ message: { topic: 'room/1', meta }, retained: false });
    expect(toHex(d!.message.payload)).toBe('00 ff 80 0d');
    client.speaker.close();
    await client.heard();
    expect(client.told).toEqual(['opened', 'ended']);
  });

  test('retained, cleared', async () => {
    const broker = await startBroker();
    const client = new Client(broker, protocol, 'c');
    await client.publish('a', text('<&>'), 1, true);
    await client.subscribe('a');
    expect(await client.heard()).toMatchObject([{ retained: true, message: { payload: text('<&>') } }]);
    await client.publish('a', new Uint8Array(0), 1, true);
    expect(await client.heard()).toMatchObject([
      { retained: false, message: { payload: new Uint8Array(0) } },
    ]);
    const late = new Client(broker, protocol, 'late');
    await late.subscribe('a');
    expect(await late.heard()).toEqual([]);
  });

  test('queues, and what is not settled goes to another consumer', async () => {
    const broker = await startBroker();
    const one = new Client(broker, protocol, 'one', { settles: false });
    await one.subscribe('$queue/jobs');
    await one.publish('$queue/jobs', text('1'));
    expect((await one.heard()).length).toBe(1);
    const two = new Client(broker, protocol, 'two');
    await two.subscribe('$queue/jobs');
    expect(await two.heard()).toEqual([]);
    one.speaker.close();
    expect((await two.heard()).map((d) => d.message.payload)).toEqual([text('1')]);
  });

  test('from user to user', async () => {
    const broker = await startBroker();
    const anna = new Client(broker, protocol, 'x', { user: 'anna' });
    const bert = new Client(broker, protocol, 'y', { user: 'bert' });
    await bert.subscribe('$queue/jid/bert');
    expect(await anna.publish('$queue/jid/bert', text('hello'))).toBeUndefined();
    const [d] = await bert.heard();
    expect(d!.message).toMatchObject({ topic: '$queue/jid/bert', payload: text('hello') });
    expect(d!.message.origin.client).toBe('anna@hub/x');
    expect(await anna.publish('$queue/jid/nobody', text('?'))).toMatchObject({ outcome: 'not-supported' });
    expect(await anna.publish('$queue/jid/bert', text('gone'), 0)).toBeUndefined();
  });
});

test('settled out of order: the hub hears of the first that are', async () => {
  const broker = await startBroker();
  const client = new Client(broker, 'xmpp', 'c', { settles: false });
  await client.subscribe('$queue/jobs');
  for (const n of [1, 2, 3]) await client.publish('$queue/jobs', Uint8Array.of(n));
  const [first, second, third] = await client.heard();
  client.speaker.settle(third!.id, 'ok');
  client.speaker.settle(second!.id, 'ok');
  await broker.clock.advance(0);
  expect(broker.hub.stats.unsettled).toBe(3);
  client.speaker.settle(first!.id, 'ok');
  await broker.clock.advance(0);
  expect(broker.hub.stats.unsettled).toBe(0);
});

test('one delivery that is never settled does not hold back the others, nor end the stream', async () => {
  const broker = await startBroker();
  const client = new Client(broker, 'xmpp', 'c', { settles: false });
  await client.subscribe('$queue/jobs');
  await client.publish('$queue/jobs', Uint8Array.of(1));
  expect(broker.hub.stats.unsettled).toBe(1);
  for (let i = 0; i < 600; i++) await client.publish('elsewhere', Uint8Array.of(2));
  expect([client.told, broker.hub.stats.unsettled]).toEqual([['opened'], 0]);
});

test('the words of an exchange are carried both ways', async () => {
  const identity = { principal: 'anna', unrestricted: true, validUntil: NEVER };
  const heard: string[] = [];
  const auth: Auth = {
    ...OPEN,
    exchange: (mechanism) =>
      mechanism === 'SCRAM-SHA-256'
        ? {
            step: async (word) => {
              heard.push(Buffer.from(word).toString());
              if (heard.length === 1) return { kind: 'challenge', reply: text('server first') };
              return { kind: 'done', identity, reply: text('server final') };
            },
          }
        : undefined,
  };
  const broker = await startBroker({ auth });
  const words: (string | undefined)[] = [];
  const sasl: Sasl = {
    mechanism: 'SCRAM-SHA-256',
    next: async (challenge) => {
      words.push(challenge === undefined ? undefined : Buffer.from(challenge).toString());
      return text(`client ${words.length}`);
    },
  };
  const client = new Client(broker, 'xmpp', 'c', { user: 'anna', sasl });
  expect(await client.subscribe('a')).toBe(1);
  expect(words).toEqual([undefined, 'server first', 'server final']);
  expect(heard).toEqual(['client 1', 'client 2']);
});

const REFUSING: [title: string, identify: Auth['identify'], outcome: string][] = [
  ['a wrong password', async () => 'bad-credentials', 'bad-credentials'],
  ['an engine that fails', () => Promise.reject(new Error('x')), 'unavailable'],
];

test.each(REFUSING)('%s', async (_title, identify, outcome) => {
  const broker = await startBroker({ auth: { ...OPEN, identify } });
  const client = new Client(broker, 'xmpp', 'c', { user: 'anna' });
  await client.heard();
  expect(client.told).toEqual([`ended ${outcome}`]);
  expect(await client.subscribe('a')).toMatchObject({ outcome });
});

test('what the hub refuses is told in its words', async () => {
  const auth: Auth = {
    ...OPEN,
    identify: async () => ({ principal: 'anna', unrestricted: false, validUntil: NEVER }),
    allows: (_who, _client, _action, topic) => topic !== 'secret',
  };
  const client = new Client(await startBroker({ auth }), 'xmpp', 'c', { user: 'anna' });
  expect(await client.subscribe('secret')).toMatchObject({ outcome: 'not-authorized' });
  expect(await client.publish('secret', text('x'))).toMatchObject({ outcome: 'not-authorized' });
  expect(await client.publish('a/+', text('x'))).toMatchObject({ outcome: 'topic-invalid' });
});

test('a hub that is gone: silence ends it, and calls get the refusal first', async () => {
  const broker = await startBroker();
  const client = new Client(broker, 'xmpp', 'c', { keepAliveMs: 10_000 });
  await client.subscribe('a');
  await broker.clock.advance(60_000);
  expect(client.told).toEqual(['opened']);
  await broker.hub.stop();
  await client.heard();
  expect(client.told).toEqual(['opened', 'ended shutting-down']);
});

const STREAM =
  "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>";
const OFFER =
  "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>";
const PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/** What the client says to a server of which each line is what it says next, and why it ended. */
async function talked(
  lines: readonly string[],
  securable: boolean,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ said: string; why: Refusal | undefined; secure: boolean }> {
  const broker = await startBroker();
  const [wire, server] = broker.network.join(
    'stream',
    { remote: 'server', listener: '', securable },
    { remote: 'client', listener: '' },
  );
  let said = '';
  let why: Refusal | undefined;
  server.peer = {
    receive: (bytes, start, end) => {
      said += Buffer.from(bytes.subarray(start, end)).toString();
      return end;
    },
    drained: () => {},
    wake: () => {},
    broken: () => {},
    lost: () => {},
  };
  const options = {
    ...{
      host: 'hub',
      port: 0,
      path: '/',
      settings,
      clientId: 'c',
      username: 'anna',
      password: text('secret'),
    },
    ...{ clean: true, sessionExpiryMs: 0, keepAliveMs: 0, will: undefined, receiveMaximum: 1 },
    random: (length: number) => new Uint8Array(length),
    now: () => broker.clock.now,
  };
  wire.peer = xmppSpeech.open(wire, options, {
    opened: () => {},
    delivered: () => {},
    ended: (refusal) => {
      why = refusal;
    },
  });
  for (const line of lines) {
    server.write(text(line));
    await broker.clock.advance(0);
  }
  return { said, why, secure: wire.secure };
}

describe('STARTTLS', () => {
  test('[RFC6120-5.3.1] it is begun where it is offered, and the password said inside', async () => {
    const { said, secure } = await talked([STREAM + OFFER, PROCEED], true);
    expect(secure).toBe(true);
    expect(said.match(/<starttls|<stream:stream|<auth/g)).toEqual([
      '<stream:stream',
      '<starttls',
      '<stream:stream',
    ]);
  });

  test('[RFC6120-5.4.3.1] what somebody puts behind <proceed/> ends the connection', async () => {
    const { why, said } = await talked([STREAM + OFFER, PROCEED + STREAM + OFFER], true);
    expect(why).toMatchObject({ outcome: 'payload-invalid' });
    expect(said).not.toContain('<auth');
  });

  test('a proceed that nobody asked for changes nothing', async () => {
    const { secure } = await talked([STREAM + PROCEED], true);
    expect(secure).toBe(false);
  });

  test('a server that cannot after all', async () => {
    const failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    expect((await talked([STREAM + OFFER, failure], true)).why).toMatchObject({ outcome: 'unavailable' });
  });

  test('asked for in vain, or not wanted', async () => {
    const plain = OFFER.replace(/<starttls[^>]*>/, '');
    const always = await talked([STREAM + plain], true, { starttls: 'always' });
    expect(always.why).toMatchObject({ outcome: 'not-supported' });
    expect(always.said).not.toContain('<auth');
    expect((await talked([STREAM + OFFER], true, { starttls: 'never' })).said).toContain('<auth');
    expect((await talked([STREAM + OFFER], false)).said).toContain('<auth');
  });
});
