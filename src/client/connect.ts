// `connect` in Node: every protocol, over sockets, with an outbox in files.

import { randomBytes } from 'node:crypto';
import { dialAnother } from './another.ts';
import type { Client } from './client.ts';
import { dial, nodeClock } from './dial.ts';
import { lastingWorld } from './lasting.ts';
import { openClient } from './open.ts';
import type { ConnectOptions, World } from './options.ts';
import { SCHEMES } from './scheme.ts';
import { portOf, schemeOf } from './scheme-table.ts';
import { sealingWorld } from './seal.ts';

export const nodeWorld: World = {
  ...nodeClock,
  random: (length) => randomBytes(length),
  speech: async (url) => schemeOf(url, SCHEMES).load(),
  port: (url) => portOf(url, schemeOf(url, SCHEMES)),
  dial,
  another: (link, o) => (open, failed) => dialAnother(nodeWorld, link, o, open, failed),
  async store(at) {
    const { openOutboxFile } = await import('./outbox-file.ts');
    return openOutboxFile(at);
  },
  async sasl(mechanism, username, password) {
    const { saslOf } = await import('./scram.ts');
    return saslOf(mechanism, username, password, randomBytes);
  },
};

/**
 * A client of the broker at `urls`, several of which are the same broker or stand for it. The scheme picks the protocol. Rejects with
 * WaymeetError when none lets us in.
 */
export async function connect(
  urls: string | readonly string[],
  options: ConnectOptions = {},
  world: World = nodeWorld,
): Promise<Client> {
  const { oscore, clean, sessionExpiryMs = 0 } = options;
  const sealed = oscore === undefined ? world : sealingWorld(world, oscore);
  const lasts = clean === false || sessionExpiryMs > 0;
  return openClient(urls, options, lasts ? lastingWorld(sealed) : sealed);
}
