// Mailboxes, groups, wills and the journal, without any protocol: a recording client on a hand-wound clock.
import { expect, test } from 'vitest';
import type { Access, Guest, HubLimits, OwnedHub } from '../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler, Subscription } from '../contract/mailbox.ts';
import { Message, NEVER, type Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { MemoryStore } from '../store/memory.ts';
import { createHub } from './hub.ts';

const LIMITS: HubLimits = {
  topicLevels: 128,
  topicBytes: 65_535,
  clientIdBytes: 65_535,
  connections: 100,
  connectionsPerAddress: 100,
  subscriptionsPerClient: 3,
  queueMessages: 2_000,
  queueBytes: 100_000_000,
  overflow: 'drop-oldest',
  inflight: 100,
  receiveMaximum: 100,
  retainedMessages: 3,
  sessionExpiryMs: NEVER,
  messageExpiryMs: NEVER,
  memoryBytes: 1e9,
};

/** A hub over a store, on a clock that only moves when told. */
class Bench {
  now = 1_000_000;
  wakeAt = NEVER;
  hub!: OwnedHub;
  store: MemoryStore | undefined;
  private readonly limits: HubLimits;

  constructor(limits: Partial<HubLimits> = {}, store = true) {
    this.limits = { ...LIMITS, ...limits };
    this.store = store ? new MemoryStore() : undefined;
  }

  async open(): Promise<this> {
    const identity = { principal: 'anonymous', unrestricted: true, validUntil: NEVER };
    this.hub = createHub(
      {
        auth: {
          identify: async ({ username }) =>
            username === undefined ? identity : { ...identity, principal: username, unrestricted: false },
          exchange: () => undefined,
          allows: () => true,
          epoch: 0,
        },
        store: this.store,
        now: () => this.now,
        wake: (at) => {
          this.wakeAt = at;
        },
        turn: () => {},
        random: (length) => new Uint8Array(length).fill(7),
        failed: (why) => {
          throw why;
        },
        log: () => {},
      },
      this.limits,
    );
    await this.hub.start();
    return this;
  }

  /** Everything that was asked for happens: commits too. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) {
      this.hub.turn();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async advance(ms: number): Promise<void> {
    this.now += ms;
    this.hub.wake(this.now);
    await this.settle();
  }

  /** The process is lost: a new hub over what was committed. */
  async crash(): Promise<void> {
    this.store = await this.store!.reopen();
    await this.open();
  }

  async client(
    name: string,
    keepMs = 0,
    options: { fresh?: boolean; capacity?: number; user?: string } = {},
  ): Promise<TestClient> {
    const client = new TestClient(this, name);
    this.hub.login(
      {
        protocol: 'test',
        client: name,
        username: options.user,
        password: undefined,
        remote: '192.0.2.1:1',
        listener: 't',
        wire: {},
      },
      client,
    );
    await this.settle();
    client.box = client.access.mailbox(name, {
      fresh: options.fresh ?? false,
      keepMs,
      capacity: options.capacity ?? this.limits.queueMessages,
      overflow: this.limits.overflow,
    });
    client.box.attach(client);
    return client;
  }
}

interface Delivery {
  readonly text: string;
  readonly qos: Qos;
  readonly id: number;
  readonly again: boolean;
  readonly replayed: boolean;
  readonly tags: readonly number[];
  readonly from: Settler;
}

class TestClient implements Guest, Consumer {
  access!: Access;
  box!: Mailbox;
  room = 1_000;
  evicted: Outcome | undefined;
  refused: Outcome | undefined;
  readonly got: Delivery[] = [];
  private readonly bench: Bench;
  private readonly name: string;

  constructor(bench: Bench, name: string) {
    this.bench = bench;
    this.name = name;
  }

  welcome(access: Access): void {
    this.access = access;
  }
  refuse(why: Outcome): void {
    this.refused = why;
  }
  kept(): void {}
  evict(why: Outcome): void {
    this.evicted = why;
  }
  ready(qos: Qos): boolean {
    return qos === 0 || this.room > 0;
  }
  take(): number {
    return 0;
  }
  deliver(
    m: Message,
    qos: Qos,
    grant: Grant,
    replayed: boolean,
    id: number,
    again: boolean,
    from: Settler,
  ): void {
    this.room--;
    this.got.push({
      text: new TextDecoder().decode(m.payload),
      qos,
      id,
      again,
      replayed,
      tags: grant.tags,
      from,
    });
  }

  subscribe(filter: string, qos: Qos = 1, more: Partial<Subscription> = {}): Outcome {
    return this.box.subscribe({ filter, qos, noLocal: false, tag: 0, ...more }).outcome;
  }

  publish(
    topic: string,
    text: string,
    qos: Qos = 1,
    more: { retain?: boolean; expiresAt?: number } = {},
  ): Outcome {
    return this.access.publish(this.message(topic, text, qos, more));
  }

  message(
    topic: string,
    text: string,
    qos: Qos,
    more: { retain?: boolean; expiresAt?: number } = {},
  ): Message {
    const origin = { protocol: 'test', client: this.name, principal: 'anonymous' };
    const payload = new TextEncoder().encode(text);
    return new Message(
      topic,
      payload,
      qos,
      more.retain ?? false,
      origin,
      this.bench.now,
      more.expiresAt ?? NEVER,
      undefined,
    );
  }

  texts(): string[] {
    return this.got.splice(0).map((d) => d.text);
  }

  leave(graceful = true): void {
    this.box.detach(this);
    this.access.leave(graceful, this.bench.now);
  }
}

test('overlapping subscriptions give one delivery with the highest QoS and every tag', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a');
  a.subscribe('x/#', 0, { tag: 1 });
  a.subscribe('x/+', 1, { tag: 2 });
  expect(a.publish('x/y', 'm', 2)).toBe('ok');
  expect(a.got).toMatchObject([{ text: 'm', qos: 1, tags: [1, 2], id: 0 }]);
  a.box.unsubscribe('x/+');
  a.publish('x/y', 'm', 2);
  expect(a.got[1]).toMatchObject({ qos: 0, tags: [1] });
  expect(a.publish('y', 'm')).toBe('unmatched');
  expect(a.box.unsubscribe('nothing')).toBe('no-subscription');
});

test('No Local hides what the client published itself, and only that', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a');
  const b = await bench.client('b');
  a.subscribe('x', 1, { noLocal: true });
  a.publish('x', 'own');
  b.publish('x', 'other');
  expect(a.texts()).toEqual(['other']);
  a.subscribe('+', 0, { tag: 9 });
  a.publish('x', 'own');
  expect(a.got).toMatchObject([{ text: 'own', qos: 0, tags: [9] }]);
});

test('limits: subscriptions a client, retained messages, connections', async () => {
  const bench = await new Bench({ connections: 2 }).open();
  const a = await bench.client('a');
  for (const filter of ['1', '2', '3']) expect(a.subscribe(filter)).toBe('ok');
  expect(a.subscribe('4')).toBe('quota-exceeded');
  expect(a.subscribe('3', 0)).toBe('ok');
  for (const topic of ['1', '2', '3']) expect(a.publish(topic, 'r', 0, { retain: true })).toBe('ok');
  expect(a.publish('4', 'r', 0, { retain: true })).toBe('quota-exceeded');
  await bench.client('b');
  const c = new TestClient(bench, 'c');
  bench.hub.login(
    {
      protocol: 'test',
      client: 'c',
      username: undefined,
      password: undefined,
      remote: '192.0.2.2:1',
      listener: 't',
      wire: {},
    },
    c,
  );
  expect(c.refused).toBe('quota-exceeded');
});

test('what waits is delivered in order when there is room; QoS 0 need not wait behind a closed window', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a');
  a.subscribe('x', 1);
  a.room = 1;
  for (const text of ['1', '2', '3']) a.publish('x', text);
  a.publish('x', 'now', 0);
  expect(a.texts()).toEqual(['1', 'now']);
  a.room = 10;
  a.box.pull();
  expect(a.texts()).toEqual(['2', '3']);
});

test('a full queue drops the oldest and counts it', async () => {
  const bench = await new Bench({ queueMessages: 3 }).open();
  const a = await bench.client('a', NEVER);
  a.subscribe('x', 1);
  a.room = 0;
  for (const text of ['1', '2', '3', '4', '5']) a.publish('x', text);
  a.room = 10;
  a.box.pull();
  expect(a.texts()).toEqual(['3', '4', '5']);
  expect(bench.hub.counters.dropped.get('queue-full')).toBe(2);
});

test('offline messages survive a crash, in order, with what was delivered and not settled first', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a', NEVER);
  const p = await bench.client('p');
  a.subscribe('x/#', 1, { tag: 5 });
  a.room = 2;
  for (const text of ['1', '2', '3']) p.publish('x/1', text);
  expect(p.access.due).toBeGreaterThan(0);
  await bench.settle();
  expect(p.access.due).toBe(0);
  a.box.settle(a.got[0]!.id, 'ok');
  await bench.settle();
  expect(a.texts()).toEqual(['1', '2']);
  await bench.crash();
  const q = await bench.client('p');
  for (const text of ['4', '5']) q.publish('x/1', text);
  await bench.settle();
  const b = await bench.client('a', NEVER);
  expect(b.box.resumed).toBe(true);
  expect([...b.box.subscriptions()]).toEqual([{ filter: 'x/#', qos: 1, noLocal: false, tag: 5 }]);
  expect(b.got.map((d) => [d.text, d.again, d.id, d.tags])).toEqual([
    ['2', true, 2, [5]],
    ['3', false, 3, [5]],
    ['4', false, 4, [5]],
    ['5', false, 5, [5]],
  ]);
});

test('a message shared by several stored mailboxes is kept until the last has settled it', async () => {
  const bench = await new Bench().open();
  const names = ['a', 'b', 'c'];
  for (const name of names) {
    const client = await bench.client(name, NEVER);
    client.subscribe('x', 1);
    client.leave();
  }
  const p = await bench.client('p');
  for (let i = 0; i < 50; i++) p.publish('x', `m${i}`);
  await bench.settle();
  await bench.crash();
  for (const name of names) {
    const client = await bench.client(name, NEVER);
    expect(client.got.length).toBe(50);
    for (const d of client.got) client.box.settle(d.id, 'ok');
    await bench.settle();
    client.leave();
  }
  await bench.settle();
  const left = [...bench.store!.scan(new Uint8Array([0]), new Uint8Array([255]))];
  const kinds = new Set(left.map(([k]) => String.fromCharCode(k[0]!)));
  expect(kinds.has('q')).toBe(false);
  expect(kinds.has('m')).toBe(false);
});

test('exactly once: delivered only when kept, released ones never again, under the same number', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a', NEVER);
  const p = await bench.client('p');
  a.subscribe('x', 2);
  p.publish('x', '1', 2);
  p.publish('x', '2', 2);
  expect(a.got).toEqual([]); // the commit is not through
  await bench.settle();
  expect(a.got.map((d) => d.id)).toEqual([1, 2]);
  a.box.release(1);
  await bench.settle();
  await bench.crash();
  const b = await bench.client('a', NEVER);
  expect([...b.box.released()]).toEqual([1]);
  expect(b.got.map((d) => [d.text, d.id, d.again])).toEqual([['2', 2, true]]);
  b.box.settle(1, 'ok');
  b.box.release(2);
  b.box.settle(2, 'ok');
  await bench.settle();
  await bench.crash();
  const c = await bench.client('a', NEVER);
  expect([...c.box.released(), ...c.got]).toEqual([]);
});

test('inbound exactly-once ids survive a crash, and end with the session', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a', NEVER);
  a.box.inbound.add(7);
  a.box.inbound.add(8);
  a.box.inbound.delete(7);
  expect(a.access.due).toBeGreaterThan(0);
  await bench.settle();
  await bench.crash();
  const b = await bench.client('a', NEVER);
  expect([b.box.inbound.has(7), b.box.inbound.has(8)]).toEqual([false, true]);
  const c = await bench.client('a', NEVER, { fresh: true });
  expect(b.evicted).toBe('taken-over');
  expect(c.box.resumed).toBe(false);
  expect(c.box.inbound.has(8)).toBe(false);
});

test("where users are told apart, a client id alone does not open another user's session", async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a', NEVER, { user: 'alice' });
  a.subscribe('x');
  a.leave();
  const p = await bench.client('p', 0, { user: 'alice' });
  p.publish('x', 'for alice');
  await bench.settle();
  await bench.crash();
  const mallory = await bench.client('a', NEVER, { user: 'mallory' });
  expect(mallory.box.resumed).toBe(false);
  expect(mallory.texts()).toEqual([]);
});

test('a session ends when its time is over, over a crash too', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a', 10_000);
  a.subscribe('x');
  a.leave();
  await bench.settle();
  await bench.advance(6_000);
  await bench.crash();
  expect(bench.hub.stats.sessions).toBe(1);
  await bench.advance(5_000);
  expect(bench.hub.stats.sessions).toBe(0);
  expect([...bench.hub.counters.protocols.values()].map((c) => c.expired)).toEqual([1]);
  await bench.crash();
  expect(bench.hub.stats).toMatchObject({ sessions: 0, subscriptions: 0 });
});

test('queues larger than memory live in the store and come back in order', async () => {
  const bench = await new Bench({ queueMessages: 100_000 }).open();
  const a = await bench.client('a', NEVER);
  a.subscribe('x', 1);
  a.leave();
  const p = await bench.client('p');
  const body = 'b'.repeat(2_000);
  for (let i = 0; i < 3_000; i++) {
    p.publish('x', `${i} ${body}`);
    if (i % 100 === 99) await bench.settle();
  }
  expect(bench.hub.stats.queuedBytes).toBeLessThan(2_500_000); // of 6 MB
  expect(bench.hub.stats.queuedMessages).toBe(3_000);
  const b = await bench.client('a', NEVER);
  for (let i = 0; i < 3_000; ) {
    b.room = 50;
    b.box.pull();
    for (const d of b.got.splice(0)) {
      expect(d.text.startsWith(`${i} `)).toBe(true);
      b.box.settle(d.id, 'ok');
      i++;
    }
  }
  await bench.settle();
  expect(bench.hub.stats).toMatchObject({ queuedMessages: 0, queuedBytes: 0, unsettled: 0 });
});

test('a group gives each message to one member in turn, and what a lost member held to the others', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a');
  const b = await bench.client('b');
  const p = await bench.client('p');
  for (const c of [a, b]) c.subscribe('$share/g/x/+', 1);
  for (const text of ['1', '2', '3', '4']) p.publish('x/1', text);
  expect([a.got.map((d) => d.text), b.got.map((d) => d.text)]).toEqual([
    ['1', '3'],
    ['2', '4'],
  ]);
  a.got[0]!.from.settle(a.got[0]!.id, 'ok');
  a.leave(false);
  expect(b.got.map((d) => [d.text, d.again])).toEqual([
    ['2', false],
    ['4', false],
    ['3', false],
  ]);
  b.leave();
  expect(bench.hub.stats.groups).toBe(0);
  expect(p.publish('x/1', '5')).toBe('unmatched');
});

test('a group of members that are away keeps its messages over a crash', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a', NEVER);
  a.subscribe('$share/g/x', 1, { tag: 3 });
  a.leave();
  const p = await bench.client('p');
  for (const text of ['1', '2']) p.publish('x', text);
  await bench.settle();
  await bench.crash();
  const b = await bench.client('a', NEVER);
  expect(b.got.map((d) => [d.text, d.tags])).toEqual([
    ['1', [3]],
    ['2', [3]],
  ]);
});

test('[MQTT5-4.8.2-4] exactly once in a group stays with the member that it was first given to', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a', NEVER);
  const b = await bench.client('b', NEVER);
  const p = await bench.client('p');
  for (const c of [a, b]) c.subscribe('$share/g/x', 2);
  for (const text of ['1', '2']) p.publish('x', text, 2);
  await bench.settle();
  expect([a.got.map((d) => d.text), b.got.map((d) => d.text)]).toEqual([['1'], ['2']]);
  a.leave(false);
  await bench.settle();
  expect(b.got.length).toBe(1);
  await bench.crash();
  const again = await bench.client('a', NEVER);
  expect(again.got.map((d) => [d.text, d.again])).toEqual([['1', true]]);
});

test.each(['drop-newest', 'drop-oldest', 'evict'] as const)(
  '%s: no queue limit cuts what is retained',
  async (overflow) => {
    const bench = await new Bench({ retainedMessages: 50, queueMessages: 5, overflow }).open();
    const publisher = await bench.client('p');
    const names = Array.from({ length: 50 }, (_, i) => `r${i}`);
    for (const name of names) publisher.publish(`kept/${name}`, name, 1, { retain: true });
    const slow = await bench.client('slow', 1_000_000);
    slow.room = 0;
    slow.subscribe('kept/#');
    slow.box.replay({ filter: 'kept/#', qos: 1, noLocal: false, tag: 0 });
    const live = ['a', 'b', 'c', 'd', 'e'];
    for (const text of live) publisher.publish('kept/live', text); // a queue's worth beside them
    expect(slow.evicted).toBeUndefined();
    await bench.settle();
    await bench.crash();
    const back = await bench.client('slow', 1_000_000);
    expect(back.texts().sort()).toEqual([...names, ...live].sort());
    back.room = 0;
    const again = await bench.client('p');
    for (let i = 0; i < 7; i++) again.publish('kept/live', `${i}`);
    expect(bench.hub.stats.queuedMessages).toBe(5); // what is gone counts no more
    expect(back.evicted).toBe(overflow === 'evict' ? 'slow-consumer' : undefined);
  },
);

test('retained: the last value, for a new subscriber, over a crash; an empty payload forgets', async () => {
  const bench = await new Bench().open();
  const p = await bench.client('p');
  p.publish('r/1', 'old', 0, { retain: true });
  p.publish('r/1', 'new', 0, { retain: true });
  p.publish('r/2', 'gone', 0, { retain: true });
  p.publish('r/2', '', 0, { retain: true });
  p.publish('r/3', 'short', 0, { retain: true, expiresAt: bench.now + 5_000 });
  await bench.settle();
  await bench.crash();
  const a = await bench.client('a');
  a.subscribe('r/#', 1);
  a.box.replay({ filter: 'r/#', qos: 1, noLocal: false, tag: 0 });
  expect(a.got.map((d) => [d.text, d.replayed]).sort()).toEqual([
    ['new', true],
    ['short', true],
  ]);
  await bench.advance(5_000);
  expect(bench.hub.stats.retained).toBe(1);
});

test('a will waits its delay, is taken back by a return, and is sent after a crash', async () => {
  const bench = await new Bench().open();
  const watcher = await bench.client('w', NEVER);
  watcher.subscribe('will', 1);
  const lose = async (delayMs: number): Promise<void> => {
    const a = await bench.client('a', 60_000);
    a.access.will(a.message('will', `after ${delayMs}`, 1), delayMs);
    await bench.settle();
    a.leave(false);
  };
  await lose(0);
  expect(watcher.texts()).toEqual(['after 0']);
  await lose(10_000);
  await bench.advance(9_000);
  expect(watcher.texts()).toEqual([]);
  await lose(20_000); // it came back: the first is void
  await bench.advance(19_000);
  expect(watcher.texts()).toEqual([]);
  await bench.crash();
  const after = await bench.client('w', NEVER);
  expect(after.texts()).toEqual(['after 0']); // never settled
  await bench.advance(2_000);
  expect(after.texts()).toEqual(['after 20000']);
  const b = await bench.client('b');
  b.access.will(b.message('will', 'there when the process was lost', 1), 0);
  await bench.settle();
  await bench.crash();
  await bench.client('b'); // back at once, and yet it was lost
  const last = await bench.client('w', NEVER);
  expect(last.texts()).toContain('there when the process was lost');
});

test('messages expire while they wait', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a', NEVER);
  a.subscribe('x', 1);
  a.leave();
  const p = await bench.client('p');
  p.publish('x', 'short', 1, { expiresAt: bench.now + 1_000 });
  p.publish('x', 'long', 1);
  await bench.advance(1_000);
  const b = await bench.client('a', NEVER);
  expect(b.texts()).toEqual(['long']);
  expect(bench.hub.counters.dropped.get('expired')).toBe(1);
});

test('the route cache: topics beyond its size are matched as before', async () => {
  const bench = await new Bench().open();
  const a = await bench.client('a');
  a.subscribe('t/+', 0);
  const first = new TextEncoder().encode('t/0');
  const route = a.access.route(first, 0, first.length)!;
  for (let i = 0; i < 200_000; i++) {
    const topic = new TextEncoder().encode(`t/${i}`);
    a.access.route(topic, 0, topic.length);
  }
  expect(a.access.route(first, 0, first.length)).toBeDefined();
  expect(a.access.same(route, a.access.route(first, 0, first.length)!)).toBe(true);
  a.box.unsubscribe('t/+');
  expect(a.publish('t/0', 'm', 0)).toBe('unmatched');
  expect(a.access.route(new TextEncoder().encode('a/#'), 0, 3)).toBeUndefined();
  expect(a.access.route(Uint8Array.of(0xff), 0, 1)).toBeUndefined();
});
