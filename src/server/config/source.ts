// Where settings come from: a YAML file with positions, the environment and the command line, each as a tree with origins.

import { isMap, isSeq, LineCounter, type Node, type Pair, parse, parseDocument } from 'yaml';
import type { z } from 'zod';
import { type Field, fieldsOf, flagOf, variableOf } from './fields.ts';
import { suggest } from './suggest.ts';

export type Path = readonly (string | number)[];

/** Something wrong in a configuration: where it is written, at which setting, and what to do. */
export interface Problem {
  /** `waymeet.yaml:3:7`, `WAYMEET_STORE_PATH` or `--store-path`. */
  readonly where: string;
  /** `listeners[0].port`; empty when it concerns no setting. */
  readonly path: string;
  readonly text: string;
}

/** One source, read. */
export interface Source {
  readonly kind: 'file' | 'environment' | 'flag' | 'program';
  readonly tree: Tree;
  /** Where a path is written; `key`: at its name rather than at its value. */
  where(path: Path, key?: boolean): string;
  readonly problems: readonly Problem[];
}

export type Tree = { [key: string]: unknown };

export function formatProblem(p: Problem): string {
  return [p.where, p.path === '' ? p.text : `${p.path}: ${p.text}`].filter((part) => part !== '').join(' ');
}

export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${String(step)}`))
    .join('');
}

/** Reads a YAML file's text; `name` is what messages call it. */
export function readYaml(name: string, content: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const problems = document.errors.map((e) => ({
    where: at(e.pos[0]),
    path: '',
    text: `is not YAML: ${e.message}`,
  }));
  const written: unknown = problems.length > 0 ? {} : (withoutNulls(document.toJS()) ?? {});
  const usable = isTree(written);
  if (!usable) problems.push({ where: at(0), path: '', text: 'must hold settings, each as `name: value`' });
  return {
    kind: 'file',
    tree: usable ? written : {},
    where: (path, key) => at(offsetOf(document.contents, path, key === true)),
    problems,
  };
}

/** Reads `WAYMEET_…` variables. Lists and groups of lists are YAML or JSON; simple lists may be parted by commas. */
export function readEnvironment(
  schema: z.ZodObject,
  variables: Readonly<Record<string, string | undefined>>,
): Source {
  const byVariable = new Map(fieldsOf(schema).map((field) => [variableOf(field.path), field]));
  const problems: Problem[] = [];
  const tree: Tree = {};
  for (const [name, value] of Object.entries(variables)) {
    if (!name.startsWith('WAYMEET_') || value === undefined || OTHER_VARIABLES.test(name)) continue;
    const field = byVariable.get(name);
    if (field !== undefined) {
      assign(tree, field, value, name, problems);
      continue;
    }
    const meant = suggest(name, byVariable.keys());
    problems.push({
      where: name,
      path: '',
      text: `is no setting${meant === undefined ? '; `waymeet serve --help` lists them' : `; did you mean ${meant}?`}`,
    });
  }
  return { kind: 'environment', tree, where: (path) => variableOf(headOf(path)), problems };
}

// Not settings: what the client commands read, and what Kubernetes injects for a service that is called `waymeet`.
const OTHER_VARIABLES = /^WAYMEET_(CONFIG|USERNAME|PASSWORD|ADMIN_PASSWORD|PORT|PORT_.*|SERVICE_.*)$/;

/** Reads flags by setting path (`store.path`), each value as it was written. */
export function readFlags(schema: z.ZodObject, flags: ReadonlyMap<string, string | boolean>): Source {
  const byPath = new Map(fieldsOf(schema).map((field) => [field.path, field]));
  const problems: Problem[] = [];
  const tree: Tree = {};
  for (const [path, value] of flags) {
    assign(tree, byPath.get(path)!, String(value), flagOf(path), problems);
  }
  return { kind: 'flag', tree, where: (path) => flagOf(headOf(path)), problems };
}

/** Flags and variables name whole settings: `listeners[0].port` was written in `listeners`. */
function headOf(path: Path): string {
  const end = path.findIndex((step) => typeof step === 'number');
  return path.slice(0, end === -1 ? path.length : end).join('.');
}

function assign(tree: Tree, field: Field, written: string, where: string, problems: Problem[]): void {
  const steps = field.path.split('.');
  let here = tree;
  for (const step of steps.slice(0, -1)) {
    here[step] ??= {};
    here = here[step] as Tree;
  }
  try {
    here[steps.at(-1)!] = readValue(field, written);
  } catch (error) {
    problems.push({
      where,
      path: field.path,
      text: `is not YAML or JSON: ${(error as Error).message.split(' at line ')[0]}`,
    });
  }
}

function readValue(field: Field, written: string): unknown {
  switch (field.notes.kind) {
    case 'text':
    case 'path':
      return written;
    case 'list': {
      if (field.element !== undefined || /^\s*[[-]/.test(written)) return parse(written);
      return written.split(',').map((one) => one.trim());
    }
    default:
      return parse(written);
  }
}

function offsetOf(root: Node | null, path: Path, key: boolean): number {
  let here: Node | null = root;
  let offset = here?.range?.[0] ?? 0;
  for (const [depth, step] of path.entries()) {
    const last = depth === path.length - 1;
    if (isMap(here)) {
      const pair: Pair | undefined = here.items.find(
        (item) => String((item.key as Node & { value: unknown }).value) === String(step),
      );
      if (pair === undefined) return offset;
      const name = pair.key as Node;
      here = (pair.value as Node | null) ?? null;
      offset = (last && key ? name.range?.[0] : (here?.range?.[0] ?? name.range?.[0])) ?? offset;
    } else if (isSeq(here)) {
      here = (here.items[Number(step)] as Node | undefined) ?? null;
      offset = here?.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}

/** A setting with nothing behind it, as when all of a group is commented out, counts as not written. */
function withoutNulls(written: unknown): unknown {
  if (Array.isArray(written)) return written.map(withoutNulls);
  if (!isTree(written)) return written;
  const kept = Object.entries(written).filter(([, value]) => value !== null);
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutNulls(value)]));
}

export function isTree(v: unknown): v is Tree {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}
