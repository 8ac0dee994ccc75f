// The client's room: levels and losses through the client library, against the hub in memory.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { ClientWorld } from '../../../test/client-world.ts';
import { ScramClient } from '../../../test/judges/scram.ts';
import { type Broker, OPEN as OPEN_AUTH, startBroker } from '../../../test/network.ts';
import { ScramExchange, scramCredential } from '../../auth/scram.ts';
import type { IncomingMessage } from '../../client/message.ts';
import { SCHEMES } from '../../client/scheme.ts';
import { schemeOf } from '../../client/scheme-table.ts';
import type { Subscription } from '../../client/subscription.ts';
import type { Identity } from '../../contract/auth.ts';
import { NEVER, type Qos } from '../../contract/message.ts';
import type { Sasl } from '../../contract/speaker.ts';

// Loading it takes real time, which no virtual time-out should see.
beforeAll(() => schemeOf(new URL('amqp://hub'), SCHEMES).load());

const URL_1 = 'amqp://hub';

function worldOf(broker: Broker, options: object = {}): ClientWorld {
  return new ClientWorld(broker, { protocol: () => 'amqp1', ...options });
}

async function world(): Promise<ClientWorld> {
  return worldOf(await startBroker());
}

/** Takes what has come. */
async function taken(w: ClientWorld, s: Subscription): Promise<IncomingMessage[]> {
  await w.settle();
  const found: IncomingMessage[] = [];
  while (s.waiting > 0) found.push((await s.next())!);
  return found;
}

describe('levels', () => {
  test.each([0, 1, 2] as const)('what is published at QoS %i arrives, in order', async (qos: Qos) => {
    const w = await world();
    const [from, to] = [await w.connect(URL_1), await w.connect(URL_1)];
    const s = await w.until(to.subscribe('a/+', { qos: 2 }));
    expect(s.granted).toBe(2);
    const sent = Array.from({ length: 300 }, (_, i) => from.publish('a/b', `m${i}`, { qos }));
    await w.until(Promise.all(sent));
    const got = await taken(w, s);
    expect(got.map((m) => [m.text(), m.qos])).toEqual(sent.map((_, i) => [`m${i}`, qos]));
    expect(from.unacknowledged).toEqual({ messages: 0, bytes: 0 });
    await w.until(from.close());
    await w.until(to.close());
  });

  test('a large payload comes in many frames, and in pieces', async () => {
    const w = worldOf(await startBroker(), { link: { chunk: 5_000 } });
    const client = await w.connect(URL_1);
    const s = await w.until(client.subscribe('big', { qos: 1 }));
    const payload = Uint8Array.from({ length: 400_000 }, (_, i) => i % 251);
    await w.until(client.publish('big', payload, { qos: 1 }));
    expect(Buffer.compare((await w.until(s.next()))!.payload, payload)).toBe(0);
  });

  test('a retained message comes, unless none is wanted', async () => {
    const w = await world();
    const client = await w.connect(URL_1);
    await w.until(client.publish('last', '21', { qos: 1, retain: true }));
    const other = await w.connect(URL_1);
    const s = await w.until(client.subscribe('last'));
    const none = await w.until(other.subscribe('last', { retained: 'none' }));
    expect((await taken(w, s)).map((m) => [m.text(), m.retained])).toEqual([['21', true]]);
    expect(await taken(w, none)).toEqual([]);
  });

  test('[AMQP1-2.6.13] exactly once and in order, however often the connection breaks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(60), { minLength: 1, maxLength: 12 }),
        fc.nat(),
        async (cuts, seed) => {
          const broker = await startBroker({ seed, commitMs: 2 });
          const w = worldOf(broker, { link: { delayMs: 3, jitterMs: 4 }, seed });
          const options = { sessionExpiryMs: 3_600_000, backoff: { firstMs: 5, maxMs: 20 } };
          const from = await w.connect(URL_1, { ...options, clientId: 'from' });
          const to = await w.connect(URL_1, { ...options, clientId: 'to', receiveMaximum: 4 });
          const s = await w.until(to.subscribe('t', { qos: 2 }));
          const got: string[] = [];
          const reading = (async () => {
            for await (const m of s) got.push(m.text());
          })();
          const sent = Promise.all(
            Array.from({ length: 40 }, (_, i) => from.publish('t', String(i), { qos: 2 })),
          );
          for (const ms of cuts) {
            await w.settle(ms);
            const open = w.wires.filter((wire) => !wire.closed);
            open[(ms + seed) % Math.max(1, open.length)]?.cut();
          }
          await w.until(sent, 5);
          for (let i = 0; got.length < 40 && i < 1_000; i++) await w.settle(20);
          await w.settle(100);
          expect(got).toEqual(Array.from({ length: 40 }, (_, i) => String(i)));
          await w.until(from.close());
          await w.until(to.close());
          await reading;
        },
      ),
      fuzz(8),
    );
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
});

test('a queue: each message to one, and what was not answered to another', async () => {
  const w = await world();
  const [one, two] = [await w.connect(URL_1), await w.connect(URL_1)];
  const first = await w.until(one.subscribe('$queue/jobs', { qos: 1 }));
  await w.until(two.publish('$queue/jobs', 'a', { qos: 1 }));
  await w.settle();
  expect(first.waiting).toBe(1); // delivered, and not taken
  const second = await w.until(two.subscribe('$queue/jobs', { qos: 1 }));
  expect(await taken(w, second)).toEqual([]);
  w.wires[0]!.cut();
  expect((await taken(w, second)).map((m) => m.text())).toEqual(['a']);
});

describe('logins', () => {
  async function guarded(): Promise<Broker> {
    const alice: Identity = { principal: 'alice', unrestricted: true, validUntil: NEVER };
    const credential = await scramCredential('wonderland', 4_096, new Uint8Array(16));
    return startBroker({
      auth: {
        ...OPEN_AUTH,
        identify: async ({ username, password }) =>
          username === 'alice' && Buffer.from(password ?? []).toString() === 'wonderland'
            ? alice
            : 'bad-credentials',
        exchange: (mechanism) =>
          mechanism === 'SCRAM-SHA-256'
            ? new ScramExchange({
                find: (name) => (name === 'alice' ? credential : undefined),
                proved: () => alice,
                secret: new Uint8Array(32),
                usualIterations: 4_096,
              })
            : undefined,
      },
    });
  }

  /** Its words take no real time, which virtual time would not wait for. */
  function scram(password: string): Sasl {
    const client = new ScramClient('alice', password);
    let words = 0;
    return {
      mechanism: 'SCRAM-SHA-256',
      next: async (challenge) => {
        if (++words === 1) return client.first();
        if (words === 2) return client.answer(Buffer.from(challenge!));
        client.check(Buffer.from(challenge!));
        return new Uint8Array();
      },
    };
  }

  test.each([
    ['PLAIN', (password: string) => ({ username: 'alice', password })],
    ['SCRAM-SHA-256', (password: string) => ({ username: 'alice', password, sasl: scram(password) })],
  ] as const)('%s', async (_name, login) => {
    const w = worldOf(await guarded());
    const client = await w.connect(URL_1, login('wonderland'));
    await w.until(client.publish('a', 'x', { qos: 1 }));
    await w.until(client.close());
    await expect(w.connect(URL_1, login('wrong'))).rejects.toMatchObject({ code: 'bad-credentials' });
  });

  test('who shows nothing where something is asked for', async () => {
    const w = worldOf(await guarded());
    await expect(w.connect(URL_1)).rejects.toMatchObject({ code: 'bad-credentials' });
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
  await w.settle(2_500);
  expect(wire!.closed).toBe(true);
  await w.settle(500);
  await w.until(client.publish('t', 'again', { qos: 1 }));
  expect((await taken(w, s)).map((m) => m.text())).toEqual(['again']);
});
