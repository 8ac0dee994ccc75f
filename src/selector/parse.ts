// Selector text to an expression tree: the conditional expressions of SQL-92 that JMS took over.

/** A value that a selector compares. Exact numbers beyond 2⁵³ come as bigint. */
export type SelectorValue = string | number | bigint | boolean;

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>=';
export type Arithmetic = '+' | '-' | '*' | '/';

export type Expression =
  | { readonly kind: 'literal'; readonly value: SelectorValue }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'compare';
      readonly op: Comparison;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'arithmetic';
      readonly op: Arithmetic;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'negate'; readonly of: Expression }
  | {
      readonly kind: 'between';
      readonly of: Expression;
      readonly low: Expression;
      readonly high: Expression;
    }
  | { readonly kind: 'in'; readonly of: Expression; readonly values: ReadonlySet<string> }
  | { readonly kind: 'like'; readonly of: Expression; readonly pattern: readonly PatternPart[] }
  | { readonly kind: 'null'; readonly of: Expression };

/** One character of a LIKE pattern: itself, `any` one (`_`), or `many` (`%`). */
export type PatternPart = { readonly character: string } | 'any' | 'many';

/** The text is no selector. `at` counts UTF-16 units from 0. */
export class SelectorError extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(`${message}, at character ${at + 1}`);
    this.name = 'SelectorError';
    this.at = at;
  }
}

const MAX_LENGTH = 4_096;
/** Parentheses, NOT and signs inside each other: the parser and the evaluation recurse. */
const MAX_DEPTH = 64;

interface Token {
  readonly kind: 'word' | 'string' | 'number' | 'symbol' | 'end';
  /** Words as written, strings without their quotes, symbols as they are. */
  readonly text: string;
  readonly at: number;
}

const WORD = /[\p{ID_Start}_$][\p{ID_Continue}$.]*/uy;
const NUMBER = /(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)[fFdDlL]?/y;
const SPACE = /[ \t\r\n\f]+/y;
const SYMBOL = /<>|<=|>=|[=<>()+\-*/,]/y;
const RESERVED = new Set([
  'AND',
  'OR',
  'NOT',
  'BETWEEN',
  'IN',
  'LIKE',
  'IS',
  'NULL',
  'ESCAPE',
  'TRUE',
  'FALSE',
]);

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const space = take(SPACE);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    const quote = text[at]!;
    if (quote === "'" || quote === '"') {
      const token = quoted(text, at, quote);
      found.push(token.token);
      at = token.end;
      continue;
    }
    const word = take(WORD);
    const number = word === undefined ? take(NUMBER) : undefined;
    const symbol = word === undefined && number === undefined ? take(SYMBOL) : undefined;
    const token = word ?? number ?? symbol;
    if (token === undefined) throw new SelectorError(`${JSON.stringify(quote)} is not known here`, at);
    const kind = word !== undefined ? 'word' : number !== undefined ? 'number' : 'symbol';
    found.push({ kind, text: token, at });
    at += token.length;
  }
  found.push({ kind: 'end', text: '', at });
  return found;
}

/** A string `'it''s'`, or a name that is no identifier, `"content-type"` (SQL-92's delimited identifier). */
function quoted(text: string, start: number, quote: string): { token: Token; end: number } {
  let value = '';
  for (let at = start + 1; ; ) {
    const end = text.indexOf(quote, at);
    if (end < 0) throw new SelectorError('a quote is not closed', start);
    value += text.slice(at, end);
    if (text[end + 1] !== quote) {
      const kind = quote === "'" ? 'string' : 'word';
      return { token: { kind, text: quote === "'" ? value : `"${value}`, at: start }, end: end + 1 };
    }
    value += quote;
    at = end + 2;
  }
}

/** Throws SelectorError. */
export function parseSelector(text: string): Expression {
  if (text.length > MAX_LENGTH)
    throw new SelectorError(`a selector is longer than ${MAX_LENGTH}`, MAX_LENGTH);
  return new Parser(tokens(text)).whole();
}

class Parser {
  private readonly tokens: readonly Token[];
  private next = 0;
  private depth = 0;

  constructor(all: readonly Token[]) {
    this.tokens = all;
  }

  whole(): Expression {
    const expression = this.or();
    if (this.token.kind !== 'end') throw this.unexpected('the end');
    return expression;
  }

  private get token(): Token {
    return this.tokens[this.next]!;
  }

  private unexpected(wanted: string): SelectorError {
    const { kind, text, at } = this.token;
    return new SelectorError(
      `${wanted} is expected, not ${kind === 'end' ? 'the end' : JSON.stringify(text)}`,
      at,
    );
  }

  private takeWord(...words: string[]): string | undefined {
    const { kind, text } = this.token;
    const word = text.toUpperCase();
    if (kind !== 'word' || !words.includes(word)) return undefined;
    this.next++;
    return word;
  }

  private takeSymbol(...symbols: string[]): string | undefined {
    const { kind, text } = this.token;
    if (kind !== 'symbol' || !symbols.includes(text)) return undefined;
    this.next++;
    return text;
  }

  private expectWord(word: string): void {
    if (this.takeWord(word) === undefined) throw this.unexpected(word);
  }

  private expectSymbol(symbol: string): void {
    if (this.takeSymbol(symbol) === undefined) throw this.unexpected(`"${symbol}"`);
  }

  private expectString(): string {
    if (this.token.kind !== 'string') throw this.unexpected('a string');
    return this.tokens[this.next++]!.text;
  }

  private deeper<T>(inside: () => T): T {
    if (++this.depth > MAX_DEPTH) throw new SelectorError(`nested deeper than ${MAX_DEPTH}`, this.token.at);
    const result = inside();
    this.depth--;
    return result;
  }

  private or(): Expression {
    const parts = [this.and()];
    while (this.takeWord('OR') !== undefined) parts.push(this.and());
    return balanced('or', parts);
  }

  private and(): Expression {
    const parts = [this.not()];
    while (this.takeWord('AND') !== undefined) parts.push(this.not());
    return balanced('and', parts);
  }

  private not(): Expression {
    if (this.takeWord('NOT') === undefined) return this.predicate();
    return { kind: 'not', of: this.deeper(() => this.not()) };
  }

  private predicate(): Expression {
    const left = this.sum();
    const op = this.takeSymbol('=', '<>', '<', '<=', '>', '>=');
    if (op !== undefined) return { kind: 'compare', op: op as Comparison, left, right: this.sum() };
    if (this.takeWord('IS') !== undefined) {
      const not = this.takeWord('NOT') !== undefined;
      this.expectWord('NULL');
      return negated(not, { kind: 'null', of: left });
    }
    const not = this.takeWord('NOT') !== undefined;
    switch (this.takeWord('BETWEEN', 'IN', 'LIKE')) {
      case 'BETWEEN': {
        const low = this.sum();
        this.expectWord('AND');
        return negated(not, { kind: 'between', of: left, low, high: this.sum() });
      }
      case 'IN':
        return negated(not, { kind: 'in', of: left, values: this.strings() });
      case 'LIKE':
        return negated(not, { kind: 'like', of: left, pattern: this.pattern() });
      default:
        if (not) throw this.unexpected('BETWEEN, IN or LIKE');
        return left;
    }
  }

  private strings(): Set<string> {
    this.expectSymbol('(');
    const values = new Set([this.expectString()]);
    while (this.takeSymbol(',') !== undefined) values.add(this.expectString());
    this.expectSymbol(')');
    return values;
  }

  private pattern(): PatternPart[] {
    const { at } = this.token;
    const pattern = this.expectString();
    const escapeBy = this.takeWord('ESCAPE') === undefined ? undefined : this.expectString();
    if (escapeBy !== undefined && [...escapeBy].length !== 1)
      throw new SelectorError('ESCAPE takes one character', at);
    const parts: PatternPart[] = [];
    const characters = [...pattern];
    for (let i = 0; i < characters.length; i++) {
      const character = characters[i]!;
      if (character === escapeBy) {
        const literal = characters[++i];
        if (literal === undefined) throw new SelectorError('the pattern ends with its escape', at);
        parts.push({ character: literal });
      } else if (character === '_') parts.push('any');
      else if (character !== '%') parts.push({ character });
      else if (parts.at(-1) !== 'many') parts.push('many');
    }
    return parts;
  }

  private sum(): Expression {
    let left = this.product();
    for (;;) {
      const op = this.takeSymbol('+', '-');
      if (op === undefined) return left;
      left = { kind: 'arithmetic', op: op as Arithmetic, left, right: this.product() };
    }
  }

  private product(): Expression {
    let left = this.signed();
    for (;;) {
      const op = this.takeSymbol('*', '/');
      if (op === undefined) return left;
      left = { kind: 'arithmetic', op: op as Arithmetic, left, right: this.signed() };
    }
  }

  private signed(): Expression {
    const sign = this.takeSymbol('+', '-');
    if (sign === undefined) return this.primary();
    const of = this.deeper(() => this.signed());
    return sign === '+' ? of : { kind: 'negate', of };
  }

  private primary(): Expression {
    const { kind, text } = this.token;
    if (this.takeSymbol('(') !== undefined) {
      const inside = this.deeper(() => this.or());
      this.expectSymbol(')');
      return inside;
    }
    if (kind === 'string' || kind === 'number') {
      this.next++;
      return { kind: 'literal', value: kind === 'string' ? text : numberOf(text) };
    }
    const truth = this.takeWord('TRUE', 'FALSE');
    if (truth !== undefined) return { kind: 'literal', value: truth === 'TRUE' };
    if (kind !== 'word' || RESERVED.has(text.toUpperCase())) throw this.unexpected('a value');
    this.next++;
    return { kind: 'name', name: text.startsWith('"') ? text.slice(1) : text };
  }
}

function negated(not: boolean, of: Expression): Expression {
  return not ? { kind: 'not', of } : of;
}

/** A long chain becomes a tree of little depth: evaluation recurses. Order of operands and meaning stay. */
function balanced(kind: 'and' | 'or', parts: readonly Expression[]): Expression {
  if (parts.length === 1) return parts[0]!;
  const middle = parts.length >> 1;
  return { kind, left: balanced(kind, parts.slice(0, middle)), right: balanced(kind, parts.slice(middle)) };
}

function numberOf(text: string): number | bigint {
  const plain = text.replace(/[fFdDlL]$/, '');
  const value = Number(plain);
  return /^\d+$/.test(plain) && !Number.isSafeInteger(value) ? BigInt(plain) : value;
}
