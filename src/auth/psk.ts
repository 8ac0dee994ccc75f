// The PSK file: one line a device, `identity:hexkey`.

import { meaningfulLines, TextFault } from './text.ts';
import { nameFault } from './users.ts';

/** Shorter keys can be guessed from one recorded handshake. */
const MIN_KEY_BYTES = 16;

/** Parses the file's text; `file` is for messages. Throws TextFault with every fault found. */
export function parsePsk(text: string, file: string): Map<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>();
  const faults: string[] = [];
  for (const line of meaningfulLines(text)) {
    const colon = line.text.lastIndexOf(':');
    const identity = line.text.slice(0, Math.max(0, colon));
    const hex = line.text.slice(colon + 1);
    const fault =
      nameFault(identity)?.replace('user name', 'identity') ??
      (keys.has(identity) ? `identity \`${identity}\` is there twice; remove one of the lines` : undefined) ??
      (hex.length < 2 * MIN_KEY_BYTES || hex.length % 2 !== 0 || !/^[\da-f]+$/i.test(hex)
        ? `the key of \`${identity}\` must be at least ${MIN_KEY_BYTES} octets in hex: make one with \`openssl rand -hex 32\``
        : undefined);
    if (fault !== undefined) faults.push(`${file}:${line.number}: ${fault}`);
    else keys.set(identity, Buffer.from(hex, 'hex'));
  }
  if (faults.length > 0) throw new TextFault(faults);
  return keys;
}
