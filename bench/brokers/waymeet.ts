// Waymeet: the build of this repository, with its default configuration, durable store and all.

import { existsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Broker, launch, type Placement, type Running } from './broker.ts';

// from bench/dist/brokers to dist/cli
const command = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

async function available(): Promise<{ version: string } | { missing: string }> {
  return existsSync(command)
    ? { version: `waymeet, node ${process.version}` }
    : { missing: 'dist/cli/main.js is not built: npm run build' };
}

function start(place: Placement, durability: 'full' | 'memory'): Promise<Running> {
  const file = join(place.dir, 'waymeet.yaml');
  const config = {
    listeners: [
      { name: 'bench', type: 'tcp', host: ['127.0.0.1'], port: place.port },
      ...(place.dialect === 'coap'
        ? [{ name: 'bench-udp', type: 'udp', host: ['127.0.0.1'], port: place.port }]
        : []),
      { name: 'web', type: 'ws', host: ['127.0.0.1'], port: 0 },
    ],
    store: { path: join(place.dir, 'store'), durability },
  };
  // JSON is YAML
  writeFileSync(file, JSON.stringify(config, null, 2));
  const flags =
    place.profile === undefined
      ? []
      : [
          `--cpu-prof-dir=${dirname(place.profile)}`,
          `--cpu-prof-name=${basename(place.profile)}`,
          '--cpu-prof',
        ];
  return launch(place, [process.execPath, ...flags, command, 'serve', '--config', file]);
}

export const waymeet: Broker = {
  name: 'waymeet',
  asked: false,
  available,
  start: (place) => start(place, 'full'),
};

/** What durability costs: the same without it. */
export const waymeetInMemory: Broker = {
  name: 'waymeet-memory',
  asked: true,
  available,
  start: (place) => start(place, 'memory'),
};
