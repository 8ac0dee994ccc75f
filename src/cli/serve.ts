// `waymeet serve`: runs the hub until it is told to stop.

import { formatProblem } from '../server/config/source.ts';
import { createLog, type Log } from '../server/log.ts';
import { startServer } from '../server/start.ts';
import { load, loadOrFail, type SettingFlags } from './config.ts';
import { EXIT, type Io } from './io.ts';

export async function serve(
  io: Io,
  version: string,
  file: string | undefined,
  flags: SettingFlags,
): Promise<number> {
  const { config, settings } = loadOrFail(io, file, flags);
  const log = createLog(config.log, io.errors);
  // Heard from the beginning: whoever reads that the hub is ready may send a signal at once.
  const signals = listen(io, log);
  const server = await startServer(config, {
    log,
    version,
    settings,
    announce: (line) => io.output.write(`${line}\n`),
  });
  signals.reload = () => {
    const next = load(io, file, flags);
    if (next.config === undefined) {
      const problems = next.problems.map(formatProblem).join('\n');
      log.error(`reload: nothing was changed, the configuration is wrong:\n${problems}`);
      return;
    }
    server.reload(next.config).catch((error: Error) => log.error(`reload: ${error.message}`));
  };
  if (signals.reloadAsked) signals.reload();
  const signal = await signals.stop;
  log.info(`${signal}: saying goodbye to everybody`);
  await server.stop();
  log.info('stopped');
  return EXIT.fine;
}

interface Signals {
  /** SIGHUP came before there was anything to reload. */
  reloadAsked: boolean;
  reload: (() => void) | undefined;
  /** The first wish to stop; the second is meant at once. */
  readonly stop: Promise<string>;
}

function listen(io: Io, log: Log): Signals {
  let asked = false;
  const signals: Signals = {
    reloadAsked: false,
    reload: undefined,
    stop: new Promise((resolve) => {
      io.onStop((signal) => {
        if (asked) {
          log.warn(`${signal} again: stopped without waiting`);
          process.exit(EXIT.failed);
        }
        asked = true;
        resolve(signal);
      });
    }),
  };
  io.onReload(() => {
    signals.reloadAsked = true;
    signals.reload?.();
  });
  return signals;
}
