// MQTT connections against the real hub, in memory: logins, deliveries and their ends.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzz, packet } from '../../../test/arbitrary/mqtt.ts';
import { MqttClient, message } from '../../../test/mqtt-client.ts';
import { startBroker } from '../../../test/network.ts';
import { encodePacket } from './encode.ts';
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

/** Valid packets, some of them with an octet changed, cut off or repeated. */
const traffic = fc.constantFrom<Level>(3, 4, 5).chain((level) =>
  fc.record({
    level: fc.constant(level),
    connected: fc.boolean(),
    chunk: fc.constantFrom(Number.POSITIVE_INFINITY, 50, 1),
    frames: fc.array(
      fc.record({
        packet: packet(level, 'client'),
        at: fc.nat(),
        change: fc.constantFrom('', '', '', 'octet', 'cut', 'again'),
        octet: fc.nat(255),
      }),
      { maxLength: 12 },
    ),
  }),
);

test('law: whatever a client sends, it is answered or closed, and the others go on', async () => {
  const law = fc.asyncProperty(traffic, async ({ level, connected, chunk, frames }) => {
    const broker = await startBroker();
    const a = new MqttClient(broker, 5);
    await a.connect('a');
    await a.subscribe('t', { qos: 1 });
    const noisy = new MqttClient(broker, level, { link: { chunk } });
    if (connected) await noisy.connect('noisy');
    for (const { packet: p, at, change, octet } of frames) {
      let bytes = encodePacket(p, level);
      if (change === 'octet') bytes[at % bytes.length] = octet;
      else if (change === 'cut') bytes = bytes.subarray(0, at % bytes.length);
      noisy.raw.send(bytes);
      if (change === 'again') noisy.raw.send(bytes);
    }
    // Anything but a ProtocolError fails the network, and with it this test.
    await broker.clock.advance(1_000);
    a.publish('t', 'still here', { qos: 1, id: 1 });
    const texts = (await a.settled()).flatMap((p) =>
      p.type === 3 && p.topic === 't' ? [message(p).text] : [],
    );
    expect(texts.at(-1)).toBe('still here');
    noisy.raw.cut();
    await broker.stop();
  });
  await fc.assert(law, fuzz(150));
});
