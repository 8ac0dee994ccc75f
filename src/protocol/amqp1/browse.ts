// A source that shows what waits in a queue and takes nothing: `distribution-mode` copy. [AMQP1-3.5.4]

import type { Consumer, Settler } from '../../contract/mailbox.ts';
import type { Message } from '../../contract/message.ts';
import type { WorkQueue } from '../../contract/queue.ts';
import type { Terminus } from './packet.ts';
import type { Source } from './source.ts';

/** What is looked at together, at most. */
const GLANCE = 64;
const GLANCE_BYTES = 1_048_576;

/** What comes while nobody looks is seen with the next credit. */
export class BrowsedQueue implements Source {
  readonly terminus: Terminus;
  readonly unsettled: readonly number[] = [];
  private readonly queue: WorkQueue;
  /** 0: copies are settled when they are sent. */
  private readonly qos: 0 | 1;
  private readonly now: () => number;
  private consumer: Consumer | undefined = undefined;
  /** What waits from here on was not looked at. */
  private from = 0;
  /** Looked at, and from `next` on to be shown. */
  private seen: Message[] = [];
  private next = 0;

  constructor(terminus: Terminus, queue: WorkQueue, qos: 0 | 1, now: () => number) {
    this.terminus = terminus;
    this.queue = queue;
    this.qos = qos;
    this.now = now;
  }

  start(consumer: Consumer): void {
    this.consumer = consumer;
  }

  pull(): void {
    const { consumer, qos } = this;
    while (consumer?.ready(qos) === true) {
      if (this.next === this.seen.length) this.look();
      const m = this.seen[this.next];
      if (m === undefined) return;
      this.next++;
      if (m.expiresAt > this.now()) consumer.deliver(m, qos, COPY, false, 0, false, NOBODY);
    }
  }

  /** Some at a time: what only the store has is read by pages, and a client may give its credit one by one. */
  private look(): void {
    this.seen = [];
    this.next = 0;
    let octets = 0;
    const placed = this.queue.browse(this.from);
    if (typeof placed === 'string') return; // its rights went
    for (const { seq, message } of placed) {
      this.from = seq + 1;
      this.seen.push(message);
      octets += message.payload.length;
      if (this.seen.length === GLANCE || octets >= GLANCE_BYTES) return;
    }
  }

  accept(): void {}

  reject(): void {}

  /** A copy goes back nowhere. */
  putBack(): boolean {
    return true;
  }

  failures(): number {
    return 0;
  }

  close(): void {
    this.consumer = undefined;
    this.seen = [];
  }
}

const COPY = { qos: 0, tags: [] } as const;

/** A copy is nobody's to settle. */
const NOBODY: Settler = { settle: () => undefined, release: () => undefined };
