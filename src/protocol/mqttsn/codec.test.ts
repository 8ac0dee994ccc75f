// MQTT-SN 1.2 octet by octet: every message of the specification, malformed ones, and the laws of the codec.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { SnDevice } from '../../../test/mqttsn-device.ts';
import { hex, startBroker, toHex } from '../../../test/network.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { decodeEnvelope, decodeSn } from './decode.ts';
import { again, encodeEnvelope, encodeSn, publishBytes } from './encode.ts';
import type { SnPacket, TopicRef } from './packet.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

const ROWS: readonly (readonly [name: string, octets: string, p: SnPacket])[] = [
  ['ADVERTISE', '05 00 07 03 84', { type: 0x00, gateway: 7, duration: 900 }],
  ['SEARCHGW', '03 01 02', { type: 0x01, radius: 2 }],
  ['GWINFO', '03 02 07', { type: 0x02, gateway: 7, address: new Uint8Array() }],
  ['GWINFO of a client', '05 02 07 aa bb', { type: 0x02, gateway: 7, address: Uint8Array.of(0xaa, 0xbb) }],
  [
    'CONNECT',
    '08 04 0c 01 00 3c 61 62',
    { type: 0x04, will: true, clean: true, protocolId: 1, duration: 60, clientId: 'ab' },
  ],
  [
    'CONNECT, nothing asked for',
    '07 04 00 01 ff ff 61',
    { type: 0x04, will: false, clean: false, protocolId: 1, duration: 65_535, clientId: 'a' },
  ],
  ['CONNACK', '03 05 03', { type: 0x05, code: 3 }],
  ['WILLTOPICREQ', '02 06', { type: 0x06 }],
  ['WILLTOPIC', '05 07 50 61 62', { type: 0x07, qos: 2, retain: true, topic: 'ab' }],
  ['WILLTOPIC, empty', '02 07', { type: 0x07, qos: 0, retain: false, topic: '' }],
  ['WILLMSGREQ', '02 08', { type: 0x08 }],
  ['WILLMSG', '04 09 ff 00', { type: 0x09, payload: Uint8Array.of(0xff, 0) }],
  ['REGISTER', '08 0a 00 00 12 34 61 62', { type: 0x0a, topicId: 0, id: 0x1234, topic: 'ab' }],
  ['REGACK', '07 0b 00 09 12 34 01', { type: 0x0b, topicId: 9, id: 0x1234, code: 1 }],
  [
    'PUBLISH, QoS 1, registered',
    '09 0c 20 00 09 12 34 68 69',
    {
      type: 0x0c,
      dup: false,
      qos: 1,
      retain: false,
      topic: { kind: 'normal', id: 9 },
      id: 0x1234,
      payload: text('hi'),
    },
  ],
  [
    'PUBLISH, QoS 2, DUP, retained, predefined',
    '07 0c d1 00 09 12 34',
    {
      type: 0x0c,
      dup: true,
      qos: 2,
      retain: true,
      topic: { kind: 'predefined', id: 9 },
      id: 0x1234,
      payload: new Uint8Array(),
    },
  ],
  [
    'PUBLISH, QoS −1, short topic',
    '08 0c 62 61 62 00 00 78',
    {
      type: 0x0c,
      dup: false,
      qos: -1,
      retain: false,
      topic: { kind: 'short', name: 'ab' },
      id: 0,
      payload: text('x'),
    },
  ],
  ['PUBACK', '07 0d 00 09 12 34 02', { type: 0x0d, topicId: 9, id: 0x1234, code: 2 }],
  ['PUBCOMP', '04 0e 12 34', { type: 0x0e, id: 0x1234 }],
  ['PUBREC', '04 0f 12 34', { type: 0x0f, id: 0x1234 }],
  ['PUBREL', '04 10 12 34', { type: 0x10, id: 0x1234 }],
  [
    'SUBSCRIBE to a name',
    '08 12 a0 00 01 61 2f 23',
    { type: 0x12, dup: true, qos: 1, id: 1, topic: { kind: 'name', name: 'a/#' } },
  ],
  [
    'SUBSCRIBE to a predefined id',
    '07 12 41 00 01 00 09',
    { type: 0x12, dup: false, qos: 2, id: 1, topic: { kind: 'predefined', id: 9 } },
  ],
  ['SUBACK', '08 13 40 00 09 00 01 00', { type: 0x13, qos: 2, topicId: 9, id: 1, code: 0 }],
  [
    'UNSUBSCRIBE from a short topic',
    '07 14 02 00 01 61 62',
    { type: 0x14, id: 1, topic: { kind: 'short', name: 'ab' } },
  ],
  ['UNSUBACK', '04 15 12 34', { type: 0x15, id: 0x1234 }],
  ['PINGREQ', '02 16', { type: 0x16, clientId: '' }],
  ['PINGREQ of a sleeper', '04 16 61 62', { type: 0x16, clientId: 'ab' }],
  ['PINGRESP', '02 17', { type: 0x17 }],
  ['DISCONNECT', '02 18', { type: 0x18, duration: 0 }],
  ['DISCONNECT to sleep', '04 18 01 2c', { type: 0x18, duration: 300 }],
  ['WILLTOPICUPD', '04 1a 20 61', { type: 0x1a, qos: 1, retain: false, topic: 'a' }],
  ['WILLTOPICRESP', '03 1b 00', { type: 0x1b, code: 0 }],
  ['WILLMSGUPD', '03 1c 61', { type: 0x1c, payload: text('a') }],
  ['WILLMSGRESP', '03 1d 00', { type: 0x1d, code: 0 }],
];

describe('[MQTTSN12-5.4] each message', () => {
  test.each(ROWS)('%s', (_name, octets, p) => {
    const bytes = hex(octets);
    expect(decodeSn(bytes, 0, bytes.length)).toEqual(p);
    expect(toHex(encodeSn(p))).toBe(octets);
  });
});

const MALFORMED: readonly (readonly [why: string, octets: string])[] = [
  ['nothing', ''],
  ['a length alone', '02'],
  ['a length of zero', '00 16'],
  ['a length that is too small', '02 16 61'],
  ['a length that is too large', '04 16 61'],
  ['a long length cut short', '01 00 04'],
  ['a long length that is wrong', '01 00 05 16'],
  ['a reserved type', '02 03'],
  ['a type beyond all', '02 fd'],
  ['CONNECT without its duration', '05 04 04 01 00'],
  ['CONNACK without a code', '02 05'],
  ['CONNACK with more', '04 05 00 00'],
  ['REGISTER without a topic', '06 0a 00 00 00 01'],
  ['PUBLISH without a message id', '05 0c 00 00 01'],
  ['PUBLISH with the reserved topic id type', '07 0c 03 00 01 00 00'],
  ['PUBLISH with a short topic of no characters', '07 0c 02 00 00 00 00'],
  ['PUBLISH with a short topic that is not text', '07 0c 02 61 ff 00 00'],
  ['SUBSCRIBE without a topic', '05 12 00 00 01'],
  ['SUBSCRIBE to an id of three octets', '08 12 01 00 01 00 00 01'],
  ['WILLTOPIC with QoS −1', '04 07 60 61'],
  ['DISCONNECT with half a duration', '03 18 01'],
  ['a client id that is no UTF-8', '07 04 04 01 00 3c ff'],
  ['a topic with U+0000', '07 0a 00 00 00 01 00'],
];

describe('malformed', () => {
  test.each(MALFORMED)('%s', (_why, octets) => {
    const bytes = hex(octets);
    expect(() => decodeSn(bytes, 0, bytes.length)).toThrow(ProtocolError);
  });

  test.each(MALFORMED.filter(([, octets]) => octets !== ''))(
    '%s: silence, and nothing changes',
    async (_why, octets) => {
      const b = await startBroker();
      const d = new SnDevice(b);
      await d.connect('d');
      d.raw.send(octets);
      expect(await d.heard()).toEqual([]);
      expect(b.hub.counters.of('mqttsn').broken).toBe(1);
      expect(await d.ask('PINGREQ')).toEqual([{ type: 'PINGRESP' }]);
    },
  );
});

describe('lengths', () => {
  test.each([
    [248, 'ff 0c'],
    [249, '01 01 02 0c'],
    [65_000, '01 fd f1 0c'],
  ])('a payload of %d octets', (payload, head) => {
    const p: SnPacket = {
      type: 0x0c,
      dup: false,
      qos: 1,
      retain: false,
      topic: { kind: 'normal', id: 1 },
      id: 1,
      payload: new Uint8Array(payload).fill(7),
    };
    const bytes = encodeSn(p);
    expect(toHex(bytes.subarray(0, head.split(' ').length))).toBe(head);
    expect(bytes.length).toBe(publishBytes(payload));
    expect(decodeSn(bytes, 0, bytes.length)).toEqual(p);
    const repeated = again(bytes);
    expect(decodeSn(repeated, 0, repeated.length)).toEqual({ ...p, dup: true });
  });

  test('more than the length can say', () => {
    expect(() => encodeSn({ type: 0x09, payload: new Uint8Array(65_532) })).toThrow(RangeError);
  });
});

describe('[MQTTSN12-5.5] envelopes', () => {
  test('the node, the radius, and the message inside', () => {
    const bytes = encodeEnvelope(2, hex('aa bb'), hex('02 16'));
    expect(toHex(bytes)).toBe('05 fe 02 aa bb 02 16');
    expect(decodeEnvelope(bytes, 0, bytes.length)).toEqual({ radius: 2, node: hex('aa bb'), inner: 5 });
  });

  test.each(['02 fe', '04 fe 00', 'ff fe 00 01'])('%s', (octets) => {
    const bytes = hex(octets);
    expect(() => decodeEnvelope(bytes, 0, bytes.length)).toThrow(ProtocolError);
  });

  test('no envelope within an envelope', () => {
    const bytes = hex('04 fe 00 02 02 16');
    expect(() => decodeSn(bytes, 0, bytes.length)).toThrow(ProtocolError);
  });
});

// --- laws ---

const u8 = fc.nat(255);
const u16 = fc.nat(0xffff);
const octets = (maxLength = 300): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const words = (minLength = 1): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom('a', '/', 'ß', '\u{1f321}', '+'), minLength, maxLength: 90 });
const qos = fc.constantFrom(0, 1, 2) as fc.Arbitrary<0 | 1 | 2>;
const anyQos = fc.constantFrom(-1, 0, 1, 2) as fc.Arbitrary<-1 | 0 | 1 | 2>;
const topicId = fc.oneof(
  u16.map((id) => ({ kind: 'normal' as const, id })),
  u16.map((id) => ({ kind: 'predefined' as const, id })),
  fc.string({ unit: fc.constantFrom('a', '/', '~'), minLength: 1, maxLength: 2 }).map((name) => ({
    kind: 'short' as const,
    name,
  })),
);
const topic: fc.Arbitrary<TopicRef> = fc.oneof(
  words().map((name) => ({ kind: 'name' as const, name })),
  topicId.filter((t) => t.kind !== 'normal'),
);
const one = <T extends number>(...types: T[]): fc.Arbitrary<T> => fc.constantFrom(...types);

const anyPacket: fc.Arbitrary<SnPacket> = fc.oneof(
  fc.record({ type: one(0x00), gateway: u8, duration: u16 }),
  fc.record({ type: one(0x01), radius: u8 }),
  fc.record({ type: one(0x02), gateway: u8, address: octets(20) }),
  fc.record({
    type: one(0x04),
    will: fc.boolean(),
    clean: fc.boolean(),
    protocolId: u8,
    duration: u16,
    clientId: words(0),
  }),
  fc.record({ type: one(0x05, 0x1b, 0x1d), code: u8 }),
  fc.record({ type: one(0x06, 0x08, 0x17) }),
  fc.record({ type: one(0x07, 0x1a), qos, retain: fc.boolean(), topic: words() }),
  fc.record({ type: one(0x09, 0x1c), payload: octets() }),
  fc.record({ type: one(0x0a), topicId: u16, id: u16, topic: words() }),
  fc.record({ type: one(0x0b, 0x0d), topicId: u16, id: u16, code: u8 }),
  fc.record({
    type: one(0x0c),
    dup: fc.boolean(),
    qos: anyQos,
    retain: fc.boolean(),
    topic: topicId,
    id: u16,
    payload: octets(),
  }),
  fc.record({ type: one(0x0e, 0x0f, 0x10, 0x15), id: u16 }),
  fc.record({ type: one(0x12), dup: fc.boolean(), qos: anyQos, id: u16, topic }),
  fc.record({ type: one(0x13), qos, topicId: u16, id: u16, code: u8 }),
  fc.record({ type: one(0x14), id: u16, topic }),
  fc.record({ type: one(0x16), clientId: words(0) }),
  fc.record({ type: one(0x18), duration: u16 }),
);

/** Who never has to speak is never lost: here everybody has to. */
const mortal = anyPacket.map((p) => (p.type === 0x04 && p.duration === 0 ? { ...p, duration: 1 } : p));

describe('laws', () => {
  test('decode(encode(p)) is p, wherever it lies in memory', () => {
    fc.assert(
      fc.property(anyPacket, fc.nat(4), (p, margin) => {
        const bytes = encodeSn(p);
        const lent = new Uint8Array(bytes.length + 2 * margin).fill(0xff);
        lent.set(bytes, margin);
        expect(decodeSn(lent, margin, margin + bytes.length)).toEqual(p);
      }),
      fuzz(500),
    );
  });

  test('a message cut short or made longer is none', () => {
    fc.assert(
      fc.property(anyPacket, fc.nat(), octets(5), (p, cut, more) => {
        const bytes = encodeSn(p);
        expect(() => decodeSn(bytes, 0, cut % bytes.length)).toThrow(ProtocolError);
        const longer = new Uint8Array([...bytes, ...more, 0]);
        expect(() => decodeSn(longer, 0, longer.length)).toThrow(ProtocolError);
      }),
      fuzz(300),
    );
  });

  const noise = fc.tuple(fc.boolean(), u8, octets(40)).map(([framed, type, rest]) => {
    return framed ? new Uint8Array([rest.length + 2, type & 0x1f, ...rest]) : rest;
  });

  test('noise is a message or a ProtocolError; what was read is written as it was meant', () => {
    fc.assert(
      fc.property(noise, (bytes) => {
        let p: SnPacket;
        try {
          p = decodeSn(bytes, 0, bytes.length);
        } catch (why) {
          expect(why).toBeInstanceOf(ProtocolError);
          return;
        }
        const written = encodeSn(p);
        expect(decodeSn(written, 0, written.length)).toEqual(p);
      }),
      fuzz(2_000),
    );
  });

  test('a broker survives noise and messages in any order, and says only whole messages', async () => {
    const mixed = fc.oneof(
      { weight: 1, arbitrary: noise.map((bytes) => [bytes] as const) },
      { weight: 4, arbitrary: mortal.map((p) => [encodeSn(p)] as const) },
      {
        weight: 1,
        arbitrary: mortal.map((p) => [encodeEnvelope(0, Uint8Array.of(1), encodeSn(p))] as const),
      },
      { weight: 1, arbitrary: fc.constant([hex('07 04 04 01 00 3c 61')] as const) },
      { weight: 1, arbitrary: fc.constant([hex('07 04 08 01 00 3c 61')] as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(mixed, fc.nat(3)), { maxLength: 30 }), async (steps) => {
        const b = await startBroker();
        const d = b.connect({ protocol: 'mqttsn' });
        for (const [[bytes], pace] of steps) {
          if (bytes.length > 0) d.send(bytes);
          await b.clock.advance(pace === 3 ? 12_000 : 0);
          for (const datagram of d.takeEach()) {
            const inner = decodeEnvelope(datagram, 0, datagram.length)?.inner ?? 0;
            decodeSn(datagram, inner, datagram.length);
          }
        }
        d.cut();
        await b.clock.advance(200_000_000);
        expect(b.hub.stats.clients).toBe(0);
      }),
      fuzz(60),
    );
  });
});
