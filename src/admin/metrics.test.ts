// The Prometheus text: every line is well formed, and says what was counted.

import { expect, test } from 'vitest';
import { Counters } from '../contract/hub.ts';
import { renderMetrics } from './metrics.ts';

const FIGURES = {
  residentBytes: 5e7,
  heapBytes: 1e7,
  cpuSeconds: 1.5,
  startedAtMs: 1_000,
  openFiles: 12,
  lagSeconds: { p50: 0, p99: 0.001, max: 0.25 },
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

function page(counters: Counters): string[] {
  return renderMetrics({ version: '1.2.3', counters, stats: STATS, process: FIGURES }).split('\n');
}

test('counters by protocol, QoS, direction and reason', () => {
  const counters = new Counters();
  const mqtt = counters.of('mqtt');
  mqtt.received[1] = 7;
  mqtt.delivered[2] = 9;
  mqtt.bytesIn = 100;
  mqtt.connections = 2;
  counters.drop('queue "full"\n', 3);
  const lines = page(counters);
  expect(lines).toContain('waymeet_messages_received_total{protocol="mqtt",qos="1"} 7');
  expect(lines).toContain('waymeet_messages_delivered_total{protocol="mqtt",qos="2"} 9');
  expect(lines).toContain('waymeet_messages_dropped_total{reason="queue \\"full\\"\\n"} 3');
  expect(lines).toContain('waymeet_bytes_total{protocol="mqtt",direction="in"} 100');
  expect(lines).toContain('waymeet_connections{protocol="mqtt"} 2');
  expect(lines).toContain('waymeet_queue_messages 6');
  expect(lines).toContain('process_open_fds 12');
  expect(lines).toContain('process_start_time_seconds 1');
});

test('every line is a comment or a sample, every metric has its help and type once, counters end in _total', () => {
  const counters = new Counters();
  counters.of('coap');
  const lines = page(counters);
  expect(lines.pop()).toBe('');
  const types = new Map<string, string>();
  for (const line of lines) {
    const type = /^# TYPE (\S+) (counter|gauge)$/.exec(line);
    if (type !== null) {
      expect(types.has(type[1]!), line).toBe(false);
      types.set(type[1]!, type[2]!);
    } else if (!line.startsWith('# HELP ')) {
      const sample = /^([a-z_]+)(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [\d.e+-]+$/.exec(line);
      expect(sample, line).not.toBeNull();
      expect(types.has(sample![1]!), line).toBe(true);
    }
  }
  for (const [name, type] of types) expect(name.endsWith('_total'), name).toBe(type === 'counter');
});
