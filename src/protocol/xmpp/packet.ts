// XML elements as values, and the names that XMPP gives them.

/** Namespaces, by what this code calls them. */
export const NS = {
  client: 'jabber:client',
  streams: 'http://etherx.jabber.org/streams',
  streamErrors: 'urn:ietf:params:xml:ns:xmpp-streams',
  stanzaErrors: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  framing: 'urn:ietf:params:xml:ns:xmpp-framing',
  tls: 'urn:ietf:params:xml:ns:xmpp-tls',
  sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
  bind: 'urn:ietf:params:xml:ns:xmpp-bind',
  session: 'urn:ietf:params:xml:ns:xmpp-session',
  roster: 'jabber:iq:roster',
  version: 'jabber:iq:version',
  ping: 'urn:xmpp:ping',
  sm: 'urn:xmpp:sm:3',
  delay: 'urn:xmpp:delay',
  forms: 'jabber:x:data',
  caps: 'http://jabber.org/protocol/caps',
  discoInfo: 'http://jabber.org/protocol/disco#info',
  discoItems: 'http://jabber.org/protocol/disco#items',
  pubsub: 'http://jabber.org/protocol/pubsub',
  pubsubOwner: 'http://jabber.org/protocol/pubsub#owner',
  pubsubEvent: 'http://jabber.org/protocol/pubsub#event',
  pubsubErrors: 'http://jabber.org/protocol/pubsub#errors',
  json: 'urn:xmpp:json:0',
  /** Ours: what a message has that XMPP has no words for. docs/protocols/xmpp.md describes it. */
  message: 'urn:waymeet:message:0',
} as const;

export type XmlNode = XmlElement | string;

const NO_ATTRIBUTES: ReadonlyMap<string, string> = new Map();

/** An element. Attributes without a namespace go by their name, `xml:lang` by that, others by `{namespace}name`. */
export class XmlElement {
  readonly name: string;
  readonly ns: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlNode[];

  constructor(
    name: string,
    ns: string,
    attributes: ReadonlyMap<string, string> = NO_ATTRIBUTES,
    children: readonly XmlNode[] = [],
  ) {
    this.name = name;
    this.ns = ns;
    this.attributes = attributes;
    this.children = children;
  }

  is(name: string, ns: string): boolean {
    return this.name === name && this.ns === ns;
  }

  attribute(name: string): string | undefined {
    return this.attributes.get(name);
  }

  /** The first child element of that name and namespace (the element's own, unless said). */
  child(name: string, ns: string = this.ns): XmlElement | undefined {
    for (const c of this.children) if (typeof c !== 'string' && c.name === name && c.ns === ns) return c;
    return undefined;
  }

  /** The child elements; with a name, those of that name in the element's own namespace. */
  elements(name?: string): XmlElement[] {
    return this.children.filter(
      (c): c is XmlElement => typeof c !== 'string' && (name === undefined || c.is(name, this.ns)),
    );
  }

  /** The text directly inside. */
  get text(): string {
    let text = '';
    for (const c of this.children) if (typeof c === 'string') text += c;
    return text;
  }
}

/** Makes an element; attributes that are undefined are left out. */
export function element(
  name: string,
  ns: string,
  attributes: Readonly<Record<string, string | undefined>> = {},
  children: readonly XmlNode[] = [],
): XmlElement {
  const said = Object.entries(attributes).filter((a): a is [string, string] => a[1] !== undefined);
  return new XmlElement(name, ns, new Map(said), children);
}

/** What the other side may send. Counts and octets. */
export interface XmlLimits {
  /** One child of the stream, or its header. */
  readonly stanzaBytes: number;
  /** One tag with its name and attributes. */
  readonly tagBytes: number;
  readonly attributes: number;
  /** Elements inside of one stanza, and how deep they may lie. */
  readonly elements: number;
  readonly depth: number;
}
