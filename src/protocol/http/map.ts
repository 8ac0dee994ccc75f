// Between HTTP and the hub's words: outcomes as statuses, message properties as header fields.

import { type Id, type Message, type Meta, NEVER, type UserProperty } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { Refusal } from './packet.ts';

/** The status of each outcome, and what it says to people. */
export const ANSWER_OF = {
  ok: [200, 'done'],
  unmatched: [200, 'nobody is subscribed'],
  'bad-credentials': [401, 'the user name or password is wrong'],
  'bad-authentication-method': [401, 'this way of authentication is not offered'],
  'not-authorized': [403, 'not allowed by the rules of this hub'],
  'identifier-invalid': [400, 'the client id cannot be used'],
  'topic-invalid': [400, 'this is no topic name; wildcards cannot be published to'],
  'filter-invalid': [400, 'this is no topic filter'],
  'payload-invalid': [422, 'the payload is not what the request says it is'],
  'too-large': [413, 'larger than the hub takes'],
  'quota-exceeded': [507, 'a limit of the hub is reached'],
  'rate-exceeded': [429, 'too many in a short time'],
  'no-subscription': [404, 'there is no such subscription'],
  'not-supported': [501, 'the hub does not offer this'],
  'taken-over': [409, 'another connection came with the same client id'],
  'slow-consumer': [503, 'messages were not read fast enough'],
  idle: [408, 'nothing was heard for too long'],
  'disconnected-by-admin': [403, 'an administrator ended the connection'],
  busy: [503, 'the hub is busy; try again later'],
  unavailable: [503, 'something the hub needs is not available'],
  'use-another-server': [503, 'use another server'],
  'server-moved': [410, 'the server has moved'],
  'shutting-down': [503, 'the hub is shutting down'],
} as const satisfies Record<Outcome, readonly [status: number, sentence: string]>;

export function refusalOf(outcome: Outcome): Refusal {
  const [status, sentence] = ANSWER_OF[outcome];
  return new Refusal(status, outcome, sentence);
}

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const FORM = 'application/x-www-form-urlencoded';

type Headers = Readonly<Record<string, string | undefined>>;

/** What a request's header fields say of its message. Throws Refusal. */
export function metaOf(headers: Headers): Meta | undefined {
  const contentType = headers['content-type'];
  if (contentType !== undefined && !saysMore(headers)) return plainMeta(contentType);
  const meta: Meta = {
    // curl calls every `-d` a form: that says nothing of the payload.
    ...(contentType !== undefined && contentType !== FORM && { contentType, ...textual(contentType) }),
    ...given('contentEncoding', headers['content-encoding']),
    ...given('responseTopic', unescaped(headers, 'waymeet-response-topic')),
    ...given('correlation', idOf(headers, 'waymeet-correlation')),
    ...given('messageId', idOf(headers, 'waymeet-message-id')),
    ...given('priority', numberOf(headers, 'waymeet-priority', 255)),
    ...given('createdAt', numberOf(headers, 'waymeet-created-at')),
    ...given('groupId', unescaped(headers, 'waymeet-group-id')),
    ...given('groupSequence', numberOf(headers, 'waymeet-group-sequence')),
    ...given('user', userOf(headers)),
  };
  return Object.keys(meta).length === 0 ? undefined : meta;
}

/** Most requests say no more than a content type: the last few are remembered. */
const plainMetas = new Map<string, Meta | undefined>();
const MAX_PLAIN = 64;

function plainMeta(contentType: string): Meta | undefined {
  if (contentType === FORM) return undefined;
  let meta = plainMetas.get(contentType);
  if (meta === undefined) {
    meta = { contentType, ...textual(contentType) };
    if (plainMetas.size >= MAX_PLAIN) plainMetas.clear();
    plainMetas.set(contentType, meta);
  }
  return meta;
}

function saysMore(headers: Headers): boolean {
  for (const name in headers) if (name.startsWith('waymeet-') || name === 'content-encoding') return true;
  return false;
}

/** The header fields that tell a message's properties: what `metaOf` reads, and the delivery. */
export function headersOf(m: Message, now: number): Record<string, string> {
  const fields: Record<string, string> = {
    'Content-Type':
      safe(m.meta?.contentType) ?? (isText(m) ? 'text/plain; charset=utf-8' : 'application/octet-stream'),
    'Waymeet-Qos': String(m.qos),
    'Waymeet-Published-At': String(m.at),
  };
  if (m.expiresAt !== NEVER) fields['Waymeet-Expires-In'] = String(Math.max(0, m.expiresAt - now));
  return sayMeta(fields, m.meta);
}

/** The header fields of a request that publishes `m`. */
export function requestFieldsOf(m: Message): Record<string, string> {
  const contentType =
    safe(m.meta?.contentType) ?? (m.meta?.text === true ? 'text/plain; charset=utf-8' : undefined);
  return sayMeta(contentType === undefined ? {} : { 'Content-Type': contentType }, m.meta);
}

function sayMeta(fields: Record<string, string>, meta: Meta | undefined): Record<string, string> {
  if (meta === undefined) return fields;
  const say = (name: string, value: string | undefined) => {
    if (value !== undefined) fields[name] = value;
  };
  say('Content-Encoding', safe(meta.contentEncoding));
  say('Waymeet-Response-Topic', escaped(meta.responseTopic));
  say('Waymeet-Correlation', meta.correlation === undefined ? undefined : idText(meta.correlation));
  say('Waymeet-Message-Id', meta.messageId === undefined ? undefined : idText(meta.messageId));
  say('Waymeet-Priority', meta.priority?.toString());
  say('Waymeet-Created-At', meta.createdAt?.toString());
  say('Waymeet-Group-Id', escaped(meta.groupId));
  say('Waymeet-Group-Sequence', meta.groupSequence?.toString());
  if (meta.user !== undefined && meta.user.length > 0)
    say('Waymeet-User', meta.user.map(propertyText).join(', '));
  return fields;
}

/** What a status and the code of its problem mean; the code is an outcome's name, or one of HTTP's own. */
export function outcomeOf(status: number, code: string | undefined): Outcome {
  if (code !== undefined && Object.hasOwn(ANSWER_OF, code)) return code as Outcome;
  for (const [outcome, [known]] of Object.entries(ANSWER_OF))
    if (known === status && outcome !== 'ok') return outcome as Outcome;
  return status < 500 ? 'payload-invalid' : 'unavailable';
}

function given<K extends keyof Meta>(name: K, value: Meta[K]): Pick<Meta, K> | undefined {
  return value === undefined ? undefined : ({ [name]: value } as Pick<Meta, K>);
}

function textual(contentType: string): { text: true } | undefined {
  return /^text\/|[/+]json\b|charset=utf-8/i.test(contentType) ? { text: true } : undefined;
}

function isText(m: Message): boolean {
  if (m.meta?.text === false) return false;
  try {
    strictUtf8.decode(m.payload);
    return true;
  } catch {
    return false; // not UTF-8
  }
}

/** A header field's value must be visible ASCII [RFC9110-5.5]; everything else is percent-encoded. */
function escaped(text: string | undefined): string | undefined {
  return text?.replace(/[^!#$&-+\--~]/gu, (c) =>
    [...utf8.encode(c)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

/** A value that other software reads (a media type): as it is, or not at all. */
function safe(text: string | undefined): string | undefined {
  return text !== undefined && /^[ -~]+$/.test(text) ? text : undefined;
}

function unescaped(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return value === undefined ? undefined : plainText(value, name);
}

function plainText(value: string, name: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new Refusal(400, 'header-invalid', `${name} is not percent-encoded UTF-8`);
  }
}

function numberOf(headers: Headers, name: string, most = Number.MAX_SAFE_INTEGER): number | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (number <= most) return number;
  throw new Refusal(400, 'header-invalid', `${name} is not a whole number from 0 to ${most}`);
}

/** Identifiers keep their type: `:AAE=:` is octets [RFC8941-3.3.5], `ulong:5`, `uuid:…`, and anything else is text. */
function idOf(headers: Headers, name: string): Id | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  if (/^:[A-Za-z0-9+/]*={0,2}:$/.test(value)) return octetsOf(value, name);
  const ulong = /^ulong:(\d{1,20})$/.exec(value);
  if (ulong !== null) return BigInt(ulong[1]!);
  const uuid = /^uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(value);
  return uuid === null ? plainText(value, name) : { uuid: uuid[1]!.toLowerCase() };
}

function idText(id: Id): string {
  if (typeof id === 'bigint') return `ulong:${id}`;
  if (id instanceof Uint8Array) return octetsText(id);
  if (typeof id !== 'string') return `uuid:${id.uuid}`;
  const text = escaped(id)!;
  // Text that looks like one of the others keeps its first character out of sight.
  return /^(?::|ulong:|uuid:)/.test(text)
    ? `%${utf8.encode(text)[0]!.toString(16).toUpperCase()}${text.slice(1)}`
    : text;
}

/** `name=value, name=value`: text percent-encoded, octets `:AAE=:`. */
function userOf(headers: Headers): UserProperty[] | undefined {
  const value = headers['waymeet-user'];
  if (value === undefined) return undefined;
  return value.split(',').map((pair) => {
    const equals = pair.indexOf('=');
    if (equals < 0) throw new Refusal(400, 'header-invalid', 'waymeet-user is not name=value, name=value');
    const text = pair.slice(equals + 1).trim();
    const octets = /^:[A-Za-z0-9+/]*={0,2}:$/.test(text);
    return {
      name: plainText(pair.slice(0, equals).trim(), 'waymeet-user'),
      value: octets ? octetsOf(text, 'waymeet-user') : plainText(text, 'waymeet-user'),
    };
  });
}

function propertyText({ name, value }: UserProperty): string {
  const text = value instanceof Uint8Array ? octetsText(value) : listed(String(value));
  return `${listed(name)}=${text.startsWith(':') && !(value instanceof Uint8Array) ? `%3A${text.slice(1)}` : text}`;
}

/** In a list of name=value, their separators are escaped too. */
function listed(text: string): string {
  return escaped(text)!.replaceAll(',', '%2C').replaceAll('=', '%3D');
}

function octetsOf(text: string, name: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text.slice(1, -1)), (c) => c.charCodeAt(0));
  } catch {
    throw new Refusal(400, 'header-invalid', `${name} is not base64 between colons`);
  }
}

function octetsText(octets: Uint8Array): string {
  let text = '';
  for (const octet of octets) text += String.fromCharCode(octet);
  return `:${btoa(text)}:`;
}
