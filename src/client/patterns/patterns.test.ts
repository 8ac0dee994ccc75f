// Every pattern over every protocol that can, against brokers in memory; and what a protocol cannot, refused.

import { beforeAll, describe, expect, test } from 'vitest';
import { ClientWorld } from '../../../test/client-world.ts';
import { startBroker } from '../../../test/network.ts';
import type { Client } from '../client.ts';
import type { WaymeetError } from '../error.ts';
import type { IncomingMessage } from '../message.ts';
import { SCHEMES } from '../scheme.ts';
import { joinBus } from './bus.ts';
import { inbox, senderOf, sendTo } from './direct.ts';
import { push, work } from './pipeline.ts';
import { announce, get, presence, presenceWill, put } from './state.ts';
import { survey } from './survey.ts';

/** URLs, and the broker's protocol behind each. */
const PROTOCOLS = {
  'mqtt://hub': 'mqtt',
  'stomp://hub': 'stomp',
  'amqp://hub': 'amqp1',
  'amqp091://hub': 'amqp091',
  'xmpp://hub': 'xmpp',
  'json+ws://hub': 'waymeet.v1',
} as const;
type Url = keyof typeof PROTOCOLS;
const URLS = Object.keys(PROTOCOLS) as Url[];

/** Each with itself, and each with the next two: who asks, puts, sends; and who answers, works, listens. */
const PAIRS = URLS.flatMap((url, i) =>
  [0, 1, 2].map((step): [Url, Url] => [url, URLS[(i + step) % URLS.length]!]),
);

beforeAll(async () => {
  for (const url of URLS) await SCHEMES[new URL(url).protocol]!.load();
  await import('./request.ts');
  await import('./respond.ts');
});

describe.each(PAIRS)('%s and %s', (one, other) => {
  const start = async () => {
    const w = new ClientWorld(await startBroker(), {
      protocol: (url) => PROTOCOLS[url.href.replace(/\/$/, '') as Url],
    });
    const join = (clientId: string, url: Url = other) => w.connect(url, { clientId });
    return { w, join };
  };

  test('request and response, one and several, errors, and nobody', async () => {
    const { w, join } = await start();
    const [asker, answerer] = [await join('asker', one), await join('answerer')];
    await w.until(answerer.respond('up', (m) => m.text().toUpperCase()));
    expect((await w.until(asker.request('up', 'abc'))).text()).toBe('ABC');
    await w.until(
      answerer.respond('count', async function* (m: IncomingMessage) {
        for (let i = 0; i < Number(m.text()); i++) yield String(i);
      }),
    );
    const parts = (async () => {
      const found: string[] = [];
      for await (const part of asker.requestMany('count', '3')) found.push(part.text());
      return found;
    })();
    expect(await w.until(parts)).toEqual(['0', '1', '2']);
    await w.until(
      answerer.respond('bad', () => {
        throw new Error('no such thing');
      }),
    );
    const why = await w.until(asker.request('bad', '').catch((error: WaymeetError) => error));
    expect(why).toMatchObject({
      code: 'answered-with-error',
      reason: expect.stringContaining('no such thing'),
    });
    const nobody = await w.until(
      asker.request('none', '', { timeoutMs: 100 }).catch((e: WaymeetError) => e.code),
    );
    expect(['timed-out', 'unavailable']).toContain(nobody);
  });

  test('a request taken back: who answers is told, and stops in the middle of a stream', async () => {
    const { w, join } = await start();
    const [asker, answerer] = [await join('asker', one), await join('answerer')];
    let stopped: AbortSignal | undefined;
    let said = 0;
    await w.until(
      answerer.respond('endless', async function* (_: IncomingMessage, signal: AbortSignal) {
        stopped = signal;
        for (; !signal.aborted; said++) {
          yield String(said);
          await new Promise<void>((resolve) => w.world.timer(5, resolve));
        }
      }),
    );
    const stop = new AbortController();
    const parts = (async () => {
      const found: string[] = [];
      try {
        for await (const part of asker.requestMany('endless', '', { signal: stop.signal })) {
          found.push(part.text());
          if (found.length === 3) stop.abort();
        }
      } catch (why) {
        return [...found, (why as WaymeetError).code];
      }
      return found;
    })();
    const got = await w.until(parts);
    expect(got.slice(0, 3)).toEqual(['0', '1', '2']);
    expect(got.at(-1)).toBe('aborted');
    await w.settle(50);
    expect(stopped?.aborted).toBe(true);
    const before = said;
    await w.settle(100);
    expect(said).toBe(before);
  });

  test('point to point', async () => {
    const { w, join } = await start();
    const [a, b] = [await join('a', one), await join('b/1')];
    const mine = await w.until(inbox(b, { acknowledge: 'explicit' }));
    await w.until(sendTo(a, 'b/1', 'hello'));
    const m = (await w.until(mine.next()))!;
    expect([m.text(), senderOf(m)]).toEqual(['hello', 'a']);
  });

  test('pipeline: each job once; tried again; dead after the last try', async () => {
    const { w, join } = await start();
    const boss = await join('boss', one);
    const [first, second] = [await join('first'), await join('second', one)];
    const done: string[] = [];
    const tries: number[] = [];
    const worker = (job: { text(): string }, tried: number) => {
      if (job.text() === 'bad') {
        tries.push(tried);
        throw new Error('cannot');
      }
      done.push(job.text());
    };
    const dead = await w.until(boss.subscribe('dead/jobs'));
    await w.until(work(first, 'jobs', worker));
    await w.until(work(second, 'jobs', worker));
    for (const job of ['1', 'bad', '2', '3']) await w.until(push(boss, 'jobs', job));
    const letter = (await w.until(dead.next()))!;
    expect(letter.text()).toBe('bad');
    expect(letter.property('x-first-death-reason')).toBe('delivery-limit');
    await w.settle();
    expect(done.toSorted()).toEqual(['1', '2', '3']);
    expect(tries).toEqual([0, 1, 2]);
  });

  test('survey: who answers, and who does not', async () => {
    const { w, join } = await start();
    const asker = await join('asker', one);
    for (const id of ['b', 'c']) await w.until((await join(id)).respond('health', () => `${id} is well`));
    const { answers, missing } = await w.until(
      survey(asker, 'health', '', { timeoutMs: 500, expected: ['b', 'c', 'd'] }),
    );
    expect(answers.map((a) => [a.from, a.message.text()]).toSorted()).toEqual([
      ['b', 'b is well'],
      ['c', 'c is well'],
    ]);
    expect(missing).toEqual(['d']);
  });

  test('bus: to every other member, and not to itself', async () => {
    const { w, join } = await start();
    const heard: string[] = [];
    const listen = async (client: Client) => {
      const bus = await w.until(joinBus(client, 'x'));
      void (async () => {
        for await (const { from, message } of bus)
          heard.push(`${from} to ${client.clientId}: ${message.text()}`);
      })();
      return bus;
    };
    const buses = [
      await listen(await join('a', one)),
      await listen(await join('b')),
      await listen(await join('c')),
    ];
    await w.until(buses[0]!.send('hi', { qos: 1 }));
    await w.settle(10);
    expect(heard.toSorted()).toEqual(['a to b: hi', 'a to c: hi']);
  });

  test('last value', async () => {
    const { w, join } = await start();
    const [a, b] = [await join('a', one), await join('b')];
    expect(await w.until(get(b, 'target', { timeoutMs: 50 }))).toBeUndefined();
    await w.until(put(a, 'target', '21', { qos: 1 }));
    expect((await w.until(get(b, 'target')))?.text()).toBe('21');
  });
});

const WATCHED: [device: Url, watcher: Url][] = [
  ['mqtt://hub', 'mqtt://hub'],
  ['mqtt://hub', 'amqp://hub'],
  ['mqtt://hub', 'xmpp://hub'],
  ['json+ws://hub', 'stomp://hub'],
  ['json+ws://hub', 'amqp091://hub'],
];

test.each(WATCHED)('presence: who comes over %s, and who is lost, as %s sees it', async (device, url) => {
  const w = new ClientWorld(await startBroker(), {
    protocol: (to) => PROTOCOLS[to.href.replace(/\/$/, '') as Url],
  });
  const seen: string[] = [];
  const watcher = await w.connect(url);
  const there = await w.until(presence(watcher));
  void (async () => {
    for await (const { id, online } of there) seen.push(`${id} ${online}`);
  })();
  const a = await w.connect(device, { clientId: 'a', will: presenceWill('a') });
  await w.until(announce(a));
  await w.settle(10);
  a.drop();
  await w.settle(10);
  expect(seen).toEqual(['a true', 'a false']);
  expect([...there.online]).toEqual([]);
});

test.each(['stomp://hub', 'amqp://hub', 'xmpp://hub'] as const)('a will over %s is refused', async (url) => {
  const w = new ClientWorld(await startBroker(), { protocol: () => PROTOCOLS[url] });
  const why = w.until(w.connect(url, { will: presenceWill('a') }).catch((e: WaymeetError) => e.code));
  expect(await why).toBe('not-supported');
});

test('what MQTT 3.1.1 has no place for is refused', async () => {
  const w = new ClientWorld(await startBroker());
  const client = await w.connect('mqtt://hub?version=3.1.1');
  const code = (promise: Promise<unknown>) => w.until(promise.catch((why: WaymeetError) => why.code));
  expect(await code(client.request('a', ''))).toBe('not-supported');
  expect(await code(work(client, 'jobs', () => {}))).toBe('not-supported');
  expect(await code(survey(client, 'a', ''))).toBe('not-supported');
});
