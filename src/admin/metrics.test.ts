// The Prometheus text: every line is well formed, and says what was counted.

import { expect, test } from 'vitest';
import { Counters } from '../contract/hub.ts';
import { parseExposition } from './exposition.fixture.ts';
import { Histogram } from './histogram.ts';
import { renderMetrics } from './metrics.ts';

function times(bounds: readonly number[], seen: readonly number[]): Histogram {
  const made = new Histogram(bounds);
  for (const seconds of seen) made.observe(seconds);
  return made;
}

const FIGURES = {
  residentBytes: 5e7,
  heapBytes: 1e7,
  cpuSeconds: 1.5,
  startedAtMs: 1_000,
  openFiles: 12,
  lag: times([0.001, 0.01], [0.0005, 0.002, 3]),
};
const STATS = {
  clients: 2,
  sessions: 3,
  subscriptions: 4,
  groups: 1,
  retained: 5,
  retainedBytes: 50,
  queuedMessages: 6,
  unsettled: 1,
  queuedBytes: 60,
  storeBytes: 7,
  commits: 8,
  lastCommitMs: 9,
};

function page(counters: Counters, commits?: Histogram): string {
  const deliveries = times([0.001], [0.0002]);
  return renderMetrics({ version: '1.2.3', counters, stats: STATS, process: FIGURES, deliveries, commits });
}

test('counters by protocol, QoS, direction and reason', () => {
  const counters = new Counters();
  const mqtt = counters.of('mqtt');
  mqtt.received[1] = 7;
  mqtt.delivered[2] = 9;
  mqtt.bytesIn = 100;
  mqtt.connections = 2;
  mqtt.expired = 4;
  counters.drop('queue "full"\n', 3);
  const lines = page(counters).split('\n');
  expect(lines).toContain('waymeet_messages_received_total{protocol="mqtt",qos="1"} 7');
  expect(lines).toContain('waymeet_messages_delivered_total{protocol="mqtt",qos="2"} 9');
  expect(lines).toContain('waymeet_messages_dropped_total{reason="queue \\"full\\"\\n"} 3');
  expect(lines).toContain('waymeet_bytes_total{protocol="mqtt",direction="in"} 100');
  expect(lines).toContain('waymeet_connections{protocol="mqtt"} 2');
  expect(lines).toContain('waymeet_sessions_expired_total{protocol="mqtt"} 4');
  expect(lines).toContain('waymeet_queue_messages 6');
  expect(lines).toContain('waymeet_delivery_seconds_bucket{le="0.001"} 1');
  expect(lines).toContain('process_open_fds 12');
  expect(lines).toContain('process_start_time_seconds 1');
});

test('buckets hold everything up to their bound; a bound belongs to its bucket', () => {
  const lines = page(new Counters(), times([0.001, 0.01], [0.001, 0.0011, 0.5])).split('\n');
  const from = lines.indexOf('# TYPE waymeet_store_commit_seconds histogram');
  expect(lines.slice(from + 1, from + 6)).toEqual([
    'waymeet_store_commit_seconds_bucket{le="0.001"} 1',
    'waymeet_store_commit_seconds_bucket{le="0.01"} 2',
    'waymeet_store_commit_seconds_bucket{le="+Inf"} 3',
    'waymeet_store_commit_seconds_sum 0.5021',
    'waymeet_store_commit_seconds_count 3',
  ]);
  expect(page(new Counters())).not.toContain('commit_seconds');
});

test('a strict reader takes every line, whatever the labels hold', () => {
  const counters = new Counters();
  counters.of('coap');
  counters.drop('back\\slash "quote"\n');
  const families = parseExposition(page(counters, times([1], [])));
  expect(families.get('waymeet_event_loop_lag_seconds')!.kind).toBe('histogram');
  expect([...families.get('waymeet_messages_dropped_total')!.samples.values()]).toEqual([1]);
});

test.each([
  ['a_total 1\n', 'without its type'],
  ['# HELP a A.\n# TYPE a counter\na 1\n', '_total'],
  ['# HELP a A.\n# TYPE a gauge\na 1\na 1\n', 'twice'],
  ['# HELP a A.\n# TYPE a gauge\na{b="c"d"} 1\n', 'neither'],
  ['# HELP a A.\n# TYPE a gauge\na NaNa\n', 'number'],
  ['# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\n', 'grow'],
  ['# HELP a A.\n# TYPE a gauge\na 1', 'line feed'],
])('the reader is strict: %j', (text, why) => {
  expect(() => parseExposition(text)).toThrow(why);
});
