// `waymeet config check | print | reference`, and how every command reads its configuration.

import { type Loaded, loadConfig } from '../server/config/load.ts';
import { printSettings, shownValue } from '../server/config/print.ts';
import { reference } from '../server/config/reference.ts';
import type { Config } from '../server/config/schema.ts';
import { formatProblem } from '../server/config/source.ts';
import { EXIT, Failure, type Io, say } from './io.ts';

export type SettingFlags = ReadonlyMap<string, string | boolean>;

export function load(io: Io, file: string | undefined, flags: SettingFlags = new Map()): Loaded {
  return loadConfig({ file, folder: io.folder, environment: io.environment, flags });
}

/** The configuration with where its values come from, or a Failure that lists every problem. */
export function loadOrFail(
  io: Io,
  file: string | undefined,
  flags: SettingFlags = new Map(),
): { readonly config: Config; readonly settings: Loaded['settings'] } {
  const { config, problems, settings } = load(io, file, flags);
  if (config === undefined) throw new Failure(problems.map(formatProblem).join('\n'));
  return { config, settings };
}

/** Says what is wrong in the configuration, and in the files that it names. */
export async function check(io: Io, file: string | undefined): Promise<number> {
  const loaded = load(io, file);
  for (const problem of loaded.problems) io.output.write(`${formatProblem(problem)}\n`);
  if (loaded.config === undefined) return EXIT.failed;
  const { fileFaults } = await import('../server/check.ts');
  const faults = await fileFaults(loaded.config);
  for (const fault of faults) io.output.write(`${fault}\n`);
  if (faults.length > 0) return EXIT.failed;
  say(io, `${loaded.file ?? 'no configuration file'}: nothing is wrong`);
  return EXIT.fine;
}

export function print(io: Io, file: string | undefined, flags: SettingFlags, json: boolean): number {
  const loaded = load(io, file, flags);
  if (json) {
    const values = loaded.settings.map((s) => ({
      path: s.field.path,
      value: shownValue(s),
      from: s.where,
    }));
    io.output.write(`${JSON.stringify(values, null, 2)}\n`);
  } else io.output.write(printSettings(loaded.settings));
  for (const problem of loaded.problems) say(io, formatProblem(problem));
  return loaded.config === undefined ? EXIT.failed : EXIT.fine;
}

export function printReference(io: Io): number {
  io.output.write(reference());
  return EXIT.fine;
}
