// RabbitMQ, as Debian packages it, with its STOMP plugin: a node of its own for a test file.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { within } from './inbox.ts';
import { OPEN, Tool } from './tool.ts';

export const RABBITMQ = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** It takes 5 to 15 s on an idle core. */
const START_MS = 90_000;

export interface RabbitMq {
  readonly amqp: number;
  readonly stomp: number;
  stop(): Promise<void>;
}

export async function startRabbitMq(): Promise<RabbitMq> {
  const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-rabbitmq-'));
  const [amqp, stomp, distribution, names] = await freePorts(4);
  writeFileSync(
    path.join(folder, 'rabbitmq.conf'),
    `listeners.tcp.1 = 127.0.0.1:${amqp}\nstomp.listeners.tcp.1 = 127.0.0.1:${stomp}\nlog.console = true\nlog.file = false\n`,
  );
  writeFileSync(path.join(folder, 'enabled_plugins'), '[rabbitmq_stomp].\n');
  mkdirSync(path.join(folder, 'db'));
  const environment = {
    HOME: folder,
    RABBITMQ_NODENAME: `judge${amqp}@localhost`,
    RABBITMQ_NODE_PORT: String(amqp),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_CONFIG_FILE: path.join(folder, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: path.join(folder, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: path.join(folder, 'db'),
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_PID_FILE: path.join(folder, 'pid'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    ERL_EPMD_PORT: String(names),
  };
  const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const tool = new Tool(['env', ...settings, RABBITMQ], OPEN);
  const stop = async () => {
    await tool.stop();
    const killing = new Tool(['env', ...settings, 'epmd', '-kill']);
    await killing.exit;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await within(START_MS, 'RabbitMQ', async () => {
      const gone = tool.exit.then(({ errors }) => {
        throw new Error(`RabbitMQ ended: ${errors}`);
      });
      const up = tool.lines.find((line) => line.includes('completed with'), START_MS);
      await Promise.race([up, gone]);
    });
  } catch (why) {
    await stop();
    throw why;
  }
  return { amqp: amqp!, stomp: stomp!, stop };
}

async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer());
  for (const probe of probes) await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const ports = probes.map((probe) => (probe.address() as { port: number }).port);
  for (const probe of probes) await new Promise((resolve) => probe.close(resolve));
  return ports;
}
