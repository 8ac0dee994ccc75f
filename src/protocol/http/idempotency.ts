// Idempotency keys: a request that is sent twice is carried out once, also when the hub was killed in between.

import type { Access } from '../../contract/hub.ts';
import { type Mailbox, PRIVATE } from '../../contract/mailbox.ts';
import { type Answer, Refusal } from './packet.ts';

/** A key is remembered for so long, and at least this many per user. */
const KEEP_MS = 86_400_000;
const KEYS = 1_000;

interface Known {
  readonly fingerprint: number;
  readonly answer: Answer | undefined;
}

/**
 * The keys that one user's requests carried, each also with what it was for. They stand in the `inbound` ids of two mailboxes, so that a key is kept by the very commit
 * that keeps its message; the older mailbox is emptied when the newer is full.
 */
export class Keys {
  private readonly access: Access;
  private readonly known = new Map<number, Known>();
  private newer: Mailbox | undefined;
  private older: Mailbox | undefined;

  constructor(access: Access) {
    this.access = access;
  }

  /** The answer that the key got before; undefined: it is new, and `add` must follow. `target` is what the body is for. Throws Refusal. */
  find(key: string, target: string, body: Uint8Array): Answer | undefined {
    const id = idOf(key);
    const fingerprint = fingerprintOf(target, body);
    const known = this.known.get(id);
    if (known !== undefined) {
      if (known.fingerprint !== fingerprint) throw reused();
      return known.answer ?? REPEATED;
    }
    const [newer, older] = this.boxes();
    if (!newer.inbound.has(id) && !older.inbound.has(id)) return undefined;
    const whole = idOf(`${fingerprint} ${key}`);
    if (!newer.inbound.has(whole) && !older.inbound.has(whole)) throw reused();
    return REPEATED;
  }

  add(key: string, target: string, body: Uint8Array, answer: Answer): void {
    const id = idOf(key);
    const fingerprint = fingerprintOf(target, body);
    let [newer, older] = this.boxes();
    if (newer.inbound.size >= 2 * KEYS) {
      [newer, older] = [this.open(older.name, true), newer];
      this.newer = newer;
      this.older = older;
    }
    newer.inbound.add(id);
    newer.inbound.add(idOf(`${fingerprint} ${key}`));
    this.known.set(id, { fingerprint, answer });
    if (this.known.size > 2 * KEYS) this.known.delete(this.known.keys().next().value!);
  }

  private boxes(): [newer: Mailbox, older: Mailbox] {
    if (this.newer === undefined || this.older === undefined) {
      const { principal } = this.access.identity;
      const one = this.open(`${PRIVATE}idempotency/0/${principal}`, false);
      const two = this.open(`${PRIVATE}idempotency/1/${principal}`, false);
      [this.newer, this.older] = one.inbound.size < 2 * KEYS ? [one, two] : [two, one];
    }
    return [this.newer, this.older];
  }

  private open(name: string, fresh: boolean): Mailbox {
    return this.access.mailbox(name, { fresh, keepMs: KEEP_MS, capacity: 0, overflow: 'drop-newest' });
  }
}

function reused(): Refusal {
  return new Refusal(
    422,
    'idempotency-key-reused',
    'this Idempotency-Key came with another topic or body before',
  );
}

const REPEATED: Answer = {
  status: 200,
  headers: {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'Idempotency-Replayed': 'true',
  },
  body: '{"outcome":"ok","replayed":true}\n',
};

/** 53 bits of two FNV-1a hashes: keys are one user's own, so a collision harms nobody else. */
function idOf(key: string): number {
  const octets = new TextEncoder().encode(key);
  return (fnv(octets, 0x811c9dc5) & 0x1fffff) * 0x1_0000_0000 + fnv(octets, 0x9747b28c);
}

function fingerprintOf(target: string, body: Uint8Array): number {
  const basis = fnv(new TextEncoder().encode(target), 0x811c9dc5);
  return fnv(body, basis) * 0x20_0000 + (body.length & 0x1fffff);
}

function fnv(octets: Uint8Array, basis: number): number {
  let h = basis;
  for (const octet of octets) h = Math.imul(h ^ octet, 0x01000193);
  return h >>> 0;
}
