// What virtual clocks are made of: events in the order of their time, and a wait for every promise that can resolve by itself.

/** Of events at one time the one that was made first comes first. */
export interface Timed {
  readonly at: number;
  readonly sequence: number;
}

/** Every promise that can resolve without the outside world has, when the next round of the event loop comes. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function before(a: Timed, b: Timed): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** Puts an event into a binary heap. */
export function push<E extends Timed>(heap: E[], event: E): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

/** Takes the earliest event out of a heap that is not empty. */
export function pop<E extends Timed>(heap: E[]): E {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
