// An outbox in a folder: an append-only log, synchronised once a commit, compacted when most of it is history.

import { readFileSync, writeFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Reader } from '../bytes/reader.ts';
import { Writer } from '../bytes/writer.ts';
import type { Message } from '../contract/message.ts';
import { readMessage, writeMessage } from '../hub/records.ts';
import { WaymeetError } from './error.ts';
import type { Kept, OutboxStore } from './outbox-kept.ts';

/*
 * The log is a row of records; one that is cut short or damaged ends it, for it was not committed:
 *
 *     length, 4 octets | CRC-32 of the rest, 4 octets | kind | sequence or id | what belongs to it
 */
const HEAD_OCTETS = 8;
const PUT = 1;
const RELEASED = 2;
const DONE = 3;
const INBOUND = 4;
const OUTBOUND = 5; // an inbound id is free again
const NAME = 6;
const FORGET = 7;
const MAX_RECORD_OCTETS = 268_435_455;

/** Rewritten when it is larger than this, and less than half of it is still of use. */
const COMPACT_OCTETS = 1_048_576;

interface Live {
  readonly record: Uint8Array;
  message: Message | undefined;
  released: boolean;
}

/** Opens, or makes, the outbox in `folder`. Rejects with WaymeetError 'storage' when it cannot be, or another program has it open. */
export async function openOutboxFile(folder: string): Promise<OutboxStore> {
  try {
    await mkdir(folder, { recursive: true });
    lock(folder);
    return new OutboxFile(folder, await open(path.join(folder, 'log'), 'a+'));
  } catch (cause) {
    if (cause instanceof WaymeetError) throw cause;
    throw new WaymeetError(
      'storage',
      '',
      `the outbox ${folder} cannot be opened: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

/** Folders that this process has open. */
const mine = new Set<string>();

/** A file with our process id; one of a process that is gone is taken over. */
function lock(folder: string): void {
  const file = path.join(folder, 'lock');
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch (why) {
    if ((why as NodeJS.ErrnoException).code !== 'EEXIST') throw why;
    const owner = Number(readFileSync(file, 'utf8'));
    if (owner === process.pid ? mine.has(folder) : isAlive(owner))
      throw new WaymeetError('storage', '', `process ${owner} uses the outbox ${folder}`);
    writeFileSync(file, String(process.pid));
  }
  mine.add(folder);
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (why) {
    return (why as NodeJS.ErrnoException).code === 'EPERM';
  }
}

class OutboxFile implements OutboxStore {
  private readonly folder: string;
  private file: FileHandle;
  private readonly writer = new Writer();
  private batch: Uint8Array[] = [];
  /** What is of use, by sequence; a record is written again when the log is compacted. */
  private readonly live = new Map<number, Live>();
  private readonly inbound = new Set<number>();
  private clientId: string | undefined;
  private fileOctets = 0;
  private liveOctets = 0;

  constructor(folder: string, file: FileHandle) {
    this.folder = folder;
    this.file = file;
  }

  async load(): Promise<Kept> {
    const bytes = new Uint8Array(await readFile(path.join(this.folder, 'log')));
    const end = this.replay(bytes);
    // A torn end must not stand between what is there and what comes.
    if (end < bytes.length) await this.file.truncate(end);
    this.fileOctets = end;
    const messages = [...this.live].sort(([a], [b]) => a - b);
    return {
      clientId: this.clientId,
      messages: messages.map(([sequence, { message, released }]) => ({
        sequence,
        message: message!,
        released,
      })),
      inbound: [...this.inbound],
    };
  }

  /** Returns where the whole records end. */
  private replay(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at + HEAD_OCTETS <= bytes.length) {
      const length = view.getUint32(at);
      const end = at + HEAD_OCTETS + length;
      if (length > MAX_RECORD_OCTETS || end > bytes.length) break;
      const content = bytes.subarray(at + HEAD_OCTETS, end);
      if (crc32(content) !== view.getUint32(at + 4)) break;
      this.apply(content, bytes.subarray(at, end));
      at = end;
    }
    return at;
  }

  private apply(content: Uint8Array, record: Uint8Array): void {
    const r = new Reader(content);
    const kind = r.u8();
    if (kind === NAME) {
      this.clientId = r.text();
      return;
    }
    const number = kind === FORGET ? 0 : r.varint();
    if (kind === PUT) this.born(number, { record, message: readMessage(r), released: false });
    else if (kind === RELEASED) this.mark(number);
    else if (kind === DONE) this.dead(number);
    else if (kind === INBOUND) this.inbound.add(number);
    else if (kind === OUTBOUND) this.inbound.delete(number);
    else if (kind === FORGET) this.forgetAll();
  }

  private born(sequence: number, live: Live): void {
    this.live.set(sequence, live);
    this.liveOctets += live.record.length;
  }

  private mark(sequence: number): void {
    const live = this.live.get(sequence);
    if (live !== undefined) live.released = true;
  }

  private dead(sequence: number): void {
    const live = this.live.get(sequence);
    if (live === undefined) return;
    this.live.delete(sequence);
    this.liveOctets -= live.record.length;
  }

  private forgetAll(): void {
    this.inbound.clear();
    for (const live of this.live.values()) live.released = false;
  }

  put(sequence: number, m: Message): void {
    const record = this.append(PUT, sequence, (w) => writeMessage(w, m));
    this.born(sequence, { record, message: undefined, released: false });
  }

  released(sequence: number): void {
    this.mark(sequence);
    this.append(RELEASED, sequence);
  }

  done(sequence: number): void {
    this.dead(sequence);
    this.append(DONE, sequence);
  }

  addInbound(id: number): void {
    this.inbound.add(id);
    this.append(INBOUND, id);
  }

  deleteInbound(id: number): void {
    this.inbound.delete(id);
    this.append(OUTBOUND, id);
  }

  name(clientId: string): void {
    this.clientId = clientId;
    this.append(NAME, undefined, (w) => w.text(clientId));
  }

  forget(): void {
    this.forgetAll();
    this.append(FORGET, undefined);
  }

  private append(kind: number, number: number | undefined, rest?: (w: Writer) => void): Uint8Array {
    const record = recordOf(this.writer, kind, number, rest);
    this.batch.push(record);
    return record;
  }

  async commit(): Promise<void> {
    const batch = Buffer.concat(this.batch);
    this.batch = [];
    if (batch.length > 0) {
      await writeAll(this.file, batch);
      await this.file.datasync();
      this.fileOctets += batch.length;
    }
    if (this.fileOctets > COMPACT_OCTETS && this.liveOctets * 2 < this.fileOctets) await this.compact();
  }

  /** Writes what is of use into a new log, which takes the old one's place in one step. What is said meanwhile waits in the batch. */
  private async compact(): Promise<void> {
    const w = this.writer;
    const parts: Uint8Array[] = [];
    const { clientId } = this;
    if (clientId !== undefined) parts.push(recordOf(w, NAME, undefined, (to) => to.text(clientId)));
    for (const id of this.inbound) parts.push(recordOf(w, INBOUND, id));
    for (const [sequence, { record, released }] of this.live) {
      parts.push(record);
      if (released) parts.push(recordOf(w, RELEASED, sequence));
    }
    // All of it is in the new log already.
    this.batch = [];
    const next = path.join(this.folder, 'log.new');
    const octets = Buffer.concat(parts);
    const file = await open(next, 'w');
    await writeAll(file, octets);
    await file.datasync();
    await file.close();
    await rename(next, path.join(this.folder, 'log'));
    await syncFolder(this.folder);
    await this.file.close();
    this.file = await open(path.join(this.folder, 'log'), 'a+');
    this.fileOctets = octets.length;
  }

  async close(): Promise<void> {
    await this.file.close();
    await rm(path.join(this.folder, 'lock'), { force: true });
    mine.delete(this.folder);
  }
}

function recordOf(
  w: Writer,
  kind: number,
  number: number | undefined,
  rest?: (w: Writer) => void,
): Uint8Array {
  w.u8(kind);
  if (number !== undefined) w.varint(number);
  rest?.(w);
  const content = w.finish();
  const record = new Uint8Array(HEAD_OCTETS + content.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, content.length);
  view.setUint32(4, crc32(content));
  record.set(content, HEAD_OCTETS);
  return record;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** As in zip and Ethernet; node:zlib has it from Node 22 on. */
function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const octet of bytes) c = CRC_TABLE[(c ^ octet) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
