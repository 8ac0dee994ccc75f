// The hub about itself: the retained messages under `$SYS/`, with the names that dashboards for mosquitto read.

import type { Counters, HubStats, ProtocolCounters } from '../contract/hub.ts';
import { Message, NEVER, type Origin } from '../contract/message.ts';
import type { Histogram } from './histogram.ts';
import { Load } from './load.ts';

export interface SysSources {
  readonly version: string;
  readonly startedAt: number;
  readonly counters: Counters;
  stats(): HubStats;
  /** Octets of heap in use now. */
  heapBytes(): number;
  /** How long commits took; undefined: nothing is kept. */
  readonly commits: Histogram | undefined;
}

const HUB = 'hub';
const ORIGIN: Origin = { protocol: HUB, client: '$SYS', principal: HUB };
const LOADS = [
  'messages/received',
  'messages/sent',
  'bytes/received',
  'bytes/sent',
  'connections',
  'publish/dropped',
] as const;

/** Publishes the tree. Values that did not change are not published again. */
export class SysTree {
  private readonly sources: SysSources;
  private readonly publish: (m: Message) => void;
  private readonly loads = new Map(LOADS.map((name) => [name, new Load()]));
  private readonly last = new Map<string, string>();
  private lastAt: number;
  private mostConnected = 0;
  private mostHeap = 0;
  private commitSeconds = 0;
  private commitCount = 0;

  constructor(sources: SysSources, publish: (m: Message) => void) {
    this.sources = sources;
    this.publish = publish;
    this.lastAt = sources.startedAt;
  }

  /** Publishes what is true at `now`. */
  update(now: number): void {
    for (const [topic, value] of this.read(now)) {
      const text = String(value);
      if (this.last.get(topic) === text) continue;
      this.last.set(topic, text);
      this.publish(
        new Message(`$SYS/${topic}`, new TextEncoder().encode(text), 0, true, ORIGIN, now, NEVER, undefined),
      );
    }
  }

  private *read(now: number): Iterable<[topic: string, value: string | number]> {
    const { version, startedAt, counters } = this.sources;
    const stats = this.sources.stats();
    const all = sum(counters);
    const clients = all.clients;
    const away = Math.max(0, stats.sessions - clients);
    const dropped = [...counters.dropped.values()].reduce((a, b) => a + b, 0);
    const heap = this.sources.heapBytes();
    this.mostConnected = Math.max(this.mostConnected, clients);
    this.mostHeap = Math.max(this.mostHeap, heap);

    yield ['broker/version', `waymeet version ${version}`];
    yield ['broker/uptime', `${Math.floor((now - startedAt) / 1_000)} seconds`];
    yield ['broker/clients/connected', clients];
    yield ['broker/clients/active', clients];
    yield ['broker/clients/total', clients + away];
    yield ['broker/clients/disconnected', away];
    yield ['broker/clients/inactive', away];
    yield ['broker/clients/maximum', this.mostConnected];
    yield ['broker/clients/expired', all.expired];
    yield ['broker/connections/total', all.connectionsTotal];
    yield ['broker/connections/refused', all.refused];
    yield ['broker/connections/broken', all.broken];
    yield ['broker/messages/received', all.received];
    yield ['broker/messages/sent', all.delivered];
    yield ['broker/messages/stored', stats.queuedMessages + stats.retained];
    yield ['broker/publish/messages/received', all.received];
    yield ['broker/publish/messages/sent', all.delivered];
    yield ['broker/publish/messages/dropped', dropped];
    yield ['broker/bytes/received', all.bytesIn];
    yield ['broker/bytes/sent', all.bytesOut];
    yield ['broker/subscriptions/count', stats.subscriptions];
    yield ['broker/retained messages/count', stats.retained];
    yield ['broker/store/messages/count', stats.queuedMessages + stats.retained];
    yield ['broker/store/bytes', stats.storeBytes];
    yield ['broker/store/commits', stats.commits];
    yield* this.commitTimes();
    yield ['broker/queue/messages', stats.queuedMessages];
    yield ['broker/queue/bytes', stats.queuedBytes];
    yield ['broker/queue/unsettled', stats.unsettled];
    yield ['broker/store/messages/bytes', stats.queuedBytes + stats.retainedBytes];
    yield ['broker/shared subscriptions/count', stats.groups];
    yield ['broker/heap/current', heap];
    yield ['broker/heap/maximum', this.mostHeap];
    yield* this.load(now, [
      all.received,
      all.delivered,
      all.bytesIn,
      all.bytesOut,
      all.connectionsTotal,
      dropped,
    ]);
    for (const [reason, count] of counters.dropped) yield [`broker/dropped/${reason}`, count];
    for (const [protocol, c] of counters.protocols) if (protocol !== HUB) yield* ofProtocol(protocol, c);
  }

  /** The mean since the last update, and the longest ever. */
  private *commitTimes(): Iterable<[topic: string, value: string]> {
    const { commits } = this.sources;
    if (commits === undefined) return;
    const count = commits.count - this.commitCount;
    const mean = count === 0 ? 0 : (commits.sum - this.commitSeconds) / count;
    this.commitCount = commits.count;
    this.commitSeconds = commits.sum;
    yield ['broker/store/commit/milliseconds', (mean * 1_000).toFixed(3)];
    yield ['broker/store/commit/milliseconds/maximum', (commits.max * 1_000).toFixed(3)];
  }

  private *load(now: number, totals: readonly number[]): Iterable<[topic: string, value: string]> {
    const elapsed = now - this.lastAt;
    this.lastAt = now;
    for (const [i, name] of LOADS.entries()) {
      const load = this.loads.get(name)!;
      load.update(totals[i]!, elapsed);
      for (const [minutes, perMinute] of load.entries())
        yield [`broker/load/${name}/${minutes}`, perMinute.toFixed(2)];
    }
  }
}

function* ofProtocol(protocol: string, c: ProtocolCounters): Iterable<[topic: string, value: number]> {
  // `coap+ws`: a topic name has no wildcard in it. [MQTT5-3.3.2-2]
  const at = `protocols/${protocol.replaceAll('+', '-')}`;
  yield [`${at}/clients/connected`, c.clients];
  yield [`${at}/clients/total`, c.clientsTotal];
  yield [`${at}/clients/expired`, c.expired];
  yield [`${at}/connections/open`, c.connections];
  yield [`${at}/connections/total`, c.connectionsTotal];
  yield [`${at}/connections/refused`, c.refused];
  yield [`${at}/connections/broken`, c.broken];
  yield [`${at}/bytes/received`, c.bytesIn];
  yield [`${at}/bytes/sent`, c.bytesOut];
  for (const qos of [0, 1, 2]) {
    yield [`${at}/messages/received/qos${qos}`, c.received[qos]!];
    yield [`${at}/messages/sent/qos${qos}`, c.delivered[qos]!];
  }
}

/** The hub's own clients, as the one that publishes this tree, count for nothing here. */
function sum(counters: Counters) {
  const all = {
    clients: 0,
    connections: 0,
    connectionsTotal: 0,
    refused: 0,
    broken: 0,
    bytesIn: 0,
    bytesOut: 0,
    received: 0,
    delivered: 0,
    expired: 0,
  };
  for (const [protocol, c] of counters.protocols) {
    if (protocol === HUB) continue;
    all.clients += c.clients;
    all.connections += c.connections;
    all.connectionsTotal += c.connectionsTotal;
    all.refused += c.refused;
    all.broken += c.broken;
    all.expired += c.expired;
    all.bytesIn += c.bytesIn;
    all.bytesOut += c.bytesOut;
    for (const n of c.received) all.received += n;
    for (const n of c.delivered) all.delivered += n;
  }
  return all;
}
