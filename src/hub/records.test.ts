// What is written into the store comes back as it was.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Reader } from '../bytes/reader.ts';
import { Writer } from '../bytes/writer.ts';
import { Message, type Meta, type Qos, type UserProperty } from '../contract/message.ts';
import { readMessage, readSubscription, writeMessage, writeSubscription } from './records.ts';

const octets = fc.uint8Array({ maxLength: 300 });
const id = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  octets,
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.uuid().map((uuid) => ({ uuid })),
);
const property = fc.record(
  {
    name: fc.string({ unit: 'grapheme' }),
    value: fc.oneof(fc.string(), fc.double({ noNaN: true }), fc.bigInt(), fc.boolean(), octets),
    section: fc.string({ minLength: 1 }),
  },
  { requiredKeys: ['name', 'value'] },
) as fc.Arbitrary<UserProperty>;
const meta = fc.record(
  {
    contentType: fc.string(),
    contentEncoding: fc.string(),
    text: fc.boolean(),
    responseTopic: fc.string({ unit: 'grapheme', maxLength: 500 }),
    correlation: id,
    messageId: id,
    priority: fc.integer({ min: 0, max: 255 }),
    createdAt: fc.integer({ min: 0 }),
    groupId: fc.string(),
    groupSequence: fc.nat(),
    user: fc.array(property, { minLength: 1, maxLength: 5 }),
    wrapping: fc.record({ dialect: fc.string(), before: octets, after: octets, around: fc.boolean() }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Meta>;
const message = fc
  .record({
    topic: fc.string({ unit: 'grapheme', maxLength: 300 }),
    payload: octets,
    qos: fc.constantFrom<Qos>(0, 1, 2),
    retain: fc.boolean(),
    protocol: fc.string(),
    client: fc.string({ unit: 'grapheme' }),
    at: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    expiresAt: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.double({ min: 0, max: 1e15, noNaN: true })),
    meta: fc.option(
      meta.filter((m) => Object.keys(m).length > 0),
      { nil: undefined },
    ),
  })
  .map(
    (m) =>
      new Message(
        m.topic,
        m.payload,
        m.qos,
        m.retain,
        { protocol: m.protocol, client: m.client, principal: 'p' },
        m.at,
        m.expiresAt,
        m.meta,
      ),
  );

test('messages, several in one record', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), (all) => {
      const w = new Writer();
      for (const m of all) writeMessage(w, m);
      const r = new Reader(w.finish());
      for (const m of all) expect(readMessage(r)).toEqual(m);
      expect(r.ended).toBe(true);
    }),
    { seed: 1 },
  );
});

test('a record that ends early is a RangeError, never something else', () => {
  fc.assert(
    fc.property(message, fc.double({ min: 0, max: 0.999, noNaN: true }), (m, part) => {
      const w = new Writer();
      writeMessage(w, m);
      const whole = w.finish();
      expect(() => readMessage(new Reader(whole.subarray(0, Math.floor(whole.length * part))))).toThrow(
        RangeError,
      );
    }),
    { seed: 1 },
  );
});

test('subscriptions, up to the largest tag', () => {
  const s = { filter: 'a/ü/#', qos: 2 as Qos, noLocal: true, tag: 2 ** 40 + 3 };
  const w = new Writer();
  writeSubscription(w, s);
  expect(readSubscription(new Reader(w.finish()))).toEqual(s);
});
