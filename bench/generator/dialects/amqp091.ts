// AMQP 0-9-1 as the bench speaks it: the default exchange, one channel, frames that are made once and patched.

import { Wire, type WireUser } from '../wire.ts';
import { Batch, Block, type Dialect, type Events, type Promises, type Shape, Steps } from './dialect.ts';

const METHOD = 1;
const BODY = 3;
const HEARTBEAT = 8;
const FRAME_END = 0xce;
/** type | channel, 2 | size, 4 */
const FRAME_HEAD = 7;
const PREFETCH = 512;

/** class << 16 | method */
const method = (classId: number, methodId: number): number => (classId << 16) | methodId;
const START = method(10, 10);
const TUNE = method(10, 30);
const OPEN_OK = method(10, 41);
const CONNECTION_CLOSE = method(10, 50);
const CHANNEL_OPEN_OK = method(20, 11);
const CHANNEL_CLOSE = method(20, 40);
const DECLARE_OK = method(50, 11);
const QOS_OK = method(60, 11);
const CONSUME_OK = method(60, 21);
const DELIVER = method(60, 60);
const ACK = method(60, 80);
const NACK = method(60, 120);
const SELECT_OK = method(85, 11);

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const short = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), latin1(text)]);
const long = (text: string): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(text.length);
  return Buffer.concat([head, latin1(text)]);
};
const u16 = (...values: number[]): Buffer => Buffer.from(values.flatMap((v) => [v >> 8, v & 255]));
const u32 = (value: number): Buffer => u16(value >>> 16, value & 0xffff);
const NO_TABLE = u32(0);

const frame = (type: number, channel: number, ...parts: Buffer[]): Buffer => {
  const payload = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(type), u16(channel), u32(payload.length), payload, Buffer.of(FRAME_END)]);
};
const call = (channel: number, id: number, ...parts: Buffer[]): Buffer =>
  frame(METHOD, channel, u32(id), ...parts);

class Amqp091Line implements WireUser {
  readonly wire = new Wire(this);
  private readonly steps = new Steps();
  private readonly acknowledgements = new Block(this.wire);
  private readonly acknowledged: boolean;
  private readonly events: Events;
  private lastConfirmed = 0;

  constructor(acknowledged: boolean, events: Events) {
    this.acknowledged = acknowledged;
    this.events = events;
  }

  async login(port: number): Promise<void> {
    await this.wire.connect(port);
    await this.ask(Buffer.from('AMQP\0\0\x09\x01', 'latin1'), START);
    await this.ask(
      call(0, method(10, 11), NO_TABLE, short('PLAIN'), long('\0guest\0guest'), short('en_US')),
      TUNE,
    );
    this.say(call(0, method(10, 31), u16(1), u32(131_072), u16(0)));
    await this.ask(call(0, method(10, 40), short('/'), short(''), Buffer.of(0)), OPEN_OK);
    await this.ask(call(1, method(20, 10), short('')), CHANNEL_OPEN_OK);
  }

  /** Says something and waits for the method that answers it. */
  async ask(bytes: Buffer, answer: number): Promise<void> {
    const answered = this.steps.next(answer);
    this.say(bytes);
    await answered;
  }

  private say(bytes: Buffer): void {
    this.wire.write(bytes, 0, bytes.length);
  }

  async declare(queue: string, durable: boolean): Promise<void> {
    // bits: passive, durable, exclusive, auto-delete, no-wait
    const bits = Buffer.of(durable ? 2 : 8);
    await this.ask(call(1, method(50, 10), u16(0), short(queue), bits, NO_TABLE), DECLARE_OK);
  }

  received(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (to - at >= FRAME_HEAD) {
      const size = uint32(bytes, at + 3);
      const end = at + FRAME_HEAD + size + 1;
      if (end > to) break;
      if (bytes[end - 1] !== FRAME_END) this.events.failed('a frame without its end octet');
      const type = bytes[at];
      if (type === BODY) this.events.arrived(bytes, at + FRAME_HEAD, size);
      else if (type === METHOD) this.method(bytes, at + FRAME_HEAD, end - 1);
      else if (type === HEARTBEAT) this.events.failed('a heartbeat, which was switched off');
      at = end;
    }
    this.acknowledgements.leave();
    return at;
  }

  private method(bytes: Uint8Array, at: number, end: number): void {
    const id = uint32(bytes, at);
    if (id === DELIVER) {
      if (this.acknowledged) this.acknowledge(bytes, at + 5 + bytes[at + 4]!); // behind the consumer tag
    } else if (id === ACK) this.confirmed(bytes, at + 4);
    else if (id === NACK) this.events.failed('a message was not confirmed');
    else if (id === CONNECTION_CLOSE || id === CHANNEL_CLOSE) {
      const text = Buffer.from(bytes.subarray(at + 7, at + 7 + bytes[at + 6]!)).toString();
      if (!this.steps.fail(text)) this.events.failed(text);
    } else if (!this.steps.came(id) && end > at + 4) this.events.failed(`an unexpected method ${id}`);
  }

  /** 01 | 0001 | 0000000d | 003c 0050 | delivery tag, 8 | multiple | ce */
  private acknowledge(bytes: Uint8Array, tagAt: number): void {
    const at = this.acknowledgements.room(21);
    const out = this.acknowledgements.bytes;
    out.fill(0, at, at + 21);
    out[at] = METHOD;
    out[at + 2] = 1;
    out[at + 6] = 13;
    out[at + 8] = 60;
    out[at + 10] = 80;
    for (let i = 0; i < 8; i++) out[at + 11 + i] = bytes[tagAt + i]!;
    out[at + 20] = FRAME_END;
  }

  private confirmed(bytes: Uint8Array, tagAt: number): void {
    const tag = uint32(bytes, tagAt) * 2 ** 32 + uint32(bytes, tagAt + 4);
    const multiple = (bytes[tagAt + 8]! & 1) === 1;
    // One by one a broker may confirm in any order: counting is what both ways have in common.
    if (!multiple) this.events.confirmed(1);
    else this.events.confirmed(tag - this.lastConfirmed);
    if (multiple || tag === this.lastConfirmed + 1) this.lastConfirmed = tag;
  }

  closed(): void {
    if (!this.steps.fail('the broker closed the connection')) this.events.failed('the broker closed');
  }
}

const uint32 = (bytes: Uint8Array, at: number): number =>
  bytes[at]! * 2 ** 24 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);

function messages(wire: Wire, queue: string, durable: boolean, { payloadBytes, batch }: Shape): Batch {
  const publish = call(1, method(60, 40), u16(0), short(''), short(queue), Buffer.of(0));
  const size = Buffer.concat([u32(0), u32(payloadBytes)]);
  // property flags: delivery mode
  const header = frame(2, 1, u16(60, 0), size, u16(0x1000), Buffer.of(durable ? 2 : 1));
  const one = Buffer.concat([publish, header, frame(BODY, 1, Buffer.alloc(payloadBytes))]);
  return new Batch(wire, one, one.length - payloadBytes - 1, batch);
}

export const amqp091: Dialect = {
  async publisher(port, queue, promises, shape, events) {
    const line = new Amqp091Line(false, events);
    await line.login(port);
    await line.declare(queue, promises.durable);
    if (promises.confirmed) await line.ask(call(1, method(85, 10), Buffer.of(0)), SELECT_OK);
    return messages(line.wire, queue, promises.durable, shape);
  },

  async consumer(port: number, queue: string, { acknowledged, durable }: Promises, events: Events) {
    const line = new Amqp091Line(acknowledged, events);
    await line.login(port);
    await line.declare(queue, durable);
    await line.ask(call(1, method(60, 10), u32(0), u16(PREFETCH), Buffer.of(0)), QOS_OK);
    // bits: no-local, no-ack, exclusive, no-wait
    const bits = Buffer.of(acknowledged ? 0 : 2);
    await line.ask(call(1, method(60, 20), u16(0), short(queue), short('bench'), bits, NO_TABLE), CONSUME_OK);
  },
};
