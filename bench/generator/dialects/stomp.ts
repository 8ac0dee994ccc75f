// STOMP 1.2 as the bench speaks it: SEND frames that are made once and patched, MESSAGE frames read where they lie.

import { Wire, type WireUser } from '../wire.ts';
import { Batch, Block, type Dialect, type Events, type Promises, type Shape, Steps } from './dialect.ts';

const CONNECTED = 1;
const RECEIPT = 2;
const LF = 10;
const COLON = 58;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const CONTENT_LENGTH = utf8('content-length:');
const ACK_ID = utf8('ack:');
const ACK_HEAD = utf8('ACK\nid:');
const ACK_TAIL = Uint8Array.of(LF, LF, 0);

class StompLine implements WireUser {
  readonly wire = new Wire(this);
  private readonly steps = new Steps();
  private readonly acknowledgements = new Block(this.wire);
  private readonly acknowledged: boolean;
  private readonly events: Events;
  private streaming = false;

  constructor(acknowledged: boolean, events: Events) {
    this.acknowledged = acknowledged;
    this.events = events;
  }

  async login(port: number): Promise<void> {
    await this.wire.connect(port);
    const head = 'CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:0,0';
    await this.ask(head, CONNECTED);
  }

  async ask(head: string, answer: number): Promise<void> {
    const answered = this.steps.next(answer);
    const bytes = utf8(`${head}\n\n\0`);
    this.wire.write(bytes, 0, bytes.length);
    await answered;
  }

  /** From now on receipts are confirmations. */
  stream(): void {
    this.streaming = true;
  }

  received(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    for (;;) {
      while (at < to && bytes[at] === LF) at++; // between frames
      const end = this.frame(bytes, at, to);
      if (end < 0) break;
      at = end;
    }
    this.acknowledgements.leave();
    return at;
  }

  /** Returns where the frame ends, or -1 when it is not whole. */
  private frame(bytes: Uint8Array, start: number, to: number): number {
    let at = bytes.indexOf(LF, start) + 1;
    let length = -1;
    let idAt = 0;
    let idEnd = 0;
    for (;;) {
      if (at <= 0 || at >= to) return -1;
      if (bytes[at] === LF) break;
      const end = bytes.indexOf(LF, at);
      if (end < 0 || end >= to) return -1;
      if (startsWith(bytes, at, CONTENT_LENGTH)) length = decimal(bytes, at + CONTENT_LENGTH.length, end);
      else if (startsWith(bytes, at, ACK_ID)) {
        idAt = at + ACK_ID.length;
        idEnd = end;
      }
      at = end + 1;
    }
    const body = at + 1;
    const end = length < 0 ? bytes.indexOf(0, body) : body + length;
    if (end < 0 || end >= to) return -1;
    const first = bytes[start];
    // MESSAGE, RECEIPT, CONNECTED, ERROR
    if (first === 77) {
      if (this.acknowledged) this.acknowledge(bytes, idAt, idEnd);
      this.events.arrived(bytes, body, end - body);
    } else if (first === 82) {
      if (this.streaming) this.events.confirmed(1);
      else this.steps.came(RECEIPT);
    } else if (first === 67) this.steps.came(CONNECTED);
    else {
      const text = Buffer.from(bytes.subarray(start, end)).toString();
      if (!this.steps.fail(text)) this.events.failed(text);
    }
    return end + 1;
  }

  private acknowledge(bytes: Uint8Array, from: number, to: number): void {
    const length = ACK_HEAD.length + (to - from) + ACK_TAIL.length;
    const at = this.acknowledgements.room(length);
    const out = this.acknowledgements.bytes;
    out.set(ACK_HEAD, at);
    for (let i = from; i < to; i++) out[at + ACK_HEAD.length + i - from] = bytes[i]!;
    out.set(ACK_TAIL, at + length - ACK_TAIL.length);
  }

  closed(): void {
    if (!this.steps.fail('the broker closed the connection')) this.events.failed('the broker closed');
  }
}

function startsWith(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return wanted[wanted.length - 1] === COLON;
}

function decimal(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + bytes[i]! - 48;
  return value;
}

function messages(wire: Wire, queue: string, promises: Promises, { payloadBytes, batch }: Shape): Batch {
  const persistent = promises.durable ? '\npersistent:true' : '';
  const receipt = promises.confirmed ? '\nreceipt:1' : '';
  const head = `SEND\ndestination:/queue/${queue}\ncontent-length:${payloadBytes}${persistent}${receipt}\n\n`;
  const one = Buffer.concat([utf8(head), Buffer.alloc(payloadBytes + 1)]);
  return new Batch(wire, one, one.length - payloadBytes - 1, batch);
}

export const stomp: Dialect = {
  async publisher(port, queue, promises, shape, events) {
    const line = new StompLine(false, events);
    await line.login(port);
    line.stream();
    return messages(line.wire, queue, promises, shape);
  },

  async consumer(port, queue, { acknowledged }, events) {
    const line = new StompLine(acknowledged, events);
    await line.login(port);
    const ack = acknowledged ? 'client-individual' : 'auto';
    await line.ask(`SUBSCRIBE\nid:0\ndestination:/queue/${queue}\nack:${ack}\nreceipt:ready`, RECEIPT);
    line.stream();
  },
};
