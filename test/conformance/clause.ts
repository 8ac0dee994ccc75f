// Tests named by the clauses that they hold, one for each standard that a clause is from.

import { test } from 'vitest';
import { type Broker, type BrokerOptions, startBroker } from '../network.ts';

export type TestedLevel = 4 | 5;

const LEVELS: readonly (readonly [level: TestedLevel, prefix: string])[] = [
  [4, 'MQTT311-'],
  [5, 'MQTT5-'],
];

/**
 * Holds `ids` (`MQTT311-3.1.0-2 MQTT5-3.1.0-2`) with one test a standard: `run` gets a fresh broker and the protocol level. A clause of
 * one standard alone gives one test. Each runs twice, because the fast lane must not change what anybody sees.
 */
export function clause(
  ids: string,
  says: string,
  run: (broker: Broker, level: TestedLevel) => Promise<void>,
  options: BrokerOptions = {},
): void {
  const all = ids.split(/\s+/);
  for (const [level, prefix] of LEVELS) {
    const own = all.filter((id) => id.startsWith(prefix));
    if (own.length === 0) continue;
    test(`${own.map((id) => `[${id}]`).join(' ')} ${says}`, async () => {
      for (const lane of [true, false]) await runWith(lane, level, run, options);
    });
  }
}

async function runWith(
  lane: boolean,
  level: TestedLevel,
  run: (broker: Broker, level: TestedLevel) => Promise<void>,
  options: BrokerOptions,
): Promise<void> {
  const broker = await startBroker({ ...options, lane, mqtt: { ...options.mqtt, lane } });
  try {
    await run(broker, level);
  } catch (why) {
    if (!lane && why instanceof Error) why.message = `without the fast lane: ${why.message}`;
    throw why;
  }
  await broker.stop();
}
