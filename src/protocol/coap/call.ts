// One call of a client: the body upward in blocks, the answer downward in blocks, and the notifications of an observation.

import { joined } from '../../bytes/joined.ts';
import { NEVER } from '../../contract/message.ts';
import { blockBytes } from './block.ts';
import { decodeUint } from './decode.ts';
import { encodeUint } from './encode.ts';
import { type Block, decodeBlock } from './options.ts';
import { CODE, type CoapMessage, type CoapOption, type CoapType, NOTHING, OPTION } from './packet.ts';
import type { Binding } from './sealing.ts';

export interface Call {
  readonly code: number;
  readonly path: readonly string[];
  /** `name=value` each. */
  readonly query?: readonly string[];
  readonly payload?: Uint8Array;
  readonly contentFormat?: number;
  readonly observe?: boolean;
  /** Observed are events, each of which counts, instead of a state of which the newest does. */
  readonly events?: boolean;
  /** Default: true. Blocks are confirmable anyway. */
  readonly confirmable?: boolean;
  /** Classes of response that are not wanted [RFC7967-2.1]. */
  readonly noResponse?: number;
}

export interface CallAnswer {
  /** 'again': of a registration that was renewed. */
  readonly kind: 'answer' | 'again' | 'notification';
  readonly type: CoapType;
  readonly code: number;
  /** Those of the answer's first block. */
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

export interface CallEvents {
  /** The whole answer, whatever its code; of an observation, each notification. */
  answer(answer: CallAnswer): void;
  /** There will be none: no acknowledgement, no answer in time, or the connection is lost. */
  failed(why: string): void;
}

/** What a body may grow to while its blocks are fetched. */
const MAX_BODY_BYTES = 64 * 1_048_576;
/** Notifications that arrive this much apart are in order whatever their numbers say [RFC7641-3.4]. */
const ORDER_MS = 128_000;
/** Max-Age of what does not say it [RFC7252-5.10.5]. */
const FRESH_SECONDS = 60;
/** Sequence numbers of events that are remembered, so that none counts twice. */
const MAX_RECENT = 64;
/** A server may doubt the address, the numbers of the keys, and the keys. */
const MAX_CHALLENGES = 3;
const utf8 = new TextEncoder();

export class Operation {
  readonly call: Call;
  readonly token: Uint8Array;
  /** No answer has come yet. */
  isFirst = true;
  /** What the server asked to be echoed [RFC9175-2.3]. */
  echo: Uint8Array | undefined;
  /** The next block of the answer. */
  wanted: Block | undefined;
  /** What the registration and the one before it were sealed with, to which notifications are bound. */
  bindings: readonly Binding[] = [];
  /** When the registration of an observation is due again. */
  renewAt = NEVER;
  private kind: CallAnswer['kind'] = 'answer';
  private readonly recent: number[] = [];
  private readonly events: CallEvents;
  /** How much of the body was taken, and the block size that the server wants. */
  private uploaded = 0;
  private szx = 7;
  private challenges = 0;
  private pieces: Uint8Array[] = [];
  private length = 0;
  private head: CoapMessage | undefined;
  private sequence = -1;
  private sequenceAt = 0;

  constructor(call: Call, events: CallEvents, token: Uint8Array) {
    this.call = call;
    this.events = events;
    this.token = token;
  }

  /** The request's options with `extra`, in order. */
  options(extra: readonly CoapOption[]): CoapOption[] {
    const { path, query = [], contentFormat, noResponse } = this.call;
    const all: CoapOption[] = [
      ...path.map((segment) => ({ number: OPTION.uriPath, value: utf8.encode(segment) })),
      ...query.map((term) => ({ number: OPTION.uriQuery, value: utf8.encode(term) })),
      ...extra,
    ];
    if (contentFormat !== undefined)
      all.push({ number: OPTION.contentFormat, value: encodeUint(contentFormat) });
    if (noResponse !== undefined) all.push({ number: OPTION.noResponse, value: encodeUint(noResponse) });
    return all.toSorted((a, b) => a.number - b.number);
  }

  /** Registers again, under the same token [RFC7641-3.3.1]. */
  restart(): void {
    this.forget();
    this.isFirst = true;
    this.challenges = 0;
    this.kind = 'again';
    this.renewAt = NEVER;
  }

  /** How long a value stays fresh. */
  freshMs(m: CoapMessage): number {
    const age = optionOf(m, OPTION.maxAge);
    return (age === undefined ? FRESH_SECONDS : decodeUint(age)) * 1_000;
  }

  /** The piece of the body that goes next, and its place; without one, when the body fits a message or is done. */
  upload(maxSzx: number): { piece: Uint8Array; block: Block | undefined } {
    const { payload = NOTHING } = this.call;
    const szx = Math.min(this.szx, maxSzx);
    const unit = blockBytes(szx);
    if (this.wanted !== undefined) return { piece: NOTHING, block: undefined };
    if (payload.length <= unit && this.uploaded === 0) return { piece: payload, block: undefined };
    const end = Math.min(this.uploaded + unit, payload.length);
    const block = { num: this.uploaded / unit, more: end < payload.length, szx };
    return { piece: payload.subarray(this.uploaded, end), block };
  }

  /** An answer to the last request; 'more': another request follows. */
  take(m: CoapMessage): 'more' | 'done' {
    if (m.code === CODE.unauthorized && optionOf(m, OPTION.echo) !== undefined && this.again(m))
      return 'more';
    const value = optionOf(m, OPTION.block1);
    const block1 = value === undefined ? undefined : decodeBlock(value);
    if (m.code === CODE.continue && block1 !== undefined) {
      // The server may take the block and ask for smaller ones from now on. [RFC7959-2.3]
      const { payload = NOTHING } = this.call;
      this.uploaded = Math.min(this.uploaded + blockBytes(Math.min(this.szx, 6)), payload.length);
      this.szx = Math.min(this.szx, block1.szx);
      return 'more';
    }
    if (m.code === CODE.requestTooLarge && block1 !== undefined && block1.szx < Math.min(this.szx, 6)) {
      this.szx = block1.szx; // [RFC7959-2.9.3]
      this.uploaded = 0;
      return 'more';
    }
    this.isFirst = false;
    return this.download(m);
  }

  /** The same request once more, because its address or its keys had to be proved first; false: that was asked too often. */
  again(m: CoapMessage): boolean {
    this.echo = optionOf(m, OPTION.echo) ?? this.echo;
    return this.challenges++ < MAX_CHALLENGES;
  }

  /** A notification. Blocks of an older one that are still under way are not wanted any more. */
  renew(m: CoapMessage): 'more' | 'done' {
    this.forget();
    this.kind = 'notification';
    return this.download(m);
  }

  private download(m: CoapMessage): 'more' | 'done' {
    const value = optionOf(m, OPTION.block2);
    const block = value === undefined ? undefined : decodeBlock(value);
    const expected = this.wanted?.num ?? 0;
    if (m.code >> 5 !== 2 || (block === undefined && expected === 0)) return this.finish(m, m.payload);
    if (block === undefined || block.num !== expected || !this.sameBody(m)) {
      // It became another value meanwhile: from the start. [RFC7959-2.4]
      const again = expected > 0;
      this.forget();
      if (again) {
        this.wanted = { num: 0, more: false, szx: block?.szx ?? 6 };
        return 'more';
      }
    }
    this.head ??= m;
    this.pieces.push(m.payload);
    this.length += m.payload.length;
    if (this.length > MAX_BODY_BYTES) {
      this.fail('the answer is too large');
      return 'done';
    }
    if (block?.more !== true) return this.finish(this.head, joined(this.pieces));
    const unit = blockBytes(block.szx);
    this.wanted = {
      num: block.num + Math.max(1, Math.floor(m.payload.length / unit)),
      more: false,
      szx: block.szx,
    };
    return 'more';
  }

  private sameBody(m: CoapMessage): boolean {
    if (this.head === undefined) return true;
    const a = optionOf(this.head, OPTION.eTag);
    const b = optionOf(m, OPTION.eTag);
    return (
      a === undefined || b === undefined || (a.length === b.length && a.every((octet, i) => octet === b[i]))
    );
  }

  private finish(head: CoapMessage, payload: Uint8Array): 'done' {
    this.forget();
    const { type, code, options } = head;
    this.events.answer({ kind: this.kind, type, code, options, payload });
    return 'done';
  }

  private forget(): void {
    this.head = undefined;
    this.pieces = [];
    this.length = 0;
    this.wanted = undefined;
  }

  fail(why: string): void {
    this.forget();
    this.events.failed(why);
  }

  /** Whether a notification is newer than the last one. [RFC7641-3.4] */
  isFresh(m: CoapMessage, now: number): boolean {
    const value = optionOf(m, OPTION.observe);
    if (value === undefined) return true;
    const next = decodeUint(value);
    if (this.call.events === true) return this.isNew(next);
    const last = this.sequence;
    const newer =
      last < 0 ||
      (last < next && next - last < 0x80_0000) ||
      (last > next && last - next > 0x80_0000) ||
      now > this.sequenceAt + ORDER_MS;
    if (newer) {
      this.sequence = next;
      this.sequenceAt = now;
    }
    return newer;
  }

  /** Late ones count too: only what was heard already is stale. */
  private isNew(sequence: number): boolean {
    if (this.recent.includes(sequence)) return false;
    this.recent.push(sequence);
    if (this.recent.length > MAX_RECENT) this.recent.shift();
    return true;
  }
}

export function optionOf(
  m: { readonly options: readonly CoapOption[] },
  number: number,
): Uint8Array | undefined {
  return m.options.find((o) => o.number === number)?.value;
}
