// Packets and their octets: one table for decoding, encoding and the round trip, at every level.

import { describe, expect, test } from 'vitest';
import { hex, octets } from '../../../test/hex.ts';
import { decodePacket, frameEnd } from './decode.ts';
import { encodePacket, writeAcknowledgement } from './encode.ts';
import type { Level, Packet, Properties } from './packet.ts';
import { encodeProperties } from './properties.ts';
import type { Role } from './reason.ts';

interface Row {
  readonly name: string;
  readonly level: Level;
  readonly from: Role;
  readonly bytes: string;
  readonly packet: Packet;
}

const none: Properties = {};
const connect = {
  type: 1,
  bridge: false,
  clean: true,
  keepAlive: 60,
  will: undefined,
  username: undefined,
  password: undefined,
  properties: none,
} as const;

/** Rows that encode to the very octets that they were decoded from. */
const rows: Row[] = [
  {
    name: 'CONNECT of 3.1',
    level: 3,
    from: 'client',
    bytes: "10 0f 00 06 'MQIsdp' 03 02 00 3c 00 01 'a'",
    packet: { ...connect, level: 3, clientId: 'a' },
  },
  {
    name: 'CONNECT of 3.1.1 without a client id',
    level: 4,
    from: 'client',
    bytes: "10 0c 00 04 'MQTT' 04 02 00 3c 00 00",
    packet: { ...connect, level: 4, clientId: '' },
  },
  {
    name: 'CONNECT of a bridge',
    level: 4,
    from: 'client',
    bytes: "10 0d 00 04 'MQTT' 84 00 00 3c 00 01 'b'",
    packet: { ...connect, level: 4, bridge: true, clean: false, clientId: 'b' },
  },
  {
    name: 'CONNECT of 3.1.1 with everything',
    level: 4,
    from: 'client',
    bytes: "10 1e 00 04 'MQTT' 04 f6 ff ff 00 01 'c' 00 03 'w/t' 00 02 ff 00 00 01 'u' 00 03 00 01 02",
    packet: {
      ...connect,
      level: 4,
      keepAlive: 65_535,
      clientId: 'c',
      will: { topic: 'w/t', payload: octets('ff 00'), qos: 2, retain: true, properties: none },
      username: 'u',
      password: octets('00 01 02'),
    },
  },
  {
    name: 'CONNECT of 5 without properties',
    level: 5,
    from: 'client',
    bytes: "10 0e 00 04 'MQTT' 05 02 00 3c 00 00 01 'a'",
    packet: { ...connect, level: 5, clientId: 'a' },
  },
  {
    name: '[MQTT5-3.1.2-18] CONNECT of 5 with a password and no username',
    level: 5,
    from: 'client',
    bytes: "10 11 00 04 'MQTT' 05 42 00 3c 00 00 01 'a' 00 01 ff",
    packet: { ...connect, level: 5, clientId: 'a', password: octets('ff') },
  },
  {
    name: 'CONNECT of 5 with every property, and every property of a will',
    level: 5,
    from: 'client',
    bytes:
      "10 61 00 04 'MQTT' 05 2e 00 3c " +
      "24 11 ff ff ff ff 21 00 0a 27 00 01 00 00 22 00 05 19 01 17 00 26 00 01 'k' 00 01 'v' 15 00 02 'SC' 16 00 01 07 " +
      "00 01 'a' " +
      "25 18 00 00 00 05 01 01 02 00 00 00 3c 03 00 04 'text' 08 00 01 'r' 09 00 02 01 02 26 00 02 'wk' 00 02 'wv' " +
      "00 03 'w/t' 00 02 'hi'",
    packet: {
      ...connect,
      level: 5,
      clientId: 'a',
      properties: {
        sessionExpiryInterval: 0xffff_ffff,
        receiveMaximum: 10,
        maximumPacketSize: 65_536,
        topicAliasMaximum: 5,
        requestResponseInformation: 1,
        requestProblemInformation: 0,
        userProperty: [['k', 'v']],
        authenticationMethod: 'SC',
        authenticationData: octets('07'),
      },
      will: {
        topic: 'w/t',
        payload: octets("'hi'"),
        qos: 1,
        retain: true,
        properties: {
          willDelayInterval: 5,
          payloadFormatIndicator: 1,
          messageExpiryInterval: 60,
          contentType: 'text',
          responseTopic: 'r',
          correlationData: octets('01 02'),
          userProperty: [['wk', 'wv']],
        },
      },
    },
  },
  {
    name: 'CONNACK of 3.1',
    level: 3,
    from: 'server',
    bytes: '20 02 00 05',
    packet: { type: 2, sessionPresent: false, code: 5, properties: none },
  },
  {
    name: 'CONNACK of 3.1.1',
    level: 4,
    from: 'server',
    bytes: '20 02 01 00',
    packet: { type: 2, sessionPresent: true, code: 0, properties: none },
  },
  {
    name: 'CONNACK of 5 with every property',
    level: 5,
    from: 'server',
    bytes:
      "20 43 01 00 40 11 00 00 00 01 21 00 02 24 01 25 00 27 00 00 01 00 12 00 01 'i' 22 00 03 1f 00 01 'r' " +
      "26 00 01 'k' 00 01 'v' 28 00 29 01 2a 00 13 00 3c 1a 00 02 'ri' 1c 00 02 'sr' 15 00 01 'm' 16 00 03 00 01 02",
    packet: {
      type: 2,
      sessionPresent: true,
      code: 0,
      properties: {
        sessionExpiryInterval: 1,
        receiveMaximum: 2,
        maximumQos: 1,
        retainAvailable: 0,
        maximumPacketSize: 256,
        assignedClientIdentifier: 'i',
        topicAliasMaximum: 3,
        reasonString: 'r',
        userProperty: [['k', 'v']],
        wildcardSubscriptionAvailable: 0,
        subscriptionIdentifierAvailable: 1,
        sharedSubscriptionAvailable: 0,
        serverKeepAlive: 60,
        responseInformation: 'ri',
        serverReference: 'sr',
        authenticationMethod: 'm',
        authenticationData: octets('00 01 02'),
      },
    },
  },
  {
    name: 'PUBLISH at QoS 0',
    level: 4,
    from: 'client',
    bytes: "30 07 00 03 'a/b' 01 02",
    packet: {
      type: 3,
      dup: false,
      qos: 0,
      retain: false,
      topic: 'a/b',
      id: 0,
      properties: none,
      payload: octets('01 02'),
    },
  },
  {
    name: 'PUBLISH at QoS 2, repeated, retained, without a payload',
    level: 3,
    from: 'server',
    bytes: "3d 06 00 02 'é' ff fe",
    packet: {
      type: 3,
      dup: true,
      qos: 2,
      retain: true,
      topic: 'é',
      id: 0xfffe,
      properties: none,
      payload: octets(''),
    },
  },
  {
    name: 'PUBLISH of 5 with an alias for its topic',
    level: 5,
    from: 'client',
    bytes: '32 09 00 00 00 01 03 23 00 07 78',
    packet: {
      type: 3,
      dup: false,
      qos: 1,
      retain: false,
      topic: '',
      id: 1,
      properties: { topicAlias: 7 },
      payload: octets('78'),
    },
  },
  {
    name: 'PUBLISH of 5 from a server with every property, repeated ones in order',
    level: 5,
    from: 'server',
    bytes:
      "30 38 00 01 't' 34 01 00 02 00 00 00 09 23 00 01 08 00 01 'r' 09 00 00 26 00 01 'b' 00 01 '1' " +
      "26 00 01 'a' 00 01 '2' 26 00 01 'b' 00 01 '1' 0b 01 0b ff ff ff 7f 0b 01 03 00 02 'ct'",
    packet: {
      type: 3,
      dup: false,
      qos: 0,
      retain: false,
      topic: 't',
      id: 0,
      properties: {
        payloadFormatIndicator: 0,
        messageExpiryInterval: 9,
        topicAlias: 1,
        responseTopic: 'r',
        correlationData: octets(''),
        userProperty: [
          ['b', '1'],
          ['a', '2'],
          ['b', '1'],
        ],
        subscriptionIdentifier: [1, 268_435_455, 1],
        contentType: 'ct',
      },
      payload: octets(''),
    },
  },
  {
    name: 'PUBACK',
    level: 4,
    from: 'client',
    bytes: '40 02 12 34',
    packet: { type: 4, id: 0x1234, code: 0, properties: none },
  },
  {
    name: 'PUBACK of 5 that leaves success out',
    level: 5,
    from: 'client',
    bytes: '40 02 12 34',
    packet: { type: 4, id: 0x1234, code: 0, properties: none },
  },
  {
    name: 'PUBREC of 5 with a reason code alone',
    level: 5,
    from: 'server',
    bytes: '50 03 00 01 97',
    packet: { type: 5, id: 1, code: 0x97, properties: none },
  },
  {
    name: 'PUBREL of 5 with a reason and properties',
    level: 5,
    from: 'client',
    bytes: "62 0f 00 01 92 0b 1f 00 01 'r' 26 00 01 'k' 00 01 'v'",
    packet: { type: 6, id: 1, code: 0x92, properties: { reasonString: 'r', userProperty: [['k', 'v']] } },
  },
  {
    name: 'PUBCOMP',
    level: 3,
    from: 'server',
    bytes: '70 02 00 ff',
    packet: { type: 7, id: 255, code: 0, properties: none },
  },
  {
    name: 'SUBSCRIBE of 3.1.1',
    level: 4,
    from: 'client',
    bytes: "82 0c 00 01 00 03 'a/+' 02 00 01 '#' 00",
    packet: {
      type: 8,
      id: 1,
      properties: none,
      entries: [
        { filter: 'a/+', qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 },
        { filter: '#', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
      ],
    },
  },
  {
    name: 'SUBSCRIBE of 5 with all options, an identifier and a user property',
    level: 5,
    from: 'client',
    bytes: "82 19 00 01 0a 0b 80 01 26 00 01 'k' 00 01 'v' 00 01 'a' 2d 00 05 '$SYS/' 10",
    packet: {
      type: 8,
      id: 1,
      properties: { subscriptionIdentifier: [128], userProperty: [['k', 'v']] },
      entries: [
        { filter: 'a', qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 2 },
        { filter: '$SYS/', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 1 },
      ],
    },
  },
  {
    name: 'SUBACK of 3.1.1',
    level: 4,
    from: 'server',
    bytes: '90 06 00 01 00 01 02 80',
    packet: { type: 9, id: 1, codes: [0, 1, 2, 0x80], properties: none },
  },
  {
    name: 'SUBACK of 5',
    level: 5,
    from: 'server',
    bytes: "90 09 00 01 04 1f 00 01 'r' 02 8f",
    packet: { type: 9, id: 1, codes: [2, 0x8f], properties: { reasonString: 'r' } },
  },
  {
    name: 'UNSUBSCRIBE of 3.1.1',
    level: 4,
    from: 'client',
    bytes: "a2 08 00 09 00 01 'a' 00 01 'b'",
    packet: { type: 10, id: 9, filters: ['a', 'b'], properties: none },
  },
  {
    name: 'UNSUBSCRIBE of 5',
    level: 5,
    from: 'client',
    bytes: "a2 0d 00 09 07 26 00 01 'k' 00 01 'v' 00 01 'a'",
    packet: { type: 10, id: 9, filters: ['a'], properties: { userProperty: [['k', 'v']] } },
  },
  {
    name: 'UNSUBACK of 3.1.1',
    level: 4,
    from: 'server',
    bytes: 'b0 02 00 09',
    packet: { type: 11, id: 9, codes: [], properties: none },
  },
  {
    name: 'UNSUBACK of 5',
    level: 5,
    from: 'server',
    bytes: 'b0 05 00 09 00 00 11',
    packet: { type: 11, id: 9, codes: [0, 0x11], properties: none },
  },
  { name: 'PINGREQ', level: 4, from: 'client', bytes: 'c0 00', packet: { type: 12 } },
  { name: 'PINGRESP', level: 5, from: 'server', bytes: 'd0 00', packet: { type: 13 } },
  {
    name: 'DISCONNECT of 3.1.1',
    level: 4,
    from: 'client',
    bytes: 'e0 00',
    packet: { type: 14, code: 0, properties: none },
  },
  {
    name: 'DISCONNECT of 5 that leaves normal disconnection out',
    level: 5,
    from: 'client',
    bytes: 'e0 00',
    packet: { type: 14, code: 0, properties: none },
  },
  {
    name: 'DISCONNECT of 5 with a reason alone',
    level: 5,
    from: 'client',
    bytes: 'e0 01 04',
    packet: { type: 14, code: 4, properties: none },
  },
  {
    name: 'DISCONNECT of a client with a session expiry',
    level: 5,
    from: 'client',
    bytes: 'e0 07 00 05 11 00 00 00 0a',
    packet: { type: 14, code: 0, properties: { sessionExpiryInterval: 10 } },
  },
  {
    name: 'DISCONNECT of a server that moved',
    level: 5,
    from: 'server',
    bytes: "e0 06 9d 04 1c 00 01 's'",
    packet: { type: 14, code: 0x9d, properties: { serverReference: 's' } },
  },
  {
    name: 'AUTH that goes on',
    level: 5,
    from: 'client',
    bytes: "f0 0a 18 08 15 00 01 'm' 16 00 01 ff",
    packet: {
      type: 15,
      code: 0x18,
      properties: { authenticationMethod: 'm', authenticationData: octets('ff') },
    },
  },
  {
    name: 'AUTH that succeeded, left out',
    level: 5,
    from: 'server',
    bytes: 'f0 00',
    packet: { type: 15, code: 0, properties: none },
  },
];

/** Other octets for a packet: allowed, but not what we would send. */
const tolerated: Row[] = [
  {
    name: 'PUBACK of 5 that spells success out',
    level: 5,
    from: 'client',
    bytes: '40 04 00 01 00 00',
    packet: { type: 4, id: 1, code: 0, properties: none },
  },
  {
    name: 'DISCONNECT of 5 that spells everything out',
    level: 5,
    from: 'client',
    bytes: 'e0 02 00 00',
    packet: { type: 14, code: 0, properties: none },
  },
  {
    name: 'CONNACK of a server that knows no MQTT 5',
    level: 5,
    from: 'server',
    bytes: '20 02 00 01',
    packet: { type: 2, sessionPresent: false, code: 0x84, properties: none },
  },
  {
    name: 'CONNACK of 3.1 with its unused octet set',
    level: 3,
    from: 'server',
    bytes: '20 02 ff 00',
    packet: { type: 2, sessionPresent: false, code: 0, properties: none },
  },
  {
    name: 'CONNECT of 3.1 whose username and password are announced and missing',
    level: 3,
    from: 'client',
    bytes: "10 0f 00 06 'MQIsdp' 03 c2 00 3c 00 01 'a'",
    packet: { ...connect, level: 3, clientId: 'a' },
  },
  {
    name: 'SUBSCRIBE of 3.1, repeated, with unused bits set',
    level: 3,
    from: 'client',
    bytes: "8a 06 00 01 00 01 'a' fd",
    packet: {
      type: 8,
      id: 1,
      properties: none,
      entries: [{ filter: 'a', qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
    },
  },
  {
    name: 'PUBREL of 3.1, repeated',
    level: 3,
    from: 'client',
    bytes: '6a 02 00 01',
    packet: { type: 6, id: 1, code: 0, properties: none },
  },
  {
    name: 'PINGREQ of 3.1.1 with a longer length than needed',
    level: 4,
    from: 'client',
    bytes: 'c0 80 00',
    packet: { type: 12 },
  },
];

describe('decode', () => {
  for (const row of [...rows, ...tolerated])
    test(`${row.level}: ${row.name}`, () => {
      const bytes = octets(row.bytes);
      expect(decodePacket(bytes, 0, bytes.length, row.level, row.from)).toEqual(row.packet);
    });

  test('a frame between others is decoded from its own octets alone', () => {
    for (const row of rows) {
      const frame = octets(row.bytes);
      const bytes = new Uint8Array(frame.length + 14).fill(0xff);
      bytes.set(frame, 7);
      expect(decodePacket(bytes, 7, 7 + frame.length, row.level, row.from), row.name).toEqual(row.packet);
    }
  });

  test('a CONNECT is decoded by its own level', () => {
    const bytes = octets(rows[0]!.bytes);
    expect(decodePacket(bytes, 0, bytes.length, 5, 'client')).toEqual(rows[0]!.packet);
  });

  test('binary values are views', () => {
    const bytes = octets("30 04 00 01 'a' 01");
    const packet = decodePacket(bytes, 0, bytes.length, 4, 'client');
    bytes[5] = 9;
    expect(packet).toMatchObject({ payload: octets('09') });
  });
});

describe('encode', () => {
  for (const row of rows)
    test(`${row.level}: ${row.name}`, () => {
      expect(hex(encodePacket(row.packet, row.level))).toBe(hex(octets(row.bytes)));
    });

  test('what 3.1.1 does not have is left out', () => {
    const properties: Properties = { reasonString: 'r' };
    expect(hex(encodePacket({ type: 4, id: 1, code: 0x97, properties }, 4))).toBe('40 02 00 01');
    expect(hex(encodePacket({ type: 11, id: 1, codes: [0], properties }, 4))).toBe('b0 02 00 01');
    expect(hex(encodePacket({ type: 14, code: 0x8b, properties }, 4))).toBe('e0 00');
    expect(hex(encodePacket({ type: 2, sessionPresent: true, code: 0, properties }, 3))).toBe('20 02 00 00');
  });

  test('properties that are undefined are not sent', () => {
    expect(hex(encodeProperties({ topicAlias: undefined, receiveMaximum: 1 } as Properties))).toBe(
      '03 21 00 01',
    );
    expect(hex(encodeProperties({}))).toBe('00');
  });

  test('an acknowledgement in place', () => {
    const bytes = new Uint8Array(6);
    writeAcknowledgement(bytes, 1, 6, 0xfffe);
    expect(hex(bytes)).toBe('00 62 02 ff fe 00');
  });

  test('what does not fit is a RangeError', () => {
    const long = 'é'.repeat(32_768);
    const publish = { type: 3, dup: false, qos: 0, retain: false, id: 0, payload: octets('') } as const;
    expect(() => encodePacket({ ...publish, topic: long, properties: none }, 4)).toThrow(RangeError);
    expect(() => encodeProperties({ contentType: long })).toThrow(RangeError);
    expect(() => encodeProperties({ correlationData: new Uint8Array(65_536) })).toThrow(RangeError);
    expect(() => encodeProperties({ correlationData: new Uint8Array(65_535) })).not.toThrow();
  });
});

describe('frameEnd', () => {
  test.each([
    ['', -1],
    ['c0', -1],
    ['c0 00', 2],
    ['30 7f', 129],
    ['30 80', -1],
    ['30 80 01', 131],
    ['30 ff 7f', 16_386],
    ['30 ff ff 7f', 2_097_155],
    ['30 ff ff ff', -1],
    ['30 ff ff ff 7f', 268_435_460],
  ])('%s: %i', (written, expected) => {
    const bytes = octets(written);
    expect(frameEnd(bytes, 0, bytes.length)).toBe(expected);
  });

  test('counts from where the frame begins, and never reads beyond the end', () => {
    const bytes = octets('ff ff ff c0 00 ff');
    expect(frameEnd(bytes, 3, 6)).toBe(5);
    expect(frameEnd(bytes, 3, 4)).toBe(-1);
  });
});
