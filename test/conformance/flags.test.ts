// The fixed header and the lengths of every packet: reserved bits, packet types that a client may not send, octets too few or too many.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { toHex } from '../network.ts';
import { clause, type TestedLevel } from './clause.ts';
import { connect, nameOf, TestClient } from './client.ts';
import {
  connectFrame,
  frame,
  join,
  type Part,
  props,
  publishFrame,
  str,
  subscribeFrame,
  u16,
  unsubscribeFrame,
} from './octets.ts';

/** Packets with reserved flags: the only right flags, the rest of the packet, and the clauses. */
const RESERVED: readonly {
  readonly type: mqtt.Packet['type'];
  readonly flags: number;
  readonly ids: string;
  readonly body: (level: TestedLevel) => readonly Part[];
}[] = [
  { type: mqtt.PUBACK, flags: 0, ids: '', body: () => [u16(1)] },
  { type: mqtt.PUBREC, flags: 0, ids: '', body: () => [u16(1)] },
  { type: mqtt.PUBREL, flags: 2, ids: 'MQTT311-3.6.1-1 MQTT5-3.6.1-1', body: () => [u16(1)] },
  { type: mqtt.PUBCOMP, flags: 0, ids: '', body: () => [u16(1)] },
  {
    type: mqtt.SUBSCRIBE,
    flags: 2,
    ids: 'MQTT311-3.8.1-1 MQTT5-3.8.1-1',
    body: (level) => [u16(1), props(level), str('t'), 0],
  },
  {
    type: mqtt.UNSUBSCRIBE,
    flags: 2,
    ids: 'MQTT311-3.10.1-1 MQTT5-3.10.1-1',
    body: (level) => [u16(1), props(level), str('t')],
  },
  { type: mqtt.PINGREQ, flags: 0, ids: '', body: () => [] },
  { type: mqtt.DISCONNECT, flags: 0, ids: 'MQTT311-3.14.1-1 MQTT5-3.14.1-1', body: () => [] },
  { type: mqtt.AUTH, flags: 0, ids: 'MQTT5-3.15.1-1', body: (level) => [0x19, props(level)] },
];

for (const { type, flags, ids, body } of RESERVED) {
  const all = `MQTT311-2.2.2-1 MQTT311-2.2.2-2 MQTT5-2.1.3-1 ${ids}`.trim();
  const applying = type === mqtt.AUTH ? all.replaceAll(/MQTT311\S+ /g, '') : all;
  clause(
    applying,
    `${nameOf(type)} with any flags but the right ones closes, and its will is published`,
    async (broker, level) => {
      const watcher = await connect(broker, { level, clientId: 'watcher' });
      await watcher.subscribe('w');
      for (let wrong = 0; wrong < 16; wrong++) {
        if (wrong === flags) continue;
        const client = await connect(broker, { level, will: { topic: 'w' } });
        client.send(frame((type << 4) | wrong, ...body(level)));
        await client.expectClosed(0x81);
        await watcher.expectMessage('will');
      }
    },
  );
}

clause('MQTT311-2.2.2-2 MQTT5-2.1.3-1', 'CONNECT with any flag closes', async (broker, level) => {
  const witness = await connect(broker, { level, clientId: 'witness' });
  for (let wrong = 1; wrong < 16; wrong++) {
    const client = new TestClient(broker, level);
    client.send(connectFrame(level, { first: 0x10 | wrong }));
    await client.expectClosed(0x81);
  }
  await witness.expectAlive();
});

clause('MQTT311-3.3.1-4 MQTT5-3.3.1-4', 'PUBLISH with QoS 3 closes', async (broker, level) => {
  const watcher = await connect(broker, { level, clientId: 'watcher' });
  await watcher.subscribe('t');
  for (const flags of [0x06, 0x07, 0x0e, 0x0f]) {
    const client = await connect(broker, { level });
    client.send(publishFrame(level, flags, str('t'), 1));
    await client.expectClosed(0x81);
  }
  await watcher.expectNothing();
});

clause('MQTT311-3.3.1-2 MQTT5-3.3.1-2', 'PUBLISH with DUP at QoS 0 closes', async (broker, level) => {
  const watcher = await connect(broker, { level, clientId: 'watcher' });
  await watcher.subscribe('t');
  for (const flags of [0x08, 0x09]) {
    const client = await connect(broker, { level });
    client.send(publishFrame(level, flags, str('t'), undefined));
    await client.expectClosed(0x81);
  }
  await watcher.expectNothing();
});

clause('MQTT311-2.3.1-1 MQTT5-2.2.1-3', 'packet id 0 closes', async (broker, level) => {
  const zero = [
    publishFrame(level, 0x02, str('t'), 0),
    publishFrame(level, 0x04, str('t'), 0),
    subscribeFrame(level, 0, str('t')),
    unsubscribeFrame(level, 0, str('t')),
  ];
  for (const octets of zero) {
    const client = await connect(broker, { level });
    client.send(octets);
    const goodbye = await client.expectClosed();
    if (level === 5) expect([0x81, 0x82], toHex(octets)).toContain(goodbye?.code);
  }
});

clause('MQTT311-2.3.1-1 MQTT5-2.2.1-3', 'packet ids 1 and 65,535 are taken', async (broker, level) => {
  const client = await connect(broker, { level });
  for (const id of [1, 65_535]) {
    client.publish('t', 'x', { qos: 1, id });
    expect((await client.expect(mqtt.PUBACK)).id).toBe(id);
    client.publish('t', 'x', { qos: 2, id });
    expect((await client.expect(mqtt.PUBREC)).id).toBe(id);
    client.sendSubscribe(id, ['t']);
    expect((await client.expect(mqtt.SUBACK)).id).toBe(id);
    client.sendUnsubscribe(id, ['t']);
    expect((await client.expect(mqtt.UNSUBACK)).id).toBe(id);
  }
});

clause(
  'MQTT311-2.3.1-5 MQTT5-2.2.1-2',
  'a QoS 0 PUBLISH has no packet id, in nor out',
  async (broker, level) => {
    const subscriber = await connect(broker, { level, clientId: 'subscriber' });
    await subscriber.subscribe('t');
    const publisher = await connect(broker, { level });
    publisher.send(publishFrame(level, 0x00, str('t'), undefined, [], join('00 07 61')));
    const out = await subscriber.nextFrame();
    // What would be a packet id is payload, in and out.
    expect(toHex(out!)).toBe(toHex(publishFrame(level, 0x00, str('t'), undefined, [], join('00 07 61'))));
  },
);

clause('MQTT311-4.8.0-1 MQTT5-4.13.1-1', 'a packet that only servers send closes', async (broker, level) => {
  const servers: (readonly [string, Uint8Array])[] = [
    ['CONNACK', frame(0x20, 0, 0, props(level))],
    ['SUBACK', frame(0x90, u16(1), props(level), 0)],
    ['UNSUBACK', frame(0xb0, u16(1), props(level), ...(level === 5 ? [0] : []))],
    ['PINGRESP', frame(0xd0)],
    ['type 0', frame(0x00)],
  ];
  if (level === 4) servers.push(['type 15', frame(0xf0)]);
  for (const [what, octets] of servers) {
    const client = await connect(broker, { level });
    client.send(octets);
    const goodbye = await client.expectClosed();
    if (level === 5) expect([0x81, 0x82], what).toContain(goodbye?.code);
  }
});

clause(
  'MQTT311-4.8.0-1 MQTT5-4.13.1-1',
  'octets too few or too many in a packet close',
  async (broker, level) => {
    const bad: readonly (readonly [string, Uint8Array])[] = [
      ['PUBLISH shorter than its topic', frame(0x30, '00 05 61')],
      ['PUBLISH without topic length', frame(0x30, '00')],
      ['PUBLISH at QoS 1 without packet id', frame(0x32, str('t'))],
      ['PUBLISH at QoS 1 with half a packet id', frame(0x32, str('t'), 1)],
      ['PUBACK of one octet', frame(0x40, 1)],
      ['PUBREL without packet id', frame(0x62)],
      ['SUBSCRIBE without packet id', frame(0x82)],
      ['SUBSCRIBE without options', frame(0x82, u16(1), props(level), str('t'))],
      ['SUBSCRIBE with half a filter', frame(0x82, u16(1), props(level), '00 05 61')],
      ['SUBSCRIBE with half a second filter', frame(0x82, u16(1), props(level), str('t'), 0, '00 05 61')],
      ['UNSUBSCRIBE with half a filter', frame(0xa2, u16(1), props(level), '00 05 61')],
      ['PINGREQ with a body', frame(0xc0, 0)],
      ['a remaining length of five octets', join(0xc0, 'ff ff ff ff 01')],
      ['a remaining length that does not end', join(0x30, 'ff ff ff ff ff')],
      ...(level === 4
        ? ([
            ['PUBACK with octets after it', frame(0x40, u16(1), 0)],
            ['DISCONNECT with a body', frame(0xe0, 0)],
          ] as const)
        : ([
            ['PUBLISH with properties longer than itself', frame(0x30, str('t'), 9, 0x01, 1)],
            ['PUBACK with octets after its properties', frame(0x40, u16(1), 0, 0, 0)],
            ['DISCONNECT with octets after its properties', frame(0xe0, 0, 0, 0)],
          ] as const)),
    ];
    for (const [what, octets] of bad) {
      const client = await connect(broker, { level });
      client.send(octets);
      await client.settle();
      expect(client.raw.closed, what).toBe(true);
      await client.expectClosed(0x81);
    }
  },
);

clause('MQTT5-1.5.5-1', 'a variable byte integer that is longer than it needs closes', async (broker) => {
  const long: readonly (readonly [string, Uint8Array])[] = [
    ['remaining length 0 in two octets', join(0xc0, '80 00')],
    ['remaining length 2 in two octets', join(0x40, '82 00', u16(1))],
    ['remaining length 2 in four octets', join(0x40, '82 80 80 00', u16(1))],
    ['property length 0 in two octets', frame(0x30, str('t'), '80 00', 'aa')],
    ['subscription identifier 1 in two octets', frame(0x82, u16(1), 3, 0x0b, '81 00', str('t'), 0)],
  ];
  for (const [what, octets] of long) {
    const client = await connect(broker);
    client.send(octets);
    await client.settle();
    expect(client.raw.closed, what).toBe(true);
    await client.expectClosed(0x81);
  }
});

clause(
  'MQTT5-1.5.5-1 MQTT5-2.2.2-1',
  'what the broker sends is as short as can be, with property length 0 where there are none',
  async (broker) => {
    const client = await connect(broker);
    client.sendSubscribe(1, ['t']);
    expect(toHex((await client.nextFrame())!)).toBe('90 04 00 01 00 02');
    client.publish('t', 'x');
    expect(toHex((await client.nextFrame())!)).toBe('30 05 00 01 74 00 78');
    client.publish('t', 'x'.repeat(123)); // remaining length 127: one octet
    expect(toHex((await client.nextFrame())!.subarray(0, 3))).toBe('30 7f 00');
    client.publish('t', 'x'.repeat(124)); // 128: two
    expect(toHex((await client.nextFrame())!.subarray(0, 4))).toBe('30 80 01 00');
    client.publish('t', 'x'.repeat(16_379)); // 16,383: two
    expect(toHex((await client.nextFrame())!.subarray(0, 4))).toBe('30 ff 7f 00');
    client.publish('t', 'x'.repeat(16_380)); // 16,384: three
    expect(toHex((await client.nextFrame())!.subarray(0, 5))).toBe('30 80 80 01 00');
    client.sendUnsubscribe(2, ['t']);
    expect(toHex((await client.nextFrame())!)).toBe('b0 04 00 02 00 00');
  },
);

clause('MQTT311-3.12.4-1 MQTT5-3.12.4-1', 'PINGREQ is answered by PINGRESP, each', async (broker, level) => {
  const client = await connect(broker, { level });
  for (let n = 0; n < 3; n++) client.send('c0 00');
  for (let n = 0; n < 3; n++) expect(toHex((await client.nextFrame())!)).toBe('d0 00');
  await client.expectNothing();
});

clause(
  'MQTT311-4.8.0-1 MQTT5-4.13.1-1',
  'an acknowledgement of another kind than the QoS of its message closes',
  async (broker, level) => {
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    const wrong = [
      [1, mqtt.PUBREC],
      [1, mqtt.PUBCOMP],
      [2, mqtt.PUBACK],
      [2, mqtt.PUBCOMP],
    ] as const;
    for (const [qos, type] of wrong) {
      const client = await connect(broker, { level });
      await client.subscribe('t');
      await publisher.deliver('t', 'x', { qos });
      const { id } = await client.expectMessage('x');
      client.acknowledge(type, id);
      await client.expectClosed(0x82);
    }
  },
);
