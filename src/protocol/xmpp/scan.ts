// Finds where the header, the stanzas and the end of a stream lie in its octets, with every limit checked before memory is taken.

import { StreamFault } from './fault.ts';
import type { XmlLimits } from './packet.ts';

/** A piece of the stream that can be read by itself. */
export interface Piece {
  readonly kind: 'header' | 'stanza' | 'end';
  readonly text: string;
}

/** What stanzas that are still arriving take together, on all connections. */
export interface Budget {
  gathering: number;
  readonly limit: number;
}

/*
 * between ──'<'──▶ less ──'/'──▶ close ──'>'──┐        less ──'?'──▶ declaration, in front of the header only
 *    ▲               ├──'!'──▶ bang ──'[CDATA['──▶ cdata ──']]>'──▶ text
 *    │               └──▶ open ⇄ quoted ──'>'──┤
 *    └────────────── depth 0 ──────────────────┴── deeper ──▶ text ──'<'──▶ less
 */
const BETWEEN = 0;
const LESS = 1;
const OPEN = 2;
const QUOTED = 3;
const CLOSE = 4;
const TEXT = 5;
const BANG = 6;
const CDATA = 7;
const DECLARATION = 8;

const CDATA_WORD = '[CDATA[';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class XmlScanner {
  limits: XmlLimits;
  /** The offset behind the last piece, or behind everything when there was none. */
  at = 0;
  private readonly budget: Budget;
  private mode = BETWEEN;
  private headed = false;
  /** The XML declaration, which comes once, in front of the header. */
  private declared = false;
  /** The piece began, perhaps in an earlier chunk. */
  private begun = false;
  private pieces: Uint8Array[] = [];
  private gathered = 0;
  private depth = 0;
  private elements = 0;
  private tag = 0;
  private quote = 0;
  private slash = false;
  /** A hash of the name in this tag, and of those of the elements that are open: an end tag of something else is told at once. */
  private name = 0;
  private naming = false;
  private readonly names: number[] = [];
  /** How much of `[CDATA[`, or of `]]>` or `?>`, was seen. */
  private seen = 0;

  constructor(limits: XmlLimits, budget: Budget) {
    this.limits = limits;
    this.budget = budget;
  }

  /** A new stream begins on the same connection. */
  restart(): void {
    this.close();
    this.headed = false;
    this.declared = false;
    this.mode = BETWEEN;
    this.depth = 0;
  }

  /** Nothing more comes. */
  close(): void {
    this.budget.gathering -= this.gathered;
    this.pieces = [];
    this.gathered = 0;
    this.begun = false;
  }

  /** The next piece in `bytes[at..end)`; undefined: all of it was taken. Throws StreamFault. */
  next(bytes: Uint8Array, at: number, end: number): Piece | undefined {
    let from = at;
    for (let i = at; i < end; i++) {
      const c = bytes[i]!;
      if (this.mode === BETWEEN && !this.begun) from = i;
      if (!this.step(c)) continue;
      this.at = i + 1;
      return this.finish(bytes, from, i + 1);
    }
    this.at = end;
    if (this.begun) this.gather(bytes, from, end);
    return undefined;
  }

  /** Takes one octet. True: a piece ends with it. */
  private step(c: number): boolean {
    switch (this.mode) {
      case BETWEEN:
        this.between(c);
        return false;
      case TEXT:
        if (c === 0x3c) this.mode = LESS;
        return false;
      case LESS:
        this.less(c);
        return false;
      case OPEN:
        return this.open(c);
      case QUOTED:
        this.measure();
        if (c === this.quote) this.mode = OPEN;
        return false;
      case CLOSE:
        this.measure();
        if (this.naming) this.spell(c);
        return c === 0x3e && this.closed();
      case BANG:
        if (c !== CDATA_WORD.charCodeAt(this.seen)) throw restricted('a comment or a document type');
        if (++this.seen === CDATA_WORD.length) {
          this.mode = CDATA;
          this.seen = 0;
        }
        return false;
      case CDATA:
        if (c === 0x3e && this.seen >= 2) this.mode = TEXT;
        else this.seen = c === 0x5d ? this.seen + 1 : 0;
        return false;
      default: // DECLARATION
        this.measure();
        if (c === 0x3e && this.seen === 1) this.mode = BETWEEN;
        this.seen = c === 0x3f ? 1 : 0;
        return false;
    }
  }

  private between(c: number): void {
    if (c === 0x3c) {
      this.begun = true;
      this.mode = LESS;
      this.elements = 0;
      this.tag = 0;
    } else if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) {
      throw new StreamFault('bad-format', 'RFC6120-11.7', 'text between two stanzas');
    }
  }

  private less(c: number): void {
    this.tag = 0;
    this.slash = false;
    this.seen = 0;
    this.name = 0;
    this.naming = true;
    if (c === 0x2f) this.mode = CLOSE;
    else if (c === 0x21 && this.depth > 0) this.mode = BANG;
    else if (c === 0x3f && !this.headed && !this.declared) {
      this.declared = true;
      this.mode = DECLARATION;
    } else if (c === 0x21 || c === 0x3f)
      throw restricted('a comment, document type or processing instruction');
    else {
      this.mode = OPEN;
      this.spell(c);
      if (++this.elements > this.limits.elements)
        throw policy(`more than ${this.limits.elements} elements in one stanza`);
    }
  }

  /** One more octet of the name, or the first behind it. */
  private spell(c: number): void {
    if (c === 0x3e || c === 0x2f || c === 0x20 || (c >= 0x09 && c <= 0x0d)) this.naming = false;
    else this.name = (Math.imul(this.name, 31) + c) | 0;
  }

  private open(c: number): boolean {
    this.measure();
    if (this.naming) this.spell(c);
    if (c === 0x22 || c === 0x27) {
      this.quote = c;
      this.mode = QUOTED;
      this.slash = false;
      return false;
    }
    if (c !== 0x3e) {
      this.slash = c === 0x2f;
      return false;
    }
    if (!this.headed) return true;
    if (!this.slash) {
      this.names[this.depth] = this.name;
      if (++this.depth > this.limits.depth) throw policy(`elements lie more than ${this.limits.depth} deep`);
    }
    this.mode = this.depth === 0 ? BETWEEN : TEXT;
    return this.depth === 0;
  }

  private closed(): boolean {
    if (this.depth > 0 && this.names[--this.depth] !== this.name)
      throw new StreamFault('not-well-formed', 'RFC6120-4.9.3.13', 'an end tag of something else');
    this.mode = this.depth === 0 ? BETWEEN : TEXT;
    return this.depth === 0;
  }

  private measure(): void {
    if (++this.tag > this.limits.tagBytes)
      throw policy(`a tag is longer than ${this.limits.tagBytes} octets`);
  }

  private finish(bytes: Uint8Array, from: number, end: number): Piece {
    const octets = this.whole(bytes, from, end);
    let text: string;
    try {
      text = decoder.decode(octets);
    } catch {
      throw new StreamFault('unsupported-encoding', 'RFC6120-11.6', 'not UTF-8');
    }
    this.close();
    this.mode = BETWEEN;
    if (this.headed) return { kind: text.startsWith('</') ? 'end' : 'stanza', text };
    this.headed = true;
    return { kind: 'header', text };
  }

  private whole(bytes: Uint8Array, from: number, end: number): Uint8Array {
    this.weigh(end - from);
    const last = bytes.subarray(from, end);
    if (this.pieces.length === 0) return last;
    const whole = new Uint8Array(this.gathered + last.length);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    whole.set(last, at);
    return whole;
  }

  private weigh(more: number): void {
    if (this.gathered + more > this.limits.stanzaBytes)
      throw policy(`a stanza is longer than ${this.limits.stanzaBytes} octets`);
  }

  private gather(bytes: Uint8Array, from: number, end: number): void {
    this.weigh(end - from);
    if (this.budget.gathering + end - from > this.budget.limit)
      throw new StreamFault(
        'resource-constraint',
        'RFC6120-4.9.3.17',
        'too many large stanzas arrive at once',
      );
    this.pieces.push(bytes.slice(from, end));
    this.gathered += end - from;
    this.budget.gathering += end - from;
    // One octet at a time must not cost an object each.
    if (this.pieces.length >= MAX_PIECES) this.pieces = [this.whole(bytes, 0, 0)];
  }
}

/** From so many pieces on they become one. */
const MAX_PIECES = 256;

function policy(message: string): StreamFault {
  return new StreamFault('policy-violation', 'RFC6120-4.9.3.14', message);
}

function restricted(what: string): StreamFault {
  return new StreamFault('restricted-xml', 'RFC6120-11.1', `${what} in the stream`);
}
