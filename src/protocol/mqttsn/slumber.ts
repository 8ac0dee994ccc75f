// When a client sleeps (section 6.14): awake for what it has to say, asleep when nothing happens, and up now and then for its messages.

import { NEVER } from '../../contract/message.ts';

/** Quiet for so long, it goes to sleep. */
const LINGER_MS = 1_000;
/** It looks for messages after this part of what it announced, so that a repetition is still in time. */
const WAKE_SHARE = 0.75;

/**
 *     up        talks as any client. Quiet: dozing
 *     dozing    DISCONNECT with the duration sent. Answer: asleep
 *     asleep    its time: looking; something to say: up, by a look and a CONNECT
 *     looking   PINGREQ with the client id sent; messages come. PINGRESP: asleep
 */
export class Slumber {
  /** How long it says that it sleeps; 0: never. */
  readonly sleepMs: number;
  private state: 'up' | 'dozing' | 'asleep' | 'looking' = 'up';
  private since: number;

  constructor(sleepMs: number, now: number) {
    this.sleepMs = sleepMs;
    this.since = now;
  }

  /** Something was said or heard. */
  stirred(now: number): void {
    if (this.state === 'up') this.since = now;
  }

  /** The gateway believes that it sleeps, so that only PINGREQ and CONNECT are in order. */
  get down(): boolean {
    return this.state !== 'up';
  }

  /** It has not heard of the gateway for a while, which may have forgotten it. */
  get asleep(): boolean {
    return this.state === 'asleep';
  }

  /** When something is to be done, if nothing else is under way. */
  get dueAt(): number {
    if (this.sleepMs === 0) return NEVER;
    if (this.state === 'up') return this.since + LINGER_MS;
    return this.state === 'asleep' ? this.since + this.sleepMs * WAKE_SHARE : NEVER;
  }

  /** What is due now. */
  next(now: number): 'doze' | 'look' | undefined {
    if (this.dueAt > now) return undefined;
    if (this.state === 'up') {
      this.state = 'dozing';
      return 'doze';
    }
    this.state = 'looking';
    return 'look';
  }

  fell(now: number): void {
    if (this.state === 'up') return;
    this.state = 'asleep';
    this.since = now;
  }

  rose(now: number): void {
    this.state = 'up';
    this.since = now;
  }
}
