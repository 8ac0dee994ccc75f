// What is published and not acknowledged: in order, bounded, known by tag over connections, and kept in a store where there is one.

import type { InboundIds } from '../contract/mailbox.ts';
import type { Message } from '../contract/message.ts';
import { MAX_TAG, type SessionMemory, type Tag } from '../contract/speaker.ts';
import { WaymeetError } from './error.ts';

export interface OutboxLimits {
  /** What may wait, messages and octets of payload. */
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Where an outbox outlives the program. What is said joins the next commit. */
export interface OutboxStore {
  /** What earlier programs left. Called once, first. */
  load(): Promise<Kept>;
  put(sequence: number, m: Message): void;
  released(sequence: number): void;
  done(sequence: number): void;
  addInbound(id: number): void;
  deleteInbound(id: number): void;
  name(clientId: string): void;
  /** All of the session but its name is over. */
  forget(): void;
  /** Resolves when all that was said before is kept. */
  commit(): Promise<void>;
  close(): Promise<void>;
}

export interface Kept {
  readonly clientId: string | undefined;
  readonly messages: readonly { sequence: number; message: Message; released: boolean }[];
  readonly inbound: readonly number[];
}

/** One message on its way. */
export interface Entry {
  readonly sequence: number;
  readonly message: Message;
  /** 'sent' may have reached the other side; 'released': it has it for good, and is to be told that it may forget the tag. */
  stage: 'new' | 'sent' | 'released';
  /** It is in the store, or there is none. */
  kept: boolean;
  /** A speaker has it. */
  flying: boolean;
  readonly resolve: (unmatched: boolean) => void;
  readonly reject: (why: Error) => void;
  /** Called once it is in the store. */
  stored: (() => void) | undefined;
}

const NOBODY = () => {};

export class Outbox implements SessionMemory {
  readonly inbound: InboundIds;
  private readonly limits: OutboxLimits;
  private readonly store: OutboxStore | undefined;
  private readonly broken: (why: Error) => void;
  /** Not flying, in order. */
  private waiting: Entry[] = [];
  private head = 0;
  /** QoS 1 and 2 that fly, by tag. */
  private readonly flying = new Map<number, Entry>();
  private sequence = 0;
  private bytes = 0;
  private count = 0;
  private committing: Promise<void> | undefined;
  private dirty = false;
  /** The store has failed: nothing is kept any more. */
  private lost = false;
  private thens: (() => void)[] = [];
  private readonly unkept: Entry[] = [];
  private emptied: (() => void)[] = [];
  /** Called when messages became sendable. */
  ready: () => void = NOBODY;

  /** `broken` is told when the store fails: nothing may be relied on any more. */
  constructor(limits: OutboxLimits, store: OutboxStore | undefined, broken: (why: Error) => void) {
    this.limits = limits;
    this.store = store;
    this.broken = broken;
    this.inbound = store === undefined ? new Set<number>() : this.storedInbound(store);
  }

  private storedInbound(store: OutboxStore): InboundIds & { restore(id: number): void } {
    const ids = new Set<number>();
    return {
      has: (id) => ids.has(id),
      add: (id) => {
        ids.add(id);
        store.addInbound(id);
        this.changed();
      },
      delete: (id) => {
        if (!ids.delete(id)) return;
        store.deleteInbound(id);
        this.changed();
      },
      restore: (id) => ids.add(id),
      get size() {
        return ids.size;
      },
    };
  }

  /** Takes up what earlier programs left; resolves to the client id that they had. */
  async load(): Promise<string | undefined> {
    if (this.store === undefined) return undefined;
    const { clientId, messages, inbound } = await this.store.load();
    for (const { sequence, message, released } of messages) {
      this.sequence = Math.max(this.sequence, sequence);
      // It may have been sent: only a tag that is used again shows that it is the same one.
      this.add(sequence, message, released ? 'released' : 'sent', true, NOBODY, NOBODY);
    }
    for (const id of inbound) (this.inbound as unknown as { restore(id: number): void }).restore(id);
    return clientId;
  }

  name(clientId: string): void {
    this.store?.name(clientId);
    this.changed();
  }

  /** Messages that are not acknowledged. */
  get size(): number {
    return this.count;
  }

  /** Payload octets of them. */
  get octets(): number {
    return this.bytes;
  }

  private add(
    sequence: number,
    message: Message,
    stage: Entry['stage'],
    kept: boolean,
    resolve: Entry['resolve'],
    reject: Entry['reject'],
  ): Entry {
    const entry = { sequence, message, stage, kept, flying: false, resolve, reject, stored: undefined };
    this.waiting.push(entry);
    this.count++;
    this.bytes += message.payload.length;
    return entry;
  }

  /** Takes a message in. Throws WaymeetError 'outbox-full'. */
  push(message: Message, resolve: Entry['resolve'], reject: Entry['reject'], stored?: () => void): Entry {
    const { maxMessages, maxBytes } = this.limits;
    if (this.count >= maxMessages || this.bytes + message.payload.length > maxBytes)
      throw new WaymeetError('outbox-full', '', `${this.count} messages wait to be acknowledged`);
    const sequence = ++this.sequence;
    const durable = this.store !== undefined && message.qos > 0;
    const entry = this.add(sequence, message, 'new', !durable, resolve, reject);
    if (durable) {
      this.store!.put(sequence, message);
      this.unkept.push(entry);
      entry.stored = stored;
      this.changed();
    }
    return entry;
  }

  /** The next to send, left in its place; undefined: none, or it is not kept yet, or its tag is still another one's. */
  peek(): Entry | undefined {
    const entry = this.waiting[this.head];
    if (entry === undefined || !entry.kept) return undefined;
    return entry.message.qos > 0 && this.flying.has(tagOf(entry)) ? undefined : entry;
  }

  /** It was given to a speaker. */
  take(entry: Entry): Tag | undefined {
    this.head++;
    if (this.head >= 1_024 && this.head * 2 >= this.waiting.length) {
      this.waiting = this.waiting.slice(this.head);
      this.head = 0;
    }
    if (entry.message.qos === 0) return undefined;
    entry.flying = true;
    const tag = tagOf(entry);
    this.flying.set(tag, entry);
    const stage = entry.stage === 'sent' ? 'again' : entry.stage;
    if (entry.stage === 'new') entry.stage = 'sent';
    return { tag, stage };
  }

  /** It is over, well or not. */
  done(entry: Entry): void {
    if (entry.flying) this.flying.delete(tagOf(entry));
    entry.flying = false;
    this.count--;
    this.bytes -= entry.message.payload.length;
    if (this.store !== undefined && entry.message.qos > 0) {
      this.store.done(entry.sequence);
      this.changed();
    }
    if (this.count > 0) return;
    const { emptied } = this;
    this.emptied = [];
    for (const call of emptied) call();
  }

  /** Takes one out that no speaker has; false: it is on its way. */
  withdraw(entry: Entry): boolean {
    const at = entry.flying ? -1 : this.waiting.indexOf(entry, this.head);
    if (at < 0) return false;
    this.waiting.splice(at, 1);
    this.done(entry);
    return true;
  }

  /** The connection is lost: what flew comes first, in its order. */
  grounded(): void {
    const again = [...this.flying.values()].sort((a, b) => a.sequence - b.sequence);
    this.flying.clear();
    for (const entry of again) entry.flying = false;
    this.waiting = [...again, ...this.waiting.slice(this.head)];
    this.head = 0;
  }

  /**
   * The other side does not know the session: what it had released is its own since then; the rest is sent as new, and no id means anything
   * [MQTT5-4.1.0-1].
   */
  forgotten(): void {
    const left = this.waiting.slice(this.head);
    this.waiting = [];
    this.head = 0;
    for (const entry of left) {
      if (entry.stage === 'released') {
        this.done(entry);
        entry.resolve(false);
      } else {
        entry.stage = 'new';
        this.waiting.push(entry);
      }
    }
    (this.inbound as unknown as { clear?(): void }).clear?.();
    this.store?.forget();
    this.changed();
  }

  // --- SessionMemory ---

  released(tag: number): void {
    const entry = this.flying.get(tag);
    if (entry === undefined) return;
    entry.stage = 'released';
    if (this.store === undefined) return;
    this.store.released(entry.sequence);
    this.changed();
  }

  kept(then: () => void): void {
    if (this.lost) return;
    if (!this.dirty && this.committing === undefined) then();
    else this.thens.push(then);
  }

  private changed(): void {
    if (this.store === undefined || this.dirty || this.lost) return;
    this.dirty = true;
    // What is said in one turn is one commit, and while one is under way the next gathers.
    if (this.committing === undefined) queueMicrotask(() => this.commit());
  }

  private commit(): void {
    this.dirty = false;
    const { thens } = this;
    const entries = this.unkept.splice(0);
    this.thens = [];
    this.committing = this.store!.commit().then(
      () => {
        this.committing = undefined;
        for (const entry of entries) {
          entry.kept = true;
          entry.stored?.();
        }
        for (const then of thens) then();
        if (this.dirty) this.commit();
        if (entries.length > 0) this.ready();
      },
      (cause: Error) => {
        this.committing = undefined;
        this.lost = true;
        this.dirty = false;
        this.broken(
          new WaymeetError('storage', '', `the outbox cannot be written: ${cause.message}`, { cause }),
        );
      },
    );
  }

  /** Resolves when nothing waits to be acknowledged. */
  empty(): Promise<void> {
    if (this.count === 0) return Promise.resolve();
    return new Promise((resolve) => this.emptied.push(resolve));
  }

  /** No more is to come: those that wait are told why. What is in the store stays there. */
  async close(why: Error): Promise<void> {
    this.grounded();
    const left = this.waiting;
    this.waiting = [];
    for (const call of this.emptied.splice(0)) call();
    for (const entry of left) entry.reject(why);
    if (this.store === undefined) return;
    while (this.dirty || this.committing !== undefined) {
      await (this.committing ?? Promise.resolve());
    }
    await this.store.close();
  }
}

function tagOf({ sequence }: Entry): number {
  return (sequence % MAX_TAG) + 1;
}
