// Text within the languages of the recipes.

/** For sh: single quotes, which nothing within them ends but another one. */
export function sh(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** For JavaScript, Python and C++, whose double-quoted strings agree on what JSON writes. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** The path of a URL: each level is one segment. */
export function levels(topic: string): string {
  return topic.split('/').map(encodeURIComponent).join('/');
}

/** An IPv6 address has brackets in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Octets as a Python literal. */
export function pythonBytes(octets: Uint8Array): string {
  return `bytes.fromhex(${quoted([...octets].map((o) => o.toString(16).padStart(2, '0')).join(''))})`;
}
