// Who is not let in: bans by hand and after failed logins, kept with the hub's notes, so that a restart does not forget them.

import type { Ban, BanKind } from '../contract/bans.ts';
import { NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { addressOf } from './address.ts';
import type { Notes } from './notes.ts';

/** The name under which the notes are; no protocol is called so. */
const TOWER = 'hub.bans';
const MAX_BANS = 8_000;

export class BanList {
  private readonly bans = new Map<string, Ban>();
  private readonly notes: Notes;

  constructor(notes: Notes) {
    this.notes = notes;
  }

  /** After the notes were restored. */
  restore(): void {
    for (const [name, text] of this.notes.of(TOWER)) {
      const ban = JSON.parse(text) as Omit<Ban, 'until'> & { until: number | null };
      this.bans.set(name, { ...ban, until: ban.until ?? NEVER });
    }
  }

  *list(now: number): Iterable<Ban> {
    this.sweep(now);
    yield* this.bans.values();
  }

  /** Whether one of these is banned. Empty texts never are. */
  holds(now: number, remote: string, username: string | undefined, client: string): boolean {
    if (this.bans.size === 0) return false;
    const address = addressOf(remote);
    return (
      this.standing('address', address, now) ||
      this.standing('address', networkOf(address), now) ||
      this.standing('user', username ?? '', now) ||
      this.standing('client', client, now)
    );
  }

  standing(kind: BanKind, value: string, now: number): boolean {
    if (value === '') return false;
    const ban = this.bans.get(keyOf(kind, value));
    if (ban === undefined) return false;
    if (ban.until > now) return true;
    this.remove(kind, value);
    return false;
  }

  add(ban: Ban): Outcome {
    const key = keyOf(ban.kind, ban.value);
    if (!this.bans.has(key) && this.bans.size >= MAX_BANS) {
      this.sweep(ban.since);
      if (this.bans.size >= MAX_BANS) return 'quota-exceeded';
    }
    this.bans.set(key, ban);
    // JSON has no Infinity: NEVER becomes null.
    return this.notes.write(TOWER, key, JSON.stringify(ban));
  }

  remove(kind: BanKind, value: string): boolean {
    const key = keyOf(kind, value);
    if (!this.bans.delete(key)) return false;
    this.notes.write(TOWER, key, undefined);
    return true;
  }

  private sweep(now: number): void {
    for (const { kind, value, until } of [...this.bans.values()]) if (until <= now) this.remove(kind, value);
  }
}

function keyOf(kind: BanKind, value: string): string {
  return `${kind} ${value}`;
}

/** What one owner has: the /64 of an IPv6 address, else the address itself. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [front = '', back] = address.split('::', 2);
  const head = front === '' ? [] : front.split(':');
  const tail = back === undefined || back === '' ? [] : back.split(':');
  const groups = [
    ...head,
    ...new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'),
    ...tail,
  ];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** Loopback is this machine: a proxy stands there, or its owner. */
export function isLoopback(address: string): boolean {
  return address === '' || address === '::1' || address.startsWith('127.');
}
