// The other handshake messages: certificates, key exchange, and the request for a client's certificate.

import { join, malformed, numbers, OctetReader, readNumbers, uint, vector } from './octets.ts';
import { isEphemeral, isPreShared, type KeyExchange } from './suites.ts';

/** Longer chains are not a chain but an attack. */
const MAX_CHAIN = 10;
const NAMED_CURVE = 3;

/** A chain of DER certificates, the sender's own first; empty: it has none [RFC5246-7.4.2]. */
export function decodeCertificate(body: Uint8Array): Uint8Array[] {
  const r = new OctetReader(body);
  const list = new OctetReader(r.vector(3));
  r.end();
  const chain: Uint8Array[] = [];
  while (!list.ended) {
    if (chain.length === MAX_CHAIN) throw malformed(`a chain of more than ${MAX_CHAIN} certificates`);
    chain.push(list.vector(3, 1).slice());
  }
  return chain;
}

export function encodeCertificate(chain: readonly Uint8Array[]): Uint8Array {
  return vector(3, ...chain.map((der) => vector(3, der)));
}

/** A signature and the number of its algorithm. */
export interface Signed {
  readonly algorithm: number;
  readonly signature: Uint8Array;
}

function readSigned(r: OctetReader): Signed {
  return { algorithm: r.uint(2), signature: r.vector(2).slice() };
}

function encodeSigned(s: Signed): Uint8Array {
  return join(uint(2, s.algorithm), vector(2, s.signature));
}

/** The server's share [RFC8422-5.4, RFC4279-2, RFC5489-2]. */
export interface ServerKeyExchange {
  /** Pre-shared keys: which identity the server would like. */
  readonly hint?: Uint8Array;
  readonly group?: number;
  readonly point?: Uint8Array;
  readonly signed?: Signed;
}

export function decodeServerKeyExchange(exchange: KeyExchange, body: Uint8Array): ServerKeyExchange {
  const r = new OctetReader(body);
  const hint = isPreShared(exchange) ? { hint: r.vector(2).slice() } : {};
  let share = {};
  if (isEphemeral(exchange)) {
    if (r.uint(1) !== NAMED_CURVE) throw malformed('a curve without a name');
    share = { group: r.uint(2), point: r.vector(1, 1).slice() };
  }
  const signed = isEphemeral(exchange) && !isPreShared(exchange) ? { signed: readSigned(r) } : {};
  r.end();
  return { ...hint, ...share, ...signed };
}

/** curve type | curve | point: what a certificate's key signs, behind both randoms. */
export function encodeShare(group: number, point: Uint8Array): Uint8Array {
  return join(uint(1, NAMED_CURVE), uint(2, group), vector(1, point));
}

export function encodeServerKeyExchange(m: ServerKeyExchange): Uint8Array {
  return join(
    m.hint === undefined ? new Uint8Array(0) : vector(2, m.hint),
    m.group === undefined ? new Uint8Array(0) : encodeShare(m.group, m.point!),
    m.signed === undefined ? new Uint8Array(0) : encodeSigned(m.signed),
  );
}

/** The client's share: which key it has, and its point. */
export interface ClientKeyExchange {
  readonly identity?: Uint8Array;
  readonly point?: Uint8Array;
}

export function decodeClientKeyExchange(exchange: KeyExchange, body: Uint8Array): ClientKeyExchange {
  const r = new OctetReader(body);
  const identity = isPreShared(exchange) ? { identity: r.vector(2).slice() } : {};
  const point = isEphemeral(exchange) ? { point: r.vector(1, 1).slice() } : {};
  r.end();
  return { ...identity, ...point };
}

export function encodeClientKeyExchange(m: ClientKeyExchange): Uint8Array {
  return join(
    m.identity === undefined ? new Uint8Array(0) : vector(2, m.identity),
    m.point === undefined ? new Uint8Array(0) : vector(1, m.point),
  );
}

export interface CertificateRequest {
  readonly types: readonly number[];
  readonly algorithms: readonly number[];
}

/** types | algorithms | names of authorities: ours names none, so that the flight stays small [RFC5246-7.4.4]. */
export function encodeCertificateRequest(m: CertificateRequest): Uint8Array {
  return join(vector(1, Uint8Array.from(m.types)), vector(2, numbers(m.algorithms)), vector(2));
}

export function decodeCertificateRequest(body: Uint8Array): CertificateRequest {
  const r = new OctetReader(body);
  const types = Array.from(r.vector(1, 1));
  const algorithms = readNumbers(r.vector(2, 2));
  r.vector(2);
  r.end();
  return { types, algorithms };
}

export function decodeCertificateVerify(body: Uint8Array): Signed {
  const r = new OctetReader(body);
  const signed = readSigned(r);
  r.end();
  return signed;
}

export function encodeCertificateVerify(s: Signed): Uint8Array {
  return encodeSigned(s);
}
