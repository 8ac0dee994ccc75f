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
 * The log opens with eight octets that say what it is, and is a row of records:
 *
 *     length, 4 octets | CRC-32 of the rest, 4 octets | kind | sequence or id | what belongs to it
 *
 * Each commit begins with its number, and is written when the one before is on the disk. So a record that is cut short or damaged ends the
 * log, for its commit did not come about; unless a later commit stands behind it: then the disk has lost what was promised.
 */
const MAGIC = Uint8Array.from('waymeet1', (c) => c.charCodeAt(0));
const HEAD_OCTETS = 8;
const PUT = 1;
const RELEASED = 2;
const DONE = 3;
const INBOUND = 4;
const OUTBOUND = 5; // an inbound id is free again
const NAME = 6;
const FORGET = 7;
const COMMIT = 8;
/** Its number is no longer than this. */
const COMMIT_OCTETS = 10;
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
  private commits = 0;

  constructor(folder: string, file: FileHandle) {
    this.folder = folder;
    this.file = file;
  }

  async load(): Promise<Kept> {
    try {
      return await this.read();
    } catch (why) {
      await this.close();
      throw why;
    }
  }

  private async read(): Promise<Kept> {
    const bytes = new Uint8Array(await readFile(path.join(this.folder, 'log')));
    const end = this.end(bytes);
    // A torn end must not stand between what is there and what comes.
    if (end < bytes.length) await this.file.truncate(end);
    if (end === 0) await writeAll(this.file, MAGIC);
    this.fileOctets = Math.max(end, MAGIC.length);
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

  /** Where what counts ends, which is read. Throws WaymeetError 'storage' when it is no log, or damaged: it is left as it is. */
  private end(bytes: Uint8Array): number {
    const file = path.join(this.folder, 'log');
    const begun = bytes.subarray(0, MAGIC.length);
    // A machine that went down may leave zeros where nothing was written yet.
    const never = begun.every((octet) => octet === 0) && !committed(bytes, 0);
    if (!never && begun.some((octet, i) => octet !== MAGIC[i]))
      throw new WaymeetError('storage', '', `${file} is no outbox`, { fix: 'choose another folder' });
    if (never || begun.length < MAGIC.length) return 0;
    let end: number;
    try {
      end = this.replay(bytes);
    } catch (cause) {
      const said = `${file} cannot be read: ${(cause as Error).message}`;
      throw new WaymeetError('storage', '', said, { fix: 'was it written by a newer version?', cause });
    }
    if (committed(bytes, end))
      throw new WaymeetError('storage', '', `${file} is damaged at octet ${end}`, {
        fix: 'look after the disk; move the file away to begin anew, without what it holds',
      });
    return end;
  }

  /** Returns where the whole records end. */
  private replay(bytes: Uint8Array): number {
    let at = MAGIC.length;
    for (let end = recordAt(bytes, at); end > 0; end = recordAt(bytes, at)) {
      this.apply(bytes.subarray(at + HEAD_OCTETS, end), bytes.subarray(at, end));
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
    else if (kind === COMMIT) this.commits = number;
    else throw new Error(`a record of kind ${kind}`);
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
    if (this.batch.length > 0) {
      const batch = Buffer.concat([recordOf(this.writer, COMMIT, ++this.commits), ...this.batch]);
      this.batch = [];
      await writeAll(this.file, batch);
      await this.file.datasync();
      this.fileOctets += batch.length;
    }
    if (this.fileOctets > COMPACT_OCTETS && this.liveOctets * 2 < this.fileOctets) await this.compact();
  }

  /** Writes what is of use into a new log, which takes the old one's place in one step. What is said meanwhile waits in the batch. */
  private async compact(): Promise<void> {
    const w = this.writer;
    const parts = [MAGIC, recordOf(w, COMMIT, ++this.commits)];
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

/** Where the record at `at` ends; 0: there is no whole one. */
function recordAt(bytes: Uint8Array, at: number): number {
  if (at + HEAD_OCTETS > bytes.length) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEAD_OCTETS);
  const length = view.getUint32(0);
  const end = at + HEAD_OCTETS + length;
  // What was never written may read as zeros.
  if (length === 0 || length > MAX_RECORD_OCTETS || end > bytes.length) return 0;
  return crc32(bytes.subarray(at + HEAD_OCTETS, end)) === view.getUint32(4) ? end : 0;
}

/** Whether a commit begins behind `from`. */
function committed(bytes: Uint8Array, from: number): boolean {
  for (let at = from + 1; at + HEAD_OCTETS < bytes.length; at++) {
    const short =
      bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0 && bytes[at + 3]! <= COMMIT_OCTETS;
    if (short && bytes[at + HEAD_OCTETS] === COMMIT && recordAt(bytes, at) > 0) return true;
  }
  return false;
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
