// What all MQTT connections of one hub share: the run under way, its scratch arrays, the sequence of packet ids, memory for large packets.

import type { Hub } from '../../contract/hub.ts';
import { Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import type { Run, SharedRun } from '../../contract/run.ts';
import type { Slab, Slabs } from '../../contract/wire.ts';
import { decodePacket } from './decode.ts';
import { messageOf } from './map.ts';
import type { Level, Publish } from './packet.ts';
import { decodeString } from './text.ts';

/** At most so many frames and octets to a run; a larger frame goes the long way, where its payload is copied once for all. */
export const RUN_FRAMES = 4_096;
export const RUN_BYTES = 32_768;
export const LANE_FRAME_BYTES = 16_384;

/** Numbers of the sequence wrap here; they are compared by distance, so this only has to be far above 32,768. */
export const SEQUENCE_MASK = 0x3fffffff;
/** Packet ids of the sequence: 32768 to 65535. The lower half belongs to the clients' own mailboxes. */
export const SEQUENCE_FIRST_ID = 0x8000;
export const SEQUENCE_IDS = 0x8000;

/** Frames of one version look alike, whether 3.1 or 3.1.1. */
export function laneOf(level: Level): number {
  return level === 5 ? 5 : 3;
}

/** The copy of a run that its receivers share. */
class SharedCopy implements SharedRun {
  slab: Slab | undefined = undefined;
  at = 0;
  private slabs: Slabs | undefined = undefined;

  hold(slabs: Slabs, length: number): void {
    this.at = slabs.reserve(length);
    this.slab = slabs.current;
    this.slabs = slabs;
    slabs.retain(this.slab);
  }

  /** May be called twice. */
  readonly release = (): void => {
    if (this.slab === undefined) return;
    this.slabs!.release(this.slab);
    this.slab = undefined;
    this.slabs = undefined;
  };
}

/** The one Run, filled by the connection whose octets are being read. */
export class LaneRun implements Run {
  lane = 0;
  qos: Qos = 0;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  count = 0;
  readonly ends = new Int32Array(RUN_FRAMES);
  readonly idAt = new Int32Array(RUN_FRAMES);
  takers = 0;
  shared: SharedRun | undefined = undefined;
  /** The longest of its frames. */
  longest = 0;
  /** The number in the sequence of its first frame, drawn when a first receiver takes it; -1 before. */
  first = -1;
  readonly copy = new SharedCopy();
}

/** What the connections of one hub share. */
export class Lanes {
  readonly run = new LaneRun();
  /** Octets of large packets that are announced and not all there, of all connections together. */
  gathering = 0;
  /** The next number of the packet id sequence. */
  sequence = 0;
  /** The message that was delivered last, one by one: its next receiver shares a frame with those after. */
  delivered: Message | undefined = undefined;
  /** Who publishes the run under way, for the receivers that need Messages. */
  private level: Level = 4;
  private origin: Origin | undefined = undefined;
  private now = 0;

  /** The topic of the last frame that became a Message, and where it stands in the run. */
  private topic = '';
  private topicAt = 0;
  private topicBytes = -1;

  /** A new run is in `run`, published by `origin`. */
  begin(level: Level, origin: Origin, now: number): void {
    this.level = level;
    this.origin = origin;
    this.now = now;
    this.topicBytes = -1;
  }

  /**
   * Frame `i` of the run as a Message. Frames without properties are read in place: the relay has looked at them already, and neighbours
   * mostly have one topic.
   */
  readonly messageAt = (i: number): Message => {
    const { run } = this;
    const { bytes } = run;
    const start = run.start + (i === 0 ? 0 : run.ends[i - 1]!);
    const end = run.start + run.ends[i]!;
    let at = start + 1;
    while (bytes[at]! >= 0x80) at++;
    const topicAt = at + 3;
    const topicBytes = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    let body = topicAt + topicBytes + (run.qos === 0 ? 0 : 2);
    if (this.level === 5 && bytes[body++] !== 0) {
      const p = decodePacket(bytes, start, end, 5, 'client') as Publish;
      return messageOf(p, p.topic, this.origin!, this.now, false);
    }
    if (topicBytes !== this.topicBytes || !sameOctets(bytes, this.topicAt, topicAt, topicBytes)) {
      this.topic = decodeString(bytes, topicAt, topicAt + topicBytes, this.level);
      this.topicAt = topicAt;
      this.topicBytes = topicBytes;
    }
    const payload = bytes.slice(body, end);
    return new Message(this.topic, payload, run.qos, false, this.origin!, this.now, NEVER, undefined);
  };

  /** Takes `count` consecutive numbers. */
  draw(count: number): number {
    const first = this.sequence;
    this.sequence = (first + count) & SEQUENCE_MASK;
    return first;
  }
}

/** Whether `length` octets at `a` and at `b` are the same. */
export function sameOctets(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

const lanes = new WeakMap<Hub, Lanes>();

/** Listeners with options of their own share the lane, so that a fan-out is shared between their clients too. */
export function lanesOf(hub: Hub): Lanes {
  let shared = lanes.get(hub);
  if (shared === undefined) {
    shared = new Lanes();
    lanes.set(hub, shared);
  }
  return shared;
}
