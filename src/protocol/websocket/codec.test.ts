// The `waymeet.v1` codec: frames that are taken, frames that are refused and why, and what a message becomes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeCbor } from '../../bytes/cbor.ts';
import { Message, type Meta, NEVER } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { decodeFrame, decodeHubFrame } from './decode.ts';
import { encodeFrame } from './encode.ts';
import { contentOf, fromBase64, messageOf, publishedContent, toBase64 } from './map.ts';
import type { ClientFrame, FrameContent, HubFrame } from './packet.ts';

const ORIGIN = { protocol: 'waymeet.v1', client: 'c', principal: 'anonymous' };

function decode(text: string): ClientFrame {
  const bytes = new TextEncoder().encode(text);
  return decodeFrame(bytes, 0, bytes.length);
}

const TAKEN: readonly ClientFrame[] = [
  { type: 'connect' },
  { type: 'connect', client: 'c', username: 'u', password: 'p', keepMs: 1, fresh: true, keepAliveMs: 5 },
  { type: 'connect', will: { topic: 'w', payload: 'gone', qos: 1, retain: true, delayMs: 3 } },
  { type: 'publish', topic: 'a' },
  { type: 'publish', topic: 'a', payload: 'Wärme \u{1f321}', qos: 1, retain: true, id: 0, expiryMs: 1 },
  { type: 'publish', topic: 'a', payloadBase64: 'AP8=', contentType: 'x/y', correlation: { base64: 'AAE=' } },
  { type: 'publish', topic: 'a', correlation: { ulong: '18446744073709551615' }, priority: 255 },
  { type: 'publish', topic: 'a', messageId: { uuid: '00000000-0000-0000-0000-00000000000a' } },
  {
    type: 'publish',
    topic: 'a',
    user: [
      { name: 'n', value: 'v' },
      { name: 'n', value: 1.5 },
      { name: 'n', value: { long: '-5' }, section: 's' },
      { name: 'n', value: { base64: '' } },
    ],
  },
  { type: 'subscribe', filter: '#', qos: 1, noLocal: true, id: 9_007_199_254_740_991 },
  { type: 'subscribe', filter: '$queue/jobs', qos: 2, retained: 'new' },
  { type: 'unsubscribe', filter: '#', id: 1 },
  { type: 'request', topic: 'a', id: 3, payload: 'how warm?', timeoutMs: 500 },
  { type: 'publish', topic: 'a', qos: 2, id: 4 },
  { type: 'received', id: 2 },
  { type: 'release', id: 4 },
  { type: 'ack', id: 1 },
  { type: 'reject', id: 1, requeue: true },
  { type: 'renew', username: 'ann', password: 'token', id: 5 },
  { type: 'ping' },
  { type: 'disconnect' },
];

test.each(TAKEN)('taken: %j', (frame) => {
  expect(decode(JSON.stringify(frame))).toEqual(frame);
  const cbor = encodeFrame(frame, 'cbor');
  expect(decodeFrame(cbor, 0, cbor.length)).toEqual(frame);
});

const SAID: readonly HubFrame[] = [
  { type: 'connected', client: 'c', resumed: false, window: 1_024, maxBytes: 65_536 },
  { type: 'renewed', validUntil: 1_800_000_000_000, id: 5 },
  { type: 'published', id: 1, unmatched: true },
  { type: 'received', id: 1 },
  { type: 'release', id: 2 },
  { type: 'subscribed', filter: '#', qos: 2 },
  { type: 'unsubscribed', filter: '#', id: 1 },
  { type: 'message', topic: 'a', payload: 'x', qos: 2, retain: false, ack: 4, again: true, expiresAt: 9 },
  { type: 'response', id: 1, payloadBase64: 'AP8=', correlation: '1' },
  { type: 'pong' },
  { type: 'error', code: 'timeout', reason: 'nobody answered in time', id: 3 },
];

test.each(SAID)('said: %j', (frame) => {
  for (const form of ['json', 'cbor'] as const) {
    const octets = encodeFrame(frame, form);
    expect(decodeHubFrame(octets, 0, octets.length)).toEqual(frame);
  }
});

test('a hub of a later version may say more', () => {
  const octets = encodeFrame({ type: 'pong', mood: 'fine' } as HubFrame, 'json');
  expect(decodeHubFrame(octets, 0, octets.length)).toMatchObject({ type: 'pong' });
});

test('in CBOR octets are byte strings', () => {
  const frame: ClientFrame = {
    type: 'publish',
    topic: 'a',
    payload: Uint8Array.of(0, 0xff),
    correlation: Uint8Array.of(1),
    user: [{ name: 'n', value: Uint8Array.of(2) }],
  };
  const octets = encodeFrame(frame, 'cbor');
  const taken = decodeFrame(octets, 0, octets.length);
  expect(taken).toEqual(frame);
  expect(messageOf(taken as FrameContent, ORIGIN, 0)).toMatchObject({
    payload: Uint8Array.of(0, 0xff),
    meta: { correlation: Uint8Array.of(1), user: [{ name: 'n', value: Uint8Array.of(2) }] },
  });
});

const REFUSED_CBOR: readonly [name: string, octets: Uint8Array, why: string][] = [
  ['a map that is cut off', Uint8Array.of(0xa1, 0x64, 0x74), 'cut off'],
  ['a map without end', Uint8Array.of(0xbf, 0xff), 'without end'],
  ['a length beyond the frame', Uint8Array.of(0xa1, 0x7b, 1, 0, 0, 0, 0, 0, 0, 0), 'a number beyond 2^53'],
  ['two of one name', Uint8Array.of(0xa2, 0x61, 0x61, 1, 0x61, 0x61, 2), 'a key twice'],
  ['another type for a field', encodeCbor({ type: 'ack', id: 'x' }), 'id is not a whole number'],
  ['an unknown field', encodeCbor({ type: 'ping', ['__proto__']: 1 }), '"__proto__" is not known'],
  ['nested too deep', encodeCbor({ type: 'ping', x: [[[[[[[[[1]]]]]]]]] }), 'deeper than 8'],
];

test.each(REFUSED_CBOR)('refused in CBOR: %s', (_name, octets, why) => {
  expect(() => decodeFrame(octets, 0, octets.length)).toThrow(ProtocolError);
  expect(() => decodeFrame(octets, 0, octets.length)).toThrow(why);
});

const REFUSED: readonly [text: string, why: string][] = [
  ['', 'not JSON'],
  ['{', 'not JSON'],
  ['{"type":"ping"} x', 'not JSON'],
  ['[]', 'not an object'],
  ['null', 'not an object'],
  ['{}', 'type is none of connect'],
  ['{"type":"__proto__"}', 'type is none of connect'],
  ['{"type":"toString"}', 'type is none of connect'],
  ['{"type":1}', 'type is none of connect'],
  ['{"type":"ping","id":1}', 'ping: "id" is not known'],
  ['{"type":"ping","__proto__":{}}', '"__proto__" is not known'],
  ['{"type":"publish"}', 'publish: topic is not a string'],
  ['{"type":"publish","topic":"a","Qos":1}', '"Qos" is not known'],
  ['{"type":"publish","topic":"a","qos":3}', 'qos is none of 0, 1 and 2'],
  ['{"type":"publish","topic":"a","qos":null}', 'qos is none of 0, 1 and 2'],
  ['{"type":"publish","topic":"a","retain":"true"}', 'retain is neither true nor false'],
  ['{"type":"publish","topic":"a","payload":{}}', 'payload is not a string'],
  ['{"type":"publish","topic":"a","payload":"","payloadBase64":""}', 'payload is given twice'],
  ['{"type":"publish","topic":"a","payloadBase64":"A"}', 'payloadBase64 is not base64'],
  ['{"type":"publish","topic":"a","payloadBase64":"AA A"}', 'payloadBase64 is not base64'],
  ['{"type":"publish","topic":"a","id":-1}', 'id is not a whole number'],
  ['{"type":"publish","topic":"a","id":1.5}', 'id is not a whole number'],
  ['{"type":"publish","topic":"a","id":9007199254740992}', 'id is not a whole number'],
  ['{"type":"publish","topic":"a","priority":256}', 'priority is not a number from 0 to 255'],
  [
    '{"type":"publish","topic":"a","correlation":{"ulong":"18446744073709551616"}}',
    'correlation is no ulong',
  ],
  ['{"type":"publish","topic":"a","correlation":{"ulong":"1","uuid":""}}', 'correlation has not one of'],
  ['{"type":"publish","topic":"a","correlation":{"constructor":"1"}}', 'correlation has not one of'],
  ['{"type":"publish","topic":"a","correlation":5}', 'correlation has a type that is not offered'],
  ['{"type":"publish","topic":"a","user":{}}', 'user is not a list'],
  ['{"type":"publish","topic":"a","user":[{"name":"n"}]}', 'user has a property whose value'],
  ['{"type":"publish","topic":"a","user":[{"name":"n","value":1,"x":1}]}', '"x" is not known'],
  ['{"type":"connect","will":{"payload":"x"}}', 'will topic is not a string'],
  ['{"type":"connect","will":[]}', 'will value is not an object'],
  [`{"type":"ping","x":${'['.repeat(9)}${']'.repeat(9)}}`, 'nested deeper than 8'],
];

test.each(REFUSED)('refused: %s', (text, why) => {
  expect(() => decode(text)).toThrow(ProtocolError);
  expect(() => decode(text)).toThrow(why);
});

test('[RFC6455-8.1] text that is not UTF-8 is refused', () => {
  const bytes = Uint8Array.of(0x22, 0xff, 0x22);
  expect(() => decodeFrame(bytes, 0, 3)).toThrow(ProtocolError);
});

test('brackets inside strings are no nesting', () => {
  const payload = `${'['.repeat(50)}\\"${'{'.repeat(50)}`;
  expect(decode(JSON.stringify({ type: 'publish', topic: 'a', payload }))).toMatchObject({ payload });
});

describe('messages', () => {
  const message = (payload: Uint8Array, meta?: Meta): Message =>
    new Message('a', payload, 0, false, ORIGIN, 5, NEVER, meta);

  test.each<[string, Uint8Array, Meta | undefined, object]>([
    ['text', Buffer.from('hé'), undefined, { topic: 'a', payload: 'hé' }],
    [
      'a byte order mark stays',
      Uint8Array.of(0xef, 0xbb, 0xbf, 0x61),
      undefined,
      { topic: 'a', payload: '\ufeffa' },
    ],
    ['octets', Uint8Array.of(0xff, 0), undefined, { topic: 'a', payloadBase64: '/wA=' }],
    [
      'octets that somebody called so',
      Buffer.from('hi'),
      { text: false },
      { topic: 'a', payloadBase64: 'aGk=' },
    ],
    [
      'octets that were called text',
      Uint8Array.of(0xff),
      { text: true },
      { topic: 'a', payloadBase64: '/w==' },
    ],
    [
      'a number that JSON lacks',
      Buffer.from(''),
      { user: [{ name: 'n', value: Number.NaN }] },
      { topic: 'a', payload: '', user: [{ name: 'n', value: 'NaN' }] },
    ],
  ])('%s', (_name, payload, meta, content) => {
    expect(contentOf(message(payload, meta), 'json')).toEqual(content);
  });

  test('expiry is told as a point in time', () => {
    expect(contentOf(messageOf({ topic: 'a', expiryMs: 1_500 }, ORIGIN, 1_000), 'json')).toMatchObject({
      expiresAt: 2_500,
    });
  });

  test('[law] base64 there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
        expect(fromBase64(toBase64(octets))).toEqual(octets);
        expect(toBase64(octets)).toBe(Buffer.from(octets).toString('base64'));
      }),
      { seed: 1, numRuns: 100 },
    );
    const large = new Uint8Array(100_000).fill(7);
    expect(toBase64(large)).toBe(Buffer.from(large).toString('base64'));
  });

  const anyId = fc.oneof(
    fc.string(),
    fc.uint8Array({ maxLength: 8 }).map((o) => ({ base64: toBase64(o) })),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((n) => ({ ulong: n.toString() })),
    fc.uuid().map((uuid) => ({ uuid })),
  );
  const anyContent: fc.Arbitrary<FrameContent> = fc.record(
    {
      topic: fc.string({ minLength: 1 }),
      payload: fc.string({ unit: 'grapheme' }),
      contentType: fc.string(),
      responseTopic: fc.string(),
      correlation: anyId,
      messageId: anyId,
      priority: fc.nat(255),
      createdAt: fc.nat(),
      groupId: fc.string(),
      groupSequence: fc.nat(),
      user: fc.array(
        fc.record({
          name: fc.string(),
          value: fc.oneof(
            fc.string(),
            fc.boolean(),
            fc.integer(),
            fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map((n) => ({ long: n.toString() })),
            fc.uint8Array({ maxLength: 8 }).map((o) => ({ base64: toBase64(o) })),
          ),
        }),
        { maxLength: 4 },
      ),
    },
    { requiredKeys: ['topic', 'payload'] },
  );

  test('[law] what a frame says comes out of the message again, property for property', () => {
    fc.assert(
      fc.property(anyContent, (content) => {
        const frame = decode(JSON.stringify({ type: 'publish', ...content })) as FrameContent;
        expect(contentOf(messageOf(frame, ORIGIN, 0), 'json')).toEqual(content);
      }),
      { seed: 2, numRuns: 150 },
    );
  });

  test('[law] a message that is published in CBOR arrives as it was, property for property', () => {
    fc.assert(
      fc.property(anyContent, (content) => {
        const m = messageOf(content, ORIGIN, 0);
        const octets = encodeFrame({ type: 'publish', ...publishedContent(m, 'cbor', 0) }, 'cbor');
        const frame = decodeFrame(octets, 0, octets.length) as FrameContent;
        expect(messageOf(frame, ORIGIN, 0)).toEqual(m);
      }),
      { seed: 4, numRuns: 150 },
    );
  });

  test('[law] noise gives frames or ProtocolError', () => {
    const seedFrames = TAKEN.flatMap((f) => [encodeFrame(f, 'json'), encodeFrame(f, 'cbor')]);
    fc.assert(
      fc.property(
        fc.constantFrom(...seedFrames),
        fc.nat(),
        fc.nat(255),
        fc.nat(3),
        (frame, at, octet, cut) => {
          const bytes = frame.slice();
          bytes[at % bytes.length] = octet;
          try {
            decodeFrame(bytes, 0, Math.max(0, bytes.length - cut));
          } catch (why) {
            expect(why).toBeInstanceOf(ProtocolError);
          }
        },
      ),
      { seed: 3, numRuns: 1_000 },
    );
  });
});
