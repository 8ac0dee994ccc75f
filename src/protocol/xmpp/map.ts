// Between XMPP and the hub's words: payloads of any octets, properties, ids; items and direct messages.

import {
  type Dialect,
  dialectSlot,
  type Id,
  Message,
  type Meta,
  NEVER,
  type Origin,
  type Qos,
  type UserProperty,
} from '../../contract/message.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { isXmlText, NO_SCOPE, parseElement } from './decode.ts';
import { ALONE, encodeElement, xmlText } from './encode.ts';
import { StanzaFault, StreamFault } from './fault.ts';
import { element, NS, type XmlElement, type XmlLimits, type XmlNode } from './packet.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What is said of a message besides what it has: a client's wishes. */
export interface Wishes {
  readonly qos: Qos;
  /** Instead of when it expires, how long it lives: clocks differ. */
  readonly ttl: number | undefined;
}

/** Where the parts of a stanza that only XMPP has are kept. */
const OWN_SECTION = 'xmpp';
const JSON_TYPE = 'application/json';
const XML_TYPE = 'application/xml';

/** XML that comes out of messages is written into stanzas: it has limits too. */
const PAYLOAD_LIMITS: XmlLimits = {
  stanzaBytes: Number.POSITIVE_INFINITY,
  tagBytes: Number.POSITIVE_INFINITY,
  attributes: 256,
  elements: 100_000,
  depth: 100,
};

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// --- to the hub ---

/** What a stanza says about a message besides its children. */
export interface Terms {
  readonly topic: string;
  readonly origin: Origin;
  readonly now: number;
  readonly qos: Qos;
  readonly retain: boolean;
  /** The id of the item or stanza. */
  readonly id: string | undefined;
  readonly expiresAt: number;
}

interface Content {
  readonly payload: Uint8Array;
  readonly contentType?: string;
  readonly text?: boolean;
}

const NOTHING: Content = { payload: new Uint8Array(0) };

/** The message of an item: at most one payload, and `<properties/>` of ours. Throws StanzaFault. */
export function messageOfItem(item: XmlElement, terms: Terms): Message {
  const inside = item.elements();
  const payloads = inside.filter((e) => !e.is('properties', NS.message));
  if (payloads.length > 1) throw new StanzaFault('bad-request', 'an item has one payload');
  const content = payloads[0] === undefined ? NOTHING : contentOf(payloads[0]);
  return build(
    content,
    inside.find((e) => e.is('properties', NS.message)),
    terms,
    [],
  );
}

/** The message of a message stanza: body or payload, `<properties/>`, and what only XMPP understands. Throws StanzaFault. */
export function messageOfStanza(stanza: XmlElement, to: string, terms: Terms): Message {
  const inside = stanza.elements();
  const properties = inside.find((e) => e.is('properties', NS.message));
  const payload =
    inside.find((e) => e.ns === NS.message && e !== properties) ??
    inside.find((e) => e.is('json', NS.json)) ??
    inside.find((e) => e.is('body', NS.client) && e.attribute('xml:lang') === undefined);
  const content = payload === undefined ? NOTHING : contentOf(payload);
  const rest = inside.filter((e) => e !== properties && e !== payload);
  const own: UserProperty[] = [];
  const say = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') own.push({ name, value, section: OWN_SECTION });
  };
  say('xmpp-type', stanza.attribute('type'));
  say('xmpp-lang', stanza.attribute('xml:lang'));
  say('xmpp-to', to);
  if (rest.length > 0) say('xmpp-xml', encodeElement(element('x', '', {}, rest), ALONE));
  return build(content, properties, terms, own);
}

function contentOf(payload: XmlElement): Content {
  const { text, ns, name } = payload;
  const type = payload.attribute('type');
  if (ns === NS.message && name === 'data') {
    const octets = fromBase64(text);
    if (octets === undefined) throw new StanzaFault('bad-request', '<data/> is not base64');
    return { payload: octets, ...(type !== undefined && { contentType: type }) };
  }
  if (ns === NS.message && name === 'text')
    return { payload: utf8.encode(text), text: true, ...(type !== undefined && { contentType: type }) };
  if (ns === NS.json && name === 'json')
    return { payload: utf8.encode(text), text: true, contentType: JSON_TYPE };
  if (ns === NS.client && name === 'body') return { payload: utf8.encode(text), text: true };
  return { payload: utf8.encode(encodeElement(payload, ALONE)), text: true, contentType: XML_TYPE };
}

function build(
  content: Content,
  properties: XmlElement | undefined,
  terms: Terms,
  own: readonly UserProperty[],
): Message {
  const meta: Mutable<Meta> = {};
  if (content.contentType !== undefined) meta.contentType = content.contentType;
  if (content.text !== undefined) meta.text = content.text;
  if (terms.id !== undefined) meta.messageId = terms.id;
  const said = properties === undefined ? undefined : takeProperties(meta, properties, terms.now);
  const user = [...(meta.user ?? []), ...own];
  if (user.length > 0) meta.user = user;
  const { topic, origin, now, retain } = terms;
  const qos = said?.qos ?? terms.qos;
  const expiresAt = Math.min(terms.expiresAt, said?.expiresAt ?? NEVER);
  const has = Object.keys(meta).length > 0;
  return new Message(topic, content.payload, qos, retain, origin, now, expiresAt, has ? meta : undefined);
}

interface Said {
  readonly qos: Qos | undefined;
  readonly expiresAt: number;
}

function takeProperties(meta: Mutable<Meta>, e: XmlElement, now: number): Said {
  const text = (name: string): string | undefined => e.attribute(name);
  const number = (name: string, max = Number.MAX_SAFE_INTEGER): number | undefined => {
    const said = e.attribute(name);
    if (said === undefined) return undefined;
    if (!/^\d{1,16}$/.test(said) || Number(said) > max)
      throw new StanzaFault('bad-request', `${name} is not a whole number from 0 to ${max}`);
    return Number(said);
  };
  const found: Mutable<Meta> = {
    contentType: text('content-type'),
    contentEncoding: text('content-encoding'),
    responseTopic: text('response-topic'),
    priority: number('priority', 255),
    createdAt: time(e, 'created'),
    groupId: text('group'),
    groupSequence: number('group-sequence'),
  } as Mutable<Meta>;
  for (const [name, value] of Object.entries(found))
    if (value !== undefined) Object.assign(meta, { [name]: value });
  const correlation = e.child('correlation');
  if (correlation !== undefined) meta.correlation = idOf(correlation);
  const messageId = e.child('message-id');
  if (messageId !== undefined) meta.messageId = idOf(messageId);
  const user = e.elements('user').map(propertyOf);
  if (user.length > 0) meta.user = user;
  const ttl = number('ttl');
  const expires = time(e, 'expires') ?? NEVER;
  return { qos: number('qos', 2) as Qos | undefined, expiresAt: ttl === undefined ? expires : now + ttl };
}

/** A moment [XEP-0082], as ms since 1970. */
function time(e: XmlElement, name: string): number | undefined {
  const said = e.attribute(name);
  if (said === undefined) return undefined;
  const at = /^\d{4}-\d\d-\d\dT/.test(said) ? Date.parse(said) : Number.NaN;
  if (Number.isNaN(at)) throw new StanzaFault('bad-request', `${name} is no date and time`);
  return at;
}

function idOf(e: XmlElement): Id {
  const { text } = e;
  switch (e.attribute('type') ?? 'string') {
    case 'octets':
      return fromBase64(text) ?? wrong(e);
    case 'ulong':
      return /^\d{1,20}$/.test(text) && BigInt(text) < 1n << 64n ? BigInt(text) : wrong(e);
    case 'uuid':
      return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)
        ? { uuid: text.toLowerCase() }
        : wrong(e);
    case 'string':
      return text;
    default:
      return wrong(e);
  }
}

function propertyOf(e: XmlElement): UserProperty {
  const name = e.attribute('name') ?? wrong(e);
  const section = e.attribute('section');
  const value = typedValueOf(e);
  // What only XMPP understands is read from a stanza itself, never from what somebody claims.
  return section === undefined || section === OWN_SECTION ? { name, value } : { name, value, section };
}

function typedValueOf(e: XmlElement): UserProperty['value'] {
  const { text } = e;
  switch (e.attribute('type') ?? 'string') {
    case 'string':
      return text;
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : wrong(e);
    case 'long':
      return /^-?\d{1,20}$/.test(text) ? BigInt(text) : wrong(e);
    case 'boolean':
      return text === 'true' || text === '1';
    case 'octets':
      return fromBase64(text) ?? wrong(e);
    default:
      return wrong(e);
  }
}

function wrong(e: XmlElement): never {
  throw new StanzaFault('bad-request', `<${e.name}/> is not what its type says, or lacks its name`);
}

// --- from the hub ---

/** The id of a message as an item: its message id, or `current`, as of nodes that have one item only [XEP-0060-12.20]. */
export function itemId(m: Message): string {
  const id = m.meta?.messageId;
  return id === undefined ? 'current' : xmlText(textOfId(id)) || 'current';
}

function textOfId(id: Id): string {
  if (typeof id === 'string') return id;
  if (typeof id === 'bigint') return id.toString();
  return id instanceof Uint8Array ? toBase64(id) : id.uuid;
}

/** Who published, as an address: that of XMPP clients is their own, others have their protocol for a domain. */
export function publisherOf({ protocol, client, principal }: Origin): string {
  if (protocol === 'xmpp') return client;
  const local = principal === '' || principal === 'anonymous' ? '' : `${principal}@`;
  return `${local}${protocol}/${client}`;
}

/** In the place of whatever namespace surrounds the item. */
const INHERITED = '\0';

/** `<item/>` as it stands inside of any `<items/>`. */
export const ITEM: Dialect = {
  slot: dialectSlot(),
  encode: (m) => {
    return utf8.encode(encodeElement(itemOf(m, INHERITED), { ns: INHERITED, streams: false }));
  },
};

/** `<item/>` in the namespace of what surrounds it. */
export function itemOf(m: Message, ns: string, id = itemId(m)): XmlElement {
  const attributes = { id: xmlText(id), publisher: xmlText(publisherOf(m.origin)) };
  return element('item', ns, attributes, contentsOf(m, false));
}

/** The children of a message stanza that is this message, and what it says of itself. */
export function stanzaParts(m: Message): {
  readonly type: string;
  readonly lang: string | undefined;
  readonly children: readonly XmlNode[];
} {
  const own = (name: string): string | undefined => {
    const value = m.meta?.user?.find((p) => p.section === OWN_SECTION && p.name === name)?.value;
    return typeof value === 'string' ? value : undefined;
  };
  const type = own('xmpp-type') ?? 'normal';
  const xml = own('xmpp-xml');
  const rest = xml === undefined ? undefined : xmlOf(xml);
  const known = ['chat', 'headline', 'error', 'normal'].includes(type);
  return {
    type: known ? type : 'normal',
    lang: own('xmpp-lang'),
    children: [...contentsOf(m, true), ...(rest?.children ?? [])],
  };
}

/** To which resource a direct message goes; undefined: to any. */
export function resourceOf(m: Message): string | undefined {
  const to = m.meta?.user?.find((p) => p.section === OWN_SECTION && p.name === 'xmpp-to')?.value;
  return typeof to === 'string' ? to : undefined;
}

/** The children of an item that a client publishes. */
export function publishedContents(m: Message, now: number): XmlElement[] {
  const ttl = m.expiresAt === NEVER ? undefined : Math.max(0, Math.ceil(m.expiresAt - now));
  return contentsOf(m, false, { qos: m.qos, ttl });
}

/** Payload and properties. */
function contentsOf(m: Message, direct: boolean, wishes?: Wishes): XmlElement[] {
  const told: { contentType: boolean; id: boolean } = { contentType: false, id: true };
  const inside: XmlElement[] = [];
  // What a client does not call text is octets: the hub must not take it for text.
  const text = m.meta?.text !== false && (wishes === undefined || m.meta?.text === true);
  const payload = payloadOf(m, direct, text, told);
  if (payload !== undefined) inside.push(payload);
  const properties = propertiesOf(m, told, direct, wishes);
  if (properties !== undefined) inside.push(properties);
  return inside;
}

function payloadOf(
  m: Message,
  direct: boolean,
  asText: boolean,
  told: { contentType: boolean },
): XmlElement | undefined {
  const { payload, meta } = m;
  const type = meta?.contentType;
  if (payload.length === 0) return undefined;
  const text = asText ? textOf(payload) : undefined;
  if (text !== undefined && direct) return element('body', NS.client, {}, [text]);
  if (text !== undefined && type !== undefined && /^(?:text|application)\/(?:[\w.-]+\+)?xml\b/i.test(type)) {
    const xml = xmlOf(text);
    told.contentType = type === XML_TYPE;
    // Elements of ours, and what JSON looks like, would be taken for something else.
    if (xml !== undefined && xml.ns !== NS.message && xml.ns !== NS.json && !xml.is('body', NS.client))
      return xml;
  }
  told.contentType = true;
  if (text !== undefined && type === JSON_TYPE) return element('json', NS.json, {}, [text]);
  const attributes = { type: type === undefined ? undefined : xmlText(type) };
  if (text !== undefined) return element('text', NS.message, attributes, [text]);
  return element('data', NS.message, attributes, [toBase64(payload)]);
}

/** Undefined: it is not UTF-8, or has characters that XML does not have. */
function textOf(payload: Uint8Array): string | undefined {
  try {
    const text = strictUtf8.decode(payload);
    return isXmlText(text) ? text : undefined;
  } catch {
    return undefined; // not UTF-8
  }
}

/** Undefined: it is not the XML that XMPP takes. */
function xmlOf(text: string): XmlElement | undefined {
  try {
    return parseElement(text.replace(/^<\?xml[^>]*\?>\s*/, ''), NO_SCOPE, PAYLOAD_LIMITS);
  } catch (why) {
    if (!(why instanceof StreamFault)) throw why;
    return undefined;
  }
}

function propertiesOf(
  m: Message,
  told: { contentType: boolean },
  direct: boolean,
  wishes: Wishes | undefined,
): XmlElement | undefined {
  const meta = m.meta ?? {};
  const { messageId, correlation } = meta;
  const plain = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : xmlText(text);
  const attributes = {
    'content-type': told.contentType ? undefined : plain(meta.contentType),
    'content-encoding': plain(meta.contentEncoding),
    'response-topic': plain(meta.responseTopic),
    priority: meta.priority?.toString(),
    created: moment(meta.createdAt),
    group: plain(meta.groupId),
    'group-sequence': meta.groupSequence?.toString(),
    expires: moment(m.expiresAt === NEVER || wishes !== undefined ? undefined : m.expiresAt),
    ttl: wishes?.ttl?.toString(),
    // A publish is at least once unless it says otherwise.
    qos: wishes?.qos === 0 ? '0' : undefined,
  };
  const inside: XmlElement[] = [];
  if (correlation !== undefined) inside.push(idElement('correlation', correlation));
  if (messageId !== undefined && typeof messageId !== 'string')
    inside.push(idElement('message-id', messageId));
  for (const p of meta.user ?? []) if (!(direct && p.section === OWN_SECTION)) inside.push(userElement(p));
  const empty = inside.length === 0 && Object.values(attributes).every((value) => value === undefined);
  return empty ? undefined : element('properties', NS.message, attributes, inside);
}

/** Date and time [XEP-0082]; what no calendar has is left out. */
export function moment(at: number | undefined): string | undefined {
  if (at === undefined || Math.abs(at) > 8.64e15) return undefined;
  return new Date(at).toISOString();
}

function idElement(name: string, id: Id): XmlElement {
  if (typeof id === 'string') return element(name, NS.message, {}, [xmlText(id)]);
  const type = typeof id === 'bigint' ? 'ulong' : id instanceof Uint8Array ? 'octets' : 'uuid';
  return element(name, NS.message, { type }, [textOfId(id)]);
}

function userElement({ name, value, section }: UserProperty): XmlElement {
  const attributes = { name: xmlText(name), section: section === undefined ? undefined : xmlText(section) };
  if (typeof value === 'string') return element('user', NS.message, attributes, [xmlText(value)]);
  const type = value instanceof Uint8Array ? 'octets' : typeof value === 'bigint' ? 'long' : typeof value;
  const text = value instanceof Uint8Array ? toBase64(value) : String(value);
  return element('user', NS.message, { ...attributes, type }, [text]);
}
