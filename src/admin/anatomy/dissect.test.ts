// Taking packets apart: what each protocol's are called and hold, secrets, and octets that are no packet at all.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { encodeFrame } from '../../protocol/websocket/encode.ts';
import { dissectorOf } from './dissect.ts';

const PROTOCOLS = [
  'mqtt',
  'coap',
  'coap+tcp',
  'coap+ws',
  'waymeet.v1',
  'mqttsn',
  'stomp',
  'amqp091',
  'amqp1',
  'http',
  'other',
];

const octets = (text: string): Uint8Array => Buffer.from(text.replace(/\s/g, ''), 'hex');
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

const PACKETS: readonly [protocol: string, packet: Uint8Array, expected: object][] = [
  ['mqtt', octets('30 07 00 03 61 2f 62 68 69'), { name: 'PUBLISH', topic: 'a/b' }],
  ['coap', octets('50 03 00 01 b1 74 01 61 01 62 ff 68 69'), { name: 'Put', topic: 'a/b' }],
  ['coap+tcp', octets('00 e1'), { name: 'Csm' }],
  ['mqttsn', octets('09 0c 62 61 62 00 00 68 69'), { name: 'PUBLISH' }],
  ['stomp', text('SEND\ndestination:/topic/a/b\n\nhi\0'), { name: 'SEND', topic: 'a/b' }],
  ['amqp091', octets('08 00 00 00 00 00 00 ce'), { name: 'heartbeat' }],
  ['amqp1', octets('00000008 02000000'), { name: 'empty frame' }],
  [
    'amqp1',
    octets('00000021 02000000 005312 c0 14 07 a10178 43 42 404040 005329 c0 06 01 a103612f62'),
    { name: 'attach', topic: 'a/b' },
  ],
  ['waymeet.v1', text('{"type":"publish","topic":"a/b","payload":"hi"}'), { name: 'publish', topic: 'a/b' }],
  ['waymeet.v1', encodeFrame({ type: 'publish', topic: 'a/b' }, 'cbor'), { name: 'publish', topic: 'a/b' }],
];

const HTTP: readonly [direction: 'in' | 'out', packet: string, expected: object][] = [
  ['in', 'POST /topics/a%20b/c?qos=1 HTTP/1.1\r\nHost: h\r\n\r\nhi', { name: 'POST', topic: 'a b/c' }],
  ['out', 'HTTP/1.1 200 OK\r\nDate: now\r\n\r\n{}', { name: '200 OK', topic: 'a b/c' }],
  [
    'in',
    'POST /publish HTTP/1.1\r\nHost: h\r\n\r\n[{"topic":"a"},{"topic":"b"}]',
    { name: 'POST', topics: ['a', 'b'] },
  ],
  ['out', 'HTTP/1.1 400 Bad Request\r\n\r\n', { name: '400 Bad Request', topics: ['a', 'b'] }],
  ['in', 'GET /subscribe?filter=%23 HTTP/1.1\r\nHost: h\r\n\r\n', { name: 'GET' }],
  ['out', '1c\r\nid: 7\ndata: {"topic":"d/e"}\n\n\r\n', { name: 'event', topic: 'd/e' }],
  ['out', 'e\r\n: still here\n\n\r\n', { name: 'sign of life' }],
  ['out', '0\r\n\r\n', { name: 'end' }],
];

test('http: requests, answers that have the topic of their request, events', () => {
  const dissector = dissectorOf('http');
  for (const [direction, packet, expected] of HTTP) {
    const octets = text(packet);
    expect(dissector.length(octets, 0, octets.length)).toBe(octets.length);
    const shown = dissector.dissect(octets, direction);
    expect(shown, packet).toMatchObject({ ...expected, octets });
    let at = 0;
    for (const { value, from = -1, to = -1 } of shown.fields) {
      expect(packet.slice(from, to), packet).toContain(value);
      expect(from, packet).toBe(at);
      at = to;
    }
    expect(at, packet).toBe(packet.length);
  }
});

test.each(PACKETS)('%s', (protocol, packet, expected) => {
  const dissector = dissectorOf(protocol);
  expect(dissector.length(packet, 0, packet.length)).toBe(packet.length);
  expect(dissector.dissect(packet, 'in')).toMatchObject({ ...expected, octets: packet });
});

test('XMPP: a proof is starred wherever it is cut, and what comes after the login is shown', () => {
  const dissector = dissectorOf('xmpp');
  const say = (octets: string) => Buffer.from(dissector.dissect(text(octets), 'in').octets).toString();
  expect(say("<stream:stream to='h'>")).toBe("<stream:stream to='h'>");
  expect(say("<auth mechanism='PLA")).toBe("<auth mechanism='PLA");
  expect(say("IN'>AHUAaHV")).toBe("IN'>*******");
  expect(say('zaA==</auth>')).toBe('*****</auth>');
  expect(say("<message to='b'><body>hi</body></message>")).toBe("<message to='b'><body>hi</body></message>");
});

describe('secrets are not shown', () => {
  const secret = 'hush';
  const secrets: readonly [string, Uint8Array][] = [
    ['mqtt', octets('10 15 00 04 4d515454 04 c0 00 00 00 01 63 00 01 75 00 04 68757368')],
    ['stomp', text('CONNECT\nlogin:u\npasscode:hush\n\n\0')],
    ['waymeet.v1', text('{"type":"connect","password":"hush"}')],
    ['waymeet.v1', text('{"type":"renew","password":"hush"}')],
    ['http', text('GET /topics/a HTTP/1.1\r\nauthorization:Bearer hush\r\nHost: h\r\n\r\n')],
    ['http', text('GET /topics/a HTTP/1.1\r\nCookie: a=hush\r\n\r\nhi')],
    ['coap', octets('50 03 00 01 b1 74 01 61 46 703d68757368 ff 6869')],
    ['coap+ws', octets('00 01 d6 02 703d68757368')],
    ['coap', octets('50 03 00 01 dd 16 07 636f61703a2f2f682f613f753d6926703d68757368')],
    ['amqp091', octets('01 0000 0000000f 000a0046 00000004 68757368 02 6f6b ce')],
    ['xmpp+ws', text('<auth mechanism="PLAIN">hush</auth>')],
    ['waymeet.v1', text('{"type":"connect","passwort":"hush"}')],
    [
      'amqp091',
      octets(
        '01 0000 0000001e 000a000b 00000000 05504c41494e 0000000a 00 75 00 68757368 68757368 05656e5f5553 ce',
      ),
    ],
    ['amqp1', octets('0000001e 02010000 005341 c0 11 02 a305504c41494e a007 00 75 00 68757368')],
    ['amqp1', octets('0000001d 02010000 005341 c0 11 02 a305504c41494e a007 00 75 00 68757368')],
  ];
  test.each(secrets)('%s', (protocol, packet) => {
    const shown = dissectorOf(protocol).dissect(packet, 'in');
    expect(Buffer.from(shown.octets).toString('latin1')).not.toContain(secret);
    expect(JSON.stringify(shown.fields)).not.toContain(secret);
  });
});

test.each(PROTOCOLS)('[law] %s: whatever the octets are, they are cut into pieces and shown', (protocol) => {
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.constantFrom(...PACKETS.map(([, packet]) => packet)),
  );
  const direction = fc.constantFrom('in', 'out') as fc.Arbitrary<'in' | 'out'>;
  fc.assert(
    fc.property(
      fc.array(some, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.nat(255),
      direction,
      (all, at, octet, way) => {
        const bytes = Buffer.concat(all);
        if (bytes.length === 0) return;
        bytes[at % bytes.length] = octet;
        const dissector = dissectorOf(protocol);
        const length = dissector.length(bytes, 0, bytes.length);
        expect(length === undefined || length > 0).toBe(true);
        expect(dissector.dissect(bytes.subarray(0, length), way).name).not.toBe('');
      },
    ),
    fuzz(300),
  );
});
