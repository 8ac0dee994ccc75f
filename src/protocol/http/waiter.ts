// A request that waits for one message: a long poll for a value, or the response to a request.

import type { Access } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { refusalOf } from './map.ts';
import type { Pending } from './packet.ts';

export interface Waiting {
  /** True: it was what the request waits for, and the request is answered. */
  took(m: Message): boolean;
  expired(): void;
}

export class Waiter implements Consumer, Pending {
  readonly waitMs: number;
  private readonly mailbox: Mailbox;
  private readonly waiting: Waiting;
  private ended = false;

  /** Subscribes to `topic`. Throws Refusal when that is not allowed. */
  constructor(access: Access, name: string, topic: string, waitMs: number, waiting: Waiting) {
    this.waitMs = waitMs;
    this.waiting = waiting;
    this.mailbox = access.mailbox(name, { fresh: true, keepMs: 0, capacity: 1, overflow: 'conflate' });
    const { outcome } = this.mailbox.subscribe({ filter: topic, qos: 1, noLocal: false, tag: 0 });
    this.mailbox.attach(this);
    if (outcome === 'ok') return;
    this.close();
    throw refusalOf(outcome);
  }

  ready(): boolean {
    return !this.ended;
  }

  deliver(m: Message, _q: Qos, _g: Grant, _r: boolean, id: number, _again: boolean, box: Settler): void {
    if (id !== 0) box.settle(id, 'ok');
    if (!this.ended && this.waiting.took(m)) this.close();
  }

  take(): number {
    return 0;
  }

  expire(): void {
    if (this.ended) return;
    this.close();
    this.waiting.expired();
  }

  drained(): void {}

  evict(_why: Outcome): void {
    this.expire();
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.mailbox.detach(this);
  }
}
