// `waymeet lab run --real` at brokers that others wrote: what they can is measured, what they lack is a sentence.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { type RealCell, runReal } from '../../src/lab/real.ts';
import type { WorkloadInput } from '../../src/lab/workload.ts';
import { isHere, judgedBy, Tool } from './tool.ts';

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  return port;
}

const measured = (url: string, more: WorkloadInput = {}): Promise<RealCell[]> =>
  runReal({ messages: 50, rate: 0, ...more }, { urls: [url], line: () => {} });

/** Everything came, once. */
function fine({ failure, messages }: RealCell): void {
  expect(failure).toBeUndefined();
  expect(messages).toMatchObject({ published: 50, expected: 50, delivered: 50, duplicated: 0, refused: 0 });
}

judgedBy(['mosquitto'], 'at mosquitto', () => {
  let url: string;

  beforeAll(async () => {
    const port = await freePort();
    const tool = new Tool(['mosquitto', '-p', String(port)]);
    url = `mqtt://127.0.0.1:${port}`;
    await (await connect(url, { patient: true, backoff: { firstMs: 20, maxMs: 100 } })).close();
    return () => tool.kill();
  });

  test.each(['5', '3.1.1'])('MQTT %s: every level', async (version) => {
    const cells = await measured(`${url}?version=${version}`);
    expect(cells.map((c) => [c.qos, c.failure])).toEqual([0, 1, 2].map((qos) => [qos, undefined]));
    for (const c of cells) fine(c);
  });

  test('another protocol than it speaks', async () => {
    const [cell, ...more] = await measured(url.replace('mqtt:', 'amqp:'));
    expect(cell!.failure).toMatch(/refused the connection|ended/);
    expect(more).toEqual([]);
  });
});

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const missing = isHere(SERVER) && isHere('epmd') ? [] : ['rabbitmq-server'];

judgedBy(
  [],
  'at RabbitMQ',
  () => {
    let ports: number[];

    beforeAll(async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-rabbitmq-'));
      ports = await Promise.all(Array.from({ length: 5 }, freePort));
      const [amqp, mqtt, stomp, distribution, mapper] = ports;
      writeFileSync(
        path.join(folder, 'rabbitmq.conf'),
        `listeners.tcp.1 = 127.0.0.1:${amqp}\nmqtt.listeners.tcp.1 = 127.0.0.1:${mqtt}\nstomp.listeners.tcp.1 = 127.0.0.1:${stomp}\nlog.file = false\n`,
      );
      writeFileSync(path.join(folder, 'plugins'), '[rabbitmq_amqp1_0,rabbitmq_stomp,rabbitmq_mqtt].\n');
      mkdirSync(path.join(folder, 'db'));
      const settings = {
        HOME: folder,
        RABBITMQ_NODENAME: `lab${amqp}@localhost`,
        RABBITMQ_NODE_PORT: amqp,
        RABBITMQ_DIST_PORT: distribution,
        RABBITMQ_CONFIG_FILE: path.join(folder, 'rabbitmq.conf'),
        RABBITMQ_ENABLED_PLUGINS_FILE: path.join(folder, 'plugins'),
        RABBITMQ_MNESIA_BASE: path.join(folder, 'db'),
        RABBITMQ_LOG_BASE: folder,
        RABBITMQ_PID_FILE: path.join(folder, 'pid'),
        RABBITMQ_CONF_ENV_FILE: '/dev/null',
        ERL_EPMD_PORT: mapper,
      };
      const tool = new Tool([
        'env',
        ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
        SERVER,
      ]);
      const patience = {
        patient: true,
        backoff: { firstMs: 100, maxMs: 500 },
        signal: AbortSignal.timeout(90_000),
      };
      // Its listeners open one after the other.
      for (const url of [
        `stomp://127.0.0.1:${stomp}?host=/`,
        `mqtt://127.0.0.1:${mqtt}?version=3.1.1`,
        `amqp091://127.0.0.1:${amqp}`,
      ])
        await (await connect(url, patience)).close();
      return async () => {
        await tool.stop();
        spawnSync('epmd', ['-port', String(mapper), '-kill']); // the port mapper that it left behind
        rmSync(folder, { recursive: true, force: true });
      };
    }, 100_000);

    // What Debian's RabbitMQ 3.10 has: MQTT 3.1.1 with QoS 0 and 1, AMQP 1.0 without settling in two steps, addresses of its own.
    test('AMQP 0-9-1', async () => {
      const cells = await measured(`amqp091://127.0.0.1:${ports[0]}`);
      for (const c of cells.slice(0, 2)) fine(c);
      expect(cells[2]!.failure).toBe('there is no QoS 2 here: ask for --qos 0 or 1');
    });

    test('AMQP 1.0: its addresses are asked for by --topic', async () => {
      const url = `amqp://127.0.0.1:${ports[0]}`;
      const cells = await measured(url, { topic: '/topic/{device}' });
      for (const c of cells.slice(0, 2)) fine(c);
      expect(cells[2]!.failure).toMatch(/rcv-settle-mode second not supported/);
      const [lost] = await measured(url, { qos: 1 });
      expect(lost!.failure).toMatch(/unknown_destination/);
    });

    test('MQTT 3.1.1: QoS 2 is not done, and MQTT 5 is not known', async () => {
      const url = `mqtt://127.0.0.1:${ports[1]}`;
      const cells = await measured(`${url}?version=3.1.1`, { drainSeconds: 1 });
      for (const c of cells.slice(0, 2)) fine(c);
      expect(cells[2]!.failure).toMatch(
        /not acknowledged within 1 s: does the broker do QoS 2\?|grants QoS 1/,
      );
      const [five] = await measured(url);
      if (five!.failure !== undefined) expect(five!.failure).toMatch(/Add \?version=3\.1\.1/); // 4.0 knows it
    });

    test('STOMP', async () => {
      const cells = await measured(`stomp://127.0.0.1:${ports[2]}?host=/`, { topic: '{device}' });
      for (const c of cells.slice(0, 2)) fine(c);
    });
  },
  missing,
);
