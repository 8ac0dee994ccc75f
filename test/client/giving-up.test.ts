// AbortSignal in every call that waits, several servers in every order, and a consumer that is slow: in memory, on a virtual clock.

import { beforeAll, describe, expect, test } from 'vitest';
import type { ConnectOptions } from '../../src/client/options.ts';
import { work } from '../../src/client/patterns/pipeline.ts';
import { survey } from '../../src/client/patterns/survey.ts';
import { SCHEMES } from '../../src/client/scheme.ts';
import { ClientWorld } from '../client-world.ts';
import { startBroker } from '../network.ts';

const URLS = {
  'mqtt://hub': 'mqtt',
  'stomp://hub': 'stomp',
  'amqp://hub': 'amqp1',
  'json+ws://hub': 'waymeet.v1',
} as const;
type Url = keyof typeof URLS;

beforeAll(async () => {
  for (const url of Object.keys(URLS)) await SCHEMES[new URL(url).protocol]!.load();
  await Promise.all([
    import('../../src/client/patterns/request.ts'),
    import('../../src/client/patterns/respond.ts'),
  ]);
});

/** What the promise rejects with, as a code; 'resolved' otherwise. */
function outcome(w: ClientWorld, promise: Promise<unknown>): Promise<string> {
  return w.until(
    promise.then(
      () => 'resolved',
      (why: { code?: string }) => why.code ?? String(why),
    ),
  );
}

test('a session is refused where there are none, an outbox of ours is not', async () => {
  const w = new ClientWorld(await startBroker(), { protocol: () => 'stomp' });
  for (const lasting of [{ sessionExpiryMs: 60_000 }, { clean: false }])
    expect(await outcome(w, w.connect('stomp://hub', lasting))).toBe('not-supported');
  expect(await outcome(w, w.connect('stomp://hub', { sessionExpiryMs: 0, clean: true }))).toBe('resolved');
});

describe.each(Object.keys(URLS) as Url[])('%s: a signal ends', (url) => {
  const world = async () => new ClientWorld(await startBroker(), { protocol: () => URLS[url] });
  /** The other side is there and says nothing more. */
  const silent = async (o: ConnectOptions = {}) => {
    const w = await world();
    const client = await w.connect(url, { keepAliveMs: 0, ...o });
    w.wires[0]!.other.pause();
    return { w, client };
  };

  test('connect, at once and while it logs in', async () => {
    const w = await world();
    expect(await outcome(w, w.connect(url, { signal: AbortSignal.abort() }))).toBe('aborted');
    const stop = new AbortController();
    const connecting = w.connect(url, { signal: stop.signal });
    stop.abort();
    expect(await outcome(w, connecting)).toBe('aborted');
    expect(w.wires.every((wire) => wire.closed)).toBe(true);
  });

  test('the client, later', async () => {
    const w = await world();
    const stop = new AbortController();
    const client = await w.connect(url, { signal: stop.signal });
    const s = await w.until(client.subscribe('a'));
    const next = s.next();
    stop.abort();
    expect(await outcome(w, next)).toBe('aborted');
    expect(await outcome(w, client.publish('a', ''))).toBe('aborted');
    await w.settle();
    expect(w.wires.every((wire) => wire.closed)).toBe(true);
  });

  test('publish, subscribe and unsubscribe that have no answer', async () => {
    const { w, client } = await silent();
    for (const call of [
      (signal: AbortSignal) => client.publish('a', 'x', { qos: 1, signal }),
      (signal: AbortSignal) => client.subscribe('b', { signal }),
    ]) {
      const stop = new AbortController();
      const waiting = call(stop.signal);
      await w.settle(100);
      stop.abort();
      expect(await outcome(w, waiting)).toBe('aborted');
    }
    client.drop();
    const other = await world();
    const second = await other.connect(url, { keepAliveMs: 0 });
    await other.until(second.subscribe('c'));
    other.wires[0]!.other.pause();
    const stop = new AbortController();
    const leaving = second.unsubscribe('c', stop.signal);
    await other.settle(100);
    stop.abort();
    expect(['aborted', 'resolved']).toContain(await outcome(other, leaving));
    second.drop();
  });

  test('a request, a survey, and work, and what was answered stays', async () => {
    const w = await world();
    const [asker, answerer] = [
      await w.connect(url, { clientId: 'a' }),
      await w.connect(url, { clientId: 'b' }),
    ];
    let signalled = 0;
    await w.until(
      answerer.respond('slow', async (_, signal) => {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        signalled++;
        return '';
      }),
    );
    const stop = new AbortController();
    const asking = asker.request('slow', '', { signal: stop.signal, timeoutMs: 1e6 });
    await w.settle(100);
    stop.abort();
    expect(await outcome(w, asking)).toBe('aborted');
    await w.settle(100);
    expect(signalled).toBe(1);
    const asked = new AbortController();
    const surveying = survey(asker, 'slow', '', { signal: asked.signal, timeoutMs: 1e6 });
    await w.settle(100);
    asked.abort();
    expect(await outcome(w, surveying)).toBe('aborted');
    const tired = new AbortController();
    const working = await w.until(work(answerer, 'jobs', () => {}, { signal: tired.signal }));
    tired.abort();
    expect(await outcome(w, working.over)).toBe('resolved');
  });

  test('one take, and a whole loop', async () => {
    const w = await world();
    const client = await w.connect(url);
    const stop = new AbortController();
    const s = await w.until(client.subscribe('a', { signal: stop.signal }));
    const once = new AbortController();
    const taking = s.next(once.signal);
    once.abort();
    expect(await outcome(w, taking)).toBe('aborted');
    const loop = (async () => {
      let count = 0;
      for await (const _ of s) count++;
      return count;
    })();
    await w.until(client.publish('a', 'x', { qos: 1 }));
    await w.settle();
    stop.abort();
    expect(await w.until(loop)).toBe(1);
  });
});

const DOWN = -1;

describe('several servers', () => {
  /** How long each host takes, ms; DOWN: it does not answer. */
  const three = async (slow: Record<string, number>) => {
    const broker = await startBroker();
    const w = new ClientWorld(broker, { brokerOf: () => broker });
    const hosts: string[] = [];
    const { dial } = w.world;
    Object.assign(w.world, {
      dial: async (...[url, ...rest]: Parameters<typeof dial>) => {
        hosts.push(url.hostname);
        const ms = slow[url.hostname] ?? 0;
        await new Promise<void>((resolve) => w.world.timer(Math.max(0, ms), resolve));
        if (ms === DOWN) throw new Error('nobody listens there');
        return dial(url, ...rest);
      },
    });
    return { w, hosts };
  };
  const urls = ['mqtt://a', 'mqtt://b', 'mqtt://c'];

  test('by latency: after each has been tried, the quickest is the first choice', async () => {
    const { w, hosts } = await three({ a: 90, b: 10, c: 40 });
    const client = await w.connect(urls, { order: 'latency', backoff: { firstMs: 1, maxMs: 1 } });
    // Each loss tries one that is not known yet, until all are.
    for (let i = 0; i < 4; i++) {
      w.wires.at(-1)!.cut();
      await w.settle(500);
    }
    expect(hosts.slice(0, 3).toSorted()).toEqual(['a', 'b', 'c']);
    expect(hosts.slice(3)).toEqual(['b', 'b']);
    expect(client.url).toBe('mqtt://b');
  });

  test('at random: not always the same first, and none is left out', async () => {
    const firsts = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const { w, hosts } = await three({});
      w.world.random(i); // another place in the row of numbers
      await w.connect(urls, { order: 'random' });
      firsts.add(hosts[0]!);
    }
    expect(firsts.size).toBe(3);
  });

  test('in order: back to the first after the round, and what was unacknowledged goes to whoever answers', async () => {
    const down: Record<string, number> = { a: 0, b: 0, c: 0 };
    const { w, hosts } = await three(down);
    const client = await w.connect(urls, {
      backoff: { firstMs: 1, maxMs: 1 },
      sessionExpiryMs: 60_000,
      clientId: 'x',
    });
    const s = await w.until(client.subscribe('t', { qos: 2 }));
    down.a = DOWN;
    down.b = DOWN;
    w.wires.at(-1)!.cut();
    await w.settle();
    await w.until(client.publish('t', 'over', { qos: 2 }));
    expect((await w.until(s.next()))?.text()).toBe('over');
    expect(hosts).toEqual(['a', 'a', 'b', 'c']);
    down.a = 0;
    w.wires.at(-1)!.cut();
    await w.settle(500);
    expect(client.url).toBe('mqtt://a');
  });
});

describe.each(Object.keys(URLS) as Url[])('%s: a slow consumer', (url) => {
  test('bounds what waits, and at QoS 1 is sent no more than it may leave unanswered', async () => {
    const w = new ClientWorld(await startBroker(), { protocol: () => URLS[url] });
    const from = await w.connect(url, { clientId: 'from' });
    const to = await w.connect(url, { clientId: 'to', receiveMaximum: 8 });
    const s = await w.until(to.subscribe('t', { qos: 1, acknowledge: 'explicit' }));
    for (let i = 0; i < 60; i++) await w.until(from.publish('t', String(i), { qos: 1 }));
    await w.settle(100);
    expect(s.waiting).toBe(8);
    for (let i = 0; i < 60; i++) {
      const m = (await w.until(s.next()))!;
      expect(m.text()).toBe(String(i));
      expect(s.waiting).toBeLessThanOrEqual(8);
      m.acknowledge();
      await w.settle(10);
    }
  });
});
