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

/** URL, and the broker's protocol. */
const FULL: readonly [url: string, protocol: string][] = [
  ['mqtt://hub', 'mqtt'],
  ['stomp://hub', 'stomp'],
  ['json+ws://hub', 'waymeet.v1'],
];

beforeAll(async () => {
  for (const scheme of ['mqtt:', 'stomp:', 'json+ws:']) await SCHEMES[scheme]!.load();
  await import('./request.ts');
  await import('./respond.ts');
});

describe.each(FULL)('%s', (url, protocol) => {
  const start = async () => {
    const w = new ClientWorld(await startBroker(), { protocol: () => protocol });
    const join = (clientId: string) => w.connect(url, { clientId });
    return { w, join };
  };

  test('request and response, one and several, errors, and nobody', async () => {
    const { w, join } = await start();
    const [asker, answerer] = [await join('asker'), await join('answerer')];
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

  test('point to point', async () => {
    const { w, join } = await start();
    const [a, b] = [await join('a'), await join('b/1')];
    const mine = await w.until(inbox(b, { acknowledge: 'explicit' }));
    await w.until(sendTo(a, 'b/1', 'hello'));
    const m = (await w.until(mine.next()))!;
    expect([m.text(), senderOf(m)]).toEqual(['hello', 'a']);
  });

  test('pipeline: each job once; tried again; dead after the last try', async () => {
    const { w, join } = await start();
    const [boss, one, two] = [await join('boss'), await join('one'), await join('two')];
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
    await w.until(work(one, 'jobs', worker));
    await w.until(work(two, 'jobs', worker));
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
    const asker = await join('asker');
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
      await listen(await join('a')),
      await listen(await join('b')),
      await listen(await join('c')),
    ];
    await w.until(buses[0]!.send('hi', { qos: 1 }));
    await w.settle(10);
    expect(heard.toSorted()).toEqual(['a to b: hi', 'a to c: hi']);
  });

  test('last value', async () => {
    const { w, join } = await start();
    const [a, b] = [await join('a'), await join('b')];
    expect(await w.until(get(b, 'target', { timeoutMs: 50 }))).toBeUndefined();
    await w.until(put(a, 'target', '21', { qos: 1 }));
    expect((await w.until(get(b, 'target')))?.text()).toBe('21');
  });
});

test('presence: who comes, and who is lost', async () => {
  const w = new ClientWorld(await startBroker());
  const seen: string[] = [];
  const watcher = await w.connect('mqtt://hub');
  const there = await w.until(presence(watcher));
  void (async () => {
    for await (const { id, online } of there) seen.push(`${id} ${online}`);
  })();
  const a = await w.connect('mqtt://hub', { clientId: 'a', will: presenceWill('a') });
  await w.until(announce(a));
  await w.settle(10);
  a.drop();
  await w.settle(10);
  expect(seen).toEqual(['a true', 'a false']);
  expect([...there.online]).toEqual([]);
});

test('what MQTT 3.1.1 has no place for is refused', async () => {
  const w = new ClientWorld(await startBroker());
  const client = await w.connect('mqtt://hub?version=3.1.1');
  const code = (promise: Promise<unknown>) => w.until(promise.catch((why: WaymeetError) => why.code));
  expect(await code(client.request('a', ''))).toBe('not-supported');
  expect(await code(work(client, 'jobs', () => {}))).toBe('not-supported');
  expect(await code(survey(client, 'a', ''))).toBe('not-supported');
});
