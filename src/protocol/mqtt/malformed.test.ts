// Every way to be malformed that MQTT names, with the clause and the reason code that we answer.

import { describe, expect, test } from 'vitest';
import { octets } from '../../../test/hex.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { decodePacket, frameEnd } from './decode.ts';
import type { Level } from './packet.ts';
import { type Role, reasonCodes } from './reason.ts';
import { openFrame } from './writer.ts';

/** Clause, what is wrong, reason code, level, sender, first octet, the octets behind the remaining length. */
type Row = readonly [
  clause: string,
  name: string,
  code: number,
  level: Level,
  from: Role,
  first: number,
  body: string,
];

const MQTT4 = "00 04 'MQTT' 04";
const MQTT5 = "00 04 'MQTT' 05";

const fixedHeader: Row[] = [
  ['MQTT311-2.2.1', 'type 0', 0x81, 4, 'client', 0x00, ''],
  ['MQTT5-2.1.2', 'type 0', 0x81, 5, 'client', 0x00, ''],
  ['MQTT311-2.2.1', 'AUTH before MQTT 5', 0x81, 4, 'client', 0xf0, ''],
  ['MQTT5-2.1.2', 'CONNECT from a server', 0x82, 5, 'server', 0x10, `${MQTT5} 02 00 00 00 00 00`],
  ['MQTT5-2.1.2', 'CONNACK from a client', 0x82, 5, 'client', 0x20, '00 00 00'],
  ['MQTT311-2.2.1', 'SUBSCRIBE from a server', 0x82, 4, 'server', 0x82, "00 01 00 01 'a' 00"],
  ['MQTT5-2.1.2', 'SUBACK from a client', 0x82, 5, 'client', 0x90, '00 01 00 00'],
  ['MQTT5-2.1.2', 'UNSUBSCRIBE from a server', 0x82, 5, 'server', 0xa2, "00 01 00 00 01 'a'"],
  ['MQTT311-2.2.1', 'UNSUBACK from a client', 0x82, 4, 'client', 0xb0, '00 01'],
  ['MQTT5-2.1.2', 'PINGREQ from a server', 0x82, 5, 'server', 0xc0, ''],
  ['MQTT311-2.2.1', 'PINGRESP from a client', 0x82, 4, 'client', 0xd0, ''],
  ['MQTT311-2.2.1', 'DISCONNECT from a server before MQTT 5', 0x82, 4, 'server', 0xe0, ''],
  ['MQTT5-2.1.3-1', 'CONNECT flags', 0x81, 5, 'client', 0x11, `${MQTT5} 02 00 00 00 00 00`],
  ['MQTT311-2.2.2-2', 'CONNECT flags', 0x81, 4, 'client', 0x12, `${MQTT4} 02 00 00 00 00`],
  ['MQTT5-2.1.3-1', 'CONNACK flags', 0x81, 5, 'server', 0x28, '00 00 00'],
  ['MQTT5-2.1.3-1', 'PUBACK flags', 0x81, 5, 'client', 0x42, '00 01'],
  ['MQTT311-2.2.2-2', 'PUBREC flags', 0x81, 4, 'client', 0x51, '00 01'],
  ['MQTT311-3.6.1-1', 'PUBREL flags', 0x81, 4, 'client', 0x60, '00 01'],
  ['MQTT5-3.6.1-1', 'PUBREL flags', 0x81, 5, 'client', 0x6a, '00 01'],
  ['MQTT5-2.1.3-1', 'PUBCOMP flags', 0x81, 5, 'server', 0x72, '00 01'],
  ['MQTT311-3.8.1-1', 'SUBSCRIBE flags', 0x81, 4, 'client', 0x80, "00 01 00 01 'a' 00"],
  ['MQTT5-3.8.1-1', 'SUBSCRIBE flags', 0x81, 5, 'client', 0x83, "00 01 00 00 01 'a' 00"],
  ['MQTT5-2.1.3-1', 'SUBACK flags', 0x81, 5, 'server', 0x92, '00 01 00 00'],
  ['MQTT311-3.10.1-1', 'UNSUBSCRIBE flags', 0x81, 4, 'client', 0xa0, "00 01 00 01 'a'"],
  ['MQTT5-3.10.1-1', 'UNSUBSCRIBE flags', 0x81, 5, 'client', 0xa6, "00 01 00 00 01 'a'"],
  ['MQTT5-2.1.3-1', 'UNSUBACK flags', 0x81, 5, 'server', 0xb2, '00 01 00 00'],
  ['MQTT311-2.2.2-2', 'PINGREQ flags', 0x81, 4, 'client', 0xc1, ''],
  ['MQTT5-2.1.3-1', 'PINGRESP flags', 0x81, 5, 'server', 0xd4, ''],
  ['MQTT311-3.14.1-1', 'DISCONNECT flags', 0x81, 4, 'client', 0xe1, ''],
  ['MQTT5-3.14.1-1', 'DISCONNECT flags', 0x81, 5, 'client', 0xe8, ''],
  ['MQTT5-3.15.1-1', 'AUTH flags', 0x81, 5, 'server', 0xf1, ''],
];

const lengths: Row[] = [
  ['MQTT5-2.1.4', 'CONNECT with nothing', 0x81, 5, 'client', 0x10, ''],
  [
    'MQTT311-2.2.3',
    'CONNECT that ends in its client id',
    0x81,
    4,
    'client',
    0x10,
    `${MQTT4} 02 00 00 00 05 61`,
  ],
  ['MQTT311-2.2.3', 'octets behind CONNECT', 0x81, 4, 'client', 0x10, `${MQTT4} 02 00 00 00 00 00`],
  [
    'MQTT311-2.2.3',
    'CONNECT without the announced username',
    0x81,
    4,
    'client',
    0x10,
    `${MQTT4} 82 00 00 00 00`,
  ],
  [
    'MQTT5-2.1.4',
    'CONNECT without the announced password',
    0x81,
    5,
    'client',
    0x10,
    `${MQTT5} 42 00 00 00 00 00`,
  ],
  ['MQTT311-2.2.3', 'octets behind CONNACK', 0x81, 4, 'server', 0x20, '00 00 00'],
  ['MQTT5-2.1.4', 'octets behind the properties of CONNACK', 0x81, 5, 'server', 0x20, '00 00 00 00'],
  ['MQTT311-2.2.3', 'PUBLISH with nothing', 0x81, 4, 'client', 0x30, ''],
  ['MQTT311-2.2.3', 'PUBLISH that ends in its topic', 0x81, 4, 'client', 0x30, "00 04 'a/b'"],
  ['MQTT5-2.1.4', 'PUBLISH that ends in its packet id', 0x81, 5, 'client', 0x32, "00 01 'a' 00"],
  ['MQTT5-2.1.4', 'PUBLISH without a property length', 0x81, 5, 'client', 0x30, "00 01 'a'"],
  ['MQTT311-2.2.3', 'PUBACK that ends in its packet id', 0x81, 4, 'client', 0x40, '00'],
  ['MQTT311-2.2.3', 'octets behind PUBACK', 0x81, 4, 'client', 0x40, '00 01 00'],
  ['MQTT5-2.1.4', 'octets behind the properties of PUBREC', 0x81, 5, 'client', 0x50, '00 01 00 00 00'],
  ['MQTT311-2.2.3', 'SUBSCRIBE without options', 0x81, 4, 'client', 0x82, "00 01 00 01 'a'"],
  ['MQTT311-2.2.3', 'octets behind UNSUBACK', 0x81, 4, 'server', 0xb0, '00 01 00'],
  ['MQTT311-2.2.3', 'octets in PINGREQ', 0x81, 4, 'client', 0xc0, '00'],
  ['MQTT5-2.1.4', 'octets in PINGRESP', 0x81, 5, 'server', 0xd0, '00'],
  ['MQTT311-2.2.3', 'octets in DISCONNECT', 0x81, 4, 'client', 0xe0, '00'],
  ['MQTT5-2.1.4', 'octets behind the properties of DISCONNECT', 0x81, 5, 'client', 0xe0, '00 00 00'],
  ['MQTT5-2.1.4', 'octets behind the properties of AUTH', 0x81, 5, 'server', 0xf0, '00 00 00'],
];

const text: Row[] = [
  ['MQTT311-1.5.3-1', 'an overlong form', 0x81, 4, 'client', 0x30, '00 02 c0 80'],
  ['MQTT5-1.5.4-1', 'a surrogate', 0x81, 5, 'client', 0x30, '00 03 ed a0 80 00'],
  ['MQTT5-1.5.4-1', 'a cut sequence', 0x81, 5, 'client', 0x30, '00 02 61 c3 00'],
  ['MQTT311-1.5.3-2', 'U+0000', 0x81, 4, 'client', 0x30, '00 03 61 00 62'],
  ['MQTT5-1.5.4-2', 'U+0000 in a longer text', 0x81, 5, 'client', 0x30, "00 0a 'aaaaaaa' 00 'aa' 00"],
  ['MQTT5-1.5.4-2', 'U+0000 beside other letters', 0x81, 5, 'client', 0x30, '00 03 c3 a9 00 00'],
  ['MQTT5-1.5.4-1', 'ill-formed client id', 0x81, 5, 'client', 0x10, `${MQTT5} 02 00 00 00 00 01 ff`],
  ['MQTT311-1.5.3-1', 'ill-formed username', 0x81, 4, 'client', 0x10, `${MQTT4} 82 00 00 00 00 00 01 ff`],
  ['MQTT311-1.5.3-1', 'ill-formed filter', 0x81, 4, 'client', 0x82, '00 01 00 01 80 00'],
  ['MQTT5-1.5.4-1', 'ill-formed user property', 0x81, 5, 'client', 0xe0, "00 07 26 00 01 'k' 00 01 ff"],
];

const connect: Row[] = [
  ['MQTT5-3.1.2-1', 'another protocol name', 0x84, 5, 'client', 0x10, "00 04 'MQTS' 05 02 00 00 00 00 00"],
  ['MQTT5-3.1.2-2', 'level 6', 0x84, 5, 'client', 0x10, "00 04 'MQTT' 06 02 00 00 00 00 00"],
  ['MQTT5-3.1.2-2', 'level 3 by the new name', 0x84, 4, 'client', 0x10, "00 04 'MQTT' 03 02 00 00 00 00"],
  ['MQTT5-3.1.2-2', 'level 4 by the old name', 0x84, 4, 'client', 0x10, "00 06 'MQIsdp' 04 02 00 00 00 00"],
  ['MQTT5-3.1.2-2', 'a bridge of level 5', 0x84, 5, 'client', 0x10, "00 04 'MQTT' 85 02 00 00 00 00 00"],
  ['MQTT5-3.1.2-3', 'reserved connect flag', 0x81, 5, 'client', 0x10, `${MQTT5} 03 00 00 00 00 00`],
  ['MQTT311-3.1.2-3', 'reserved connect flag', 0x81, 4, 'client', 0x10, `${MQTT4} 03 00 00 00 00`],
  ['MQTT5-3.1.2-11', 'will QoS without a will', 0x81, 5, 'client', 0x10, `${MQTT5} 0a 00 00 00 00 00`],
  ['MQTT311-3.1.2-13', 'will QoS without a will', 0x81, 4, 'client', 0x10, `${MQTT4} 12 00 00 00 00`],
  ['MQTT5-3.1.2-13', 'will retain without a will', 0x81, 5, 'client', 0x10, `${MQTT5} 22 00 00 00 00 00`],
  ['MQTT311-3.1.2-15', 'will retain without a will', 0x81, 4, 'client', 0x10, `${MQTT4} 22 00 00 00 00`],
  ['MQTT5-3.1.2-12', 'will QoS 3', 0x81, 5, 'client', 0x10, `${MQTT5} 1e 00 00 00 00 00 00 00 01 61 00 00`],
  ['MQTT311-3.1.2-14', 'will QoS 3', 0x81, 4, 'client', 0x10, `${MQTT4} 1e 00 00 00 00 00 01 61 00 00`],
  [
    'MQTT311-3.1.2-22',
    'password without a username',
    0x81,
    4,
    'client',
    0x10,
    `${MQTT4} 42 00 00 00 00 00 00`,
  ],
  [
    'MQTT311-3.3.2-2',
    'wildcard in a will topic',
    0x90,
    4,
    'client',
    0x10,
    `${MQTT4} 06 00 00 00 00 00 01 '+' 00 00`,
  ],
  ['MQTT5-4.7.3-1', 'empty will topic', 0x90, 5, 'client', 0x10, `${MQTT5} 06 00 00 00 00 00 00 00 00 00 00`],
  ['MQTT5-3.2.2-1', 'reserved acknowledge flags', 0x81, 5, 'server', 0x20, '02 00 00'],
  ['MQTT311-3.2.2.1', 'reserved acknowledge flags', 0x81, 4, 'server', 0x20, '80 00'],
  ['MQTT5-3.2.2-6', 'a refusal with a session', 0x82, 5, 'server', 0x20, '01 87 00'],
  ['MQTT311-3.2.2-4', 'a refusal with a session', 0x82, 4, 'server', 0x20, '01 05'],
  ['MQTT311-3.2.2.3', 'return code 6', 0x82, 4, 'server', 0x20, '00 06'],
  ['MQTT5-3.2.2-8', 'return code 5 in MQTT 5', 0x82, 5, 'server', 0x20, '00 05 00'],
];

const publish: Row[] = [
  ['MQTT5-3.3.1-4', 'QoS 3', 0x81, 5, 'client', 0x36, "00 01 'a' 00 01 00"],
  ['MQTT311-3.3.1-4', 'QoS 3', 0x81, 4, 'client', 0x36, "00 01 'a' 00 01"],
  ['MQTT5-3.3.1-2', 'DUP at QoS 0', 0x81, 5, 'client', 0x38, "00 01 'a' 00"],
  ['MQTT311-3.3.1-2', 'DUP at QoS 0', 0x81, 4, 'server', 0x38, "00 01 'a'"],
  ['MQTT5-2.2.1-3', 'packet id 0 from a client', 0x82, 5, 'client', 0x32, "00 01 'a' 00 00 00"],
  ['MQTT5-2.2.1-4', 'packet id 0 from a server', 0x82, 5, 'server', 0x34, "00 01 'a' 00 00 00"],
  ['MQTT311-2.3.1-1', 'packet id 0', 0x82, 4, 'client', 0x32, "00 01 'a' 00 00"],
  ['MQTT5-3.3.2-2', 'wildcard in the topic', 0x90, 5, 'client', 0x30, "00 03 'a/#' 00"],
  ['MQTT311-3.3.2-2', 'wildcard in the topic', 0x90, 4, 'client', 0x30, "00 02 'a+'"],
  ['MQTT5-3.3.2.1', 'neither topic nor alias', 0x82, 5, 'client', 0x30, '00 00 00'],
  ['MQTT311-4.7.3-1', 'empty topic', 0x82, 4, 'client', 0x30, '00 00'],
  ['MQTT5-3.3.4-6', 'subscription identifier from a client', 0x82, 5, 'client', 0x30, "00 01 'a' 02 0b 01"],
  ['MQTT5-3.3.2-8', 'topic alias 0', 0x94, 5, 'client', 0x30, "00 01 'a' 03 23 00 00"],
  ['MQTT5-3.3.2-14', 'wildcard in the response topic', 0x82, 5, 'client', 0x30, "00 01 'a' 04 08 00 01 '#'"],
  ['MQTT5-2.2.1-5', 'PUBACK of id 0', 0x82, 5, 'client', 0x40, '00 00'],
  ['MQTT311-2.3.1-6', 'PUBREL of id 0', 0x82, 4, 'client', 0x62, '00 00'],
];

const subscribe: Row[] = [
  ['MQTT5-2.2.1-3', 'SUBSCRIBE with id 0', 0x82, 5, 'client', 0x82, "00 00 00 00 01 'a' 00"],
  ['MQTT311-2.3.1-1', 'UNSUBSCRIBE with id 0', 0x82, 4, 'client', 0xa2, "00 00 00 01 'a'"],
  ['MQTT5-2.2.1-6', 'SUBACK of id 0', 0x82, 5, 'server', 0x90, '00 00 00 00'],
  ['MQTT311-2.3.1-7', 'UNSUBACK of id 0', 0x82, 4, 'server', 0xb0, '00 00'],
  ['MQTT5-3.8.3-2', 'SUBSCRIBE without a filter', 0x82, 5, 'client', 0x82, '00 01 00'],
  ['MQTT311-3.8.3-3', 'SUBSCRIBE without a filter', 0x82, 4, 'client', 0x82, '00 01'],
  ['MQTT5-3.10.3-2', 'UNSUBSCRIBE without a filter', 0x82, 5, 'client', 0xa2, '00 01 00'],
  ['MQTT311-3.10.3-2', 'UNSUBSCRIBE without a filter', 0x82, 4, 'client', 0xa2, '00 01'],
  ['MQTT5-3.8.3.1', 'requested QoS 3', 0x82, 5, 'client', 0x82, "00 01 00 00 01 'a' 03"],
  ['MQTT311-3.8.3-4', 'requested QoS 3', 0x82, 4, 'client', 0x82, "00 01 00 01 'a' 03"],
  ['MQTT5-3.8.3-5', 'reserved option bit 6', 0x81, 5, 'client', 0x82, "00 01 00 00 01 'a' 40"],
  ['MQTT5-3.8.3-5', 'reserved option bit 7', 0x81, 5, 'client', 0x82, "00 01 00 00 01 'a' 80"],
  ['MQTT311-3.8.3-4', 'reserved option bit 2', 0x81, 4, 'client', 0x82, "00 01 00 01 'a' 04"],
  ['MQTT5-3.8.3.1', 'retain handling 3', 0x82, 5, 'client', 0x82, "00 01 00 00 01 'a' 30"],
  ['MQTT5-3.8.3-4', 'no local, shared', 0x82, 5, 'client', 0x82, "00 01 00 00 0a '$share/g/a' 04"],
  ['MQTT5-3.9.3-1', 'SUBACK without a code', 0x82, 5, 'server', 0x90, '00 01 00'],
  ['MQTT311-3.9.3-1', 'SUBACK without a code', 0x82, 4, 'server', 0x90, '00 01'],
  ['MQTT311-3.9.3-2', 'SUBACK with return code 3', 0x82, 4, 'server', 0x90, '00 01 03'],
  ['MQTT5-3.11.3-1', 'UNSUBACK without a code', 0x82, 5, 'server', 0xb0, '00 01 00'],
];

const properties: Row[] = [
  ['MQTT5-2.2.2.1', 'a length beyond the packet', 0x81, 5, 'client', 0xe0, '00 06 11 00 00 00 00'],
  ['MQTT5-2.1.4', 'a length that cuts a property', 0x81, 5, 'client', 0xe0, '00 04 11 00 00 00 00'],
  ['MQTT5-1.5.5-1', 'a length longer than needed', 0x81, 5, 'client', 0xe0, '00 85 00 11 00 00 00 00'],
  ['MQTT5-1.5.5-1', 'a length of five octets', 0x81, 5, 'client', 0xe0, '00 80 80 80 80 01'],
  ['MQTT5-2.2.2.2', 'identifier 0', 0x81, 5, 'client', 0xe0, '00 02 00 00'],
  ['MQTT5-2.2.2.2', 'identifier 0x2b', 0x81, 5, 'client', 0xe0, '00 02 2b 00'],
  ['MQTT5-2.2.2.2', 'an identifier longer than needed', 0x81, 5, 'client', 0xe0, '00 06 91 00 00 00 00 01'],
  ['MQTT5-3.14.2-2', 'session expiry from a server', 0x82, 5, 'server', 0xe0, '00 05 11 00 00 00 00'],
  [
    'MQTT5-3.1.2.11.10',
    'authentication data alone',
    0x82,
    5,
    'client',
    0x10,
    `${MQTT5} 02 00 00 04 16 00 01 00 00 00`,
  ],
  ['MQTT5-3.1.2.11.10', 'authentication data alone', 0x82, 5, 'server', 0xf0, '18 04 16 00 01 00'],
  ['MQTT5-3.15.2.2.2', 'AUTH without a method', 0x82, 5, 'client', 0xf0, '18 00'],
  ['MQTT5-3.15.2.2.2', 'AUTH with a reason alone', 0x82, 5, 'client', 0xf0, '19'],
  ['MQTT5-3.1.2.11.3', 'receive maximum 0', 0x82, 5, 'client', 0x10, `${MQTT5} 02 00 00 03 21 00 00 00 00`],
  [
    'MQTT5-3.1.2.11.4',
    'maximum packet size 0',
    0x82,
    5,
    'client',
    0x10,
    `${MQTT5} 02 00 00 05 27 00 00 00 00 00 00`,
  ],
  ['MQTT5-3.8.2.1.2', 'subscription identifier 0', 0x82, 5, 'client', 0x82, "00 01 02 0b 00 00 01 'a' 00"],
  ['MQTT5-3.8.2.1.2', 'two in a SUBSCRIBE', 0x82, 5, 'client', 0x82, "00 01 04 0b 01 0b 02 00 01 'a' 00"],
  [
    'MQTT5-1.5.5-1',
    'subscription identifier over 268,435,455',
    0x81,
    5,
    'client',
    0x82,
    "00 01 06 0b 80 80 80 80 01 00 01 'a' 00",
  ],
];

for (const [group, rows] of Object.entries({
  fixedHeader,
  lengths,
  text,
  connect,
  publish,
  subscribe,
  properties,
}))
  describe(group, () => {
    for (const [clause, name, code, level, from, first, body] of rows)
      test(`[${clause}] ${name}, level ${level}: 0x${code.toString(16)}`, () => {
        expect(refusal(frame(first, body), level, from)).toEqual({ clause, code });
      });
  });

function frame(first: number, body: string): Uint8Array {
  const content = octets(body);
  const w = openFrame(first, content.length);
  w.octets(content);
  return w.bytes;
}

/** What the decoder says of the octets: the error's clause and code, or the packet. */
function refusal(bytes: Uint8Array, level: Level, from: Role): unknown {
  try {
    return decodePacket(bytes, 0, bytes.length, level, from);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { clause: error.clause, code: error.code };
  }
}

describe('the remaining length', () => {
  test('[MQTT5-1.5.5-1] longer than needed: 0x81', () => {
    expect(refusal(octets('c0 80 00'), 5, 'client')).toEqual({ clause: 'MQTT5-1.5.5-1', code: 0x81 });
  });

  test('[MQTT5-1.5.5-1] longer than needed in CONNECT, whose own level decides', () => {
    const five = octets("10 8d 00 00 04 'MQTT' 05 02 00 00 00 00 00");
    expect(refusal(five, 4, 'client')).toEqual({ clause: 'MQTT5-1.5.5-1', code: 0x81 });
    const four = octets("10 8c 00 00 04 'MQTT' 04 02 00 00 00 00");
    expect(refusal(four, 5, 'client')).toMatchObject({ type: 1, level: 4 });
  });

  for (const [level, clause] of [
    [5, 'MQTT5-1.5.5-1'],
    [4, 'MQTT311-2.2.3'],
  ] as const)
    test(`[${clause}] a fourth octet that is not the last: 0x81`, () => {
      const bytes = octets('30 ff ff ff ff');
      let seen: unknown;
      try {
        frameEnd(bytes, 0, bytes.length, level);
      } catch (error) {
        seen = error;
      }
      expect(seen).toBeInstanceOf(ProtocolError);
      expect(seen).toMatchObject({ clause, code: 0x81 });
    });

  test('that says something else than the frame: 0x81', () => {
    for (const written of ['', 'c0', 'c0 01', 'c0 00 00', '30 80'])
      expect(refusal(octets(written), 5, 'client'), written).toEqual({ clause: 'MQTT5-2.1.4', code: 0x81 });
  });
});

describe('property tables', () => {
  const value: Record<number, string> = {
    1: '01 00',
    2: '02 00 00 00 01',
    3: '03 00 00',
    8: '08 00 00',
    9: '09 00 00',
    11: '0b 01',
    17: '11 00 00 00 01',
    18: '12 00 00',
    19: '13 00 01',
    21: '15 00 00',
    22: '15 00 00 16 00 00',
    23: '17 00',
    24: '18 00 00 00 01',
    25: '19 01',
    26: '1a 00 00',
    28: '1c 00 00',
    31: '1f 00 00',
    33: '21 00 01',
    34: '22 00 00',
    35: '23 00 01',
    36: '24 00',
    37: '25 01',
    38: '26 00 00 00 00',
    39: '27 00 00 00 01',
    40: '28 00',
    41: '29 01',
    42: '2a 00',
  };

  /** Table 2-4 of the standard, and a packet of each kind around its properties. */
  const kinds: Record<
    string,
    { from: Role; first: number; before: string; after: string; allowed: number[] }
  > = {
    CONNECT: {
      from: 'client',
      first: 0x10,
      before: `${MQTT5} 02 00 00`,
      after: '00 00',
      allowed: [17, 21, 22, 23, 25, 33, 34, 38, 39],
    },
    will: {
      from: 'client',
      first: 0x10,
      before: `${MQTT5} 06 00 00 00 00 00`,
      after: "00 01 'w' 00 00",
      allowed: [1, 2, 3, 8, 9, 24, 38],
    },
    CONNACK: {
      from: 'server',
      first: 0x20,
      before: '00 00',
      after: '',
      allowed: [17, 18, 19, 21, 22, 26, 28, 31, 33, 34, 36, 37, 38, 39, 40, 41, 42],
    },
    PUBLISH: {
      from: 'server',
      first: 0x30,
      before: "00 01 'a'",
      after: '',
      allowed: [1, 2, 3, 8, 9, 11, 35, 38],
    },
    PUBACK: { from: 'client', first: 0x40, before: '00 01 00', after: '', allowed: [31, 38] },
    PUBREC: { from: 'client', first: 0x50, before: '00 01 00', after: '', allowed: [31, 38] },
    PUBREL: { from: 'client', first: 0x62, before: '00 01 00', after: '', allowed: [31, 38] },
    PUBCOMP: { from: 'client', first: 0x70, before: '00 01 00', after: '', allowed: [31, 38] },
    SUBSCRIBE: { from: 'client', first: 0x82, before: '00 01', after: "00 01 'a' 00", allowed: [11, 38] },
    SUBACK: { from: 'server', first: 0x90, before: '00 01', after: '00', allowed: [31, 38] },
    UNSUBSCRIBE: { from: 'client', first: 0xa2, before: '00 01', after: "00 01 'a'", allowed: [38] },
    UNSUBACK: { from: 'server', first: 0xb0, before: '00 01', after: '00', allowed: [31, 38] },
    DISCONNECT: { from: 'client', first: 0xe0, before: '00', after: '', allowed: [17, 28, 31, 38] },
    AUTH: { from: 'server', first: 0xf0, before: '00', after: '', allowed: [21, 22, 31, 38] },
  };

  for (const [name, kind] of Object.entries(kinds)) {
    const answer = (list: string) => {
      const length = octets(list).length.toString(16).padStart(2, '0');
      return refusal(frame(kind.first, `${kind.before} ${length} ${list} ${kind.after}`), 5, kind.from);
    };

    test(`[MQTT5-2.2.2.2] ${name} takes its own properties and refuses all others: 0x81`, () => {
      const taken = Object.keys(value).filter((id) => 'type' in (answer(value[Number(id)]!) as object));
      expect(taken.map(Number)).toEqual(kind.allowed);
      for (const id of Object.keys(value).map(Number))
        if (!kind.allowed.includes(id))
          expect(answer(value[id]!), `${id}`).toEqual({ clause: 'MQTT5-2.2.2.2', code: 0x81 });
    });

    test(`${name} with a property twice: 0x82, but for what may stand more often`, () => {
      for (const id of kind.allowed) {
        const again = id === 22 ? '16 00 00' : value[id]!;
        const repeatable = id === 38 || (id === 11 && name === 'PUBLISH');
        const seen = answer(`${value[id]} ${again}`);
        if (repeatable) expect(seen, `${id}`).toHaveProperty('type');
        else expect(seen, `${id}`).toMatchObject({ code: 0x82 });
      }
    });

    test(`${name} with an octet that is neither 0 nor 1: 0x82`, () => {
      for (const id of [1, 23, 25, 36, 37, 40, 41, 42].filter((id) => kind.allowed.includes(id)))
        expect(answer(`${id.toString(16).padStart(2, '0')} 02`), `${id}`).toMatchObject({ code: 0x82 });
    });
  }
});

describe('reason codes', () => {
  const BOTH = [0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
  const method = "04 15 00 01 'm'";
  const cases: [clause: string, from: Role, first: number, before: string, after: string, codes: number[]][] =
    [
      [
        'MQTT5-3.2.2-8',
        'server',
        0x20,
        '00',
        '00',
        [
          0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
          0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
        ],
      ],
      ['MQTT5-3.4.2-1', 'client', 0x40, '00 01', '', [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]],
      ['MQTT5-3.5.2-1', 'server', 0x50, '00 01', '', [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]],
      ['MQTT5-3.6.2-1', 'client', 0x62, '00 01', '', [0, 0x92]],
      ['MQTT5-3.7.2-1', 'server', 0x70, '00 01', '', [0, 0x92]],
      [
        'MQTT5-3.9.3-2',
        'server',
        0x90,
        '00 01 00',
        '',
        [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
      ],
      ['MQTT5-3.11.3-2', 'server', 0xb0, '00 01 00', '', [0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]],
      ['MQTT5-3.14.2-1', 'client', 0xe0, '', '', [0, 4, ...BOTH]],
      [
        'MQTT5-3.14.2-1',
        'server',
        0xe0,
        '',
        '',
        [
          0,
          ...BOTH,
          0x87,
          0x89,
          0x8b,
          0x8d,
          0x8e,
          0x8f,
          0x9a,
          0x9b,
          0x9c,
          0x9d,
          0x9e,
          0x9f,
          0xa0,
          0xa1,
          0xa2,
        ],
      ],
      ['MQTT5-3.15.2-1', 'client', 0xf0, '', method, [0x18, 0x19]],
      ['MQTT5-3.15.2-1', 'server', 0xf0, '', method, [0, 0x18]],
    ];

  for (const [clause, from, first, before, after, codes] of cases)
    test(`[${clause}] packet type ${first >> 4} of a ${from}: its codes and no others`, () => {
      for (let code = 0; code < 256; code++) {
        const written = code.toString(16).padStart(2, '0');
        const seen = refusal(frame(first, `${before} ${written} ${after}`), 5, from);
        if (codes.includes(code)) expect(seen, written).toHaveProperty('type', first >> 4);
        else expect(seen, written).toEqual({ clause, code: 0x82 });
      }
      expect([...reasonCodes(first >> 4, from)].sort()).toEqual([...codes].sort());
    });
});
