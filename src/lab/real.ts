// The second mode: real clients on real sockets against a broker that runs. Its figures are of these machines and this hour: no seed repeats them.

import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import type { Client } from '../client/client.ts';
import { connect } from '../client/connect.ts';
import { shown } from '../client/endpoint.ts';
import { WaymeetError } from '../client/error.ts';
import type { ConnectOptions } from '../client/options.ts';
import type { Subscription } from '../client/subscription.ts';
import type { Qos } from '../contract/message.ts';
import { indexOf, payloadOf } from './payload.ts';
import { type Cell, type Latency, latencyOf, round } from './result.ts';
import { planOf, type Workload, WorkloadError, type WorkloadInput } from './workload.ts';

export interface RealOptions {
  readonly urls: readonly string[];
  readonly connect?: ConnectOptions;
  readonly signal?: AbortSignal;
  line(cell: RealCell): void;
  progress?(done: number, of: number): void;
}

export interface RealCell {
  readonly kind: 'real';
  /** Without user and password. */
  readonly url: string;
  readonly protocol: string;
  readonly server: string;
  readonly qos: Qos;
  readonly failure?: string;
  readonly messages: Cell['messages'];
  /** From the call of publish to the delivery, on this machine's clock. */
  readonly latency: Latency;
  readonly connectMs: number;
  /** Of this process, publisher and subscribers, per message. */
  readonly cpuUsPerMessage: number;
  readonly messagesPerSecond: number;
}

/** Unless the workload says otherwise. */
const RATE = 100;
/** Without a rate so many may wait for their acknowledgement. */
const WINDOW = 64;
const LEVELS: readonly Qos[] = [0, 1, 2];
/** Nothing is waited for longer than this, once the last message was sent. */
const DRAIN_SECONDS = 10;
const LOOK_MS = 5;
/** A broker that has not answered by then will not. */
const SUBSCRIBE_MS = 10_000;

/** One cell for each URL and level. Throws WorkloadError when nothing can be tried. */
export async function runReal(input: WorkloadInput, o: RealOptions): Promise<RealCell[]> {
  const { workload } = planOf({ rate: RATE, drainSeconds: DRAIN_SECONDS, ...input });
  if (workload.outage !== undefined || workload.reconnectEvery > 0)
    throw new WorkloadError(
      "a real network has its own outages, and real clients stay: leave 'outage' and 'reconnectEvery' out of a run with --real",
    );
  for (const url of o.urls)
    if (!URL.canParse(url)) throw new WorkloadError(`'${url}' is no URL: give it as mqtt://localhost`);
  const levels = workload.qos === 'any' ? LEVELS : [workload.qos];
  const cells: RealCell[] = [];
  for (const [i, url] of o.urls.entries()) {
    for (const [j, qos] of levels.entries()) {
      if (o.signal?.aborted === true) return cells;
      const done = i * levels.length + j;
      const share = (part: number): void => o.progress?.(done + part, o.urls.length * levels.length);
      const trial = new Trial(url, qos, workload, o, share);
      const cell = await trial.run();
      cells.push(cell);
      o.line(cell);
      if (trial.clients.length === 0) break; // whoever did not let us in at one level will not at another
    }
  }
  return cells;
}

class Trial {
  private readonly url: string;
  private readonly qos: Qos;
  private readonly w: Workload;
  private readonly o: RealOptions;
  private readonly share: (part: number) => void;
  readonly clients: Client[] = [];
  private readonly sentAt: Float64Array;
  private readonly latencies: Float64Array;
  private readonly topic: string;
  private published = 0;
  private delivered = 0;
  private duplicated = 0;
  private outOfOrder = 0;
  private refused = 0;
  private answered = 0;
  /** Why the first message was refused that was. */
  private refusal: string | undefined;
  /** Every client of the trial listens to it, however many they are. */
  private readonly stop = new AbortController();

  constructor(url: string, qos: Qos, w: Workload, o: RealOptions, share: (part: number) => void) {
    this.url = url;
    this.qos = qos;
    this.w = w;
    this.o = o;
    this.share = share;
    this.sentAt = new Float64Array(w.messages);
    this.latencies = new Float64Array(w.messages * w.fanOut);
    // Of its own, so that two runs on one broker do not hear each other.
    const own = `waymeet-lab-${process.pid}-${qos}`;
    this.topic = w.topic.includes('{device}') ? w.topic.replaceAll('{device}', own) : `${own}/${w.topic}`;
  }

  async run(): Promise<RealCell> {
    const began = performance.now();
    const stop = (): void => this.stop.abort();
    this.o.signal?.addEventListener('abort', stop, { once: true });
    setMaxListeners(0, this.stop.signal);
    try {
      const publisher = await this.enter();
      const connectMs = performance.now() - began;
      const cpu = process.cpuUsage();
      const start = performance.now();
      await this.publishAll(publisher, start);
      await this.drain();
      const { user, system } = process.cpuUsage(cpu);
      return this.cell(publisher, connectMs, user + system, performance.now() - start, this.shortfall());
    } catch (why) {
      if (!(why instanceof WaymeetError)) throw why;
      return this.cell(undefined, 0, 0, 0, this.o.signal?.aborted === true ? 'interrupted' : sentenceOf(why));
    } finally {
      this.o.signal?.removeEventListener('abort', stop);
      await Promise.all(this.clients.map((c) => c.close({ withinMs: 0 })));
    }
  }

  private async connect(): Promise<Client> {
    const client = await connect(this.url, {
      keepAliveMs: this.w.keepAliveSeconds * 1_000,
      // What a broker ends is told, not tried again for ever.
      reconnect: false,
      ...this.o.connect,
      signal: this.stop.signal,
    });
    this.clients.push(client);
    return client;
  }

  private async subscribe(client: Client): Promise<Subscription> {
    const late = AbortSignal.timeout(SUBSCRIBE_MS);
    const signal = AbortSignal.any([this.stop.signal, late]);
    try {
      return await client.subscribe(this.topic, { qos: this.qos, acknowledge: 'auto', signal });
    } catch (why) {
      if (!late.aborted) throw why;
      throw new WaymeetError(
        'timed-out',
        client.protocol,
        `it did not answer the subscription to ${this.topic}`,
      );
    }
  }

  /** Connects everybody; what the protocol or the broker lacks is told here, before anything is sent. */
  private async enter(): Promise<Client> {
    const publisher = await this.connect();
    const { ability, protocol } = publisher;
    const { qos } = this;
    if (!ability.publishQos.includes(qos) || !ability.subscribeQos.includes(qos))
      throw new WaymeetError('not-supported', protocol, `there is no QoS ${qos} here`, {
        fix: `ask for --qos ${ability.publishQos.join(' or ')}`,
      });
    for (let i = 0; i < this.w.fanOut; i++) {
      void this.listen(await this.subscribe(await this.connect()));
    }
    return publisher;
  }

  private async listen(subscription: Subscription): Promise<void> {
    const seen = new Uint8Array(this.w.messages);
    let newest = -1;
    try {
      for await (const { payload } of subscription) {
        const index = indexOf(payload, this.w.payload.shape);
        if (index < 0 || index >= this.w.messages) continue; // a last value from before us
        if (seen[index] === 1) {
          this.duplicated++;
          continue;
        }
        seen[index] = 1;
        this.latencies[this.delivered++] = performance.now() - this.sentAt[index]!;
        if (index < newest) this.outOfOrder++;
        else newest = index;
      }
    } catch (why) {
      // The client was closed or lost its connection: what is missing is counted as lost.
      if (!(why instanceof WaymeetError)) throw why;
    }
  }

  private async publishAll(publisher: Client, start: number): Promise<void> {
    const { messages, rate } = this.w;
    while (this.published < messages && this.o.signal?.aborted !== true) {
      const due =
        rate > 0
          ? Math.min(messages, Math.floor(((performance.now() - start) / 1_000) * rate) + 1)
          : messages;
      while (this.published < due && (rate > 0 || this.published - this.answered < WINDOW))
        this.publish(publisher);
      this.share(this.published / messages);
      await wait(rate > 0 ? Math.min(LOOK_MS, 1_000 / rate) : 0);
    }
  }

  private publish(publisher: Client): void {
    const { payload, retained } = this.w;
    const index = this.published++;
    const bytes = payloadOf(index, payload.bytes, payload.shape);
    this.sentAt[index] = performance.now();
    publisher.publish(this.topic, bytes, { qos: this.qos, retain: retained }).then(
      () => {
        this.answered++;
      },
      (why: unknown) => {
        this.answered++;
        this.refused++;
        this.refusal ??= (why as Error).message;
      },
    );
  }

  private async drain(): Promise<void> {
    const until = performance.now() + this.w.drainSeconds * 1_000;
    const { messages, fanOut } = this.w;
    while (
      (this.delivered < messages * fanOut || this.answered < messages) &&
      performance.now() < until &&
      this.o.signal?.aborted !== true
    )
      await wait(LOOK_MS);
  }

  /** What the figures do not say by themselves. */
  private shortfall(): string | undefined {
    const silent = this.published - this.answered;
    if (this.o.signal?.aborted === true) return 'interrupted';
    if (silent > 0)
      return `${silent} of ${this.published} messages were not acknowledged within ${this.w.drainSeconds} s: does the broker do QoS ${this.qos}?`;
    return this.delivered === 0 ? this.refusal : undefined;
  }

  private cell(
    publisher: Client | undefined,
    connectMs: number,
    cpuUs: number,
    wallMs: number,
    failure: string | undefined,
  ): RealCell {
    const expected = this.published * this.w.fanOut;
    return {
      kind: 'real',
      url: shown(new URL(this.url)),
      protocol: publisher?.protocol ?? '',
      server: publisher?.server ?? '',
      qos: this.qos,
      ...(failure === undefined ? {} : { failure }),
      messages: {
        published: this.published,
        expected,
        delivered: this.delivered,
        lost: expected - this.delivered,
        duplicated: this.duplicated,
        outOfOrder: this.outOfOrder,
        refused: this.refused,
      },
      latency: latencyOf(this.latencies.slice(0, this.delivered).sort()),
      connectMs: round(connectMs),
      cpuUsPerMessage: this.published === 0 ? 0 : round(cpuUs / this.published),
      messagesPerSecond: wallMs === 0 ? 0 : Math.round((this.delivered / wallMs) * 1_000),
    };
  }
}

/** A broker older than MQTT 5 closes without a word. */
function sentenceOf({ message, protocol }: WaymeetError): string {
  return protocol === 'mqtt' && message.includes('before CONNACK')
    ? `${message}: is it older than MQTT 5? Add ?version=3.1.1 to the URL`
    : message;
}
