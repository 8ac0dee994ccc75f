// The messages that went to one client and what it says to them: their numbers, the window, the steps of exactly once.

import type { Mailbox, Settler } from '../../contract/mailbox.ts';
import type { Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';

/**
 * QoS 1: sent —ack→ forgotten. QoS 2: sent —received→ released —ack→ forgotten; a client that does not care may ack at once.
 */
interface Sent {
  /** The mailbox's own number; 0: nobody waits for an answer. */
  readonly id: number;
  readonly box: Settler;
  readonly qos: Qos;
  released: boolean;
}

export class Outflow {
  private readonly box: Mailbox;
  private readonly window: number;
  private readonly sent = new Map<number, Sent>();
  private next = 0;

  /** What an earlier connection released comes first: `release` is to be said again for each of `unfinished`. */
  constructor(box: Mailbox, window: number) {
    this.box = box;
    this.window = window;
    for (const id of box.released()) this.sent.set(2 * id, { id, box, qos: 2, released: true });
  }

  get open(): boolean {
    return this.sent.size < this.window;
  }

  unfinished(): Iterable<number> {
    return this.sent.keys();
  }

  /**
   * The number that the client answers with. Even ones are the mailbox's own and the same in every connection, so that a client knows a QoS 2
   * message again; those of groups and queues are odd, and of this connection.
   */
  number(qos: Qos, id: number, box: Settler): number {
    if (qos === 0) return 0;
    const own = box === this.box && id !== 0;
    const number = own ? 2 * id : 2 * this.next++ + 1;
    this.sent.set(number, { id, box, qos, released: false });
    return number;
  }

  /** Takes a message off the list. False: there is none of that number. */
  settle(number: number, outcome: Outcome): boolean {
    const sent = this.sent.get(number);
    if (sent === undefined) return false;
    this.sent.delete(number);
    if (sent.id !== 0) sent.box.settle(sent.id, outcome);
    return true;
  }

  /** The client stored a QoS 2 message. False: there is none of that number. */
  received(number: number): boolean {
    const sent = this.sent.get(number);
    if (sent === undefined || sent.qos !== 2) return false;
    sent.released = true;
    if (sent.id !== 0) sent.box.release(sent.id);
    return true;
  }

  clear(): void {
    this.sent.clear();
  }
}
