// DISCONNECT both ways: its reasons, and the silence after it.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { clause } from './clause.ts';
import { connect, nameOf } from './client.ts';
import { frame, join, publishFrame, str, u16 } from './octets.ts';

clause(
  'MQTT5-3.14.2-1 MQTT5-3.14.2-2 MQTT5-3.14.4-1 MQTT5-3.14.4-2 MQTT5-4.13.2-1',
  'the server says goodbye with the reason, without a session expiry, sends nothing more and closes',
  async (broker) => {
    const fields = { properties: { sessionExpiryInterval: 1_000 } };
    const watcher = await connect(broker, { clientId: 'watcher' });
    const malformed = await connect(broker, { ...fields, clientId: 'malformed' });
    malformed.send(frame(0xc1));
    const protocolError = await connect(broker, { ...fields, clientId: 'protocolError' });
    protocolError.send(frame(0xd0));
    const takenOver = await connect(broker, { ...fields, clientId: 'takenOver' });
    await connect(broker, { clientId: 'takenOver', properties: { sessionExpiryInterval: 60 } });
    const silent = await connect(broker, { ...fields, clientId: 'silent', keepAlive: 1 });
    await broker.clock.advance(2_000);
    const goodbyes = [
      await malformed.expectClosed(0x81),
      await protocolError.expectClosed(0x82),
      await takenOver.expectClosed(0x8e),
      await silent.expectClosed(0x8d),
    ];
    await broker.clock.until(broker.hub.stop());
    goodbyes.push(await watcher.expectClosed(0x8b));
    for (const goodbye of goodbyes) {
      expect(goodbye?.type).toBe(mqtt.DISCONNECT);
      expect(goodbye?.properties.sessionExpiryInterval).toBeUndefined();
    }
  },
);

clause(
  'MQTT5-3.14.4-1',
  'nothing follows the DISCONNECT of the server, not even answers that were due',
  async (broker) => {
    const client = await connect(broker);
    await client.subscribe('t');
    const publisher = await connect(broker, { clientId: 'publisher' });
    client.send(join(frame(0xc1), frame(0xc0), publishFrame(5, 0x02, str('t'), 1)));
    publisher.publish('t', 'x');
    // Messages may come before it; the DISCONNECT is the last.
    let last: mqtt.Packet | undefined;
    for (let p = await client.next(); p; p = await client.next()) last = p;
    expect(last?.type).toBe(mqtt.DISCONNECT);
    expect(client.raw.closed).toBe(true);
  },
  { commitMs: 5 },
);

clause(
  'MQTT5-3.14.2-1',
  'DISCONNECT from a client: its reasons are taken, every other closes with a word',
  async (broker) => {
    const allowed = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
    for (let code = 0; code < 256; code++) {
      const client = await connect(broker);
      client.send(frame(0xe0, code));
      const goodbye = await client.expectClosed();
      if (allowed.includes(code)) expect(goodbye, `code ${code}`).toBeUndefined();
      else expect([0x81, 0x82], `code ${code}`).toContain(goodbye?.code);
    }
  },
);

const REASONS: readonly (readonly [
  type: mqtt.Packet['type'],
  first: number,
  id: string,
  allowed: readonly number[],
])[] = [
  [mqtt.PUBACK, 0x40, 'MQTT5-3.4.2-1', [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]],
  [mqtt.PUBREC, 0x50, 'MQTT5-3.5.2-1', [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]],
  [mqtt.PUBREL, 0x62, 'MQTT5-3.6.2-1', [0x00, 0x92]],
  [mqtt.PUBCOMP, 0x70, 'MQTT5-3.7.2-1', [0x00, 0x92]],
];

for (const [type, first, id, allowed] of REASONS) {
  clause(id, `reasons of ${nameOf(type)} that do not exist close`, async (broker) => {
    for (let code = 0; code < 256; code++) {
      const client = await connect(broker);
      client.send(frame(first, u16(1), code));
      await client.settle();
      expect(client.raw.closed, `code ${code}`).toBe(!allowed.includes(code));
    }
  });
}

clause(
  'MQTT311-3.14.4-3 MQTT5-3.14.4-2',
  'the server closes after DISCONNECT, and acts on nothing that follows it',
  async (broker, level) => {
    const watcher = await connect(broker, { level, clientId: 'watcher' });
    await watcher.subscribe('#');
    const client = await connect(broker, { level, will: { topic: 'w' } });
    client.send(join(frame(0xe0), publishFrame(level, 0x00, str('t'), undefined), frame(0xc0)));
    expect(await client.expectClosed()).toBeUndefined();
    await watcher.expectNothing();
  },
);
