// Mosquitto, as Debian packages it: no limits on queues and windows, so that it never has to drop.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall } from './apt.ts';
import { type Broker, launch } from './broker.ts';

/** Where Debian puts it is not on everybody's PATH. */
const ENVIRONMENT = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };

function version(): string | undefined {
  const said = spawnSync('mosquitto', ['-h'], { env: ENVIRONMENT, encoding: 'utf8' });
  return /mosquitto version (\S+)/.exec(`${said.stdout}`)?.[1];
}

export const mosquitto: Broker = {
  name: 'mosquitto',
  asked: false,

  async available() {
    if (version() === undefined) aptInstall('mosquitto');
    const found = version();
    return found === undefined
      ? { missing: 'not installed: apt-get install mosquitto' }
      : { version: `mosquitto ${found}` };
  },

  takesPart: ({ work }) => work.kind !== 'queues' && work.kind !== 'coap',

  start(place) {
    const lines = [
      `listener ${place.port} 127.0.0.1`,
      'allow_anonymous true',
      'set_tcp_nodelay true',
      'max_queued_messages 0',
      'max_queued_bytes 0',
      'max_inflight_messages 0',
      'log_type error',
      `persistence ${place.durable}`,
      `persistence_location ${place.dir}/`,
    ];
    // started by root it would become another user, who cannot write to the directory
    if (process.getuid?.() === 0) lines.push('user root');
    const file = join(place.dir, 'mosquitto.conf');
    writeFileSync(file, `${lines.join('\n')}\n`);
    process.env.PATH = ENVIRONMENT.PATH;
    return launch(place, ['mosquitto', '-c', file]);
  },
};
