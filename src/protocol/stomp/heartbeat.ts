// Heart-beats: what both sides have agreed on, and when the next one is due.

import { NEVER } from '../../contract/message.ts';
import { badHeader } from './refusal.ts';

/** The shortest pause that this side promises, and asks for, ms. */
export const BEAT_MS = 1_000;
/** The other side may be late: its clock is not ours, and the way is long. */
const TOLERANCE = 2;
/** We are early, for the same reason. */
const EARLY = 0.7;

export class Heartbeat {
  /** How often something has to be sent and to be heard, ms; 0: it need not. [STOMP12-heart-beating] */
  readonly sendMs: number;
  readonly hearMs: number;
  private nextBeat: number;
  private heardAt: number;

  /** `theirs` is the CONNECT frame's header: the pauses that the client can keep, and that it wants. Throws Refusal. */
  constructor(theirs: string | undefined, now: number) {
    const said = /^\s*(\d{1,9})\s*,\s*(\d{1,9})\s*$/.exec(theirs ?? '0,0');
    if (said === null)
      throw badHeader('CONNECT', 'heart-beat is not two numbers of milliseconds, as 10000,10000');
    const [can, wants] = [Number(said[1]), Number(said[2])];
    this.hearMs = can === 0 ? 0 : Math.max(can, BEAT_MS);
    this.sendMs = wants === 0 ? 0 : Math.max(wants, BEAT_MS);
    this.heardAt = now;
    this.nextBeat = now + this.sendMs * EARLY;
  }

  heard(now: number): void {
    this.heardAt = now;
  }

  /** Nothing came for too long. */
  silent(now: number): boolean {
    return this.hearMs > 0 && now >= this.heardAt + this.hearMs * TOLERANCE;
  }

  /** Whether to send a line feed now. */
  beat(now: number): boolean {
    if (this.sendMs === 0 || now < this.nextBeat) return false;
    this.nextBeat = now + this.sendMs * EARLY;
    return true;
  }

  /** When to look again, or NEVER. */
  get next(): number {
    const beat = this.sendMs === 0 ? NEVER : this.nextBeat;
    return this.hearMs === 0 ? beat : Math.min(beat, this.heardAt + this.hearMs * TOLERANCE);
  }
}
