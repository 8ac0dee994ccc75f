// Bans, failed logins, rates and the rights of sessions, at a hub in memory on a virtual clock.

import { describe, expect, test } from 'vitest';
import { TEST_LIMITS } from '../../test/network.ts';
import type { Auth, Identity, Login } from '../contract/auth.ts';
import type { Access, Guest, HubLimits, OwnedHub } from '../contract/hub.ts';
import type { Consumer, Grant, Mailbox } from '../contract/mailbox.ts';
import { Message, NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { MemoryStore } from '../store/memory.ts';
import { networkOf } from './bans.ts';
import { createHub, type HubCore } from './hub.ts';

/** An engine of two users, whose rules the test changes. */
class Rules implements Auth {
  epoch = 0;
  readonly gone = new Set<string>();
  readonly mayNot = new Set<string>();

  async identify({ username, password }: Login): Promise<Identity | Outcome> {
    if (password?.[0] !== 1) return 'bad-credentials';
    return { principal: username!, unrestricted: false, validUntil: NEVER };
  }

  exchange() {
    const refused = { kind: 'refused', why: 'bad-credentials' } as const;
    return { step: () => Promise.resolve(refused) };
  }

  allows({ principal }: Identity, _client: string, _action: string, topic: string): boolean {
    return !this.gone.has(principal) && !this.mayNot.has(topic.split('/', 1)[0]!);
  }

  stands({ principal }: Identity): boolean {
    return !this.gone.has(principal);
  }

  absent(principal: string): Identity {
    return { principal, unrestricted: false, validUntil: NEVER };
  }

  change(): void {
    this.epoch++;
  }
}

class World {
  time = 1_000_000;
  readonly rules = new Rules();
  readonly store = new MemoryStore();
  hub!: OwnedHub;
  private readonly limits: Partial<HubLimits>;

  constructor(limits: Partial<HubLimits> = {}) {
    this.limits = limits;
  }

  async start(): Promise<this> {
    let count = 0;
    this.hub = createHub(
      {
        auth: this.rules,
        store: this.store,
        now: () => this.time,
        wake: () => undefined,
        turn: () => undefined,
        random: (length) => new Uint8Array(length).fill(++count),
        failed: (why) => {
          throw why;
        },
        log: () => undefined,
      },
      { ...TEST_LIMITS, ...this.limits },
    );
    await this.hub.start();
    return this;
  }

  async logIn(parts: Partial<Login> & { right?: boolean } = {}): Promise<Client> {
    const { right = true, ...login } = parts;
    const client = new Client();
    this.hub.login(
      {
        protocol: 'test',
        client: 'c',
        username: 'alice',
        password: Uint8Array.of(right ? 1 : 0),
        remote: '192.0.2.1:5',
        listener: 'here',
        wire: {},
        ...login,
      },
      client,
    );
    await client.answered;
    return client;
  }
}

class Client implements Guest, Consumer {
  access!: Access;
  refused: Outcome | undefined;
  evicted: Outcome | undefined;
  box!: Mailbox;
  readonly got: string[] = [];
  slow: ((ms: number) => boolean) | undefined = undefined;
  private answer!: () => void;
  readonly answered = new Promise<void>((resolve) => {
    this.answer = resolve;
  });

  welcome(access: Access): void {
    this.access = access;
    this.answer();
  }

  refuse(why: Outcome): void {
    this.refused = why;
    this.answer();
  }

  evict(why: Outcome): void {
    this.evicted = why;
  }

  kept(): void {}

  open(filters: string[] = []): this {
    this.box = this.access.mailbox('c', {
      fresh: false,
      keepMs: NEVER,
      capacity: 100,
      overflow: 'drop-newest',
    });
    for (const filter of filters) this.box.subscribe({ filter, qos: 1, noLocal: false, tag: 0 });
    this.box.attach(this);
    return this;
  }

  publish(topic: string): Outcome {
    const origin = { protocol: 'test', client: 'p', principal: 'p' };
    return this.access.publish(new Message(topic, new Uint8Array(10), 1, false, origin, 0, NEVER, undefined));
  }

  get filters(): string[] {
    return [...this.box.subscriptions()].map(({ filter }) => filter);
  }

  ready(): boolean {
    return true;
  }

  deliver(m: Message, _qos: number, _grant: Grant, _replayed: boolean, id: number): void {
    this.got.push(m.topic);
    this.box.settle(id, 'ok');
  }

  take(): number {
    return 0;
  }
}

const BANNED = 'disconnected-by-admin';

describe('bans', () => {
  test.each([
    ['address', '192.0.2.1', { remote: '192.0.2.2:5' }],
    ['user', 'alice', { username: 'bob' }],
    ['client', 'c', {}],
  ] as const)(
    '%s %s: who is here goes, nobody comes back until it ends, others are free',
    async (kind, value, other) => {
      const world = await new World().start();
      const here = await world.logIn();
      expect(world.hub.bans.add(kind, value, world.time + 1_000, 'noise')).toBe('ok');
      expect(here.evicted).toBe(BANNED);
      expect((await world.logIn()).refused).toBe(BANNED);
      expect((await world.logIn({ client: 'e', ...other })).refused).toBeUndefined();
      world.time += 1_000;
      expect((await world.logIn()).refused).toBeUndefined();
      expect(world.hub.bans.list()).toEqual([]);
    },
  );

  test('they outlive a restart, until they are lifted', async () => {
    const world = await new World().start();
    world.hub.bans.add('user', 'alice', NEVER, 'left the firm');
    world.hub.bans.add('address', '2001:db8::1', world.time + 5_000, 'noise');
    await world.hub.stop();
    await world.start();
    expect(world.hub.bans.list()).toEqual([
      { kind: 'user', value: 'alice', since: 1_000_000, until: NEVER, why: 'left the firm', by: 'admin' },
      {
        kind: 'address',
        value: '2001:db8::1',
        since: 1_000_000,
        until: 1_005_000,
        why: 'noise',
        by: 'admin',
      },
    ]);
    expect((await world.logIn()).refused).toBe(BANNED);
    expect((await world.logIn({ username: 'bob', remote: '[2001:db8::1]:7' })).refused).toBe(BANNED);
    expect(world.hub.bans.remove('user', 'alice')).toBe(true);
    expect(world.hub.bans.remove('user', 'alice')).toBe(false);
    await world.hub.stop();
    await world.start();
    expect((await world.logIn()).refused).toBeUndefined();
  });

  test('kick sends away those to whom all of it applies, and keeps nobody out', async () => {
    const world = await new World().start();
    const one = await world.logIn({ client: 'one' });
    const two = await world.logIn({ client: 'two', username: 'bob' });
    expect(world.hub.kick({ user: 'bob', client: 'one' })).toBe(0);
    expect(world.hub.kick({ user: 'bob' })).toBe(1);
    expect([one.evicted, two.evicted]).toEqual([undefined, BANNED]);
    expect(world.hub.kick({ address: '192.0.2.1' })).toBe(1);
    expect((await world.logIn({ client: 'one' })).refused).toBeUndefined();
  });

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::', 'fe80:0:0:0::/64'],
  ])('the network of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('failed logins', () => {
  const LIMITS = { failuresPerAddress: 3, failuresPerUser: 5, failuresWithinMs: 1_000, banMs: 10_000 };
  const fail = async (world: World, times: number, parts: Partial<Login> = {}) => {
    for (let i = 0; i < times; i++) await world.logIn({ right: false, ...parts });
  };

  test('ban an address, the right password notwithstanding; not one of this machine', async () => {
    const world = await new World(LIMITS).start();
    await fail(world, 2);
    expect((await world.logIn()).refused).toBeUndefined();
    await fail(world, 1);
    expect((await world.logIn()).refused).toBe(BANNED);
    expect(world.hub.bans.list()).toMatchObject([{ kind: 'address', value: '192.0.2.1', by: 'hub' }]);
    await fail(world, 4, { remote: '127.0.0.1:9', username: 'eve' });
    expect((await world.logIn({ remote: '127.0.0.1:9', username: 'bob' })).refused).toBeUndefined();
    world.time += 10_000;
    expect((await world.logIn()).refused).toBeUndefined();
  });

  test('do not ban an address that may be forged', async () => {
    const world = await new World(LIMITS).start();
    await fail(world, 4, { forgeable: true });
    expect((await world.logIn()).refused).toBeUndefined();
  });

  test('of IPv6, whatever address of the /64 they come from', async () => {
    const world = await new World(LIMITS).start();
    for (let i = 1; i <= 3; i++) await fail(world, 1, { remote: `[2001:db8::${i}]:5`, username: `u${i}` });
    expect((await world.logIn({ remote: '[2001:db8::77]:5' })).refused).toBe(BANNED);
    expect((await world.logIn({ remote: '[2001:db8:0:1::77]:5' })).refused).toBeUndefined();
  });

  test('ban a user, wherever they come from; a success in between starts anew', async () => {
    const world = await new World(LIMITS).start();
    const from = (i: number) => ({ remote: `192.0.2.${i}:5` });
    for (let i = 1; i <= 4; i++) await fail(world, 1, from(i));
    expect((await world.logIn(from(10))).refused).toBeUndefined();
    for (let i = 1; i <= 5; i++) await fail(world, 1, from(20 + i));
    expect((await world.logIn(from(30))).refused).toBe(BANNED);
  });

  test('count only together when they come close together', async () => {
    const world = await new World(LIMITS).start();
    for (let i = 0; i < 5; i++) {
      await fail(world, 2);
      world.time += 1_001;
    }
    expect((await world.logIn()).refused).toBeUndefined();
  });

  test('of an exchange count too', async () => {
    const world = await new World(LIMITS).start();
    const login = {
      protocol: 'test',
      client: '',
      username: undefined,
      password: undefined,
      listener: '',
      wire: {},
    };
    const step = () =>
      world.hub.exchange('ANY', { ...login, remote: '192.0.2.1:5' })!.step(new Uint8Array(0));
    for (let i = 0; i < 3; i++) expect(await step()).toMatchObject({ why: 'bad-credentials' });
    expect(await step()).toMatchObject({ why: BANNED });
  });
});

describe('rates', () => {
  const RATES = { rates: { messagesPerSecond: 10, bytesPerSecond: NEVER } };

  test('who cannot wait is refused beyond a second’s worth, and may go on later', async () => {
    const world = await new World(RATES).start();
    const client = await world.logIn();
    const burst = () => Array.from({ length: 15 }, () => client.publish('a'));
    expect(burst().filter((outcome) => outcome === 'rate-exceeded')).toHaveLength(5);
    world.time += 500;
    expect(burst().filter((outcome) => outcome === 'rate-exceeded')).toHaveLength(10);
    expect(world.hub.counters.dropped.get('rate-exceeded')).toBe(15);
  });

  test('who can wait is told how long, and loses nothing', async () => {
    const world = await new World(RATES).start();
    const client = await world.logIn();
    const waits: number[] = [];
    client.slow = (ms) => waits.push(ms) > 0;
    for (let i = 0; i < 12; i++) expect(client.publish('a')).toBe('unmatched');
    expect(waits).toEqual([100, 200, 300]);
    world.time += 300;
    expect(client.publish('a')).toBe('unmatched');
    expect(waits.at(-1)).toBe(100);
  });

  test('of octets: a message larger than a second’s worth passes, and is paid for afterwards', async () => {
    const world = await new World({ rates: { messagesPerSecond: NEVER, bytesPerSecond: 5 } }).start();
    const client = await world.logIn();
    expect([client.publish('a'), client.publish('a')]).toEqual(['unmatched', 'rate-exceeded']);
    world.time += 1_100;
    expect(client.publish('a')).toBe('rate-exceeded');
    world.time += 300;
    expect(client.publish('a')).toBe('unmatched');
  });

  test('a listener has its own; new limits reach who is here', async () => {
    const limits = {
      ...RATES,
      ratesAt: new Map([['fast', { messagesPerSecond: NEVER, bytesPerSecond: NEVER }]]),
    };
    const world = await new World(limits).start();
    const fast = await world.logIn({ listener: 'fast' });
    expect(Array.from({ length: 50 }, () => fast.publish('a'))).not.toContain('rate-exceeded');
    const slow = await world.logIn({ client: 'd' });
    expect(Array.from({ length: 50 }, () => slow.publish('a'))).toContain('rate-exceeded');
    Object.assign(world.hub.limits, { rates: undefined });
    world.hub.retune();
    expect(Array.from({ length: 50 }, () => slow.publish('a'))).not.toContain('rate-exceeded');
  });
});

describe('rights that go', () => {
  test('of a session whose client is away: the subscription goes at once, and what it gathered is not delivered', async () => {
    const world = await new World().start();
    const away = (await world.logIn()).open(['open/#', 'secret/#']);
    away.access.leave(true, world.time);
    const writer = await world.logIn({ client: 'w' });
    for (const topic of ['open/1', 'secret/1', 'open/2']) writer.publish(topic);
    world.rules.mayNot.add('secret');
    world.rules.change();
    world.hub.reauthorize();
    expect(writer.publish('secret/2')).toBe('not-authorized');
    const back = (await world.logIn()).open();
    expect([back.filters, back.got]).toEqual([['open/#'], ['open/1', 'open/2']]);
    expect(world.hub.counters.dropped.get('not-authorized')).toBe(1);
  });

  test('also over a restart, before which the right went', async () => {
    const world = await new World().start();
    (await world.logIn()).open(['open/#', 'secret/#']).access.leave(true, world.time);
    const writer = await world.logIn({ client: 'w' });
    for (const topic of ['open/1', 'secret/1', 'open/2']) writer.publish(topic);
    await world.hub.stop();
    world.rules.mayNot.add('secret');
    await world.start();
    world.hub.reauthorize();
    expect(world.hub.stats.subscriptions).toBe(1);
    const back = (await world.logIn()).open();
    expect(back.got).toEqual(['open/1', 'open/2']);
  });

  test('a user that is no more is sent away, with or without subscriptions', async () => {
    const world = await new World().start();
    const alice = await world.logIn();
    const bob = await world.logIn({ client: 'd', username: 'bob' });
    world.rules.gone.add('alice');
    world.rules.change();
    world.hub.reauthorize();
    expect([alice.evicted, bob.evicted]).toEqual(['not-authorized', undefined]);
  });

  test('proofs that run out are watched as long as their clients are here, and no longer', async () => {
    const world = await new World().start();
    const { validity } = (world.hub as HubCore).logins;
    const lasting = (seconds: number) => ({
      principal: 'alice',
      unrestricted: true,
      validUntil: world.time + seconds * 1_000,
    });
    const clients: Client[] = [];
    for (let i = 0; i < 100; i++) {
      const client = await world.logIn({ client: `c${i}` });
      for (let renewal = 1; renewal < 20; renewal++) client.access.renewed(lasting(60 + renewal));
      clients.push(client);
    }
    expect(validity.size).toBe(100);
    for (const { access } of clients.slice(1)) access.leave(true, world.time);
    expect(validity.size).toBe(1);
    world.time += 80_000;
    world.hub.wake(world.time);
    expect(clients[0]!.evicted).toBe('not-authorized');
    expect(validity.size).toBe(0);
  });

  test('a renewed proof must be of the same principal, and may have fewer rights', async () => {
    const world = await new World().start();
    const alice = (await world.logIn()).open(['a', 'b']);
    const identity = { principal: 'bob', unrestricted: false, validUntil: NEVER };
    expect(alice.access.renewed(identity)).toBe('not-authorized');
    expect(alice.access.identity.principal).toBe('alice');
    world.rules.mayNot.add('b');
    expect(alice.access.renewed({ ...identity, principal: 'alice' })).toBe('ok');
    expect(alice.filters).toEqual(['a']);
  });
});
