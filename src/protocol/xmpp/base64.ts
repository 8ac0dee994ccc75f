// Base64 as XML carries it (RFC 4648), strict but for white space.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const CODES = Uint8Array.from(ALPHABET, (c) => c.charCodeAt(0));
const PAD = 0x3d;
const VALUES = new Uint8Array(128).fill(0xff);
for (const [value, code] of CODES.entries()) VALUES[code] = value;

const ascii = new TextDecoder();

export function toBase64(octets: Uint8Array): string {
  const out = new Uint8Array(Math.ceil(octets.length / 3) * 4).fill(PAD);
  let to = 0;
  for (let i = 0; i < octets.length; i += 3) {
    const b = octets[i + 1] ?? 0;
    const c = octets[i + 2] ?? 0;
    const bits = (octets[i]! << 16) | (b << 8) | c;
    out[to++] = CODES[bits >> 18]!;
    out[to++] = CODES[(bits >> 12) & 63]!;
    if (i + 1 < octets.length) out[to] = CODES[(bits >> 6) & 63]!;
    if (i + 2 < octets.length) out[to + 1] = CODES[bits & 63]!;
    to += 2;
  }
  return ascii.decode(out);
}

/** Undefined when it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  const plain = /[ \t\r\n]/.test(text) ? text.replace(/[ \t\r\n]+/g, '') : text;
  if (plain.length % 4 !== 0) return undefined;
  const padding = plain.endsWith('==') ? 2 : plain.endsWith('=') ? 1 : 0;
  const octets = new Uint8Array((plain.length / 4) * 3 - padding);
  let to = 0;
  let bits = 0;
  for (let i = 0; i < plain.length - padding; i++) {
    const code = plain.charCodeAt(i);
    const value = code < 128 ? VALUES[code]! : 0xff;
    if (value === 0xff) return undefined;
    bits = ((bits << 6) | value) & 0xffffff;
    if (i % 4 > 0) octets[to++] = (bits >> (6 - (i % 4) * 2)) & 0xff;
  }
  const unused = padding === 2 ? bits & 15 : padding === 1 ? bits & 3 : 0;
  return unused === 0 ? octets : undefined; // [RFC4648-3.5]
}
