// `waymeet.v1` frames to UTF-8 JSON text; a message is written once, and each delivery adds its own end.

import { type Dialect, dialectSlot, type Message } from '../../contract/message.ts';
import type { Wire } from '../../contract/wire.ts';
import { contentOf } from './map.ts';
import type { HubFrame } from './packet.ts';

const utf8 = new TextEncoder();

export function encodeFrame(frame: HubFrame): Uint8Array {
  return utf8.encode(JSON.stringify(frame));
}

/** All of a message frame but its end: `{"type":"message","topic":…,"payload":…`. */
const MESSAGE: Dialect = {
  slot: dialectSlot(),
  encode: (m) => utf8.encode(JSON.stringify({ type: 'message', ...contentOf(m) }).slice(0, -1)),
};

/** Writes one message frame. `ack` 0: nothing is to be acknowledged. */
export function writeMessage(
  wire: Wire,
  m: Message,
  qos: number,
  retain: boolean,
  ack: number,
  again: boolean,
): void {
  const head = m.frame(MESSAGE);
  const tail = `,"qos":${qos},"retain":${retain}${ack === 0 ? '' : `,"ack":${ack}`}${again ? ',"again":true}' : '}'}`;
  const at = wire.reserve(head.length + tail.length);
  const { bytes } = wire;
  bytes.set(head, at);
  for (let i = 0; i < tail.length; i++) bytes[at + head.length + i] = tail.charCodeAt(i); // ASCII
}
