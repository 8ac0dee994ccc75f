// Random sequences of what clients may do: everybody observes exactly what the model says, while chaotic clients do their worst beside it.

import { expect, test } from 'vitest';
import type { Qos } from '../../src/contract/message.ts';
import type { Level } from '../../src/protocol/mqtt/packet.ts';
import { seeded } from '../../src/transport/virtual-clock.ts';
import { SessionClient } from '../fault/client.ts';
import { publishPacket } from '../mqtt-client.ts';
import { type Broker, startBroker } from '../network.ts';
import { Chaos } from './chaos.ts';
import { memory } from './memory-line.ts';
import { delivery, type Expected, Model, type ModelSubscription } from './model.ts';

const SEED = Number(process.env.FUZZ_SEED ?? 20_190_307);
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 6);
const STEPS = 150;
const EXPIRY_SECONDS = 100;
/** Chaotic clients publish elsewhere, and hear all of it. */
const ROOT = 'model';
const TOPICS = ['', '/a', '/b', '/a/b', '/a/', '//', '/a/b/c', '/é'].map((topic) => ROOT + topic);
const FILTERS = ['/#', '/+', '/a/#', '/+/b', '/a/+', '/+/+', '/a', '/a/b/+', '/+/#', ''].map((f) => ROOT + f);

interface Actor {
  readonly name: string;
  readonly level: Level;
  readonly expirySeconds: number;
  client: SessionClient;
}

class Course {
  private readonly random: () => number;
  private readonly seed: number;
  private readonly model = new Model();
  private readonly actors: Actor[] = [];
  private readonly observed: Expected = new Map();
  private readonly complaints: string[] = [];
  private broker!: Broker;
  private chaos!: Chaos;
  private count = 0;
  private did = '';

  constructor(seed: number) {
    this.seed = seed;
    this.random = seeded(seed);
  }

  async run(): Promise<void> {
    const { random } = this;
    const chunk = random() < 0.5 ? 5 : Number.POSITIVE_INFINITY;
    this.broker = await startBroker({
      seed: this.seed,
      commitMs: Math.floor(random() * 10),
      link: { delayMs: 2, chunk },
      limits: { queueMessages: 500, retainedMessages: 5_000 },
    });
    this.chaos = new Chaos(this.broker, this.seed, random, 4);
    for (const [level, expirySeconds] of [
      [3, 86_400],
      [4, 0],
      [4, 86_400],
      [5, 0],
      [5, EXPIRY_SECONDS],
      [5, 86_400],
    ] as const) {
      const name = `v${level} ${expirySeconds}`;
      this.actors.push({ name, level, expirySeconds, client: this.fresh(name, level, expirySeconds) });
    }
    for (let step = 0; step < STEPS; step++) await this.step();
    expect(this.complaints).toEqual([]);
    expect(this.broker.log.filter((line) => /^(error|fatal)/.test(line))).toEqual([]);
    await this.broker.stop();
  }

  private fresh(name: string, level: Level, expirySeconds: number): SessionClient {
    return new SessionClient(
      name,
      { level, expirySeconds },
      {
        received: (p) => {
          if (!p.topic.startsWith(ROOT)) return;
          const ids = p.properties.subscriptionIdentifier ?? [];
          const text = delivery(p.topic, new TextDecoder().decode(p.payload), p.qos, p.retain, ids);
          const seen = this.observed.get(name);
          if (seen === undefined) this.observed.set(name, [text]);
          else seen.push(text);
        },
        acknowledged: () => {},
        complain: (what) => this.complaints.push(what),
      },
    );
  }

  private async step(): Promise<void> {
    const { random } = this;
    for (let n = Math.floor(random() * 3); n > 0; n--) this.chaos.act();
    const actor = this.pick(this.actors);
    const choice = random();
    if (!actor.client.online) await this.connect(actor);
    else if (choice < 0.5) await this.publish(actor);
    else if (choice < 0.75) await this.subscribe(actor);
    else if (choice < 0.85) await this.unsubscribe(actor);
    else if (choice < 0.95) await this.lose(actor);
    else if (choice < 0.97) await this.crash();
    else await this.wait();
  }

  /** Everything that follows has happened; then everybody has seen what the model says, and nothing else. */
  private async compare(expected: Expected, ordered = false): Promise<void> {
    await this.broker.clock.advance(1_000);
    const tell = (all: Expected) =>
      Object.fromEntries(
        [...all]
          .filter(([, list]) => list.length > 0)
          .map(([name, list]): [string, string[]] => [name, ordered ? list : [...list].sort()])
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    expect(tell(this.observed), this.did).toEqual(tell(expected));
    this.observed.clear();
  }

  private async connect(actor: Actor): Promise<void> {
    this.did = `${actor.name} connects`;
    const { present, expected } = this.model.connect(actor.name, actor.expirySeconds > 0);
    if (!present) actor.client = this.fresh(actor.name, actor.level, actor.expirySeconds);
    const connack = actor.client.connect(memory(this.broker));
    await this.compare(expected, true);
    if (actor.level > 3) expect((await connack).sessionPresent, this.did).toBe(present);
  }

  private async publish({ name, client }: Actor): Promise<void> {
    const topic = this.pick(TOPICS);
    const qos = this.pick<Qos>([0, 1, 2]);
    const retain = this.random() < 0.4;
    const payload = retain && this.random() < 0.3 ? '' : `m${++this.count}`;
    this.did = `${name} publishes '${payload}' to ${topic} at QoS ${qos}${retain ? ', retained' : ''}`;
    if (qos === 0) client.send(publishPacket(topic, payload, { retain }));
    else client.publish(topic, payload, qos, payload, retain);
    await this.compare(this.model.publish({ from: name, topic, payload, qos, retain }));
    expect(client.pending, this.did).toBe(0);
  }

  private async subscribe({ name, level, client }: Actor): Promise<void> {
    const five = level === 5;
    const s: ModelSubscription = {
      filter: this.pick(FILTERS),
      qos: this.pick<Qos>([0, 1, 2]),
      noLocal: five && this.random() < 0.3,
      retainAsPublished: five && this.random() < 0.5,
      retainHandling: five ? this.pick([0, 1, 2] as const) : 0,
      identifier: five && this.random() < 0.5 ? 1 + Math.floor(this.random() * 1_000) : 0,
    };
    this.did = `${name} subscribes ${JSON.stringify(s)}`;
    const { filter, qos, identifier, ...options } = s;
    const properties = identifier === 0 ? {} : { subscriptionIdentifier: [identifier] };
    const granted = client.subscribe(filter, qos, options, properties);
    await this.compare(this.model.subscribe(name, s));
    expect(await granted, this.did).toEqual([qos]);
  }

  private async unsubscribe({ name, level, client }: Actor): Promise<void> {
    const filter = this.pick(FILTERS);
    this.did = `${name} unsubscribes ${filter}`;
    const answer = client.unsubscribe(filter);
    const known = this.model.unsubscribe(name, filter);
    await this.compare(new Map());
    expect(await answer, this.did).toEqual(level === 5 ? [known ? 0 : 0x11] : []);
  }

  private async lose({ name, client }: Actor): Promise<void> {
    this.did = `${name} is cut`;
    void client.cut();
    this.model.lose(name);
    await this.compare(new Map());
  }

  private async crash(): Promise<void> {
    this.did = 'the broker crashes';
    await this.broker.crash();
    this.model.crash();
    await this.compare(new Map());
  }

  /** Long enough for the short session to expire, where its client is away. */
  private async wait(): Promise<void> {
    this.did = 'time passes';
    await this.broker.clock.advance((EXPIRY_SECONDS + 1) * 1_000);
    for (const { name, expirySeconds, client } of this.actors)
      if (expirySeconds === EXPIRY_SECONDS && !client.online) this.model.expire(name);
    await this.compare(new Map());
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }
}

for (let n = 0; n < ROUNDS; n++) {
  const seed = SEED + n;
  test(`everybody observes what the model says: FUZZ_SEED=${seed} FUZZ_ROUNDS=1`, async () => {
    await new Course(seed).run();
  }, 60_000);
}
