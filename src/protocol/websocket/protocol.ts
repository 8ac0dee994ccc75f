// The `waymeet.v1` WebSocket subprotocol as the hub's owner sees it.

import type { Protocol } from '../../contract/wire.ts';
import { type WaymeetJsonOptions, WaymeetJsonPeer } from './peer.ts';

const DEFAULTS: WaymeetJsonOptions = { maxFrameBytes: 16_777_216, maxEarlyFrames: 64 };

export function waymeetJson(options: Partial<WaymeetJsonOptions> = {}): Protocol {
  const all = { ...DEFAULTS, ...options };
  return {
    name: 'waymeet.v1',
    carrier: 'message',
    text: true,
    open: (wire, hub, now) => new WaymeetJsonPeer(wire, hub, all, now),
  };
}
