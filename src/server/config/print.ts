// Shows the effective configuration, every value with where it comes from, and no secret.

import { stringify } from 'yaml';
import type { Field } from './fields.ts';
import type { Setting } from './resolve.ts';

export const HIDDEN = '(hidden)';

/** YAML with origins in comments; without secrets it may be used as a configuration file. */
export function printSettings(settings: readonly Setting[]): string {
  const lines: string[] = [];
  let open: readonly string[] = [];
  for (const setting of settings) {
    const value = shownValue(setting);
    if (value === undefined) continue;
    const steps = setting.field.path.split('.');
    const groups = steps.slice(0, -1);
    const common = groups.findIndex((group, depth) => group !== open[depth]);
    const from = common < 0 ? groups.length : common;
    for (let depth = from; depth < groups.length; depth++)
      lines.push(`${'  '.repeat(depth)}${groups[depth]}:`);
    open = groups;
    const indent = '  '.repeat(groups.length);
    const name = indent + steps.at(-1);
    if (setting.field.element !== undefined) {
      lines.push(`${name}:  # ${setting.where}`);
      for (const line of stringify(value).trimEnd().split('\n')) lines.push(`${indent}  ${line}`);
    } else
      lines.push(
        `${name}: ${stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false }).trimEnd()}  # ${setting.where}`,
      );
  }
  return `${lines.join('\n')}\n`;
}

/** A setting's value as anybody may see it. */
export function shownValue({ field, value }: Setting): unknown {
  return value === undefined ? undefined : shown(value, field);
}

function shown(value: unknown, field: Field): unknown {
  if (field.notes.secret) return HIDDEN;
  if (typeof value === 'string') return withoutPassword(value);
  if (field.element === undefined || !Array.isArray(value)) return value;
  return value.map((element) => hidden(element, field.element!, ''));
}

/** The same for the groups inside of a list's element, at any depth. */
function hidden(value: unknown, fields: readonly Field[], path: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const field = fields.find((one) => one.path === path + key);
      return [key, field === undefined ? hidden(inner, fields, `${path}${key}.`) : shown(inner, field)];
    }),
  );
}

/** URLs may carry one: `https://user:password@host`. */
function withoutPassword(text: string): string {
  return text.replace(/^(\w+:\/\/[^/@:]*):[^/@]*@/, `$1:${HIDDEN}@`);
}
