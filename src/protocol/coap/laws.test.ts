// Laws of the whole tower: whatever arrives, in whatever pieces, nothing breaks, answers stay bounded, and others are still served.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { CoapTestClient as Client } from '../../../test/coap-client.ts';
import { startBroker } from '../../../test/network.ts';
import { CborError, decodeCbor, encodeCbor } from '../../bytes/cbor.ts';
import { encodeCoap, encodeOptions } from './encode.ts';
import { encodeFrame } from './frame.ts';
import type { CoapMessage, CoapOption, CoapType } from './packet.ts';
import { coap, coapStream } from './protocol.ts';

const SEGMENTS = [
  't',
  'ps',
  'rpc',
  'data',
  '.well-known',
  'core',
  'a',
  '+',
  '#',
  '$share',
  '',
  'obs',
  'test',
  'large',
];

const option: fc.Arbitrary<CoapOption> = fc.oneof(
  fc.record({
    number: fc.constant(11),
    value: fc.constantFrom(...SEGMENTS).map((s) => new TextEncoder().encode(s)),
  }),
  fc.record({
    number: fc.constant(15),
    value: fc
      .constantFrom('qos=1', 'qos=9', 'retain=1', 'envelope=cbor', 'expiry=5', 'u=x', 'c=', 'rt=core.ps*')
      .map((s) => new TextEncoder().encode(s)),
  }),
  fc.record({
    number: fc.constantFrom(1, 4, 5, 6, 9, 12, 14, 16, 17, 23, 27, 28, 60, 252, 258, 292),
    value: fc.uint8Array({ maxLength: 4 }),
  }),
  fc.record({ number: fc.nat(400), value: fc.uint8Array({ maxLength: 9 }) }),
);

const request: fc.Arbitrary<CoapMessage> = fc.record({
  type: fc.constantFrom<CoapType>(0, 0, 0, 1, 1, 2, 3),
  code: fc.constantFrom(0, 1, 1, 2, 3, 3, 4, 5, 6, 7, 9, 0x45, 0xe1),
  id: fc.nat(40),
  token: fc.uint8Array({ maxLength: 3 }),
  options: fc.array(option, { maxLength: 7 }).map((list) => list.toSorted((a, b) => a.number - b.number)),
  payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array(1_024).fill(0xa1))),
});

test('datagrams: noise and nonsense are answered within bounds, and the next one is served', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(request, fc.uint8Array({ maxLength: 60 })), { maxLength: 40 }),
      fc.boolean(),
      async (arrivals, near) => {
        const broker = await startBroker({ protocols: [coap({ plugtest: true })] });
        const noisy = new Client(broker, {}, near ? '127.0.0.1:9' : '192.0.2.1:9');
        let came = 0;
        for (const one of arrivals) {
          const bytes = one instanceof Uint8Array ? one : encodeCoap(withoutBody(one));
          came += bytes.length + 28;
          noisy.raw.send(bytes);
          await broker.clock.advance(50);
        }
        await broker.clock.advance(400_000);
        const sent = noisy.raw.takeEach().reduce((sum, d) => sum + d.length + 28, 0);
        if (!near) expect(sent).toBeLessThanOrEqual(3 * came);
        const c = new Client(broker);
        c.request('PUT /t/alive?retain=1', { payload: 'yes' });
        await broker.clock.run();
        c.request('GET /t/alive');
        await broker.clock.run();
        expect(c.heard()).toEqual(['ACK 2.04 k', 'ACK 2.05 k "yes"']);
        expect(broker.log.filter((line) => line.startsWith('error'))).toEqual([]);
      },
    ),
    fuzz(40),
  );
});

/** An empty message has nothing but its head. */
function withoutBody(m: CoapMessage): CoapMessage {
  return m.code === 0 ? { ...m, token: new Uint8Array(), options: [], payload: new Uint8Array() } : m;
}

test('streams: the same requests in any pieces get the same answers', async () => {
  const requests = fc.array(request, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(requests, fc.integer({ min: 1, max: 40 }), async (all, chunk) => {
      const answers: string[] = [];
      for (const size of [Number.POSITIVE_INFINITY, chunk]) {
        const broker = await startBroker({ protocols: [coapStream()] });
        const c = broker.connect({ protocol: 'coap+tcp', link: { chunk: size } });
        c.send('00 e1');
        for (const m of all) {
          c.send(encodeFrame(m.code, m.token, encodeOptions(m.options, 0, m.payload), false));
          await broker.clock.advance(1_000);
        }
        answers.push(Buffer.from(c.take()).toString('hex'));
        c.end();
        await broker.clock.run();
        expect(broker.hub.stats.subscriptions).toBeLessThanOrEqual(1); // the table of /ps is the hub's own
      }
      expect(answers[1]).toBe(answers[0]);
    }),
    fuzz(30),
  );
});

test('CBOR: decode is the inverse of encode, and noise throws CborError', () => {
  const leaf = fc.oneof(
    fc.integer(),
    fc.double({ noNaN: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }),
  );
  const value = fc.oneof(
    leaf,
    fc.array(leaf, { maxLength: 30 }),
    fc.uniqueArray(fc.string()).map((keys) => new Map(keys.map((k, i) => [k, i]))),
  );
  fc.assert(
    fc.property(value, (v) => {
      expect(decodeCbor(encodeCbor(v))).toEqual(v);
    }),
    fuzz(200),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
      try {
        decodeCbor(noise);
      } catch (error) {
        expect(error).toBeInstanceOf(CborError);
      }
    }),
    fuzz(500),
  );
  expect(() => decodeCbor(new Uint8Array(100).fill(0x81))).toThrow('deeper');
  expect(() => decodeCbor(Uint8Array.of(0x9b, 0, 0, 1, 0, 0, 0, 0, 0))).toThrow(CborError);
});
