// Packet anatomy: the parts are the packet, octet for octet, whatever the packet is; and they say what the codec put there.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anatomyOfCoap } from '../../../src/admin/anatomy/coap.ts';
import type { Part } from '../../../src/admin/anatomy/part.ts';
import { encodeOptions, encodeUint } from '../../../src/protocol/coap/encode.ts';
import { encodeFrame } from '../../../src/protocol/coap/frame.ts';
import { CODE, OPTION } from '../../../src/protocol/coap/packet.ts';
import { encodePacket } from '../../../src/protocol/mqtt/encode.ts';
import {
  CONNACK,
  CONNECT,
  DISCONNECT,
  NO_PROPERTIES,
  type Packet,
  PINGREQ,
  type Properties,
  PUBACK,
  PUBLISH,
  SUBACK,
  SUBSCRIBE,
  UNSUBSCRIBE,
} from '../../../src/protocol/mqtt/packet.ts';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { octets } from '../../../test/hex.ts';
import type { Raw } from '../links/link.ts';
import { anatomyOf, octetsOf, packetName } from './anatomy.ts';

function said(parts: readonly Part[]): Record<string, string> {
  return Object.fromEntries(parts.map((part) => [part.name, part.value]));
}

function whole(parts: readonly Part[], raw: Raw): void {
  expect(Buffer.concat(parts.map((part) => part.octets))).toEqual(Buffer.from(octetsOf(raw)));
}

const utf8 = new TextEncoder();
const ALL: Properties = {
  payloadFormatIndicator: 1,
  messageExpiryInterval: 70_000,
  contentType: 'text/plain',
  responseTopic: 're',
  correlationData: Uint8Array.of(1, 2, 3),
  subscriptionIdentifier: [300],
  topicAlias: 9,
  userProperty: [
    ['k', 'v'],
    ['k', ''],
  ],
};

const publish = (qos: 0 | 1 | 2, properties: Properties, payload: string): Packet => ({
  type: PUBLISH,
  dup: false,
  qos,
  retain: true,
  topic: 'a/b',
  id: qos === 0 ? 0 : 258,
  properties,
  payload: utf8.encode(payload),
});

const MQTT: readonly [name: string, level: 4 | 5, packet: Packet, says: Record<string, string>][] = [
  [
    'PUBLISH',
    5,
    publish(1, ALL, 'x'.repeat(200)),
    {
      'Packet type and flags': 'PUBLISH, QoS 1, RETAIN',
      'Topic name': 'a/b',
      'Packet identifier': '258',
      'Message Expiry Interval': '70000',
      'Correlation Data': '01 02 03',
      'Subscription Identifier': '300',
      'Content Type': 'text/plain',
      'User Property': 'k = ',
      Payload: '200 octets',
    },
  ],
  ['PUBLISH', 5, publish(0, NO_PROPERTIES, ''), { 'Properties length': '0 octets' }],
  ['PUBLISH', 4, publish(2, NO_PROPERTIES, 'p'), { Payload: '1 octet' }],
  [
    'CONNECT',
    5,
    {
      type: CONNECT,
      level: 5,
      bridge: false,
      clean: true,
      keepAlive: 30,
      clientId: 'me',
      username: 'u',
      password: utf8.encode('secret'),
      properties: { sessionExpiryInterval: 60, receiveMaximum: 5 },
      will: {
        topic: 'w',
        payload: utf8.encode('gone'),
        qos: 1,
        retain: true,
        properties: { willDelayInterval: 3 },
      },
    },
    {
      'Protocol level': '5, MQTT 5',
      'Connect flags': 'user name, password, will retained, will, clean start, will QoS 1',
      'Keep alive': '30 s',
      'Receive Maximum': '5',
      'Client identifier': 'me',
      'Will: Will Delay Interval': '3',
      'Will topic': 'w',
      'User name': 'u',
      Password: '6 octets, not shown',
    },
  ],
  [
    'CONNACK',
    5,
    { type: CONNACK, sessionPresent: true, code: 0, properties: { maximumQos: 1 } },
    { 'Acknowledge flags': 'session present', 'Reason code': '0x00, done', 'Maximum QoS': '1' },
  ],
  [
    'PUBACK',
    5,
    { type: PUBACK, id: 7, code: 0x87, properties: NO_PROPERTIES },
    { 'Reason code': '0x87, refused' },
  ],
  [
    'SUBSCRIBE',
    5,
    {
      type: SUBSCRIBE,
      id: 1,
      entries: [{ filter: 'a/#', qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 1 }],
      properties: NO_PROPERTIES,
    },
    {
      'Topic filter': 'a/#',
      'Subscription options': 'QoS 2, no local, retain as published, send them if it is new',
    },
  ],
  ['SUBACK', 4, { type: SUBACK, id: 1, codes: [1], properties: NO_PROPERTIES }, { Granted: 'QoS 1' }],
  [
    'UNSUBSCRIBE',
    4,
    { type: UNSUBSCRIBE, id: 1, filters: ['a'], properties: NO_PROPERTIES },
    { 'Topic filter': 'a' },
  ],
  ['PINGREQ', 4, { type: PINGREQ }, { 'Remaining length': '0 octets follow' }],
  [
    'DISCONNECT',
    5,
    { type: DISCONNECT, code: 0x8b, properties: { reasonString: 'bye' } },
    { 'Reason String': 'bye' },
  ],
];

test.each(MQTT)('%s of level %i: whole, in order, by name', (name, level, packet, says) => {
  const raw = encodePacket(packet, level).slice();
  const parts = anatomyOf(raw, level === 5 ? 'mqtt5' : 'mqtt311');
  whole(parts, raw);
  expect(said(parts)).toMatchObject(says);
  expect(parts.some((part) => part.kind === 'rest')).toBe(false);
  expect(packetName(raw, 'mqtt5')).toBe(name);
});

test('CoAP in WebSocket: each option by name and as what it means', () => {
  const options = [
    { number: OPTION.observe, value: encodeUint(0) },
    { number: OPTION.uriPath, value: utf8.encode('t') },
    { number: OPTION.contentFormat, value: encodeUint(50) },
    { number: OPTION.block2, value: encodeUint(0x1a) },
  ];
  const raw = encodeFrame(CODE.get, Uint8Array.of(1, 2), encodeOptions(options, 0, utf8.encode('{}')), true);
  const parts = anatomyOf(raw, 'coap');
  whole(parts, raw);
  expect(said(parts)).toMatchObject({
    Code: '0.01, Get',
    Token: '01 02',
    Observe: '0',
    'Uri-Path': 't',
    'Content-Format': '50, application/json',
    Block2: 'block 1 of 64 octets, more follow',
    Payload: '2 octets',
  });
  expect(packetName(raw, 'coap')).toBe('Get');
});

test('CoAP in datagrams and on streams', () => {
  const datagram = octets("41 01 30 39 ab b1 't' ff 'p'");
  expect(said(anatomyOfCoap(datagram, true))).toMatchObject({
    'Version, type, token length': 'version 1, Confirmable, token of 1',
    'Message ID': '12345',
    'Uri-Path': 't',
  });
  const csm = octets('d0 00 e1 22 04 80');
  expect(said(anatomyOfCoap(csm, false))).toMatchObject({ 'Max-Message-Size': '1152' });
});

test('JSON, events and requests: line by line, member by member', () => {
  const json = '{"type":"publish","topic":"a/é","payload":"x","qos":1}';
  whole(anatomyOf(json, 'waymeet'), json);
  expect(said(anatomyOf(json, 'waymeet'))).toEqual({ type: 'publish', topic: 'a/é', payload: 'x', qos: '1' });
  const event = 'id: 7\nevent: message\ndata: {"topic":"a"}';
  whole(anatomyOf(event, 'http'), event);
  expect(said(anatomyOf(event, 'http'))).toEqual({ id: '7', event: 'message', data: '{"topic":"a"}' });
  const request = 'POST /topics/a?qos=1 HTTP/1.1\nContent-Length: 5\n\nhello';
  whole(anatomyOf(request, 'http'), request);
  expect(said(anatomyOf(request, 'http'))).toMatchObject({
    'First line': 'POST /topics/a?qos=1 HTTP/1.1',
    'Content-Length': '5',
    Payload: '5 octets',
  });
  expect(packetName(request, 'http')).toBe('POST');
});

describe('noise: every octet is in one part, and nothing is thrown', () => {
  const dialects = fc.constantFrom('mqtt5', 'mqtt311', 'coap') as fc.Arbitrary<'mqtt5' | 'mqtt311' | 'coap'>;
  test('octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), dialects, (raw, dialect) =>
        whole(anatomyOf(raw, dialect), raw),
      ),
      fuzz(2_000),
    );
  });
  test('packets that are cut anywhere', () => {
    fc.assert(
      fc.property(fc.constantFrom(...MQTT), fc.nat(), (row, at) => {
        const raw = encodePacket(row[2], row[1]).slice();
        const cut = raw.subarray(0, at % (raw.length + 1));
        whole(anatomyOf(cut, row[1] === 5 ? 'mqtt5' : 'mqtt311'), cut);
      }),
      fuzz(500),
    );
  });
  test('text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (raw) => whole(anatomyOf(raw, 'http'), raw)),
      fuzz(500),
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1), (value, indent) => {
        const raw = JSON.stringify(value, null, indent);
        whole(anatomyOf(raw, 'waymeet'), raw);
      }),
      fuzz(300),
    );
  });
});
