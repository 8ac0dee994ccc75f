// Answers that are owed to the client: in order, and not before what they promise is kept.

interface Owed {
  readonly due: number;
  readonly give: () => void;
}

export class Answers {
  private waiting: Owed[] = [];
  private keptTicket = 0;

  get size(): number {
    return this.waiting.length;
  }

  /** Calls `give` when everything up to `due` is kept, and every answer before it was given. */
  answer(due: number, give: () => void): void {
    if (this.waiting.length > 0 || due > this.keptTicket) this.waiting.push({ due, give });
    else give();
  }

  kept(ticket: number): void {
    if (ticket > this.keptTicket) this.keptTicket = ticket;
    while (this.waiting.length > 0 && this.waiting[0]!.due <= this.keptTicket) this.waiting.shift()!.give();
  }

  clear(): void {
    this.waiting = [];
  }
}
