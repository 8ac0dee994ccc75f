// Waymeet: the build of this repository, with its default configuration, durable store and all.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Broker, launch } from './broker.ts';

// from bench/dist/brokers to dist/cli
const command = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

export const waymeet: Broker = {
  name: 'waymeet',

  async available() {
    return existsSync(command)
      ? { version: `waymeet, node ${process.version}` }
      : { missing: 'dist/cli/main.js is not built: npm run build' };
  },

  start(place) {
    const file = join(place.dir, 'waymeet.yaml');
    const config = {
      listeners: [
        { name: 'bench', type: 'tcp', host: ['127.0.0.1'], port: place.port },
        { name: 'web', type: 'ws', host: ['127.0.0.1'], port: 0 },
      ],
      store: { path: join(place.dir, 'store') },
    };
    // JSON is YAML
    writeFileSync(file, JSON.stringify(config, null, 2));
    return launch(place, [process.execPath, command, 'serve', '--config', file]);
  },
};
