// Addresses of XMPP: local part, domain and resource [RFC7622], and user names as local parts [XEP-0106].

export interface Jid {
  /** Empty: the domain itself. */
  readonly local: string;
  readonly domain: string;
  /** Empty: a bare address. */
  readonly resource: string;
}

const MAX_PART_BYTES = 1_023; // [RFC7622-3.1]

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const NO_LOCAL = /[\x00-\x20"&'/:<>@\x7f]/; // [RFC7622-3.3.1]
const NO_DOMAIN = /[^\w.\-:[\]\u0080-\u{10ffff}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const NO_RESOURCE = /[\x00-\x1f\x7f]/;

const encoder = new TextEncoder();

/** Undefined when it is none. */
export function parseJid(text: string): Jid | undefined {
  const slash = text.indexOf('/');
  const bare = slash < 0 ? text : text.slice(0, slash);
  const resource = slash < 0 ? '' : text.slice(slash + 1);
  const at = bare.indexOf('@');
  const local = at < 0 ? '' : bare.slice(0, at);
  const domain = bare.slice(at + 1).toLowerCase();
  if (at === 0 || (slash >= 0 && resource === '')) return undefined;
  if (NO_LOCAL.test(local) || !isDomain(domain) || !isResource(resource)) return undefined;
  return fits(local) ? { local, domain, resource } : undefined;
}

export function isDomain(text: string): boolean {
  return text !== '' && fits(text) && !NO_DOMAIN.test(text);
}

export function isResource(text: string): boolean {
  return !NO_RESOURCE.test(text) && fits(text);
}

function fits(part: string): boolean {
  return part.length <= MAX_PART_BYTES && encoder.encode(part).length <= MAX_PART_BYTES;
}

export function bareOf({ local, domain }: Jid): string {
  return local === '' ? domain : `${local}@${domain}`;
}

export function formatJid(jid: Jid): string {
  return jid.resource === '' ? bareOf(jid) : `${bareOf(jid)}/${jid.resource}`;
}

/** A user name as a local part. [XEP-0106] */
export function localOf(user: string): string {
  return user.replace(/[ "&'/:<>@]|\\(?=20|22|26|27|2f|3a|3c|3e|40|5c)/g, (c) => `\\${hex(c)}`);
}

function hex(c: string): string {
  return c.charCodeAt(0).toString(16).padStart(2, '0');
}
