// Wills: when the last word of a client is published, and when it is not.

import { expect } from 'vitest';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import type { Broker } from '../network.ts';
import { clause, type TestedLevel } from './clause.ts';
import { bytes, connect, keeping, type TestClient } from './client.ts';
import { frame } from './octets.ts';

/** Somebody who hears every will. */
async function heir(broker: Broker, level: TestedLevel): Promise<TestClient> {
  const client = await connect(broker, { level, clientId: 'heir' });
  await client.subscribe('w/#');
  return client;
}

clause(
  'MQTT311-3.1.2-8 MQTT5-3.1.2-7 MQTT5-3.1.2-8 MQTT311-3.1.2-9',
  'the will is published when the connection is lost, at its QoS',
  async (broker, level) => {
    const watcher = await heir(broker, level);
    for (const qos of [0, 1, 2] as const) {
      const client = await connect(broker, {
        level,
        will: { topic: `w/${qos}`, payload: bytes(`gone ${qos}`), qos },
      });
      await watcher.expectNothing();
      await client.cut();
      const message = await watcher.expectMessage(`gone ${qos}`);
      expect(message.topic).toBe(`w/${qos}`);
      expect(message.qos).toBe(qos);
      expect(message.retain).toBe(false);
    }
  },
);

clause(
  'MQTT311-3.1.2-8 MQTT5-3.1.2-8',
  'the will is published after a protocol error, and after a close without DISCONNECT',
  async (broker, level) => {
    const watcher = await heir(broker, level);
    const broken = await connect(broker, { level, will: { topic: 'w', payload: bytes('broken') } });
    broken.send(frame(0xc1));
    await broken.expectClosed(0x81);
    await watcher.expectMessage('broken');
    const silent = await connect(broker, { level, will: { topic: 'w', payload: bytes('closed') } });
    silent.raw.end();
    await watcher.expectMessage('closed');
  },
);

clause(
  'MQTT311-3.1.2-8 MQTT5-3.1.2-8 MQTT311-3.1.4-2',
  'a takeover closes the older connection, and its will without delay is published',
  async (broker, level) => {
    const watcher = await heir(broker, level);
    await connect(broker, { level, will: { topic: 'w', payload: bytes('taken over') } });
    await connect(broker, { level });
    await watcher.expectMessage('taken over');
  },
);

clause(
  'MQTT311-3.1.2-10 MQTT311-3.14.4-3 MQTT5-3.1.2-10 MQTT5-3.14.4-3',
  'DISCONNECT drops the will, for good',
  async (broker, level) => {
    const watcher = await heir(broker, level);
    const client = await connect(broker, { level, ...keeping(level), will: { topic: 'w' } });
    client.disconnect();
    await client.expectClosed();
    await watcher.expectNothing();
    await broker.clock.advance(7_200_000);
    await watcher.expectNothing();
  },
);

clause(
  'MQTT5-3.1.2-8 MQTT5-3.1.2-10',
  'DISCONNECT 0x04, or with another reason, publishes the will',
  async (broker) => {
    const watcher = await heir(broker, 5);
    for (const code of [0x04, 0x80, 0x81, 0x97]) {
      const client = await connect(broker, { will: { topic: 'w', payload: bytes(`${code}`) } });
      client.disconnect(code);
      await client.expectClosed();
      await watcher.expectMessage(`${code}`);
    }
  },
);

/** A client whose session waits for what comes to `w`. */
async function patientHeir(broker: Broker, level: TestedLevel): Promise<TestClient> {
  const client = await connect(broker, { level, clientId: 'heir', ...keeping(level) });
  await client.subscribe('w');
  return client;
}

clause(
  'MQTT311-3.1.2-10 MQTT5-3.1.2-10',
  'a will is published once: not at the next loss, nor after a crash',
  async (broker, level) => {
    const watcher = await patientHeir(broker, level);
    const first = await connect(broker, { level, ...keeping(level), will: { topic: 'w', qos: 1 } });
    await first.cut();
    const message = await watcher.expectMessage('will');
    watcher.acknowledge(mqtt.PUBACK, message.id);
    const second = await connect(broker, { level, ...keeping(level) });
    await second.cut();
    await watcher.expectNothing();
    await broker.crash();
    await broker.clock.advance(1_000_000);
    const again = await connect(broker, { level, clientId: 'heir', ...keeping(level) });
    expect(again.connack.sessionPresent).toBe(true);
    await again.expectNothing();
  },
);

clause(
  'MQTT311-3.1.2-8 MQTT5-3.1.2-7 MQTT5-3.1.2-8',
  'the hub loses its clients when it crashes, and publishes their wills afterwards',
  async (broker, level) => {
    await patientHeir(broker, level);
    await connect(broker, { level, ...keeping(level), will: { topic: 'w', qos: 1 } });
    await broker.crash();
    await broker.clock.advance(1_000);
    const again = await connect(broker, { level, clientId: 'heir', ...keeping(level) });
    await again.expectMessage('will');
  },
);

clause(
  'MQTT311-3.14.4-3 MQTT5-3.14.4-3',
  'a will that DISCONNECT dropped stays dropped after a crash',
  async (broker, level) => {
    await patientHeir(broker, level);
    const client = await connect(broker, { level, ...keeping(level), will: { topic: 'w', qos: 1 } });
    client.disconnect();
    await client.expectClosed();
    await broker.crash();
    await broker.clock.advance(1_000_000);
    const again = await connect(broker, { level, clientId: 'heir', ...keeping(level) });
    expect(again.connack.sessionPresent).toBe(true);
    await again.expectNothing();
  },
);

clause('MQTT311-3.1.2-12', 'without a will nothing is published', async (broker, level) => {
  const watcher = await connect(broker, { level, clientId: 'watcher' });
  await watcher.subscribe('#');
  const client = await connect(broker, { level });
  await client.cut();
  await watcher.expectNothing();
});

clause(
  'MQTT311-3.1.2-16 MQTT5-3.1.2-14',
  'a will that is not retained leaves what is retained alone',
  async (broker, level) => {
    const watcher = await heir(broker, level);
    await watcher.deliver('w', 'kept', { retain: true });
    await watcher.expectMessage('kept');
    const client = await connect(broker, {
      level,
      will: { topic: 'w', payload: bytes('gone'), retain: false },
    });
    await client.cut();
    await watcher.expectMessage('gone');
    const late = await connect(broker, { level, clientId: 'late' });
    await late.subscribe('w');
    await late.expectMessage('kept');
    await late.expectNothing();
  },
);

clause('MQTT311-3.1.2-17 MQTT5-3.1.2-15', 'a retained will is retained', async (broker, level) => {
  const watcher = await heir(broker, level);
  const client = await connect(broker, {
    level,
    will: { topic: 'w', payload: bytes('gone'), retain: true, qos: 1 },
  });
  await client.cut();
  const message = await watcher.expectMessage('gone');
  expect(message.retain).toBe(false);
  const late = await connect(broker, { level, clientId: 'late' });
  await late.subscribe('w');
  const replayed = await late.expectMessage('gone');
  expect(replayed.retain).toBe(true);
  expect(replayed.qos).toBe(1);
});

clause('MQTT5-3.1.2-8', 'a will waits for its delay', async (broker) => {
  const watcher = await heir(broker, 5);
  const will = { topic: 'w', properties: { willDelayInterval: 60 } };
  const client = await connect(broker, { properties: { sessionExpiryInterval: 600 }, will });
  await client.cut();
  await broker.clock.advance(59_000);
  await watcher.expectNothing();
  await broker.clock.advance(1_100);
  await watcher.expectMessage('will');
});

clause('MQTT5-3.1.2-8', 'a will does not wait longer than its session', async (broker) => {
  const watcher = await heir(broker, 5);
  const will = { topic: 'w', properties: { willDelayInterval: 600 } };
  const brief = await connect(broker, { clientId: 'brief', properties: { sessionExpiryInterval: 60 }, will });
  await brief.cut();
  await broker.clock.advance(59_000);
  await watcher.expectNothing();
  await broker.clock.advance(1_100);
  await watcher.expectMessage('will');
  // A session without expiry ends with the connection, and so does the delay.
  const none = await connect(broker, { clientId: 'none', will });
  await none.cut();
  await watcher.expectMessage('will');
});

clause('MQTT5-3.1.2-8', 'clean start ends the session, and so the delay of its will', async (broker) => {
  const watcher = await heir(broker, 5);
  const will = { topic: 'w', properties: { willDelayInterval: 600 } };
  const client = await connect(broker, { properties: { sessionExpiryInterval: 900 }, will });
  await client.cut();
  await watcher.expectNothing();
  await connect(broker, { clean: true });
  await watcher.expectMessage('will');
});

clause('MQTT5-3.1.3-9 MQTT5-3.1.2-8', 'coming back within the delay stops the will', async (broker) => {
  const watcher = await heir(broker, 5);
  const will = { topic: 'w', properties: { willDelayInterval: 60 } };
  const client = await connect(broker, { properties: { sessionExpiryInterval: 600 }, will });
  await client.cut();
  await broker.clock.advance(59_000);
  const again = await connect(broker, { clean: false, properties: { sessionExpiryInterval: 600 } });
  await broker.clock.advance(600_000);
  await watcher.expectNothing();
  again.disconnect();
  await broker.clock.advance(600_000);
  await watcher.expectNothing();
});

clause('MQTT5-3.1.2-7 MQTT5-3.1.2-8', 'a delayed will survives a crash of the hub', async (broker) => {
  const will = { topic: 'w', properties: { willDelayInterval: 60 } };
  const client = await connect(broker, { properties: { sessionExpiryInterval: 600 }, will });
  await client.cut();
  await broker.crash();
  const watcher = await heir(broker, 5);
  await broker.clock.advance(61_000);
  await watcher.expectMessage('will');
});

clause(
  'MQTT5-3.1.3-10 MQTT5-3.1.2-9',
  'a will is published with its properties, user properties in order',
  async (broker) => {
    const watcher = await heir(broker, 5);
    const userProperty = [
      ['b', '1'],
      ['a', '2'],
      ['b', '1'],
      ['', ''],
    ] as const;
    const properties: mqtt.Properties = {
      payloadFormatIndicator: 1,
      messageExpiryInterval: 100,
      contentType: 'text/plain',
      responseTopic: 'answer',
      correlationData: bytes('id'),
      userProperty,
    };
    const client = await connect(broker, { will: { topic: 'w', properties } });
    await client.cut();
    const message = await watcher.expectMessage('will');
    expect(message.properties).toEqual({
      ...properties,
      correlationData: message.properties.correlationData,
    });
    expect(Buffer.from(message.properties.correlationData!).toString()).toBe('id');
  },
);

clause(
  'MQTT5-3.1.3-9',
  'a takeover of the session within the will delay stops the will, one with clean start does not',
  async (broker) => {
    const watcher = await heir(broker, 5);
    const will = { topic: 'w', properties: { willDelayInterval: 60 } };
    const properties = { sessionExpiryInterval: 600 };
    await connect(broker, { properties, will });
    const second = await connect(broker, { clean: false, properties });
    expect(second.connack.sessionPresent).toBe(true);
    await broker.clock.advance(120_000);
    await watcher.expectNothing();
    await connect(broker, { clientId: 'other', properties, will });
    await connect(broker, { clientId: 'other', clean: true, properties });
    await watcher.expectMessage('will'); // its session is over
  },
);
