// Addresses that may be forged: nothing large is sent there before they are proved [RFC9175-2.4].

import { describe, expect, test } from 'vitest';
import { CoapTestClient as Client, type RequestParts } from '../../../test/coap-client.ts';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { type Broker, OPEN, startBroker } from '../../../test/network.ts';
import type { Auth } from '../../contract/auth.ts';
import { mqtt } from '../mqtt/protocol.ts';
import { OPTION } from './packet.ts';
import { coap } from './protocol.ts';

const FOREIGN = '192.0.2.7:40000';
const OVERHEAD = 28;

async function withLargeValue(): Promise<Broker> {
  const broker = await startBroker({ protocols: [coap()] });
  const c = new Client(broker);
  c.request('PUT /t/a?retain=1', { payload: 'x'.repeat(900) });
  await broker.clock.run();
  return broker;
}

test('[RFC9175-2.3] a large answer asks for an Echo first; with it the address is proved for good', async () => {
  const broker = await withLargeValue();
  const c = new Client(broker, {}, FOREIGN);
  c.request('GET /t/a');
  await broker.clock.run();
  const [challenge] = c.messages();
  const echo = challenge!.options.find((o) => o.number === OPTION.echo)!;
  expect([challenge!.code, echo.value.length]).toEqual([0x81, 8]);
  c.request('GET /t/a', { extra: [{ number: OPTION.echo, value: echo.value.map((octet) => octet ^ 1) }] });
  await broker.clock.run();
  expect(c.heard()).toEqual(['ACK 4.01 k echo']);
  c.request('GET /t/a', { extra: [echo] });
  c.request('GET /t/a');
  await broker.clock.run();
  expect(c.messages().map((m) => m.payload.length)).toEqual([900, 900]);
});

test('small answers need no proof', async () => {
  const broker = await withLargeValue();
  const c = new Client(broker, {}, FOREIGN);
  c.request('PUT /t/b?retain=1', { payload: '21.5' });
  await broker.clock.run();
  c.request('GET /t/b');
  await broker.clock.run();
  expect(c.heard()).toEqual(['ACK 2.04 k', 'ACK 2.05 k "21.5"']);
});

test('who acknowledges a confirmable message is proved, too', async () => {
  const broker = await withLargeValue();
  const watcher = new Client(broker, {}, FOREIGN);
  watcher.request('GET /t/b?qos=0', { observe: 0 });
  await broker.clock.run();
  watcher.heard();
  const c = new Client(broker);
  c.request('PUT /t/b', { payload: '1' });
  await broker.clock.run();
  const [first] = watcher.messages();
  expect(first!.type).toBe(0); // [RFC7641-7]
  watcher.send(2, first!.id);
  c.request('PUT /t/b', { payload: 'y'.repeat(500) });
  await broker.clock.run();
  expect(watcher.heard()).toEqual([`NON 2.05 k observe "${'y'.repeat(500)}"`]);
});

const DEEP = 'y'.repeat(200);

test.each(['us', 'group', 'either'] as const)(
  'whatever a forged sender asks of %s, it gets at most three times the octets',
  async (sentTo) => {
    const broker = await withLargeValue();
    const c = new Client(broker);
    const forger = new Client(broker, {}, '192.0.2.8:40000', 'coap', sentTo === 'us' ? {} : { sentTo });
    const block = (number: number, num: number, more: boolean) => [Client.block(number, num, more, 6)];
    const asks: readonly (readonly [line: string, parts?: RequestParts])[] = [
      ['GET /t/a'],
      ['GET /t/a', { extra: block(OPTION.block2, 0, false) }],
      ['GET /t/a', { extra: block(OPTION.block2, 0, false), token: 'b'.repeat(8) }],
      ['GET /.well-known/core'],
      ['GET /.well-known/core', { type: 1 }],
      ['GET /.well-known/core?rt=core.ps', { type: 1 }],
      ['GET /t/a?envelope=json'],
      ['GET /t/a', { observe: 0 }],
      ['GET /t/a?conflate=0&envelope=auto', { observe: 0, token: 'c' }],
      ['GET /t/+/+?qos=0', { observe: 0, token: 'd' }],
      ['GET /t/#', { observe: 0, type: 1, token: 'e' }],
      ['PUT /t/z', { payload: 'x' }],
      ['PUT /t/z', { payload: 'x'.repeat(1_024), extra: block(OPTION.block1, 0, true) }],
      ['PUT /t/z', { payload: 'x', extra: block(OPTION.block1, 9, false) }],
      ['DELETE /t/z', { type: 1 }],
      ['POST /rpc/x'],
      ['FETCH /ps'],
      ['GET /ps'],
      ['POST /ps', { format: 606, payload: 'x' }],
      ['iPATCH /t/z'],
      ['GET /t/a', { extra: [{ number: 9_999, value: new Uint8Array(1) }] }],
    ];
    for (const [i, [line, parts = {}]] of [...asks, ...asks].entries()) {
      // Sent twice: a duplicate is answered again.
      for (let again = 0; again < 2; again++) forger.request(line, { ...parts, id: i });
      c.request('PUT /t/a', { payload: `news ${i} ${'z'.repeat(300)}` });
      c.request(`PUT /t/${DEEP}/${DEEP}`, { payload: 'deep' });
      await broker.clock.advance(700);
    }
    await broker.clock.advance(300_000);
    await broker.stop(); // with a goodbye to each observer
    const sent = forger.sent.octets + forger.sent.requests * OVERHEAD;
    const received = forger.raw.takeEach().reduce((sum, d) => sum + d.length + OVERHEAD, 0);
    expect(received).toBeGreaterThan(0);
    expect(received).toBeLessThanOrEqual(3 * sent);
  },
);

test('one registration of a forged sender brings no more than three times its octets, whatever is published', async () => {
  for (const line of ['GET /t/a', 'GET /t/%23?qos=0', 'GET /t/#', 'GET /t/a?conflate=0']) {
    const broker = await withLargeValue();
    const c = new Client(broker);
    const forger = new Client(broker, {}, '192.0.2.8:40000');
    forger.request(line, { observe: 0 });
    for (let i = 0; i < 50; i++) {
      c.request('PUT /t/a', { payload: 'z'.repeat(1_000) });
      c.request(`PUT /t/${DEEP}/${DEEP}`, { payload: 'deep' });
      await broker.clock.advance(5_000);
    }
    const sent = forger.sent.octets + OVERHEAD;
    const received = forger.raw.takeEach().reduce((sum, d) => sum + d.length + OVERHEAD, 0);
    expect([line, received <= 3 * sent]).toEqual([line, true]);
  }
});

describe('tables that a flood cannot fill', () => {
  test('uploads that are never finished: four an endpoint, and a budget for all', async () => {
    const broker = await startBroker({ protocols: [coap({ uploadBytes: 100_000 })] });
    const c = new Client(broker);
    for (let i = 0; i < 500; i++) {
      const extra = [Client.block(OPTION.block1, 0, true, 6)];
      c.request(`PUT /t/${i}`, { payload: 'x'.repeat(1_024), extra });
    }
    await broker.clock.run();
    expect(c.heard().every((line) => line.startsWith('ACK 2.31'))).toBe(true);
    const other = new Client(broker, {}, '127.0.0.1:50002');
    other.request('PUT /t/a', {
      payload: 'x'.repeat(1_024),
      extra: [Client.block(OPTION.block1, 0, true, 6)],
    });
    await broker.clock.run();
    expect(other.heard()).toEqual(['ACK 2.31 k b1:0+/1024']); // what the first was denied is there for others
  });

  test('observations: as many as one client may subscribe to', async () => {
    const broker = await startBroker({ limits: { subscriptionsPerClient: 10 }, protocols: [coap()] });
    const c = new Client(broker);
    for (let i = 0; i < 200; i++) c.request('GET /t/a', { observe: 0, token: `t${i}` });
    await broker.clock.run();
    expect(broker.hub.stats.subscriptions).toBe(10);
  });

  test('requests that wait for a login: eight, the others are told to come again', async () => {
    const auth: Auth = { ...OPEN, identify: () => new Promise(() => {}) };
    const broker = await startBroker({ auth, protocols: [coap()] });
    const c = new Client(broker);
    for (let i = 0; i < 3_000; i++) c.request('PUT /t/a', { payload: 'x', id: i });
    await broker.clock.advance(500);
    const heard = c.heard();
    expect([heard.length, new Set(heard)]).toEqual([2_992, new Set(['ACK 5.03 k "login under way"'])]);
  });

  test('requests that wait for their answers: 1,024 an endpoint', async () => {
    const broker = await startBroker({ protocols: [coap({ rpcTimeoutMs: 60_000 }), mqtt()] });
    const responder = new MqttClient(broker);
    await responder.connect('r', { keepAlive: 0 });
    await responder.subscribe('slow');
    const c = new Client(broker);
    for (let i = 0; i < 3_000; i++) c.request('POST /rpc/slow', { payload: 'x', id: i });
    await broker.clock.advance(2_000);
    expect(c.heard().filter((line) => line === 'ACK 0.00').length).toBeLessThanOrEqual(1_024);
  });
});
