// Enhanced authentication: the exchange before CONNACK, what disturbs it, and doing it again later.

import { expect } from 'vitest';
import type { Auth, Exchange, Identity } from '../../src/contract/auth.ts';
import { NEVER } from '../../src/contract/message.ts';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { type Broker, OPEN, toHex } from '../network.ts';
import { clause } from './clause.ts';
import { attempt, bytes, connect, type TestClient, text } from './client.ts';
import { frame, publishFrame, str, subscribeFrame } from './octets.ts';

const METHOD = 'TEST-ECHO';
const WHO: Identity = { principal: 'somebody', unrestricted: true, validUntil: NEVER };

/** Asks twice: whoever says `no` is refused, whoever has answered twice is let in. */
function echo(): Exchange {
  let asked = 0;
  return {
    step: (fromClient) => {
      if (text(fromClient) === 'no') return Promise.resolve({ kind: 'refused', why: 'not-authorized' });
      if (asked++ < 2) return Promise.resolve({ kind: 'challenge', reply: bytes(`question ${asked}`) });
      return Promise.resolve({ kind: 'done', identity: WHO, reply: bytes('proof') });
    },
  };
}

const ENHANCED: { auth: Auth } = {
  auth: { ...OPEN, exchange: (mechanism) => (mechanism === METHOD ? echo() : undefined) },
};

function auth(code: number, data: string | undefined, method: string | undefined = METHOD): mqtt.Auth {
  const properties: mqtt.Properties = {};
  if (method !== undefined) properties.authenticationMethod = method;
  if (data !== undefined) properties.authenticationData = bytes(data);
  return { type: mqtt.AUTH, code, properties };
}

/** A client in the middle of the exchange: it has got the first question. */
async function asked(broker: Broker, properties: mqtt.Properties = {}): Promise<TestClient> {
  const client = await attempt(broker, {
    properties: { authenticationMethod: METHOD, authenticationData: bytes('hello'), ...properties },
  });
  const question = await client.expect(mqtt.AUTH);
  expect(question.code).toBe(0x18); // [MQTT5-4.12.0-2]
  expect(question.properties.authenticationMethod).toBe(METHOD);
  expect(text(question.properties.authenticationData!)).toBe('question 1');
  return client;
}

/** A client that was let in. */
async function proved(broker: Broker): Promise<TestClient> {
  const client = await asked(broker);
  client.send(auth(0x18, 'answer 1'));
  await client.expect(mqtt.AUTH);
  client.send(auth(0x18, 'answer 2'));
  client.connack = await client.expect(mqtt.CONNACK);
  return client;
}

clause(
  'MQTT5-4.12.0-2 MQTT5-4.12.0-5 MQTT5-3.15.2-1 MQTT5-3.2.0-1',
  'the exchange: AUTH 0x18 with the method until CONNACK, which has it too',
  async (broker) => {
    const client = await asked(broker);
    client.send(auth(0x18, 'answer 1'));
    const second = await client.expect(mqtt.AUTH);
    expect([second.code, second.properties.authenticationMethod]).toEqual([0x18, METHOD]);
    await client.expectNothing();
    client.send(auth(0x18, 'answer 2'));
    const connack = await client.expect(mqtt.CONNACK);
    expect([connack.code, connack.properties.authenticationMethod]).toEqual([0x00, METHOD]);
    expect(text(connack.properties.authenticationData!)).toBe('proof');
    await client.expectAlive();
  },
  ENHANCED,
);

clause(
  'MQTT5-4.12.0-1',
  'an unknown method: CONNACK 0x8C or 0x87, and the close',
  async (broker) => {
    for (const authenticationMethod of ['UNKNOWN', METHOD.toLowerCase(), '']) {
      const client = await attempt(broker, { properties: { authenticationMethod } });
      const refusal = await client.expectClosed();
      expect([undefined, 0x8c, 0x87], authenticationMethod).toContain(refusal?.code);
      expect(refusal?.type).not.toBe(mqtt.DISCONNECT);
    }
  },
  ENHANCED,
);

clause('MQTT5-4.12.0-1', 'a hub without methods refuses them all', async (broker) => {
  const client = await attempt(broker, { properties: { authenticationMethod: METHOD } });
  await client.expectClosed(0x8c);
});

clause(
  'MQTT5-4.12.0-4 MQTT5-3.14.0-1 MQTT5-3.2.2-8',
  'refused at any step: CONNACK with the reason, no DISCONNECT, and the close',
  async (broker) => {
    const atOnce = await attempt(broker, {
      properties: { authenticationMethod: METHOD, authenticationData: bytes('no') },
    });
    expect((await atOnce.expectClosed(0x87))?.type).toBe(mqtt.CONNACK);
    const later = await asked(broker);
    later.send(auth(0x18, 'no'));
    expect((await later.expectClosed(0x87))?.type).toBe(mqtt.CONNACK);
    const last = await asked(broker);
    last.send(auth(0x18, 'answer 1'));
    await last.expect(mqtt.AUTH);
    last.send(auth(0x18, 'no'));
    expect((await last.expectClosed(0x87))?.type).toBe(mqtt.CONNACK);
  },
  ENHANCED,
);

clause(
  'MQTT5-4.12.0-3 MQTT5-3.15.2-1',
  'an answer with another code than 0x18 is refused',
  async (broker) => {
    for (const code of [0x00, 0x19, 0x01, 0x80]) {
      const client = await asked(broker);
      client.send(frame(0xf0, code, 12, 0x15, str(METHOD)));
      const refusal = await client.expectClosed();
      expect(refusal?.type).not.toBe(mqtt.DISCONNECT);
      expect(refusal === undefined || refusal.code >= 0x80, `code ${code}`).toBe(true);
    }
  },
  ENHANCED,
);

clause(
  'MQTT5-4.12.0-5',
  'an answer with another method, or none, is refused',
  async (broker) => {
    for (const method of ['OTHER', undefined]) {
      const client = await asked(broker);
      const properties = method === undefined ? {} : { authenticationMethod: method };
      client.send({ type: mqtt.AUTH, code: 0x18, properties });
      const refusal = await client.expectClosed();
      expect(refusal?.type).not.toBe(mqtt.DISCONNECT);
    }
  },
  ENHANCED,
);

clause(
  'MQTT5-3.1.2-30 MQTT5-3.2.0-1',
  'before CONNACK only AUTH or DISCONNECT; anything else closes and does nothing',
  async (broker) => {
    const watcher = await connect(broker, { clientId: 'watcher' });
    await watcher.subscribe('#');
    const others = [
      publishFrame(5, 0x00, str('t'), undefined),
      publishFrame(5, 0x02, str('t'), 1),
      subscribeFrame(5, 1, str('t')),
      frame(0xc0),
      frame(0x62, '00 01'),
    ];
    for (const octets of others) {
      const client = await asked(broker);
      client.send(octets);
      const refusal = await client.expectClosed();
      expect(refusal?.type, toHex(octets)).not.toBe(mqtt.DISCONNECT);
    }
    const leaving = await asked(broker);
    leaving.disconnect();
    expect(await leaving.expectClosed()).toBeUndefined();
    await watcher.expectNothing();
  },
  ENHANCED,
);

clause(
  'MQTT5-3.15.2-2 MQTT5-3.15.2-3',
  'AUTH explains nothing that would not fit',
  async (broker) => {
    for (const maximumPacketSize of [40, 60, 100, 1_000]) {
      const client = await attempt(broker, {
        properties: { authenticationMethod: METHOD, authenticationData: bytes('hello'), maximumPacketSize },
      });
      const question = await client.nextFrame();
      expect(question![0]).toBe(0xf0);
      expect(question!.length).toBeLessThanOrEqual(maximumPacketSize);
    }
  },
  ENHANCED,
);

clause(
  'MQTT5-4.12.0-6',
  'without a method in CONNECT there is no AUTH and no method in CONNACK',
  async (broker) => {
    const client = await connect(broker, { username: 'somebody', password: bytes('word') });
    expect(client.connack.properties.authenticationMethod).toBeUndefined();
    expect(client.connack.properties.authenticationData).toBeUndefined();
    await client.expectAlive();
  },
  ENHANCED,
);

clause(
  'MQTT5-4.12.0-7',
  'without a method in CONNECT an AUTH from the client closes',
  async (broker) => {
    for (const code of [0x18, 0x19]) {
      const client = await connect(broker);
      client.send(auth(code, 'hello'));
      const goodbye = await client.expectClosed();
      expect(goodbye?.code).toBe(0x82);
    }
  },
  ENHANCED,
);

clause(
  'MQTT5-4.12.1-1 MQTT5-4.12.0-5 MQTT5-3.15.2-1',
  're-authentication with the same method: AUTH 0x18 until AUTH 0x00, traffic going on',
  async (broker) => {
    const client = await proved(broker);
    await client.subscribe('t');
    client.send(auth(0x19, 'again'));
    const first = await client.expect(mqtt.AUTH);
    expect([first.code, first.properties.authenticationMethod]).toEqual([0x18, METHOD]);
    client.publish('t', 'meanwhile');
    await client.expectMessage('meanwhile');
    client.send(auth(0x18, 'answer 1'));
    expect((await client.expect(mqtt.AUTH)).code).toBe(0x18);
    client.send(auth(0x18, 'answer 2'));
    const done = await client.expect(mqtt.AUTH);
    expect([done.code, done.properties.authenticationMethod]).toEqual([0x00, METHOD]);
    await client.expectAlive();
  },
  ENHANCED,
);

clause(
  'MQTT5-4.12.1-1',
  're-authentication with another method closes',
  async (broker) => {
    const client = await proved(broker);
    client.send(auth(0x19, 'again', 'OTHER'));
    const goodbye = await client.expectClosed();
    expect(goodbye?.type).toBe(mqtt.DISCONNECT);
    expect([0x82, 0x8c, 0x87]).toContain(goodbye?.code);
  },
  ENHANCED,
);

clause(
  'MQTT5-4.12.1-2',
  'a failed re-authentication: DISCONNECT with the reason, and the close',
  async (broker) => {
    const client = await proved(broker);
    client.send(auth(0x19, 'no'));
    const goodbye = await client.expectClosed(0x87);
    expect(goodbye?.type).toBe(mqtt.DISCONNECT);
    const later = await proved(broker);
    later.send(auth(0x19, 'again'));
    await later.expect(mqtt.AUTH);
    later.send(auth(0x18, 'no'));
    expect((await later.expectClosed(0x87))?.type).toBe(mqtt.DISCONNECT);
  },
  ENHANCED,
);
