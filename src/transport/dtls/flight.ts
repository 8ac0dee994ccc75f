// The flight that was sent last: cut into records and datagrams, and sent again until it is answered [RFC6347-4.2.4].

import { NEVER } from '../../contract/message.ts';
import { RECORD } from './codes.ts';
import { encodeFragment, type HandshakeMessage, MESSAGE_HEADER_BYTES } from './fragments.ts';
import { join } from './octets.ts';

/** [RFC6347-4.2.4.1] */
export const FIRST_TIMEOUT_MS = 1_000;
const LAST_TIMEOUT_MS = 60_000;
/** A repetition that the other side provokes comes no sooner than this after the last sending. */
const PROVOKED_MS = 250;
/** What any IPv4 path carries; tried when larger datagrams stay without an answer [RFC6347-4.1.1.1]. */
const SMALL_DATAGRAM_BYTES = 548;
const TRIES_BEFORE_SMALL = 2;

/** Makes records: epoch 0 before the ChangeCipherSpec of a flight, epoch 1 behind it. */
export interface RecordMaker {
  record(epoch: number, type: number, content: Uint8Array): Uint8Array;
  /** So many octets a record of that epoch adds. */
  overhead(epoch: number): number;
}

export class Flight {
  /** When it is to be sent again; NEVER: it waits for no answer. */
  due = NEVER;
  /** The largest content of one record. */
  maxContentBytes = 16_384;
  private messages: (HandshakeMessage | 'change-cipher-spec')[] = [];
  private timeoutMs = FIRST_TIMEOUT_MS;
  private repeats = 0;
  private sentAt = Number.NEGATIVE_INFINITY;
  private awaitsAnswer = true;
  private readonly maxDatagramBytes: number;
  private readonly send: (datagram: Uint8Array) => void;

  constructor(maxDatagramBytes: number, send: (datagram: Uint8Array) => void) {
    this.maxDatagramBytes = maxDatagramBytes;
    this.send = send;
  }

  get empty(): boolean {
    return this.messages.length === 0;
  }

  add(message: HandshakeMessage | 'change-cipher-spec'): void {
    this.messages.push(message);
  }

  /** Answered: what follows is another flight. */
  answered(): void {
    this.messages = [];
    this.due = NEVER;
    this.timeoutMs = FIRST_TIMEOUT_MS;
    this.repeats = 0;
  }

  /** The first sending. `last`: no answer follows, so only the other side's repetition shows that it was lost. */
  begin(maker: RecordMaker, now: number, last: boolean): void {
    this.awaitsAnswer = !last;
    this.transmit(maker, now);
  }

  /** The timer has run out. */
  timedOut(maker: RecordMaker, now: number): void {
    this.repeats++;
    this.timeoutMs = Math.min(this.timeoutMs * 2, LAST_TIMEOUT_MS);
    this.transmit(maker, now);
  }

  /** The other side repeats itself, so something of this was lost. */
  provoked(maker: RecordMaker, now: number): void {
    if (!this.empty && now - this.sentAt >= PROVOKED_MS) this.transmit(maker, now);
  }

  private transmit(maker: RecordMaker, now: number): void {
    this.sentAt = now;
    this.due = this.awaitsAnswer ? now + this.timeoutMs : NEVER;
    const small = this.repeats >= TRIES_BEFORE_SMALL;
    const limit = small ? Math.min(SMALL_DATAGRAM_BYTES, this.maxDatagramBytes) : this.maxDatagramBytes;
    let datagram: Uint8Array[] = [];
    let used = 0;
    const leave = () => {
      if (used > 0) this.send(join(...datagram));
      datagram = [];
      used = 0;
    };
    const put = (record: Uint8Array) => {
      if (used + record.length > limit) leave();
      datagram.push(record);
      used += record.length;
    };
    let epoch = 0;
    for (const message of this.messages) {
      if (message === 'change-cipher-spec') {
        put(maker.record(0, RECORD.changeCipherSpec, Uint8Array.of(1)));
        epoch = 1;
        continue;
      }
      const around = maker.overhead(epoch) + MESSAGE_HEADER_BYTES;
      let offset = 0;
      do {
        const left = message.body.length - offset;
        // A stub of a fragment at a datagram's end is not worth its headers.
        const room = limit - used - around;
        if (room < Math.min(left, MIN_PIECE_BYTES)) leave();
        const length = Math.min(left, limit - used - around, this.maxContentBytes - MESSAGE_HEADER_BYTES);
        put(maker.record(epoch, RECORD.handshake, encodeFragment(message, offset, length)));
        offset += length;
      } while (offset < message.body.length);
    }
    leave();
  }
}

const MIN_PIECE_BYTES = 64;
