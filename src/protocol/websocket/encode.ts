// `waymeet.v1` frames to octets, JSON text or CBOR; a message is written once, and each delivery adds its own end.

import { encodeCbor } from '../../bytes/cbor.ts';
import { type Dialect, dialectSlot, type Message } from '../../contract/message.ts';
import type { Wire } from '../../contract/wire.ts';
import { contentOf } from './map.ts';
import type { ClientFrame, Form, HubFrame } from './packet.ts';

const utf8 = new TextEncoder();

export function encodeFrame(frame: ClientFrame | HubFrame, form: Form): Uint8Array {
  return form === 'json' ? utf8.encode(JSON.stringify(frame)) : encodeCbor(frame);
}

/** All of a message frame but its end: `{"type":"message","topic":…,"payload":…`. */
const JSON_HEAD: Dialect = {
  slot: dialectSlot(),
  encode: (m) => utf8.encode(JSON.stringify({ type: 'message', ...contentOf(m, 'json') }).slice(0, -1)),
};

/** The same as CBOR; its first octet is that of a map with so many fields. */
const CBOR_HEAD: Dialect = {
  slot: dialectSlot(),
  encode: (m) => encodeCbor({ type: 'message', ...contentOf(m, 'cbor') }),
};

/** A whole frame of QoS 0 that comes from a publisher: most receivers get the very same octets. */
const JSON_PLAIN: Dialect = {
  slot: dialectSlot(),
  encode: (m) =>
    utf8.encode(JSON.stringify({ type: 'message', ...contentOf(m, 'json'), qos: 0, retain: false })),
};

/** Writes one message frame. `ack` 0: nothing is to be acknowledged. */
export function writeMessage(
  wire: Wire,
  form: Form,
  m: Message,
  qos: number,
  retain: boolean,
  ack: number,
  again: boolean,
): void {
  if (form === 'cbor') writeCbor(wire, m, qos, retain, ack, again);
  else if (qos === 0 && !retain && !again) wire.write(m.frame(JSON_PLAIN));
  else writeJson(wire, m, qos, retain, ack, again);
}

function writeJson(wire: Wire, m: Message, qos: number, retain: boolean, ack: number, again: boolean): void {
  const head = m.frame(JSON_HEAD);
  const tail = `,"qos":${qos},"retain":${retain}${ack === 0 ? '' : `,"ack":${ack}`}${again ? ',"again":true}' : '}'}`;
  const at = wire.reserve(head.length + tail.length);
  const { bytes } = wire;
  bytes.set(head, at);
  for (let i = 0; i < tail.length; i++) bytes[at + head.length + i] = tail.charCodeAt(i); // ASCII
}

function writeCbor(wire: Wire, m: Message, qos: number, retain: boolean, ack: number, again: boolean): void {
  const head = m.frame(CBOR_HEAD);
  const end = { qos, retain, ...(ack !== 0 && { ack }), ...(again && { again }) };
  const tail = encodeCbor(end);
  // 0xa0 + fields | head… | tail… : a frame has 18 fields at most, so the length is the first octet's own.
  const at = wire.reserve(head.length + tail.length - 1);
  const { bytes } = wire;
  bytes.set(head, at);
  bytes.set(tail.subarray(1), at + head.length);
  bytes[at] = head[0]! + (tail[0]! & 0x1f);
}
