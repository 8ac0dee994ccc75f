// RabbitMQ, as Debian packages it, with its plugins for AMQP 1.0 and STOMP; a node of its own for each run.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall } from './apt.ts';
import { type Broker, freePort, launch } from './broker.ts';

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
/** Starting takes it 5 to 15 s on one core. */
const START_MS = 60_000;

function version(): string | undefined {
  if (!existsSync(SERVER)) return undefined;
  const said = spawnSync('dpkg-query', ['-W', '-f', '$' + '{Version}', 'rabbitmq-server'], {
    encoding: 'utf8',
  });
  return /^[\d.]+/.exec(said.stdout)?.[0];
}

export const rabbitmq: Broker = {
  name: 'rabbitmq',
  asked: false,

  async available() {
    if (version() === undefined) aptInstall('rabbitmq-server');
    const found = version();
    return found === undefined
      ? { missing: 'not installed: apt-get install rabbitmq-server' }
      : { version: `rabbitmq ${found}` };
  },

  takesPart: ({ work }) => work.kind === 'queues',

  async start(place) {
    const { dir, port } = place;
    const other = await freePort();
    const node = `bench${port}@localhost`;
    const [amqp, stomp] = place.dialect === 'stomp' ? [other, port] : [port, other];
    const lines = [
      `listeners.tcp.1 = 127.0.0.1:${amqp}`,
      `stomp.listeners.tcp.1 = 127.0.0.1:${stomp}`,
      'log.console = true',
      'log.console.level = error',
      'log.file = false',
    ];
    const file = join(dir, 'rabbitmq.conf');
    const plugins = join(dir, 'enabled_plugins');
    writeFileSync(file, `${lines.join('\n')}\n`);
    writeFileSync(plugins, '[rabbitmq_amqp1_0,rabbitmq_stomp].\n');
    mkdirSync(join(dir, 'db'));
    const environment = {
      HOME: dir,
      RABBITMQ_NODENAME: node,
      RABBITMQ_NODE_PORT: String(amqp),
      RABBITMQ_DIST_PORT: String(await freePort()),
      RABBITMQ_CONFIG_FILE: file,
      RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
      RABBITMQ_MNESIA_BASE: join(dir, 'db'),
      RABBITMQ_LOG_BASE: dir,
      RABBITMQ_PID_FILE: join(dir, 'pid'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      ERL_EPMD_PORT: String(await freePort()),
    };
    const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    return launch(place, ['env', ...settings, SERVER], START_MS, 'completed with');
  },
};
