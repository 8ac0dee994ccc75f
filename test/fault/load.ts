// The load of the fault tests: publishers and subscribers of every kind, entered in one ledger, that live through any number of kills.

import { setTimeout as later } from 'node:timers/promises';
import type { Level } from '../../src/protocol/mqtt/packet.ts';
import { type Listener, SessionClient } from './client.ts';
import { Ledger } from './ledger.ts';

/** Publishes of one publisher that are on their way at a time. */
const WINDOW = 6;
/** Messages of one publisher in one life of the broker: what waits for those who are away must fit their queues. */
const MESSAGES_A_LIFE = 250;
/** Every so many messages one is retained. */
const RETAINED_EVERY = 8;
/** When nothing has moved for so long, nothing will any more. */
const STUCK_MS = 5_000;

/** A publisher with the series that it sends. */
class Publisher {
  readonly client: SessionClient;
  readonly qos: 1 | 2;
  private readonly ledger: Ledger;
  private readonly random: () => number;
  private left = 0;
  private count = 0;

  constructor(name: string, level: Level, qos: 1 | 2, ledger: Ledger, random: () => number) {
    this.qos = qos;
    this.ledger = ledger;
    this.random = random;
    this.client = new SessionClient(
      name,
      { level },
      {
        received: () => {},
        acknowledged: (tag) => {
          ledger.acknowledged(tag);
          this.go();
        },
        complain: (what) => ledger.complaints.push(what),
      },
    );
  }

  get stateTopic(): string {
    return `state/${this.client.name}`;
  }

  /** Sends `messages` more, as fast as acknowledgements come. */
  start(messages: number): void {
    this.left = messages;
    this.go();
  }

  stop(): void {
    this.left = 0;
  }

  private go(): void {
    while (this.left > 0 && this.client.online && this.client.pending < WINDOW) {
      this.left--;
      if (++this.count % RETAINED_EVERY === 0) this.say(this.stateTopic, true);
      else this.say(`load/${this.qos}/${this.client.name}`, false);
    }
  }

  say(topic: string, retain: boolean): void {
    const tag = this.ledger.send(this.client.name, topic, this.qos);
    const size = this.random() < 0.05 ? 9_000 : Math.floor(this.random() * 300);
    this.client.publish(topic, tag + ' '.repeat(size), this.qos, tag, retain);
  }
}

/** A client whose will must be published whenever the broker dies under it. */
class Mortal {
  readonly client: SessionClient;
  private readonly ledger: Ledger;
  private tag = '';

  constructor(name: string, level: Level, expirySeconds: number, ledger: Ledger) {
    this.ledger = ledger;
    const will = () => {
      this.tag = ledger.send(name, `will/${name}`, 1);
      const payload = new TextEncoder().encode(this.tag);
      return { topic: `will/${name}`, payload, qos: 1 as const, retain: false, properties: {} };
    };
    this.client = new SessionClient(
      name,
      { level, expirySeconds, will },
      listener(ledger, () => {}),
    );
  }

  /** The broker dies now: from here on the will is owed. */
  doom(): void {
    if (this.client.online) this.ledger.acknowledged(this.tag);
  }
}

function listener(ledger: Ledger, received: Listener['received']): Listener {
  return { received, acknowledged: () => {}, complain: (what) => ledger.complaints.push(what) };
}

export class Load {
  readonly ledger = new Ledger();
  private readonly random: () => number;
  private readonly publishers: Publisher[] = [];
  /** There whenever the broker is. */
  private readonly present: SessionClient[] = [];
  /** There at first and at the end. */
  private readonly away: SessionClient[] = [];
  /** There in about every other life. */
  private readonly fickle: SessionClient[] = [];
  private readonly mortals: Mortal[] = [];
  private readonly filters = new Map<SessionClient, string>();
  private readonly churn: SessionClient;
  /** Topics of `churn` whose SUBSCRIBE was acknowledged, and whose UNSUBSCRIBE was. */
  private readonly held = new Set<string>();
  private readonly dropped = new Set<string>();
  private churned = 0;

  constructor(random: () => number) {
    this.random = random;
    const { ledger } = this;
    for (let i = 0; i < 6; i++) {
      const qos = i % 2 === 0 ? 1 : 2;
      this.publishers.push(new Publisher(`p${i}`, i < 4 ? 5 : 4, qos, ledger, random));
    }
    const load = (topic: string) => topic.startsWith('load/');
    const all: [SessionClient[], string, Level, object][] = [
      [this.present, 'prompt', 5, {}],
      [this.present, 'slow', 4, { thinkMs: () => Math.floor(random() * 20) }],
      [this.present, 'narrow', 5, { receiveMaximum: 3 }],
      [this.fickle, 'fickle', 5, {}],
      [this.away, 'away4', 4, {}],
      [this.away, 'away5', 5, {}],
    ];
    for (const [kind, name, level, options] of all) {
      const client = new SessionClient(
        name,
        { level, ...options },
        listener(ledger, ledger.account(name, load)),
      );
      kind.push(client);
      this.filters.set(client, 'load/#');
    }
    const shared = ledger.account('the group', load, false);
    for (const [name, level] of [
      ['member4', 4],
      ['member5', 5],
    ] as const) {
      const client = new SessionClient(name, { level }, listener(ledger, shared));
      this.present.push(client);
      this.filters.set(client, '$share/group/load/#');
    }
    const heir = ledger.account('heir', (topic) => topic.startsWith('will/'));
    const heirClient = new SessionClient('heir', { level: 5 }, listener(ledger, heir));
    this.present.push(heirClient);
    this.filters.set(heirClient, 'will/#');
    this.mortals.push(new Mortal('mortal4', 4, 0, ledger), new Mortal('mortal5', 5, 3_600, ledger));
    const churn = ledger.account('churn', (topic) => this.held.has(topic));
    this.churn = new SessionClient(
      'churn',
      { level: 5 },
      listener(ledger, (p) => {
        if (this.dropped.has(p.topic)) ledger.complaints.push(`churn got ${p.topic}, which it left`);
        churn(p);
      }),
    );
    this.present.push(this.churn);
  }

  /** Everybody comes and subscribes, for the first time. */
  async begin(port: number): Promise<void> {
    const subscribers = [...this.present, ...this.away, ...this.fickle];
    await Promise.all(subscribers.map((client) => client.connect(port)));
    for (const [client, filter] of this.filters) {
      const [code] = await client.subscribe(filter, 2);
      if (code !== 2) throw new Error(`${client.name}: SUBACK ${code}`);
    }
    await Promise.all([...this.away, ...this.fickle].map((client) => client.cut()));
    await this.come(this.publishers.map((p) => p.client).concat(this.mortals.map((m) => m.client)), port);
  }

  /** The broker is there again: those who are to come back do. One that the next kill hits meanwhile is no failure. */
  async resume(port: number): Promise<void> {
    const fickle = this.fickle.filter(() => this.random() < 0.5);
    await this.come(
      [...this.present, ...fickle, ...this.publishers, ...this.mortals].map((c) =>
        c instanceof SessionClient ? c : c.client,
      ),
      port,
    );
  }

  private async come(clients: readonly SessionClient[], port: number): Promise<void> {
    await Promise.allSettled(
      clients.filter((client) => !client.online).map((client) => client.connect(port)),
    );
  }

  start(): void {
    for (const publisher of this.publishers) publisher.start(MESSAGES_A_LIFE);
    void this.change();
  }

  /** Subscribes to new topics and leaves old ones, for as long as the broker answers. */
  private async change(): Promise<void> {
    try {
      while (this.churn.online) {
        const topic = `churn/${++this.churned}`;
        const [code] = await this.churn.subscribe(topic, 1);
        if (code === 1) this.held.add(topic);
        else this.ledger.complaints.push(`churn: SUBACK ${code}`);
        const old = `churn/${this.churned - 5}`;
        if (this.churned % 2 === 0 && this.held.has(old)) {
          this.held.delete(old); // from now on nobody knows, until it is acknowledged
          await this.churn.unsubscribe(old);
          this.dropped.add(old);
        }
        await later(5);
      }
    } catch {
      // the broker was killed meanwhile
    }
  }

  /** The broker dies now. */
  doom(): void {
    for (const publisher of this.publishers) publisher.stop();
    for (const mortal of this.mortals) mortal.doom();
  }

  async gone(): Promise<void> {
    const all = [...this.present, ...this.fickle, ...this.publishers.map((p) => p.client)];
    await Promise.all([...all, ...this.mortals.map((m) => m.client)].map((client) => client.gone));
  }

  /** Everybody comes back and gets what is owed to it. Returns what is broken. */
  async end(port: number): Promise<string[]> {
    const { ledger } = this;
    await this.resume(port);
    await this.come([...this.away, ...this.fickle], port);
    if (!(await this.settled())) return ledger.broken();
    // What comes twice or late comes before this.
    for (const publisher of this.publishers) publisher.say(`load/${publisher.qos}/last`, false);
    for (const topic of [...this.held, ...this.dropped]) this.publishers[0]!.say(topic, false);
    await this.settled();
    await this.checkRetained(port);
    return ledger.broken();
  }

  /** Whether everything that is owed came. */
  private async settled(): Promise<boolean> {
    let owed = Number.POSITIVE_INFINITY;
    for (let movedAt = Date.now(); owed > 0 && Date.now() - movedAt < STUCK_MS; await later(50)) {
      const now = this.publishers.reduce((sum, p) => sum + p.client.pending, this.ledger.missing);
      if (now < owed) movedAt = Date.now();
      owed = now;
    }
    const stuck = this.publishers.filter((p) => p.client.pending > 0);
    for (const { client } of stuck)
      this.ledger.complaints.push(`${client.name}: ${client.pending} publishes are never answered`);
    return owed === 0;
  }

  /** The retained message of each topic is the last that was acknowledged, or a later one. */
  private async checkRetained(port: number): Promise<void> {
    const { ledger } = this;
    const found = new Map<string, number>();
    const wanted = this.publishers.filter((p) => ledger.lastAcknowledged(p.client.name, p.stateTopic) > 0);
    const late = new SessionClient(
      'late',
      { level: 5, expirySeconds: 0 },
      listener(ledger, (p) => {
        found.set(p.topic, Number(new TextDecoder().decode(p.payload).trimEnd().split(' ').at(-1)));
      }),
    );
    await late.connect(port);
    await late.subscribe('state/#', 1);
    const until = Date.now() + STUCK_MS;
    while (found.size < wanted.length && Date.now() < until) await later(10);
    await late.leave();
    for (const { client, stateTopic } of wanted) {
      const last = ledger.lastAcknowledged(client.name, stateTopic);
      const kept = found.get(stateTopic) ?? 0;
      if (kept < last) ledger.complaints.push(`${stateTopic}: ${kept} is retained, ${last} was acknowledged`);
    }
  }
}
