// Makes a client in a world, and connects it.

import { Client } from './client.ts';
import { WaymeetError } from './error.ts';
import { type ConnectOptions, type Settled, settled, type World } from './options.ts';
import { Outbox } from './outbox.ts';

/** As `connect`. */
export async function openClient(
  urls: string | readonly string[],
  options: ConnectOptions,
  world: World,
): Promise<Client> {
  const list = typeof urls === 'string' ? [urls] : urls;
  if (list.length === 0) throw new WaymeetError('usage', '', 'there is no URL');
  const o = settled(options);
  const client = new Client(list, o, world, await outboxOf(o, world));
  await client.start();
  return client;
}

async function outboxOf({ outbox, limits }: Settled, world: World): Promise<Outbox> {
  if (outbox?.at === undefined) return new Outbox(limits);
  const { KeptOutbox } = await import('./outbox-kept.ts');
  return new KeptOutbox(limits, await world.store(outbox.at));
}
