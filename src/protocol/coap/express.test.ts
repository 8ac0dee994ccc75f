// The express lane and the long way say the same, octet for octet; and the lane is taken.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { CoapTestClient as Client } from '../../../test/coap-client.ts';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { OPEN, startBroker, toHex } from '../../../test/network.ts';
import { mqtt } from '../mqtt/protocol.ts';
import { ExpressLane } from './express.ts';
import { coap } from './protocol.ts';

interface Step {
  readonly line: string;
  readonly payload: string;
  /** Undefined: the next one. */
  readonly id: number | undefined;
  readonly type: 0 | 1;
  readonly format: number | undefined;
  readonly near: boolean;
  readonly waitMs: number;
}

const LINES = [
  'GET /t/a',
  'GET /t/a?qos=1',
  'GET /t/none',
  'GET /t/forbidden',
  'GET /t/large',
  'PUT /t/a',
  'PUT /t/a?qos=2',
  'PUT /t/a?qos=9',
  'PUT /t/a?retain=1',
  'PUT /t/short?retain=1&expiry=30',
  'GET /t/short',
  'PUT /t/forbidden',
  'PUT /t/kept',
  'PUT /t/a/+',
  'PUT /t',
  'GET /t/a?u=x',
  'POST /t/a',
  'DELETE /t/a',
];

const step: fc.Arbitrary<Step> = fc.record({
  line: fc.constantFrom(...LINES),
  payload: fc.constantFrom('', '1', '\u00e4', 'x'.repeat(400)),
  id: fc.option(fc.nat(3), { nil: undefined }),
  type: fc.constantFrom(0, 0, 0, 1),
  format: fc.option(fc.constantFrom(0, 50, 65_060), { nil: undefined }),
  near: fc.boolean(),
  waitMs: fc.constantFrom(0, 0, 0, 40_000, 300_000),
});

async function told(steps: readonly Step[], lane: boolean): Promise<string[]> {
  const auth = {
    ...OPEN,
    identify: () =>
      Promise.resolve({ principal: 'p', unrestricted: false, validUntil: Number.POSITIVE_INFINITY }),
    allows: (_who: unknown, _client: string, _action: string, topic: string) => topic !== 'forbidden',
  };
  const broker = await startBroker({ auth, protocols: [coap({ lane }), mqtt()] });
  const listener = new MqttClient(broker);
  await listener.connect('kept', { clean: false, keepAlive: 0 });
  await listener.subscribe('+', { qos: 1 });
  const clients = [new Client(broker, {}, '127.0.0.1:5001'), new Client(broker, {}, '192.0.2.1:5001')];
  clients[0]!.request('PUT /t/large?retain=1', { payload: 'x'.repeat(1_000), id: 9_999 });
  await broker.clock.advance(10);
  const lines: string[] = [];
  for (const { line, near, id, payload, type, format, waitMs } of steps) {
    const parts = {
      payload,
      type,
      ...(id === undefined ? {} : { id }),
      ...(format === undefined ? {} : { format }),
    };
    clients[near ? 0 : 1]!.request(line, parts);
    await broker.clock.advance(10 + waitMs);
    for (const c of clients) lines.push(...c.raw.takeEach().map(toHex));
    lines.push(...(await listener.settled()).map((p) => JSON.stringify(p)));
  }
  return lines;
}

test('[law] with and without the lane, everybody hears the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      expect(await told(steps, true)).toEqual(await told(steps, false));
    }),
    fuzz(60),
  );
});

describe('what takes the lane', () => {
  async function taken(line: string, times: number): Promise<number> {
    let count = 0;
    const take = ExpressLane.prototype.take;
    ExpressLane.prototype.take = function (...args) {
      const took = take.apply(this, args);
      if (took) count++;
      return took;
    };
    try {
      const broker = await startBroker();
      const c = new Client(broker);
      c.request('PUT /t/a?retain=1', { payload: '1' });
      await broker.clock.run();
      for (let i = 0; i < times; i++) c.request(line, line.startsWith('PUT') ? { payload: '2' } : {});
      await broker.clock.run();
    } finally {
      ExpressLane.prototype.take = take;
    }
    return count;
  }

  test.each([
    ['GET /t/a', 3],
    ['PUT /t/a', 3],
    ['PUT /t/a?qos=0', 3],
    ['PUT /t/a?retain=1', 0],
    ['POST /t/a', 0],
    ['GET /.well-known/core', 0],
  ])('%s, once it came twice', async (line, count) => {
    expect(await taken(line, 5)).toBe(count);
  });
});
