// The AMQP 0-9-1 tower as a Protocol. AMQP 1.0 may share its port: the protocol header tells them apart.

import type { Protocol } from '../../contract/wire.ts';
import { type Amqp091Options, DEFAULT_AMQP091_OPTIONS } from './options.ts';
import { PROTOCOL_HEADER } from './packet.ts';
import { Amqp091Peer } from './peer.ts';

/** The server side of AMQP 0-9-1. Options that are left out have the values of DEFAULT_AMQP091_OPTIONS. */
export function amqp091(options: Partial<Amqp091Options> = {}): Protocol {
  const complete: Amqp091Options = { ...DEFAULT_AMQP091_OPTIONS, ...options };
  return {
    name: 'amqp091',
    carrier: 'stream',
    matches: isAmqp091,
    header: PROTOCOL_HEADER, // [AMQP091-4.2.2]
    open: (wire, hub, now) => new Amqp091Peer(wire, hub, complete, now),
  };
}

/** `AMQP`, then 0 0 9 1, or another 0-x version, which is told what is spoken here. 0 1 0 0 and 3 1 0 0 are AMQP 1.0. */
function isAmqp091(first: Uint8Array): boolean | 'never' {
  const name = PROTOCOL_HEADER.subarray(0, Math.min(4, first.length));
  if (name.some((octet, i) => first[i] !== octet)) return 'never';
  if (first.length < 6) return false;
  return (first[4] === 0 && first[5] !== 1) || first[4] === 1 || 'never';
}
