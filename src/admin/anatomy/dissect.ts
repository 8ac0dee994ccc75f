// What a trace shows of each protocol: where its packets end, what they are called and hold, and which octets are secret.

import { CborError } from '../../bytes/cbor.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { readPerformative, readSasl } from '../../protocol/amqp1/composite.ts';
import { ValueReader } from '../../protocol/amqp1/decode.ts';
import { ATTACH, COMPOSITES, TRANSFER } from '../../protocol/amqp1/packet.ts';
import { decodeContentHeader, decodeMethod } from '../../protocol/amqp091/decode.ts';
import { BODY, HEADER, HEARTBEAT, METHOD } from '../../protocol/amqp091/packet.ts';
import { decodeFrameHead } from '../../protocol/coap/frame.ts';
import { decodeSn } from '../../protocol/mqttsn/decode.ts';
import * as sn from '../../protocol/mqttsn/packet.ts';
import { decodeFrame, decodeHubFrame, formOf } from '../../protocol/websocket/decode.ts';
import { encodeFrame } from '../../protocol/websocket/encode.ts';
import { anatomyOfCoap, nameOfCoap } from './coap.ts';
import { type Dissected, type Dissector, type Field, SHOWN_CHARS, shown, starred } from './dissected.ts';
import { HttpDissector } from './http.ts';
import { anatomyOfMqtt, nameOfMqtt } from './mqtt.ts';
import type { Part } from './part.ts';
import { XmppEye } from './xmpp.ts';

const lossyUtf8 = new TextDecoder();

export function dissectorOf(protocol: string): Dissector {
  switch (protocol) {
    case 'mqtt':
      return new MqttDissector();
    case 'coap':
    case 'coap+ws':
      return coap(protocol === 'coap', whole);
    case 'coap+tcp':
      return coap(false, coapLength);
    case 'waymeet.v1':
      return { length: whole, dissect: frameOf };
    case 'mqttsn':
      return { length: whole, dissect: (packet) => decoded(packet, snPacket) };
    case 'stomp':
      return { length: stompLength, dissect: stompFrame };
    case 'amqp091':
      return { length: amqpLength, dissect: (packet) => decoded(packet, amqpFrame) };
    case 'amqp1':
      return new Amqp1Dissector();
    case 'xmpp':
    case 'xmpp+ws':
      return xmpp();
    case 'http':
      return new HttpDissector();
    default:
      return { length: whole, dissect: (packet) => ({ name: 'octets', fields: [], octets: packet }) };
  }
}

function xmpp(): Dissector {
  const eyes = { in: new XmppEye(), out: new XmppEye() };
  return {
    length: whole,
    dissect(packet, direction) {
      const { name, octets } = eyes[direction].see(packet);
      return { name, octets, fields: [{ name: 'text', value: shown(octets) }] };
    },
  };
}

function whole(_bytes: Uint8Array, start: number, end: number): number {
  return end - start;
}

/** Parts follow each other without a gap. */
function placed(parts: readonly Part[]): Field[] {
  let at = 0;
  return parts.map(({ kind, name, value, octets }) => {
    const from = at;
    at += octets.length;
    return { name, value: kind === 'payload' && name === 'Payload' ? shown(octets) : value, from, to: at };
  });
}

// --- MQTT: its packets do not say which version they are of, so it is learnt from CONNECT, or from what fits.

class MqttDissector implements Dissector {
  private level5: boolean | undefined;

  length(bytes: Uint8Array, start: number, end: number): number | undefined {
    let length = 0;
    for (let i = 1; i <= 4; i++) {
      if (start + i >= end) return undefined;
      const octet = bytes[start + i]!;
      length += (octet & 0x7f) * 128 ** (i - 1);
      if (octet < 0x80) return 1 + i + length;
    }
    return end - start; // no packet at all
  }

  dissect(packet: Uint8Array): Dissected {
    const name = nameOfMqtt(packet);
    if (name === 'CONNECT') this.level5 = packet[connectLevelAt(packet)] === 5;
    let parts = anatomyOfMqtt(packet, this.level5 ?? true);
    if (this.level5 === undefined && name !== 'PUBLISH' && parts.some(isRest)) {
      this.level5 = false;
      parts = anatomyOfMqtt(packet, false);
    } else if (this.level5 === undefined && parts.some(isRest)) parts = anatomyOfMqtt(packet, false);
    const fields = placed(parts);
    let octets = packet;
    for (const { name: field, from = 0, to = 0 } of fields)
      if (field === 'Password') octets = starred(octets, from + 2, to);
      else if (field === 'Authentication Data') octets = starred(octets, from + 3, to);
    const topic = fields.find((f) => f.name === 'Topic name')?.value;
    const safe = fields.map((f) => (f.name === 'Authentication Data' ? { ...f, value: 'not shown' } : f));
    return { name, fields: safe, octets, ...(topic !== undefined && { topic }) };
  }
}

function isRest({ kind }: Part): boolean {
  return kind === 'rest';
}

/** Behind the fixed header stands the protocol's name, and behind that its level. */
function connectLevelAt(packet: Uint8Array): number {
  let at = 1;
  while (at < 4 && packet[at]! >= 0x80) at++;
  return at + 3 + packet[at + 1]! * 256 + packet[at + 2]!;
}

// --- CoAP

function coap(datagram: boolean, length: Dissector['length']): Dissector {
  return {
    length,
    dissect(packet) {
      const fields = placed(anatomyOfCoap(packet, datagram));
      let octets = packet;
      for (const [i, field] of fields.entries()) {
        const hidden = secretIn(field);
        if (hidden === 0) continue;
        octets = starred(octets, field.to! - hidden, field.to!);
        fields[i] = { ...field, value: 'p=not shown' };
      }
      const path = fields.filter((f) => f.name === 'Uri-Path').map((f) => f.value);
      const topic = path.length > 1 ? path.slice(1).join('/') : undefined;
      const name = nameOfCoap(packet, datagram);
      return { name, fields, octets, ...(topic !== undefined && { topic }) };
    },
  };
}

/** How many octets at a field's end are a password: `?p=…`. */
function secretIn({ name, value }: Field): number {
  const at =
    name === 'Uri-Query' && value.startsWith('p=')
      ? 2
      : name === 'Proxy-Uri'
        ? value.search(/[?&]p=/) + 3
        : 0;
  return at < 2 || (name === 'Proxy-Uri' && at === 2) ? 0 : new TextEncoder().encode(value.slice(at)).length;
}

function coapLength(bytes: Uint8Array, start: number, end: number): number | undefined {
  const head = decodeFrameHead(bytes, start, end);
  if (head === undefined) return undefined;
  const { tokenAt, tokenNibble, length } = head;
  const extra = tokenNibble === 13 ? 1 : tokenNibble === 14 ? 2 : 0;
  if (tokenAt + extra > end) return undefined;
  let token = tokenNibble;
  if (extra === 1) token = bytes[tokenAt]! + 13;
  else if (extra === 2) token = bytes[tokenAt]! * 256 + bytes[tokenAt + 1]! + 269;
  return tokenAt - start + extra + token + length;
}

// --- waymeet.v1

function frameOf(packet: Uint8Array, direction: 'in' | 'out'): Dissected {
  return decoded(packet, () => {
    const decode = direction === 'in' ? decodeFrame : decodeHubFrame;
    const frame = decode(packet, 0, packet.length);
    const secret = 'password' in frame && frame.password !== undefined;
    const safe = secret ? { ...frame, password: '***' } : frame;
    const octets = secret ? encodeFrame(safe, formOf(packet[0])) : packet;
    const { type: name, ...rest } = safe;
    const topic = 'topic' in safe ? safe.topic : undefined;
    return { name, fields: fieldsOf(rest), octets, ...(topic !== undefined && { topic }) };
  });
}

/** What a decoder of the tower says; what it refuses is shown as it is. */
function decoded(packet: Uint8Array, decode: (packet: Uint8Array) => Dissected): Dissected {
  try {
    return decode(packet);
  } catch (why) {
    if (!(why instanceof ProtocolError || why instanceof CborError || why instanceof RangeError)) throw why;
    // It may hold a password that nobody recognises.
    const octets = starred(packet, 0, packet.length);
    return { name: 'unreadable', fields: [{ name: 'why', value: why.message }], octets };
  }
}

function fieldsOf(value: object): Field[] {
  return Object.entries(value).map(([name, one]) => ({ name, value: textOf(one) }));
}

function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return shown(value);
  if (typeof value === 'string')
    return value.length > SHOWN_CHARS ? `${value.slice(0, SHOWN_CHARS)}…` : value;
  if (value instanceof Map) return textOf(Object.fromEntries(value));
  if (typeof value !== 'object' || value === null) return String(value);
  const text = JSON.stringify(value, (_name, one) => {
    if (one instanceof Uint8Array) return shown(one);
    if (one instanceof Map) return Object.fromEntries(one);
    return typeof one === 'bigint' ? String(one) : one;
  });
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
}

// --- MQTT-SN

/** The constants of packet.ts that are no message types. */
const NO_TYPES: ReadonlySet<string> = new Set([
  'ACCEPTED',
  'CONGESTION',
  'INVALID_TOPIC_ID',
  'NOT_SUPPORTED',
  'PROTOCOL_ID',
]);

const SN_NAMES: ReadonlyMap<unknown, string> = new Map(
  Object.entries(sn).flatMap(([name, value]) => (NO_TYPES.has(name) ? [] : [[value, name] as const])),
);

function snPacket(packet: Uint8Array): Dissected {
  const { type, ...rest } = decodeSn(packet, 0, packet.length);
  const name = SN_NAMES.get(type) ?? `type ${type}`;
  const topic = 'topic' in rest && typeof rest.topic === 'string' ? rest.topic : undefined;
  return { name, fields: fieldsOf(rest), octets: packet, ...(topic !== undefined && { topic }) };
}

// --- STOMP

const NUL = 0;
const LF = 0x0a;
const CR = 0x0d;

function stompLength(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (bytes[start] === LF || bytes[start] === CR) return 1; // a heart-beat
  for (let i = start; i + 1 < end; i++) {
    if (bytes[i] !== LF || (bytes[i + 1] !== LF && bytes[i + 1] !== CR)) continue;
    const body = i + (bytes[i + 1] === LF ? 2 : 3);
    const said = /\ncontent-length: *(\d{1,9})/.exec(lossyUtf8.decode(bytes.subarray(start, body)));
    if (said !== null) return body - start + Number(said[1]) + 1;
    const nul = bytes.subarray(body, end).indexOf(NUL);
    return nul < 0 ? undefined : body - start + nul + 1;
  }
  return undefined;
}

function stompFrame(packet: Uint8Array): Dissected {
  const fields: Field[] = [];
  let octets = packet;
  let name = 'heart-beat';
  let topic: string | undefined;
  for (let at = 0; at < packet.length; ) {
    let stop = packet.indexOf(LF, at);
    if (stop < 0) stop = packet.length;
    const line = lossyUtf8.decode(packet.subarray(at, stop)).replace(/\r$/, '');
    if (at === 0 && line !== '') {
      name = line;
      fields.push({ name: 'command', value: line, from: at, to: stop });
    } else if (line === '') {
      const body = packet.subarray(stop + 1, packet.at(-1) === NUL ? -1 : undefined);
      if (body.length > 0)
        fields.push({ name: 'body', value: shown(body), from: stop + 1, to: stop + 1 + body.length });
      break;
    } else {
      const colon = line.indexOf(':');
      const header = line.slice(0, colon);
      const secret = header === 'passcode';
      if (secret) octets = starred(octets, at + colon + 1, stop);
      if (header === 'destination') topic = line.slice(colon + 1).replace(/^\/topic\//, '');
      const value = secret ? 'not shown' : line.slice(colon + 1);
      fields.push({ name: header, value, from: at, to: stop });
    }
    at = stop + 1;
  }
  return { name, fields, octets, ...(topic !== undefined && { topic }) };
}

// --- AMQP 0-9-1

const AMQP_HEADER_BYTES = 8;
const FRAME_HEAD_BYTES = 7;
/** Methods that a client proves itself with, and the argument that does. */
const AMQP_SECRETS: Readonly<Record<string, string | undefined>> = {
  'connection.start-ok': 'response',
  'connection.secure-ok': 'response',
  'connection.update-secret': 'newSecret',
};

function amqpLength(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (bytes[start] === 0x41) return AMQP_HEADER_BYTES;
  if (end - start < FRAME_HEAD_BYTES) return undefined;
  let size = 0;
  for (let i = 3; i < FRAME_HEAD_BYTES; i++) size = size * 256 + bytes[start + i]!;
  return FRAME_HEAD_BYTES + size + 1;
}

function amqpFrame(packet: Uint8Array): Dissected {
  const [type] = packet;
  if (type === 0x41) return { name: 'protocol header', fields: [], octets: packet };
  const place = { name: 'channel', value: String(packet[1]! * 256 + packet[2]!), from: 1, to: 3 };
  const end = packet.length - 1;
  switch (type) {
    case METHOD: {
      const { name, ...rest } = decodeMethod(packet, FRAME_HEAD_BYTES, end);
      const secret = AMQP_SECRETS[name];
      const octets = secret === undefined ? packet : starred(packet, FRAME_HEAD_BYTES + 4, end);
      const safe = secret === undefined ? rest : { ...rest, [secret]: 'not shown' };
      const key = 'routingKey' in rest ? String(rest.routingKey).replaceAll('.', '/') : undefined;
      const topic = key === undefined ? {} : { topic: key };
      return { name, fields: [place, ...fieldsOf(safe)], octets, ...topic };
    }
    case HEADER: {
      const { bodySize, properties } = decodeContentHeader(packet, FRAME_HEAD_BYTES, end);
      const size = { name: 'body size', value: String(bodySize) };
      return { name: 'content header', fields: [place, size, ...fieldsOf(properties)], octets: packet };
    }
    case BODY: {
      const body = packet.subarray(FRAME_HEAD_BYTES, end);
      const payload = { name: 'payload', value: shown(body), from: FRAME_HEAD_BYTES, to: end };
      return { name: 'content body', fields: [place, payload], octets: packet };
    }
    case HEARTBEAT:
      return { name: 'heartbeat', fields: [place], octets: packet };
    default:
      throw new RangeError(`frame type ${type}`);
  }
}

// --- AMQP 1.0: a link's transfers say where they go when it is attached.

const AMQP1_HEAD_BYTES = 8;

class Amqp1Dissector implements Dissector {
  private readonly addresses = new Map<string, string>();

  length(bytes: Uint8Array, start: number, end: number): number | undefined {
    if (bytes[start] === 0x41) return AMQP_HEADER_BYTES;
    if (end - start < AMQP1_HEAD_BYTES) return undefined;
    let size = 0;
    for (let i = 0; i < 4; i++) size = size * 256 + bytes[start + i]!;
    return Math.max(AMQP1_HEAD_BYTES, size);
  }

  dissect(packet: Uint8Array, direction: 'in' | 'out'): Dissected {
    return decoded(packet, () => this.frame(packet, direction));
  }

  private frame(packet: Uint8Array, direction: 'in' | 'out'): Dissected {
    if (packet[0] === 0x41) return { name: 'protocol header', fields: [], octets: packet };
    if (packet.length < AMQP1_HEAD_BYTES) throw new RangeError('less than the head of a frame');
    const body = packet[4]! * 4;
    const channel = packet[6]! * 256 + packet[7]!;
    const place = { name: 'channel', value: String(channel), from: 6, to: 8 };
    if (packet.length <= body) return { name: 'empty frame', fields: [place], octets: packet };
    const r = new ValueReader(packet, body);
    if (packet[5] === 1) return saslFrame(packet, r);
    const { kind, ...rest } = readPerformative(r);
    const name = nameOfComposite(kind);
    if (kind !== ATTACH && kind !== TRANSFER)
      return { name, fields: [place, ...fieldsOf(rest)], octets: packet };
    const { handle, source, target } = rest as Record<
      'source' | 'target',
      { address?: string } | undefined
    > & {
      handle: number;
    };
    const key = `${direction} ${channel} ${handle}`;
    const address = kind === ATTACH ? (target?.address ?? source?.address) : this.addresses.get(key);
    if (kind === ATTACH && address !== undefined) this.addresses.set(key, address);
    const payload = { name: 'payload', value: shown(packet.subarray(r.at)), from: r.at, to: packet.length };
    const fields = [place, ...fieldsOf(rest), ...(kind === TRANSFER ? [payload] : [])];
    return { name, fields, octets: packet, ...(address === undefined ? {} : { topic: address }) };
  }
}

/** What a client or the hub proves itself with is not shown. */
function saslFrame(packet: Uint8Array, r: ValueReader): Dissected {
  const frame = readSasl(r);
  const { kind, ...rest } = frame;
  const safe = 'mechanisms' in rest || !Object.values(rest).some((one) => one instanceof Uint8Array);
  const fields = Object.entries(rest).map(([name, one]) => ({
    name,
    value: one instanceof Uint8Array ? 'not shown' : textOf(one),
  }));
  return {
    name: nameOfComposite(kind),
    fields,
    octets: safe ? packet : starred(packet, AMQP1_HEAD_BYTES, packet.length),
  };
}

/** `amqp:sasl-init:list` is sasl-init. */
function nameOfComposite(code: number): string {
  const name = COMPOSITES.find((composite) => composite.code === code)?.name ?? `0x${code.toString(16)}`;
  return name.split(':')[1] ?? name;
}
