// A message with everything that CoAP's options cannot say, as one JSON or CBOR body (`?envelope=json|cbor`).

import { encodeCbor } from '../../bytes/cbor.ts';
import type { Id, Message, Uuid } from '../../contract/message.ts';
import { NEVER } from '../../contract/message.ts';
import { decodeText } from './options.ts';

export type Envelope = 'json' | 'cbor';

const utf8 = new TextEncoder();

/** The members are those of the JSON protocol over WebSocket: topic, payload or payloadBase64, qos, retain, and what was said. */
export function encodeEnvelope(m: Message, as: Envelope): Uint8Array {
  const octets = (value: Uint8Array): unknown => (as === 'cbor' ? value : { base64: base64(value) });
  const { meta } = m;
  const said: Record<string, unknown> = { topic: m.topic };
  const text = meta?.text === false ? undefined : decodeText(m.payload);
  if (as === 'cbor') said.payload = text ?? m.payload;
  else if (text === undefined) said.payloadBase64 = base64(m.payload);
  else said.payload = text;
  said.qos = m.qos;
  said.retain = m.retain;
  said.at = m.at;
  if (m.expiresAt !== NEVER) said.expiresAt = m.expiresAt;
  if (meta?.contentType !== undefined) said.contentType = meta.contentType;
  if (meta?.contentEncoding !== undefined) said.contentEncoding = meta.contentEncoding;
  if (meta?.responseTopic !== undefined) said.responseTopic = meta.responseTopic;
  if (meta?.correlation !== undefined) said.correlation = plainId(meta.correlation, octets);
  if (meta?.messageId !== undefined) said.messageId = plainId(meta.messageId, octets);
  if (meta?.priority !== undefined) said.priority = meta.priority;
  if (meta?.user !== undefined) {
    said.user = meta.user.map(({ name, value }) => ({ name, value: plainId(value, octets) }));
  }
  return as === 'cbor' ? encodeCbor(said) : utf8.encode(JSON.stringify(said));
}

function plainId(value: Id | number | boolean, octets: (value: Uint8Array) => unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return octets(value);
  if (typeof value === 'object') return (value as Uuid).uuid;
  return value;
}

function base64(value: Uint8Array): string {
  let text = '';
  for (const octet of value) text += String.fromCharCode(octet);
  return btoa(text);
}
