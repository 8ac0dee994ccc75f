// Confirmable messages of one endpoint that wait for their acknowledgement, by message id: mostly one.

/** A notification in its parts, most of which are shared: it is written out each time that it is sent. */
export interface Notified {
  readonly token: Uint8Array;
  readonly sequence: number;
  readonly eTag: Uint8Array | undefined;
  readonly tail: Uint8Array;
}

export interface Outstanding {
  readonly id: number;
  readonly message: Uint8Array | Notified;
  readonly ended: (acknowledged: boolean) => void;
  /** A ping: a reset is its answer [RFC7252-4.3]. */
  readonly ping: boolean;
  tries: number;
  timeoutMs: number;
  /** When to send it again. */
  due: number;
}

/** The only one has a place of its own: a Map that is filled and emptied again and again makes a new table every few times. */
export class OutstandingTable {
  private only: Outstanding | undefined = undefined;
  private others: Map<number, Outstanding> | undefined = undefined;

  get size(): number {
    return (this.only === undefined ? 0 : 1) + (this.others?.size ?? 0);
  }

  has(id: number): boolean {
    return this.only?.id === id || (this.others?.has(id) ?? false);
  }

  add(one: Outstanding): void {
    if (this.only === undefined) this.only = one;
    else {
      this.others ??= new Map();
      this.others.set(one.id, one);
    }
  }

  find(id: number): Outstanding | undefined {
    return this.only?.id === id ? this.only : this.others?.get(id);
  }

  /** Takes it out. */
  take(id: number): Outstanding | undefined {
    const { only, others } = this;
    if (only?.id === id) {
      this.only = undefined;
      return only;
    }
    const found = others?.get(id);
    if (found !== undefined) others!.delete(id);
    return found;
  }

  /** One that is due, or undefined; and `nextDue` tells when the first of all is, or Infinity. */
  overdue(now: number): Outstanding | undefined {
    if (this.only !== undefined && this.only.due <= now) return this.only;
    if (this.others === undefined) return undefined;
    for (const one of this.others.values()) if (one.due <= now) return one;
    return undefined;
  }

  get nextDue(): number {
    let next = this.only === undefined ? Number.POSITIVE_INFINITY : this.only.due;
    if (this.others !== undefined) for (const { due } of this.others.values()) if (due < next) next = due;
    return next;
  }
}
