// The payloads of a run: a number that says which message it is, and filling in a shape.

const NUMBER_DIGITS = 8;
const JSON_HEAD = '{"n":';
/** From here on a JSON payload has room for a value. */
const JSON_FILL_BYTES = JSON_HEAD.length + NUMBER_DIGITS + ',"v":""}'.length;
const HEAD_BYTES = 4;

export type Shape = 'binary' | 'text' | 'json';

/** Message `index`, exactly `bytes` octets long. */
export function payloadOf(index: number, bytes: number, shape: Shape): Uint8Array {
  if (shape === 'binary') {
    const payload = new Uint8Array(bytes);
    new DataView(payload.buffer).setUint32(0, index);
    // Octets that no codec finds short: above 127, and not UTF-8.
    for (let i = HEAD_BYTES; i < bytes; i++) payload[i] = 0x80 + ((i * 37 + index) % 128);
    return payload;
  }
  const number = String(index).padStart(NUMBER_DIGITS, '0');
  if (shape === 'text') return Buffer.from(number + '.'.repeat(bytes - NUMBER_DIGITS));
  // A number cannot start with 0 in JSON, so that it is shifted.
  const digits = String(10 ** (NUMBER_DIGITS - 1) + index);
  if (bytes < JSON_FILL_BYTES) return Buffer.from(`${JSON_HEAD}${digits}}`.padEnd(bytes, ' '));
  return Buffer.from(`${JSON_HEAD}${digits},"v":"${'x'.repeat(bytes - JSON_FILL_BYTES)}"}`);
}

/** Which message it is; -1: none of ours. */
export function indexOf(payload: Uint8Array, shape: Shape): number {
  if (payload.length < HEAD_BYTES) return -1;
  if (shape === 'binary') return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  const from = shape === 'text' ? 0 : JSON_HEAD.length;
  let index = 0;
  for (let i = from; i < from + NUMBER_DIGITS; i++) {
    const digit = payload[i]! - 0x30;
    if (!(digit >= 0 && digit <= 9)) return -1;
    index = index * 10 + digit;
  }
  return shape === 'json' ? index - 10 ** (NUMBER_DIGITS - 1) : index;
}
