// `waymeet serve`: runs the hub until it is told to stop.

import { formatProblem } from '../server/config/source.ts';
import { createLog } from '../server/log.ts';
import { startServer } from '../server/start.ts';
import { load, loadOrFail, type SettingFlags } from './config.ts';
import { EXIT, type Io } from './io.ts';

export async function serve(
  io: Io,
  version: string,
  file: string | undefined,
  flags: SettingFlags,
): Promise<number> {
  const config = loadOrFail(io, file, flags);
  const log = createLog(config.log, io.errors);
  const server = await startServer(config, { log, version });
  io.onReload(() => {
    const next = load(io, file, flags);
    if (next.config === undefined) {
      log.error(
        `reload: nothing was changed, the configuration is wrong:\n${next.problems.map(formatProblem).join('\n')}`,
      );
      return;
    }
    server.reload(next.config).catch((error: Error) => log.error(`reload: ${error.message}`));
  });
  const signal = await io.stopAsked();
  log.info(`${signal}: saying goodbye to everybody`);
  // The second time it is meant at once.
  io.stopAsked().then((again) => {
    log.warn(`${again} again: stopped without waiting`);
    process.exit(EXIT.failed);
  });
  await server.stop();
  log.info('stopped');
  return EXIT.fine;
}
