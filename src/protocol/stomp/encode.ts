// STOMP frames to octets; of a message the headers that all receivers share are written once per version.

import { type Dialect, dialectSlot, type Message } from '../../contract/message.ts';
import type { Wire } from '../../contract/wire.ts';
import { headersOf } from './map.ts';
import { type Frame, type HubCommand, NO_BODY, type Version } from './packet.ts';

const encoder = new TextEncoder();

/** CONNECTED is never escaped, for the sake of 1.0; nor is anything in 1.0. [STOMP12-value-encoding] */
export function encodeFrame(frame: Frame<string>, version: Version): Uint8Array {
  const escapes = frame.command === 'CONNECT' || frame.command === 'CONNECTED' ? '1.0' : version;
  const head = encoder.encode(`${frame.command}\n${headerLines(frame.headers, escapes)}\n`);
  const { body } = frame;
  const bytes = new Uint8Array(head.length + body.length + 1);
  bytes.set(head, 0);
  bytes.set(body, head.length);
  return bytes;
}

export function hubFrame(command: HubCommand, headers: readonly string[], body?: string): Frame<HubCommand> {
  return { command, headers, body: body === undefined ? NO_BODY : encoder.encode(body) };
}

export function headerLines(headers: readonly string[], version: Version): string {
  let lines = '';
  for (let i = 0; i < headers.length; i += 2)
    lines += `${escaped(headers[i]!, version)}:${escaped(headers[i + 1]!, version)}\n`;
  return lines;
}

const SPECIAL = /[\\\n:\r\0]/;
const SPECIALS = /[\\\n:\r\0]/g;

/** What a version has no word for becomes a blank: a line must not end early. */
export function escaped(text: string, version: Version): string {
  if (!SPECIAL.test(text)) return text;
  return text.replace(SPECIALS, (c) => {
    if (version === '1.0') return c === ':' || c === '\\' ? c : ' ';
    if (c === '\\') return '\\\\';
    if (c === '\n') return '\\n';
    if (c === ':') return '\\c';
    if (c === '\r') return version === '1.2' ? '\\r' : ' ';
    return ' ';
  });
}

/** A message's own headers and the empty line, by version: the escapes differ. */
const DIALECTS: Readonly<Record<Version, Dialect>> = {
  '1.0': dialect('1.0'),
  '1.1': dialect('1.1'),
  '1.2': dialect('1.2'),
};

function dialect(version: Version): Dialect {
  return {
    slot: dialectSlot(),
    encode: (m) => encoder.encode(`${headerLines(headersOf(m), version)}\n`),
  };
}

const MESSAGE_ID = encoder.encode('message-id:');
const ACK = encoder.encode('ack:');
const REDELIVERED = encoder.encode('redelivered:true\n');
const RETAINED = encoder.encode('retain:true\n');

/** The beginning of all MESSAGE frames of a subscription. In 1.0 one without an id has none. */
export function messageHead(subscription: string | undefined, version: Version): Uint8Array {
  const lines = subscription === undefined ? '' : headerLines(['subscription', subscription], version);
  return encoder.encode(`MESSAGE\n${lines}`);
}

/**
 * MESSAGE | subscription | message-id | ack? | redelivered? | retain? | shared headers | body | NUL. `id` is ASCII; `acknowledged`: the
 * client must answer it, which from 1.2 on it does with the ack header.
 */
export function writeMessage(
  wire: Wire,
  m: Message,
  version: Version,
  head: Uint8Array,
  id: string,
  acknowledged: boolean,
  again: boolean,
  replayed: boolean,
): void {
  const shared = m.frame(DIALECTS[version]);
  const { payload } = m;
  const ack = acknowledged && version === '1.2';
  const small = payload.length < 4_096;
  const length =
    head.length +
    MESSAGE_ID.length +
    id.length +
    1 +
    (ack ? ACK.length + id.length + 1 : 0) +
    (again ? REDELIVERED.length : 0) +
    (replayed ? RETAINED.length : 0) +
    shared.length +
    (small ? payload.length + 1 : 0);
  let at = wire.reserve(length);
  const { bytes } = wire;
  const put = (part: Uint8Array): void => {
    bytes.set(part, at);
    at += part.length;
  };
  const putId = (): void => {
    for (let i = 0; i < id.length; i++) bytes[at++] = id.charCodeAt(i);
    bytes[at++] = 0x0a;
  };
  put(head);
  put(MESSAGE_ID);
  putId();
  if (ack) {
    put(ACK);
    putId();
  }
  if (again) put(REDELIVERED);
  if (replayed) put(RETAINED);
  put(shared);
  if (small) {
    put(payload);
    bytes[at] = 0;
  } else {
    wire.write(payload);
    wire.write(END);
  }
}

const END = new Uint8Array(1);
