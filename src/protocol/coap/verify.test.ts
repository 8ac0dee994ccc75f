// Addresses that may be forged: nothing large is sent there before they are proved [RFC9175-2.4].

import { expect, test } from 'vitest';
import { CoapTestClient as Client } from '../../../test/coap-client.ts';
import { type Broker, startBroker } from '../../../test/network.ts';
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

test('whatever a forged sender asks for, it gets at most three times the octets', async () => {
  const broker = await withLargeValue();
  const c = new Client(broker, {}, FOREIGN);
  const forger = new Client(broker, {}, '192.0.2.8:40000');
  const asks = [
    'GET /t/a',
    'GET /.well-known/core',
    'GET /t/a?qos=1',
    'PUT /t/z',
    'DELETE /t/z',
    'POST /rpc/x',
  ];
  for (let i = 0; i < 60; i++) {
    const line = asks[i % asks.length]!;
    const observe = i % 7 === 0 && line.startsWith('GET') ? { observe: 0 } : {};
    // Sent twice: a duplicate is answered again.
    for (let again = 0; again < 2; again++) forger.request(line, { ...observe, id: i });
    c.request('PUT /t/a', { payload: `news ${i} ${'z'.repeat(300)}` });
    await broker.clock.advance(700);
  }
  await broker.clock.advance(300_000);
  const sent = forger.sent.octets + forger.sent.requests * OVERHEAD;
  const received = forger.raw.takeEach().reduce((sum, d) => sum + d.length + OVERHEAD, 0);
  expect(received).toBeGreaterThan(0);
  expect(received).toBeLessThanOrEqual(3 * sent);
});
