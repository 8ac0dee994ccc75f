// What a scenario of work queues needs of a protocol: a publishing and a consuming side of it over one connection each.

import type { Wire } from '../wire.ts';

/** How much both sides promise each other. */
export interface Promises {
  /** The consumer acknowledges each message; else it is gone when it is sent. */
  readonly acknowledged: boolean;
  /** The broker confirms each message. */
  readonly confirmed: boolean;
  /** Queue and messages outlive the broker's process. */
  readonly durable: boolean;
}

export interface Events {
  /** A payload lies at `bytes[at..at+length)`. */
  arrived(bytes: Uint8Array, at: number, length: number): void;
  confirmed(count: number): void;
  /** More may be sent than before. */
  roomier(): void;
  failed(why: string): void;
}

/** One batch of messages, made once: lay the payloads in it, then send it. */
export interface Publishing {
  /** Another block after each `send` whose octets the kernel did not take at once. */
  readonly bytes: Uint8Array;
  /** How many messages the broker takes now. */
  readonly room: number;
  /** Where payload `i` begins in `bytes`. */
  payloadAt(i: number): number;
  /** Sends the first `count` messages of the batch. */
  send(count: number): void;
}

/** A message as often as a batch has it; `offset` is where its payload begins. */
export class Batch implements Publishing {
  bytes: Uint8Array;
  protected readonly stride: number;
  private readonly wire: Wire;
  private readonly offset: number;

  constructor(wire: Wire, message: Uint8Array, offset: number, count: number) {
    this.wire = wire;
    this.bytes = Buffer.concat(Array.from({ length: count }, () => message));
    this.stride = message.length;
    this.offset = offset;
  }

  get room(): number {
    return Number.POSITIVE_INFINITY;
  }

  payloadAt(i: number): number {
    return i * this.stride + this.offset;
  }

  send(count: number): void {
    if (!this.wire.write(this.bytes, 0, count * this.stride)) this.bytes = this.bytes.slice();
  }
}

/** One protocol. Both ways resolve when the broker is ready for messages. */
export interface Dialect {
  publisher(
    port: number,
    queue: string,
    promises: Promises,
    shape: Shape,
    events: Events,
  ): Promise<Publishing>;
  consumer(port: number, queue: string, promises: Promises, events: Events): Promise<void>;
}

export interface Shape {
  readonly payloadBytes: number;
  readonly batch: number;
}

/** A growing block of octets that leaves in one write. */
export class Block {
  bytes = new Uint8Array(65_536);
  length = 0;
  private readonly wire: Wire;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  /** Room for `length` octets, from the returned offset. */
  room(length: number): number {
    if (this.length + length > this.bytes.length) {
      const larger = new Uint8Array(2 * (this.length + length));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    const at = this.length;
    this.length += length;
    return at;
  }

  leave(): void {
    if (this.length === 0) return;
    const whole = this.wire.write(this.bytes, 0, this.length);
    if (!whole) this.bytes = new Uint8Array(this.bytes.length); // the kernel still reads the old one
    this.length = 0;
  }
}

/** Waits for what a handshake needs next, step by step. */
export class Steps {
  private waiting: { wanted: number; resolve: () => void; reject: (why: Error) => void } | undefined;

  next(wanted: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting = { wanted, resolve, reject };
    });
  }

  came(step: number): boolean {
    if (this.waiting?.wanted !== step) return false;
    const { resolve } = this.waiting;
    this.waiting = undefined;
    resolve();
    return true;
  }

  fail(why: string): boolean {
    if (this.waiting === undefined) return false;
    this.waiting.reject(new Error(why));
    this.waiting = undefined;
    return true;
  }
}
