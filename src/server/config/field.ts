// The building blocks of the schema: every field says what it is for, what it takes and whether a reload applies it.

import { z } from 'zod';
import { suggest } from './suggest.ts';
import { parseDuration, parseSize } from './units.ts';

/** What the reference, `--help` and the sources know of a field or group beside its type. */
export interface FieldNotes {
  readonly about: string;
  /** What may be written there, in words: 'a size such as 10MB'. */
  readonly takes: string;
  readonly kind: Kind<unknown>['name'];
  /** SIGHUP applies a change; otherwise it needs a restart. */
  readonly live: boolean;
  /** `config print` hides it. */
  readonly secret: boolean;
  /** The value when nobody says one, as it would be written. */
  readonly fallback: unknown;
}

export const fieldNotes = z.registry<FieldNotes>();

/** One way to write a value. `read` returns the value, or undefined when it is not one. */
export interface Kind<T> {
  readonly name:
    | 'text'
    | 'path'
    | 'flag'
    | 'number'
    | 'port'
    | 'size'
    | 'duration'
    | 'word'
    | 'list'
    | 'map'
    | 'group';
  readonly takes: string;
  read(written: unknown): T | undefined;
  /** Words that are allowed, so that a misspelt one can be corrected. */
  readonly words?: readonly string[];
}

export const text: Kind<string> = {
  name: 'text',
  takes: 'text',
  read: (v) => (typeof v === 'string' && v !== '' ? v : undefined),
};

/** A file or folder; a relative one counts from the folder of the file that says it, or from the working folder. */
export const path: Kind<string> = { ...text, name: 'path', takes: 'a path' };

/** An http(s) URL. */
export const url: Kind<string> = {
  name: 'text',
  takes: 'an http or https URL',
  read: (v) => (typeof v === 'string' && /^https?:\/\/[^/\s]/i.test(v) && URL.canParse(v) ? v : undefined),
};

/** As `path`, or an http(s) URL, which stays as it is. */
export const fileOrUrl: Kind<string> = { ...text, name: 'path', takes: 'a path or an http(s) URL' };

export const flag: Kind<boolean> = {
  name: 'flag',
  takes: 'true or false',
  read: (v) => (typeof v === 'boolean' ? v : undefined),
};

export const port: Kind<number | 'off'> = {
  name: 'port',
  takes: "a port (0 to 65535; 0 picks a free one) or 'off'",
  // YAML 1.1 writers mean false when they write off.
  read: (v) => (v === 'off' || v === false ? 'off' : isWhole(v, 0, 65_535) ? v : undefined),
};

export const portNumber: Kind<number> = {
  name: 'port',
  takes: 'a port (0 to 65535; 0 picks a free one)',
  read: (v) => (isWhole(v, 0, 65_535) ? v : undefined),
};

export function whole(least: number, most: number): Kind<number> {
  return {
    name: 'number',
    takes: `a whole number from ${least} to ${most}`,
    read: (v) => (isWhole(v, least, most) ? v : undefined),
  };
}

/** As `whole`, or 'none' for no limit. */
export function limit(least: number): Kind<number> {
  return {
    name: 'number',
    takes: `a whole number from ${least}, or 'none'`,
    read: (v) =>
      v === 'none' ? Number.POSITIVE_INFINITY : isWhole(v, least, Number.MAX_SAFE_INTEGER) ? v : undefined,
  };
}

export function size(least: number, most = Number.MAX_SAFE_INTEGER): Kind<number> {
  return {
    name: 'size',
    takes: "a size such as '64kB', '10MB' or '1GiB'",
    read: (v) => within(parseSize(v), least, most),
  };
}

/** As `size`, or 'none' for no limit. */
export function sizeOrNone(least: number): Kind<number> {
  const kind = size(least);
  return {
    ...kind,
    takes: `${kind.takes}, or 'none'`,
    read: (v) => (v === 'none' ? Number.POSITIVE_INFINITY : kind.read(v)),
  };
}

export const duration: Kind<number> = {
  name: 'duration',
  takes: "a time such as '30s', '5min', '1h', '7d' or 'never'",
  read: (v) => parseDuration(v),
};

/** A time that cannot be 'never'. */
export const span: Kind<number> = {
  name: 'duration',
  takes: "a time such as '500ms', '30s', '5min' or '1h'",
  read: (v) => (v === 'never' ? undefined : parseDuration(v)),
};

export function oneOf<const W extends string>(...words: W[]): Kind<W> {
  return {
    name: 'word',
    takes: words.length === 1 ? `'${words[0]}'` : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`,
    words,
    read: (v) => (words.includes(v as W) ? (v as W) : undefined),
  };
}

/** A list; one value alone is a list of one. */
export function listOf<T>(kind: Kind<T>): Kind<T[]> {
  return {
    name: 'list',
    takes: `a list, each ${kind.takes}`,
    ...(kind.words === undefined ? {} : { words: kind.words }),
    read(v) {
      const read: T[] = [];
      for (const element of Array.isArray(v) ? v : [v]) {
        const one = kind.read(element);
        if (one === undefined) return undefined;
        read.push(one);
      }
      return read;
    },
  };
}

/** Lists of names, each under a name. */
export const namesByName: Kind<Record<string, string[]>> = {
  name: 'map',
  takes: 'names, each with a list of names: `{ops: [alice, bob]}`',
  read(v) {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return undefined;
    const lists = Object.entries(v).map(([name, names]) => [name, listOf(text).read(names)] as const);
    return lists.some(([, names]) => names === undefined)
      ? undefined
      : (Object.fromEntries(lists) as Record<string, string[]>);
  },
};

/** Texts, each under a name. */
export const textByName: Kind<Record<string, string>> = {
  name: 'map',
  takes: 'names, each with a text: `{name: value}`',
  read(v) {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return undefined;
    return Object.values(v).every((one) => typeof one === 'string')
      ? (v as Record<string, string>)
      : undefined;
  },
};

/** Topics, each under its number. */
export const topicsById: Kind<Map<number, string>> = {
  name: 'map',
  takes: 'topics, each under its id from 1 to 65534: `{1: room/1/heat}`',
  read(v) {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return undefined;
    const topics = new Map<number, string>();
    for (const [id, topic] of Object.entries(v)) {
      if (!isWhole(Number(id), 1, 65_534) || typeof topic !== 'string' || !/^[^+#\0]+$/.test(topic))
        return undefined;
      topics.set(Number(id), topic);
    }
    return topics;
  },
};

/** Topics by number, each under the id of a client. */
export const topicsByClient: Kind<Map<string, Map<number, string>>> = {
  name: 'map',
  takes: 'topics under their ids, each under a client id: `{sensor-1: {1: room/1/heat}}`',
  read(v) {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return undefined;
    const clients = new Map<string, Map<number, string>>();
    for (const [client, written] of Object.entries(v)) {
      const topics = topicsById.read(written);
      if (topics === undefined) return undefined;
      clients.set(client, topics);
    }
    return clients;
  },
};

interface Extra {
  readonly live?: boolean;
  readonly secret?: boolean;
}

/** A field that must be written. */
export function required<T>(about: string, kind: Kind<T>, extra: Extra = {}) {
  return reading(kind, extra.secret).register(fieldNotes, notes(about, kind, undefined, extra));
}

/** A field that may be absent. */
export function optional<T>(about: string, kind: Kind<T>, extra: Extra = {}) {
  return reading(kind, extra.secret)
    .optional()
    .register(fieldNotes, notes(about, kind, undefined, extra));
}

/** A field with a value when nobody writes one; `fallback` is given as it would be written. */
export function preset<T>(about: string, kind: Kind<T>, fallback: unknown, extra: Extra = {}) {
  const schema = z.unknown().prefault(fallback).pipe(reading(kind, extra.secret));
  return schema.register(fieldNotes, notes(about, kind, fallback, extra));
}

/** Fields that belong together. */
export function group<S extends z.ZodRawShape>(about: string, shape: S) {
  return z
    .strictObject(shape)
    .prefault({} as never)
    .register(fieldNotes, {
      about,
      takes: 'a group',
      kind: 'group',
      live: false,
      secret: false,
      fallback: undefined,
    });
}

/** As `group`, but nothing at all when nobody writes it. */
export function optionalGroup<S extends z.ZodRawShape>(about: string, shape: S) {
  return z.strictObject(shape).optional().register(fieldNotes, {
    about,
    takes: 'a group',
    kind: 'group',
    live: false,
    secret: false,
    fallback: undefined,
  });
}

function notes(about: string, kind: Kind<unknown>, fallback: unknown, extra: Extra): FieldNotes {
  return {
    about,
    takes: kind.takes,
    kind: kind.name,
    live: extra.live ?? false,
    secret: extra.secret ?? false,
    fallback,
  };
}

function reading<T>(kind: Kind<T>, secret = false) {
  return z.unknown().transform((written, context): T => {
    const value = kind.read(written);
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', message: refusal(kind, written, secret), input: written });
    return z.NEVER;
  });
}

function refusal(kind: Kind<unknown>, written: unknown, secret: boolean): string {
  if (written === undefined) return `is missing: write ${kind.takes}`;
  if (secret) return `must be ${kind.takes}; what it is now is not shown, because it is a secret`;
  const said = `must be ${kind.takes}, not ${JSON.stringify(written)}`;
  const odd = (Array.isArray(written) ? written : [written]).find((w) => !kind.words?.includes(w));
  const meant = typeof odd === 'string' && kind.words ? suggest(odd, kind.words) : undefined;
  return meant === undefined ? said : `${said}; did you mean '${meant}'?`;
}

function isWhole(v: unknown, least: number, most: number): v is number {
  return typeof v === 'number' && Number.isInteger(v) && v >= least && v <= most;
}

function within(v: number | undefined, least: number, most: number): number | undefined {
  return v === undefined || v < least || v > most ? undefined : v;
}
