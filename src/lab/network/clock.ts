// The lab's clock: events in time order, run without a trip through the event loop unless a promise is on its way.

import { breathe, pop, push, type Timed } from '../../transport/event-heap.ts';

interface Event extends Timed {
  readonly run: () => void;
}

/** Two sides that answer each other for ever are stopped here. */
const MAX_EVENTS = 50_000_000;
/** So often the event loop gets its turn: for progress, and for a person who wants to stop. */
const BREATHE_EVENTS = 20_000;
const MAX_ROUNDS = 100_000;

export class LabClock {
  /** ms since 1970. */
  now: number;
  /** How many events have run. */
  count = 0;
  private readonly heap: Event[] = [];
  private sequence = 0;
  private readonly hooks: (() => boolean)[] = [];
  private unsettled = false;
  private due: (() => void)[] = [];

  constructor(startAt: number) {
    this.now = startAt;
  }

  at(time: number, run: () => void): void {
    push(this.heap, { at: time < this.now ? this.now : time, sequence: this.sequence++, run });
  }

  /** Calls `hook` after each event until no hook had anything to do (it then returns false). */
  after(hook: () => boolean): void {
    this.hooks.push(hook);
  }

  /** Runs `run` when this event and its hooks are through: what was written in pieces leaves in one. */
  soon(run: () => void): void {
    this.due.push(run);
  }

  /** Somebody asked something whose answer is a promise: it is waited for before the next event. */
  promised(): void {
    this.unsettled = true;
  }

  /** Runs events until `done`, or up to and including time `until`; then `now` is `until`. False: not done. */
  async run(done: () => boolean, until: number): Promise<boolean> {
    await this.settle();
    while (!done()) {
      const next = this.heap[0];
      if (next === undefined || next.at > until) {
        if (until !== Number.POSITIVE_INFINITY && until > this.now) this.now = until;
        return false;
      }
      pop(this.heap);
      this.now = next.at;
      next.run();
      if (++this.count > MAX_EVENTS) throw new Error(`still busy after ${MAX_EVENTS} events`);
      if (this.count % BREATHE_EVENTS === 0) await breathe();
      this.callHooks();
      if (this.unsettled) await this.settle();
    }
    return true;
  }

  private async settle(): Promise<void> {
    this.callHooks();
    for (let round = 0; this.unsettled; round++) {
      if (round > MAX_ROUNDS) throw new Error('still busy at one moment');
      this.unsettled = false;
      await breathe();
      this.callHooks();
    }
  }

  private callHooks(): void {
    for (let round = 0; ; round++) {
      if (round > MAX_ROUNDS) throw new Error('still busy at one moment');
      let busy = false;
      for (const hook of this.hooks) busy = hook() || busy;
      if (busy) continue;
      if (this.due.length === 0) return;
      const { due } = this;
      this.due = [];
      for (const run of due) run();
    }
  }
}

/** One time that moves: setting it again costs no event while it moves away. */
export class Alarm {
  private readonly clock: LabClock;
  private readonly ring: () => void;
  /** When it rings; Infinity: not. */
  due = Number.POSITIVE_INFINITY;
  /** The event that is under way. */
  private armed = Number.POSITIVE_INFINITY;
  private life = 0;

  constructor(clock: LabClock, ring: () => void) {
    this.clock = clock;
    this.ring = ring;
  }

  set(at: number): void {
    this.due = at;
    if (at < this.armed) this.arm(at);
  }

  clear(): void {
    this.due = Number.POSITIVE_INFINITY;
  }

  private arm(at: number): void {
    this.armed = at;
    const life = ++this.life;
    this.clock.at(at, () => {
      if (life !== this.life) return;
      this.armed = Number.POSITIVE_INFINITY;
      if (this.due === Number.POSITIVE_INFINITY) return;
      if (this.due > this.clock.now) {
        this.arm(this.due);
        return;
      }
      this.due = Number.POSITIVE_INFINITY;
      this.ring();
    });
  }
}
