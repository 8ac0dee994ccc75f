// What differs between two configurations, and which of it a reload applies.

import { type Field, fieldsOf } from './fields.ts';
import { engineOf } from './listeners.ts';
import { type AuthConfig, type Config, listener, schema } from './schema.ts';

export interface Changes {
  /** Paths of the settings that a reload applies, `listeners[0].limits.packet`. */
  readonly live: readonly string[];
  /** And of those that need a restart. */
  readonly restart: readonly string[];
  /** The configuration before, with what is live taken from the one after. */
  readonly applied: Config;
}

/** Whoever lacks these at the start is asked for no certificate or key, or does not listen: they can be replaced, not begun or ended. */
const OPENED_WITH = ['tls.cert', 'tls.key', 'tls.ca', 'tls.psk'];

export function changesOf(before: Config, after: Config): Changes {
  const applied = structuredClone(before);
  const found = new Comparison();
  const fields = fieldsOf(schema).filter(({ path }) => path !== 'listeners');
  found.compare(fields, before, after, applied, '');
  found.compareListeners(before.listeners, after.listeners, applied.listeners);
  return { live: found.live, restart: found.restart, applied };
}

type Group = { [key: string]: unknown };
type Listeners = Config['listeners'];

class Comparison {
  readonly live: string[] = [];
  readonly restart: string[] = [];

  compare(fields: readonly Field[], before: object, after: object, applied: object, where: string): void {
    for (const field of fields) {
      const steps = field.path.split('.');
      const was = at(before, steps);
      const is = at(after, steps);
      if (JSON.stringify(was, text) === JSON.stringify(is, text)) continue;
      const live = field.notes.live && fits(steps, before, after, was, is);
      if (live) (at(applied, steps.slice(0, -1)) as Group)[steps.at(-1)!] = is;
      (live ? this.live : this.restart).push(where + field.path);
    }
  }

  /** Listeners are the same when they have the same name, wherever they stand in the list. */
  compareListeners(before: Listeners, after: Listeners, applied: Listeners): void {
    if (before === undefined || after === undefined) {
      if (before !== after) this.restart.push('listeners');
      return;
    }
    const fields = fieldsOf(listener);
    for (const [i, is] of after.entries()) {
      const found = before.findIndex((was) => was.name === is.name);
      if (found < 0) this.restart.push(`listeners[${i}] ('${is.name}' is new)`);
      else this.compare(fields, before[found]!, is, applied![found]!, `listeners[${i}].`);
    }
    for (const was of before)
      if (!after.some((is) => is.name === was.name)) this.restart.push(`listeners ('${was.name}' is gone)`);
  }
}

/** Whether a setting that can be applied can be applied here. */
function fits(steps: readonly string[], before: object, after: object, was: unknown, is: unknown): boolean {
  const [group] = steps;
  const groups = [at(before, [group!]), at(after, [group!])];
  if (groups.includes(undefined) && steps.length > 1) return false; // a block of its own began or ended
  if (group === 'auth') return engineOf(groups[0] as AuthConfig) === engineOf(groups[1] as AuthConfig);
  return !OPENED_WITH.includes(steps.join('.')) || (was === undefined) === (is === undefined);
}

function at(group: object, steps: readonly string[]): unknown {
  let here: unknown = group;
  for (const step of steps) here = (here as Group | undefined)?.[step];
  return here;
}

/** JSON has no Infinity. */
function text(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value;
}
