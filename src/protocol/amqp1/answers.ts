// Dispositions that are owed to the client: many deliveries in one, and not before what they promise is kept. [AMQP1-2.7.6]

import { ACCEPTED, type DeliveryState, DISPOSITION, type Disposition } from './packet.ts';

/** Who is told that answers have left. */
export interface Asker {
  answered(count: number): void;
}

/** Deliveries `first` to `last` with one answer, which waits for one commit. */
interface Owed {
  readonly asker: Asker | undefined;
  readonly first: number;
  last: number;
  readonly due: number;
  readonly settled: boolean;
  readonly state: DeliveryState;
}

export const ACCEPTED_STATE: DeliveryState = { kind: ACCEPTED };

export class Answers {
  private readonly role: boolean;
  private waiting: Owed[] = [];
  private count = 0;

  constructor(role: boolean) {
    this.role = role;
  }

  /** Deliveries that wait. */
  get size(): number {
    return this.count;
  }

  add(id: number, due: number, state: DeliveryState, settled: boolean, asker?: Asker): void {
    this.count++;
    const last = this.waiting.at(-1);
    const next = last !== undefined && (last.last + 1) >>> 0 === id && last.asker === asker;
    if (next && last.due === due && last.settled === settled && last.state === state) last.last = id;
    else this.waiting.push({ asker, first: id, last: id, due, settled, state });
  }

  /** Says what is kept by now. */
  flush(keptTicket: number, write: (d: Disposition) => void): void {
    const { waiting } = this;
    let said = 0;
    while (said < waiting.length && waiting[said]!.due <= keptTicket) said++;
    if (said === 0) return;
    this.waiting = waiting.slice(said);
    for (let i = 0; i < said; i++) {
      const { asker, first, last, settled, state } = waiting[i]!;
      const count = ((last - first) >>> 0) + 1;
      this.count -= count;
      const through = last === first ? {} : { last };
      write({ kind: DISPOSITION, role: this.role, first, ...through, settled, state });
      asker?.answered(count);
    }
  }
}
