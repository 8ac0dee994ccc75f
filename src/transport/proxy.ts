// The PROXY protocol, versions 1 and 2: who is at the other end, as a load balancer tells it (haproxy's proxy-protocol.txt).

import { isIPv4, isIPv6 } from 'node:net';
import { ProtocolError } from '../contract/outcome.ts';

export interface ProxyHeader {
  /** Where the connection's own octets begin. */
  readonly end: number;
  /** Undefined: the proxy speaks for itself (LOCAL) or does not know (UNKNOWN, a unix socket); the socket's address stands. */
  readonly source: { readonly address: string; readonly port: number } | undefined;
  /** Common name of the client certificate that the proxy verified. */
  readonly commonName: string | undefined;
  /** The host name that the client asked for (PP2_TYPE_AUTHORITY, SNI). */
  readonly serverName: string | undefined;
}

/** Section 2.1: the longest version 1 line, CR LF included. */
const LINE_BYTES = 107;
const V2_FIXED_BYTES = 16;
/** Addresses take at most 216; the rest are TLVs, and nobody needs more of them. */
const V2_MAX_BYTES = 4_096;
// "\r\n\r\n\0\r\nQUIT\n"
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const V1_START = [0x50, 0x52, 0x4f, 0x58, 0x59, 0x20]; // "PROXY "

const TYPE_AUTHORITY = 0x02;
const TYPE_CRC32C = 0x03;
const TYPE_SSL = 0x20;
const SUBTYPE_SSL_CN = 0x22;
const CLIENT_CERT_CONN = 0x02;
const CLIENT_CERT_SESS = 0x04;

/** The header at `bytes[start..end)`, or undefined while it is incomplete. Throws ProtocolError (clauses `PROXY-…`). */
export function decodeProxyHeader(bytes: Uint8Array, start: number, end: number): ProxyHeader | undefined {
  if (end === start) return undefined;
  if (startsWith(bytes, start, end, SIGNATURE)) {
    return end - start < V2_FIXED_BYTES ? undefined : decodeV2(bytes, start, end);
  }
  if (startsWith(bytes, start, end, V1_START)) return decodeV1(bytes, start, end);
  throw new ProtocolError('PROXY-2', 'a PROXY header was expected');
}

/** Whether what is there so far agrees with `pattern`. */
function startsWith(bytes: Uint8Array, start: number, end: number, pattern: readonly number[]): boolean {
  const length = Math.min(end - start, pattern.length);
  for (let i = 0; i < length; i++) if (bytes[start + i] !== pattern[i]) return false;
  return true;
}

// PROXY TCP4 192.0.2.1 198.51.100.1 50312 1883 CR LF
function decodeV1(bytes: Uint8Array, start: number, end: number): ProxyHeader | undefined {
  const limit = Math.min(end, start + LINE_BYTES);
  let at = start;
  while (at < limit && bytes[at] !== 0x0d) at++;
  if (at + 1 >= limit) {
    if (end - start >= LINE_BYTES) throw new ProtocolError('PROXY-2.1', 'the line has no end');
    return undefined;
  }
  if (bytes[at + 1] !== 0x0a) throw new ProtocolError('PROXY-2.1', 'CR without LF');
  const words = String.fromCharCode(...bytes.subarray(start, at)).split(' ');
  // UNKNOWN: the rest of the line must be ignored.
  if (words[1] === 'UNKNOWN') return nobody(at + 2);
  if (words.length !== 6) throw new ProtocolError('PROXY-2.1', 'six words were expected');
  const [, family, from, to, fromPort, toPort] = words as [string, string, string, string, string, string];
  const valid = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined;
  if (valid === undefined)
    throw new ProtocolError('PROXY-2.1', 'the family is neither TCP4, TCP6 nor UNKNOWN');
  if (!valid(from) || !valid(to)) throw new ProtocolError('PROXY-2.1', 'an address is not of its family');
  const port = decodePort(fromPort);
  decodePort(toPort);
  return { ...nobody(at + 2), source: { address: from, port } };
}

function decodePort(word: string): number {
  // No leading zeros, no sign: [PROXY-2.1].
  if (!/^(0|[1-9][0-9]{0,4})$/.test(word) || Number(word) > 65_535)
    throw new ProtocolError('PROXY-2.1', 'not a port');
  return Number(word);
}

// signature ×12 | 0x20 + command | family | length ×2 | addresses | TLVs
function decodeV2(bytes: Uint8Array, start: number, end: number): ProxyHeader | undefined {
  const command = bytes[start + 12]!;
  if (command >> 4 !== 2) throw new ProtocolError('PROXY-2.2', 'the version is not 2');
  if ((command & 0x0f) > 1) throw new ProtocolError('PROXY-2.2', 'unknown command');
  const family = bytes[start + 13]!;
  const length = uint16(bytes, start + 14);
  if (length > V2_MAX_BYTES) throw new ProtocolError('PROXY-2.2', 'the header is too long');
  const at = start + V2_FIXED_BYTES;
  const stop = at + length;
  if (stop > end) return undefined;
  // LOCAL: the proxy's own health check; whatever follows is skipped.
  if ((command & 0x0f) === 0) return nobody(stop);
  const size = addressBytes(family);
  if (size > length) throw new ProtocolError('PROXY-2.2', 'the addresses do not fit the header');
  // An unspecified family says nothing of where TLVs would begin: all of it is skipped.
  if (size === 0) return nobody(stop);
  const extra = decodeTlvs(bytes, start, at + size, stop);
  const half = family >> 4 === 1 ? 4 : 16;
  const address = family >> 4 === 1 ? ipv4(bytes, at) : ipv6(bytes, at);
  const source = family >> 4 === 3 ? undefined : { address, port: uint16(bytes, at + 2 * half) };
  return { end: stop, source, ...extra };
}

/** Octets of both addresses (and ports) of a family; 0 for the unspecified one. */
function addressBytes(family: number): number {
  if ((family & 0x0f) > 2 || family >> 4 > 3)
    throw new ProtocolError('PROXY-2.2', 'unknown address family or transport');
  return (family & 0x0f) === 0 ? 0 : ([0, 12, 36, 216][family >> 4] as number);
}

interface Extra {
  commonName: string | undefined;
  serverName: string | undefined;
}

// type | length ×2 | value
function decodeTlvs(bytes: Uint8Array, header: number, from: number, stop: number): Extra {
  const extra: Extra = { commonName: undefined, serverName: undefined };
  for (let at = from; at < stop; ) {
    if (at + 3 > stop) throw new ProtocolError('PROXY-2.2', 'a TLV is cut off');
    const length = uint16(bytes, at + 1);
    const value = at + 3;
    if (value + length > stop) throw new ProtocolError('PROXY-2.2', 'a TLV is longer than the header');
    if (bytes[at] === TYPE_AUTHORITY) extra.serverName = text(bytes, value, value + length);
    else if (bytes[at] === TYPE_SSL) extra.commonName = decodeSsl(bytes, value, value + length);
    else if (bytes[at] === TYPE_CRC32C) checkSum(bytes, header, value, length, stop);
    at = value + length;
  }
  return extra;
}

// client | verify ×4 | sub-TLVs
function decodeSsl(bytes: Uint8Array, from: number, stop: number): string | undefined {
  if (stop - from < 5) throw new ProtocolError('PROXY-2.2.6', 'the SSL TLV is too short');
  const certified = (bytes[from]! & (CLIENT_CERT_CONN | CLIENT_CERT_SESS)) !== 0;
  const verified = (bytes[from + 1]! | bytes[from + 2]! | bytes[from + 3]! | bytes[from + 4]!) === 0;
  let name: string | undefined;
  for (let at = from + 5; at < stop; ) {
    if (at + 3 > stop) throw new ProtocolError('PROXY-2.2.6', 'a sub-TLV is cut off');
    const length = uint16(bytes, at + 1);
    if (at + 3 + length > stop) throw new ProtocolError('PROXY-2.2.6', 'a sub-TLV is longer than its TLV');
    if (bytes[at] === SUBTYPE_SSL_CN) name = text(bytes, at + 3, at + 3 + length);
    at += 3 + length;
  }
  return certified && verified ? name : undefined;
}

/** CRC-32C over the whole header, its own field taken as zero. */
function checkSum(bytes: Uint8Array, header: number, value: number, length: number, stop: number): void {
  if (length !== 4) throw new ProtocolError('PROXY-2.2.3', 'the checksum is not four octets');
  let crc = 0xffffffff;
  for (let i = header; i < stop; i++) {
    crc ^= i >= value && i < value + 4 ? 0 : bytes[i]!;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  const told = uint16(bytes, value) * 65_536 + uint16(bytes, value + 2);
  if (~crc >>> 0 !== told) throw new ProtocolError('PROXY-2.2.3', 'the checksum is wrong');
}

function nobody(end: number): ProxyHeader {
  return { end, source: undefined, commonName: undefined, serverName: undefined };
}

function text(bytes: Uint8Array, from: number, to: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(from, to));
  } catch {
    throw new ProtocolError('PROXY-2.2', 'a name is not UTF-8');
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}

function ipv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** RFC 5952: lower case, no leading zeros, the first longest run of zeros shortened. */
function ipv6(bytes: Uint8Array, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 8; i++) groups.push(uint16(bytes, at + 2 * i));
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff)
    return `::ffff:${ipv4(bytes, at + 12)}`;
  let from = -1;
  let run = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > run) {
      from = i;
      run = j - i;
    }
  }
  const hex = (part: readonly number[]) => part.map((g) => g.toString(16)).join(':');
  return from < 0 ? hex(groups) : `${hex(groups.slice(0, from))}::${hex(groups.slice(from + run))}`;
}
