// libcoap's example server, as Debian packages it, without DTLS: resources are made by PUT and kept in memory.

import { spawnSync } from 'node:child_process';
import { aptInstall } from './apt.ts';
import { type Broker, launch } from './broker.ts';

const COMMAND = 'coap-server-notls';
/** More resources than any scenario makes. */
const RESOURCES = 20_000;

function version(): string | undefined {
  const said = spawnSync(COMMAND, ['-h'], { encoding: 'utf8' });
  return /v(\d+\.\d+\.\d+)/.exec(`${said.stdout}${said.stderr}`)?.[1];
}

export const libcoap: Broker = {
  name: 'libcoap',
  asked: false,

  async available() {
    if (version() === undefined) aptInstall('libcoap3-bin');
    const found = version();
    return found === undefined
      ? { missing: 'not installed: apt-get install libcoap3-bin' }
      : { version: `libcoap ${found}` };
  },

  takesPart: ({ work }) => work.kind === 'coap',

  start: (place) =>
    launch(place, [COMMAND, '-A', '127.0.0.1', '-p', `${place.port}`, '-d', `${RESOURCES}`, '-v', '0']),
};
