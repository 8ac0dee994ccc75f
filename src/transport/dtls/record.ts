// Records: their headers, with and without a connection id, the cipher that protects them, and the window against replay.

import {
  type CipherGCM,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  type DecipherGCM,
} from 'node:crypto';
import { DTLS_1_2, RECORD } from './codes.ts';
import type { DirectionKeys } from './keys.ts';
import { join, uint } from './octets.ts';
import type { Suite } from './suites.ts';

/** type | version | epoch | sequence | length */
export const HEADER_BYTES = 13;
const MAX_PLAINTEXT_BYTES = 16_384;
/** [RFC5246-6.2.3]: a record grows by at most 2,048. */
const MAX_CIPHERTEXT_BYTES = MAX_PLAINTEXT_BYTES + 2_048;
const LAST_SEQUENCE = 2 ** 48 - 1;
const EXPLICIT_NONCE_BYTES = 8;

/** One record of a datagram, still protected when its epoch is not 0. */
export interface RawRecord {
  readonly type: number;
  readonly version: number;
  readonly epoch: number;
  readonly sequence: number;
  /** Views into the datagram. */
  readonly cid: Uint8Array;
  readonly fragment: Uint8Array;
}

/** The records of a datagram. What does not look like one ends it silently [RFC6347-4.1.2.7]. `cidBytes`: the length of our connection ids. */
export function splitDatagram(datagram: Uint8Array, cidBytes: number): RawRecord[] {
  const records: RawRecord[] = [];
  // No Buffer: its `slice` would be a view where a copy is meant.
  const bytes = new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length);
  for (let at = 0; at < bytes.length; ) {
    const record = recordAt(bytes, at, cidBytes);
    if (record === undefined) break;
    records.push(record);
    at = record.fragment.byteOffset - bytes.byteOffset + record.fragment.length;
  }
  return records;
}

function recordAt(bytes: Uint8Array, at: number, cidBytes: number): RawRecord | undefined {
  const type = bytes[at]!;
  const idBytes = type === RECORD.tls12Cid ? cidBytes : 0;
  const start = at + HEADER_BYTES + idBytes;
  if (start > bytes.length || bytes[at + 1] !== 0xfe || (type === RECORD.tls12Cid && idBytes === 0)) {
    return undefined;
  }
  const length = (bytes[start - 2]! << 8) | bytes[start - 1]!;
  if (length === 0 || length > MAX_CIPHERTEXT_BYTES || start + length > bytes.length) return undefined;
  let sequence = 0;
  for (let i = at + 5; i < at + 11; i++) sequence = sequence * 256 + bytes[i]!;
  return {
    type,
    version: (bytes[at + 1]! << 8) | bytes[at + 2]!,
    epoch: (bytes[at + 3]! << 8) | bytes[at + 4]!,
    sequence,
    cid: bytes.subarray(at + 11, at + 11 + idBytes),
    fragment: bytes.subarray(start, start + length),
  };
}

/** type | version | epoch | sequence | cid | length */
function header(
  type: number,
  version: number,
  epoch: number,
  sequence: number,
  cid: Uint8Array,
  length: number,
): Uint8Array {
  return join(Uint8Array.of(type), uint(2, version), uint(2, epoch), uint(6, sequence), cid, uint(2, length));
}

/** A record of epoch 0. */
export function plainRecord(
  type: number,
  sequence: number,
  fragment: Uint8Array,
  version = DTLS_1_2,
): Uint8Array {
  return join(header(type, version, 0, sequence, NO_CID, fragment.length), fragment);
}

export const NO_CID: Uint8Array = new Uint8Array(0);

/** Seals what one direction sends in epoch 1: there is only this one, as keys never change within an association. */
export class Sealer {
  private readonly suite: Suite;
  private readonly keys: DirectionKeys;
  /** The other side's connection id; empty: it wants none. */
  private readonly cid: Uint8Array;
  private sequence = 0;

  constructor(suite: Suite, keys: DirectionKeys, cid: Uint8Array) {
    this.suite = suite;
    this.keys = keys;
    this.cid = cid;
  }

  /** So many octets a record is longer than what it carries. */
  get overhead(): number {
    const { ivBytes, tagBytes } = this.suite;
    const inner = this.cid.length > 0 ? this.cid.length + 1 : 0;
    return HEADER_BYTES + inner + (ivBytes === 4 ? EXPLICIT_NONCE_BYTES : 0) + tagBytes;
  }

  /** No sequence number is left: the association has to end. */
  get exhausted(): boolean {
    return this.sequence > LAST_SEQUENCE;
  }

  seal(type: number, content: Uint8Array): Uint8Array {
    const { suite, keys, cid } = this;
    const sequence = this.sequence++;
    const hidden = cid.length > 0;
    const plain = hidden ? join(content, Uint8Array.of(type)) : content;
    const counter = join(uint(2, 1), uint(6, sequence));
    const cipher = createCipheriv(suite.cipher as CipherGCMTypes, keys.key, nonceOf(suite, keys, counter), {
      authTagLength: suite.tagBytes,
    }) as CipherGCM;
    cipher.setAAD(additional(hidden ? RECORD.tls12Cid : type, counter, cid, plain.length), {
      plaintextLength: plain.length,
    });
    const sealed = cipher.update(plain);
    cipher.final();
    const explicit = suite.ivBytes === 4 ? counter : NO_CID;
    const fragment = join(explicit, sealed, cipher.getAuthTag());
    const outer = hidden ? RECORD.tls12Cid : type;
    return join(header(outer, DTLS_1_2, 1, sequence, cid, fragment.length), fragment);
  }
}

/** What a sealed record says, once it is proven. */
export interface Opened {
  readonly type: number;
  readonly content: Uint8Array;
}

/** Opens what the other direction sends in epoch 1, each record once. */
export class Opener {
  private readonly suite: Suite;
  private readonly keys: DirectionKeys;
  /** Our own connection id; empty: none was agreed on. */
  private readonly cid: Uint8Array;
  private readonly window = new ReplayWindow();

  constructor(suite: Suite, keys: DirectionKeys, cid: Uint8Array) {
    this.suite = suite;
    this.keys = keys;
    this.cid = cid;
  }

  /** Undefined: forged, damaged, replayed or not for us; then nothing has changed [RFC6347-4.1.2.6]. */
  open(record: RawRecord): Opened | undefined {
    const hidden = this.cid.length > 0;
    if (record.version !== DTLS_1_2 || (record.type === RECORD.tls12Cid) !== hidden) return undefined;
    if (hidden && Buffer.compare(record.cid, this.cid) !== 0) return undefined;
    if (this.window.seen(record.sequence)) return undefined;
    const plain = this.decrypt(record);
    if (plain === undefined) return undefined;
    this.window.mark(record.sequence);
    if (!hidden)
      return plain.length > MAX_PLAINTEXT_BYTES ? undefined : { type: record.type, content: plain };
    // content | type | zeros [RFC9146-4]
    let end = plain.length - 1;
    while (end >= 0 && plain[end] === 0) end--;
    return end < 0 || end > MAX_PLAINTEXT_BYTES
      ? undefined
      : { type: plain[end]!, content: plain.subarray(0, end) };
  }

  /** Whether a proven record is newer than all before it: a moved peer may be followed only then [RFC9146-6]. */
  isNewest(record: RawRecord): boolean {
    return record.sequence === this.window.newest;
  }

  private decrypt(record: RawRecord): Uint8Array | undefined {
    const { suite, keys } = this;
    const explicit = suite.ivBytes === 4 ? EXPLICIT_NONCE_BYTES : 0;
    const { fragment } = record;
    const end = fragment.length - suite.tagBytes;
    if (end < explicit) return undefined;
    const counter = join(uint(2, record.epoch), uint(6, record.sequence));
    const nonce = nonceOf(suite, keys, explicit === 0 ? counter : fragment.subarray(0, explicit));
    const decipher = createDecipheriv(suite.cipher as CipherGCMTypes, keys.key, nonce, {
      authTagLength: suite.tagBytes,
    }) as DecipherGCM;
    decipher.setAuthTag(fragment.subarray(end));
    decipher.setAAD(additional(record.type, counter, record.cid, end - explicit), {
      plaintextLength: end - explicit,
    });
    try {
      const plain = decipher.update(fragment.subarray(explicit, end));
      decipher.final();
      return plain;
    } catch {
      // The tag is wrong: that is the answer, and an attacker's everyday noise.
      return undefined;
    }
  }
}

/** iv | explicit part [RFC5288-3, RFC6655-3], or iv xor counter [RFC7905-2]. */
function nonceOf(suite: Suite, keys: DirectionKeys, part: Uint8Array): Uint8Array {
  if (suite.ivBytes === 4) return join(keys.iv, part);
  const nonce = Uint8Array.from(keys.iv);
  for (let i = 0; i < part.length; i++) nonce[i + 4]! ^= part[i]!;
  return nonce;
}

/** What the tag proves beside the content [RFC5246-6.2.3.3, RFC9146-5.3]. */
function additional(type: number, counter: Uint8Array, cid: Uint8Array, length: number): Uint8Array {
  const version = uint(2, DTLS_1_2);
  if (type !== RECORD.tls12Cid) return join(counter, Uint8Array.of(type), version, uint(2, length));
  const placeholder = new Uint8Array(8).fill(0xff);
  return join(placeholder, Uint8Array.of(type, cid.length, type), version, counter, cid, uint(2, length));
}

const WINDOW = 64;

/** Which of the last 64 sequence numbers were there [RFC6347-4.1.2.6]. */
export class ReplayWindow {
  newest = -1;
  /** Bit i: newest − i was there; two halves, because numbers have 32 bits. */
  private low = 0;
  private high = 0;

  seen(sequence: number): boolean {
    const age = this.newest - sequence;
    if (age < 0) return false;
    if (age >= WINDOW) return true;
    return ((age < 32 ? this.low >>> age : this.high >>> (age - 32)) & 1) === 1;
  }

  mark(sequence: number): void {
    const ahead = sequence - this.newest;
    if (ahead > 0) {
      this.shift(ahead);
      this.newest = sequence;
      this.low |= 1;
      return;
    }
    const age = -ahead;
    if (age < 32) this.low |= 1 << age;
    else if (age < WINDOW) this.high |= 1 << (age - 32);
  }

  private shift(by: number): void {
    if (by >= WINDOW) {
      this.low = 0;
      this.high = 0;
    } else if (by >= 32) {
      this.high = by === 32 ? this.low : this.low << (by - 32);
      this.low = 0;
    } else {
      this.high = (this.high << by) | (this.low >>> (32 - by));
      this.low <<= by;
    }
  }
}
