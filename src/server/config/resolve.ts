// Puts the sources on top of each other: defaults, file, environment, flags; and says what is wrong and where it was written.

import { dirname, resolve as resolvePath } from 'node:path';
import type { z } from 'zod';
import { type Field, fieldsOf, keysAt } from './fields.ts';
import { rules } from './rules.ts';
import { type Config, schema } from './schema.ts';
import {
  formatPath,
  isTree,
  type Path,
  type Problem,
  readEnvironment,
  readFlags,
  readYaml,
  type Source,
  type Tree,
} from './source.ts';
import { suggest } from './suggest.ts';

export interface Sources {
  /** The configuration file: what messages call it, and its text. */
  readonly file?: { readonly name: string; readonly text: string };
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Flags by setting path (`store.path`). */
  readonly flags?: ReadonlyMap<string, string | boolean>;
  /** Settings of a program that embeds the hub, over all others. */
  readonly settings?: Readonly<Tree>;
}

/** The outcome: a configuration unless there are problems, and every setting as written with where it was. */
export interface Resolved {
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
  readonly settings: readonly Setting[];
}

export interface Setting {
  readonly field: Field;
  /** As it would be written; undefined when nobody wrote it and there is no default. */
  readonly value: unknown;
  /** `default`, `waymeet.yaml:3:7`, `WAYMEET_STORE_PATH` or `--store-path`. */
  readonly where: string;
}

/** Resolves a configuration. Reads nothing itself. */
export function resolveConfig(sources: Sources): Resolved {
  const read: Source[] = [];
  if (sources.file !== undefined) {
    read.push(anchored(readYaml(sources.file.name, sources.file.text), dirname(sources.file.name)));
  }
  if (sources.environment !== undefined) read.push(readEnvironment(schema, sources.environment));
  if (sources.flags !== undefined) read.push(readFlags(schema, sources.flags));
  if (sources.settings !== undefined) {
    read.push({ kind: 'program', tree: sources.settings, where: () => 'settings', problems: [] });
  }

  const merged = read.reduce((under, source) => overlay(under, source.tree), {} as Tree);
  const parsed = schema.safeParse(merged);
  const locate = (path: Path, key = false) => originOf(read, path)?.where(path, key) ?? '';
  const problems = [...read.flatMap((source) => source.problems)];
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap((issue) => problemsOf(issue, locate)));
  else
    problems.push(
      ...rules(parsed.data).map((found) => ({
        where: locate(found.at),
        path: formatPath(found.at),
        text: found.text,
      })),
    );

  return {
    config: problems.length === 0 ? parsed.data : undefined,
    problems,
    settings: fieldsOf(schema).map((field) => settingOf(field, merged, locate)),
  };
}

function settingOf(field: Field, merged: Tree, locate: (path: Path) => string): Setting {
  const path = field.path.split('.');
  const written = at(merged, path);
  if (written === undefined) return { field, value: field.notes.fallback, where: 'default' };
  return { field, value: written, where: locate(path) };
}

/** The topmost source that says something at `path` or at the nearest level above it. */
function originOf(read: readonly Source[], path: Path): Source | undefined {
  for (let length = path.length; length >= 0; length--) {
    const found = read.findLast((source) => at(source.tree, path.slice(0, length)) !== undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

function problemsOf(issue: z.core.$ZodIssue, locate: (path: Path, key?: boolean) => string): Problem[] {
  const path = issue.path as (string | number)[];
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path) ?? [];
    return issue.keys.map((key) => {
      const meant = suggest(key, known);
      const hint = meant === undefined ? `; known here: ${known.join(', ')}` : `; did you mean '${meant}'?`;
      return {
        where: locate([...path, key], true),
        path: formatPath([...path, key]),
        text: `is no setting${hint}`,
      };
    });
  }
  const text =
    issue.code === 'invalid_type'
      ? `must be ${issue.expected === 'array' ? 'a list' : 'a group of settings'}`
      : issue.message;
  return [{ where: locate(path), path: formatPath(path), text }];
}

/** `over` on top of `under`: groups are merged, everything else is replaced. */
function overlay(under: Tree, over: Tree): Tree {
  const merged: Tree = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isTree(value) && isTree(below) ? overlay(below, value) : value;
  }
  return merged;
}

/** A file's relative paths count from its own folder, so that it may be used from anywhere. */
function anchored(source: Source, folder: string): Source {
  const tree = structuredClone(source.tree);
  anchor(tree, fieldsOf(schema), folder);
  return { ...source, tree };
}

function anchor(tree: Tree, fields: readonly Field[], folder: string): void {
  for (const field of fields) {
    const path = field.path.split('.');
    const value = at(tree, path);
    if (field.element !== undefined) {
      for (const element of Array.isArray(value) ? value : [])
        if (isTree(element)) anchor(element, field.element, folder);
    } else if (
      field.notes.kind === 'path' &&
      typeof value === 'string' &&
      value !== '' &&
      !/^https?:/i.test(value)
    ) {
      (at(tree, path.slice(0, -1)) as Tree)[path.at(-1)!] = resolvePath(folder, value);
    }
  }
}

function at(tree: unknown, path: Path): unknown {
  let here: unknown = tree;
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Tree)[step];
  }
  return here;
}
