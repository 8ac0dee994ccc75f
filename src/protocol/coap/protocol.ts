// CoAP as the hub's owner sees it: a datagram protocol with options.

import type { Protocol } from '../../contract/wire.ts';
import { type CoapOptions, CoapPeer } from './peer.ts';

const DEFAULTS: CoapOptions = { root: 't', idleMs: 247_000, maxWaiting: 8 };

export function coap(options: Partial<CoapOptions> = {}): Protocol {
  const all = { ...DEFAULTS, ...options };
  return {
    name: 'coap',
    carrier: 'datagram',
    open: (wire, hub, now) => new CoapPeer(wire, hub, all, now),
  };
}
