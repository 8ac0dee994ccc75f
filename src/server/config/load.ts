// Finds and reads the configuration file, and resolves it with the environment and the flags.

import { existsSync, readFileSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import { type Resolved, resolveConfig } from './resolve.ts';

export interface Asked {
  /** The file that was asked for; undefined: `WAYMEET_CONFIG`, or `waymeet.yaml` if there is one. */
  readonly file: string | undefined;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly flags: ReadonlyMap<string, string | boolean>;
}

/** As `resolveConfig`, with the name of the file that was read. */
export interface Loaded extends Resolved {
  readonly file: string | undefined;
}

export function loadConfig(asked: Asked): Loaded {
  const named = asked.file ?? asked.environment.WAYMEET_CONFIG;
  const name = resolvePath(asked.folder, named ?? 'waymeet.yaml');
  const { environment, flags } = asked;
  if (named === undefined && !existsSync(name))
    return { ...resolveConfig({ environment, flags }), file: undefined };
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    const problem = { where: name, path: '', text: `cannot be read: ${(error as Error).message}` };
    return { config: undefined, problems: [problem], settings: [], file: name };
  }
  return { ...resolveConfig({ file: { name, text }, environment, flags }), file: name };
}
