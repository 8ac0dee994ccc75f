// The signature algorithms of tokens [RFC7518-3.1, RFC8037-3.1]; in a file of their own, so that the schema need not load what checks them.

/** With a shared secret. */
export const SHARED_ALGORITHMS = ['HS256', 'HS384', 'HS512'];
/** With a public key. */
export const PUBLIC_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
export const JWT_ALGORITHMS = [...SHARED_ALGORITHMS, ...PUBLIC_ALGORITHMS];
