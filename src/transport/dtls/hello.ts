// ClientHello, HelloVerifyRequest and ServerHello, and the extensions that both hellos carry.

import { ProtocolError } from '../../contract/outcome.ts';
import { ALERT, DTLS_1_0, EXTENSION, RENEGOTIATION_SCSV } from './codes.ts';
import { join, malformed, numbers, OctetReader, readNumbers, uint, vector } from './octets.ts';

export const RANDOM_BYTES = 32;

/** Extensions, understood; what is absent was not there. */
export interface Extensions {
  /** Client: the name it asks for. Server: '' tells that the name was used. */
  readonly serverName?: string;
  /** 1 to 4: no record carries more than 2^(8 + n) octets [RFC6066-4]. */
  readonly maxFragmentLength?: number;
  readonly groups?: readonly number[];
  readonly pointFormats?: readonly number[];
  readonly signatureAlgorithms?: readonly number[];
  readonly extendedMasterSecret?: boolean;
  /** The id that records *to* the sender of this hello shall carry; empty: none, but it can send one [RFC9146-3]. */
  readonly connectionId?: Uint8Array;
  readonly renegotiationInfo?: Uint8Array;
}

export interface ClientHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cookie: Uint8Array;
  readonly suites: readonly number[];
  readonly compressions: Uint8Array;
  readonly extensions: Extensions;
}

export interface ServerHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly suite: number;
  readonly compression: number;
  readonly extensions: Extensions;
  /** Every extension's number, also of those that we do not know. */
  readonly extensionNumbers: readonly number[];
}

/** version | random | session id | cookie | suites | compressions | extensions [RFC6347-4.2.1] */
export function decodeClientHello(body: Uint8Array): ClientHello {
  const r = new OctetReader(body);
  const hello = {
    version: r.uint(2),
    random: r.take(RANDOM_BYTES).slice(),
    sessionId: sessionId(r),
    cookie: r.vector(1).slice(),
    suites: readNumbers(r.vector(2, 2)),
    compressions: r.vector(1, 1).slice(),
  };
  return { ...hello, extensions: readExtensions(r).known };
}

export function encodeClientHello(h: ClientHello): Uint8Array {
  return join(
    uint(2, h.version),
    h.random,
    vector(1, h.sessionId),
    vector(1, h.cookie),
    vector(2, numbers(h.suites)),
    vector(1, h.compressions),
    encodeExtensions(h.extensions, 'client'),
  );
}

export function decodeServerHello(body: Uint8Array): ServerHello {
  const r = new OctetReader(body);
  const hello = {
    version: r.uint(2),
    random: r.take(RANDOM_BYTES).slice(),
    sessionId: sessionId(r),
    suite: r.uint(2),
    compression: r.uint(1),
  };
  const { known, all } = readExtensions(r);
  return { ...hello, extensions: known, extensionNumbers: all };
}

export function encodeServerHello(h: Omit<ServerHello, 'extensionNumbers'>): Uint8Array {
  return join(
    uint(2, h.version),
    h.random,
    vector(1, h.sessionId),
    uint(2, h.suite),
    uint(1, h.compression),
    encodeExtensions(h.extensions, 'server'),
  );
}

/** Says version 1.0 whatever will be spoken, as it must [RFC6347-4.2.1]. */
export function encodeHelloVerifyRequest(cookie: Uint8Array): Uint8Array {
  return join(uint(2, DTLS_1_0), vector(1, cookie));
}

export function decodeHelloVerifyRequest(body: Uint8Array): Uint8Array {
  const r = new OctetReader(body);
  if (r.uint(1) !== 0xfe) throw malformed('a HelloVerifyRequest of another protocol');
  r.uint(1);
  const cookie = r.vector(1).slice();
  r.end();
  return cookie;
}

/** Whether the client knows secure renegotiation, which is then told that there is none [RFC5746-3.6]. */
export function knowsRenegotiation(h: ClientHello): boolean {
  return h.extensions.renegotiationInfo !== undefined || h.suites.includes(RENEGOTIATION_SCSV);
}

function sessionId(r: OctetReader): Uint8Array {
  const id = r.vector(1);
  if (id.length > 32) throw malformed('a session id of more than 32 octets');
  return id.slice();
}

function readExtensions(r: OctetReader): { known: Extensions; all: number[] } {
  const all: number[] = [];
  const known: { -readonly [K in keyof Extensions]: Extensions[K] } = {};
  if (r.ended) return { known, all };
  const list = new OctetReader(r.vector(2));
  r.end();
  while (!list.ended) {
    const number = list.uint(2);
    const body = new OctetReader(list.vector(2));
    if (all.includes(number)) throw illegal(`extension ${number} is there twice`); // [RFC5246-7.4.1.4]
    all.push(number);
    switch (number) {
      case EXTENSION.serverName:
        known.serverName = readServerName(body);
        break;
      case EXTENSION.maxFragmentLength:
        known.maxFragmentLength = body.uint(1);
        break;
      case EXTENSION.supportedGroups:
        known.groups = readNumbers(body.vector(2, 2));
        break;
      case EXTENSION.ecPointFormats:
        known.pointFormats = Array.from(body.vector(1, 1));
        break;
      case EXTENSION.signatureAlgorithms:
        known.signatureAlgorithms = readNumbers(body.vector(2, 2));
        break;
      case EXTENSION.extendedMasterSecret:
        known.extendedMasterSecret = true;
        break;
      case EXTENSION.connectionId:
        known.connectionId = body.vector(1).slice();
        break;
      case EXTENSION.renegotiationInfo:
        known.renegotiationInfo = body.vector(1).slice();
        break;
      default:
        body.rest(); // unknown ones are ignored [RFC5246-7.4.1.4]
    }
    body.end();
  }
  return { known, all };
}

/** The one host name [RFC6066-3]; a server's answer is empty. */
function readServerName(body: OctetReader): string {
  if (body.ended) return '';
  const names = new OctetReader(body.vector(2, 1));
  let found: string | undefined;
  while (!names.ended) {
    const type = names.uint(1);
    const name = names.vector(2, 1);
    if (type !== 0) continue;
    if (found !== undefined) throw illegal('two host names');
    found = Buffer.from(name).toString('latin1');
    if (!/^[\x21-\x7e]{1,255}$/.test(found)) throw illegal('no host name');
  }
  return found ?? '';
}

/** No block at all when there is none to tell. */
function encodeExtensions(e: Extensions, side: 'client' | 'server'): Uint8Array {
  const parts: Uint8Array[] = [];
  const add = (number: number, body: Uint8Array | undefined) => {
    if (body !== undefined) parts.push(uint(2, number), vector(2, body));
  };
  add(EXTENSION.renegotiationInfo, e.renegotiationInfo && vector(1, e.renegotiationInfo));
  add(EXTENSION.serverName, e.serverName === undefined ? undefined : serverNameBody(e.serverName, side));
  add(EXTENSION.maxFragmentLength, e.maxFragmentLength ? uint(1, e.maxFragmentLength) : undefined);
  add(EXTENSION.extendedMasterSecret, e.extendedMasterSecret ? new Uint8Array(0) : undefined);
  add(EXTENSION.connectionId, e.connectionId && vector(1, e.connectionId));
  add(EXTENSION.ecPointFormats, e.pointFormats && vector(1, Uint8Array.from(e.pointFormats)));
  add(EXTENSION.supportedGroups, e.groups && vector(2, numbers(e.groups)));
  add(EXTENSION.signatureAlgorithms, e.signatureAlgorithms && vector(2, numbers(e.signatureAlgorithms)));
  return parts.length === 0 ? new Uint8Array(0) : vector(2, ...parts);
}

function serverNameBody(name: string, side: 'client' | 'server'): Uint8Array {
  if (side === 'server') return new Uint8Array(0);
  return vector(2, uint(1, 0), vector(2, Buffer.from(name, 'latin1')));
}

function illegal(what: string): ProtocolError {
  return new ProtocolError('RFC5246-7.2.2', what, ALERT.illegalParameter);
}
