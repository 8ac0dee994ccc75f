// Reads XML as XMPP allows it: elements, attributes and text, with namespaces; nothing else of XML is taken.

import { StreamFault } from './fault.ts';
import { XmlElement, type XmlLimits, type XmlNode } from './packet.ts';

/** Namespaces that are declared around an element. */
export interface Scope {
  readonly ns: string;
  readonly prefixes: ReadonlyMap<string, string>;
}

const XML = 'http://www.w3.org/XML/1998/namespace';
const XMLNS = 'http://www.w3.org/2000/xmlns/';

/** Where nothing is declared. */
export const NO_SCOPE: Scope = { ns: '', prefixes: new Map() };

// [XML-NAMES-3] NCName; U+00D7, U+00F7 and U+037E are no letters.
const START =
  'A-Z_a-z\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef' +
  '\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}';
const NAME = `[${START}][${START}\\-.0-9\\xb7\\u0300-\\u036f\\u203f\\u2040]*`;
const QNAME = new RegExp(`(?:(${NAME}):)?(${NAME})`, 'uy');
const SPACE = /[ \t\r\n]*/y;
// [XML-2.2] Char
const NO_CHARACTER =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const DECLARATION =
  /^<\?xml[ \t\r\n]+version=(?:'1\.0'|"1\.0")(?:[ \t\r\n]+encoding=(?:'utf-8'|"utf-8"))?(?:[ \t\r\n]+standalone=(?:'(?:yes|no)'|"(?:yes|no)"))?[ \t\r\n]*\?>[ \t\r\n]*/i;

/** A whole element that stands alone. Throws StreamFault. */
export function parseElement(text: string, scope: Scope, limits: XmlLimits): XmlElement {
  return new Parser(text, limits).element(scope);
}

export interface Header {
  readonly element: XmlElement;
  readonly scope: Scope;
  /** As it was written: the end tag must say the same. */
  readonly tag: string;
}

/** An open tag, a declaration in front of it allowed. Throws StreamFault. */
export function parseHeader(text: string, limits: XmlLimits): Header {
  const declared = DECLARATION.exec(text)?.[0].length ?? 0;
  if (declared === 0 && text.startsWith('<?'))
    throw new StreamFault(
      'unsupported-encoding',
      'RFC6120-11.5',
      'an XML declaration other than 1.0 in UTF-8',
    );
  const start = new Parser(text.slice(declared), limits).startTag(NO_SCOPE);
  if (start.empty) throw malformed('the stream is over before it began');
  return { element: start.element, scope: start.scope, tag: start.tag };
}

/** Whether every character may stand in XML, escaped if need be. */
export function isXmlText(text: string): boolean {
  return !NO_CHARACTER.test(text);
}

interface Start {
  readonly element: XmlElement;
  readonly children: XmlNode[];
  readonly scope: Scope;
  readonly tag: string;
  readonly empty: boolean;
}

class Parser {
  private readonly text: string;
  private readonly limits: XmlLimits;
  private at = 0;
  private elements = 0;

  constructor(text: string, limits: XmlLimits) {
    this.text = text;
    this.limits = limits;
    if (NO_CHARACTER.test(text)) throw malformed('a character that XML does not have');
  }

  element(scope: Scope): XmlElement {
    const root = this.startTag(scope);
    const open: Start[] = root.empty ? [] : [root];
    for (let inside = open.at(-1); inside !== undefined; inside = open.at(-1)) {
      this.words(inside.children);
      if (this.text.startsWith('</', this.at)) {
        this.endTag(inside.tag);
        open.pop();
        continue;
      }
      const child = this.startTag(inside.scope);
      inside.children.push(child.element);
      if (child.empty) continue;
      if (open.length >= this.limits.depth)
        throw new StreamFault('policy-violation', 'RFC6120-4.9.3.14', 'elements lie too deep');
      open.push(child);
    }
    this.space();
    if (this.at < this.text.length) throw malformed('something follows the element');
    return root.element;
  }

  startTag(outer: Scope): Start {
    if (this.text.charCodeAt(this.at) !== 0x3c) throw malformed('no element');
    if (/[!?]/.test(this.text.charAt(this.at + 1)))
      throw new StreamFault('restricted-xml', 'RFC6120-11.1', 'a comment, document type or instruction');
    this.at++;
    if (++this.elements > this.limits.elements)
      throw new StreamFault('policy-violation', 'RFC6120-4.9.3.14', 'too many elements');
    const start = this.at;
    const [prefix, local] = this.name();
    const tag = this.text.slice(start, this.at);
    const raw = this.attributes();
    const empty = this.text.startsWith('/>', this.at);
    if (!empty && this.text.charCodeAt(this.at) !== 0x3e) throw malformed('a tag does not end');
    this.at += empty ? 2 : 1;
    const scope = declared(raw, outer);
    const ns = prefix === undefined ? scope.ns : resolve(prefix, scope);
    const children: XmlNode[] = [];
    return {
      element: new XmlElement(local, ns, attributesOf(raw, scope), children),
      children,
      scope,
      tag,
      empty,
    };
  }

  private endTag(tag: string): void {
    this.at += 2;
    const end = this.text.indexOf('>', this.at);
    if (end < 0 || this.text.slice(this.at, end).trimEnd() !== tag)
      throw malformed(`<${tag.slice(0, 100)}> is not closed by its own end tag`);
    this.at = end + 1;
  }

  private name(): [prefix: string | undefined, local: string] {
    QNAME.lastIndex = this.at;
    const found = QNAME.exec(this.text);
    if (found === null) throw malformed('a name is missing');
    this.at = QNAME.lastIndex;
    return [found[1], found[2]!];
  }

  private space(): boolean {
    SPACE.lastIndex = this.at;
    SPACE.test(this.text);
    const moved = SPACE.lastIndex > this.at;
    this.at = SPACE.lastIndex;
    return moved;
  }

  private attributes(): RawAttribute[] {
    const found: RawAttribute[] = [];
    while (this.space()) {
      const c = this.text.charAt(this.at);
      if (c === '>' || c === '/') break;
      if (found.length >= this.limits.attributes)
        throw new StreamFault('policy-violation', 'RFC6120-4.9.3.14', 'too many attributes');
      const [prefix, local] = this.name();
      this.space();
      if (this.text.charAt(this.at++) !== '=')
        throw malformed(`the attribute ${local.slice(0, 100)} has no value`);
      this.space();
      const quote = this.text.charAt(this.at++);
      const end = quote === '"' || quote === "'" ? this.text.indexOf(quote, this.at) : -1;
      if (end < 0) throw malformed(`the attribute ${local.slice(0, 100)} has no value in quotes`);
      const value = this.text.slice(this.at, end);
      if (value.includes('<')) throw malformed('a < in an attribute');
      this.at = end + 1;
      // [XML-3.3.3] white space is one space each, unless written as a reference
      found.push({ prefix, local, value: expand(value.replace(/\r\n|[\t\r\n]/g, ' ')) });
    }
    return found;
  }

  /** Text and CDATA up to the next tag. */
  private words(into: XmlNode[]): void {
    let text = '';
    for (;;) {
      const end = this.text.indexOf('<', this.at);
      if (end < 0) throw malformed('an element is not closed');
      const plain = this.text.slice(this.at, end);
      if (plain.includes(']]>')) throw malformed(']]> in text');
      text += expand(lines(plain));
      this.at = end;
      if (!this.text.startsWith('<![CDATA[', end)) break;
      const close = this.text.indexOf(']]>', end + 9);
      if (close < 0) throw malformed('a CDATA section is not closed');
      text += lines(this.text.slice(end + 9, close));
      this.at = close + 3;
    }
    if (text !== '') into.push(text);
  }
}

interface RawAttribute {
  readonly prefix: string | undefined;
  readonly local: string;
  readonly value: string;
}

/** The scope inside of an element with these attributes. */
function declared(raw: readonly RawAttribute[], outer: Scope): Scope {
  let { ns } = outer;
  let prefixes: Map<string, string> | undefined;
  for (const { prefix, local, value } of raw) {
    if (prefix === undefined && local === 'xmlns') {
      if (value === XML || value === XMLNS) throw malformed('a namespace that is never declared');
      ns = value;
    } else if (prefix === 'xmlns') {
      const reserved =
        local === 'xmlns' || value === XMLNS || value === '' || (local === 'xml') !== (value === XML);
      if (reserved) throw malformed(`the prefix ${local.slice(0, 100)} cannot be declared so`);
      prefixes ??= new Map(outer.prefixes);
      prefixes.set(local, value);
    }
  }
  return ns === outer.ns && prefixes === undefined ? outer : { ns, prefixes: prefixes ?? outer.prefixes };
}

function attributesOf(raw: readonly RawAttribute[], scope: Scope): Map<string, string> {
  const attributes = new Map<string, string>();
  const declarations = new Set<string>();
  for (const { prefix, local, value } of raw) {
    const declaration = prefix === 'xmlns' || (prefix === undefined && local === 'xmlns');
    const name = declaration
      ? `${prefix}:${local}`
      : prefix === undefined
        ? local
        : prefix === 'xml'
          ? `xml:${local}`
          : `{${resolve(prefix, scope)}}${local}`;
    if (attributes.has(name) || declarations.has(name))
      throw malformed(`the attribute ${local.slice(0, 100)} is there twice`);
    if (declaration) declarations.add(name);
    else attributes.set(name, value);
  }
  return attributes;
}

function resolve(prefix: string, { prefixes }: Scope): string {
  const ns = prefix === 'xml' ? XML : prefixes.get(prefix);
  if (ns === undefined) throw malformed(`the prefix ${prefix.slice(0, 100)} is not declared`);
  return ns;
}

/** [XML-2.11] */
function lines(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** References to characters and to the five entities that XMPP has. [RFC6120-11.1] */
function expand(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:(#x[0-9a-fA-F]{1,8}|#[0-9]{1,8}|lt|gt|amp|quot|apos);)?/g, (_, word?: string) => {
    if (word === undefined) throw malformed('a reference to something that XMPP does not have');
    if (!word.startsWith('#')) return ENTITIES[word]!;
    const code = word.startsWith('#x') ? Number.parseInt(word.slice(2), 16) : Number(word.slice(1));
    const legal = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    const character = legal ? String.fromCodePoint(code) : '\0';
    if (NO_CHARACTER.test(character)) throw malformed('a reference to a character that XML does not have');
    return character;
  });
}

function malformed(message: string): StreamFault {
  return new StreamFault('not-well-formed', 'RFC6120-4.9.3.13', message);
}
