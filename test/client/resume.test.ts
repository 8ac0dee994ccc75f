// XMPP's streams resumed (XEP-0198) by the client: what was under way when the connection broke arrives once, both ways.

import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { HealthEvent } from '../../src/client/health.ts';
import { SCHEMES } from '../../src/client/scheme.ts';
import { fuzz } from '../arbitrary/mqtt.ts';
import { ClientWorld } from '../client-world.ts';
import { startBroker } from '../network.ts';

beforeAll(() => SCHEMES['xmpp:']!.load());

const KEPT = { sessionExpiryMs: 60_000, backoff: { firstMs: 5, maxMs: 20 }, password: 'p', keepAliveMs: 0 };

test('the session is there again, with its subscriptions and what came meanwhile', async () => {
  const w = new ClientWorld(await startBroker());
  const events: HealthEvent[] = [];
  const client = await w.connect('xmpp://hub', { ...KEPT, username: 'anna', clientId: 'a' });
  client.watch((event) => events.push(event));
  const s = await w.until(client.subscribe('t/+', { acknowledge: 'explicit' }));
  const other = await w.connect('xmpp://hub', { username: 'bob', password: 'p' });
  w.wires[0]!.cut();
  await w.until(other.publish('t/1', 'meanwhile', { qos: 1 }));
  const m = (await w.until(s.next()))!;
  expect(m.text()).toBe('meanwhile');
  m.acknowledge();
  expect(events.filter((e) => e.kind === 'connected')).toMatchObject([{ resumed: true }]);
  await w.until(client.publish('t/2', 'and on', { qos: 1 }));
  expect((await w.until(s.next()))?.text()).toBe('and on');
  await w.until(client.close());
});

test('[law] however often it breaks: every message once, in order, from who publishes to who subscribes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(14), { minLength: 1, maxLength: 6 }), fc.nat(), async (cuts, seed) => {
      const w = new ClientWorld(await startBroker({ seed }), { link: { delayMs: 3, jitterMs: 4 }, seed });
      const from = await w.connect('xmpp://hub', { ...KEPT, username: 'anna', clientId: 'a' });
      const to = await w.connect('xmpp://hub', { username: 'bob', password: 'p' });
      const s = await w.until(to.subscribe('t', { buffer: 1_000 }));
      const sent = Promise.all(
        Array.from({ length: 40 }, (_, i) => from.publish('t', String(i), { qos: 1 })),
      );
      for (const ms of cuts) {
        await w.settle(ms);
        const open = w.wires.filter((wire, i) => i !== 1 && !wire.closed);
        open.at(-1)?.cut();
      }
      await w.until(sent, 5);
      await w.settle(100);
      const got: string[] = [];
      while (s.waiting > 0) got.push((await s.next())!.text());
      expect(got).toEqual(Array.from({ length: 40 }, (_, i) => String(i)));
      await w.until(from.close());
    }),
    fuzz(25),
  );
});

test('a hub that has forgotten it: a session anew, and nothing is lost', async () => {
  const broker = await startBroker();
  const w = new ClientWorld(broker);
  const client = await w.connect('xmpp://hub', { ...KEPT, username: 'anna', clientId: 'a' });
  const resumed: boolean[] = [];
  client.watch((event) => {
    if (event.kind === 'connected') resumed.push(event.resumed);
  });
  const s = await w.until(client.subscribe('t'));
  await broker.crash();
  await w.until(client.publish('t', 'after', { qos: 1 }));
  expect((await w.until(s.next()))?.text()).toBe('after');
  expect(resumed).toEqual([false]);
  await w.until(client.close());
});
