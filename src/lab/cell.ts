// One cell: a variant on a network, from the first packet to the last delivery, in virtual time.

import type { Message } from '../contract/message.ts';
import { seeded } from '../transport/virtual-clock.ts';
import { LabClient, outgoing } from './client.ts';
import { memoryOfClient } from './memory.ts';
import { LabClock } from './network/clock.ts';
import { Link, type Outage } from './network/link.ts';
import type { LinkSpec } from './network/link-spec.ts';
import { NO_RADIO, Radio, type RadioModel, type RadioUse } from './network/radio.ts';
import { LAYERS, Tally } from './network/tally.ts';
import { BACKEND, type Network } from './networks.ts';
import { indexOf, payloadOf } from './payload.ts';
import { type Bytes, type Cell, latencyOf, round } from './result.ts';
import { Site } from './site.ts';
import type { Sides, Variant } from './variant.ts';
import type { Workload } from './workload.ts';

/** Virtual time begins here. */
const START = Date.UTC(2026, 0, 1);
/** Nobody waits longer to get in. */
const SETUP_MS = 1_800_000;
/** A device's first message comes so long after everybody is ready. */
const SETTLE_MS = 1_000;
const HOUR_MS = 3_600_000;
/** One way; far above every other time in a connection. */
const PROBE_DELAY_MS = 10_000;

export interface CellOptions {
  readonly run: string;
  readonly workload: Workload;
  readonly variant: Variant;
  readonly sides: Sides;
  readonly network: Network;
  readonly radio: RadioModel;
  readonly progress?: (share: number) => void;
}

export async function runCell(o: CellOptions): Promise<Cell> {
  const began = performance.now();
  const main = await Scene.play(o);
  const roundTrips = await probeRoundTrips(o);
  const idle = await watchIdle(o);
  const cell = main.cell(roundTrips, idle);
  const { memoryClients } = o.workload;
  const bytesPerClient =
    memoryClients > 0 ? await memoryOfClient(o.variant, o.sides, siteOptions(o), memoryClients) : undefined;
  const host = { ...cell.host, wallMs: Math.round(performance.now() - began) };
  return { ...cell, host: bytesPerClient === undefined ? host : { ...host, bytesPerClient } };
}

/** A number that differs for every cell of a run and is the same for every run of a seed. */
function cellSeed(o: CellOptions, part: number): number {
  let hash = 2_166_136_261 ^ o.workload.seed;
  // The loss that a network has in store is the same for every variant: they are compared under the same weather.
  for (const c of `${o.network.name}/${part}`) hash = Math.imul(hash ^ c.charCodeAt(0), 16_777_619);
  return hash >>> 0;
}

class Scene {
  private readonly o: CellOptions;
  private readonly clock = new LabClock(START);
  private readonly site: Site;
  private readonly publishers: LabClient[] = [];
  private readonly subscribers: LabClient[] = [];
  private readonly deviceLinks: Link[] = [];
  private readonly outages: { from: number; to: number }[] = [];
  private readonly dueAt: Float64Array;
  private readonly latencies: Float64Array;
  /** Which messages each subscriber has, and the newest of each device. */
  private readonly seen: Uint8Array[] = [];
  private readonly newest: Int32Array[] = [];
  private ready = 0;
  private firstReadyAt = 0;
  private delivered = 0;
  private duplicated = 0;
  private outOfOrder = 0;
  private answered = 0;
  private refused = 0;
  private written = 0;
  private published = 0;
  private lastDueAt = 0;
  private failure: string | undefined;
  private recoveredAt = 0;
  private setup = 0;
  private deliveredBefore = 0;

  private constructor(o: CellOptions, site: Site, clock: LabClock) {
    this.o = o;
    this.site = site;
    this.clock = clock;
    const { messages, fanOut } = o.workload;
    this.dueAt = new Float64Array(messages);
    this.latencies = new Float64Array(messages * fanOut);
  }

  static async play(o: CellOptions): Promise<Scene> {
    const clock = new LabClock(START);
    const site = await Site.start(clock, o.variant, o.sides, siteOptions(o));
    const scene = new Scene(o, site, clock);
    scene.build();
    await scene.enter();
    if (scene.failure === undefined) await scene.perform();
    return scene;
  }

  private get perDevice(): number {
    return Math.ceil(this.o.workload.messages / this.o.workload.devices);
  }

  private build(): void {
    const { workload: w, variant, network } = this.o;
    const devicesPublish = w.direction !== 'down';
    const devicesSubscribe = w.direction !== 'up';
    const publishers = devicesPublish ? w.devices : 1;
    const { speech, listener = speech } = this.o.sides;
    const settings = {
      qos: variant.qos,
      settings: variant.settings,
      keepAliveMs: w.keepAliveSeconds * 1_000,
    };
    for (let i = 0; i < w.fanOut; i++) {
      this.seen.push(new Uint8Array(w.messages));
      this.newest.push(new Int32Array(w.devices).fill(-1));
      const link = this.link(devicesSubscribe ? network : BACKEND, devicesSubscribe, 1_000 + i);
      const filters = this.filters();
      this.subscribers.push(
        new LabClient(
          this.site,
          link,
          { ...settings, speech: listener, name: `sub${i}`, filters, sleepEvery: 0 },
          unsent,
          this.random(2_000 + i),
          {
            ready: () => this.someoneReady(),
            delivered: (d) => this.take(i, d.message),
            answered() {},
            written() {},
            failed: (why) => this.fail(why),
          },
        ),
      );
    }
    for (let i = 0; i < publishers; i++) {
      const link = this.link(devicesPublish ? network : BACKEND, devicesPublish, i);
      this.publishers.push(
        new LabClient(
          this.site,
          link,
          { ...settings, speech, name: `dev${i}`, filters: [], sleepEvery: w.reconnectEvery },
          (index) => this.message(index),
          this.random(3_000 + i),
          {
            ready: () => this.someoneReady(),
            delivered() {},
            answered: (_index, why) => {
              this.answered++;
              if (why !== undefined) this.refused++;
              else if (w.rate === 0) this.flood(i);
            },
            written: () => {
              this.written++;
            },
            failed: (why) => this.fail(why),
          },
        ),
      );
    }
  }

  private random(part: number): () => number {
    return seeded(cellSeed(this.o, part));
  }

  private link(spec: LinkSpec, tested: boolean, part: number): Link {
    const radio = new Radio(tested ? this.o.radio : NO_RADIO);
    const outages: readonly Outage[] = tested ? this.outages : [];
    const link = new Link(this.clock, spec, this.random(part), radio, outages);
    if (tested) this.deviceLinks.push(link);
    return link;
  }

  private topic(device: number): string {
    return this.o.workload.topic.replaceAll('{device}', String(device));
  }

  private filters(): string[] {
    const { workload: w, sides } = this.o;
    const { ability } = sides.listener ?? sides.speech;
    if (!w.topic.includes('{device}') || w.devices === 1) return [this.topic(0)];
    if (ability.wildcards && w.topic.split('/').includes('{device}'))
      return [w.topic.replaceAll('{device}', '+')];
    return Array.from({ length: w.devices }, (_, i) => this.topic(i));
  }

  private deviceOf(index: number): number {
    return index % this.o.workload.devices;
  }

  private message(index: number): Message {
    const { workload: w, variant } = this.o;
    const payload = payloadOf(index, w.payload.bytes, w.payload.shape);
    return outgoing(
      this.topic(this.deviceOf(index)),
      payload,
      variant.qos,
      w.retained || variant.retains === true,
      this.clock.now,
    );
  }

  private fail(why: string): void {
    this.failure ??= why;
  }

  private someoneReady(): void {
    this.ready++;
    if (this.firstReadyAt === 0) this.firstReadyAt = this.clock.now;
  }

  /** Everybody gets in: first those who listen. */
  private async enter(): Promise<void> {
    const over = (count: number) => () => this.ready >= count || this.failure !== undefined;
    const { fanOut, direction } = this.o.workload;
    const until = START + SETUP_MS;
    const begin = (clients: readonly LabClient[]): void => {
      for (const one of clients) this.clock.at(this.clock.now, () => one.start());
    };
    begin(this.subscribers);
    let fine = await this.clock.run(over(fanOut), until);
    // `up`: what is measured is how long a device that publishes takes.
    let began = START;
    if (direction !== 'down') {
      this.firstReadyAt = 0;
      began = this.clock.now;
    }
    begin(this.publishers);
    if (fine) fine = await this.clock.run(over(fanOut + this.publishers.length), until);
    this.setup = this.firstReadyAt - began;
    if (!fine) this.fail(`not everybody was connected after ${SETUP_MS / 60_000} minutes`);
    await this.clock.run(() => false, this.clock.now + SETTLE_MS);
    for (const link of this.deviceLinks) this.settled.push(total(link));
    this.deliveredBefore = this.site.delivered;
  }

  /** What each device's link had carried when everybody was ready. */
  private readonly settled: Tally[] = [];

  private async perform(): Promise<void> {
    const { workload: w } = this.o;
    const begin = this.clock.now;
    if (w.outage !== undefined) {
      const from = begin + w.outage.after * 1_000;
      this.outages.push({ from, to: from + w.outage.seconds * 1_000 });
    }
    if (w.rate > 0) this.schedule(begin);
    else for (let i = 0; i < this.publishers.length; i++) this.flood(i);
    const expected = w.messages * w.fanOut;
    const done = (): boolean =>
      this.failure !== undefined || (this.delivered >= expected && this.answered >= w.messages);
    const sent = (): boolean => this.published >= w.messages || this.failure !== undefined;
    if (w.rate > 0) await this.until(done, this.lastDueAt);
    else await this.until(sent, this.clock.now + HOUR_MS * 24);
    await this.until(done, this.clock.now + w.drainSeconds * 1_000);
  }

  /** Runs, and tells how far it is. */
  private async until(done: () => boolean, end: number): Promise<void> {
    const { progress, workload } = this.o;
    const expected = workload.messages * workload.fanOut;
    while (!done() && this.clock.now < end) {
      const before = this.clock.count;
      await this.clock.run(() => done() || this.clock.count - before >= PROGRESS_EVENTS, end);
      progress?.(this.delivered / expected);
      if (this.clock.count === before) break;
    }
  }

  private schedule(begin: number): void {
    const { messages, rate, devices } = this.o.workload;
    const interval = 1_000 / rate;
    const next = (index: number): void => {
      const due =
        begin + Math.floor(index / devices) * interval + (this.deviceOf(index) * interval) / devices;
      this.lastDueAt = begin + this.perDevice * interval;
      this.clock.at(due, () => {
        this.send(index, due);
        if (index + 1 < messages) next(index + 1);
      });
    };
    next(0);
  }

  private send(index: number, due: number): void {
    this.dueAt[index] = due;
    this.published++;
    const publisher = this.publishers[this.deviceOf(index) % this.publishers.length]!;
    publisher.publish(index);
  }

  /** Publishes as much as there is room for. Answers that come at once do not begin anew. */
  private flood(who: number): void {
    if (this.flooding) return;
    this.flooding = true;
    const { messages } = this.o.workload;
    const publisher = this.publishers[who]!;
    while (publisher.room && this.nextOf(who) < messages) {
      this.send(this.nextOf(who), this.clock.now);
      this.sentBy[who] = (this.sentBy[who] ?? 0) + 1;
    }
    this.flooding = false;
    // A level without answers has room again when the wire has; look once in a while.
    if (this.nextOf(who) < messages) this.clock.at(this.clock.now + 1, () => this.flood(who));
  }

  private flooding = false;
  private readonly sentBy: number[] = [];

  private nextOf(who: number): number {
    return (this.sentBy[who] ?? 0) * this.publishers.length + who;
  }

  private take(subscriber: number, m: Message): void {
    const { workload: w } = this.o;
    const index = indexOf(m.payload, w.payload.shape);
    if (index < 0 || index >= w.messages || m.payload.length !== w.payload.bytes) {
      this.fail(`a payload came that nobody sent: ${Buffer.from(m.payload.subarray(0, 24)).toString('hex')}`);
      return;
    }
    const seen = this.seen[subscriber]!;
    if (seen[index] === 1) {
      this.duplicated++;
      return;
    }
    seen[index] = 1;
    this.latencies[this.delivered++] = this.clock.now - this.dueAt[index]!;
    const newest = this.newest[subscriber]!;
    const device = this.deviceOf(index);
    if (index < newest[device]!) this.outOfOrder++;
    else newest[device] = index;
    const outage = this.outages[0];
    if (outage !== undefined && this.recoveredAt === 0 && this.clock.now >= outage.to)
      this.recoveredAt = this.clock.now;
  }

  cell(roundTrips: number, idle: Cell['idle']): Cell {
    const { o } = this;
    const { workload: w } = o;
    const tally = new Tally();
    const before = new Tally();
    let up = 0;
    let down = 0;
    for (const link of this.deviceLinks) {
      tally.add(link.up.tally);
      tally.add(link.down.tally);
      up += link.up.tally.packets;
      down += link.down.tally.packets;
    }
    for (const one of this.settled) before.add(one);
    const crossings =
      (w.direction === 'down' ? 0 : this.written) +
      (w.direction === 'up' ? 0 : Math.max(this.delivered, this.site.delivered - this.deliveredBefore));
    const bytes = bytesOf(tally, crossings * w.payload.bytes);
    const setupBytes = before.bytes;
    const latencies = this.latencies.slice(0, this.delivered).sort();
    const outage = this.outages[0];
    const clients = [...this.publishers, ...this.subscribers];
    const expected = w.messages * w.fanOut;
    return {
      kind: 'cell',
      run: o.run,
      variant: o.variant.id,
      network: o.network.name,
      seed: w.seed,
      ...(this.failure === undefined ? {} : { failure: this.failure }),
      messages: {
        published: this.published,
        expected,
        delivered: this.delivered,
        lost: expected - this.delivered,
        duplicated: this.duplicated,
        outOfOrder: this.outOfOrder,
        refused: this.refused,
      },
      latency: latencyOf(latencies),
      setupMs: round(this.setup),
      roundTrips,
      bytes,
      setupBytes,
      bytesPerMessage: round((bytes.total - setupBytes) / w.messages),
      packets: { up, down, lostFrames: tally.lostFrames },
      tcp: {
        retransmissions: clients.reduce((sum, c) => sum + c.tcp.retransmissions, 0),
        timeouts: clients.reduce((sum, c) => sum + c.tcp.timeouts, 0),
      },
      connections: clients.reduce((sum, c) => sum + c.connections, 0),
      ...(outage === undefined || this.recoveredAt === 0
        ? {}
        : { recoveryMs: round(this.recoveredAt - outage.to) }),
      idle,
      energy: meanUse(this.deviceLinks.map((link) => link.radio.use())),
      virtualMs: round(this.clock.now - START),
      host: {
        clientMs: round(this.site.clientMeter.ms),
        serverMs: round(this.site.serverMeter.ms),
        wallMs: 0,
        events: this.clock.count,
      },
    };
  }
}

const PROGRESS_EVENTS = 20_000;

function unsent(): Message {
  throw new Error('a subscriber publishes nothing');
}

function siteOptions(o: CellOptions): Parameters<typeof Site.start>[3] {
  const { tls, tcp, resume } = o.workload;
  return { tls: { ...tls, signatureBytes: 71 }, tcp, resume, seed: cellSeed(o, 9) };
}

function total(link: Link): Tally {
  const sum = new Tally();
  sum.add(link.up.tally);
  sum.add(link.down.tally);
  return sum;
}

function bytesOf(tally: Tally, payloadBytes: number): Bytes {
  const payload = Math.min(payloadBytes, tally.content);
  const { link, ip, transport, security, framing, content, repeated } = tally;
  let sum = 0;
  for (const layer of LAYERS) sum += tally[layer];
  return {
    link,
    ip,
    transport,
    security,
    framing,
    protocol: content - payload,
    payload,
    repeated,
    total: sum,
  };
}

function meanUse(uses: readonly RadioUse[]): RadioUse {
  const mean = (of: (u: RadioUse) => number): number =>
    round(uses.reduce((sum, u) => sum + of(u), 0) / uses.length);
  return {
    model: uses[0]!.model,
    onMs: mean((u) => u.onMs),
    sendMs: mean((u) => u.sendMs),
    receiveMs: mean((u) => u.receiveMs),
    wakeUps: mean((u) => u.wakeUps),
    proxyMj: mean((u) => u.proxyMj),
  };
}

/** From dialling to the first delivery over a link that has nothing but delay, in its round trips. */
async function probeRoundTrips(o: CellOptions): Promise<number> {
  const network: Network = {
    ...o.network,
    ...BACKEND,
    delayMs: PROBE_DELAY_MS,
    upKbps: 1e9,
    downKbps: 1e9,
  };
  const workload: Workload = {
    ...o.workload,
    messages: 1,
    devices: 1,
    fanOut: 1,
    direction: 'up',
    rate: 0,
    keepAliveSeconds: 0,
  };
  return firstDelivery({ ...o, network, workload });
}

async function firstDelivery(o: CellOptions): Promise<number> {
  const clock = new LabClock(START);
  const site = await Site.start(clock, o.variant, o.sides, siteOptions(o));
  const { qos, settings } = o.variant;
  const { topic, payload } = o.workload;
  const name = topic.replaceAll('{device}', '0');
  const random = seeded(1);
  const make = (): Message =>
    outgoing(name, payloadOf(0, payload.bytes, payload.shape), qos, o.variant.retains === true, clock.now);
  let listening = false;
  let begun = 0;
  let arrived = 0;
  const nothing = { answered() {}, written() {}, failed() {} };
  const common = { qos, settings, keepAliveMs: 0, sleepEvery: 0 };
  const near = new Link(clock, BACKEND, random);
  const far = new Link(clock, { ...BACKEND, ...o.network }, random);
  const listener = new LabClient(
    site,
    near,
    { ...common, speech: o.sides.listener ?? o.sides.speech, name: 'sub', filters: [name] },
    unsent,
    random,
    {
      ...nothing,
      ready: () => {
        listening = true;
      },
      delivered: () => {
        arrived = clock.now;
      },
    },
  );
  const device = new LabClient(
    site,
    far,
    { ...common, speech: o.sides.speech, name: 'dev', filters: [] },
    make,
    random,
    {
      ...nothing,
      ready() {},
      delivered() {},
    },
  );
  clock.at(START, () => listener.start());
  await clock.run(() => listening, START + SETUP_MS);
  clock.at(clock.now, () => {
    begun = clock.now;
    device.start();
    device.publish(0);
  });
  await clock.run(() => arrived > 0, clock.now + 100 * PROBE_DELAY_MS);
  return arrived === 0 ? 0 : Math.round(((arrived - begun) / (2 * PROBE_DELAY_MS)) * 10) / 10;
}

/** What a connected, subscribed client costs that has nothing to say. */
async function watchIdle(o: CellOptions): Promise<Cell['idle']> {
  const { idleMinutes, keepAliveSeconds } = o.workload;
  if (idleMinutes === 0) return { bytesPerHour: 0, packetsPerHour: 0, connections: 0 };
  const clock = new LabClock(START);
  const site = await Site.start(clock, o.variant, o.sides, siteOptions(o));
  const link = new Link(clock, o.network, seeded(cellSeed(o, 5)));
  let ready = false;
  const filters = [o.workload.topic.replaceAll('{device}', '0')];
  const { qos, settings, retains } = o.variant;
  // Of those whose two sides differ, the one that the variant is about.
  const speech = retains === true ? (o.sides.listener ?? o.sides.speech) : o.sides.speech;
  const client = new LabClient(
    site,
    link,
    {
      speech,
      name: 'idle',
      filters: speech.ability.subscribeQos.length === 0 ? [] : filters,
      qos,
      settings,
      keepAliveMs: keepAliveSeconds * 1_000,
      sleepEvery: 0,
    },
    unsent,
    seeded(cellSeed(o, 6)),
    {
      ready: () => {
        ready = true;
      },
      delivered() {},
      answered() {},
      written() {},
      failed() {},
    },
  );
  clock.at(START, () => client.start());
  await clock.run(() => ready, START + SETUP_MS);
  await clock.run(() => false, clock.now + SETTLE_MS);
  const before = total(link);
  await clock.run(() => false, clock.now + idleMinutes * 60_000);
  const after = total(link);
  const perHour = 60 / idleMinutes;
  return {
    bytesPerHour: Math.round((after.bytes - before.bytes) * perHour),
    packetsPerHour: Math.round((after.packets - before.packets) * perHour),
    connections: client.connections,
  };
}
