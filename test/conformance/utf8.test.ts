// Text on the wire: what is refused in every field that holds text, and what must arrive untouched.

import { expect } from 'vitest';
import { type Broker, hex } from '../network.ts';
import { clause, type TestedLevel } from './clause.ts';
import { connect, TestClient } from './client.ts';
import {
  binary,
  connectFrame,
  join,
  props,
  publishFrame,
  str,
  subscribeFrame,
  unsubscribeFrame,
} from './octets.ts';

/** A field that holds text: the clauses on it, and the frame that carries it. `login`: the frame is a CONNECT. */
interface Field {
  readonly name: string;
  readonly ids: string;
  readonly login?: boolean;
  readonly frame: (level: TestedLevel, field: Uint8Array) => Uint8Array;
}

const FIELDS: readonly Field[] = [
  {
    name: 'client id',
    ids: 'MQTT311-3.1.3-4 MQTT5-3.1.3-4',
    login: true,
    frame: (level, field) => connectFrame(level, { payload: [field] }),
  },
  {
    name: 'will topic',
    ids: 'MQTT311-3.1.3-10 MQTT5-3.1.3-11',
    login: true,
    frame: (level, field) =>
      connectFrame(level, { flags: 0x06, payload: [str('c'), props(level), field, str('payload')] }),
  },
  {
    name: 'user name',
    ids: 'MQTT311-3.1.3-11 MQTT5-3.1.3-12',
    login: true,
    frame: (level, field) => connectFrame(level, { flags: 0x82, payload: [str('c'), field] }),
  },
  {
    name: 'topic name',
    ids: 'MQTT311-3.3.2-1 MQTT5-3.3.2-1',
    frame: (level, field) => publishFrame(level, 0x00, field, undefined),
  },
  {
    name: 'filter in SUBSCRIBE',
    ids: 'MQTT311-3.8.3-1 MQTT5-3.8.3-1',
    frame: (level, field) => subscribeFrame(level, 1, field),
  },
  {
    name: 'filter in UNSUBSCRIBE',
    ids: 'MQTT311-3.10.3-1 MQTT5-3.10.3-1',
    frame: (level, field) => unsubscribeFrame(level, 1, field),
  },
  {
    name: 'response topic',
    ids: 'MQTT5-3.3.2-13',
    frame: (level, field) => publishFrame(level, 0x00, str('t'), undefined, [0x08, field]),
  },
  {
    name: 'content type',
    ids: 'MQTT5-3.3.2-19',
    frame: (level, field) => publishFrame(level, 0x00, str('t'), undefined, [0x03, field]),
  },
  {
    name: 'user property name',
    ids: 'MQTT5-1.5.7-1',
    frame: (level, field) => publishFrame(level, 0x00, str('t'), undefined, [0x26, field, str('v')]),
  },
  {
    name: 'user property value',
    ids: 'MQTT5-1.5.7-1',
    frame: (level, field) => publishFrame(level, 0x00, str('t'), undefined, [0x26, str('k'), field]),
  },
];

const ILL_FORMED: readonly (readonly [what: string, octets: string])[] = [
  ['a lone continuation', '61 80'],
  ['a missing continuation', 'c3 28'],
  ['a cut sequence', '61 e2 82'],
  ['the first surrogate', 'ed a0 80'],
  ['the last surrogate', 'ed bf bf'],
  ['a surrogate pair', 'ed a0 bd ed b8 80'],
  ['an overlong solidus', 'c0 af'],
  ['beyond U+10FFFF', 'f4 90 80 80'],
  ['an octet that UTF-8 never has', '61 ff'],
];

const NULLS: readonly (readonly [what: string, octets: string])[] = [
  ['U+0000 alone', '00'],
  ['U+0000 inside', '61 00 62'],
  ['U+0000 in two octets', '61 c0 80'],
];

/** Boundaries of the encoding, and characters that the standard advises against but does not forbid to receivers. */
const WELL_FORMED = [
  '61',
  'c3 a9',
  'df bf',
  'e0 a0 80',
  'ed 9f bf',
  'ee 80 80',
  'f0 90 80 80',
  'f4 8f bf bf',
  '61 ef bb bf 62',
];

async function sendTo(broker: Broker, level: TestedLevel, field: Field, octets: string): Promise<TestClient> {
  const client = field.login
    ? new TestClient(broker, level)
    : await connect(broker, { level, clientId: 'c' });
  client.send(field.frame(level, binary(hex(octets))));
  await client.settle();
  return client;
}

for (const field of FIELDS) {
  clause(
    field.ids,
    `${field.name}: well-formed text is taken, anything else closes`,
    async (broker, level) => {
      for (const octets of WELL_FORMED) {
        const client = await sendTo(broker, level, field, octets);
        expect(client.raw.closed, octets).toBe(false);
      }
      for (const [what, octets] of ILL_FORMED) {
        const client = await sendTo(broker, level, field, octets);
        expect(client.raw.closed, what).toBe(true);
      }
    },
  );
}

clause(
  'MQTT311-1.5.3-1 MQTT5-1.5.4-1',
  'ill-formed text closes, wherever it stands',
  async (broker, level) => {
    for (const field of FIELDS) {
      if (!field.ids.includes(level === 5 ? 'MQTT5' : 'MQTT311')) continue;
      for (const [what, octets] of ILL_FORMED) {
        const client = await sendTo(broker, level, field, octets);
        await client.expectClosed(0x81);
        expect(client.raw.closed, `${field.name}: ${what}`).toBe(true);
      }
    }
  },
);

clause(
  'MQTT311-1.5.3-2 MQTT5-1.5.4-2 MQTT311-4.7.3-2 MQTT5-4.7.3-2',
  'U+0000 closes, wherever it stands',
  async (broker, level) => {
    for (const field of FIELDS) {
      if (!field.ids.includes(level === 5 ? 'MQTT5' : 'MQTT311')) continue;
      for (const [what, octets] of NULLS) {
        const client = await sendTo(broker, level, field, octets);
        expect(client.raw.closed, `${field.name}: ${what}`).toBe(true);
      }
    }
  },
);

clause(
  'MQTT311-1.5.3-3 MQTT5-1.5.4-3',
  'U+FEFF is a character like any other: it tells topics apart and arrives as sent',
  async (broker, level) => {
    const marked = binary(hex('ef bb bf 61'));
    const subscriber = await connect(broker, { level, clientId: 'subscriber' });
    subscriber.send(subscribeFrame(level, 1, marked));
    await subscriber.expect(9);
    const publisher = await connect(broker, { level, clientId: 'publisher' });
    publisher.publish('a', 'plain');
    await subscriber.expectNothing();
    publisher.send(publishFrame(level, 0x00, marked, undefined));
    await publisher.settle();
    const arrived = await subscriber.nextFrame();
    expect(arrived).toEqual(publishFrame(level, 0x00, marked, undefined));
    // Inside a topic it is kept as well.
    await subscriber.subscribe('#');
    publisher.send(publishFrame(level, 0x00, binary(hex('61 ef bb bf')), undefined));
    const inside = await subscriber.nextFrame();
    expect(inside).toEqual(publishFrame(level, 0x00, join('00 04 61 ef bb bf'), undefined));
  },
);
