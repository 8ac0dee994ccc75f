// Laws of a whole AMQP 0-9-1 connection: whatever frames come in whatever order, the wire ends or goes on, and nobody else notices.

import fc from 'fast-check';
import { describe, test } from 'vitest';
import { Amqp091Client } from '../../../test/amqp091-client.ts';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { startBroker } from '../../../test/network.ts';
import { encodeMethod } from './encode.ts';
import type { FieldType, Table } from './fields.ts';
import { type ArgumentType, FRAME_END, METHODS, type Method, PROTOCOL_HEADER } from './packet.ts';

const name = fc.constantFrom(
  '',
  'a',
  'b',
  'amq.topic',
  'amq.fanout',
  'amq.headers',
  'amq.gen-x',
  'topic',
  'headers',
  '#',
);
const field = fc.oneof(
  fc.string({ maxLength: 4 }).map((value) => ({ type: 'S' as FieldType, value })),
  fc.integer().map((value) => ({ type: 'I' as FieldType, value })),
  fc.boolean().map((value) => ({ type: 't' as FieldType, value })),
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map((value) => ({ type: 'l' as FieldType, value })),
);
const key = fc.constantFrom(
  'x-match',
  'x-message-ttl',
  'x-expires',
  'x-max-length',
  'x-max-priority',
  'x-dead-letter-exchange',
  'x-overflow',
  'alternate-exchange',
  'h',
);
const table: fc.Arbitrary<Table> = fc.array(fc.tuple(key, field), { maxLength: 3 });
const octets = fc.uint8Array({ maxLength: 12 });

const ARGUMENTS: Readonly<Record<ArgumentType, fc.Arbitrary<unknown>>> = {
  octet: fc.nat(255),
  short: fc.constantFrom(0, 1, 10, 65_535),
  long: fc.constantFrom(0, 1, 4_096, 4_294_967_295),
  longlong: fc.nat(5),
  shortstr: name,
  longstr: octets,
  bit: fc.boolean(),
  table,
  id: name,
};

const method: fc.Arbitrary<Method> = fc
  .constantFrom(...Object.entries(METHODS))
  .chain(([called, { args }]) =>
    fc
      .record(
        Object.fromEntries(args.filter(([arg]) => arg !== '').map(([arg, type]) => [arg, ARGUMENTS[type]])),
      )
      .map((values) => ({ name: called, ...values }) as unknown as Method),
  );

const channel = fc.constantFrom(0, 1, 1, 1, 2, 65_535);
/** type | channel | size | payload | end */
const rawFrame = fc
  .tuple(fc.constantFrom(1, 2, 3, 4, 8), channel, octets)
  .map(([type, at, payload]) =>
    Uint8Array.of(type, at >> 8, at & 255, 0, 0, 0, payload.length, ...payload, FRAME_END),
  );
const frame = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(channel, method).map(([at, said]) => encodeMethod(at, said)) },
  { weight: 3, arbitrary: rawFrame },
  { weight: 1, arbitrary: octets },
);

describe.each([true, false])('logged in: %s', (entered) => {
  test('law: frames in any order are answered by their protocol, and nobody else notices', async () => {
    const law = fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 25 }), async (frames) => {
      const broker = await startBroker();
      const other = await new Amqp091Client(broker).open();
      await other.ask({ name: 'confirm.select', noWait: false });
      const bad = new Amqp091Client(broker);
      if (entered) await bad.open();
      else bad.raw.send(PROTOCOL_HEADER);
      for (const bytes of frames) {
        if (bad.raw.closed) break;
        bad.raw.send(bytes);
        await broker.clock.advance(1);
      }
      bad.raw.cut();
      await broker.clock.advance(1);
      other.publish('', 'amq.nowhere', Uint8Array.of(1));
      const answers = (await other.hear()).map((heard) => heard.method.name);
      if (answers.join() !== 'basic.ack') throw new Error(`the other client heard ${answers.join()}`);
    });
    await fc.assert(law, fuzz(200));
  });
});
