// The last value of each topic, kept for those who come later.

import { Message, NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { Cancel, Deadlines } from './deadlines.ts';
import { type Journal, key } from './journal.ts';
import { writeMessage } from './records.ts';
import { TopicTree } from './topics.ts';

interface Kept {
  readonly message: Message;
  /** Its record in the store; 0 without one. */
  readonly record: number;
  readonly expiry: Cancel | undefined;
}

export class Retained {
  bytes = 0;
  private readonly tree = new TopicTree<Kept>();
  private readonly deadlines: Deadlines;
  private readonly journal: Journal | undefined;

  constructor(deadlines: Deadlines, journal: Journal | undefined) {
    this.deadlines = deadlines;
    this.journal = journal;
  }

  get size(): number {
    return this.tree.size;
  }

  get(topic: string, now: number): Message | undefined {
    const kept = this.tree.get(topic);
    return kept === undefined || kept.message.expiresAt <= now ? undefined : kept.message;
  }

  /** Keeps `m` as its topic's last value; an empty payload forgets it. [MQTT5-3.3.1-5..7] */
  set(m: Message, limit: number): Outcome {
    const old = this.tree.get(m.topic);
    if (m.payload.length === 0) {
      if (old !== undefined) this.forget(m.topic, old);
      return 'ok';
    }
    if (old === undefined && this.tree.size >= limit) return 'quota-exceeded';
    const { journal } = this;
    // $SYS is made anew by every run.
    const stored = journal !== undefined && !m.topic.startsWith('$SYS/');
    const record = stored ? old?.record || journal.number() : 0;
    if (stored) journal.put(key('r', record), (w) => writeMessage(w, m));
    this.keep(m, record, old);
    return 'ok';
  }

  /** Takes up a message that an earlier run stored. */
  restore(m: Message, record: number): void {
    this.keep(m, record, undefined);
  }

  private keep(m: Message, record: number, old: Kept | undefined): void {
    if (old !== undefined) this.let(old);
    const message = withOwnMemory(m);
    const expiry =
      m.expiresAt === NEVER ? undefined : this.deadlines.add(m.expiresAt, () => this.expired(message));
    this.tree.set(m.topic, { message, record, expiry });
    this.bytes += m.payload.length;
  }

  private expired(m: Message): void {
    const kept = this.tree.get(m.topic);
    if (kept?.message === m) this.forget(m.topic, kept);
  }

  private forget(topic: string, kept: Kept): void {
    this.let(kept);
    this.tree.delete(topic);
    if (kept.record !== 0) this.journal!.remove(key('r', kept.record));
  }

  private let(kept: Kept): void {
    if (kept.expiry !== undefined) kept.expiry.cancelled = true;
    this.bytes -= kept.message.payload.length;
  }

  /** Calls `visit` with every kept message whose topic `filter` matches. */
  select(filter: string, now: number, visit: (m: Message) => void): void {
    this.tree.select(filter, (kept) => {
      if (kept.message.expiresAt > now) visit(kept.message);
    });
  }
}

/** Retained messages live long: a payload must not hold on to a larger block that it was cut from. */
function withOwnMemory(m: Message): Message {
  if (m.payload.buffer.byteLength <= m.payload.length * 2) return m;
  return new Message(m.topic, m.payload.slice(), m.qos, m.retain, m.origin, m.at, m.expiresAt, m.meta);
}
