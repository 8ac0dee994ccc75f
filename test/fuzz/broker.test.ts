// A broker among chaotic clients, cuts and crashes, over many virtual hours: whoever behaves gets all that it was promised.
//
//   FUZZ_SEED=7 FUZZ_ROUNDS=100 npx vitest run test/fuzz     another course

import { expect, test } from 'vitest';
import type { Level } from '../../src/protocol/mqtt/packet.ts';
import { seeded } from '../../src/transport/virtual-clock.ts';
import { type ClientOptions, SessionClient } from '../fault/client.ts';
import { Ledger } from '../fault/ledger.ts';
import { type Broker, startBroker, TEST_LIMITS } from '../network.ts';
import { Chaos } from './chaos.ts';
import { memory } from './memory-line.ts';

const SEED = Number(process.env.FUZZ_SEED ?? 20_190_307);
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 6);
const STEPS = 400;
const CHAOTIC = 8;
/** Publishes of one good publisher on their way at a time. */
const WINDOW = 8;
const LIMITS = {
  queueMessages: 3_000,
  queueBytes: 16_777_216,
  retainedMessages: 200,
  subscriptionsPerClient: 50,
};

class Round {
  readonly ledger = new Ledger();
  readonly random: () => number;
  broker!: Broker;
  private chaos!: Chaos;
  private readonly seed: number;
  private readonly publishers: { client: SessionClient; qos: 1 | 2 }[] = [];
  private readonly subscribers: { client: SessionClient; filter: string }[] = [];

  constructor(seed: number) {
    this.seed = seed;
    this.random = seeded(seed);
  }

  async run(): Promise<void> {
    const { random } = this;
    this.broker = await startBroker({
      seed: this.seed,
      limits: LIMITS,
      commitMs: Math.floor(random() * 20),
      link: {
        delayMs: Math.floor(random() * 30),
        jitterMs: Math.floor(random() * 30),
        chunk: random() < 0.3 ? 7 : random() < 0.5 ? 900 : Number.POSITIVE_INFINITY,
        windowBytes: random() < 0.5 ? 2_000 : 262_144,
        fullBytes: random() < 0.5 ? 1_000 : 65_536,
      },
    });
    this.chaos = new Chaos(this.broker, this.seed, random, CHAOTIC);
    await this.begin();
    for (let step = 0; step < STEPS; step++) {
      await this.step();
      this.checkBounds();
    }
    await this.end();
  }

  private async begin(): Promise<void> {
    const good = (topic: string) => topic.startsWith('good/');
    const shared = this.ledger.account('the group', good, false);
    this.subscriber('five', 'good/#', 5, this.ledger.account('five', good));
    this.subscriber('four', '#', 4, this.ledger.account('four', good));
    this.subscriber('narrow', 'good/+', 5, this.ledger.account('narrow', good), { receiveMaximum: 2 });
    this.subscriber('member1', '$share/group/good/#', 5, shared);
    this.subscriber('member2', '$share/group/good/#', 4, shared);
    for (const [name, level, qos] of [
      ['p1', 5, 1],
      ['p2', 4, 2],
      ['p3', 5, 2],
    ] as const) {
      const client = new SessionClient(
        name,
        { level },
        {
          received: () => {},
          acknowledged: (tag) => this.ledger.acknowledged(tag),
          complain: (what) => this.ledger.complaints.push(what),
        },
      );
      this.publishers.push({ client, qos });
    }
    await this.allConnect();
    for (const { client, filter } of this.subscribers) {
      const granted = client.subscribe(filter, 2);
      await this.broker.clock.advance(2_000);
      expect(await granted).toEqual([2]);
    }
  }

  private subscriber(
    name: string,
    filter: string,
    level: Level,
    received: ReturnType<Ledger['account']>,
    options: Partial<ClientOptions> = {},
  ): void {
    const client = new SessionClient(
      name,
      { level, ...options },
      {
        // `#` brings what the chaotic ones publish, too.
        received: (p) => p.topic.startsWith('good/') && received(p),
        acknowledged: () => {},
        complain: (what) => this.ledger.complaints.push(what),
      },
    );
    this.subscribers.push({ client, filter });
  }

  private get everybody(): SessionClient[] {
    return [...this.subscribers, ...this.publishers].map(({ client }) => client);
  }

  private async step(): Promise<void> {
    const { random, broker } = this;
    const choice = random();
    if (choice < 0.55) this.chaos.act();
    else if (choice < 0.8) this.publish();
    else if (choice < 0.85) this.connectOne();
    else if (choice < 0.87) void this.pick(this.everybody).cut();
    else if (choice < 0.88) this.pick(this.everybody).stall(true);
    else if (choice < 0.9) for (const client of this.everybody) client.stall(false);
    else if (choice < 0.91) await broker.crash();
    else await broker.clock.advance(this.while());
  }

  /** Mostly moments, sometimes hours. */
  private while(): number {
    const choice = this.random();
    if (choice < 0.5) return Math.floor(this.random() * 20);
    if (choice < 0.9) return Math.floor(this.random() * 1_000);
    if (choice < 0.98) return Math.floor(this.random() * 60_000);
    return Math.floor(this.random() * 3_600_000);
  }

  private publish(): void {
    const { client, qos } = this.pick(this.publishers);
    for (let n = 1 + Math.floor(this.random() * 4); n > 0 && client.pending < WINDOW; n--) {
      const topic = `good/${client.name}`;
      const tag = this.ledger.send(client.name, topic, qos);
      const size = this.random() < 0.02 ? 40_000 : Math.floor(this.random() * 60);
      client.publish(topic, tag + ' '.repeat(size), qos, tag);
    }
  }

  private connectOne(): void {
    const client = this.pick(this.everybody.filter((c) => !c.connected));
    if (client !== undefined) this.connect(client);
  }

  private connect(client: SessionClient): void {
    client.connect(memory(this.broker)).catch(() => undefined); // cut or crashed before CONNACK: it comes again
  }

  private async allConnect(): Promise<void> {
    for (const client of this.everybody) if (!client.connected) this.connect(client);
    await this.broker.clock.advance(5_000);
  }

  /** Whatever the chaotic ones do, what the hub holds stays within its limits. */
  private checkBounds(): void {
    const { stats } = this.broker.hub;
    const mailboxes = stats.sessions + stats.groups;
    expect(stats.retained).toBeLessThanOrEqual(LIMITS.retainedMessages);
    expect(stats.queuedMessages).toBeLessThanOrEqual(mailboxes * LIMITS.queueMessages);
    expect(stats.queuedBytes).toBeGreaterThanOrEqual(0);
    expect(stats.unsettled).toBeLessThanOrEqual(mailboxes * TEST_LIMITS.inflight);
    expect(stats.subscriptions).toBeLessThanOrEqual(mailboxes * LIMITS.subscriptionsPerClient);
  }

  private async end(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      for (const client of this.everybody) client.stall(false);
      await this.allConnect();
      await this.broker.clock.advance(60_000);
      const pending = this.publishers.some(({ client }) => client.pending > 0);
      if (turn > 1 && !pending && this.ledger.missing === 0) break;
    }
    expect(this.publishers.map(({ client }) => client.pending)).toEqual([0, 0, 0]);
    expect(this.ledger.broken()).toEqual([]);
    expect(this.ledger.acknowledgedCount).toBe(this.ledger.size);
    expect(this.broker.log.filter((line) => /^(error|fatal)/.test(line))).toEqual([]);
    expect(this.broker.hub.counters.of('mqtt').faults).toBe(0);
    await this.broker.stop();
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }
}

for (let n = 0; n < ROUNDS; n++) {
  const seed = SEED + n;
  test(`among chaos, cuts and crashes whoever behaves gets everything: FUZZ_SEED=${seed} FUZZ_ROUNDS=1`, async () => {
    const round = new Round(seed);
    await round.run();
    expect(round.ledger.size).toBeGreaterThan(20);
  }, 60_000);
}
