// A small MQTT-SN device for tests, written from the specification's tables alone: it shares nothing with the tower's codec.

import type { Broker, ConnectOptions, RawClient } from './network.ts';

export interface Told {
  /** As the specification calls it. */
  readonly type: string;
  readonly flags?: number;
  readonly topicId?: number;
  readonly id?: number;
  readonly code?: number;
  readonly duration?: number;
  readonly gateway?: number;
  /** Whatever stands at the end. */
  readonly rest?: string;
}

/** Message types and the fields behind them: one letter a field, `*` for the rest. */
const TABLE: Readonly<Record<string, readonly [number, string]>> = {
  ADVERTISE: [0x00, 'gd'],
  SEARCHGW: [0x01, 'r'],
  GWINFO: [0x02, 'g*'],
  CONNECT: [0x04, 'fpd*'],
  CONNACK: [0x05, 'c'],
  WILLTOPICREQ: [0x06, ''],
  WILLTOPIC: [0x07, 'f*'],
  WILLMSGREQ: [0x08, ''],
  WILLMSG: [0x09, '*'],
  REGISTER: [0x0a, 'ti*'],
  REGACK: [0x0b, 'tic'],
  PUBLISH: [0x0c, 'fti*'],
  PUBACK: [0x0d, 'tic'],
  PUBCOMP: [0x0e, 'i'],
  PUBREC: [0x0f, 'i'],
  PUBREL: [0x10, 'i'],
  SUBSCRIBE: [0x12, 'fi*'],
  SUBACK: [0x13, 'ftic'],
  UNSUBSCRIBE: [0x14, 'fi*'],
  UNSUBACK: [0x15, 'i'],
  PINGREQ: [0x16, '*'],
  PINGRESP: [0x17, ''],
  DISCONNECT: [0x18, '*'],
  WILLTOPICUPD: [0x1a, 'f*'],
  WILLTOPICRESP: [0x1b, 'c'],
  WILLMSGUPD: [0x1c, '*'],
  WILLMSGRESP: [0x1d, 'c'],
};

const FIELD: Readonly<Record<string, readonly [keyof Told | '', 1 | 2]>> = {
  f: ['flags', 1],
  t: ['topicId', 2],
  i: ['id', 2],
  c: ['code', 1],
  d: ['duration', 2],
  g: ['gateway', 1],
  p: ['', 1],
  r: ['', 1],
};

/** Octets of a message: numbers field by field, then the rest. */
export function sn(type: string, fields: readonly number[] = [], rest: string | Uint8Array = ''): Buffer {
  const [number, letters] = TABLE[type]!;
  const parts: number[] = [];
  fields.forEach((value, i) => {
    if (FIELD[letters[i]!]![1] === 2) parts.push(value >> 8);
    parts.push(value & 0xff);
  });
  const body = Buffer.concat([Buffer.from([number, ...parts]), Buffer.from(rest)]);
  const length = body.length + 1;
  if (length < 256) return Buffer.concat([Buffer.from([length]), body]);
  const long = length + 2;
  return Buffer.concat([Buffer.from([1, long >> 8, long & 0xff]), body]);
}

export function read(datagram: Uint8Array): Told {
  const octets = Buffer.from(datagram);
  const header = octets[0] === 1 ? 3 : 1;
  const announced = header === 3 ? octets.readUInt16BE(1) : octets[0];
  if (announced !== octets.length) throw new Error(`announces ${announced} of ${octets.length} octets`);
  const found = Object.entries(TABLE).find(([, [number]]) => number === octets[header]);
  if (found === undefined) throw new Error(`unknown message ${octets.toString('hex')}`);
  const [type, [, letters]] = found;
  const told: Record<string, unknown> = { type };
  let at = header + 1;
  for (const letter of letters) {
    if (letter === '*') {
      if (at < octets.length) told.rest = octets.subarray(at).toString();
      at = octets.length;
      continue;
    }
    const [name, size] = FIELD[letter]!;
    told[name] = size === 2 ? octets.readUInt16BE(at) : octets.readUInt8(at);
    at += size;
  }
  if (at !== octets.length) throw new Error(`${type} is too long: ${octets.toString('hex')}`);
  return told as unknown as Told;
}

export const FLAG = {
  dup: 0x80,
  minusOne: 0x60,
  retain: 0x10,
  will: 0x08,
  clean: 0x04,
  predefined: 1,
  short: 2,
};

export function qosFlag(qos: number): number {
  return (qos & 3) << 5;
}

/** A topic id field that is a short topic name. */
export function shortId(name: string): number {
  return (name.charCodeAt(0) << 8) | name.charCodeAt(1);
}

export class SnDevice {
  readonly raw: RawClient;
  private readonly broker: Broker;
  /** The forwarder's node that it is, if it is behind one. */
  private readonly node: Uint8Array | undefined;

  constructor(broker: Broker, options: ConnectOptions = {}, node?: Uint8Array, through?: RawClient) {
    this.broker = broker;
    this.node = node;
    this.raw = through ?? broker.connect({ protocol: 'mqttsn', ...options });
  }

  send(type: string, fields: readonly number[] = [], rest: string | Uint8Array = ''): void {
    const message = sn(type, fields, rest);
    const { node } = this;
    const head = node === undefined ? [] : [3 + node.length, 0xfe, 1, ...node];
    this.raw.send(Buffer.concat([Buffer.from(head), message]));
  }

  /** What arrives within `ms`. */
  async heard(ms = 0): Promise<Told[]> {
    await this.broker.clock.advance(ms);
    return this.raw.takeEach().map((datagram) => read(this.opened(datagram)));
  }

  private opened(datagram: Uint8Array): Uint8Array {
    const { node } = this;
    if (node === undefined) return datagram;
    const head = Buffer.from([3 + node.length, 0xfe, 1, ...node]);
    if (!Buffer.from(datagram).subarray(0, head.length).equals(head)) throw new Error('not for this node');
    return datagram.subarray(head.length);
  }

  /** Sends, and returns what follows. */
  async ask(type: string, fields: readonly number[] = [], rest: string | Uint8Array = ''): Promise<Told[]> {
    this.send(type, fields, rest);
    return this.heard();
  }

  /** Connects with a keep alive of `seconds`. */
  async connect(client: string, { clean = true, will = false, seconds = 60 } = {}): Promise<Told[]> {
    const flags = (clean ? FLAG.clean : 0) | (will ? FLAG.will : 0);
    return this.ask('CONNECT', [flags, 1, seconds], client);
  }

  /** The id that a topic is registered under. */
  async register(topic: string): Promise<number> {
    const [answer] = await this.ask('REGISTER', [0, 77], topic);
    if (answer?.type !== 'REGACK' || answer.code !== 0 || answer.id !== 77)
      throw new Error(`not registered: ${JSON.stringify(answer)}`);
    return answer.topicId!;
  }
}
