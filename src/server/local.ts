// A client of the hub in its own process: what publishes `$SYS` and what an embedding program uses.

import type { Access, Guest, Hub } from '../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Subscription } from '../contract/mailbox.ts';
import { type Message, NEVER, type Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';

export type Listen = (m: Message) => void;

/** `hub` is the protocol that may publish under `$SYS/`. */
const PROTOCOL = 'hub';

/** Logged in without a proof, allowed everything. Its subscriptions end with the process. */
export class LocalClient implements Guest {
  private access!: Access;
  private readonly hub: Hub;
  private readonly waiting: { readonly ticket: number; readonly done: (outcome: Outcome) => void }[] = [];
  private readonly boxes = new Map<string, LocalBox>();
  private opened = 0;

  constructor(hub: Hub, name: string) {
    this.hub = hub;
    const login = {
      protocol: PROTOCOL,
      client: name,
      username: undefined,
      password: undefined,
      remote: '',
      listener: '',
      wire: {},
    };
    hub.admit(login, { principal: PROTOCOL, unrestricted: true, validUntil: NEVER }, this);
  }

  welcome(access: Access): void {
    this.access = access;
  }

  refuse(why: Outcome): void {
    throw new Error(`the hub takes no clients: ${why}`);
  }

  /** What waits is not known to be kept. */
  evict(why: Outcome): void {
    for (const { done } of this.waiting.splice(0)) done(why);
  }

  kept(ticket: number): void {
    while (this.waiting.length > 0 && this.waiting[0]!.ticket <= ticket) this.waiting.shift()!.done('ok');
  }

  get client(): string {
    return this.access.client;
  }

  /** Publishes at once; what happens to it is not waited for. */
  tell(m: Message): Outcome {
    return this.access.publish(m);
  }

  /** Resolves once the message is kept as surely as its QoS and the store promise; with another outcome when that is not known. */
  async publish(m: Message): Promise<Outcome> {
    const outcome = this.access.publish(m);
    const ticket = m.qos === 0 ? 0 : this.access.due;
    if (ticket === 0) return outcome;
    const kept = await new Promise<Outcome>((done) => this.waiting.push({ ticket, done }));
    return kept === 'ok' ? outcome : kept;
  }

  /** Calls `listen` for every message of `filter`, the retained ones first; returns how to stop. */
  subscribe(filter: string, qos: Qos, listen: Listen): () => void {
    // A mailbox for each: overlapping filters then each get their message.
    const name = `${this.access.client}#${++this.opened}`;
    const mailbox = this.access.mailbox(name, {
      fresh: true,
      keepMs: 0,
      capacity: this.hub.limits.queueMessages,
      overflow: this.hub.limits.overflow === 'drop-oldest' ? 'drop-oldest' : 'drop-newest',
    });
    const box = new LocalBox(mailbox, listen);
    this.boxes.set(name, box);
    const subscription: Subscription = { filter, qos, noLocal: false, tag: 0 };
    const { outcome } = mailbox.subscribe(subscription);
    if (outcome !== 'ok') throw new Error(`cannot subscribe to ${filter}: ${outcome}`);
    mailbox.attach(box);
    mailbox.replay(subscription);
    return () => {
      if (!this.boxes.delete(name)) return;
      mailbox.unsubscribe(filter);
      mailbox.detach(box);
    };
  }

  leave(now: number): void {
    this.access.leave(true, now);
  }
}

class LocalBox implements Consumer {
  private readonly mailbox: Mailbox;
  private readonly listen: Listen;

  constructor(mailbox: Mailbox, listen: Listen) {
    this.mailbox = mailbox;
    this.listen = listen;
  }

  ready(): boolean {
    return true;
  }

  deliver(m: Message, _qos: Qos, _grant: Grant, _replayed: boolean, id: number): void {
    try {
      this.listen(m);
    } finally {
      if (id !== 0) this.mailbox.settle(id, 'ok');
    }
  }

  take(): number {
    return 0;
  }

  evict(): void {}
}
