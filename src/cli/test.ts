// `waymeet test URL`: what does this broker support? Asked by trying, of any broker.

import { randomBytes } from 'node:crypto';
import type { Client } from '../client/client.ts';
import { connect } from '../client/connect.ts';
import { WaymeetError } from '../client/error.ts';
import type { ConnectOptions } from '../client/options.ts';
import type { Qos } from '../contract/message.ts';
import { type ConnectionFlags, connectionOf } from './connection.ts';
import { EXIT, type Io } from './io.ts';

export interface TestFlags extends ConnectionFlags {
  json?: boolean;
  /** Seconds for each question. */
  wait?: number;
}

/** `yes` is a short word on what was seen. */
interface Finding {
  readonly question: string;
  readonly works: boolean;
  readonly detail: string;
}

const DEFAULT_WAIT_SECONDS = 2;
const MQTT_VERSIONS = ['3.1', '3.1.1', '5'] as const;

export async function test(io: Io, flags: TestFlags): Promise<number> {
  const { urls, options } = await connectionOf(io, flags);
  const prober = new Prober(
    urls,
    { ...options, reconnect: false },
    (flags.wait ?? DEFAULT_WAIT_SECONDS) * 1_000,
  );
  const findings = await prober.run();
  for (const { question, works, detail } of findings) {
    if (flags.json) io.output.write(`${JSON.stringify({ question, works, detail })}\n`);
    else io.output.write(`${works ? 'yes' : 'no '}  ${question.padEnd(28)} ${detail}\n`);
  }
  return findings.some((f) => f.question.startsWith('connects') && f.works) ? EXIT.fine : EXIT.failed;
}

class Prober {
  private readonly urls: readonly string[];
  private readonly options: ConnectOptions;
  private readonly waitMs: number;
  private readonly findings: Finding[] = [];
  /** Nobody else's topics. */
  private readonly root = `waymeet-test/${randomBytes(6).toString('hex')}`;
  private readonly clients: Client[] = [];

  constructor(urls: readonly string[], options: ConnectOptions, waitMs: number) {
    this.urls = urls;
    this.options = options;
    this.waitMs = waitMs;
  }

  async run(): Promise<readonly Finding[]> {
    try {
      const mqtt = this.options.settings?.version !== undefined;
      if (mqtt) for (const version of MQTT_VERSIONS) await this.version(version);
      else await this.ask('connects', async () => this.greeting(await this.open()));
      if (this.findings.some((f) => f.works)) await this.abilities();
      return this.findings;
    } finally {
      await Promise.all(this.clients.map((client) => client.close({ withinMs: 0 })));
    }
  }

  /** Takes note of what `ask` comes to; what it throws is a no. */
  private async ask(question: string, ask: () => Promise<string>): Promise<boolean> {
    try {
      const detail = await ask();
      this.findings.push({ question, works: true, detail });
      return true;
    } catch (why) {
      const detail = why instanceof WaymeetError ? why.reason : String(why);
      this.findings.push({ question, works: false, detail });
      return false;
    }
  }

  private version(version: string): Promise<boolean> {
    return this.ask(`connects with MQTT ${version}`, async () => {
      const client = await this.open({ settings: { ...this.options.settings, version } });
      this.best = version;
      return this.greeting(client);
    });
  }

  /** The newest version that it speaks. */
  private best: string | undefined;

  private greeting(client: Client): string {
    const most = client.maxPacketBytes;
    const limit =
      most === undefined || most === Number.POSITIVE_INFINITY ? '' : `, packets up to ${most} octets`;
    return `${client.server}${limit}`;
  }

  private async open(more: ConnectOptions = {}): Promise<Client> {
    const { clientId: _, ...options } = this.options;
    const version = this.best === undefined ? {} : { settings: { ...options.settings, version: this.best } };
    const client = await connect(this.urls, { ...options, ...version, ...more });
    this.clients.push(client);
    return client;
  }

  private async abilities(): Promise<void> {
    const client = await this.open();
    for (const qos of [0, 1, 2] as const) await this.ask(`QoS ${qos}`, () => this.roundTrip(client, qos));
    await this.ask('retained messages', () => this.retained(client));
    await this.ask('wildcards', () => this.wildcards(client));
    await this.ask('shared subscriptions', () => this.shared(client));
    await this.ask('queues', () => this.queues(client));
    await this.ask('noLocal', () => this.noLocal(client));
    await this.ask('message properties', () => this.properties(client));
    await this.ask('request and response', () => this.requests(client));
    await this.ask('sessions', () => this.sessions());
    await this.ask('wills', () => this.will(client));
  }

  /** The next message of a new subscription, once `act` is done. */
  private async hear(client: Client, filter: string, qos: Qos, act: () => Promise<unknown>) {
    const s = await client.subscribe(filter, { qos });
    try {
      await act();
      const m = await s.next(AbortSignal.timeout(this.waitMs));
      if (m === undefined) throw new WaymeetError('closed', '', 'the subscription ended');
      return { m, granted: s.granted };
    } finally {
      await s.close();
    }
  }

  private async roundTrip(client: Client, qos: Qos): Promise<string> {
    const topic = `${this.root}/qos${qos}`;
    const began = performance.now();
    const { m, granted } = await this.hear(client, topic, qos, () => client.publish(topic, 'x', { qos }));
    if (m.qos < qos)
      throw new WaymeetError('not-supported', '', `it arrives at QoS ${m.qos}; granted was ${granted}`);
    return `there and back in ${(performance.now() - began).toFixed(1)} ms`;
  }

  private async retained(client: Client): Promise<string> {
    const topic = `${this.root}/retained`;
    await client.publish(topic, 'kept', { retain: true, qos: await this.surely(client) });
    try {
      const { m } = await this.hear(client, topic, 0, async () => {});
      if (!m.retained) throw new WaymeetError('not-supported', '', 'it comes without the retain flag');
      return 'the last value comes to who subscribes later';
    } finally {
      await client.publish(topic, '', { retain: true });
    }
  }

  private async surely(client: Client): Promise<Qos> {
    return client.ability.publishQos.includes(1) ? 1 : 0;
  }

  private async wildcards(client: Client): Promise<string> {
    const { m } = await this.hear(client, `${this.root}/+/wild/#`, 0, () =>
      client.publish(`${this.root}/a/wild/b/c`, 'x'),
    );
    return m.topic.endsWith('/a/wild/b/c') ? '+ and #' : m.topic;
  }

  /** Two members: each message to one of them. */
  private async shared(client: Client): Promise<string> {
    const topic = `${this.root}/shared`;
    const counts = await this.deal(client, topic, `$share/testers/${topic}`);
    return `ten messages to two members: ${counts.join(' and ')}`;
  }

  private async queues(client: Client): Promise<string> {
    const queue = `$queue/${this.root.replaceAll('/', '-')}`;
    const counts = await this.deal(client, queue, queue);
    return `ten messages to two consumers: ${counts.join(' and ')}`;
  }

  private async deal(client: Client, topic: string, filter: string): Promise<readonly number[]> {
    const qos = await this.surely(client);
    const members = [await this.open(), await this.open()];
    const counts = [0, 0];
    let enough = () => {};
    const all = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const heard = await Promise.all(members.map((member) => member.subscribe(filter, { qos })));
    const late = setTimeout(enough, this.waitMs);
    heard.forEach(async (s, i) => {
      for (let m = await s.next(); m !== undefined; m = await s.next()) {
        counts[i]!++;
        if (counts[0]! + counts[1]! >= 10) enough();
      }
    });
    for (let i = 0; i < 10; i++) await client.publish(topic, String(i), { qos });
    await all;
    clearTimeout(late);
    // A plain topic would give every message to both, of which some may still be on their way.
    await client.publish(`${this.root}/after`, 'x', { qos });
    await Promise.all(heard.map((s) => s.close()));
    const sum = counts[0]! + counts[1]!;
    if (sum !== 10)
      throw new WaymeetError('not-supported', '', `of ten messages ${sum} came: each of them should once`);
    return counts;
  }

  private async noLocal(client: Client): Promise<string> {
    const topic = `${this.root}/local`;
    const s = await client.subscribe(topic, { noLocal: true });
    const other = await this.open();
    await client.publish(topic, 'mine');
    await other.publish(topic, 'theirs');
    const m = await s.next(AbortSignal.timeout(this.waitMs));
    await s.close();
    if (m?.text() !== 'theirs') throw new WaymeetError('not-supported', '', 'our own message came too');
    return 'our own messages do not come back';
  }

  private async properties(client: Client): Promise<string> {
    const topic = `${this.root}/properties`;
    const sent = { contentType: 'text/plain', user: [{ name: 'a', value: '1' }] };
    const { m } = await this.hear(client, topic, 0, () => client.publish(topic, 'x', sent));
    if (m.meta.contentType !== 'text/plain' || m.property('a') !== '1')
      throw new WaymeetError('not-supported', '', 'they do not arrive as they were sent');
    return client.ability.meta.join(', ');
  }

  private async requests(client: Client): Promise<string> {
    const topic = `${this.root}/ask`;
    const desk = await client.respond(topic, (m) => m.text().toUpperCase());
    const asking = await this.open();
    const answer = await asking.request(topic, 'x', { timeoutMs: this.waitMs });
    await desk.stop();
    return answer.text() === 'X' ? 'with response topic and correlation' : 'the answer is another';
  }

  /** What is published while a client is away waits for it. */
  private async sessions(): Promise<string> {
    const clientId = `t${randomBytes(8).toString('hex')}`;
    const kept = { clientId, clean: false, sessionExpiryMs: 60_000 };
    const topic = `${this.root}/session`;
    const first = await this.open(kept);
    if (!first.ability.sessions) throw new WaymeetError('not-supported', '', `${first.protocol} has none`);
    await first.subscribe(topic, { qos: 1 });
    await first.close();
    const other = await this.open();
    await other.publish(topic, 'meanwhile', { qos: 1 });
    const again = await this.open(kept);
    const s = await again.subscribe(topic, { qos: 1 });
    const m = await s.next(AbortSignal.timeout(this.waitMs));
    await s.close();
    await again.close();
    // Ends it there too.
    await (await this.open({ clientId, clean: true })).close();
    return m === undefined ? 'nothing came' : 'what came meanwhile waits';
  }

  private async will(client: Client): Promise<string> {
    if (!client.ability.wills) throw new WaymeetError('not-supported', '', `${client.protocol} has none`);
    const topic = `${this.root}/will`;
    const { m } = await this.hear(client, topic, 0, async () => {
      const other = await this.open({ will: { topic, payload: 'gone' } });
      other.drop();
    });
    return m.text() === 'gone' ? 'published when a client is lost' : m.text();
  }
}
