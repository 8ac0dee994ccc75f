// The `$SYS` tree in virtual time: names, values, averages, and that only changes are published.

import { expect, test } from 'vitest';
import { Counters } from '../contract/hub.ts';
import type { Message } from '../contract/message.ts';
import { Histogram } from './histogram.ts';
import { LoadAverage } from './load.ts';
import { SysTree } from './sys.ts';

function tree() {
  const counters = new Counters();
  const retained = new Map<string, string>();
  const commits = new Histogram([1]);
  let published = 0;
  counters.of('mqtt').clients = 2;
  counters.of('hub').clients = 1;
  const sys = new SysTree(
    {
      version: '1.2.3',
      startedAt: 1_000,
      counters,
      stats: () => ({
        clients: 9,
        sessions: 5,
        subscriptions: 6,
        groups: 1,
        retained: 7,
        retainedBytes: 70,
        queuedMessages: 8,
        unsettled: 0,
        queuedBytes: 80,
        storeBytes: 9,
        commits: 10,
        lastCommitMs: 11,
      }),
      heapBytes: () => 10,
      commits,
    },
    (m: Message) => {
      expect(m.retain).toBe(true);
      retained.set(m.topic, new TextDecoder().decode(m.payload));
      published++;
    },
  );
  const take = () => {
    const count = published;
    published = 0;
    return count;
  };
  const connect = (count: number) => {
    counters.of('mqtt').clients = count;
  };
  return { counters, commits, retained, sys, take, connect };
}

test('the names that dashboards for mosquitto read', () => {
  const { counters, commits, retained, sys } = tree();
  const mqtt = counters.of('mqtt');
  mqtt.received[0] = 60;
  mqtt.delivered[1] = 30;
  mqtt.bytesOut = 1_000;
  counters.of('coap').received[1] = 1;
  counters.of('coap+ws').received[0] = 2;
  mqtt.expired = 3;
  counters.drop('queue-full', 4);
  commits.observe(0.002);
  commits.observe(0.004);
  sys.update(61_000);
  expect(Object.fromEntries(retained)).toMatchObject({
    '$SYS/broker/version': 'waymeet version 1.2.3',
    '$SYS/broker/uptime': '60 seconds',
    '$SYS/broker/clients/connected': '2',
    '$SYS/broker/clients/total': '5',
    '$SYS/broker/clients/disconnected': '3',
    '$SYS/broker/clients/maximum': '2',
    '$SYS/broker/messages/received': '63',
    '$SYS/broker/messages/sent': '30',
    '$SYS/broker/publish/messages/dropped': '4',
    '$SYS/broker/dropped/queue-full': '4',
    '$SYS/broker/bytes/sent': '1000',
    '$SYS/broker/subscriptions/count': '6',
    '$SYS/broker/retained messages/count': '7',
    '$SYS/broker/clients/expired': '3',
    '$SYS/broker/store/bytes': '9',
    '$SYS/broker/store/commits': '10',
    '$SYS/broker/store/commit/milliseconds': '3.000',
    '$SYS/broker/store/commit/milliseconds/maximum': '4.000',
    '$SYS/broker/queue/messages': '8',
    '$SYS/broker/queue/bytes': '80',
    '$SYS/protocols/mqtt/clients/expired': '3',
    '$SYS/protocols/mqtt/messages/received/qos0': '60',
    '$SYS/protocols/coap/messages/received/qos1': '1',
    '$SYS/protocols/coap-ws/messages/received/qos0': '2',
  });
  // One minute at 63 a minute: 63 × (1 − 1/e).
  expect(retained.get('$SYS/broker/load/messages/received/1min')).toBe('39.82');
  expect(retained.get('$SYS/broker/load/messages/received/15min')).toBe('4.06');
});

test('what did not change is not published again; the maximum stays', () => {
  const { retained, sys, take, connect } = tree();
  connect(9);
  sys.update(11_000);
  take();
  sys.update(21_000);
  expect(take()).toBe(1); // the uptime
  connect(1);
  sys.update(31_000);
  expect(retained.get('$SYS/broker/clients/maximum')).toBe('9');
  expect(retained.get('$SYS/broker/clients/connected')).toBe('1');
});

test('an average of a steady rate becomes that rate, however it is cut', () => {
  for (const step of [1_000, 10_000, 60_000]) {
    const load = new LoadAverage(1);
    let total = 0;
    for (let at = 0; at < 20 * 60_000; at += step) {
      total += step / 100;
      load.update(total, step);
    }
    expect(load.value).toBeCloseTo(600, 3);
  }
});
