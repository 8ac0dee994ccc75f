// MQTT connections against the real hub, in memory: logins, deliveries and their ends.

import { expect, test } from 'vitest';
import { MqttClient, message } from '../../../test/mqtt-client.ts';
import { startBroker } from '../../../test/network.ts';
import type { Level } from './packet.ts';

for (const level of [3, 4, 5] as Level[]) {
  for (const qos of [0, 1, 2] as const) {
    test(`level ${level}, QoS ${qos}: what is published arrives`, async () => {
      const broker = await startBroker();
      const a = new MqttClient(broker, level);
      const b = new MqttClient(broker, level);
      expect((await a.connect('a')).code).toBe(0);
      expect((await b.connect('b')).code).toBe(0);
      expect((await a.subscribe('t/+', { qos })).codes).toEqual([qos]);
      b.publish('t/1', 'hello', { qos, id: qos === 0 ? 0 : 7 });
      const answers = await b.settled();
      const got = await a.settled();
      const { p, text } = message(got[0]);
      expect([p.topic, text, p.qos, p.dup, p.retain]).toEqual(['t/1', 'hello', qos, false, false]);
      expect(answers.map((x) => x.type)).toEqual(qos === 0 ? [] : qos === 1 ? [4] : [5]);
      await broker.stop();
    });
  }
}
