// Bodies larger than a message (RFC 7959): requests put together from their blocks, answers kept until their last block is fetched.

import { encodeUint } from './encode.ts';
import { sameOctets } from './exchange.ts';
import { type Block, blockValue, type Refusal } from './options.ts';
import { CODE, type CoapOption, OPTION } from './packet.ts';

/** A transfer that rests for so long is forgotten: an EXCHANGE_LIFETIME [RFC7959-2.5]. */
const REST_MS = 247_000;
/** Transfers of one endpoint at a time, each way; the one that rested longest makes room. */
const MAX_TRANSFERS = 4;
const BERT_UNIT = 1_024;

/** Octets that unfinished uploads of all endpoints may hold together. */
export class UploadBudget {
  private left: number;

  constructor(maxBytes: number) {
    this.left = maxBytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.left += bytes;
  }
}

export function blockBytes(szx: number): number {
  return szx === 7 ? BERT_UNIT : 16 << szx;
}

export function blockOption(number: number, b: Block): CoapOption {
  return { number, value: encodeUint(blockValue(b)) };
}

interface Upload {
  readonly chunks: Uint8Array[];
  length: number;
  at: number;
}

/** What a block led to. */
export type UploadStep =
  | { readonly kind: 'continue' }
  | { readonly kind: 'whole'; readonly body: Uint8Array }
  | ({ readonly kind: 'refused'; readonly options: readonly CoapOption[] } & Refusal);

/** The unfinished uploads of one endpoint. */
export class Uploads {
  private readonly uploads = new Map<string, Upload>();
  private readonly budget: UploadBudget;
  private readonly maxBytes: number;

  constructor(budget: UploadBudget, maxBytes: number) {
    this.budget = budget;
    this.maxBytes = maxBytes;
  }

  /** Takes one block of the request `key`. Blocks come in order: one that does not fit the last ends the upload [RFC7959-2.5]. */
  add(key: string, b: Block, payload: Uint8Array, size1: number | undefined, now: number): UploadStep {
    const unit = blockBytes(b.szx);
    if (
      (b.more && (payload.length === 0 || payload.length % unit !== 0)) ||
      (b.szx < 7 && payload.length > unit)
    )
      return refused(CODE.badRequest, 'a block that is not of its size');
    const begun = b.num === 0 ? undefined : this.uploads.get(key);
    if (b.num === 0) this.drop(key);
    else if (begun !== undefined && b.more && repeats(begun, b, payload, unit)) return { kind: 'continue' };
    else if (begun === undefined || begun.length !== b.num * unit) {
      this.drop(key);
      return refused(CODE.requestIncomplete, 'a block before this one is missing');
    }
    const length = (begun?.length ?? 0) + payload.length;
    if (Math.max(length, b.num === 0 ? (size1 ?? 0) : 0) > this.maxBytes) {
      this.drop(key);
      // [RFC7959-2.9.3]
      return refused(CODE.requestTooLarge, 'body too large', [
        { number: OPTION.size1, value: encodeUint(this.maxBytes) },
      ]);
    }
    if (!b.more) {
      const body = begun === undefined ? payload : join(begun.chunks, payload, length);
      this.drop(key);
      return { kind: 'whole', body };
    }
    if (begun === undefined) this.makeRoom(now);
    if (!this.budget.take(payload.length)) {
      this.drop(key);
      return refused(CODE.unavailable, 'too many uploads at a time');
    }
    this.uploads.delete(key); // and again, so that the map is in order of use
    const chunks = begun?.chunks ?? [];
    chunks.push(payload);
    this.uploads.set(key, { chunks, length, at: now });
    return { kind: 'continue' };
  }

  private makeRoom(now: number): void {
    for (const [key, upload] of this.uploads) {
      if (now - upload.at < REST_MS && this.uploads.size < MAX_TRANSFERS) return;
      this.drop(key);
    }
  }

  private drop(key: string): void {
    const upload = this.uploads.get(key);
    if (upload === undefined) return;
    this.uploads.delete(key);
    this.budget.give(upload.length);
  }

  clear(): void {
    for (const key of [...this.uploads.keys()]) this.drop(key);
  }
}

/** Whether it is the block that came last: its sender did not hear that we have it. */
function repeats({ chunks, length }: Upload, b: Block, payload: Uint8Array, unit: number): boolean {
  const last = chunks.at(-1)!;
  return length - last.length === b.num * unit && sameOctets(last, payload);
}

function refused(code: number, why: string, options: readonly CoapOption[] = []): UploadStep {
  return { kind: 'refused', code, why, options };
}

function join(chunks: readonly Uint8Array[], last: Uint8Array, length: number): Uint8Array {
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  body.set(last, at);
  return body;
}

/** An answer of several blocks. Its payload is shared with the message that it came from. */
export interface Download {
  readonly code: number;
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

/** The answers of one endpoint that are not fetched to their end: all blocks come from one representation. */
export class Downloads {
  private downloads: Map<string, Download & { at: number }> | undefined;

  keep(key: string, d: Download, now: number): void {
    this.downloads ??= new Map();
    const { downloads } = this;
    downloads.delete(key);
    for (const [other, old] of downloads) {
      if (now - old.at < REST_MS && downloads.size < MAX_TRANSFERS) break;
      downloads.delete(other);
    }
    downloads.set(key, { ...d, at: now });
  }

  find(key: string, now: number): Download | undefined {
    const d = this.downloads?.get(key);
    if (d === undefined || now - d.at >= REST_MS) return undefined;
    d.at = now;
    return d;
  }

  done(key: string): void {
    this.downloads?.delete(key);
  }
}

/** The block of `payload` that `b` names and its octets, at most `maxBytes` of them; undefined: beyond the end. */
export function cut(
  payload: Uint8Array,
  b: Block,
  maxBytes: number,
): { block: Block; octets: Uint8Array } | undefined {
  const unit = blockBytes(b.szx);
  const start = b.num * unit;
  if (start >= payload.length && b.num > 0) return undefined;
  const length = b.szx === 7 ? Math.max(1, Math.floor(maxBytes / BERT_UNIT)) * BERT_UNIT : unit;
  const end = Math.min(start + length, payload.length);
  return {
    block: { num: b.num, more: end < payload.length, szx: b.szx },
    octets: payload.subarray(start, end),
  };
}

/** An entity tag: 64 bits of the octets and what they are, so that equal representations have equal tags. */
export function eTagOf(payload: Uint8Array, format: number): Uint8Array {
  // Two FNV-1a hashes of 32 bits with different starts.
  let a = 0x811c9dc5 ^ format;
  let b = 0x9747b28c ^ payload.length;
  for (let i = 0; i < payload.length; i++) {
    const octet = payload[i]!;
    a = Math.imul(a ^ octet, 0x01000193);
    b = Math.imul(b ^ octet, 0x01000193) ^ (b >>> 15);
  }
  const tag = new Uint8Array(8);
  const view = new DataView(tag.buffer);
  view.setUint32(0, a >>> 0);
  view.setUint32(4, b >>> 0);
  return tag;
}
