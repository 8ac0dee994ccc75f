// The hub's figures as Prometheus text (exposition format 0.0.4).

import type { Counters, HubStats } from '../contract/hub.ts';
import type { Histogram } from './histogram.ts';
import type { ProcessFigures } from './process.ts';

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsInput {
  readonly version: string;
  readonly counters: Counters;
  readonly stats: HubStats;
  readonly process: ProcessFigures;
  readonly deliveries: Histogram;
  /** Undefined: nothing is kept. */
  readonly commits: Histogram | undefined;
}

type Kind = 'counter' | 'gauge' | 'histogram';
/** One line: what follows the metric's name, its labels, its value. */
type Line = readonly [suffix: '' | '_bucket' | '_sum' | '_count', labels: Labels, value: number];
type Add = (name: string, kind: Kind, help: string, samples: readonly (Sample | Line)[]) => void;

type Labels = Readonly<Record<string, string | number>>;
type Sample = readonly [labels: Labels, value: number];

/** The page that `/metrics` answers. */
export function renderMetrics(input: MetricsInput): string {
  const page: string[] = [];
  const add: Add = (name, kind, help, samples) => {
    page.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    for (const sample of samples) {
      const [suffix, labels, value] = sample.length === 3 ? sample : (['', ...sample] as const);
      page.push(`${name}${suffix}${labelText(labels)} ${value}`);
    }
  };
  const one = (value: number): Sample[] => [[{}, value]];
  const { counters, stats } = input;
  const protocols = [...counters.protocols]
    .filter(([protocol]) => protocol !== 'hub') // its own clients, as the one of `$SYS`
    .map(([protocol, count]) => ({ protocol, count }));

  add('waymeet_info', 'gauge', 'The version that runs.', [
    [{ version: input.version, node: process.version }, 1],
  ]);
  add(
    'waymeet_messages_received_total',
    'counter',
    'Messages published by clients.',
    protocols.flatMap(({ protocol, count }) =>
      count.received.map((n, qos): Sample => [{ protocol, qos }, n]),
    ),
  );
  add(
    'waymeet_messages_delivered_total',
    'counter',
    'Messages sent to clients.',
    protocols.flatMap(({ protocol, count }) =>
      count.delivered.map((n, qos): Sample => [{ protocol, qos }, n]),
    ),
  );
  add(
    'waymeet_messages_dropped_total',
    'counter',
    'Messages that were not delivered, by reason.',
    [...counters.dropped].map(([reason, n]): Sample => [{ reason }, n]),
  );
  add(
    'waymeet_bytes_total',
    'counter',
    'Octets on the wires.',
    protocols.flatMap(({ protocol, count }): Sample[] => [
      [{ protocol, direction: 'in' }, count.bytesIn],
      [{ protocol, direction: 'out' }, count.bytesOut],
    ]),
  );
  add(
    'waymeet_connections',
    'gauge',
    'Connections that are open.',
    protocols.map(({ protocol, count }): Sample => [{ protocol }, count.connections]),
  );
  add(
    'waymeet_connections_total',
    'counter',
    'Connections that were opened.',
    protocols.map(({ protocol, count }): Sample => [{ protocol }, count.connectionsTotal]),
  );
  add(
    'waymeet_connections_refused_total',
    'counter',
    'Connections and logins that were refused.',
    protocols.map(({ protocol, count }): Sample => [{ protocol }, count.refused]),
  );
  add(
    'waymeet_connections_broken_total',
    'counter',
    'Connections that were closed because the client broke the protocol.',
    protocols.map(({ protocol, count }): Sample => [{ protocol }, count.broken]),
  );
  add(
    'waymeet_faults_total',
    'counter',
    'Connections that a defect of the hub closed.',
    protocols.map(({ protocol, count }): Sample => [{ protocol }, count.faults]),
  );
  add(
    'waymeet_clients',
    'gauge',
    'Clients that are logged in.',
    protocols.map(({ protocol, count }): Sample => [{ protocol }, count.clients]),
  );
  add(
    'waymeet_sessions_expired_total',
    'counter',
    'Sessions that ended because their client did not come back in time.',
    protocols.map(({ protocol, count }): Sample => [{ protocol }, count.expired]),
  );
  add('waymeet_sessions', 'gauge', 'Sessions, connected or waiting for their client.', one(stats.sessions));
  add('waymeet_subscriptions', 'gauge', 'Subscriptions.', one(stats.subscriptions));
  add('waymeet_retained_messages', 'gauge', 'Topics with a retained message.', one(stats.retained));
  add('waymeet_queue_messages', 'gauge', 'Messages that wait for a client.', one(stats.queuedMessages));
  add('waymeet_queue_bytes', 'gauge', 'Octets of the messages that wait.', one(stats.queuedBytes));
  add(
    'waymeet_unsettled_messages',
    'gauge',
    'Messages delivered and not acknowledged.',
    one(stats.unsettled),
  );
  add(
    'waymeet_delivery_seconds',
    'histogram',
    'From a read to the write of the messages that it delivered; one read in 61 is timed. What waits is in waymeet_queue_messages.',
    [...histogram(input.deliveries)],
  );
  add('waymeet_store_commits_total', 'counter', 'Group commits of the store.', one(stats.commits));
  if (input.commits !== undefined) {
    const help = 'How long group commits took.';
    add('waymeet_store_commit_seconds', 'histogram', help, [...histogram(input.commits)]);
  }
  add('waymeet_store_bytes', 'gauge', 'Octets of the store on disk.', one(stats.storeBytes));
  addProcess(add, input.process);
  return `${page.join('\n')}\n`;
}

/** Buckets are cumulative, and the last one is everything. */
function* histogram(h: Histogram): Iterable<Line> {
  let below = 0;
  for (const [i, bound] of h.bounds.entries()) {
    below += h.counts[i]!;
    yield ['_bucket', { le: bound }, below];
  }
  yield ['_bucket', { le: '+Inf' }, h.count];
  yield ['_sum', {}, h.sum];
  yield ['_count', {}, h.count];
}

function addProcess(add: Add, p: ProcessFigures): void {
  add(
    'waymeet_event_loop_lag_seconds',
    'histogram',
    'How late the event loop ran, looked at ten times a second.',
    [...histogram(p.lag)],
  );
  add('process_cpu_seconds_total', 'counter', 'CPU time, user and system.', [[{}, p.cpuSeconds]]);
  add('process_resident_memory_bytes', 'gauge', 'Resident memory.', [[{}, p.residentBytes]]);
  add('process_heap_bytes', 'gauge', 'JavaScript heap in use.', [[{}, p.heapBytes]]);
  add('process_start_time_seconds', 'gauge', 'When the process started, since 1970.', [
    [{}, p.startedAtMs / 1_000],
  ]);
  if (p.openFiles !== undefined)
    add('process_open_fds', 'gauge', 'Open file descriptors.', [[{}, p.openFiles]]);
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
