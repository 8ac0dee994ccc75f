// What an idle client takes in memory: both of its ends and the simulated connection between them, in one process.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seeded } from '../transport/virtual-clock.ts';
import { LabClient } from './client.ts';
import { LabClock } from './network/clock.ts';
import { Link } from './network/link.ts';
import { BACKEND } from './networks.ts';
import { Site, type SiteOptions } from './site.ts';
import type { Sides, Variant } from './variant.ts';

/** Time enough to get in over a good link. */
const ENTER_MS = 60_000;
/** What may still go without being waited for. */
const SETTLED_BYTES = 4_096;

/** Heap and buffers of each of `count` clients that are connected and subscribed, in octets: of this machine's Node. */
export async function memoryOfClient(
  variant: Variant,
  sides: Sides,
  options: SiteOptions,
  count: number,
): Promise<number> {
  const clock = new LabClock(0);
  const site = await Site.start(clock, variant, sides, options);
  const speech = sides.listener ?? sides.speech;
  let ready = 0;
  const clients: LabClient[] = [];
  const enter = async (upTo: number): Promise<void> => {
    while (clients.length < upTo) {
      const i = clients.length;
      const settings = {
        speech,
        name: `c${i}`,
        filters: [`sensors/${i}/temp`],
        qos: variant.qos,
        settings: variant.settings,
        keepAliveMs: 0,
        sleepEvery: 0,
      };
      const link = new Link(clock, BACKEND, seeded(i));
      const client = new LabClient(site, link, settings, silent, seeded(i), {
        ready: () => ready++,
        delivered() {},
        answered() {},
        written() {},
        failed() {},
      });
      clients.push(client);
      clock.at(clock.now, () => client.start());
    }
    await clock.run(() => ready >= upTo, clock.now + ENTER_MS);
  };
  await enter(1); // what is loaded and made once
  const before = await inUse();
  await enter(1 + count);
  const after = await inUse();
  // Read after the measurement, so that nothing of it was collected before.
  if (ready < clients.length || site.hub.stats.clients < 1)
    throw new Error(`${ready} of ${clients.length} clients were connected`);
  return Math.max(0, Math.round((after - before) / count));
}

function silent(): never {
  throw new Error('it publishes nothing');
}

let collect: (() => void) | undefined;

/** Buffers go some time after the collection that frees them: it is looked again until nothing more goes. */
async function inUse(): Promise<number> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  for (let last = Number.POSITIVE_INFINITY; ; ) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    const { heapUsed, external } = process.memoryUsage();
    const now = heapUsed + external;
    if (now >= last - SETTLED_BYTES) return Math.min(now, last);
    last = now;
  }
}
