// Writes elements as XML, for a place where some namespaces are declared already.

import { NS, type XmlElement } from './packet.ts';

/** What is declared where an element is to stand: its default namespace, and whether the prefix `stream` is. */
export interface Place {
  readonly ns: string | undefined;
  readonly streams: boolean;
}

/** Inside of a stream of TCP. */
export const IN_STREAM: Place = { ns: NS.client, streams: true };
/** Alone, as a WebSocket message. [RFC7395-3.3.3] */
export const ALONE: Place = { ns: undefined, streams: false };

/** An element, with the namespace declarations that it needs at its place. */
export function encodeElement(e: XmlElement, place: Place): string {
  const prefixed = e.ns === NS.streams;
  const name = prefixed ? `stream:${e.name}` : e.name;
  let xml = `<${name}`;
  let inside = place;
  if (prefixed) {
    if (!place.streams) {
      xml += ` xmlns:stream='${NS.streams}'`;
      inside = { ns: place.ns, streams: true };
    }
  } else if (e.ns !== place.ns) {
    if (e.ns !== '' || place.ns !== undefined) xml += ` xmlns='${escapeAttribute(e.ns)}'`;
    inside = { ns: e.ns, streams: place.streams };
  }
  xml += attributes(e);
  if (e.children.length === 0) return `${xml}/>`;
  xml += '>';
  for (const c of e.children) xml += typeof c === 'string' ? escapeText(c) : encodeElement(c, inside);
  return `${xml}</${name}>`;
}

function attributes(e: XmlElement): string {
  let xml = '';
  let prefixes = 0;
  for (const [name, value] of e.attributes) {
    if (name.startsWith('{')) {
      const close = name.lastIndexOf('}');
      const prefix = `a${prefixes++}`;
      xml += ` xmlns:${prefix}='${escapeAttribute(name.slice(1, close))}' ${prefix}:${name.slice(close + 1)}`;
    } else xml += ` ${name}`;
    xml += `='${escapeAttribute(value)}'`;
  }
  return xml;
}

const TEXT_SPECIAL = /[<>&\r]/;
const ATTRIBUTE_SPECIAL = /[<>&'"\t\r\n]/;
const ESCAPES: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  "'": '&apos;',
  '"': '&quot;',
  '\t': '&#9;',
  '\r': '&#13;',
  '\n': '&#10;',
};

export function escapeText(text: string): string {
  return TEXT_SPECIAL.test(text) ? text.replace(/[<>&\r]/g, (c) => ESCAPES[c]!) : text;
}

export function escapeAttribute(text: string): string {
  return ATTRIBUTE_SPECIAL.test(text) ? text.replace(/[<>&'"\t\r\n]/g, (c) => ESCAPES[c]!) : text;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const NOT_XML = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g;

/** `text` without what XML cannot say at all, not even as a reference. */
export function xmlText(text: string): string {
  return text.replace(NOT_XML, '\ufffd');
}
