// A publisher: a ring of ready frames, sent batch by batch, with credit that comes back when a batch has arrived everywhere.

import { mark, type Qos, type Ring } from './frames.ts';
import type { Ledger } from './ledger.ts';

const FREE = 0;
const AWAITS_PUBACK = 1;
const AWAITS_PUBREC = 2;
const AWAITS_PUBCOMP = 3;

/** Where frames go. The range stays as it is until its messages have arrived. */
export interface FrameSink {
  write(bytes: Uint8Array, from: number, to: number): boolean;
}

export interface PublisherShape {
  readonly id: number;
  readonly qos: Qos;
  /** Messages that may be between this publisher and its slowest receiver. A power of two. */
  readonly window: number;
  /** Messages that are sent, and credited, together. A power of two, at most `window`. */
  readonly batch: number;
  /** How many receivers get each message. */
  readonly receivers: number;
  readonly timed: boolean;
}

/**
 * A batch is owed one arrival by every receiver (of its last message: the ledger proves the ones before) and, above QoS 0,
 * one acknowledgement a message. Its frames are written again only when nothing is owed: so they have left.
 */
export class Publisher {
  /** When each message under way was written, in ms, by the low bits of its number, if the run is timed. */
  readonly sentAt: Float64Array;
  readonly id: number;
  /** Of the ring, which may be longer than the window: it has a slot for every topic. */
  private readonly batches: number;
  /** Batches that may be under way. */
  private readonly credit: number;
  private readonly batchShift: number;
  private readonly owed: Int32Array;
  private readonly owedFully: number;
  private readonly states: Uint8Array;
  private sentBatches = 0;
  private settledBatches = 0;
  private waiting = false;
  private stopped = true;
  private limit = Number.POSITIVE_INFINITY;

  constructor(
    private readonly shape: PublisherShape,
    private readonly ring: Ring,
    private readonly ledger: Ledger,
    private readonly sink: FrameSink,
  ) {
    this.id = shape.id;
    this.batches = ring.slots / shape.batch;
    this.credit = shape.window / shape.batch;
    this.batchShift = Math.log2(shape.batch);
    this.owedFully = shape.receivers + (shape.qos > 0 ? shape.batch : 0);
    this.owed = new Int32Array(this.batches);
    this.states = new Uint8Array(ring.slots + 1);
    this.sentAt = new Float64Array(shape.timed ? ring.slots : 0);
  }

  get sent(): number {
    return this.sentBatches << this.batchShift;
  }

  get settled(): number {
    return this.settledBatches << this.batchShift;
  }

  get idle(): boolean {
    return this.sentBatches === this.settledBatches;
  }

  /** Sends whatever the window allows, now and whenever credit comes back, up to `messages` in all. */
  start(messages = Number.POSITIVE_INFINITY): void {
    this.stopped = false;
    this.limit = messages / this.shape.batch;
    this.pump();
  }

  stop(): void {
    this.stopped = true;
  }

  /** All batches that have credit, as one write unless the ring ends in between. */
  pump(): void {
    this.waiting = false;
    if (this.stopped) return;
    const { batches, credit } = this;
    const last = Math.min(this.settledBatches + credit, this.limit);
    while (this.sentBatches < last) {
      const from = this.sentBatches % batches;
      const count = Math.min(last - this.sentBatches, batches - from);
      this.send(count);
    }
  }

  /** One batch more, if there is credit for it. */
  sendOne(): boolean {
    if (this.sentBatches - this.settledBatches === this.credit) return false;
    this.send(1);
    return true;
  }

  private send(count: number): void {
    const { qos, timed } = this.shape;
    const { frameBytes, payloadAt, payloadBytes, bytes } = this.ring;
    const firstBatch = this.sentBatches % this.batches;
    const slot = firstBatch << this.batchShift;
    const messages = count << this.batchShift;
    const sequence = this.sentBatches << this.batchShift;
    let at = slot * frameBytes + payloadAt;
    for (let i = 0; i < messages; i++, at += frameBytes) mark(bytes, at, payloadBytes, sequence + i);
    for (let i = 0; i < count; i++) this.owed[firstBatch + i] = this.owedFully;
    if (qos > 0) this.states.fill(qos === 1 ? AWAITS_PUBACK : AWAITS_PUBREC, slot + 1, slot + 1 + messages);
    if (timed) this.sentAt.fill(performance.now(), slot, slot + messages);
    this.sentBatches += count;
    this.sink.write(bytes, slot * frameBytes, (slot + messages) * frameBytes);
  }

  /** A receiver has had everything up to `sequence`, the last of a batch. */
  passed(sequence: number): void {
    this.paid((sequence >>> this.batchShift) % this.batches);
  }

  /** Whether the topic, with its length, is the one that message `sequence` was sent to. */
  sentTo(sequence: number, bytes: Uint8Array, at: number): boolean {
    const { frameBytes, topicAt, topicBytes, bytes: sent } = this.ring;
    const from = (sequence & (this.ring.slots - 1)) * frameBytes + topicAt;
    for (let i = 0; i < topicBytes; i++) if (bytes[at + i] !== sent[from + i]) return false;
    return true;
  }

  puback(packetId: number): void {
    this.acknowledge(packetId, AWAITS_PUBACK, FREE, 'PUBACK');
  }

  pubrec(packetId: number): void {
    this.acknowledge(packetId, AWAITS_PUBREC, AWAITS_PUBCOMP, 'PUBREC');
  }

  pubcomp(packetId: number): void {
    this.acknowledge(packetId, AWAITS_PUBCOMP, FREE, 'PUBCOMP');
  }

  private acknowledge(packetId: number, from: number, to: number, name: string): void {
    if (packetId === 0 || packetId > this.ring.slots || this.states[packetId] !== from) {
      this.ledger.fail(`publisher ${this.id}: ${name} for packet id ${packetId}, which does not await one`);
      return;
    }
    this.states[packetId] = to;
    if (to === FREE) this.paid((packetId - 1) >>> this.batchShift);
  }

  private paid(batch: number): void {
    if (--this.owed[batch]! > 0) return;
    const before = this.settledBatches;
    while (this.settledBatches < this.sentBatches && this.owed[this.settledBatches % this.batches] === 0) {
      this.settledBatches++;
    }
    if (this.settledBatches > before && !this.waiting) {
      this.waiting = true;
      this.ledger.isReady(this);
    }
  }
}
