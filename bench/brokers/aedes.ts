// aedes, from npm: in a process of its own, with its defaults, sessions in memory.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Broker, launch } from './broker.ts';

const server = fileURLToPath(new URL('./aedes-serve.js', import.meta.url));

export const aedes: Broker = {
  name: 'aedes',
  asked: false,
  // p2p QoS 0: 25 us a message with 64 under way, 82 with 256, 173 with 1,024
  bestWindow: 64,

  async available() {
    try {
      const entry = createRequire(import.meta.url).resolve('aedes');
      const manifest = JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8'));
      return { version: `aedes ${manifest.version}` };
    } catch {
      return { missing: 'not installed: npm install aedes' };
    }
  },

  // it has no MQTT 5
  takesPart: ({ work }, level) => level === 4 && work.kind !== 'queues' && work.kind !== 'coap',

  start(place) {
    return launch(place, [process.execPath, server, String(place.port)]);
  },
};
