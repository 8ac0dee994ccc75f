// Writes docs/configuration.md and the settings part of `serve --help` from the schema.

import type { z } from 'zod';
import { type Field, fieldsOf, flagOf, notesOf, variableOf } from './fields.ts';
import { schema } from './schema.ts';

/** The page, complete. */
export function reference(): string {
  const fields = fieldsOf(schema);
  const top = fields.filter((f) => !f.path.includes('.') && f.element === undefined);
  const lists = fields.filter((f) => f.element !== undefined && !f.path.includes('.'));
  const groups = Object.entries(schema.shape).filter(([key]) =>
    fields.some((f) => f.path.startsWith(`${key}.`)),
  );
  return `${[
    INTRODUCTION,
    '## At the top',
    table(top),
    ...groups.flatMap(([key, of]) => {
      const inside = fields.filter((f) => f.path.startsWith(`${key}.`));
      return [
        `## \`${key}\``,
        notesOf(of as z.ZodType).about,
        table(inside),
        ...inside.flatMap((f) => elements(f)),
      ];
    }),
    ...lists.flatMap((f) => [
      `## \`${f.path}\``,
      f.notes.about,
      elementTable(f),
      ...f.element!.flatMap((e) => elements(e, f.path)),
    ]),
    EXAMPLE,
  ].join('\n\n')}\n`;
}

const INTRODUCTION = `# Configuration

This page is made from the schema (\`npm run docs\`). Nothing has to be configured: \`waymeet serve\` listens on this machine alone,
with everything on.

Settings come from, each over the one before: the defaults below; \`waymeet.yaml\` in the working folder (or \`--config FILE\`, or
\`WAYMEET_CONFIG\`); \`WAYMEET_…\` variables; flags. A setting \`store.path\` is the variable \`WAYMEET_STORE_PATH\` and the flag
\`--store-path\`. Lists are written as YAML or JSON there, simple ones also with commas. A list replaces the list below it.

\`waymeet config check\` finds every mistake; \`waymeet config print\` shows each value and where it comes from.

Sizes: \`512\`, \`64kB\`, \`10MB\` (powers of 1000), \`10MiB\` (powers of 1024). Times: \`250ms\`, \`30s\`, \`5min\`, \`1h\`, \`7d\`, \`2w\`; a plain
number is seconds; \`never\` where there need be no end. Relative paths in a file count from the folder of that file.

On SIGHUP the settings marked ⟳ are applied, and the files that they name are read again. Files of users, rules, keys and certificates are
also read again by themselves when they change (\`watch\`). They can be replaced by files with other names; a hub that started without them
needs a restart to ask for them. The settings without the mark need a restart, and the log says which changed.`;

const EXAMPLE = `## An example

\`\`\`yaml
host: 0.0.0.0
tls:
  cert: ./cert.pem
  key: ./key.pem
auth:
  users: ./waymeet-users
  acl: ./waymeet-acl
limits:
  queueMessages: 10000
  sessionExpiry: 7d
\`\`\``;

function table(fields: readonly Field[]): string {
  return [
    '| setting | takes | default | what it does |',
    '|---|---|---|---|',
    ...fields.map((f) => row(f, f.path)),
  ].join('\n');
}

function elementTable(list: Field): string {
  return table(list.element!);
}

function elements(field: Field, inside = ''): string[] {
  if (field.element === undefined) return [];
  return [
    `### \`${inside === '' ? '' : `${inside}[].`}${field.path}[]\``,
    field.notes.about,
    elementTable(field),
  ];
}

function row(f: Field, name: string): string {
  const { notes } = f;
  const fallback = notes.fallback === undefined ? '–' : `\`${written(notes.fallback)}\``;
  return `| \`${name}\`${notes.live ? ' ⟳' : ''} | ${notes.takes} | ${fallback} | ${notes.about} |`;
}

function written(value: unknown): string {
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** One line per setting, for `--help`. */
export function settingLines(): {
  flag: string;
  variable: string;
  about: string;
  takes: string;
  path: string;
  kind: string;
}[] {
  return fieldsOf(schema).map((f) => ({
    flag: flagOf(f.path),
    variable: variableOf(f.path),
    about: f.notes.about,
    takes: f.notes.takes,
    path: f.path,
    kind: f.notes.kind,
  }));
}
