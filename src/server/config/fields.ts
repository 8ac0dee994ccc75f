// The schema as a list: every setting with its path, its variable and its flag.

import { z } from 'zod';
import { type FieldNotes, fieldNotes } from './field.ts';

/** One setting, or a list of groups (`listeners`) whose fields are in `element`. */
export interface Field {
  /** `store.path` */
  readonly path: string;
  readonly notes: FieldNotes;
  /** The fields of each element, when it is a list of groups. */
  readonly element: readonly Field[] | undefined;
}

/** A heading of the reference: a group, and the fields directly in it. */
export interface Section {
  readonly path: string;
  readonly about: string;
  readonly fields: readonly Field[];
}

/** All settings of `object`, groups flattened, in the order of the schema. */
export function fieldsOf(object: z.ZodObject, prefix = ''): Field[] {
  return Object.entries(object.shape).flatMap(([key, schema]) => {
    const path = prefix + key;
    const inner = unwrap(schema as z.ZodType);
    if (inner instanceof z.ZodObject) return fieldsOf(inner, `${path}.`);
    const element = inner instanceof z.ZodArray ? unwrap(inner.element as z.ZodType) : undefined;
    return [
      {
        path,
        notes: notesOf(schema as z.ZodType),
        element: element instanceof z.ZodObject ? fieldsOf(element) : undefined,
      },
    ];
  });
}

/** The keys that are allowed at `path` (numbers for list elements), or undefined where no group is. */
export function keysAt(object: z.ZodObject, path: readonly PropertyKey[]): string[] | undefined {
  let here: z.ZodType = object;
  for (const step of path) {
    const inner = unwrap(here);
    if (inner instanceof z.ZodObject) here = inner.shape[String(step)] as z.ZodType;
    else if (inner instanceof z.ZodArray) here = inner.element as z.ZodType;
    else return undefined;
    if (here === undefined) return undefined;
  }
  const inner = unwrap(here);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : undefined;
}

/** `store.path` → `WAYMEET_STORE_PATH` */
export function variableOf(path: string): string {
  return `WAYMEET_${path.replace(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`;
}

/** `store.path` → `--store-path` */
export function flagOf(path: string): string {
  return `--${path.replaceAll('.', '-').replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
}

/** The notes of a group: those of the wrapper, or of what it wraps. */
export function notesOf(schema: z.ZodType): FieldNotes {
  let here: z.ZodType | undefined = schema;
  while (here !== undefined) {
    const known = fieldNotes.get(here);
    if (known !== undefined) return known;
    here = wrapped(here);
  }
  return { about: '', takes: 'a group', kind: 'group', live: false, secret: false, fallback: undefined };
}

function unwrap(schema: z.ZodType): z.ZodType {
  let here = schema;
  for (let inner = wrapped(here); inner !== undefined; inner = wrapped(here)) here = inner;
  return here;
}

function wrapped(schema: z.ZodType): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault)
    return schema.def.innerType as z.ZodType;
  return undefined;
}
