// Termini that outlive their links: found again by container id and link name, of a client that comes back. [AMQP1-2.6.1, 3.5.6]

import type { Access, Hub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import { encodeComposite, readComposite } from './composite.ts';
import { ValueReader } from './decode.ts';
import { SOURCE, type Terminus } from './packet.ts';
import { hexOf } from './values.ts';

/** How often those that have expired are looked for. */
const SWEEP_MS = 60_000;

/** Someone who holds a terminus, and loses it to another connection. */
export interface Holder {
  steal(): void;
}

interface KeptSource {
  readonly kind: 'source';
  readonly terminus: Terminus;
  readonly keepMs: number;
  goneAt: number;
}

/** What a target knows of deliveries that their sender has not settled. */
export interface KeptTarget {
  readonly kind: 'target';
  keepMs: number;
  goneAt: number;
  /** Delivery tags, hex, and the code of the outcome that each has. */
  readonly unsettled: Map<string, number>;
}

/** How long a terminus outlives its link, ms. */
export function keepMsOf(terminus: Terminus | undefined, hub: Hub): number {
  if (terminus === undefined) return 0;
  const ms = terminus.expiryPolicy === 'never' ? NEVER : (terminus.timeout ?? 0) * 1_000;
  return Math.min(ms, hub.limits.sessionExpiryMs);
}

export class Termini {
  private readonly hub: Hub;
  private readonly kept = new Map<string, KeptSource | KeptTarget>();
  private readonly holders = new Map<string, Holder>();
  private loaded = false;
  private sweptAt = 0;

  constructor(hub: Hub) {
    this.hub = hub;
  }

  /** Takes up what an earlier run kept. */
  load(access: Access): void {
    if (this.loaded) return;
    this.loaded = true;
    const now = this.hub.now();
    for (const [name, text] of access.notes()) {
      const [what, key, tag] = splitNote(name);
      if (what === 's') this.kept.set(key, sourceFrom(text, this.hub, now));
      else if (tag === undefined) this.targetAt(key, Number(text), now);
      else this.targetAt(key, 0, now).unsettled.set(tag, Number(text));
    }
  }

  private targetAt(key: string, keepMs: number, goneAt: number): KeptTarget {
    const known = this.kept.get(key);
    if (known?.kind === 'target') {
      if (keepMs > 0) known.keepMs = keepMs;
      return known;
    }
    const made: KeptTarget = { kind: 'target', keepMs, goneAt, unsettled: new Map() };
    this.kept.set(key, made);
    return made;
  }

  /** Who has it loses it. */
  takeAway(key: string): void {
    this.holders.get(key)?.steal();
  }

  hold(key: string, holder: Holder): void {
    this.takeAway(key);
    this.holders.set(key, holder);
  }

  letGo(key: string, holder: Holder): void {
    if (this.holders.get(key) !== holder) return;
    this.holders.delete(key);
    const kept = this.kept.get(key);
    if (kept !== undefined) kept.goneAt = this.hub.now();
  }

  // --- sources ---

  source(key: string): Terminus | undefined {
    const kept = this.kept.get(key);
    return kept?.kind === 'source' ? kept.terminus : undefined;
  }

  /** False: there is no room for another. */
  keepSource(key: string, terminus: Terminus, access: Access): boolean {
    this.sweep(access);
    if (access.note(`s${key}`, hexOf(encodeComposite(SOURCE, terminus))) !== 'ok') return false;
    this.kept.set(key, { kind: 'source', terminus, keepMs: keepMsOf(terminus, this.hub), goneAt: NEVER });
    return true;
  }

  forget(key: string, access: Access): void {
    const kept = this.kept.get(key);
    if (kept === undefined) return;
    this.kept.delete(key);
    if (kept.kind === 'source') {
      access.note(`s${key}`, undefined);
      return;
    }
    access.note(`t${key}`, undefined);
    for (const tag of kept.unsettled.keys()) access.note(`t${key}\0${tag}`, undefined);
  }

  // --- targets ---

  target(key: string): KeptTarget | undefined {
    const kept = this.kept.get(key);
    return kept?.kind === 'target' ? kept : undefined;
  }

  /** Undefined: there is no room for another. */
  keepTarget(key: string, keepMs: number, access: Access): KeptTarget | undefined {
    this.sweep(access);
    if (access.note(`t${key}`, `${keepMs}`) !== 'ok') return undefined;
    const target = this.targetAt(key, keepMs, NEVER);
    target.goneAt = NEVER;
    return target;
  }

  /** Remembers the outcome of a delivery, in the commit that publishes it, until its sender has settled it. */
  remember(key: string, target: KeptTarget, tag: string, code: number, access: Access): boolean {
    if (access.note(`t${key}\0${tag}`, `${code}`) !== 'ok') return false;
    target.unsettled.set(tag, code);
    return true;
  }

  settled(key: string, target: KeptTarget, tag: string, access: Access): void {
    if (target.unsettled.delete(tag)) access.note(`t${key}\0${tag}`, undefined);
  }

  private sweep(access: Access): void {
    const now = this.hub.now();
    if (now < this.sweptAt + SWEEP_MS) return;
    this.sweptAt = now;
    for (const [key, { goneAt, keepMs }] of [...this.kept])
      if (!this.holders.has(key) && now > goneAt + keepMs) this.forget(key, access);
  }
}

/** `s` or `t` in front of role, principal, container and link; for a delivery its tag behind them. */
function splitNote(name: string): [what: string, key: string, tag: string | undefined] {
  const parts = name.slice(1).split('\0');
  const tag = parts.length > 4 ? parts.pop() : undefined;
  return [name[0]!, parts.join('\0'), tag];
}

/** One link end: its direction, and who is at its other end. */
export function terminusKey(
  direction: 'in' | 'out',
  principal: string,
  container: string,
  link: string,
): string {
  return [direction, principal, container, link].map((part) => part.replaceAll('\0', '\ufffd')).join('\0');
}

function sourceFrom(hex: string, hub: Hub, goneAt: number): KeptSource {
  const octets = Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
  const terminus = readComposite(new ValueReader(octets), [SOURCE]) as unknown as Terminus;
  return { kind: 'source', terminus, keepMs: keepMsOf(terminus, hub), goneAt };
}

const known = new WeakMap<Hub, Termini>();

/** All connections of one hub share them. */
export function terminiOf(hub: Hub): Termini {
  let termini = known.get(hub);
  if (termini === undefined) {
    termini = new Termini(hub);
    known.set(hub, termini);
  }
  return termini;
}
