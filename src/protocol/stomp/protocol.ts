// STOMP as the hub's owner sees it: a protocol over streams, and over WebSockets whose frames may be text.

import type { Protocol } from '../../contract/wire.ts';
import type { BodyBudget } from './body.ts';
import { type StompOptions, StompPeer } from './peer.ts';

const DEFAULTS: StompOptions = { headBytes: 16_384, headers: 256, lineLength: 8_192 };
/** Octets that the bodies of all connections may take while they arrive. */
const GATHER_BYTES = 268_435_456;

export function stomp(options: Partial<StompOptions> = {}): Protocol {
  const all = { ...DEFAULTS, ...options };
  const budget: BodyBudget = { gathering: 0, limit: GATHER_BYTES };
  return {
    name: 'stomp',
    carrier: 'stream',
    text: true,
    matches,
    open: (wire, hub, now) => new StompPeer(wire, hub, all, budget, now),
  };
}

const FIRST = ['CONNECT\n', 'CONNECT\r', 'STOMP\n', 'STOMP\r'];

/** A stream whose first line is `CONNECT` or `STOMP`. */
function matches(first: Uint8Array): boolean {
  return FIRST.some((line) => {
    for (let i = 0; i < line.length; i++) if (first[i] !== line.charCodeAt(i)) return false;
    return true;
  });
}
