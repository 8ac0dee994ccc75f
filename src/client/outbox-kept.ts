// An outbox that outlives the program, in a store.

import type { InboundIds } from '../contract/mailbox.ts';
import type { Message } from '../contract/message.ts';
import { WaymeetError } from './error.ts';
import { type Entry, NOBODY, Outbox, type OutboxLimits } from './outbox.ts';

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

/** Messages of QoS 1 and 2 leave once they are in the store. */
export class KeptOutbox extends Outbox {
  private readonly store: OutboxStore;
  private readonly ids = new Set<number>();
  private committing: Promise<void> | undefined;
  private dirty = false;
  /** The store has failed: nothing is kept any more. */
  private lost = false;
  private thens: (() => void)[] = [];
  private readonly unkept: { readonly entry: Entry; readonly stored: (() => void) | undefined }[] = [];

  constructor(limits: OutboxLimits, store: OutboxStore) {
    super(limits);
    this.store = store;
  }

  override readonly inbound: InboundIds & { clear(): void } = this.storedInbound();

  private storedInbound(): KeptOutbox['inbound'] {
    const { ids } = this;
    return {
      has: (id) => ids.has(id),
      add: (id) => {
        ids.add(id);
        this.store.addInbound(id);
        this.changed();
      },
      delete: (id) => {
        if (!ids.delete(id)) return;
        this.store.deleteInbound(id);
        this.changed();
      },
      clear: () => ids.clear(),
      get size() {
        return ids.size;
      },
    };
  }

  override async load(): Promise<string | undefined> {
    const { clientId, messages, inbound } = await this.store.load();
    for (const { sequence, message, released } of messages) {
      this.sequence = Math.max(this.sequence, sequence);
      // It may have been sent: only a tag that is used again shows that it is the same one.
      this.add(sequence, message, released ? 'released' : 'sent', true, NOBODY, NOBODY);
    }
    for (const id of inbound) this.ids.add(id);
    return clientId;
  }

  override name(clientId: string): void {
    this.store.name(clientId);
    this.changed();
  }

  override push(
    message: Message,
    resolve: Entry['resolve'],
    reject: Entry['reject'],
    stored?: () => void,
  ): Entry {
    const entry = super.push(message, resolve, reject);
    if (message.qos === 0) return entry;
    entry.kept = false;
    this.store.put(entry.sequence, message);
    this.unkept.push({ entry, stored });
    this.changed();
    return entry;
  }

  override done(entry: Entry): void {
    if (entry.message.qos > 0) {
      this.store.done(entry.sequence);
      this.changed();
    }
    super.done(entry);
  }

  override forgotten(): void {
    super.forgotten();
    this.store.forget();
    this.changed();
  }

  override released(tag: number): void {
    const entry = this.flying.get(tag);
    if (entry === undefined) return;
    super.released(tag);
    this.store.released(entry.sequence);
    this.changed();
  }

  override kept(then: () => void): void {
    if (this.lost) return;
    if (!this.dirty && this.committing === undefined) then();
    else this.thens.push(then);
  }

  private changed(): void {
    if (this.dirty || this.lost) return;
    this.dirty = true;
    // What is said in one turn is one commit, and while one is under way the next gathers.
    if (this.committing === undefined) queueMicrotask(() => this.commit());
  }

  private commit(): void {
    this.dirty = false;
    const { thens } = this;
    const unkept = this.unkept.splice(0);
    this.thens = [];
    this.committing = this.store.commit().then(
      () => {
        this.committing = undefined;
        for (const { entry, stored } of unkept) {
          entry.kept = true;
          stored?.();
        }
        for (const then of thens) then();
        if (this.dirty) this.commit();
        if (unkept.length > 0) this.ready();
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

  /** What is in the store stays there. */
  override async close(why: Error): Promise<void> {
    await super.close(why);
    while (this.dirty || this.committing !== undefined) await (this.committing ?? Promise.resolve());
    await this.store.close();
  }
}
