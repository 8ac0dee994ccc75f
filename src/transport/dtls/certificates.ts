// Certificates: our own with its key, and whether authorities vouch for the other side's.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ProtocolError } from '../../contract/outcome.ts';
import { ALERT } from './codes.ts';

/** A chain, the own certificate first, and its private key. */
export interface Certified {
  readonly chain: readonly Uint8Array[];
  readonly key: KeyObject;
  /** The named curve of an EC key, or of an Edwards key its name; undefined: RSA. */
  readonly curve: string | undefined;
}

export interface Pem {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  readonly passphrase?: string;
}

/** Reads PEM. Throws OpenSSL's error, or an Error that says that both do not belong together. */
export function readCertified(pem: Pem): Certified {
  const chain = readCertificates(pem.cert);
  const key = createPrivateKey({
    key: Buffer.from(pem.key),
    ...(pem.passphrase === undefined ? {} : { passphrase: pem.passphrase }),
  });
  if (chain.length === 0) throw new Error('there is no certificate in the file');
  if (!chain[0]!.checkPrivateKey(key)) throw new Error('the private key is not that of the certificate');
  const type = key.asymmetricKeyType;
  if (type !== 'ec' && type !== 'rsa' && type !== 'ed25519')
    throw new Error(`keys of type ${type} cannot be used`);
  return { chain: chain.map((c) => c.raw), key, curve: key.asymmetricKeyDetails?.namedCurve };
}

/** The certificates of a PEM text, in order. */
export function readCertificates(pem: string | Uint8Array): X509Certificate[] {
  const blocks = Buffer.from(pem)
    .toString('latin1')
    .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return (blocks ?? []).map((block) => new X509Certificate(block));
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/**
 * The leaf of a chain that one of the authorities vouches for, at this time and for this role [RFC5280-6.1, without policies, name
 * constraints and revocation]. Throws ProtocolError with the alert that says what is wrong.
 */
export function verifyChain(
  chain: readonly Uint8Array[],
  authorities: readonly X509Certificate[],
  role: 'client' | 'server',
  now: number,
): X509Certificate {
  const leaf = leafOf(chain);
  const others = chain.slice(1).map(parse);
  checkDates(leaf, now);
  const purposes = leaf.keyUsage as readonly string[] | undefined; // Node calls the extended key usage so
  if (purposes !== undefined && !purposes.includes(role === 'client' ? CLIENT_AUTH : SERVER_AUTH)) {
    throw refused(`a certificate that is not for a ${role}`, ALERT.unsupportedCertificate);
  }
  let current = leaf;
  for (let steps = 0; steps <= others.length; steps++) {
    const anchor = authorities.find((a) => a.raw.equals(current.raw) || vouches(a, current, now));
    if (anchor !== undefined) return leaf;
    const next = others.find((c) => vouches(c, current, now));
    if (next === undefined) break;
    current = next;
  }
  throw refused('no known authority vouches for the certificate', ALERT.unknownCa);
}

/** The first of a chain, unproven. Throws ProtocolError when there is none. */
export function leafOf(chain: readonly Uint8Array[]): X509Certificate {
  if (chain.length === 0) throw refused('no certificate', ALERT.badCertificate);
  return parse(chain[0]!);
}

function parse(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch {
    throw refused('octets that are no certificate', ALERT.badCertificate);
  }
}

function vouches(authority: X509Certificate, for_: X509Certificate, now: number): boolean {
  if (!authority.ca || !isCurrent(authority, now) || !for_.checkIssued(authority)) return false;
  try {
    return for_.verify(authority.publicKey);
  } catch {
    // A stranger's certificate may have a key that OpenSSL does not know: it vouches for nobody.
    return false;
  }
}

/** The key that a certificate speaks of. Throws ProtocolError for one that OpenSSL does not know. */
export function publicKeyOf(c: X509Certificate): KeyObject {
  try {
    return c.publicKey;
  } catch {
    throw refused('a certificate with a key of an unknown kind', ALERT.unsupportedCertificate);
  }
}

/** Dates that cannot be read are never current. */
function isCurrent(c: X509Certificate, now: number): boolean {
  return Date.parse(c.validFrom) <= now && Date.parse(c.validTo) >= now;
}

function checkDates(c: X509Certificate, now: number): void {
  if (!isCurrent(c, now)) {
    throw refused('a certificate whose time is over or has not come', ALERT.certificateExpired);
  }
}

/** What a verified certificate says about its owner, as the contract has it. */
export function certificateIdentity(c: X509Certificate): { commonName: string; fingerprint: string } {
  const name: unknown = c.toLegacyObject().subject?.CN;
  return {
    // A subject with several common names could be read two ways, so it has none.
    commonName: typeof name === 'string' ? name : '',
    fingerprint: c.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

function refused(what: string, alert: number): ProtocolError {
  return new ProtocolError('RFC5280-6.1', what, alert);
}
