// What happens at a time: session ends, delayed wills, retained messages that expire.

interface Deadline {
  readonly at: number;
  readonly run: (now: number) => void;
  cancelled: boolean;
}

/** A way to take a deadline back. */
export interface Cancel {
  cancelled: boolean;
}

/** A binary heap of things to do by time. Cancelled ones are skipped when their time comes. */
export class Deadlines {
  private readonly heap: Deadline[] = [];
  private readonly wake: (at: number) => void;

  constructor(wake: (at: number) => void) {
    this.wake = wake;
  }

  /** Calls `run` at `at` (ms) or soon after. */
  add(at: number, run: (now: number) => void): Cancel {
    const deadline: Deadline = { at, run, cancelled: false };
    const heap = this.heap;
    let i = heap.push(deadline) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.at <= at) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = deadline;
    if (i === 0) this.wake(at);
    return deadline;
  }

  due(now: number): void {
    while (this.heap.length > 0 && this.heap[0]!.at <= now) {
      const first = this.pop();
      if (!first.cancelled) first.run(now);
    }
    while (this.heap.length > 0 && this.heap[0]!.cancelled) this.pop();
    if (this.heap.length > 0) this.wake(this.heap[0]!.at);
  }

  private pop(): Deadline {
    const heap = this.heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = i * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}
