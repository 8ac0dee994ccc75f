// Which datagrams a protocol sends again: what TCP does below a stream, CoAP and MQTT-SN do themselves.

import type { Family } from './variant.ts';

const REMEMBERED = 256;
// length | type | flags, or 01 | length 2 | type | flags
const SN_LONG = 1;
const SN_DUP = 0x80;
const SN_PUBLISH = 0x0c;
/** Pings are alike and none of them is a repetition. */
const MIN_BYTES = 4;

/** Whether a datagram was sent before on this wire. Ask once for each. */
export function repeatsOf(family: Family): (datagram: Uint8Array) => boolean {
  const sent = new Set<string>();
  return (datagram) => {
    if (datagram.length < MIN_BYTES) return false;
    const key = keyOf(datagram, family);
    if (sent.has(key)) return true;
    if (sent.size >= REMEMBERED)
      for (const oldest of sent) {
        sent.delete(oldest);
        break;
      }
    sent.add(key);
    return false;
  };
}

function keyOf(datagram: Uint8Array, family: Family): string {
  const bytes = Buffer.from(datagram);
  if (family === 'mqttsn') {
    const type = bytes[0] === SN_LONG ? 3 : 1;
    if (bytes[type] === SN_PUBLISH) bytes[type + 1]! &= ~SN_DUP;
  }
  return bytes.toString('latin1');
}
