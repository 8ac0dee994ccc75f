// What is published and not acknowledged: in order, bounded, known by tag over connections.

import type { InboundIds } from '../contract/mailbox.ts';
import type { Message } from '../contract/message.ts';
import { MAX_TAG, type SessionMemory, type Tag } from '../contract/speaker.ts';
import { WaymeetError } from './error.ts';

export interface OutboxLimits {
  /** What may wait, messages and octets of payload. */
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** One message on its way. */
export interface Entry {
  readonly sequence: number;
  readonly message: Message;
  /** 'sent' may have reached the other side; 'released': it has it for good, and is to be told that it may forget the tag. */
  stage: 'new' | 'sent' | 'released';
  /** It may be sent. */
  kept: boolean;
  /** A speaker has it. */
  flying: boolean;
  readonly resolve: (unmatched: boolean) => void;
  readonly reject: (why: Error) => void;
}

export const NOBODY = () => {};

/** In memory: it ends with the program. */
export class Outbox implements SessionMemory {
  readonly inbound: InboundIds & { clear(): void } = new Set<number>();
  declare carried?: unknown;
  private readonly limits: OutboxLimits;
  /** Not flying, in order. */
  private waiting: Entry[] = [];
  private head = 0;
  /** QoS 1 and 2 that fly, by tag. */
  protected readonly flying = new Map<number, Entry>();
  protected sequence = 0;
  private bytes = 0;
  private count = 0;
  private emptied: (() => void)[] = [];
  /** Called when messages became sendable. */
  ready: () => void = NOBODY;
  /** Called when nothing may be relied on any more. */
  broken: (why: WaymeetError) => void = NOBODY;

  constructor(limits: OutboxLimits) {
    this.limits = limits;
  }

  /** Takes up what earlier programs left; resolves to the client id that they had. */
  async load(): Promise<string | undefined> {
    return undefined;
  }

  /** The session is that of `clientId`. */
  name(_clientId: string): void {}

  /** Messages that are not acknowledged. */
  get size(): number {
    return this.count;
  }

  /** Payload octets of them. */
  get octets(): number {
    return this.bytes;
  }

  protected add(
    sequence: number,
    message: Message,
    stage: Entry['stage'],
    kept: boolean,
    resolve: Entry['resolve'],
    reject: Entry['reject'],
  ): Entry {
    const entry = { sequence, message, stage, kept, flying: false, resolve, reject };
    this.waiting.push(entry);
    this.count++;
    this.bytes += message.payload.length;
    return entry;
  }

  /** Takes a message in; `_stored` is called where it outlives the program, once it does. Throws WaymeetError 'outbox-full'. */
  push(message: Message, resolve: Entry['resolve'], reject: Entry['reject'], _stored?: () => void): Entry {
    const { maxMessages, maxBytes } = this.limits;
    if (this.count >= maxMessages || this.bytes + message.payload.length > maxBytes)
      throw new WaymeetError('outbox-full', '', `${this.count} messages wait to be acknowledged`);
    return this.add(++this.sequence, message, 'new', true, resolve, reject);
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
    this.inbound.clear();
  }

  // --- SessionMemory ---

  released(tag: number): void {
    const entry = this.flying.get(tag);
    if (entry !== undefined) entry.stage = 'released';
  }

  kept(then: () => void): void {
    then();
  }

  /** Resolves when nothing waits to be acknowledged. */
  empty(): Promise<void> {
    if (this.count === 0) return Promise.resolve();
    return new Promise((resolve) => this.emptied.push(resolve));
  }

  /** No more is to come: those that wait are told why. */
  async close(why: Error): Promise<void> {
    this.grounded();
    const left = this.waiting;
    this.waiting = [];
    for (const call of this.emptied.splice(0)) call();
    for (const entry of left) entry.reject(why);
  }
}

function tagOf({ sequence }: Entry): number {
  return (sequence % MAX_TAG) + 1;
}
