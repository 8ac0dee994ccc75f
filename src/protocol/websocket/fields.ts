// What the fields of `waymeet.v1` frames may hold: each kind checks a value, and describes itself as JSON Schema.

/** One field. A field that is absent is checked as `undefined`. */
export interface Field {
  readonly schema: object;
  readonly optional: boolean;
  /** What is wrong with a value, in words that follow the field's name; undefined: nothing. */
  wrong(value: unknown): string | undefined;
}

export type Fields = Readonly<Record<string, Field>>;

const MAX_PROPERTIES = 1_000;

function field(schema: object, wrong: (value: unknown) => string | undefined): Field {
  return { schema, optional: false, wrong };
}

/** A field that may be left out. */
export function optional({ schema, wrong }: Field): Field {
  return { schema, optional: true, wrong: (v) => (v === undefined ? undefined : wrong(v)) };
}

/** The same field with a sentence for people. */
export function about(description: string, f: Field): Field {
  return { ...f, schema: { ...f.schema, description } };
}

export function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v) && !(v instanceof Uint8Array);
}

/** What is wrong with an object, or undefined. `besides` is a field that was checked before; `strict` refuses unknown ones. */
export function wrongField(
  v: unknown,
  fields: Fields,
  strict: boolean,
  besides?: string,
): string | undefined {
  if (!isObject(v)) return 'value is not an object';
  if (strict)
    for (const name of Object.keys(v)) {
      if (name !== besides && !Object.hasOwn(fields, name))
        return `${JSON.stringify(name.slice(0, 40))} is not known`;
    }
  for (const [name, one] of Object.entries(fields)) {
    const wrong = one.wrong(Object.hasOwn(v, name) ? v[name] : undefined);
    if (wrong !== undefined) return `${name} ${wrong}`;
  }
  if (Object.hasOwn(v, 'payload') && Object.hasOwn(v, 'payloadBase64')) return 'payload is given twice';
  return undefined;
}

/** The schema of an object of these fields. */
export function schemaOf(fields: Fields, type?: string): object {
  const properties: Record<string, object> = type === undefined ? {} : { type: { const: type } };
  const required = type === undefined ? [] : ['type'];
  for (const [name, one] of Object.entries(fields)) {
    properties[name] = one.schema;
    if (!one.optional) required.push(name);
  }
  return { type: 'object', properties, required, additionalProperties: false };
}

export const text = field({ type: 'string' }, (v) => (typeof v === 'string' ? undefined : 'is not a string'));

export const flag = field({ type: 'boolean' }, (v) =>
  typeof v === 'boolean' ? undefined : 'is neither true nor false',
);

export const count = field({ type: 'integer', minimum: 0 }, (v) =>
  Number.isSafeInteger(v) && (v as number) >= 0 ? undefined : 'is not a whole number from 0',
);

export const positive = field({ type: 'integer', minimum: 1 }, (v) =>
  Number.isSafeInteger(v) && (v as number) >= 1 ? undefined : 'is not a whole number from 1',
);

export const qos = field({ type: 'integer', enum: [0, 1, 2] }, (v) =>
  v === 0 || v === 1 || v === 2 ? undefined : 'is none of 0, 1 and 2',
);

/** One of some words. */
export function word(...words: readonly string[]): Field {
  return field({ enum: words }, (v) =>
    typeof v === 'string' && words.includes(v) ? undefined : `is none of ${words.join(', ')}`,
  );
}

export const octet = field({ type: 'integer', minimum: 0, maximum: 255 }, (v) =>
  count.wrong(v) === undefined && (v as number) < 256 ? undefined : 'is not a number from 0 to 255',
);

export const base64 = field({ type: 'string', contentEncoding: 'base64' }, (v) =>
  typeof v === 'string' && v.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(v)
    ? undefined
    : 'is not base64',
);

/** Text; or a byte string, which only CBOR has. */
export const textOrOctets = field({ type: 'string' }, (v) =>
  typeof v === 'string' || v instanceof Uint8Array ? undefined : 'is not a string',
);

const ulong = field({ type: 'string', pattern: '^\\d{1,20}$' }, (v) =>
  typeof v === 'string' && /^\d{1,20}$/.test(v) && BigInt(v) < 1n << 64n ? undefined : 'is no ulong',
);

const long = field({ type: 'string', pattern: '^-?\\d{1,20}$' }, (v) =>
  typeof v === 'string' && /^-?\d{1,20}$/.test(v) ? undefined : 'is no long',
);

const uuid = field({ type: 'string', format: 'uuid' }, (v) =>
  typeof v === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(v)
    ? undefined
    : 'is no uuid',
);

/** An object with exactly one field, which says the type of its value. */
function oneOf(kinds: Fields): Field {
  const schema = { oneOf: Object.entries(kinds).map(([name, one]) => schemaOf({ [name]: one })) };
  return field(schema, (v) => {
    if (!isObject(v)) return 'has a type that is not offered';
    const [name, ...more] = Object.keys(v);
    if (name === undefined || more.length > 0 || !Object.hasOwn(kinds, name)) {
      return `has not one of ${Object.keys(kinds).join(', ')}`;
    }
    return kinds[name]!.wrong(v[name]);
  });
}

const typedId = oneOf({ base64, ulong, uuid });

export const id = field({ oneOf: [{ type: 'string' }, typedId.schema] }, (v) =>
  typeof v === 'string' || v instanceof Uint8Array ? undefined : typedId.wrong(v),
);

const typedValue = oneOf({ base64, long });

const value = field({ oneOf: [{ type: ['string', 'number', 'boolean'] }, typedValue.schema] }, (v) =>
  typeof v === 'string' || typeof v === 'boolean' || v instanceof Uint8Array || Number.isFinite(v)
    ? undefined
    : typedValue.wrong(v),
);

const PROPERTY: Fields = { name: text, value, section: optional(text) };

export const user = field({ type: 'array', maxItems: MAX_PROPERTIES, items: schemaOf(PROPERTY) }, (v) => {
  if (!Array.isArray(v)) return 'is not a list';
  if (v.length > MAX_PROPERTIES) return `has more than ${MAX_PROPERTIES} properties`;
  for (const property of v) {
    const wrong = wrongField(property, PROPERTY, true);
    if (wrong !== undefined) return `has a property whose ${wrong}`;
  }
  return undefined;
});

/** An object of these fields, inside a frame. */
export function object(fields: Fields): Field {
  return field(schemaOf(fields), (v) => wrongField(v, fields, true));
}
