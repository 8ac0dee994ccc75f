// Wills: what is published when a client is lost, at once or after a delay, even if this process was lost in between.

import { Reader } from '../bytes/reader.ts';
import { Message, NEVER } from '../contract/message.ts';
import type { Cancel, Deadlines } from './deadlines.ts';
import { type Journal, key, numberOf } from './journal.ts';
import { readMessage, writeMessage } from './records.ts';

export interface Will {
  readonly message: Message;
  readonly delayMs: number;
  /** Its record in the store; 0 without one. */
  readonly record: number;
}

interface Pending {
  readonly will: Will;
  readonly deadline: Cancel;
}

export class Wills {
  /** Delayed wills by client. */
  private readonly pending = new Map<string, Pending>();
  private readonly deadlines: Deadlines;
  private readonly journal: Journal | undefined;
  private readonly publish: (m: Message) => void;

  constructor(deadlines: Deadlines, journal: Journal | undefined, publish: (m: Message) => void) {
    this.deadlines = deadlines;
    this.journal = journal;
    this.publish = publish;
  }

  /** A client leaves its will; `client` is its key in the hub. */
  make(client: string, message: Message, delayMs: number): Will {
    const { journal } = this;
    const will: Will = { message, delayMs, record: journal?.number() ?? 0 };
    if (journal !== undefined) this.write(client, will, 0);
    return will;
  }

  private write(client: string, will: Will, dueAt: number): void {
    this.journal!.put(key('w', will.record), (w) => {
      w.text(client);
      w.f64(will.delayMs);
      w.f64(dueAt);
      writeMessage(w, will.message);
    });
  }

  drop(will: Will): void {
    if (will.record !== 0) this.journal!.remove(key('w', will.record));
  }

  /** The client is lost, and its session goes on for `keepMs`: whichever ends first sends the will. [MQTT5-3.1.3-9] */
  lost(client: string, will: Will, keepMs: number, now: number): void {
    const waitMs = Math.min(will.delayMs, keepMs);
    if (waitMs <= 0) {
      this.send(will, now);
      return;
    }
    const dueAt = now + waitMs;
    if (will.record !== 0) this.write(client, will, dueAt);
    this.wait(client, will, dueAt);
  }

  private wait(client: string, will: Will, dueAt: number): void {
    const deadline = this.deadlines.add(dueAt, (now) => this.fire(client, now));
    this.pending.set(client, { will, deadline });
  }

  /** The client came back in time. */
  cancel(client: string): void {
    const pending = this.pending.get(client);
    if (pending === undefined) return;
    this.pending.delete(client);
    pending.deadline.cancelled = true;
    this.drop(pending.will);
  }

  /** The session ended: a delayed will waits no longer. */
  fire(client: string, now: number): void {
    const pending = this.pending.get(client);
    if (pending === undefined) return;
    this.pending.delete(client);
    pending.deadline.cancelled = true;
    this.send(pending.will, now);
  }

  /** Its life begins when it is published, not when it was left. [MQTT5-3.1.3.2.4] */
  private send(will: Will, now: number): void {
    this.drop(will);
    const m = will.message;
    const expiresAt = m.expiresAt === NEVER ? NEVER : now + (m.expiresAt - m.at);
    this.publish(new Message(m.topic, m.payload, m.qos, m.retain, m.origin, now, expiresAt, m.meta));
  }

  /** Wills of an earlier run: its clients are all lost, at `now` where it did not see them go. */
  restore(keepMs: (client: string) => number, now: number): void {
    for (const [recordKey, bytes] of this.journal!.scan('w')) {
      const r = new Reader(bytes);
      const client = r.text();
      const delayMs = r.f64();
      const dueAt = r.f64();
      const record = numberOf(recordKey, 0);
      this.journal!.reserveNumber(record);
      const will: Will = { message: readMessage(r), delayMs, record };
      const due = dueAt > 0 ? dueAt : now + Math.min(delayMs, keepMs(client));
      // At once, not by a deadline: a client that is back before it would take its own will back.
      if (due <= now) this.send(will, now);
      else this.wait(client, will, due);
    }
  }
}
