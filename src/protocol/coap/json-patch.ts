// Changing a JSON value by a document that says what is to change: merge patches (RFC 7396) and JSON patches (RFC 6902).

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Why a patch was not applied: it is none, it makes no sense of this value, or the value is not as it expects. */
export class PatchError extends Error {
  readonly kind: 'malformed' | 'unprocessable' | 'conflict' | 'too-large';

  constructor(kind: PatchError['kind'], why: string) {
    super(why);
    this.kind = kind;
  }
}

const MAX_DEPTH = 64;
const MAX_OPERATIONS = 128;
const NONE = Symbol('no value');

/** Undefined: no JSON, or nested deeper than anything sensible is. */
export function parseJson(text: string): Json | undefined {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (!quoted && (c === '{' || c === '[')) {
      if (++depth > MAX_DEPTH) return undefined;
    } else if (!quoted && (c === '}' || c === ']')) depth--;
  }
  try {
    return JSON.parse(text) as Json;
  } catch (why) {
    if (why instanceof SyntaxError) return undefined;
    throw why;
  }
}

function isObject(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** [RFC7396-2] */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const members = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) members.delete(name);
    else members.set(name, mergePatch(members.get(name), change));
  }
  return Object.fromEntries(members);
}

/** The operations one after the other, all or none; copies make it at most `maxBytes` larger. Throws PatchError. */
export function jsonPatch(target: Json, patch: Json, maxBytes: number): Json {
  if (!Array.isArray(patch)) throw new PatchError('malformed', 'a JSON patch is an array'); // [RFC6902-3]
  if (patch.length > MAX_OPERATIONS)
    throw new PatchError('too-large', `more than ${MAX_OPERATIONS} operations`);
  let room = maxBytes;
  let value: Json = target;
  for (const step of patch as readonly Json[]) {
    const { op, at, from, operand } = operationOf(step);
    switch (op) {
      case 'add':
        value = changed(value, at, 0, 'add', operand!);
        break;
      case 'remove':
        value = changed(value, at, 0, 'remove', null);
        break;
      case 'replace':
        value = changed(value, at, 0, 'replace', operand!);
        break;
      case 'move': {
        // Nothing can become a part of itself. [RFC6902-4.4]
        if (at.length > from.length && from.every((name, i) => name === at[i]))
          throw new PatchError('unprocessable', 'moves a value into itself');
        const moved = found(value, from);
        value = changed(changed(value, from, 0, 'remove', null), at, 0, 'add', moved);
        break;
      }
      case 'copy': {
        const copied = found(value, from);
        room -= JSON.stringify(copied).length;
        if (room < 0) throw new PatchError('too-large', 'copies too much');
        value = changed(value, at, 0, 'add', copied);
        break;
      }
      default:
        if (!isEqual(found(value, at), operand!)) throw new PatchError('conflict', 'a test failed');
    }
  }
  return value;
}

interface Operation {
  readonly op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
  readonly at: readonly string[];
  readonly from: readonly string[];
  readonly operand: Json | undefined;
}

function operationOf(step: Json): Operation {
  if (!isObject(step)) throw new PatchError('malformed', 'an operation is an object');
  const { op, path, from, value } = step;
  if (typeof op !== 'string' || !/^(?:add|remove|replace|move|copy|test)$/.test(op))
    throw new PatchError('malformed', 'op is add, remove, replace, move, copy or test');
  if (value === undefined && /^(?:add|replace|test)$/.test(op))
    throw new PatchError('malformed', `${op} needs a value`);
  const at = pointerOf(path);
  return {
    op: op as Operation['op'],
    at,
    from: op === 'move' || op === 'copy' ? pointerOf(from) : [],
    operand: value,
  };
}

/** [RFC6901-3] */
function pointerOf(text: Json | undefined): readonly string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/')) || /~(?![01])/.test(text))
    throw new PatchError('malformed', 'a path is a JSON pointer');
  return text
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function found(value: Json, at: readonly string[]): Json {
  let here: Json | typeof NONE = value;
  for (const name of at) here = here === NONE ? NONE : memberOf(here, name);
  if (here === NONE) throw new PatchError('conflict', `there is no /${at.join('/')}`);
  return here;
}

function memberOf(value: Json, name: string): Json | typeof NONE {
  if (Array.isArray(value)) return isIndex(name) ? ((value[Number(name)] as Json | undefined) ?? NONE) : NONE;
  return isObject(value) && Object.hasOwn(value, name) ? value[name]! : NONE;
}

/** Digits without leading zeros [RFC6901-4]. */
function isIndex(name: string): boolean {
  return /^(?:0|[1-9]\d{0,8})$/.test(name);
}

/** A copy of `value` with the place `at[depth…]` changed; what is not on the way there is shared. */
function changed(
  value: Json,
  at: readonly string[],
  depth: number,
  how: 'add' | 'remove' | 'replace',
  operand: Json,
): Json {
  if (depth === at.length) {
    if (how === 'remove') throw new PatchError('unprocessable', 'removes the whole');
    return operand;
  }
  const name = at[depth]!;
  const last = depth === at.length - 1;
  const place = `/${at.slice(0, depth + 1).join('/')}`;
  const before = memberOf(value, name);
  if (Array.isArray(value)) {
    const list = [...(value as readonly Json[])];
    const index = name === '-' ? list.length : isIndex(name) ? Number(name) : Number.NaN;
    if (last && how === 'add') {
      if (!(index <= list.length)) throw new PatchError('conflict', `there is no place ${place}`);
      list.splice(index, 0, operand);
      return list;
    }
    if (before === NONE) throw new PatchError('conflict', `there is no ${place}`);
    if (last && how === 'remove') list.splice(index, 1);
    else list[index] = changed(before, at, depth + 1, how, operand);
    return list;
  }
  if (!isObject(value)) throw new PatchError('conflict', `there is nothing below ${place}`);
  const members = new Map(Object.entries(value));
  if (last && how === 'add') members.set(name, operand);
  else if (before === NONE) throw new PatchError('conflict', `there is no ${place}`);
  else if (last && how === 'remove') members.delete(name);
  else members.set(name, changed(before, at, depth + 1, how, operand));
  return Object.fromEntries(members);
}

/** [RFC6902-4.6] */
function isEqual(a: Json, b: Json): boolean {
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((one, i) => isEqual(one as Json, (b as readonly Json[])[i]!));
  }
  if (!isObject(a) || !isObject(b)) return a === b;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isEqual(a[name]!, b[name]!))
  );
}
