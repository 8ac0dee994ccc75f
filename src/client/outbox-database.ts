// An outbox in IndexedDB, for a browser: one transaction a commit.

import { Reader } from '../bytes/reader.ts';
import { Writer } from '../bytes/writer.ts';
import type { Message } from '../contract/message.ts';
import { readMessage, writeMessage } from '../hub/records.ts';
import { WaymeetError } from './error.ts';
import type { Kept, OutboxStore } from './outbox-kept.ts';

// What is used of the browser's interfaces, https://www.w3.org/TR/IndexedDB/.
interface Request<T> {
  readonly result: T;
  readonly error: Error | null;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}
interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null;
  onblocked: (() => void) | null;
}
interface ObjectStore {
  put(value: unknown, key: unknown): unknown;
  delete(key: unknown): unknown;
  clear(): unknown;
  getAll(): Request<unknown[]>;
  getAllKeys(): Request<unknown[]>;
  get(key: unknown): Request<unknown>;
}
interface Transaction {
  objectStore(name: string): ObjectStore;
  oncomplete: (() => void) | null;
  onerror: (() => void) | null;
  onabort: (() => void) | null;
  readonly error: Error | null;
}
interface Database {
  createObjectStore(name: string): unknown;
  transaction(names: readonly string[], mode: string, options?: object): Transaction;
  close(): void;
}
declare const indexedDB: { open(name: string, version: number): OpenRequest };
declare const navigator: {
  readonly locks?: {
    request(
      name: string,
      options: object,
      held: (lock: unknown) => Promise<void> | undefined,
    ): Promise<unknown>;
  };
};

const MESSAGES = 'messages';
const RELEASED = 'released';
const INBOUND = 'inbound';
const ABOUT = 'about';
const ALL = [MESSAGES, RELEASED, INBOUND, ABOUT];
const CLIENT_ID = 'clientId';

type Step = (stores: (name: string) => ObjectStore) => void;

/** Opens, or makes, the database `waymeet-{name}`. Rejects with WaymeetError 'storage' when it cannot be, or another page has it open. */
export async function openOutboxDatabase(name: string): Promise<OutboxStore> {
  const unlock = await lock(name);
  try {
    const opening = indexedDB.open(`waymeet-${name}`, 1);
    opening.onupgradeneeded = () => {
      for (const store of ALL) opening.result.createObjectStore(store);
    };
    return new OutboxDatabase(await done(opening), unlock);
  } catch (cause) {
    unlock();
    throw new WaymeetError(
      'storage',
      '',
      `the outbox ${name} cannot be opened: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

/** Two pages of one site must not send the same messages. Where a browser has no locks, that is the caller's care. */
function lock(name: string): Promise<() => void> {
  const { locks } = navigator;
  if (locks === undefined) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const held = (found: unknown) => {
      if (found === null) {
        reject(new WaymeetError('storage', '', `another page uses the outbox ${name}`));
        return undefined;
      }
      return new Promise<void>((unlock) => resolve(unlock));
    };
    locks.request(`waymeet-${name}`, { ifAvailable: true }, held).catch(reject);
  });
}

function done<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database fails'));
  });
}

class OutboxDatabase implements OutboxStore {
  private readonly database: Database;
  private readonly unlock: () => void;
  private readonly writer = new Writer();
  private steps: Step[] = [];

  constructor(database: Database, unlock: () => void) {
    this.database = database;
    this.unlock = unlock;
  }

  async load(): Promise<Kept> {
    const t = this.database.transaction(ALL, 'readonly');
    const [keys, values, released, inbound, clientId] = await Promise.all([
      done(t.objectStore(MESSAGES).getAllKeys()),
      done(t.objectStore(MESSAGES).getAll()),
      done(t.objectStore(RELEASED).getAllKeys()),
      done(t.objectStore(INBOUND).getAllKeys()),
      done(t.objectStore(ABOUT).get(CLIENT_ID)),
    ]);
    const gone = new Set(released as number[]);
    return {
      clientId: clientId as string | undefined,
      messages: (keys as number[]).map((sequence, i) => ({
        sequence,
        message: readMessage(new Reader(values[i] as Uint8Array)),
        released: gone.has(sequence),
      })),
      inbound: inbound as number[],
    };
  }

  put(sequence: number, m: Message): void {
    writeMessage(this.writer, m);
    const record = this.writer.finish();
    this.steps.push((stores) => stores(MESSAGES).put(record, sequence));
  }

  released(sequence: number): void {
    this.steps.push((stores) => stores(RELEASED).put(true, sequence));
  }

  done(sequence: number): void {
    this.steps.push((stores) => {
      stores(MESSAGES).delete(sequence);
      stores(RELEASED).delete(sequence);
    });
  }

  addInbound(id: number): void {
    this.steps.push((stores) => stores(INBOUND).put(true, id));
  }

  deleteInbound(id: number): void {
    this.steps.push((stores) => stores(INBOUND).delete(id));
  }

  name(clientId: string): void {
    this.steps.push((stores) => stores(ABOUT).put(clientId, CLIENT_ID));
  }

  forget(): void {
    this.steps.push((stores) => {
      stores(RELEASED).clear();
      stores(INBOUND).clear();
    });
  }

  commit(): Promise<void> {
    const { steps } = this;
    this.steps = [];
    if (steps.length === 0) return Promise.resolve();
    const t = this.database.transaction(ALL, 'readwrite', { durability: 'strict' });
    const stores = (name: string) => t.objectStore(name);
    for (const step of steps) step(stores);
    return new Promise((resolve, reject) => {
      t.oncomplete = () => resolve();
      t.onerror = () => reject(t.error ?? new Error('the transaction failed'));
      t.onabort = () => reject(t.error ?? new Error('the transaction was given up'));
    });
  }

  async close(): Promise<void> {
    this.database.close();
    this.unlock();
  }
}
