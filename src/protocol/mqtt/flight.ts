// Packet ids in flight towards one client: which delivery each stands for, and how far its handshake has come.

import type { Settler } from '../../contract/mailbox.ts';

/** Acknowledged, but something older is not: the place is held until the oldest moves on. */
export const FREE = 0;
/** QoS 1: PUBLISH sent, PUBACK awaited. */
export const SENT_ONCE = 1;
/** QoS 2: PUBLISH sent, PUBREC awaited. */
export const SENT_TWICE = 2;
/** QoS 2: PUBREC received, PUBREL sent or about to be, PUBCOMP awaited. */
export const RELEASED = 3;

export type FlightState = typeof FREE | typeof SENT_ONCE | typeof SENT_TWICE | typeof RELEASED;

const SMALLEST = 8;

/**
 * A ring of packet ids in the order of sending. Ids come from a counter modulo `modulus`, starting at `first`, and the oldest and the newest
 * are always less than `modulus` apart: so ids compare by their distance to the oldest. The acknowledgement of the oldest is O(1), another
 * is found by binary search.
 */
export class Flight {
  /** How many are not acknowledged. */
  live = 0;
  private readonly modulus: number;
  private head = 0;
  private size = 0;
  private ids = new Uint16Array(SMALLEST);
  private states = new Uint8Array(SMALLEST);
  /** The mailbox's own number of each delivery, 0: nothing to settle. Absent until one has to be settled. */
  private settles: Float64Array | undefined = undefined;
  private boxes: (Settler | undefined)[] | undefined = undefined;

  constructor(modulus: number) {
    this.modulus = modulus;
  }

  /** How far the newest is ahead of the oldest. */
  get span(): number {
    if (this.size === 0) return 0;
    return this.distance(this.ids[(this.head + this.size - 1) & (this.ids.length - 1)]!);
  }

  /** How many places are taken, acknowledged ones between others included. */
  get places(): number {
    return this.size;
  }

  private distance(id: number): number {
    const d = id - this.ids[this.head]!;
    return d < 0 ? d + this.modulus : d;
  }

  /** Adds the newest, with nothing to settle. */
  append(id: number, state: FlightState): void {
    if (this.size === this.ids.length) this.grow();
    const at = (this.head + this.size) & (this.ids.length - 1);
    this.ids[at] = id;
    this.states[at] = state;
    if (this.settles !== undefined) {
      this.settles[at] = 0;
      this.boxes![at] = undefined;
    }
    this.size++;
    this.live++;
  }

  /**
   * Adds a delivery that `box` wants settled as `number`, in its place: what is delivered again after a reconnect may be older than what
   * was released before it.
   */
  add(id: number, state: FlightState, box: Settler, number: number): void {
    const known = this.find(id);
    if (known >= 0) {
      this.states[this.place(known)] = state;
      return;
    }
    this.append(id, state);
    this.settles ??= new Float64Array(this.ids.length);
    this.boxes ??= new Array(this.ids.length).fill(undefined);
    const last = this.place(this.size - 1);
    this.settles[last] = number;
    this.boxes[last] = box;
    this.sink();
  }

  /** Moves the newest entry back to where its id belongs. */
  private sink(): void {
    for (let i = this.size - 1; i > 0; i--) {
      const here = this.place(i);
      const before = this.place(i - 1);
      const gap = this.ids[here]! - this.ids[before]!;
      const ahead = gap < 0 ? gap + this.modulus : gap;
      if (ahead <= this.modulus >> 1) return;
      this.swap(here, before);
    }
  }

  private swap(a: number, b: number): void {
    const { ids, states, settles, boxes } = this;
    const id = ids[a]!;
    ids[a] = ids[b]!;
    ids[b] = id;
    const state = states[a]!;
    states[a] = states[b]!;
    states[b] = state;
    const number = settles![a]!;
    settles![a] = settles![b]!;
    settles![b] = number;
    const box = boxes![a];
    boxes![a] = boxes![b];
    boxes![b] = box;
  }

  private place(position: number): number {
    return (this.head + position) & (this.ids.length - 1);
  }

  /** Its position from the oldest, or -1. */
  find(id: number): number {
    if (this.size === 0) return -1;
    if (this.ids[this.head] === id) return 0;
    const wanted = this.distance(id);
    let low = 1;
    let high = this.size - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const d = this.distance(this.ids[this.place(middle)]!);
      if (d === wanted) return this.states[this.place(middle)] === FREE ? -1 : middle;
      if (d < wanted) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  stateAt(position: number): FlightState {
    return this.states[this.place(position)] as FlightState;
  }

  boxAt(position: number): Settler | undefined {
    return this.boxes?.[this.place(position)];
  }

  settleAt(position: number): number {
    return this.settles === undefined ? 0 : this.settles[this.place(position)]!;
  }

  release(position: number): void {
    this.states[this.place(position)] = RELEASED;
  }

  /** The handshake is over: the id may be used again once nothing older is in flight. */
  finish(position: number): void {
    const at = this.place(position);
    this.states[at] = FREE;
    if (this.boxes !== undefined) this.boxes[at] = undefined;
    this.live--;
    if (position !== 0) return;
    const mask = this.ids.length - 1;
    do {
      this.head = (this.head + 1) & mask;
      this.size--;
    } while (this.size > 0 && this.states[this.head] === FREE);
  }

  private grow(): void {
    const capacity = this.ids.length * 2;
    const ids = new Uint16Array(capacity);
    const states = new Uint8Array(capacity);
    const settles = this.settles === undefined ? undefined : new Float64Array(capacity);
    const boxes =
      this.boxes === undefined ? undefined : new Array<Settler | undefined>(capacity).fill(undefined);
    for (let i = 0; i < this.size; i++) {
      const at = this.place(i);
      ids[i] = this.ids[at]!;
      states[i] = this.states[at]!;
      if (settles !== undefined) settles[i] = this.settles![at]!;
      if (boxes !== undefined) boxes[i] = this.boxes![at];
    }
    this.head = 0;
    this.ids = ids;
    this.states = states;
    this.settles = settles;
    this.boxes = boxes;
  }
}
