// Work queues without any protocol: who gets what, what comes back, what dies, and what a crash leaves.

import { expect, test } from 'vitest';
import { type Broker, type BrokerOptions, startBroker } from '../../test/network.ts';
import type { Access, Guest } from '../contract/hub.ts';
import type { Consumer, Grant, Settler } from '../contract/mailbox.ts';
import { Message, type Meta, NEVER, type Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import {
  type ConsumeOptions,
  type Consumption,
  type Placed,
  QUEUE_DEFAULTS,
  type QueueOptions,
  type WorkQueue,
} from '../contract/queue.ts';

const ANYBODY = { principal: 'anonymous', unrestricted: true, validUntil: NEVER };

/** A client that a test drives by hand. */
class Client implements Guest {
  access!: Access;
  private readonly broker: Broker;

  constructor(broker: Broker, name: string, identity = ANYBODY) {
    this.broker = broker;
    const login = {
      protocol: 'test',
      client: name,
      username: undefined,
      password: undefined,
      remote: '192.0.2.1:1',
      listener: 'test',
      wire: {},
    };
    broker.hub.admit(login, identity, this);
  }

  welcome(access: Access): void {
    this.access = access;
  }
  refuse(why: Outcome): void {
    throw new Error(why);
  }
  kept(): void {}
  evict(): void {}

  message(topic: string, text: string, qos: Qos = 1, expiryMs = NEVER, meta?: Meta): Message {
    const now = this.broker.clock.now;
    const origin = { protocol: 'test', client: this.access.client, principal: 'anonymous' };
    return new Message(topic, Buffer.from(text), qos, false, origin, now, now + expiryMs, meta);
  }

  publish(topic: string, text: string, qos: Qos = 1, expiryMs = NEVER): Outcome {
    return this.access.publish(this.message(topic, text, qos, expiryMs));
  }

  queue(name: string, options: Partial<QueueOptions> = {}): WorkQueue {
    const queue = this.access.queue(name, { ...QUEUE_DEFAULTS, ...options });
    if (typeof queue === 'string') throw new Error(queue);
    return queue;
  }

  leave(): void {
    this.access.leave(false, this.broker.clock.now);
  }
}

/** Takes up to `window` unsettled messages, and writes down what it got: `text`, with `!` when it comes again. */
class Sink implements Consumer {
  readonly got: string[] = [];
  readonly messages: Message[] = [];
  readonly ids: number[] = [];
  evicted: Outcome | undefined = undefined;
  take_!: Consumption;
  private readonly window: number;
  private open = 0;

  constructor(window = 100) {
    this.window = window;
  }

  at(queue: WorkQueue, options: Partial<ConsumeOptions> = {}): this {
    const take = queue.consume(this, { qos: 1, ...options });
    if (typeof take === 'string') throw new Error(take);
    this.take_ = take;
    return this;
  }

  ready(): boolean {
    return this.open < this.window;
  }
  deliver(m: Message, _q: Qos, _g: Grant, _r: boolean, id: number, again: boolean, _box: Settler): void {
    if (id !== 0) this.open++;
    this.ids.push(id);
    this.messages.push(m);
    this.got.push(Buffer.from(m.payload).toString() + (again ? '!' : ''));
  }
  take(): number {
    return 0;
  }
  evict(why: Outcome): void {
    this.evicted = why;
  }

  settle(index: number, outcome: Outcome = 'ok'): void {
    this.open--;
    this.take_.settle(this.ids[index]!, outcome);
    this.take_.pull();
  }
  putBack(index: number, failed = true, elsewhere = false): void {
    this.open--;
    this.take_.putBack(this.ids[index]!, failed, elsewhere);
  }
}

async function start(options: BrokerOptions = {}): Promise<Broker> {
  return startBroker({ protocols: [], ...options });
}

test('each message goes to one consumer, in turns', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const one = new Sink().at(a.queue('jobs'));
  const two = new Sink().at(new Client(broker, 'b').queue('jobs'));
  for (const n of ['1', '2', '3', '4']) expect(a.publish('$queue/jobs', n)).toBe('ok');
  expect([one.got, two.got]).toEqual([
    ['1', '3'],
    ['2', '4'],
  ]);
});

test('messages of every QoS wait for a consumer and are settled', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  for (const qos of [0, 1, 2] as const) a.publish('$queue/jobs', `${qos}`, qos);
  const queue = a.queue('jobs');
  expect(queue.waiting).toBe(3);
  await broker.clock.run(); // QoS 2 leaves when it is kept
  const sink = new Sink(2).at(queue);
  expect([sink.got, queue.waiting, queue.unsettled]).toEqual([['0', '1'], 1, 2]);
  sink.settle(0);
  expect([sink.got, queue.waiting, queue.unsettled]).toEqual([['0', '1', '2'], 0, 2]);
});

test('what a lost consumer had goes to another one, in its place', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const b = new Client(broker, 'b');
  for (const n of ['1', '2', '3']) a.publish('$queue/jobs', n);
  const first = new Sink(2).at(b.queue('jobs'));
  expect(first.got).toEqual(['1', '2']);
  b.leave();
  const next = new Sink().at(a.queue('jobs'));
  expect(next.got).toEqual(['1!', '2!', '3']);
  expect([next.take_.failures(next.ids[0]!), next.take_.failures(next.ids[2]!)]).toEqual([1, 0]);
});

test('a cancelled consumer still answers for what it has', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs');
  const sink = new Sink(1).at(queue);
  a.publish('$queue/jobs', '1');
  a.publish('$queue/jobs', '2');
  sink.take_.cancel();
  sink.settle(0);
  expect([sink.got, queue.waiting, queue.unsettled]).toEqual([['1'], 1, 0]);
});

test('what a consumer releases is taken, and given back only once', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs');
  const sink = new Sink().at(queue);
  a.publish('$queue/jobs', '1');
  a.publish('$queue/jobs', '2');
  sink.take_.release(sink.ids[0]!);
  sink.take_.settle(sink.ids[0]!, 'ok');
  sink.take_.putBack(sink.ids[0]!, true, false);
  expect([sink.got, queue.waiting, queue.unsettled]).toEqual([['1', '2'], 0, 1]);
  sink.take_.close();
  sink.take_.close();
  expect([queue.waiting, queue.unsettled]).toEqual([1, 0]);
});

test('given back: again to anybody, or to anybody else', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs');
  const one = new Sink().at(queue);
  a.publish('$queue/jobs', '1');
  one.putBack(0, false);
  expect([one.got, one.take_.failures(one.ids[1]!)]).toEqual([['1', '1!'], 0]);
  one.putBack(1, true, true);
  expect([one.got.length, queue.waiting]).toEqual([2, 1]);
  a.publish('$queue/jobs', '2'); // overtakes the one that this consumer never gets again
  expect(one.got).toEqual(['1', '1!', '2']);
  expect(new Sink().at(queue).got).toEqual(['1!']);
});

test('a consumer that chooses leaves the rest to others', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs');
  const red = new Sink().at(queue, { accepts: (m) => Buffer.from(m.payload).toString().startsWith('r') });
  for (const n of ['b1', 'r1', 'b2', 'r2']) a.publish('$queue/jobs', n);
  expect([red.got, queue.waiting]).toEqual([['r1', 'r2'], 2]);
  expect(new Sink().at(queue).got).toEqual(['b1', 'b2']);
});

test('consumers: exclusive, single active, and alone at an exclusive queue', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const b = new Client(broker, 'b');
  const queue = a.queue('jobs', { singleActive: true });
  const first = new Sink().at(queue);
  expect(queue.consume(new Sink(), { qos: 1, exclusive: true })).toBe('busy');
  const second = new Sink().at(b.queue('jobs'));
  a.publish('$queue/jobs', '1');
  a.publish('$queue/jobs', '2');
  expect([first.got, second.got]).toEqual([['1', '2'], []]);
  first.take_.close();
  expect(second.got).toEqual(['1!', '2!']);
  const own = a.queue('own', { exclusive: true });
  expect(b.access.queue('own', QUEUE_DEFAULTS)).toBe('busy');
  const theirs = b.access.queue('own') as WorkQueue;
  expect(theirs.consume(new Sink(), { qos: 1 })).toBe('busy');
  expect(theirs.publish(b.message('x', '1'))).toBe('ok');
  expect(own.waiting).toBe(1);
  a.leave();
  expect(b.access.queue('own')).toBe('unmatched');
});

const DEATHS: readonly [string, Partial<QueueOptions>, string, (c: Client, s: Sink, b: Broker) => unknown][] =
  [
    ['rejected', {}, '1', (_c, s) => s.settle(0, 'payload-invalid')],
    ['delivery-limit', { maxDeliveries: 2 }, '1', (_c, s) => [s.putBack(0), s.putBack(1)]],
    ['queue-full', { maxMessages: 1, overflow: 'drop-oldest' }, '2', (c) => c.publish('$queue/jobs', '3')],
    ['expired', { messageTtlMs: 1_000 }, '2', (_c, _s, b) => b.clock.advance(1_100)],
  ];
test.each(DEATHS)('a dead letter: %s', async (why, options, text, kill) => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs', { ...options, deadLetter: '$queue/dead' });
  const sink = new Sink(1).at(queue);
  a.publish('$queue/jobs', '1');
  a.publish('$queue/jobs', '2');
  await kill(a, sink, broker);
  const dead = new Sink().at(a.queue('dead'));
  expect(dead.got).toEqual([text]);
  expect(dead.messages[0]!.topic).toBe('$queue/dead');
  expect(dead.messages[0]!.meta!.user!.map((p) => `${p.name}=${String(p.value)}`)).toEqual([
    'x-first-death-queue=jobs',
    `x-first-death-reason=${why}`,
    'x-last-death-queue=jobs',
    `x-last-death-reason=${why}`,
    expect.stringMatching(`^x-death=\\["${why}","jobs",1,\\d+,"\\$queue/jobs"\\]$`),
  ]);
});

test('a circle of full queues ends', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const loop = { maxMessages: 1, overflow: 'drop-oldest', deadLetter: '$queue/loop' } as const;
  const queue = a.queue('loop', loop);
  for (const n of ['1', '2', '3']) a.publish('$queue/loop', n);
  expect(queue.waiting).toBe(1);
});

test('full: the new message is refused, and its publisher told', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs', { maxMessages: 2 });
  expect(['1', '2', '3'].map((n) => a.publish('$queue/jobs', n))).toEqual(['ok', 'ok', 'quota-exceeded']);
  expect(queue.purge()).toBe(2);
  expect([queue.waiting, a.publish('$queue/jobs', '4')]).toEqual([0, 'ok']);
});

test('who declares a queue must be allowed to publish where its dead go', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  expect(a.access.queue('jobs', { ...QUEUE_DEFAULTS, deadLetter: '$SYS/forged' })).toBe('not-authorized');
  expect(a.access.queue('jobs', { ...QUEUE_DEFAULTS, deadLetter: 'a/+' })).toBe('topic-invalid');
  expect(a.access.queue('jobs')).toBe('unmatched');
});

test('one message at a time, as often as one likes: nothing of it stays', async () => {
  const broker = await start({ limits: { subscriptionsPerClient: 3 } });
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs');
  for (let n = 0; n < 10; n++) {
    a.publish('$queue/jobs', `${n}`);
    const once = new Sink(1).at(queue);
    once.take_.cancel();
    expect(once.got).toEqual([`${n}`]);
    once.take_.settle(once.ids[0]!, 'ok');
  }
  expect([queue.waiting, queue.unsettled, queue.consumers]).toEqual([0, 0, 0]);
});

test('the hub names a queue, which is free to use for who made it', async () => {
  const allows = (_who: unknown, _client: string, action: string): boolean => action === 'publish';
  const identify = (): Promise<never> => Promise.reject(new Error('nobody asks'));
  const broker = await start({ auth: { identify, exchange: () => undefined, allows, epoch: 0 } });
  const restricted = { ...ANYBODY, unrestricted: false };
  const [a, b] = [new Client(broker, 'a', restricted), new Client(broker, 'b', restricted)];
  const own = a.queue('', { exclusive: true });
  expect(own.name).toMatch(/^wm-[0-9a-f]{32}$/);
  const sink = new Sink().at(own);
  expect(b.publish(`$queue/${own.name}`, 'reply')).toBe('ok');
  expect(sink.got).toEqual(['reply']);
  expect(b.access.queue('jobs', { ...QUEUE_DEFAULTS, exclusive: true })).toBe('not-authorized');
  const jobs = b.queue('jobs');
  expect([jobs.consume(new Sink(), { qos: 1 }), jobs.purge(), jobs.delete()]).toEqual(
    Array(3).fill('not-authorized'),
  );
  expect((b.access.queue(own.name) as WorkQueue).delete()).toBe('busy');
});

test('messages of higher priority overtake, also after a crash', async () => {
  const broker = await start();
  let a = new Client(broker, 'a');
  const put = (text: string, priority: number): Outcome =>
    a.access.publish(a.message('$queue/jobs', text, 1, NEVER, { priority }));
  put('before', 5); // the queue is not declared yet
  const queue = a.queue('jobs', { maxPriority: 9 });
  for (const [text, priority] of [
    ['low', 0],
    ['high', 9],
    ['middle', 5],
    ['higher', 200],
    ['lower', 0],
  ] as const)
    put(text, priority);
  const sink = new Sink(3).at(queue);
  expect(sink.got).toEqual(['high', 'higher', 'before']);
  sink.settle(0);
  expect(sink.got[3]).toBe('middle');
  await broker.clock.run();
  await broker.crash();
  a = new Client(broker, 'a');
  put('late', 9);
  const after = new Sink().at(a.access.queue('jobs') as WorkQueue);
  // What was delivered before comes first, in the order in which it was published.
  expect(after.got).toEqual(['before!', 'middle!', 'higher!', 'late', 'low', 'lower']);
  for (let i = 0; i < 5; i++) after.settle(i);
  await broker.clock.run();
  await broker.crash();
  a = new Client(broker, 'a');
  expect(new Sink().at(a.access.queue('jobs') as WorkQueue).got).toEqual(['lower!']);
});

test('a full queue with priorities loses the least important', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs', { maxPriority: 1, maxMessages: 2, overflow: 'drop-oldest' });
  for (const [text, priority] of [
    ['high', 1],
    ['low', 0],
    ['second', 1],
  ] as const)
    queue.publish(a.message('x', text, 1, NEVER, { priority }));
  expect(new Sink().at(queue).got).toEqual(['high', 'second']);
});

test('bindings fill a queue from topics', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs');
  expect([queue.bind('a/+'), queue.bind('a/b#'), [...queue.bindings()]]).toEqual([
    'ok',
    'filter-invalid',
    ['a/+'],
  ]);
  a.publish('a/b', '1', 0);
  a.publish('a/b/c', '2');
  expect([queue.waiting, new Sink().at(queue).messages[0]!.topic]).toEqual([1, 'a/b']);
  expect([queue.unbind('a/+'), queue.unbind('a/+'), a.publish('a/b', '3')]).toEqual([
    'ok',
    'no-subscription',
    'unmatched',
  ]);
});

test('a queue that nobody declared goes when it is empty and alone; a declared one stays', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  a.publish('$queue/loose', '1');
  const loose = a.access.queue('loose') as WorkQueue;
  const sink = new Sink().at(loose);
  sink.settle(0);
  sink.take_.close();
  expect(a.access.queue('loose')).toBe('unmatched');
  a.publish('$queue/firm', '1');
  const firm = a.queue('firm', { note: 'n' });
  firm.purge();
  expect((a.access.queue('firm') as WorkQueue).options.note).toBe('n');
  firm.delete();
  expect(a.access.queue('firm')).toBe('unmatched');
});

test('auto-delete goes with the last consumer, expiry after disuse, deletion tells the consumers', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const brief = a.queue('brief', { autoDelete: true });
  const sinks = [new Sink().at(brief), new Sink().at(brief)];
  sinks[0]!.take_.close();
  expect(a.access.queue('brief')).not.toBe('unmatched');
  sinks[1]!.take_.close();
  expect(a.access.queue('brief')).toBe('unmatched');
  a.queue('idle', { expiresMs: 1_000 });
  await broker.clock.advance(900);
  a.queue('idle');
  await broker.clock.advance(900);
  expect(a.access.queue('idle')).not.toBe('unmatched');
  await broker.clock.advance(200);
  expect(a.access.queue('idle')).toBe('unmatched');
  const doomed = a.queue('doomed');
  const sink = new Sink().at(doomed);
  doomed.delete();
  expect(sink.evicted).toBe('no-subscription');
});

test('a crash keeps durable queues, bindings and messages, and nothing that was settled', async () => {
  const broker = await start();
  let a = new Client(broker, 'a');
  const queue = a.queue('jobs', { deadLetter: 'dead', maxMessages: 50, note: 'x' });
  queue.bind('a/#');
  a.queue('brief', { durable: false });
  a.publish('a/1', '1');
  a.publish('$queue/jobs', 'volatile', 0);
  a.publish('$queue/jobs', '2');
  a.publish('$queue/jobs', '3');
  a.publish('$queue/brief', 'lost');
  a.publish('$queue/loose', 'kept');
  const sink = new Sink(3).at(queue);
  expect(sink.got).toEqual(['1', 'volatile', '2']);
  sink.settle(0);
  await broker.clock.run();
  await broker.crash();
  a = new Client(broker, 'a');
  expect(a.access.queue('brief')).toBe('unmatched');
  const again = a.access.queue('jobs') as WorkQueue;
  expect(again.options).toEqual({
    ...QUEUE_DEFAULTS,
    deadLetter: 'dead',
    maxMessages: 50,
    note: 'x',
  });
  a.publish('a/2', '4');
  expect(new Sink().at(again).got).toEqual(['2!', '3!', '4']);
  expect(new Sink().at(a.access.queue('loose') as WorkQueue).got).toEqual(['kept']);
});

test('an acknowledgement waits for what it says: published, settled, declared', async () => {
  const broker = await start({ commitMs: 10 });
  const a = new Client(broker, 'a');
  const queue = a.queue('jobs');
  expect(a.access.due).toBeGreaterThan(0);
  await broker.clock.advance(50);
  expect(a.access.due).toBe(0);
  const sink = new Sink().at(queue);
  queue.publish(a.message('x', '1'));
  expect(a.access.due).toBeGreaterThan(0);
  await broker.clock.advance(50);
  sink.settle(0);
  expect(a.access.due).toBeGreaterThan(0);
});

test('mailboxes subscribe to a queue as to a topic, and share it with consumers', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  const options = { fresh: false, keepMs: 60_000, capacity: 10, overflow: 'drop-oldest' } as const;
  const box = a.access.mailbox('a', options);
  const s = { filter: '$queue/jobs', qos: 1, noLocal: false, tag: 7 } as const;
  expect(box.subscribe(s)).toEqual({ outcome: 'ok', added: true });
  for (const filter of ['$queue/+', '$queue/#', '$queue/', '$share/g/$queue/jobs'])
    expect(box.subscribe({ ...s, filter }).outcome).toBe('filter-invalid');
  const mine = new Sink();
  box.attach(mine);
  const other = new Sink().at(a.access.queue('jobs') as WorkQueue);
  for (const n of ['1', '2', '3']) a.publish('$queue/jobs', n, 0);
  expect([mine.got, other.got]).toEqual([['1', '3'], ['2']]);
  box.detach(mine);
  expect(other.got).toEqual(['2', '1!', '3!']);
  await broker.clock.run();
  await broker.crash();
  const later = new Client(broker, 'a');
  const resumed = later.access.mailbox('a', options);
  const sink = new Sink();
  resumed.attach(sink);
  later.publish('$queue/jobs', '4');
  expect(sink.got).toEqual(['4']); // the others had QoS 0
});

test('browsing shows what waits from a place on, also what only the store has, and takes nothing', async () => {
  const broker = await start();
  let a = new Client(broker, 'a');
  const put = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) a.publish('$queue/jobs', `${i}`.padEnd(3_000));
    await broker.clock.run();
  };
  const seen = (from: number): number[] => {
    const placed = (a.access.queue('jobs') as WorkQueue).browse(from);
    if (typeof placed === 'string') throw new Error(placed);
    return [...placed].map(({ message }) => Number(Buffer.from(message.payload).toString()));
  };
  const numbers = (from: number, to: number): number[] =>
    Array.from({ length: to - from }, (_, i) => from + i);
  a.queue('jobs');
  for (let i = 0; i < 900; i += 300) await put(i, i + 300);
  const places = [...((a.access.queue('jobs') as WorkQueue).browse(0) as Iterable<Placed>)];
  expect(seen(0)).toEqual(numbers(0, 900));
  for (const at of [1, 299, 300, 301, 650, 899]) expect(seen(places[at]!.seq)).toEqual(numbers(at, 900));
  await broker.crash();
  a = new Client(broker, 'a');
  expect(seen(places[450]!.seq)).toEqual(numbers(450, 900));
  const sink = new Sink(1).at(a.access.queue('jobs') as WorkQueue);
  expect(seen(0)).toEqual(numbers(1, 900));
  sink.take_.putBack(sink.ids[0]!, false, true);
  expect(seen(0)).toEqual(numbers(0, 900));
});

test('browsing is for who may take, and where the order of arrival counts', async () => {
  const broker = await start();
  const a = new Client(broker, 'a');
  expect(a.queue('ranked', { maxPriority: 3 }).browse(0)).toBe('not-supported');
  a.queue('mine', { exclusive: true });
  const other = new Client(broker, 'b').access.queue('mine', undefined);
  expect(typeof other === 'string' ? other : other.browse(0)).toBe('busy');
});
