// The virtual clock: events in time order, with everything that follows from one settled before the next.

import { breathe, pop, push, type Timed } from './event-heap.ts';

/** Something that runs at its time; a timer is waited for by `advance`, but nothing is said to be on its way because of it. */
interface Event extends Timed {
  readonly timer: boolean;
  run: (() => void) | undefined;
}

/** More events than any honest run has: two sides that answer each other for ever are stopped here. */
const MAX_EVENTS = 1_000_000;

export class VirtualClock {
  /** ms since 1970. */
  now: number;
  private readonly heap: Event[] = [];
  private sequence = 0;
  private travelling = 0;
  private readonly hooks: (() => boolean)[] = [];

  constructor(startAt: number) {
    this.now = startAt;
  }

  /** Runs `run` at `time`, or as the next event when that is past. Returns a way to cancel. */
  at(time: number, run: () => void): () => void {
    return this.add(time, run, false);
  }

  /** As `at`, for time-outs and other things that may never come: `run()` does not wait for them. */
  timer(time: number, run: () => void): () => void {
    return this.add(time, run, true);
  }

  /** Calls `hook` after each event, again and again until no hook had anything to do (it then returns false). */
  after(hook: () => boolean): void {
    this.hooks.push(hook);
  }

  /** Lets `ms` pass. Rejects with what an event threw. */
  async advance(ms: number): Promise<void> {
    const until = this.now + ms;
    await this.settle();
    for (let n = 0; this.heap.length > 0 && this.heap[0]!.at <= until; n++) await this.step(n);
    this.now = until;
  }

  /** Lets time pass until nothing is on its way any more; timers that come later stay. */
  async run(): Promise<void> {
    await this.settle();
    for (let n = 0; this.travelling > 0; n++) await this.step(n);
  }

  /** What an awaited promise resolves to, while time passes as in `run`. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let pending = true;
    const done = (): void => {
      pending = false;
    };
    promise.then(done, done);
    await this.settle();
    for (let n = 0; pending && this.travelling > 0; n++) await this.step(n);
    return promise;
  }

  private add(time: number, run: () => void, timer: boolean): () => void {
    const event: Event = { at: Math.max(time, this.now), sequence: this.sequence++, timer, run };
    if (event.at === Number.POSITIVE_INFINITY) return () => {};
    if (!timer) this.travelling++;
    push(this.heap, event);
    return () => {
      if (event.run === undefined) return;
      event.run = undefined;
      if (!timer) this.travelling--;
    };
  }

  private async step(count: number): Promise<void> {
    if (count > MAX_EVENTS) throw new Error(`still busy after ${MAX_EVENTS} events`);
    const event = pop(this.heap);
    const run = event.run;
    if (run === undefined) return; // cancelled
    event.run = undefined;
    if (!event.timer) this.travelling--;
    this.now = event.at;
    run();
    await this.settle();
  }

  /** Hooks and promises in turn, until both have nothing left to do. */
  private async settle(): Promise<void> {
    for (let n = 0; ; n++) {
      if (n > MAX_EVENTS) throw new Error(`still busy after ${MAX_EVENTS} rounds at one moment`);
      if (this.callHooks()) continue;
      await breathe();
      if (!this.callHooks()) return;
    }
  }

  private callHooks(): boolean {
    let busy = false;
    for (const hook of this.hooks) busy = hook() || busy;
    return busy;
  }
}

/** A generator of numbers in [0, 1) that gives the same ones for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
