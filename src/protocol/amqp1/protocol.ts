// The AMQP 1.0 tower as a Protocol, over streams and WebSocket. AMQP 0-9-1 may share its port: the protocol header tells them apart.

import type { Protocol } from '../../contract/wire.ts';
import { AMQP_HEADER } from './frames.ts';
import { type Amqp1Options, DEFAULT_AMQP1_OPTIONS } from './options.ts';
import { Amqp1Peer } from './peer.ts';

/** The server side of AMQP 1.0. Options that are left out have the values of DEFAULT_AMQP1_OPTIONS. */
export function amqp1(options: Partial<Amqp1Options> = {}): Protocol {
  const complete: Amqp1Options = { ...DEFAULT_AMQP1_OPTIONS, ...options };
  return {
    name: 'amqp1',
    carrier: 'stream',
    matches: isAmqp1,
    open: (wire, hub, now) => new Amqp1Peer(wire, hub, complete, now),
  };
}

/** `AMQP`, then 0 1 for the protocol itself, 3 for SASL, 2 for TLS within, which is told that there is SASL. [AMQP1-2.2, 5.2] */
function isAmqp1(first: Uint8Array): boolean | 'never' {
  if (AMQP_HEADER.subarray(0, Math.min(4, first.length)).some((octet, i) => first[i] !== octet))
    return 'never';
  if (first.length < 6) return false;
  return (first[4] === 0 && first[5] === 1) || first[4] === 2 || first[4] === 3 || 'never';
}
