// Selectors: whether a message is one that a consumer asked for, in the three-valued logic of SQL-92.

import {
  type Comparison,
  type Expression,
  type PatternPart,
  parseSelector,
  type SelectorValue,
} from './parse.ts';

/** The value of a name in a message; undefined: it has none (NULL). */
export type Lookup = (name: string) => SelectorValue | undefined;

export interface Selector {
  /** Unknown counts as no. */
  matches(lookup: Lookup): boolean;
}

export interface SelectorOptions {
  /** A name whose value is text that spells a number or boolean equals one: for protocols whose properties are all text. */
  readonly spelled: boolean;
}

/** Throws SelectorError when the text is no selector. */
export function compileSelector(text: string, options: SelectorOptions): Selector {
  const expression = parseSelector(text);
  return { matches: (lookup) => evaluate(expression, lookup, options.spelled) === true };
}

/** Undefined is unknown, or NULL. */
function evaluate(e: Expression, lookup: Lookup, spelled: boolean): SelectorValue | undefined {
  switch (e.kind) {
    case 'literal':
      return e.value;
    case 'name':
      return lookup(e.name);
    case 'not': {
      const of = truthOf(e.of, lookup, spelled);
      return of === undefined ? undefined : !of;
    }
    case 'and': {
      const left = truthOf(e.left, lookup, spelled);
      if (left === false) return false;
      const right = truthOf(e.right, lookup, spelled);
      return right === false ? false : left === undefined ? undefined : right;
    }
    case 'or': {
      const left = truthOf(e.left, lookup, spelled);
      if (left === true) return true;
      const right = truthOf(e.right, lookup, spelled);
      return right === true ? true : left === undefined ? undefined : right;
    }
    case 'compare':
      return compare(e.op, evaluate(e.left, lookup, spelled), evaluate(e.right, lookup, spelled), spelled);
    case 'between': {
      const of = evaluate(e.of, lookup, spelled);
      const above = compare('>=', of, evaluate(e.low, lookup, spelled), spelled);
      const below = compare('<=', of, evaluate(e.high, lookup, spelled), spelled);
      if (above === false || below === false) return false;
      return above === undefined ? undefined : below;
    }
    case 'in': {
      const of = evaluate(e.of, lookup, spelled);
      return typeof of === 'string' ? e.values.has(of) : undefined;
    }
    case 'like': {
      const of = evaluate(e.of, lookup, spelled);
      return typeof of === 'string' ? isLike(of, e.pattern) : undefined;
    }
    case 'null':
      return evaluate(e.of, lookup, spelled) === undefined;
    case 'negate': {
      const of = numeric(evaluate(e.of, lookup, spelled), spelled);
      return of === undefined ? undefined : -of;
    }
    case 'arithmetic':
      return calculate(
        e.op,
        numeric(evaluate(e.left, lookup, spelled), spelled),
        numeric(evaluate(e.right, lookup, spelled), spelled),
      );
  }
}

function truthOf(e: Expression, lookup: Lookup, spelled: boolean): boolean | undefined {
  const value = evaluate(e, lookup, spelled);
  if (typeof value === 'boolean') return value;
  return spelled && (value === 'true' || value === 'false') ? value === 'true' : undefined;
}

/** What does not compare is false, except NULL, which is unknown. Text and booleans compare by = and <> only. */
function compare(
  op: Comparison,
  left: SelectorValue | undefined,
  right: SelectorValue | undefined,
  spelled: boolean,
): boolean | undefined {
  if (left === undefined || right === undefined) return undefined;
  let [a, b] = [left, right];
  if (spelled && typeof a !== typeof b) {
    a = likeOther(a, b);
    b = likeOther(b, a);
  }
  if (isNumber(a) && isNumber(b)) return ordered(op, a, b);
  if (typeof a !== typeof b) return false;
  if (op === '=') return a === b;
  return op === '<>' ? a !== b : false;
}

function ordered(op: Comparison, a: number | bigint, b: number | bigint): boolean {
  switch (op) {
    case '=':
      return !(a < b) && !(a > b) && !isNaNumber(a) && !isNaNumber(b);
    case '<>':
      return a < b || a > b || isNaNumber(a) || isNaNumber(b);
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}

function isNumber(value: SelectorValue): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function isNaNumber(value: number | bigint): boolean {
  return typeof value === 'number' && Number.isNaN(value);
}

const SPELLED_NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Text as the type of `other`, when it spells one. */
function likeOther(value: SelectorValue, other: SelectorValue): SelectorValue {
  if (typeof value !== 'string') return value;
  if (isNumber(other)) return SPELLED_NUMBER.test(value) ? Number(value) : value;
  if (typeof other === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  return value;
}

function numeric(value: SelectorValue | undefined, spelled: boolean): number | bigint | undefined {
  if (value === undefined) return undefined;
  const number = spelled ? likeOther(value, 0) : value;
  return isNumber(number) ? number : undefined;
}

function calculate(
  op: '+' | '-' | '*' | '/',
  left: number | bigint | undefined,
  right: number | bigint | undefined,
): number | undefined {
  if (left === undefined || right === undefined) return undefined;
  const [a, b] = [Number(left), Number(right)];
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
  }
}

/** Linear but for one `many` to go back to: no pattern makes it slow. */
function isLike(text: string, pattern: readonly PatternPart[]): boolean {
  const characters = [...text];
  let at = 0;
  let part = 0;
  let many = -1;
  let resume = 0;
  while (at < characters.length) {
    const wanted = pattern[part];
    if (wanted === 'many') {
      many = part++;
      resume = at;
    } else if (
      wanted !== undefined &&
      (wanted === 'any' || (wanted as { character: string }).character === characters[at])
    ) {
      part++;
      at++;
    } else if (many >= 0) {
      part = many + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[part] === 'many') part++;
  return part === pattern.length;
}
