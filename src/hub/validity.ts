// Clients whose proofs run out, by the second in which they do: one deadline a second, however many clients come and go with theirs.

import { NEVER } from '../contract/message.ts';
import type { AccessCore } from './access.ts';
import type { Deadlines } from './deadlines.ts';

export class Validity {
  private readonly bySecond = new Map<number, Set<AccessCore>>();
  private readonly deadlines: Deadlines;
  private readonly over: (access: AccessCore, now: number) => void;

  /** `over` is told of each client when its time has come, at most a second late. */
  constructor(deadlines: Deadlines, over: (access: AccessCore, now: number) => void) {
    this.deadlines = deadlines;
    this.over = over;
  }

  /** How many clients there are whose proof will run out. */
  get size(): number {
    let count = 0;
    for (const clients of this.bySecond.values()) count += clients.size;
    return count;
  }

  watch(access: AccessCore): void {
    const { validUntil } = access.identity;
    if (validUntil === NEVER) return;
    const second = secondOf(validUntil);
    let clients = this.bySecond.get(second);
    if (clients === undefined) {
      clients = new Set();
      this.bySecond.set(second, clients);
      this.deadlines.add(second * 1_000, (now) => this.due(second, now));
    }
    clients.add(access);
  }

  /** It is gone, or will be watched with another proof. */
  forget(access: AccessCore): void {
    const { validUntil } = access.identity;
    if (validUntil !== NEVER) this.bySecond.get(secondOf(validUntil))?.delete(access);
  }

  private due(second: number, now: number): void {
    const clients = this.bySecond.get(second) ?? [];
    this.bySecond.delete(second);
    for (const access of clients) this.over(access, now);
  }
}

function secondOf(ms: number): number {
  return Math.ceil(ms / 1_000);
}
