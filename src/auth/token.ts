// What a JSON Web Token looks like from outside, so that a password that is one can be told from the others; and what a secret must be.

export const MAX_TOKEN_BYTES = 65_535;
/** [RFC7518-3.2]: no shorter than the hash, and the shortest hash has 32 octets. */
const MIN_SECRET_BYTES = 32;

/** Whether it has the form of a token: three parts in base64url, the first of them a JSON object. */
export function looksLikeToken(password: Uint8Array | undefined): boolean {
  if (password === undefined || password.length > MAX_TOKEN_BYTES) return false;
  // eyJ: `{"` in base64
  if (password[0] !== 0x65 || password[1] !== 0x79 || password[2] !== 0x4a) return false;
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(Buffer.from(password).toString('latin1'));
}

/** What is wrong with a secret, or undefined. */
export function secretFault(text: string): string | undefined {
  const length = secretOctets(text).length;
  if (length >= MIN_SECRET_BYTES) return undefined;
  return `has ${length} octets, and ${MIN_SECRET_BYTES} are the least: make one with \`openssl rand -hex 32\``;
}

/** The octets of a secret as it is written. */
export function secretOctets(text: string): Buffer {
  return text.startsWith('base64:') ? Buffer.from(text.slice(7), 'base64') : Buffer.from(text, 'utf8');
}

/** Whether keys are to be fetched, not read from a file. */
export function isUrl(text: string | undefined): boolean {
  return text !== undefined && /^https?:\/\//i.test(text);
}
