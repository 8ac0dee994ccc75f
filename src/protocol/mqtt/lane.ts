// What all MQTT connections of one hub share: the run under way, its scratch arrays, the sequence of packet ids, memory for large packets.

import type { Hub } from '../../contract/hub.ts';
import type { Message, Origin, Qos } from '../../contract/message.ts';
import type { Run, SharedRun } from '../../contract/run.ts';
import type { Slab, Slabs } from '../../contract/wire.ts';
import { decodePacket } from './decode.ts';
import { messageOf } from './map.ts';
import type { Level, Publish } from './packet.ts';

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
  /** Who publishes the run under way, for the receivers that need Messages. */
  level: Level = 4;
  origin: Origin | undefined = undefined;
  now = 0;

  /** Frame `i` of the run as a Message. */
  readonly messageAt = (i: number): Message => {
    const { run } = this;
    const start = run.start + (i === 0 ? 0 : run.ends[i - 1]!);
    const p = decodePacket(run.bytes, start, run.start + run.ends[i]!, this.level, 'client') as Publish;
    return messageOf(p, p.topic, this.origin!, this.now, false);
  };

  /** Takes `count` consecutive numbers. */
  draw(count: number): number {
    const first = this.sequence;
    this.sequence = (first + count) & SEQUENCE_MASK;
    return first;
  }
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
