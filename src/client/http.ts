// HTTP as a speech: its events are messages as `waymeet.v1` writes them.

import { ProtocolError } from '../contract/outcome.ts';
import type { Speech } from '../contract/speaker.ts';
import { httpSpeech } from '../protocol/http/client.ts';
import { decodeHubFrame } from '../protocol/websocket/decode.ts';
import { receivedMessage } from '../protocol/websocket/map.ts';

export const HTTP: Speech = httpSpeech((data, now) => {
  // An event says only what is not usual.
  const octets = new TextEncoder().encode(`{"type":"message","retain":false,${data.slice(1)}`);
  const frame = decodeHubFrame(octets, 0, octets.length);
  if (frame.type !== 'message') throw new ProtocolError('WAYMEET1-type', 'an event that is no message');
  return { message: receivedMessage(frame, 'json', now), retained: frame.retain };
});
