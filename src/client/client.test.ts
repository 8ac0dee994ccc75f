// The client against whole brokers in memory: every level and QoS, losses, fail-over, redirects, limits, backpressure, and errors.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { fuzz } from '../../test/arbitrary/mqtt.ts';
import { ClientWorld } from '../../test/client-world.ts';
import { type Broker, startBroker } from '../../test/network.ts';
import type { Qos } from '../contract/message.ts';
import { WaymeetError } from './error.ts';
import type { HealthEvent } from './health.ts';
import type { IncomingMessage } from './message.ts';
import { SCHEMES } from './scheme.ts';
import type { Subscription } from './subscription.ts';

// Loading it takes real time, which no virtual time-out should see.
beforeAll(() => Promise.all([SCHEMES['mqtt:']!.load(), import('./patterns/request.ts')]));

const QOS: readonly Qos[] = [0, 1, 2];
const VERSIONS = ['3.1', '3.1.1', '5'] as const;

const url = (version: string, host = 'hub') => `mqtt://${host}?version=${version}`;

async function world(): Promise<ClientWorld> {
  return new ClientWorld(await startBroker());
}

/** Takes what has come. */
async function taken(w: ClientWorld, s: Subscription): Promise<IncomingMessage[]> {
  await w.settle();
  const found: IncomingMessage[] = [];
  while (s.waiting > 0) found.push((await s.next())!);
  return found;
}

async function failure(w: ClientWorld, promise: Promise<unknown>): Promise<WaymeetError> {
  const why = await w.until(
    promise.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  expect(why).toBeInstanceOf(WaymeetError);
  return why as WaymeetError;
}

describe.each(VERSIONS)('MQTT %s', (version) => {
  test.each(QOS)('what is published at QoS %i arrives, in order', async (qos) => {
    const w = await world();
    const from = await w.connect(url(version));
    const to = await w.connect(url(version));
    const s = await w.until(to.subscribe('a/+', { qos: 2 }));
    expect(s.granted).toBe(2);
    const sent = Array.from({ length: 300 }, (_, i) => from.publish('a/b', `m${i}`, { qos }));
    await w.until(Promise.all(sent));
    const got = await taken(w, s);
    expect(got.map((m) => m.text())).toEqual(sent.map((_, i) => `m${i}`));
    expect(new Set(got.map((m) => m.qos))).toEqual(new Set([qos]));
    expect(from.unacknowledged).toEqual({ messages: 0, bytes: 0 });
    await w.until(from.close());
    await w.until(to.close());
  });

  test('a large payload, by reference and in pieces', async () => {
    const w = new ClientWorld(await startBroker(), { link: { chunk: 5_000 } });
    const client = await w.connect(url(version));
    const s = await w.until(client.subscribe('big', { qos: 1 }));
    const payload = Uint8Array.from({ length: 60_000 }, (_, i) => i % 251);
    await w.until(client.publish('big', payload, { qos: 1 }));
    const m = await w.until(s.next());
    expect(m?.payload).toEqual(payload);
  });

  test('[MQTT5-4.3.3] exactly once and in order, however often the connection breaks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(60), { minLength: 1, maxLength: 12 }),
        fc.nat(),
        async (cuts, seed) => {
          const w = new ClientWorld(await startBroker({ seed, commitMs: 2 }), {
            link: { delayMs: 3, jitterMs: 4 },
            seed,
          });
          const options = { sessionExpiryMs: 3_600_000, backoff: { firstMs: 5, maxMs: 20 } };
          const from = await w.connect(url(version), { ...options, clientId: 'from' });
          const to = await w.connect(url(version), { ...options, clientId: 'to', receiveMaximum: 4 });
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
          while (got.length < 40) await w.settle(20);
          await w.settle(100);
          expect(got).toEqual(Array.from({ length: 40 }, (_, i) => String(i)));
          await w.until(from.close());
          await w.until(to.close());
          await reading;
        },
      ),
      fuzz(12),
    );
  });
});

describe('what the protocol cannot do', () => {
  test('is an error before anything is sent', async () => {
    const w = await world();
    const client = await w.connect(url('3.1.1'));
    for (const options of [{ contentType: 'text/plain' }, { expiryMs: 5 }, { responseTopic: 'a' }]) {
      const why = await failure(w, client.publish('a', 'x', options));
      expect(why.code).toBe('not-supported');
      expect(why.message).toContain('MQTT 3.1.1');
    }
    expect((await failure(w, client.subscribe('a', { noLocal: true }))).code).toBe('not-supported');
    expect((await failure(w, client.request('a', 'x'))).code).toBe('not-supported');
    expect(client.unacknowledged.messages).toBe(0);
  });

  test('of a will too', async () => {
    const w = await world();
    const will = { topic: 'gone', payload: 'x' };
    for (const more of [{ contentType: 'text/plain' }, { expiryMs: 5 }, { delayMs: 5 }]) {
      const why = await failure(w, w.connect(url('3.1.1'), { will: { ...will, ...more } }));
      expect([why.code, why.message]).toEqual(['not-supported', expect.stringContaining('need MQTT 5')]);
    }
    await w.connect(url('3.1.1'), { will });
  });

  test('nor is a topic with a wildcard sent, or a filter that is none', async () => {
    const w = await world();
    const client = await w.connect(url('5'));
    expect((await failure(w, client.publish('a/#', 'x'))).code).toBe('topic-invalid');
    expect((await failure(w, client.subscribe('a#'))).code).toBe('filter-invalid');
    await w.until(client.subscribe('a'));
    expect((await failure(w, client.subscribe('a'))).code).toBe('usage');
  });

  test('a scheme or version that nobody speaks', async () => {
    const w = await world();
    expect((await failure(w, w.connect('gopher://hub'))).message).toContain('there is mqtt://');
    expect((await failure(w, w.connect('no url'))).code).toBe('usage');
    expect((await failure(w, w.connect(url('4')))).message).toContain("there is no MQTT '4'");
  });
});

describe('properties of MQTT 5', () => {
  test('all of them arrive', async () => {
    const w = await world();
    const client = await w.connect(url('5'));
    const s = await w.until(client.subscribe('p'));
    const user = [
      { name: 'b', value: '1' },
      { name: 'a', value: '2' },
      { name: 'b', value: '3' },
    ];
    const options = { contentType: 'text/plain', responseTopic: 'r', correlation: 'c', text: true, user };
    expect(await w.until(client.publish('p', { x: 1 }, { ...options, qos: 1, expiryMs: 60_000 }))).toBe('ok');
    const m = (await w.until(s.next()))!;
    expect(m.json()).toEqual({ x: 1 });
    expect(m.meta).toMatchObject({ contentType: 'text/plain', responseTopic: 'r', text: true, user });
    expect(m.expiresAt).toBe(w.broker.clock.now + 60_000);
    expect(await w.until(client.publish('nobody', '', { qos: 1 }))).toBe('unmatched');
  });

  test('the retained message comes, unless it is not wanted', async () => {
    const w = await world();
    const client = await w.connect(url('5'));
    await w.until(client.publish('kept', 'v', { retain: true, qos: 1 }));
    const all = await w.until(client.subscribe('kept'));
    expect((await taken(w, all)).map((m) => m.retained)).toEqual([true]);
    const none = await w.until(client.subscribe('+', { retained: 'none', noLocal: true }));
    await w.until(client.publish('other', 'mine', { qos: 1 }));
    expect(await taken(w, none)).toEqual([]);
  });
});

describe('backpressure', () => {
  test('no more than the window comes unacknowledged', async () => {
    const w = await world();
    const from = await w.connect(url('5'));
    const to = await w.connect(url('5'), { receiveMaximum: 3 });
    const s = await w.until(to.subscribe('w', { qos: 1, acknowledge: 'explicit' }));
    await w.until(
      Promise.all(Array.from({ length: 10 }, (_, i) => from.publish('w', String(i), { qos: 1 }))),
    );
    const first = await taken(w, s);
    expect(first.map((m) => m.text())).toEqual(['0', '1', '2']);
    first[0]!.acknowledge();
    expect((await taken(w, s)).map((m) => m.text())).toEqual(['3']);
  });

  test('at QoS 0 the connection is not read while nobody takes', async () => {
    const w = await world();
    const from = await w.connect(url('5'));
    const to = await w.connect(url('5'), { keepAliveMs: 2_000 });
    const s = await w.until(to.subscribe('w', { qos: 0, buffer: 10 }));
    const payload = new Uint8Array(1_000);
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 10; i++) await from.publish('w', payload);
      await w.settle();
    }
    expect(s.waiting).toBeLessThan(50);
    // It is not taken for dead meanwhile.
    await w.settle(20_000);
    expect(to.connected).toBe(true);
    let got = 0;
    while (got < 200) {
      await w.settle();
      while (s.waiting > 0) {
        await s.next();
        got++;
      }
    }
    expect(s.dropped).toBe(0);
  });

  test('the outbox is bounded', async () => {
    const w = new ClientWorld(await startBroker());
    const client = await w.connect(url('5'), { outbox: { maxMessages: 5, maxBytes: 100 } });
    w.wires[0]!.cut();
    await w.settle();
    const waiting = Array.from({ length: 5 }, () => client.publish('a', 'x', { qos: 1 }));
    expect((await failure(w, client.publish('a', 'x', { qos: 1 }))).code).toBe('outbox-full');
    await w.until(Promise.all(waiting));
    expect((await failure(w, client.publish('a', 'x'.repeat(101), { qos: 1 }))).code).toBe('outbox-full');
  });
});

describe('a lost connection', () => {
  test('comes back with its subscriptions, and tells', async () => {
    const w = await world();
    const client = await w.connect(url('5'));
    const events: HealthEvent['kind'][] = [];
    client.watch((event) => events.push(event.kind));
    const s = await w.until(client.subscribe('a'));
    w.wires[0]!.cut();
    await w.settle();
    expect(client.connected).toBe(false);
    await w.until(client.publish('a', 'later', { qos: 1 }));
    expect((await taken(w, s)).map((m) => m.text())).toEqual(['later']);
    expect(events).toEqual(['lost', 'waiting', 'connected']);
  });

  test('silence is noticed', async () => {
    const w = await world();
    const client = await w.connect(url('5'), { keepAliveMs: 10_000 });
    const events: HealthEvent[] = [];
    client.watch((event) => events.push(event));
    // The broker is alive, and reads nothing.
    w.wires[0]!.other.pause();
    await w.settle(30_000);
    expect(events.map((e) => e.kind)).toContain('lost');
  });

  test('with reconnect: false it is the end', async () => {
    const w = await world();
    const client = await w.connect(url('5'), { reconnect: false });
    const s = await w.until(client.subscribe('a'));
    const next = s.next();
    w.wires[0]!.cut();
    expect((await failure(w, next)).code).toBe('unavailable');
    expect((await failure(w, client.publish('a', 'x'))).code).toBe('unavailable');
  });

  test('who is taken over does not fight back', async () => {
    const w = await world();
    const first = await w.connect(url('5'), { clientId: 'same' });
    const events: HealthEvent[] = [];
    first.watch((event) => events.push(event));
    await w.connect(url('5'), { clientId: 'same' });
    await w.settle(100_000);
    expect(events.map((e) => e.kind)).toEqual(['lost', 'closed']);
    expect(w.wires).toHaveLength(2);
  });
});

describe('several servers', () => {
  const hosts = async () => {
    const brokers: Record<string, Broker | undefined> = { a: await startBroker(), b: await startBroker() };
    // One clock for all: a client lives in one time.
    const w = new ClientWorld(brokers.a!, { brokerOf: ({ hostname }) => brokers[hostname] });
    return { brokers, w };
  };

  test('in order: the next one when the first does not answer', async () => {
    const w = new ClientWorld(await startBroker(), {
      brokerOf: ({ hostname }) => (hostname === 'b' ? w.broker : undefined),
    });
    const client = await w.connect(['mqtt://a', 'mqtt://b']);
    expect(client.url).toBe('mqtt://b');
    const why = await failure(w, w.connect(['mqtt://a', 'mqtt://c']));
    expect(why.code).toBe('unreachable');
    expect(why.message).toContain('mqtt://a');
    expect(why.message).toContain('mqtt://c');
  });

  test('fail-over keeps session and subscriptions, where the servers share them', async () => {
    const { w } = await hosts();
    let down = '';
    const other = new ClientWorld(w.broker, {
      brokerOf: ({ hostname }) => (hostname === down ? undefined : w.broker),
    });
    const client = await other.connect(['mqtt://a', 'mqtt://b'], { sessionExpiryMs: 60_000 });
    const s = await other.until(client.subscribe('x', { qos: 1 }));
    down = 'a';
    const resumed: boolean[] = [];
    client.watch((event) => {
      if (event.kind === 'connected') resumed.push(event.resumed);
    });
    other.wires[0]!.cut();
    await other.until(client.publish('x', 'over there', { qos: 1 }));
    expect(client.url).toBe('mqtt://b');
    expect(resumed).toEqual([true]);
    expect((await taken(other, s)).map((m) => m.text())).toEqual(['over there']);
  });

  test('patience: it goes on until the signal aborts', async () => {
    const w = new ClientWorld(await startBroker(), { brokerOf: () => undefined });
    const stop = new AbortController();
    const connecting = w.connect('mqtt://a', { patient: true, signal: stop.signal });
    const ended = failure(w, connecting);
    await w.settle(300_000);
    stop.abort();
    expect((await ended).code).toBe('aborted');
  });
});

describe('redirect', () => {
  test.each([
    ['for now', false],
    ['for good', true],
  ])('[MQTT5-4.11] a server that sends us elsewhere %s is followed', async (_, serverMoved) => {
    const target = await startBroker();
    const sender = await startBroker({ mqtt: { serverReference: 'nowhere there:1884', serverMoved } });
    const brokers: Record<string, Broker> = { here: sender, there: target };
    const w = new ClientWorld(target, { brokerOf: ({ hostname }) => brokers[hostname] });
    const connecting = w.connect('mqtt://here');
    const pump = async () => {
      for (let i = 0; i < 20; i++) {
        await sender.clock.advance(0);
        await w.settle();
      }
    };
    await pump();
    const client = await connecting;
    expect(client.url).toBe('mqtt://there:1884');
  });
});

describe('giving up', () => {
  test('a message that is not on its way is not sent', async () => {
    const w = await world();
    const client = await w.connect(url('5'));
    w.wires[0]!.cut();
    await w.settle();
    const stop = new AbortController();
    const why = failure(w, client.publish('a', 'x', { qos: 1, signal: stop.signal }));
    stop.abort();
    expect((await why).code).toBe('aborted');
    expect(client.unacknowledged.messages).toBe(0);
  });

  test('a message that expired before it could be sent', async () => {
    const w = await world();
    const client = await w.connect(url('5'), { backoff: { firstMs: 1_000_000, maxMs: 1_000_000 } });
    w.wires[0]!.cut();
    await w.settle();
    expect((await failure(w, client.publish('a', 'x', { qos: 1, expiryMs: 10 }))).code).toBe('expired');
  });

  test('next() with a signal', async () => {
    const w = await world();
    const client = await w.connect(url('5'));
    const s = await w.until(client.subscribe('a'));
    const stop = new AbortController();
    const why = failure(w, s.next(stop.signal));
    stop.abort();
    expect((await why).code).toBe('aborted');
    await w.until(client.publish('a', 'still', { qos: 1 }));
    expect((await w.until(s.next()))?.text()).toBe('still');
  });

  test('close ends loops, and what waits is told', async () => {
    const w = await world();
    const client = await w.connect(url('5'));
    const s = await w.until(client.subscribe('a'));
    const loop = (async () => {
      for await (const _ of s);
      return 'ended';
    })();
    await w.until(client.close());
    expect(await loop).toBe('ended');
    expect((await failure(w, client.publish('a', 'x'))).code).toBe('closed');
  });
});

describe('the login', () => {
  test('a wrong password is told, and not tried again', async () => {
    const w = new ClientWorld(
      await startBroker({
        auth: {
          identify: () => Promise.resolve('bad-credentials' as const),
          exchange: () => undefined,
          allows: () => true,
          epoch: 0,
        },
      }),
    );
    const why = await failure(w, w.connect('mqtt://u:p@hub', { patient: true }));
    expect(why.code).toBe('bad-credentials');
    expect(why.message).not.toContain('p@');
    expect(w.wires).toHaveLength(1);
  });

  test('a server that says nothing is given up', async () => {
    const w = new ClientWorld(await startBroker(), { protocol: () => 'stomp' });
    const why = await failure(w, w.connect('mqtt://hub', { connectMs: 1_000 }));
    expect(['timed-out', 'unavailable', 'payload-invalid']).toContain(why.code);
  });
});
