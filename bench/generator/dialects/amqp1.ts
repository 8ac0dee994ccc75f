// AMQP 1.0 as the bench speaks it: one session, one link, transfers that are made once and patched.

import { Wire, type WireUser } from '../wire.ts';
import { Batch, type Dialect, type Events, type Shape, Steps } from './dialect.ts';

const OPEN = 0x10;
const BEGIN = 0x11;
const ATTACH = 0x12;
const FLOW = 0x13;
const TRANSFER = 0x14;
const DISPOSITION = 0x15;
const DETACH = 0x16;
const END = 0x17;
const CLOSE = 0x18;
const SASL_MECHANISMS = 0x40;
const SASL_INIT = 0x41;
const SASL_OUTCOME = 0x44;
const SOURCE = 0x28;
const TARGET = 0x29;
const ACCEPTED = 0x24;
const HEADER = 0x70;
const DATA = 0x75;
/** What a step waits for besides performatives. */
const PROTOCOL_HEADER = 0x100;
/** Frame head, 8 | list head, 12 | handle, 5 | 70 */
const ID_AT = 26;
const CREDIT = 512;
const MOST = 0x7fff_ffff;

const uint = (value: number): Buffer => {
  const bytes = Buffer.of(0x70, 0, 0, 0, 0);
  bytes.writeUInt32BE(value, 1);
  return bytes;
};
const text = (value: string): Buffer => Buffer.concat([Buffer.of(0xa1, value.length), Buffer.from(value)]);
const symbol = (value: string): Buffer => Buffer.concat([Buffer.of(0xa3, value.length), Buffer.from(value)]);
const octets = (value: Buffer): Buffer => Buffer.concat([Buffer.of(0xa0, value.length), value]);
const bool = (value: boolean): Buffer => Buffer.of(value ? 0x41 : 0x42);
const NULL = Buffer.of(0x40);
/** 00 53 code | d0 | size, 4 | count, 4 | fields */
const composite = (code: number, ...fields: Buffer[]): Buffer => {
  const body = Buffer.concat(fields);
  const head = Buffer.alloc(12);
  head.set([0x00, 0x53, code, 0xd0]);
  head.writeUInt32BE(body.length + 4, 4);
  head.writeUInt32BE(fields.length, 8);
  return Buffer.concat([head, body]);
};
const frame = (type: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8);
  head.set([2, type], 4);
  return Buffer.concat([head, body]);
};

/** Where the value at `at` ends [AMQP1-1.2]. */
function skip(bytes: Uint8Array, at: number): number {
  const code = bytes[at]!;
  if (code === 0) return skip(bytes, skip(bytes, at + 1));
  switch (code >> 4) {
    case 4:
      return at + 1;
    case 5:
      return at + 2;
    case 6:
      return at + 3;
    case 7:
      return at + 5;
    case 8:
      return at + 9;
    case 9:
      return at + 17;
    case 0xa:
    case 0xc:
    case 0xe:
      return at + 2 + bytes[at + 1]!;
    default:
      return at + 5 + uint32(bytes, at + 1);
  }
}

const uint32 = (bytes: Uint8Array, at: number): number =>
  bytes[at]! * 2 ** 24 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);

/** An unsigned integer in any of its encodings; undefined: null. */
function number(bytes: Uint8Array, at: number): number | undefined {
  const code = bytes[at]!;
  if (code === 0x40) return undefined;
  if (code === 0x43 || code === 0x44) return 0;
  if (code === 0x50 || code === 0x52 || code === 0x53) return bytes[at + 1]!;
  return uint32(bytes, at + 1);
}

class Amqp1Line implements WireUser {
  readonly wire = new Wire(this);
  /** Transfers that may leave now, by the other side's session window and link credit. */
  room = 0;
  private readonly steps = new Steps();
  private readonly events: Events;
  private readonly acknowledged: boolean;
  private expected: 'header' | 'frames' = 'header';
  private sent = 0;
  private credit = 0;
  private arrivals = 0;
  /** Arrivals when credit was last given. */
  private granted = 0;
  private firstUnsettled = -1;
  private lastUnsettled = -1;
  private readonly receives: boolean;

  constructor(receives: boolean, acknowledged: boolean, events: Events) {
    this.receives = receives;
    this.acknowledged = acknowledged;
    this.events = events;
  }

  async login(port: number): Promise<void> {
    await this.wire.connect(port);
    const offered = this.steps.next(SASL_MECHANISMS);
    this.say(Buffer.from('AMQP\x03\x01\x00\x00', 'latin1'));
    await offered;
    await this.ask(
      frame(1, composite(SASL_INIT, symbol('PLAIN'), octets(Buffer.from('\0guest\0guest')))),
      SASL_OUTCOME,
    );
    this.expected = 'header';
    await this.ask(Buffer.from('AMQP\x00\x01\x00\x00', 'latin1'), PROTOCOL_HEADER);
    await this.ask(
      frame(0, composite(OPEN, text(`bench-${Math.random()}`), text('localhost'), uint(65_536))),
      OPEN,
    );
    // remote channel, next outgoing id, incoming window, outgoing window
    await this.ask(frame(0, composite(BEGIN, NULL, uint(0), uint(MOST), uint(MOST))), BEGIN);
  }

  async attach(queue: string, settled: boolean): Promise<void> {
    const address = text(`/queue/${queue}`);
    const end = (code: number, own: boolean) => composite(code, own ? NULL : address, uint(0));
    const answered = this.steps.next(ATTACH);
    this.say(
      frame(
        0,
        composite(
          ATTACH,
          text(`${this.receives ? 'in' : 'out'}-${queue}`),
          uint(0),
          bool(this.receives),
          Buffer.of(0x50, settled ? 1 : 0), // snd-settle-mode: settled, unsettled
          Buffer.of(0x50, 0),
          end(SOURCE, !this.receives),
          end(TARGET, this.receives),
          NULL,
          NULL,
          uint(0),
        ),
      ),
    );
    await answered;
  }

  grant(): void {
    // next incoming id, incoming window, next outgoing id, outgoing window, handle, delivery count, credit
    const counts = [this.arrivals, MOST, 0, MOST, 0, this.arrivals, CREDIT];
    this.say(frame(0, composite(FLOW, ...counts.map(uint))));
  }

  async ask(bytes: Buffer, answer: number): Promise<void> {
    const answered = this.steps.next(answer);
    this.say(bytes);
    await answered;
  }

  say(bytes: Buffer): void {
    this.wire.write(bytes, 0, bytes.length);
  }

  left(count: number): void {
    this.sent += count;
    this.room -= count;
  }

  received(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (to - at >= 8) {
      if (this.expected === 'header') {
        this.expected = 'frames';
        at += 8;
        this.steps.came(PROTOCOL_HEADER);
        continue;
      }
      const end = at + uint32(bytes, at);
      if (end > to) break;
      if (end > at + 8) this.frame(bytes, at + 4 * bytes[at + 4]!, end);
      at = end;
    }
    this.settle();
    return at;
  }

  private frame(bytes: Uint8Array, at: number, end: number): void {
    const code = number(bytes, at + 1)!;
    const list = skip(bytes, at + 1);
    const body = skip(bytes, list);
    const fields = list + (bytes[list] === 0x45 ? 1 : bytes[list] === 0xc0 ? 3 : 9);
    switch (code) {
      case TRANSFER:
        this.transfer(bytes, skip(bytes, fields), body, end);
        break;
      case DISPOSITION: {
        const firstAt = skip(bytes, fields);
        const lastAt = skip(bytes, firstAt);
        const first = number(bytes, firstAt)!;
        this.events.confirmed((number(bytes, lastAt) ?? first) - first + 1);
        break;
      }
      case FLOW:
        this.flow(bytes, fields, body);
        break;
      case DETACH:
      case END:
      case CLOSE: {
        const said = Buffer.from(bytes.subarray(at, end)).toString('latin1');
        if (!this.steps.fail(said)) this.events.failed(said);
        break;
      }
      default:
        this.steps.came(code);
    }
  }

  private flow(bytes: Uint8Array, fields: number, end: number): void {
    const values: (number | undefined)[] = [];
    for (let at = fields; at < end && values.length < 7; at = skip(bytes, at)) values.push(number(bytes, at));
    const [nextIncoming, window, , , handle, count, credit] = values;
    if (handle !== undefined) this.credit = (count ?? 0) + (credit ?? 0);
    const byWindow = (nextIncoming ?? 0) + window! - this.sent;
    this.room = Math.min(byWindow, this.credit - this.sent);
    if (handle !== undefined) this.steps.came(FLOW);
    this.events.roomier();
  }

  private transfer(bytes: Uint8Array, idAt: number, body: number, end: number): void {
    this.arrivals++;
    const id = number(bytes, idAt)!;
    if (this.firstUnsettled < 0) this.firstUnsettled = id;
    this.lastUnsettled = id;
    let at = body;
    while (at < end) {
      const value = skip(bytes, at + 1);
      if (number(bytes, at + 1) === DATA) {
        const short = bytes[value] === 0xa0;
        this.events.arrived(
          bytes,
          value + (short ? 2 : 5),
          short ? bytes[value + 1]! : uint32(bytes, value + 1),
        );
        return;
      }
      at = skip(bytes, value);
    }
    this.events.failed('a message without a data section');
  }

  /** Once a chunk: what arrived in it is accepted, and the credit renewed when half of it is used. */
  private settle(): void {
    if (this.firstUnsettled < 0) return;
    if (this.acknowledged) {
      const range = [bool(true), uint(this.firstUnsettled), uint(this.lastUnsettled), bool(true)];
      this.say(frame(0, composite(DISPOSITION, ...range, composite(ACCEPTED))));
    }
    this.firstUnsettled = -1;
    if (this.arrivals - this.granted >= CREDIT / 2) {
      this.granted = this.arrivals;
      this.grant();
    }
  }

  closed(): void {
    if (!this.steps.fail('the broker closed the connection')) this.events.failed('the broker closed');
  }

  /** Waits until the other side gives credit. */
  async credited(): Promise<void> {
    if (this.room > 0) return;
    await this.steps.next(FLOW);
  }
}

class Transfers extends Batch {
  private readonly line: Amqp1Line;
  private next = 0;

  constructor(line: Amqp1Line, settled: boolean, durable: boolean, { payloadBytes, batch }: Shape) {
    const data = Buffer.concat([Buffer.of(0, 0x53, DATA, 0xa0, payloadBytes), Buffer.alloc(payloadBytes)]);
    // handle, delivery id, delivery tag, message format, settled
    const performative = composite(
      TRANSFER,
      uint(0),
      uint(0),
      octets(Buffer.alloc(4)),
      uint(0),
      bool(settled),
    );
    const one = frame(0, performative, composite(HEADER, bool(durable)), data);
    super(line.wire, one, one.length - payloadBytes, batch);
    this.line = line;
  }

  override get room(): number {
    return this.line.room;
  }

  override send(count: number): void {
    for (let i = 0; i < count; i++) {
      const at = i * this.stride + ID_AT;
      const id = this.next++;
      // 70 id, 4 | a0 04 tag, 4
      for (const place of [at, at + 6]) {
        this.bytes[place] = id >>> 24;
        this.bytes[place + 1] = id >>> 16;
        this.bytes[place + 2] = id >>> 8;
        this.bytes[place + 3] = id;
      }
    }
    this.line.left(count);
    super.send(count);
  }
}

export const amqp1: Dialect = {
  async publisher(port, queue, promises, shape, events) {
    const line = new Amqp1Line(false, false, events);
    await line.login(port);
    await line.attach(queue, !promises.confirmed);
    await line.credited();
    return new Transfers(line, !promises.confirmed, promises.durable, shape);
  },

  async consumer(port, queue, { acknowledged }, events) {
    const line = new Amqp1Line(true, acknowledged, events);
    await line.login(port);
    await line.attach(queue, !acknowledged);
    line.grant();
  },
};
