// How a stream lies on its carrier: in the octets of a connection (RFC 6120), or one element a WebSocket message (RFC 7395).

import { NO_SCOPE, parseElement, parseHeader, type Scope } from './decode.ts';
import { ALONE, encodeElement, IN_STREAM, type Place } from './encode.ts';
import { StreamFault } from './fault.ts';
import { element, NS, type XmlElement, type XmlLimits } from './packet.ts';
import { type Budget, XmlScanner } from './scan.ts';

export type Incoming =
  | { readonly kind: 'header'; readonly header: XmlElement }
  | { readonly kind: 'stanza'; readonly element: XmlElement }
  | { readonly kind: 'end' };

export interface Framing {
  limits: XmlLimits;
  /** The offset behind what was read last. */
  readonly at: number;
  /** Where stanzas stand, for encoding. */
  readonly place: Place;
  /** What comes next in `bytes[at..end)`; undefined: not all of it is here. Throws StreamFault. */
  next(bytes: Uint8Array, at: number, end: number): Incoming | undefined;
  /** A new stream begins on the same connection. */
  restart(): void;
  /** Nothing more comes. */
  close(): void;
  /** The header as this side says it. */
  header(attributes: Readonly<Record<string, string | undefined>>): string;
  readonly footer: string;
}

type Attributes = Readonly<Record<string, string | undefined>>;

export class StreamFraming implements Framing {
  readonly place = IN_STREAM;
  readonly footer = '</stream:stream>';
  private readonly scanner: XmlScanner;
  private scope: Scope = NO_SCOPE;
  private tag = '';

  constructor(limits: XmlLimits, budget: Budget) {
    this.scanner = new XmlScanner(limits, budget);
  }

  get limits(): XmlLimits {
    return this.scanner.limits;
  }

  set limits(limits: XmlLimits) {
    this.scanner.limits = limits;
  }

  get at(): number {
    return this.scanner.at;
  }

  next(bytes: Uint8Array, at: number, end: number): Incoming | undefined {
    const piece = this.scanner.next(bytes, at, end);
    if (piece === undefined) return undefined;
    if (piece.kind === 'stanza')
      return { kind: 'stanza', element: parseElement(piece.text, this.scope, this.limits) };
    if (piece.kind === 'end') {
      if (piece.text.replace(/[ \t\r\n]*>$/, '') !== `</${this.tag}`)
        throw new StreamFault('not-well-formed', 'RFC6120-4.9.3.13', 'an end tag of something else');
      return { kind: 'end' };
    }
    const { element: header, scope, tag } = parseHeader(piece.text, this.limits);
    if (!header.is('stream', NS.streams))
      throw new StreamFault('invalid-namespace', 'RFC6120-4.8.1', 'no stream of XMPP');
    if (scope.ns !== NS.client)
      throw new StreamFault(
        'invalid-namespace',
        'RFC6120-4.8.2',
        'the content namespace is not jabber:client',
      );
    this.scope = scope;
    this.tag = tag;
    return { kind: 'header', header };
  }

  restart(): void {
    this.scanner.restart();
  }

  close(): void {
    this.scanner.close();
  }

  header(attributes: Attributes): string {
    const tag = encodeElement(element('stream', NS.streams, { xmlns: NS.client, ...attributes }), ALONE);
    return `<?xml version='1.0'?>${tag.slice(0, -2)}>`;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class MessageFraming implements Framing {
  readonly place = ALONE;
  readonly footer = `<close xmlns='${NS.framing}'/>`;
  limits: XmlLimits;
  at = 0;

  constructor(limits: XmlLimits) {
    this.limits = limits;
  }

  next(bytes: Uint8Array, at: number, end: number): Incoming | undefined {
    this.at = end;
    if (end - at > this.limits.stanzaBytes)
      throw new StreamFault('policy-violation', 'RFC6120-4.9.3.14', 'a stanza is too long');
    const text = textOf(bytes.subarray(at, end));
    if (text.trim() === '') return undefined;
    const e = parseElement(text, NO_SCOPE, this.limits);
    if (e.is('open', NS.framing)) return { kind: 'header', header: e };
    if (e.is('close', NS.framing)) return { kind: 'end' };
    return { kind: 'stanza', element: e };
  }

  restart(): void {}

  close(): void {}

  header(attributes: Attributes): string {
    return encodeElement(element('open', NS.framing, attributes), ALONE);
  }
}

function textOf(octets: Uint8Array): string {
  try {
    return decoder.decode(octets);
  } catch {
    throw new StreamFault('unsupported-encoding', 'RFC6120-11.6', 'not UTF-8');
  }
}
