// The client's room: levels, sessions, queues and faults through the client library, against the hub in memory.

import { beforeAll, describe, expect, test } from 'vitest';
import { ClientWorld } from '../../../test/client-world.ts';
import { hex, OPEN as OPEN_AUTH, startBroker } from '../../../test/network.ts';
import { speakerOptions } from '../../../test/speaker-options.ts';
import type { IncomingMessage } from '../../client/message.ts';
import { SCHEMES } from '../../client/scheme.ts';
import { schemeOf } from '../../client/scheme-table.ts';
import type { Subscription } from '../../client/subscription.ts';
import { NEVER } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { amqp091Speech } from './client.ts';
import { encodeMethod } from './encode.ts';

const URL_1 = 'amqp091://hub';

// Loading it takes real time, which no virtual time-out should see.
beforeAll(() => schemeOf(new URL(URL_1), SCHEMES).load());

async function world(options: object = {}, broker: object = {}): Promise<ClientWorld> {
  return new ClientWorld(await startBroker(broker), { protocol: () => 'amqp091', ...options });
}

/** Takes what has come. */
async function taken(w: ClientWorld, s: Subscription): Promise<IncomingMessage[]> {
  await w.settle();
  const found: IncomingMessage[] = [];
  while (s.waiting > 0) found.push((await s.next())!);
  return found;
}

describe('levels', () => {
  test.each([0, 1] as const)('what is published at QoS %i arrives, in order', async (qos) => {
    const w = await world();
    const [from, to] = [await w.connect(URL_1), await w.connect(URL_1)];
    const s = await w.until(to.subscribe('a/+', { qos: 1 }));
    expect(s.granted).toBe(1);
    const sent = Array.from({ length: 300 }, (_, i) => from.publish('a/b.c', `m${i}`, { qos }));
    await w.until(Promise.all(sent));
    const got = await taken(w, s);
    expect(got.map((m) => [m.topic, m.text(), m.qos])).toEqual(sent.map((_, i) => ['a/b.c', `m${i}`, qos]));
    expect(from.unacknowledged).toEqual({ messages: 0, bytes: 0 });
    await w.until(from.close());
    await w.until(to.close());
  });

  test('exactly once is refused, not done in a weaker way', async () => {
    const w = await world();
    const client = await w.connect(URL_1);
    await expect(client.publish('a', 'x', { qos: 2 })).rejects.toMatchObject({ code: 'not-supported' });
  });

  test('[AMQP091-4.2.6] a large payload comes in many frames, and in pieces', async () => {
    const w = await world({ link: { chunk: 5_000 } });
    const client = await w.connect(URL_1);
    const s = await w.until(client.subscribe('big', { qos: 1 }));
    const payload = Uint8Array.from({ length: 400_000 }, (_, i) => i % 251);
    await w.until(client.publish('big', payload, { qos: 1 }));
    expect(Buffer.compare((await w.until(s.next()))!.payload, payload)).toBe(0);
  });

  test('a retained message comes to who subscribes later', async () => {
    const w = await world();
    const client = await w.connect(URL_1);
    await w.until(client.publish('last', '21', { qos: 1, retain: true }));
    const s = await w.until(client.subscribe('last'));
    expect((await taken(w, s)).map((m) => [m.text(), m.retained])).toEqual([['21', true]]);
  });

  test('who publishes at QoS 1 hears that nobody has subscribed', async () => {
    const w = await world();
    const client = await w.connect(URL_1);
    expect(await w.until(client.publish('nobody', 'x', { qos: 1 }))).toBe('unmatched');
  });
});

test('after unsubscribing nothing comes', async () => {
  const w = await world();
  const client = await w.connect(URL_1);
  const s = await w.until(client.subscribe('t', { qos: 1 }));
  await w.until(s.close());
  expect(await w.until(client.publish('t', 'x', { qos: 1 }))).toBe('unmatched');
});

test('what is kept for a client id is forgotten when it asks for a clean start', async () => {
  const w = await world();
  const kept = { clientId: 'me', sessionExpiryMs: 3_600_000 };
  const publisher = await w.connect(URL_1);
  const comings: string[][] = [];
  for (const clean of [true, false, true]) {
    const client = await w.connect(URL_1, { ...kept, clean });
    const s = await w.until(client.subscribe('t', { qos: 1 }));
    comings.push((await taken(w, s)).map((m) => m.text()));
    await w.until(client.close());
    await w.until(publisher.publish('t', 'while away', { qos: 1 }));
  }
  expect(comings).toEqual([[], ['while away'], []]);
});

describe('queues and groups', () => {
  test('each message to one, and what was not answered to another', async () => {
    const w = await world();
    const [one, two] = [await w.connect(URL_1), await w.connect(URL_1)];
    const first = await w.until(one.subscribe('$queue/jobs', { qos: 1 }));
    await w.until(two.publish('$queue/jobs', 'a', { qos: 1 }));
    await w.settle();
    expect(first.waiting).toBe(1); // delivered, and not taken
    const second = await w.until(two.subscribe('$queue/jobs', { qos: 1 }));
    expect(await taken(w, second)).toEqual([]);
    w.wires[0]!.cut();
    expect((await taken(w, second)).map((m) => [m.topic, m.text()])).toEqual([['$queue/jobs', 'a']]);
  });

  test.each([0, 1] as const)('a queue comes with its first message, at QoS %i', async (qos) => {
    const w = await world();
    const client = await w.connect(URL_1);
    await w.until(Promise.all(['a', 'b'].map((text) => client.publish('$queue/jobs', text, { qos }))));
    const s = await w.until(client.subscribe('$queue/jobs', { qos: 1 }));
    expect((await taken(w, s)).map((m) => m.text())).toEqual(['a', 'b']);
  });

  test('members of a group share what comes', async () => {
    const w = await world();
    const members = [await w.connect(URL_1), await w.connect(URL_1)];
    const taking = await w.until(Promise.all(members.map((m) => m.subscribe('$share/g/t', { qos: 1 }))));
    for (let i = 0; i < 10; i++) await w.until(members[0]!.publish('t', String(i), { qos: 1 }));
    const got = [await taken(w, taking[0]!), await taken(w, taking[1]!)];
    expect(
      got
        .flat()
        .map((m) => m.text())
        .toSorted(),
    ).toEqual([...'0123456789']);
    expect(got.every((some) => some.length > 0)).toBe(true);
  });
});

describe('faults', () => {
  const guarded = {
    auth: {
      ...OPEN_AUTH,
      identify: async ({ username }: { readonly username: string | undefined }) =>
        username === 'alice'
          ? { principal: 'alice', unrestricted: false, validUntil: NEVER }
          : ('bad-credentials' as const),
      allows: (_who: unknown, _client: string, _action: unknown, topic: string) =>
        !topic.startsWith('secret'),
    },
  };
  const alice = { username: 'alice', password: 'wonderland' };

  test('a wrong login', async () => {
    const w = await world({}, guarded);
    await expect(w.connect(URL_1, { username: 'bob', password: '' })).rejects.toMatchObject({
      code: 'bad-credentials',
      status: 403,
    });
  });

  test('a virtual host that there is not', async () => {
    const w = await world();
    await expect(w.connect(`${URL_1}/other`)).rejects.toMatchObject({ status: 530 });
  });

  test('a publish that is refused fails alone, and the others are taken', async () => {
    const w = await world({}, guarded);
    const client = await w.connect(URL_1, alice);
    const s = await w.until(client.subscribe('t/#', { qos: 1 }));
    const topics = ['t/1', 'secret/2', 't/3', 't/4'];
    const all = await w.until(Promise.allSettled(topics.map((t) => client.publish(t, t, { qos: 1 }))));
    expect(all.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect((all[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'not-authorized', status: 403 });
    expect(new Set((await taken(w, s)).map((m) => m.topic))).toEqual(new Set(['t/1', 't/3', 't/4']));
  });

  test('a subscription that is refused ends no other', async () => {
    const w = await world({}, guarded);
    const client = await w.connect(URL_1, alice);
    const s = await w.until(client.subscribe('t', { qos: 1 }));
    await expect(w.until(client.subscribe('secret/x'))).rejects.toMatchObject({ code: 'not-authorized' });
    await w.until(client.publish('t', 'still', { qos: 1 }));
    expect((await taken(w, s)).map((m) => m.text())).toEqual(['still']);
  });
});

describe('a server that breaks the protocol is left', () => {
  const start = {
    name: 'connection.start',
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: [],
    mechanisms: Buffer.from('PLAIN'),
    locales: Buffer.from('en_US'),
  } as const;
  const tune = (channelMax: number, frameMax: number) =>
    ({ name: 'connection.tune', channelMax, frameMax, heartbeat: 0 }) as const;

  test.each([
    ['[AMQP091-4.2.2] another version', [Buffer.from('AMQP\x00\x01\x00\x00', 'latin1')]],
    ['[AMQP091-4.2.3] a frame that is too long', [hex('01 00 00 7f ff ff ff')]],
    ['[AMQP091-4.2.3] frames too small for a header', [start, tune(0, 8)]],
    ['[AMQP091-1.4.2.5] fewer channels than are needed', [start, tune(1, 0)]],
    [
      '[AMQP091-4.2.6] content without a method',
      [start, tune(0, 0), { name: 'connection.open-ok' }, hex('03 00 01 00 00 00 00 ce')],
    ],
  ] as const)('%s', async (_name, said) => {
    const { wire } = (await startBroker()).connect({ protocol: 'amqp091' });
    const speaker = amqp091Speech.open(wire, speakerOptions({ now: 0 }), {
      opened() {},
      delivered() {},
      ended() {},
    });
    const bytes = Buffer.concat(said.map((one) => ('name' in one ? encodeMethod(0, one) : one)));
    expect(() => speaker.receive(bytes, 0, bytes.length, 0)).toThrow(ProtocolError);
  });
});

test('a hub that falls silent is left, and found again', async () => {
  const w = await world();
  const client = await w.connect(URL_1, { keepAliveMs: 1_000, backoff: { firstMs: 5, maxMs: 20 } });
  const s = await w.until(client.subscribe('t', { qos: 1 }));
  const [wire] = w.wires;
  await w.settle(3_500);
  expect(wire!.closed).toBe(false); // the hub speaks as often as it was asked to
  wire!.pause();
  await w.settle(3_500);
  expect(wire!.closed).toBe(true);
  await w.settle(500);
  await w.until(client.publish('t', 'again', { qos: 1 }));
  expect((await taken(w, s)).map((m) => m.text())).toEqual(['again']);
});
