// The log: pretty on a terminal, one JSON object a line elsewhere.

import { createRequire } from 'node:module';
import { type Logger, pino } from 'pino';
import type { World } from '../contract/hub.ts';
import type { Config } from './config/schema.ts';

export type Log = Logger;

/** `to` is the stream; whether it is a terminal decides what `auto` means. */
export function createLog(config: Config['log'], to: NodeJS.WritableStream & { isTTY?: boolean }): Log {
  const isPretty = config.format === 'pretty' || (config.format === 'auto' && to.isTTY === true);
  const options = { level: config.level, base: undefined };
  // In this process: a worker would lose the last lines before an exit.
  if (isPretty) {
    // Only terminals pay for it.
    const { build: pretty } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
    return pino(
      options,
      pretty({
        destination: to,
        colorize: to.isTTY === true,
        translateTime: 'SYS:HH:MM:ss.l',
        ignore: 'pid,hostname',
      }),
    );
  }
  return pino(
    { ...options, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
    to,
  );
}

/** As the hub and the transports ask for it. */
export function portOf(log: Log): World['log'] {
  return (level, text, details) => (details === undefined ? log[level](text) : log[level](details, text));
}
