// What differs between two configurations, and whether a reload applies it.

import { fieldsOf } from './fields.ts';
import { type Config, schema } from './schema.ts';

export interface Changes {
  /** Settings that a reload applies. */
  readonly live: readonly string[];
  readonly restart: readonly string[];
}

/** Files that keep their names are read again in any case; a file under another name needs a restart. */
const APPLIED = /^(limits|log|sys)\./;

export function changedFields(before: Config, after: Config): Changes {
  const live: string[] = [];
  const restart: string[] = [];
  for (const { path, notes } of fieldsOf(schema)) {
    if (JSON.stringify(at(before, path), text) === JSON.stringify(at(after, path), text)) continue;
    (notes.live && APPLIED.test(path) ? live : restart).push(path);
  }
  return { live, restart };
}

function at(config: Config, path: string): unknown {
  let here: unknown = config;
  for (const step of path.split('.')) here = (here as Record<string, unknown> | undefined)?.[step];
  return here;
}

/** JSON has no Infinity. */
function text(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value;
}
