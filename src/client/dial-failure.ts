// Why a wire could not be opened in Node, in words: what the system, OpenSSL and our DTLS say, and whose certificate is at fault.

import { HandshakeFailed } from '../transport/dtls/failure.ts';
import { shown } from './endpoint.ts';
import { type ErrorCode, WaymeetError } from './error.ts';

interface Words {
  readonly code: ErrorCode;
  readonly said: string;
  readonly fix?: string;
}

const NOBODY_KNOWN: Words = {
  code: 'untrusted',
  said: 'its certificate is signed by nobody who is trusted here',
  fix: "give its authority's certificate as tls.ca",
};
const OUT_OF_DATE: Words = {
  code: 'untrusted',
  said: 'the time of its certificate is over, or has not come',
  fix: 'renew it, or set the clock',
};
const OTHER_NAME: Words = {
  code: 'untrusted',
  said: 'its certificate is for another name',
  fix: 'connect to a name that the certificate has',
};
const UNFIT: Words = { code: 'untrusted', said: 'its certificate is not fit for a server' };
const WANTS_ONE: Words = {
  code: 'bad-credentials',
  said: 'it wants a certificate of ours',
  fix: 'give tls.cert and tls.key',
};
const NOT_OURS: Words = {
  code: 'bad-credentials',
  said: 'it does not take our certificate',
  fix: 'give one that it trusts as tls.cert and tls.key',
};
const NOT_OUR_KEY: Words = {
  code: 'bad-credentials',
  said: 'it does not know our pre-shared key',
  fix: 'check tls.psk: identity and key',
};
const NOTHING_COMMON: Words = {
  code: 'unavailable',
  said: 'we have no TLS version or cipher in common',
  fix: 'does it want a certificate (tls.cert, tls.key), or a pre-shared key (tls.psk)?',
};
/** Servers that look at certificates after the handshake may say no word about what they find. */
const HUNG_UP: Words = {
  code: 'unavailable',
  said: 'it ended the connection right after the TLS handshake',
  fix: 'does it want a certificate (tls.cert, tls.key), or another one?',
};
const NO_TLS: Words = {
  code: 'unreachable',
  said: 'what answers does not speak TLS',
  fix: 'is it the port for TLS?',
};
const UNUSABLE: Words = {
  code: 'usage',
  said: 'our certificates or keys cannot be used',
  fix: 'are tls.ca, tls.cert and tls.key PEM, and do the last two belong together?',
};

const NAME_UNKNOWN: Words = {
  code: 'unreachable',
  said: 'the host name is not known',
  fix: 'is it spelled right, and is there a network?',
};

const ENDED_AT_ONCE: Words = {
  code: 'unreachable',
  said: 'it ended the connection at once',
  fix: 'does it speak this protocol, on this port?',
};

/** By the code of Node's error: verification's as OpenSSL's X509_V_ERR_…, and alerts that the other side sent. */
const BY_CODE: Readonly<Record<string, Words>> = {
  ECONNREFUSED: {
    code: 'unreachable',
    said: 'nobody listens there',
    fix: 'is the broker running, at this address?',
  },
  ECONNRESET: ENDED_AT_ONCE,
  EPIPE: ENDED_AT_ONCE,
  ENOTFOUND: NAME_UNKNOWN,
  EAI_AGAIN: NAME_UNKNOWN,
  DEPTH_ZERO_SELF_SIGNED_CERT: NOBODY_KNOWN,
  SELF_SIGNED_CERT_IN_CHAIN: NOBODY_KNOWN,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NOBODY_KNOWN,
  UNABLE_TO_GET_ISSUER_CERT: NOBODY_KNOWN,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NOBODY_KNOWN,
  CERT_UNTRUSTED: NOBODY_KNOWN,
  CERT_SIGNATURE_FAILURE: NOBODY_KNOWN,
  CERT_REVOKED: { code: 'untrusted', said: 'its certificate was revoked' },
  CERT_HAS_EXPIRED: OUT_OF_DATE,
  CERT_NOT_YET_VALID: OUT_OF_DATE,
  ERR_TLS_CERT_ALTNAME_INVALID: OTHER_NAME,
  HOSTNAME_MISMATCH: OTHER_NAME,
  INVALID_CA: UNFIT,
  INVALID_PURPOSE: UNFIT,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: WANTS_ONE,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: NOT_OURS,
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: NOT_OURS,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: NOT_OURS,
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: NOT_OURS,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: NOT_OURS,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: NOT_OURS,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: NOT_OURS,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY: NOT_OUR_KEY,
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: NOT_OUR_KEY,
  ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC: NOT_OUR_KEY,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: NOTHING_COMMON,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: NOTHING_COMMON,
  ERR_SSL_NO_CIPHERS_AVAILABLE: NOTHING_COMMON,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_UNSUPPORTED_PROTOCOL: NOTHING_COMMON,
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: {
    code: 'not-supported',
    said: 'its TLS port does not speak this protocol (ALPN)',
    fix: 'choose another port',
  },
};

/** DTLS alerts, when we said them about the server, and when the server said them to us. [RFC5246-7.2.2] */
const OUR_ALERTS: Readonly<Record<number, Words>> = {
  42: OTHER_NAME,
  43: UNFIT,
  45: OUT_OF_DATE,
  48: NOBODY_KNOWN,
};
const THEIR_ALERTS: Readonly<Record<number, Words>> = {
  40: NOTHING_COMMON,
  42: NOT_OURS,
  43: NOT_OURS,
  44: NOT_OURS,
  45: NOT_OURS,
  46: NOT_OURS,
  48: NOT_OURS,
  49: NOT_OURS,
  51: NOT_OUR_KEY,
  70: NOTHING_COMMON,
  115: NOT_OUR_KEY,
  116: WANTS_ONE,
};

/** A server said nothing inside of TLS, and is gone. */
export class HungUp extends Error {}

/** An error whose sentence says what is wrong at `url`, and how to mend it. */
export function dialFailure(cause: unknown, url: URL): WaymeetError {
  if (cause instanceof WaymeetError) return cause;
  const { code, said, fix } = wordsOf(cause);
  const more = fix === undefined ? { cause } : { cause, fix };
  return new WaymeetError(code, url.protocol.slice(0, -1), `cannot connect to ${shown(url)}: ${said}`, more);
}

function wordsOf(cause: unknown): Words {
  if (cause instanceof HandshakeFailed) return wordsOfHandshake(cause);
  if (cause instanceof HungUp) return HUNG_UP;
  const { code = '', message, errors } = cause as { code?: string; message: string; errors?: unknown[] };
  const words = BY_CODE[code];
  if (words === OTHER_NAME) return { ...OTHER_NAME, said: `its certificate is for ${namesOf(cause)}` };
  if (words !== undefined) return words;
  if (code === 'ENOENT') return { code: 'unreachable', said: `there is no such file (${message})` };
  if (code.startsWith('ERR_OSSL_')) return UNUSABLE;
  // Node tries every address of a name and gathers what went wrong.
  if (message === '' && errors?.[0] !== undefined) return wordsOf(errors[0]);
  return { code: 'unreachable', said: message };
}

function wordsOfHandshake({ alert, message }: HandshakeFailed): Words {
  const words = alert === undefined ? undefined : (alert.ours ? OUR_ALERTS : THEIR_ALERTS)[alert.code];
  return words ?? { code: 'unreachable', said: message };
}

/** The names in a certificate that has not the one that was asked for. */
function namesOf(cause: unknown): string {
  const { cert } = cause as { cert?: { subjectaltname?: string; subject?: { CN?: unknown } } };
  const names = cert?.subjectaltname?.replaceAll(/(?:DNS|IP Address):/g, '') ?? String(cert?.subject?.CN);
  return `${names}, and not for this name`;
}
