// Shows the effective configuration, every value with where it comes from.

import { stringify } from 'yaml';
import type { Setting } from './resolve.ts';

/** YAML with origins in comments; it may be used as a configuration file. */
export function printSettings(settings: readonly Setting[]): string {
  const lines: string[] = [];
  let group = '';
  for (const { field, value, where } of settings) {
    const steps = field.path.split('.');
    const heading = steps.slice(0, -1).join('.');
    if (heading !== group && heading !== '') lines.push(`${heading}:`);
    group = heading;
    const indent = heading === '' ? '' : '  ';
    const name = indent + steps.at(-1);
    if (value === undefined) continue;
    const shown = field.notes.secret && value !== undefined ? '(hidden)' : value;
    if (field.element !== undefined) {
      lines.push(`${name}:  # ${where}`);
      for (const line of stringify(hideSecrets(shown, field)).trimEnd().split('\n'))
        lines.push(`${indent}  ${line}`);
    } else
      lines.push(
        `${name}: ${stringify(shown, { collectionStyle: 'flow', flowCollectionPadding: false }).trimEnd()}  # ${where}`,
      );
  }
  return `${withoutEmptyGroups(lines).join('\n')}\n`;
}

function hideSecrets(list: unknown, field: Setting['field']): unknown {
  const secrets = field.element?.filter((f) => f.notes.secret).map((f) => f.path) ?? [];
  if (!Array.isArray(list) || secrets.length === 0) return list;
  return list.map((element) =>
    Object.fromEntries(Object.entries(element).map(([k, v]) => [k, secrets.includes(k) ? '(hidden)' : v])),
  );
}

function withoutEmptyGroups(lines: readonly string[]): string[] {
  return lines.filter((line, i) => !(/^\w[\w.]*:$/.test(line) && !lines[i + 1]?.startsWith('  ')));
}
