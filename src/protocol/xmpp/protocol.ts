// XMPP as the hub's owner sees it: a protocol over streams, and one over WebSocket messages.

import type { Protocol } from '../../contract/wire.ts';
import { MessageFraming, StreamFraming } from './framing.ts';
import { XMPP_DEFAULTS, type XmppOptions } from './options.ts';
import { EARLY, XmppPeer } from './peer.ts';
import type { Budget } from './scan.ts';

/** Octets that stanzas of all connections may take while they arrive. */
const GATHER_BYTES = 268_435_456;

export function xmpp(options: Partial<XmppOptions> = {}): Protocol {
  const all = { ...XMPP_DEFAULTS, ...options };
  const budget: Budget = { gathering: 0, limit: GATHER_BYTES };
  return {
    name: 'xmpp',
    carrier: 'stream',
    matches,
    open: (wire, hub, now) => new XmppPeer(wire, hub, all, new StreamFraming(EARLY, budget), now),
  };
}

/** As RFC 7395 frames it. */
export function xmppMessages(options: Partial<XmppOptions> = {}): Protocol {
  const all = { ...XMPP_DEFAULTS, ...options };
  return {
    name: 'xmpp+ws',
    carrier: 'message',
    text: true,
    open: (wire, hub, now) => new XmppPeer(wire, hub, all, new MessageFraming(EARLY), now),
  };
}

const FIRST = ['<?xml', '<stream:'];

function matches(first: Uint8Array): boolean {
  return FIRST.some((word) => {
    for (let i = 0; i < word.length; i++) if (first[i] !== word.charCodeAt(i)) return false;
    return true;
  });
}
