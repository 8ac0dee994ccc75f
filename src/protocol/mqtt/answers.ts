// What is owed to the client, in order: acknowledgements wait here until what they promise is kept.

import type { Wire } from '../../contract/wire.ts';
import { encodePacket } from './encode.ts';
import { sentenceOfCode } from './map.ts';
import { type Level, PUBACK, PUBCOMP, type PUBREC, PUBREL } from './packet.ts';

type AnswerType = typeof PUBACK | typeof PUBREC | typeof PUBREL | typeof PUBCOMP;

/** A whole frame in the queue, and what comes after it left. */
interface OwedFrame {
  readonly bytes: Uint8Array;
  readonly then: (() => void) | undefined;
}

const FRAME = 0;
const SMALLEST = 16;

/**
 * A queue of acknowledgements, each with the ticket of the commit that makes it true. They leave in the order of the packets that they
 * answer [MQTT5-4.6.0-2] [MQTT5-4.6.0-3] [MQTT5-4.6.0-4]; what waits for nothing while nothing waits leaves at once.
 */
export class Answers {
  /** How many wait. */
  size = 0;
  /** How many of the waiting ones end a publish of the client (PUBACK, PUBCOMP): they count towards its receive maximum. */
  closing = 0;
  private readonly wire: Wire;
  private readonly level: Level;
  /** Tells why in a reason string [MQTT5-3.1.2-29]. */
  private readonly verbose: boolean;
  private reached = 0;
  private head = 0;
  private types: Uint8Array | undefined = undefined;
  private codes!: Uint8Array;
  private ids!: Uint16Array;
  private tickets!: Float64Array;
  private frames: OwedFrame[] | undefined = undefined;

  constructor(wire: Wire, level: Level, verbose: boolean) {
    this.wire = wire;
    this.level = level;
    this.verbose = verbose;
  }

  /** Whether an answer that waits for `ticket` may leave now. */
  free(ticket: number): boolean {
    return this.size === 0 && ticket <= this.reached;
  }

  /** `code` is a reason code of MQTT 5; 3.x has none, so there it is not written. */
  acknowledge(type: AnswerType, id: number, code: number, ticket: number): void {
    if (this.free(ticket)) {
      this.write(type, id, code);
      return;
    }
    this.queue(type, id, code, ticket);
    if (type === PUBACK || type === PUBCOMP) this.closing++;
  }

  /** A SUBACK, UNSUBACK or CONNACK; `then` is called once it was written. */
  frame(bytes: Uint8Array, ticket: number, then?: () => void): void {
    if (this.free(ticket)) {
      this.wire.write(bytes);
      then?.();
      return;
    }
    this.frames ??= [];
    this.frames.push({ bytes, then });
    this.queue(FRAME, 0, 0, ticket);
  }

  /** What waited up to `ticket` leaves. */
  kept(ticket: number): void {
    if (ticket > this.reached) this.reached = ticket;
    while (this.size > 0 && this.tickets[this.head]! <= this.reached) this.next();
  }

  private next(): void {
    const at = this.head;
    const type = this.types![at]!;
    this.head = (at + 1) & (this.types!.length - 1);
    this.size--;
    if (type === FRAME) {
      const { bytes, then } = this.frames!.shift()!;
      this.wire.write(bytes);
      then?.();
      return;
    }
    if (type === PUBACK || type === PUBCOMP) this.closing--;
    this.write(type as AnswerType, this.ids[at]!, this.codes[at]!);
  }

  private queue(type: number, id: number, code: number, ticket: number): void {
    if (this.types === undefined || this.size === this.types.length) this.grow();
    const at = (this.head + this.size) & (this.types!.length - 1);
    this.types![at] = type;
    this.codes[at] = code;
    this.ids[at] = id;
    this.tickets[at] = ticket;
    this.size++;
  }

  private grow(): void {
    const old = this.types;
    const capacity = old === undefined ? SMALLEST : old.length * 2;
    const types = new Uint8Array(capacity);
    const codes = new Uint8Array(capacity);
    const ids = new Uint16Array(capacity);
    const tickets = new Float64Array(capacity);
    for (let i = 0; i < this.size; i++) {
      const at = (this.head + i) & (old!.length - 1);
      types[i] = old![at]!;
      codes[i] = this.codes[at]!;
      ids[i] = this.ids[at]!;
      tickets[i] = this.tickets[at]!;
    }
    this.head = 0;
    this.types = types;
    this.codes = codes;
    this.ids = ids;
    this.tickets = tickets;
  }

  private write(type: AnswerType, id: number, code: number): void {
    const { wire } = this;
    if (this.level === 5 && code >= 0x80 && this.verbose) {
      wire.write(encodePacket({ type, id, code, properties: { reasonString: sentenceOfCode(code) } }, 5));
      return;
    }
    // 0x40 | 2 | id, and in 5 where it is not success: 0x40 | 3 | id | code
    const long = code !== 0 && this.level === 5;
    const at = wire.reserve(long ? 5 : 4);
    const { bytes } = wire;
    bytes[at] = (type << 4) | (type === PUBREL ? 2 : 0);
    bytes[at + 1] = long ? 3 : 2;
    bytes[at + 2] = id >> 8;
    bytes[at + 3] = id;
    if (long) bytes[at + 4] = code;
  }
}
