// The client library judged by RabbitMQ, a broker that others wrote: AMQP 0-9-1 and STOMP, queues, patterns, what it lacks, and who may not enter.

import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { PassThrough, Readable } from 'node:stream';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { run } from '../../src/cli/program.ts';
import { connect } from '../../src/client/connect.ts';
import { push, work } from '../../src/client/patterns/pipeline.ts';
import { unique } from './broker.ts';
import { RABBITMQ, type RabbitMq, startRabbitMq } from './rabbitmq.ts';
import { judgedBy } from './tool.ts';

const missing = existsSync(RABBITMQ) ? [] : ['rabbitmq-server'];
const SCHEMES = ['amqp091', 'stomp'] as const;

judgedBy(
  ['rabbitmq-server'],
  'waymeet/client at RabbitMQ',
  () => {
    let broker: RabbitMq;
    beforeAll(async () => {
      broker = await startRabbitMq();
      return () => broker.stop();
    }, 120_000);

    const urlOf = (scheme: (typeof SCHEMES)[number], user = 'guest:guest@') =>
      scheme === 'stomp'
        ? `stomp://${user}127.0.0.1:${broker.stomp}?host=%2F`
        : `amqp091://${user}127.0.0.1:${broker.amqp}`;

    describe.each(SCHEMES)('%s', (scheme) => {
      test.each([0, 1] as const)('QoS %i: 500 messages, in order, and a large one', async (qos) => {
        const topic = unique('judged');
        const from = await connect(urlOf(scheme));
        const to = await connect(urlOf(scheme));
        const s = await to.subscribe(`${topic}/+`, { qos });
        const sent = Array.from({ length: 500 }, (_, i) => from.publish(`${topic}/n`, String(i), { qos }));
        sent.push(from.publish(`${topic}/n`, 'x'.repeat(300_000), { qos }));
        await Promise.all(sent);
        for (let i = 0; i < 500; i++) expect((await s.next())?.text()).toBe(String(i));
        expect((await s.next())?.payload.length).toBe(300_000);
        await Promise.all([from.close(), to.close()]);
      });

      test('topics keep every character, and properties arrive', async () => {
        const client = await connect(urlOf(scheme));
        const base = unique('odd');
        const s = await client.subscribe(`${base}/#`);
        for (const level of ['a.b', '50%', 'ä ö', 'c/d', '%2E', 'x*y']) {
          await client.publish(`${base}/${level}`, level, { qos: 1 });
          expect((await s.next())?.topic).toBe(`${base}/${level}`);
        }
        const options = {
          contentType: 'text/plain',
          correlation: 'c1',
          user: [{ name: 'n', value: 'ü: \n' }],
        };
        await client.publish(`${base}/p`, Uint8Array.of(0, 255), { qos: 1, ...options });
        const m = (await s.next())!;
        expect([...m.payload]).toEqual([0, 255]);
        expect(m.meta).toMatchObject({ contentType: 'text/plain', correlation: 'c1' });
        expect(m.property('n')).toBe('ü: \n');
        await client.close();
      });

      test('a queue: competing workers, one that gives back, a job that fails is tried again, and is dead in the end', async () => {
        const queue = unique('jobs').replaceAll('/', '-');
        const [boss, one, two] = await Promise.all([
          connect(urlOf(scheme)),
          connect(urlOf(scheme)),
          connect(urlOf(scheme)),
        ]);
        const dead = await boss.subscribe(`dead/${queue}`);
        const done: string[] = [];
        const worker = (job: { text(): string }) => {
          if (job.text() === 'bad') throw new Error('no');
          done.push(job.text());
        };
        const shops = [await work(one, queue, worker), await work(two, queue, worker)];
        for (const job of ['1', 'bad', '2', '3']) await push(boss, queue, job);
        const letter = (await dead.next())!;
        expect([letter.text(), letter.property('x-tries')]).toEqual(['bad', '3']);
        await expect.poll(() => done.length).toBe(3);
        for (const shop of shops) await shop.stop();
        expect(done.toSorted()).toEqual(['1', '2', '3']);
        await push(boss, queue, 'left');
        const hesitating = await one.subscribe(`$queue/${queue}`, { acknowledge: 'explicit' });
        (await hesitating.next())?.giveBack();
        expect((await hesitating.next())?.text()).toBe('left');
        await Promise.all([boss.close(), one.close(), two.close()]);
      });

      test('request and response', async () => {
        const topic = unique('ask').replaceAll('/', '-');
        const [a, b] = await Promise.all([connect(urlOf(scheme)), connect(urlOf(scheme))]);
        await b.respond(topic, (m) => m.text().toUpperCase());
        expect((await a.request(topic, 'x')).text()).toBe('X');
        await b.respond(`${topic}-many`, async function* () {
          yield '1';
          yield '2';
        });
        const parts: string[] = [];
        for await (const part of a.requestMany(`${topic}-many`, '')) parts.push(part.text());
        expect(parts).toEqual(['1', '2']);
        await Promise.all([a.close(), b.close()]);
      });

      test('what it lacks is refused before anything is sent', async () => {
        const client = await connect(urlOf(scheme));
        expect(client.server).toMatch(/RabbitMQ/);
        await expect(client.publish('a', 'x', { retain: true })).rejects.toMatchObject({
          code: 'not-supported',
        });
        await expect(client.subscribe('$share/g/a')).rejects.toMatchObject({ code: 'not-supported' });
        await expect(client.publish('a', 'x', { qos: 2 })).rejects.toMatchObject({ code: 'not-supported' });
        await client.close();
      });

      test('waymeet test: what this broker supports', async () => {
        const output = new PassThrough();
        const io: Io = {
          input: Readable.from([]),
          output,
          errors: new PassThrough(),
          environment: {},
          folder: tmpdir(),
          stopAsked: () => new Promise(() => {}),
          onReload: () => {},
          onStop: () => {},
        };
        expect(await run(['test', urlOf(scheme), '--json'], '0', io)).toBe(0);
        const findings = String(output.read())
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { question: string; works: boolean });
        const works = Object.fromEntries(findings.map(({ question, works: yes }) => [question, yes]));
        expect(works).toMatchObject({
          connects: true,
          'QoS 0': true,
          'QoS 1': true,
          'QoS 2': false,
          'retained messages': false,
          wildcards: true,
          'shared subscriptions': false,
          queues: true,
          'request and response': true,
          wills: false,
        });
      });

      test('a wrong password', async () => {
        const why = connect(urlOf(scheme, 'guest:wrong@'), { connectMs: 8_000 });
        await expect(why).rejects.toMatchObject({ code: 'bad-credentials' });
      });
    });
  },
  missing,
);
