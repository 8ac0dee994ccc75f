// The client library judged by mosquitto, a broker that others wrote: every version and level, sessions, patterns, and what it lacks.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { push, work } from '../../src/client/patterns/pipeline.ts';
import type { Qos } from '../../src/contract/message.ts';
import { unique } from './broker.ts';
import { judgedBy, Tool } from './tool.ts';

judgedBy(['mosquitto'], 'waymeet/client at mosquitto', () => {
  let url: string;
  let tool: Tool;

  beforeAll(async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    probe.close();
    tool = new Tool(['mosquitto', '-p', String(port)]);
    url = `mqtt://127.0.0.1:${port}`;
    // It says nothing when it is ready: whoever is patient finds out.
    await (await connect(url, { patient: true, backoff: { firstMs: 20, maxMs: 100 } })).close();
    return () => tool.kill();
  });

  const cases = ['3.1', '3.1.1', '5'].flatMap((version) =>
    ([0, 1, 2] as const).map((qos): [string, Qos] => [version, qos]),
  );
  test.each(cases)('MQTT %s, QoS %i: 500 messages, in order, and a large one', async (version, qos) => {
    const topic = unique('judged');
    const from = await connect(`${url}?version=${version}`);
    const to = await connect(`${url}?version=${version}`);
    const s = await to.subscribe(`${topic}/+`, { qos });
    expect(s.granted).toBe(qos);
    const sent = Array.from({ length: 500 }, (_, i) => from.publish(`${topic}/n`, String(i), { qos }));
    sent.push(from.publish(`${topic}/n`, 'x'.repeat(300_000), { qos }));
    await Promise.all(sent);
    for (let i = 0; i < 500; i++) expect((await s.next())?.text()).toBe(String(i));
    expect((await s.next())?.payload.length).toBe(300_000);
    await Promise.all([from.close(), to.close()]);
  });

  test('what the login agrees on holds: topic aliases both ways, and no packet larger than we take', async () => {
    const topic = unique('agreed');
    const client = await connect(url, {
      topicAliases: 4,
      maxPacketBytes: 1_000,
      user: [{ name: 'site', value: 'north' }],
    });
    expect(client.opened!.topicAliases).toBeGreaterThan(0);
    const s = await client.subscribe(`${topic}/+`, { qos: 2, identifier: 300 });
    const sent = Array.from({ length: 200 }, (_, i) => `${topic}/${(i * 7) % 6}`);
    const published = sent.map((t, i) => client.publish(t, String(i), { qos: (i % 3) as Qos }));
    published.push(client.publish(`${topic}/large`, 'x'.repeat(2_000), { qos: 1 }));
    await Promise.all(published);
    // Each level is in order, and they overtake each other.
    const got = new Map<string, string>();
    for (let m = await s.next(); got.set(m!.text(), m!.topic).size < sent.length; ) m = await s.next();
    expect([...got].sort()).toEqual(sent.map((t, i): [string, string] => [String(i), t]).sort());
    await client.close();
  });

  test('a session: what came meanwhile waits', async () => {
    const topic = unique('session');
    const kept = { clientId: unique('kept').replaceAll('/', '-'), clean: false, sessionExpiryMs: 60_000 };
    const first = await connect(url, kept);
    await first.subscribe(topic, { qos: 2 });
    await first.close();
    const other = await connect(url);
    await other.publish(topic, 'meanwhile', { qos: 2 });
    const again = await connect(url, kept);
    expect((await (await again.subscribe(topic, { qos: 2 })).next())?.text()).toBe('meanwhile');
    await Promise.all([again.close(), other.close()]);
  });

  test('request and response, and a pipeline without queues', async () => {
    const topic = unique('ask').replaceAll('/', '-');
    const [a, b] = await Promise.all([connect(url), connect(url)]);
    await b.respond(topic, (m) => m.text().toUpperCase());
    expect((await a.request(topic, 'x')).text()).toBe('X');
    expect(a.ability.queues).toBe(false);
    const done: string[] = [];
    const dead = await a.subscribe(`dead/${topic}`);
    const shop = await work(b, topic, (job) => {
      if (job.text() === 'bad') throw new Error('no');
      done.push(job.text());
    });
    for (const job of ['1', 'bad', '2']) await push(a, topic, job);
    expect((await dead.next())?.text()).toBe('bad');
    await shop.stop();
    expect(done).toEqual(['1', '2']);
    await Promise.all([a.close(), b.close()]);
  });
});
