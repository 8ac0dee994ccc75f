// The observations of one endpoint: registered by token, replaced, cancelled, and served in turn.

import type { Mailbox } from '../../contract/mailbox.ts';
import type { Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import type { Downloads } from './block.ts';
import type { Layer } from './layer.ts';
import { CODE_OF } from './map.ts';
import { type Observation, Observer, type ObserverHost } from './observe.ts';
import { CODE, NOTHING } from './packet.ts';
import type { Rendering } from './rendering.ts';

/** What the observations need of their endpoint. */
export interface ObservedEndpoint {
  readonly wire: Wire;
  readonly layer: Layer;
  readonly now: number;
  readonly downloads: Downloads;
  delivered(qos: Qos): void;
  /** Something was done outside of a call of the wire: ask for the next wake. */
  schedule(): void;
  evict(why: Outcome): void;
  /** Calls `act` at that time, unless it is cancelled. */
  later(at: number, act: () => void): () => void;
}

/** Of those who observe nothing. Never written to. */
const NOBODY: Map<string, Observer> = new Map();

export class Observers implements ObserverHost {
  private readonly endpoint: ObservedEndpoint;
  private observers: Map<string, Observer> = NOBODY;
  private sequence = 0;

  constructor(endpoint: ObservedEndpoint) {
    this.endpoint = endpoint;
  }

  get wire(): Wire {
    return this.endpoint.wire;
  }

  get layer(): Layer {
    return this.endpoint.layer;
  }

  get now(): number {
    return this.endpoint.now;
  }

  get size(): number {
    return this.observers.size;
  }

  nextSequence(): number {
    this.sequence = (this.sequence + 1) & 0xff_ffff;
    return this.sequence;
  }

  make(what: Observation, box: Mailbox): Observer {
    return new Observer(what, box, this);
  }

  find(key: string): Observer | undefined {
    return this.observers.get(key);
  }

  add(observer: Observer): void {
    if (this.observers === NOBODY) this.observers = new Map();
    this.observers.set(observer.what.key, observer);
  }

  /** The client does not want it any more, or asks anew with the same token [RFC7641-3.6, 4.1]. */
  forget(key: string): void {
    const observer = this.observers.get(key);
    if (observer === undefined) return;
    this.observers.delete(key);
    observer.stop();
    this.roomMade(); // its notification is not waited for any more
  }

  /** The client did not know what message `id` was about [RFC7641-3.6]. */
  reset(id: number): void {
    for (const observer of this.observers.values()) if (observer.lastId === id) this.ended(observer);
  }

  /** Message `id` is to be sent again: true where a newer value went instead. */
  supersede(id: number): boolean {
    for (const observer of this.observers.values()) if (observer.lastId === id) return observer.supersede();
    return false;
  }

  keep(operation: string, rest: Rendering): void {
    const { downloads, now } = this.endpoint;
    downloads.keep(operation, { code: CODE.content, ...rest }, now);
  }

  /** The last block of what `operation` names went out. */
  fetched(operation: string): void {
    for (const observer of this.observers.values())
      if (observer.what.operation === operation) observer.fetched();
  }

  later(at: number, act: () => void): () => void {
    return this.endpoint.later(at, act);
  }

  ended(observer: Observer): void {
    this.observers.delete(observer.what.key);
    observer.stop();
    this.roomMade();
  }

  /** Ends one from this side, and says so [RFC7641-4.2]. */
  dismiss(observer: Observer, code: number): void {
    if (this.observers.get(observer.what.key) !== observer) return;
    this.sayGoodbye(observer, code);
    this.ended(observer);
  }

  /** Who got the room last comes last, so that one busy topic does not starve the others. */
  roomMade(): void {
    if (this.observers.size === 1) this.observers.values().next().value!.pull();
    else this.pullAll();
    this.endpoint.schedule();
  }

  private pullAll(): void {
    for (const observer of [...this.observers.values()]) {
      const { key } = observer.what;
      if (this.observers.get(key) !== observer) continue;
      const before = observer.lastId;
      observer.pull();
      if (observer.lastId === before || this.observers.get(key) !== observer) continue;
      this.observers.delete(key);
      this.observers.set(key, observer);
    }
  }

  /** One observation was taken away: its endpoint goes with it. */
  evicted(why: Outcome): void {
    this.endpoint.evict(why);
  }

  /** Every observer is told by an error notification that nothing more will come. [RFC7641-4.2] */
  farewell(why: Outcome): void {
    for (const observer of this.observers.values()) this.sayGoodbye(observer, CODE_OF[why]);
  }

  private sayGoodbye({ what: { token, protection } }: Observer, code: number): void {
    const { layer } = this.endpoint;
    if (protection === undefined) layer.farewell(token, code);
    else {
      const m = protection.seal(code, [], NOTHING);
      layer.push(m.code, token, m.options, m.payload, undefined);
    }
  }

  delivered(qos: Qos): void {
    this.endpoint.delivered(qos);
  }

  clear(): void {
    for (const observer of this.observers.values()) observer.stop();
    this.observers.clear();
  }
}
