// Requests to a group: discovery alone, in its leisure, without errors (RFC 7252, section 8).

import { expect, test } from 'vitest';
import { CoapTestClient as Client } from '../../../test/coap-client.ts';
import { type Broker, startBroker } from '../../../test/network.ts';

const asker = (broker: Broker) => new Client(broker, {}, '192.0.2.1:5683', 'coap', { sentTo: 'group' });

test('[RFC7252-8.2] answered within the leisure, a first block where it is large', async () => {
  const broker = await startBroker();
  const group = asker(broker);
  group.request('GET /.well-known/core?rt=core.ps', { type: 1, token: 'a' });
  group.request('GET /.well-known/core', { type: 1, token: 'b' });
  await broker.clock.advance(5_000);
  const [one, two, more] = group.heard().toSorted((a, b) => a.localeCompare(b));
  expect(more).toBeUndefined();
  expect([one, two].map((m) => m!.slice(0, 10)).toSorted()).toEqual(['NON 2.05 a', 'NON 2.05 b']);
  expect([one, two].filter((m) => m!.includes('b2:0+/64'))).toHaveLength(1);
});

test('they do not all answer at once', async () => {
  const broker = await startBroker();
  const group = Array.from({ length: 8 }, () => asker(broker));
  for (const one of group) one.request('GET /.well-known/core?rt=core.ps', { type: 1 });
  await broker.clock.advance(2_500);
  const early = group.filter((one) => one.heard().length > 0).length;
  await broker.clock.advance(2_500);
  const late = group.filter((one) => one.heard().length > 0).length;
  expect([early > 0, late > 0, early + late]).toEqual([true, true, 8]);
});

test.each([
  ['confirmable', 'GET /.well-known/core?rt=core.ps', 0],
  ['nothing is found', 'GET /.well-known/core?rt=nothing', 1],
  ['no such resource', 'GET /.well-known/other', 1],
  ['a value', 'GET /t/a', 1],
  ['a publication', 'PUT /t/a?retain=1', 1],
] as const)('[RFC7252-8.1, 8.2] silence: %s', async (_name, line, type) => {
  const broker = await startBroker();
  const c = new Client(broker);
  c.request('PUT /t/a?retain=1', { payload: 'one' });
  await broker.clock.run();
  const group = asker(broker);
  group.request(line, { type, payload: 'two' });
  await broker.clock.advance(20_000);
  expect(group.heard()).toEqual([]);
  c.heard();
  c.request('GET /t/a');
  await broker.clock.run();
  expect(c.heard()).toEqual(['ACK 2.05 k "one"']);
});

test('where nobody can tell a group from us: discovery takes its leisure, all else is as ever', async () => {
  const broker = await startBroker();
  const c = new Client(broker, {}, '192.0.2.1:5683', 'coap', { sentTo: 'either' });
  c.request('GET /.well-known/core?rt=core.ps', { type: 1 });
  c.request('GET /.well-known/core?rt=nothing', { type: 1, token: 'n' });
  c.request('PUT /t/a', { type: 1, token: 'p', payload: '1' });
  c.request('GET /.well-known/core?rt=core.ps', { token: 'q' });
  await broker.clock.advance(0);
  const now = c.heard().map((line) => line.slice(0, 10));
  await broker.clock.advance(5_000);
  const later = c.heard().map((line) => line.slice(0, 10));
  expect([now, later]).toEqual([['NON 2.04 p', 'ACK 2.05 q'], ['NON 2.05 k']]);
});
