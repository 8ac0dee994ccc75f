// What one connection leaves for the next, where the hub lets streams be resumed (XEP-0198): counts, and which publishes it has.

import type { SessionMemory, SpeakerOptions, Tag } from '../../contract/speaker.ts';
import type { Acks } from './acks.ts';
import type { Settled } from './client-settled.ts';

/** A publish that had no answer when the connection was lost. */
interface Published {
  readonly id: string;
  /** A request, which is answered; else a message, which is only taken. */
  readonly answered: boolean;
  /** How many stanzas had been sent with it. */
  readonly number: number;
}

export class Carried {
  readonly id: string;
  readonly jid: string;
  readonly settled: Settled;
  readonly acks: Acks;
  attending = false;
  nextId = 1;
  private count = 0;
  /** By tag, the last publish of each. */
  private published = new Map<number, Published>();
  private taken: ReadonlyMap<number, Published> = new Map();

  constructor(id: string, jid: string, settled: Settled, acks: Acks) {
    this.id = id;
    this.jid = jid;
    this.settled = settled;
    this.acks = acks;
  }

  /** The stanza that is sent next publishes what has this tag. */
  sends(tag: Tag | undefined, id: string, answered: boolean): void {
    if (tag !== undefined) this.published.set(tag.tag, { id, answered, number: this.count + 1 });
  }

  sent(): void {
    this.count++;
  }

  /** The hub has the first `h` stanzas, and never heard of the others. */
  resumed(h: number): void {
    this.settled.resumed();
    this.acks.resumed(h);
    this.count = h;
    this.taken = new Map([...this.published].filter(([, { number }]) => number <= h));
    this.published = new Map(this.taken);
  }

  /** A publish of an earlier connection that the hub has. */
  takenOf(tag: number): Published | undefined {
    return this.taken.get(tag);
  }

  left(attending: boolean, nextId: number): this {
    this.attending = attending;
    this.nextId = nextId;
    return this;
  }
}

export function carriedOf(memory: SessionMemory | undefined): Carried | undefined {
  return memory?.carried instanceof Carried ? memory.carried : undefined;
}

const MAX_SECONDS = 86_400;

/** What `<enable/>` asks for. */
export function termsOf({ sessionExpiryMs }: SpeakerOptions): Readonly<Record<string, string>> {
  if (sessionExpiryMs === 0) return {};
  return { resume: 'true', max: String(Math.min(MAX_SECONDS, Math.ceil(sessionExpiryMs / 1_000))) };
}
