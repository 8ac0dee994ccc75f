// The AMQP 0-9-1 codec: octets as the standard draws them, and laws over everything that can be said.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { octets as fromHex, hex } from '../../../test/hex.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { decodeContentHeader, decodeMethod } from './decode.ts';
import { encodeContentHeader, encodeMethod } from './encode.ts';
import { type Field, FieldReader, FieldWriter, type Table } from './fields.ts';
import { FrameCutter } from './frames.ts';
import { messageOf, propertiesOf } from './map.ts';
import { type ArgumentType, type BasicProperties, METHODS, type Method, type MethodName } from './packet.ts';

const ORIGIN = { protocol: 'amqp091', client: 'c', principal: 'anonymous' };

const METHOD_ROWS: readonly [octets: string, method: Method][] = [
  ['00 14 00 0a 00', { name: 'channel.open' }],
  [
    '00 3c 00 28 00 00 01 78 03 61 2e 62 01',
    { name: 'basic.publish', exchange: 'x', routingKey: 'a.b', mandatory: true, immediate: false },
  ],
  [
    '00 3c 00 78 00 00 00 00 00 00 00 05 03',
    { name: 'basic.nack', deliveryTag: 5, multiple: true, requeue: true },
  ],
  [
    '00 32 00 0a 00 00 01 71 0a 00 00 00 07 01 6b 49 00 00 00 01',
    {
      name: 'queue.declare',
      queue: 'q',
      passive: false,
      durable: true,
      exclusive: false,
      autoDelete: true,
      noWait: false,
      table: [['k', { type: 'I', value: 1 }]],
    },
  ],
];

test.each(METHOD_ROWS)('%s', (octets, method) => {
  const payload = fromHex(octets);
  expect(decodeMethod(payload, 0, payload.length)).toEqual(method);
  const frame = encodeMethod(1, method);
  expect(hex(frame.subarray(7, -1))).toBe(octets);
  expect(hex(frame.subarray(0, 3))).toBe('01 00 01');
  expect(frame.at(-1)).toBe(0xce);
});

const REFUSED: readonly [title: string, octets: string, code: number][] = [
  ['an unknown method', '00 63 00 01', 503],
  ['octets behind the method', '00 14 00 0a 00 00', 502],
  ['a method that ends early', '00 3c 00 50 00', 501],
  ['a text that is not UTF-8', '00 14 00 0a 01 ff', 502],
  ['a table longer than its frame', '00 55 00 0a 00 ff', 502],
  ['an unknown field type', '00 32 00 32 00 00 00 00 00 00 00 00 03 01 6b 7a', 502],
  ['a field behind its table', '00 32 00 32 00 00 00 00 00 00 00 00 03 01 6b 49 00 00 00 01', 502],
];

test.each(REFUSED)('refused: %s', (_title, octets, code) => {
  const payload = fromHex(octets);
  let why: unknown;
  try {
    decodeMethod(payload, 0, payload.length);
  } catch (thrown) {
    why = thrown;
  }
  expect(why).toBeInstanceOf(ProtocolError);
  expect((why as ProtocolError).code).toBe(code);
});

test('tables nested too deep are refused before they are read', () => {
  let table: Table = [];
  for (let i = 0; i < 40; i++) table = [['t', { type: 'F', value: table }]];
  const w = new FieldWriter();
  w.table(table);
  const octets = w.finish();
  expect(() => new FieldReader(octets, 0, octets.length).table()).toThrow('nested deeper');
});

describe('frames', () => {
  const sink = (): void => undefined;
  test.each([
    ['an unknown type', '05 00 00 00 00 00 00 ce', 'frame type'],
    ['a size beyond the limit', '01 00 00 7f ff ff ff', 'are allowed'],
    ['a wrong end', '08 00 00 00 00 00 00 cd', '0xCE'],
  ])('%s', (_title, octets, why) => {
    const bytes = fromHex(octets);
    expect(() => new FrameCutter(131_072, sink).cut(bytes, 0, bytes.length, () => true)).toThrow(why);
  });
});

// --- laws ---

const int = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
const shortText = fc.string({ unit: 'grapheme', maxLength: 20 });
const { field } = fc.letrec<{ field: Field; table: Table }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 3 },
    fc.boolean().map((value) => ({ type: 't', value }) as const),
    int(8).map((value) => ({ type: 'b', value }) as const),
    fc.nat(255).map((value) => ({ type: 'B', value }) as const),
    int(16).map((value) => ({ type: 's', value }) as const),
    fc.nat(65_535).map((value) => ({ type: 'u', value }) as const),
    int(32).map((value) => ({ type: 'I', value }) as const),
    fc.nat(2 ** 31 - 1).map((value) => ({ type: 'i', value }) as const),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map((value) => ({ type: 'l', value }) as const),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((value) => ({ type: 'T', value }) as const),
    fc.float({ noNaN: true }).map((value) => ({ type: 'f', value }) as const),
    fc.double({ noNaN: true }).map((value) => ({ type: 'd', value }) as const),
    shortText.map((value) => ({ type: 'S', value }) as const),
    fc.uint8Array({ maxLength: 8 }).map((value) => ({ type: 'x', value }) as const),
    fc.uint8Array({ minLength: 5, maxLength: 5 }).map((value) => ({ type: 'D', value }) as const),
    fc.constant({ type: 'V', value: null } as const),
    fc.array(tie('field'), { maxLength: 3 }).map((value) => ({ type: 'A', value }) as const),
    tie('table').map((value) => ({ type: 'F', value }) as const),
  ),
  table: fc.array(fc.tuple(shortText, tie('field')), { maxLength: 3 }),
}));
const table: fc.Arbitrary<Table> = fc.array(fc.tuple(shortText, field), { maxLength: 4 });

const ARGUMENTS: Readonly<Record<ArgumentType, fc.Arbitrary<unknown>>> = {
  octet: fc.nat(255),
  short: fc.nat(65_535),
  long: fc.nat(2 ** 31 - 1),
  longlong: fc.nat(Number.MAX_SAFE_INTEGER),
  shortstr: shortText,
  longstr: fc.uint8Array({ maxLength: 20 }),
  bit: fc.boolean(),
  table,
  id: shortText,
};

const method: fc.Arbitrary<Method> = fc
  .constantFrom(...(Object.keys(METHODS) as MethodName[]))
  .chain((name) =>
    fc.record({
      name: fc.constant(name),
      ...Object.fromEntries(
        METHODS[name].args.filter(([arg]) => arg !== '').map(([arg, type]) => [arg, ARGUMENTS[type]]),
      ),
    }),
  ) as fc.Arbitrary<Method>;

test('[law] a method comes back, however its octets are cut', () => {
  fc.assert(
    fc.property(fc.array(method, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(40)), (methods, cuts) => {
      const stream = new Uint8Array(Buffer.concat(methods.map((m) => encodeMethod(3, m))));
      const found: Method[] = [];
      const cutter = new FrameCutter(131_072, (_type, _channel, bytes, start, end) =>
        found.push(decodeMethod(bytes.slice(), start, end)),
      );
      let held = 0;
      let end = 0;
      for (const cut of [...cuts, stream.length]) {
        end = Math.min(stream.length, end + cut);
        held = cutter.cut(stream, held, end, () => true);
      }
      expect(found).toEqual(methods);
    }),
    { seed: 1, numRuns: 200 },
  );
});

test('[law] a frame longer than what is held back is gathered', () => {
  const large: Method = { name: 'connection.secure', challenge: new Uint8Array(60_000).fill(7) };
  const stream = encodeMethod(0, large);
  const found: Method[] = [];
  const cutter = new FrameCutter(131_072, (_type, _channel, bytes, start, end) =>
    found.push(decodeMethod(bytes, start, end)),
  );
  for (let at = 0; at < stream.length; at += 1_000) {
    const end = Math.min(stream.length, at + 1_000);
    expect(cutter.cut(stream, at, end, () => true)).toBe(end);
  }
  expect(found).toEqual([large]);
});

const properties: fc.Arbitrary<BasicProperties> = fc.record(
  {
    contentType: shortText,
    contentEncoding: shortText,
    headers: fc.array(
      fc.tuple(
        shortText.filter((name) => !name.startsWith('x-')),
        field,
      ),
      { minLength: 1, maxLength: 4 },
    ),
    deliveryMode: fc.constantFrom(1, 2),
    priority: fc.nat(255),
    correlationId: shortText,
    replyTo: shortText,
    messageId: shortText,
    timestamp: fc.nat(2 ** 31),
    type: shortText,
    userId: shortText,
    appId: shortText,
    clusterId: shortText,
  },
  { requiredKeys: ['deliveryMode'] },
);

test('[law] properties survive the header, and the way through the hub, with every type', () => {
  fc.assert(
    fc.property(properties, (p) => {
      const header = encodeContentHeader(9, p);
      expect(decodeContentHeader(header, 0, header.length)).toEqual({ bodySize: 9, properties: p });
      const m = messageOf('t', p, new Uint8Array(), p.deliveryMode === 2 ? 1 : 0, ORIGIN, 0);
      expect(propertiesOf(m, 0, true)).toEqual(p);
    }),
    { seed: 2, numRuns: 300 },
  );
});

test('[law] noise gives methods or ProtocolError', () => {
  fc.assert(
    fc.property(
      method,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(4),
      (m, flips, cut) => {
        const payload = encodeMethod(1, m).slice(7, -1);
        for (const [at, octet] of flips) payload[at % payload.length] = octet;
        try {
          decodeMethod(payload, 0, Math.max(0, payload.length - cut));
        } catch (why) {
          expect(why).toBeInstanceOf(ProtocolError);
        }
      },
    ),
    { seed: 3, numRuns: 1_000 },
  );
});
