// The HTTP mapping: what a message says comes out of its header fields again, and noise is refused, never worse.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Message, type Meta, NEVER } from '../../contract/message.ts';
import { decodeRequest } from './decode.ts';
import { headersOf, metaOf } from './map.ts';
import { Refusal } from './packet.ts';

const ORIGIN = { protocol: 'http', client: 'c', principal: 'anonymous' };
const LIMITS = { topicLevels: 8, topicBytes: 200 };

const anyId = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(':AAE=:', 'ulong:5', 'uuid:0', '::', 'a%20b'),
  fc.uint8Array({ maxLength: 9 }),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.uuid().map((uuid) => ({ uuid })),
);
const anyMeta: fc.Arbitrary<Meta> = fc.record(
  {
    contentType: fc.constantFrom('image/png', 'application/x-thing; a=b'),
    responseTopic: fc.string({ unit: 'grapheme', minLength: 1 }),
    correlation: anyId,
    messageId: anyId,
    priority: fc.nat(255),
    createdAt: fc.nat(),
    groupId: fc.string({ unit: 'grapheme', minLength: 1 }),
    groupSequence: fc.nat(),
    user: fc.array(
      fc.record({
        name: fc.string({ unit: 'grapheme' }),
        value: fc.oneof(
          fc.string({ unit: 'grapheme' }),
          fc.constant(':AA==:'),
          fc.uint8Array({ maxLength: 5 }),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  },
  { requiredKeys: ['contentType'] },
);

test('[law] properties there and back, types and order kept, and every field is visible ASCII', () => {
  fc.assert(
    fc.property(anyMeta, (meta) => {
      const fields = headersOf(new Message('t', new Uint8Array(0), 1, false, ORIGIN, 5, NEVER, meta), 5);
      for (const value of Object.values(fields)) expect(value).toMatch(/^[!-~](?:[ -~]*[!-~])?$|^$/);
      const lower = Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]);
      expect(metaOf(Object.fromEntries(lower))).toEqual(meta);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('[law] whatever is asked: an operation or a Refusal', () => {
  const part = fc.constantFrom(
    'topics',
    'request',
    'subscribe',
    'publish',
    'a',
    '%',
    '%zz',
    '#',
    '+',
    '',
    '..',
    '%2F',
  );
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('1', '-1', '30', 'true', 'wm-0/1', ':x:', 'wait=9', '9e9'),
  );
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'BREW'),
      fc.array(part, { maxLength: 4 }),
      fc.dictionary(fc.constantFrom('qos', 'retain', 'expiry', 'filter', 'timeout', 'x'), value, {
        maxKeys: 2,
      }),
      fc.dictionary(
        fc.constantFrom('prefer', 'last-event-id', 'waymeet-user', 'waymeet-correlation', 'waymeet-priority'),
        value,
        { maxKeys: 2 },
      ),
      fc.uint8Array({ maxLength: 20 }),
      (method, parts, query, headers, body) => {
        try {
          const path = `/${parts.join('/')}`;
          decodeRequest({ method, path, query: new URLSearchParams(query), headers, body }, LIMITS);
        } catch (why) {
          expect(why).toBeInstanceOf(Refusal);
          expect((why as Refusal).status).toBeGreaterThanOrEqual(400);
          expect((why as Refusal).status).toBeLessThan(500);
        }
      },
    ),
    { seed: 2, numRuns: 1_000 },
  );
});

describe('what curl says without being asked', () => {
  test('a form is no content type', () =>
    expect(metaOf({ 'content-type': 'application/x-www-form-urlencoded' })).toBeUndefined());
  test('JSON is text', () =>
    expect(metaOf({ 'content-type': 'application/json' })).toEqual({
      contentType: 'application/json',
      text: true,
    }));
});
