// Timers for a hundred thousand wires: a hierarchical wheel (pure), and the one setTimeout that turns it.

import { NEVER } from '../contract/message.ts';
import { now } from './clock.ts';

/** Resolution: a timer fires in the first tick that ends at or after its time, so never early and at most this late. */
const TICK_MS = 8;
const SLOT_BITS = 8;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
/** 8 ms × 256³ is a day and a half; what is further away waits in the outermost ring and is put back when it comes round. */
const RINGS = 3;
/** setTimeout's own limit is 2^31 - 1 ms. */
const MAX_SLEEP_MS = 2_000_000_000;

export interface TimerOwner {
  /** The time has come. Must not throw. */
  due(now: number): void;
}

/** One thing to be called at a time. Reuse it: scheduling again moves it. */
export class Timer {
  /** When it is due, ms; NEVER: not scheduled. */
  at = NEVER;
  /** The slot's list; `previous` is undefined exactly when it is in no list. */
  next: Timer | undefined = undefined;
  previous: Timer | undefined = undefined;
  /** The tick whose slot it sits in, at or before the tick of `at`. */
  tick = 0;
  readonly owner: TimerOwner;

  constructor(owner: TimerOwner) {
    this.owner = owner;
  }
}

/**
 * O(1) to schedule, move and cancel. A timer that is moved to a later time stays where it is and is put back when its slot comes, because
 * keep-alive timers move with every packet and rarely fire.
 */
export class TimerWheel {
  private tick: number;
  private count = 0;
  /** RINGS × SLOTS list heads; ring r's slot holds ticks that agree above bit r × SLOT_BITS. */
  private readonly slots: Timer[] = [];

  constructor(at: number) {
    this.tick = Math.floor(at / TICK_MS);
    for (let i = 0; i < RINGS * SLOTS; i++) {
      const head = new Timer(NOBODY);
      head.next = head;
      head.previous = head;
      this.slots.push(head);
    }
  }

  /** Timers in the wheel. */
  get size(): number {
    return this.count;
  }

  schedule(timer: Timer, at: number): void {
    if (at === NEVER) {
      this.cancel(timer);
      return;
    }
    timer.at = at;
    if (timer.previous !== undefined) {
      if (tickOf(at) >= timer.tick) return;
      this.unlink(timer);
    }
    this.place(timer);
  }

  cancel(timer: Timer): void {
    timer.at = NEVER;
    if (timer.previous !== undefined) this.unlink(timer);
  }

  /** Fires what is due at `at`. Timers may schedule and cancel any timer from within `due`. */
  advance(at: number): void {
    const target = Math.floor(at / TICK_MS);
    while (this.tick < target) {
      if (this.count === 0) {
        this.tick = target;
        return;
      }
      this.tick = this.nextTick(target);
      this.cascade();
      this.fireSlot(this.slots[this.tick & SLOT_MASK]!, at);
    }
  }

  /** When `advance` should be called next, ms; NEVER when the wheel is empty. May be early (a ring to be unfolded), never late. */
  get nextAt(): number {
    if (this.count === 0) return NEVER;
    return this.nextTick(Number.MAX_SAFE_INTEGER) * TICK_MS;
  }

  private place(timer: Timer): void {
    const due = Math.max(tickOf(timer.at), this.tick + 1);
    let ring = 0;
    // The ring is the lowest one in which `due` and the current tick share all higher bits, that is: less than one turn away.
    while (ring < RINGS - 1 && shift(due, ring + 1) !== shift(this.tick, ring + 1)) ring++;
    const reach = shift(this.tick, ring) + SLOTS - 1;
    const place = ring === RINGS - 1 ? Math.min(shift(due, ring), reach) : shift(due, ring);
    timer.tick = place * 2 ** (ring * SLOT_BITS);
    const head = this.slots[ring * SLOTS + (place & SLOT_MASK)]!;
    timer.previous = head.previous;
    timer.next = head;
    head.previous!.next = timer;
    head.previous = timer;
    this.count++;
  }

  private unlink(timer: Timer): void {
    timer.previous!.next = timer.next;
    timer.next!.previous = timer.previous;
    timer.next = undefined;
    timer.previous = undefined;
    this.count--;
  }

  /** The next tick, at most `limit`, at which a slot of some ring is not empty. */
  private nextTick(limit: number): number {
    let best = limit;
    for (let ring = 0; ring < RINGS; ring++) {
      const here = shift(this.tick, ring);
      for (let step = 1; step <= SLOTS; step++) {
        const tick = (here + step) * 2 ** (ring * SLOT_BITS);
        if (tick >= best) break;
        const head = this.slots[ring * SLOTS + ((here + step) & SLOT_MASK)]!;
        if (head.next !== head) {
          best = tick;
          break;
        }
      }
    }
    return best;
  }

  /** At a turn of a ring, the next outer slot is dealt out over the inner ones. */
  private cascade(): void {
    for (let ring = RINGS - 1; ring > 0; ring--) {
      const span = 2 ** (ring * SLOT_BITS);
      if (this.tick % span !== 0) continue;
      const head = this.slots[ring * SLOTS + (shift(this.tick, ring) & SLOT_MASK)]!;
      for (let timer = head.next!; timer !== head; timer = head.next!) {
        this.unlink(timer);
        if (tickOf(timer.at) <= this.tick) this.placeNow(timer);
        else this.place(timer);
      }
    }
  }

  /** Puts a timer into the slot that is about to fire. */
  private placeNow(timer: Timer): void {
    timer.tick = this.tick;
    const head = this.slots[this.tick & SLOT_MASK]!;
    timer.previous = head.previous;
    timer.next = head;
    head.previous!.next = timer;
    head.previous = timer;
    this.count++;
  }

  private fireSlot(head: Timer, at: number): void {
    for (let timer = head.next!; timer !== head; timer = head.next!) {
      this.unlink(timer);
      if (tickOf(timer.at) > this.tick) {
        this.place(timer);
        continue;
      }
      timer.at = NEVER;
      timer.owner.due(at);
    }
  }
}

/** The first tick that begins at or after `at`. */
function tickOf(at: number): number {
  return Math.ceil(at / TICK_MS);
}

/** `tick >> ring × SLOT_BITS` for numbers beyond 32 bits. */
function shift(tick: number, ring: number): number {
  return Math.floor(tick / 2 ** (ring * SLOT_BITS));
}

const NOBODY: TimerOwner = { due() {} };

/** The wheel on the real clock. It does not keep the process alive. */
export class Timers {
  private readonly wheel = new TimerWheel(now());
  private armed: NodeJS.Timeout | undefined = undefined;
  private armedAt = NEVER;
  private advancing = false;

  schedule(timer: Timer, at: number): void {
    this.wheel.schedule(timer, at);
    if (at < this.armedAt && !this.advancing) this.arm(at);
  }

  cancel(timer: Timer): void {
    this.wheel.cancel(timer);
  }

  private arm(at: number): void {
    if (this.armed !== undefined) clearTimeout(this.armed);
    this.armedAt = at;
    const sleep = Math.min(Math.max(at - now() + TICK_MS, 1), MAX_SLEEP_MS);
    this.armed = setTimeout(this.turn, sleep);
    this.armed.unref();
  }

  private readonly turn = (): void => {
    this.armed = undefined;
    this.armedAt = NEVER;
    this.advancing = true;
    try {
      this.wheel.advance(now());
    } finally {
      this.advancing = false;
      const at = this.wheel.nextAt;
      if (at !== NEVER) this.arm(at);
    }
  };
}
